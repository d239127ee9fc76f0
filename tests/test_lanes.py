"""Lanes under what seldom happens: commits that end late, disks that fail, reloads and stops at a bad moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from router.delivery.queue import STORE_PAUSE
from router.errors import TemporaryFailure, Throttled
from router.events import DeliveryState
from router.store.sqlite import SqliteStore
from tests.fakes import START
from tests.lane_parts import Place, Rig, Settings
from tests.waiting import until

PENDING, SENDING, RETRYING = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRYING
DELIVERED, SUPPRESSED = DeliveryState.DELIVERED, DeliveryState.SUPPRESSED


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
async def rig(tmp_path: Path, place: Place) -> AsyncIterator[Rig]:
    async with Rig(tmp_path, {"docs": Settings(place)}) as running:
        yield running


async def test_a_later_event_does_not_overtake_one_whose_commit_is_under_way(rig: Rig, place: Place) -> None:
    """A slot that comes free while an earlier event is being stored is that event's, not the next one's."""
    place.holds = True
    await rig.accept(1)
    await place.arrived(1)
    gate = rig.store.hold("accept")
    second = asyncio.create_task(rig.accept(2))  # no slot is free: stored as pending
    await until(lambda: "accept" not in rig.store.gates)
    place.let_go()
    await rig.lanes.quiet()
    third = asyncio.create_task(rig.accept(3))
    await until(lambda: rig.store.waiting == 2)
    gate.set_result(None)
    assert (await second, await third) == (200, 200)
    await rig.lanes.quiet()
    assert place.received == [1, 2, 3]


async def test_what_was_not_stored_keeps_no_slot_and_holds_nobody_back(rig: Rig, place: Place) -> None:
    """Repeats reserve a slot or a turn like any event, and give both back."""
    place.holds = True
    await rig.accept(1)
    await place.arrived(1)
    assert await rig.accept(1) == 200
    place.let_go()
    await rig.lanes.quiet()
    assert await rig.accept(1) == 200
    epoch = rig.lanes.reserve("docs", 1)
    assert epoch is not None
    assert place.received == [1]


async def test_what_another_owner_was_given_is_not_sent(rig: Rig, place: Place, tmp_path: Path) -> None:
    """When a lane has a new owner, its former one stores the event for the new one, and sends nothing itself."""
    other = SqliteStore(tmp_path / "router.db", rig.clock, exclusive=False)
    await other.open()
    await other.own(["docs"], rig.clock.now())
    await other.close()
    assert await rig.accept(1) == 200
    await rig.lanes.quiet()
    assert place.received == []
    assert await rig.states() == [PENDING]
    assert rig.lanes.reserve("docs", 1) is not None


async def test_order_survives_a_failing_disk(rig: Rig, place: Place) -> None:
    """What waited while the store could not write leaves in the order of the events afterwards."""
    place.holds = True
    for number in (1, 2, 3, 4):
        await rig.accept(number)
    await place.arrived(1)
    rig.disk.fail()
    place.let_go()
    await until(lambda: not rig.store.available)
    assert place.received == [1]
    rig.disk.heal()
    await until(lambda: rig.store.available, meanwhile=lambda: rig.clock.advance(seconds=1))
    rig.clock.advance(seconds=STORE_PAUSE)
    await place.arrived(4)
    await rig.lanes.quiet()
    assert place.received == [1, 2, 3, 4]
    assert await rig.states() == [DELIVERED] * 4


async def test_a_failed_look_into_the_store_is_repeated(rig: Rig, place: Place) -> None:
    """A lane that could not read what is due looks again a little later, although no event comes in."""
    place.failures.append(TemporaryFailure("not now"))
    await rig.accept(1)
    await rig.lanes.quiet()
    rig.store.fail_once("due")
    rig.clock.advance(minutes=1)
    await rig.lanes.quiet()
    assert place.received == [1]
    rig.clock.advance(seconds=STORE_PAUSE)
    await rig.lanes.quiet()
    assert await rig.states() == [DELIVERED]


async def test_a_throttled_delivery_is_kept_though_its_history_cannot_be_read(rig: Rig, place: Place) -> None:
    """Reading the earlier attempts may fail; the delivery rests all the same, and the lane goes on after it."""
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=30), 429))
    rig.store.fail_once("attempts")
    await rig.accept(1)
    await rig.lanes.quiet()
    assert await rig.states() == [RETRYING]
    await rig.accept(2)
    rig.clock.advance(seconds=30)
    await rig.lanes.quiet()
    assert place.received == [1, 1, 2]


@pytest.mark.parametrize("verb", ["record", "due"])
async def test_a_bug_costs_one_delivery_and_not_its_lane(
    rig: Rig, place: Place, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong with one delivery, its lane has its slot again and serves the next one."""
    place.failures.append(TemporaryFailure("not now"))
    rig.store.fail_once(verb, ValueError("a mistake of ours"))
    await rig.accept(1)
    await rig.lanes.quiet()
    rig.clock.advance(minutes=1)
    await rig.lanes.quiet()
    rig.clock.advance(seconds=STORE_PAUSE)
    await rig.accept(2)
    await rig.lanes.quiet()
    assert place.received[-1] == 2
    assert (await rig.states())[-1] is DELIVERED
    assert [line.message for line in caplog.records if line.exc_info] == ["lane.bug"]


