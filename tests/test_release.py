"""A release at every moment of a delivery's life: it goes out soon, once, and its schedule stays as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from router.errors import TemporaryFailure, Throttled
from router.events import Delivery, DeliveryState
from router.store.records import DeliveryFilter
from tests.fakes import START
from tests.lane_parts import Place, Rig, Settings
from tests.waiting import until

PENDING, RETRYING, DELIVERED = DeliveryState.PENDING, DeliveryState.RETRYING, DeliveryState.DELIVERED


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
async def rig(tmp_path: Path, place: Place) -> AsyncIterator[Rig]:
    async with Rig(tmp_path, {"docs": Settings(place)}) as running:
        yield running


async def only(rig: Rig) -> Delivery:
    (listed,) = await rig.store.deliveries(DeliveryFilter())
    return listed.delivery


async def release(rig: Rig) -> None:
    """Do what the call of the admin side does."""
    released = await rig.store.release((await only(rig)).id, rig.clock.now())
    assert released is not None
    rig.lanes.made_due(released)


async def test_retry_goes_out_at_once(rig: Rig, place: Place) -> None:
    """No time passes, and its next failure counts as the next of the schedule."""
    place.failures += [TemporaryFailure("HTTP 503")] * 2
    await rig.accept(1)
    await rig.lanes.quiet()
    await release(rig)
    await rig.lanes.quiet()
    waiting = await only(rig)
    assert place.received == [1, 1]
    assert (waiting.state, waiting.failures, waiting.due_at) == (RETRYING, 2, START + timedelta(minutes=5))


async def test_while_the_outcome_is_on_its_way_back(rig: Rig, place: Place) -> None:
    """A release right after a failure, before the lane has done with that, is not lost until the next retry."""
    place.failures.append(TemporaryFailure("HTTP 503"))
    gate = rig.store.hold("record")
    await rig.accept(1)
    await place.arrived(1)
    await until(lambda: not rig.store.gates)  # the outcome is on disk, and nobody here knows it yet
    await release(rig)
    for _ in range(5):  # what the lane asks of the store at once is answered before this
        await rig.store.due(["docs"], rig.clock.now(), 10)
    assert place.received == [1]
    gate.set_result(None)
    assert await place.arrived(2) == [1, 1]
    await rig.lanes.quiet()
    assert await rig.states() == [DELIVERED]


async def test_lane_that_was_quicker(rig: Rig, place: Place) -> None:
    """A lane that finds it before it is told sends it once, and keeps to the schedule after that."""
    place.failures += [TemporaryFailure("HTTP 503")] * 2
    await rig.accept(1)
    await rig.lanes.quiet()
    released = await rig.store.release((await only(rig)).id, rig.clock.now())
    assert released is not None
    place.holds = True
    rig.lanes.made_due(released)
    await place.arrived(2)
    rig.lanes.made_due(released)
    place.let_go()
    await rig.lanes.quiet()
    assert place.received == [1, 1]
    assert (await only(rig)).state is RETRYING
    rig.clock.advance(minutes=5)
    await rig.lanes.quiet()
    assert place.received == [1, 1, 1]
    assert await rig.states() == [DELIVERED]


async def test_lane_at_rest(rig: Rig, place: Place) -> None:
    """A destination that asked for a rest has it: what is released goes out when that is over."""
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=90), 429))
    await rig.accept(1)
    await rig.lanes.quiet()
    await release(rig)
    await rig.lanes.quiet()
    assert (place.received, await rig.states()) == ([1], [PENDING])
    rig.clock.advance(seconds=90)
    await rig.lanes.quiet()
    assert (place.received, await rig.states()) == ([1, 1], [DELIVERED])


async def test_destination_that_is_gone(rig: Rig, place: Place) -> None:
    """Where a reload takes the destination away at that moment, it becomes a dead letter."""
    place.failures.append(TemporaryFailure("HTTP 503"))
    await rig.accept(1)
    await rig.lanes.quiet()
    released = await rig.store.release((await only(rig)).id, rig.clock.now())
    assert released is not None
    await rig.reload({"ops": Settings(Place())})
    rig.lanes.made_due(released)
    await rig.lanes.quiet()
    dead = await only(rig)
    assert (dead.state, dead.reason) == (DeliveryState.DEAD, "destination removed")


async def test_dry_run_sends_nothing(tmp_path: Path, place: Place) -> None:
    """In a dry run it is due, but nobody looks for it; the next run that sends finds it."""
    place.failures.append(TemporaryFailure("HTTP 503"))
    async with Rig(tmp_path, {"docs": Settings(place)}) as rig:
        await rig.accept(1)
        await rig.lanes.quiet()
        clock = rig.clock
    async with Rig(tmp_path, {"docs": Settings(place)}, clock=clock, dry_run=True) as rig:
        await release(rig)
        await rig.lanes.quiet()
        assert await rig.states() == [PENDING]
    async with Rig(tmp_path, {"docs": Settings(place)}, clock=clock) as rig:
        await rig.lanes.quiet()
        assert await rig.states() == [DELIVERED]
    assert place.received == [1, 1]