async def test_an_attempt_waits_for_the_outcome_of_the_one_before(rig: Rig, place: Place) -> None:
    """A pause that ends while its outcome is being written starts no second attempt beside the first one."""
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=5), 429))
    gate = rig.store.hold("record")
    await rig.accept(1)
    await until(lambda: "record" not in rig.store.gates)
    rig.clock.advance(seconds=5)
    await rig.store.stats()  # a round through the store: whoever wants to start has had the time
    place.holds = True
    gate.set_result(None)
    assert await place.arrived(2) == [1, 1]
    assert await rig.lanes.stop(0) == 1, "the second attempt is known to be under way"


async def test_a_pause_outlives_a_change_of_the_rule_file(rig: Rig, place: Place) -> None:
    """What a target asked for holds for every lane that serves it, also for one with more destinations on it."""
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=60), 429))
    await rig.accept(1)
    await rig.lanes.quiet()
    await rig.reload({"docs": Settings(place), "more": Settings(place)})
    await rig.accept(2)
    await rig.lanes.quiet()
    assert place.received == [1]
    rig.clock.advance(seconds=60)
    await rig.lanes.quiet()
    assert sorted(place.received) == [1, 1, 2, 2]


async def test_a_pause_that_is_asked_for_during_a_change_holds(rig: Rig, place: Place) -> None:
    """An answer to the lane of before is heard by the lane that takes its place."""
    place.holds = True
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=60), 429))
    await rig.accept(1)
    await place.arrived(1)
    await rig.reload({"docs": Settings(place), "more": Settings(place)})
    await rig.accept(2)
    place.let_go()
    await rig.lanes.quiet()
    assert place.received == [1]
    rig.clock.advance(seconds=60)
    await rig.lanes.quiet()
    assert sorted(place.received) == [1, 1, 2, 2]


async def test_a_mended_address_is_not_paused_for_the_old_one(rig: Rig, place: Place) -> None:
    """The pause belongs to the target that asked for it: another target gets its messages at once."""
    place.failures.append(Throttled("HTTP 429", START + timedelta(seconds=60), 429))
    await rig.accept(1)
    await rig.lanes.quiet()
    elsewhere = Place()
    await rig.reload({"docs": Settings(elsewhere)})
    await rig.accept(2)
    await rig.lanes.quiet()
    assert elsewhere.received == [2]


async def test_a_shorter_pause_does_not_end_a_longer_one(tmp_path: Path) -> None:
    """Of two pauses the later end counts, also after a restart."""
    place = Place(holds=True)
    place.failures.extend([Throttled("HTTP 429", START + timedelta(seconds=seconds), 429) for seconds in (90, 10)])
    async with Rig(tmp_path, {"docs": Settings(place, {"concurrency": 2})}) as rig:
        await rig.accept(1)
        await rig.accept(2)
        await place.arrived(2)
        place.let_go()
        await rig.lanes.quiet()
        clock = rig.clock
    async with Rig(tmp_path, {"docs": Settings(place)}, clock=clock) as rig:
        clock.advance(seconds=89)
        await rig.lanes.quiet()
        assert len(place.received) == 2
        clock.advance(seconds=1)
        await rig.lanes.quiet()
        assert await rig.states() == [DELIVERED, DELIVERED]


async def test_a_reload_that_ends_after_the_stop_changes_nothing(rig: Rig, place: Place) -> None:
    """Once the lanes are stopped, nothing is sent any more and nothing that waits is given up."""
    place.holds = True
    await rig.accept(1)
    await rig.accept(2)
    await place.arrived(1)
    assert await rig.lanes.stop(0) == 1
    await rig.reload({"docs": Settings(place), "more": Settings(Place())})
    await rig.lanes.quiet()
    assert place.received == [1]
    assert await rig.states() == [SENDING, PENDING]


async def test_a_dry_run_leaves_alone_what_waited_though_the_store_could_not_be_read(tmp_path: Path) -> None:
    """A dry run that cannot read one of its own deliveries tries that one again, and touches no other."""
    place = Place()
    place.failures.append(TemporaryFailure("not now"))
    async with Rig(tmp_path, {"docs": Settings(place)}) as rig:
        await rig.accept(1)
        await rig.lanes.quiet()
        clock = rig.clock
    clock.advance(minutes=2)
    async with Rig(tmp_path, {"docs": Settings(place)}, clock=clock, dry_run=True) as rig:
        rig.store.fail_once("delivery")
        await rig.accept(2)
        await rig.lanes.quiet()
        assert await rig.states() == [RETRYING, PENDING]
        clock.advance(seconds=STORE_PAUSE)
        await rig.lanes.quiet()
        assert await rig.states() == [RETRYING, SUPPRESSED]
    assert place.received == [1]
