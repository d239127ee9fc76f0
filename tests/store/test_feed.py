"""What every store promises to whoever watches it: each change once, after it is on disk, as lists show it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from router.errors import StoreUnavailable
from router.events import OWN_SOURCE, Cause, Delivery, DeliveryState, Event
from router.store.base import Store
from router.store.feed import Committed
from router.store.kin import Kin
from router.store.records import DeliveryFilter, EventFilter, Expiry
from tests.fakes import Clock
from tests.store.harness import Harness
from tests.store.test_contract import DEAD, DELIVERED, HELD, PENDING, RETRYING, SENDING, claimed, own, stored
from tests.store.values import Values


class Watcher:
    """Somebody who watches, and remembers."""

    def __init__(self, store: Store) -> None:
        self.seen: list[Committed] = []
        store.feed.watch(self.take)

    def take(self, committed: Sequence[Committed]) -> None:
        self.seen += committed

    def told(self) -> list[tuple[int, DeliveryState | None]]:
        """Ids and states since the last time that this was asked; an event has no state."""
        found: list[tuple[int, DeliveryState | None]] = [
            (one.id, None) if isinstance(one, Event) else (one.delivery.id, one.delivery.state) for one in self.seen
        ]
        self.seen.clear()
        return found


@pytest.fixture
def watcher(store: Store) -> Watcher:
    return Watcher(store)


async def test_an_event_and_its_deliveries(store: Store, values: Values, watcher: Watcher) -> None:
    """They are told in one go, the event first, exactly as lists show them."""
    event = values.event()
    await store.accept(event, [values.delivery(event), values.delivery(event, "ops", state=HELD)])
    listed = await store.deliveries(DeliveryFilter())
    assert watcher.seen == [event, *reversed(listed)]
    assert [one.source for one in listed] == ["spaces", "spaces"]


async def test_a_repeat_is_not_told_and_a_repeated_body_is_marked(
    store: Store, values: Values, watcher: Watcher
) -> None:
    """Nothing was stored of a repeat; a body that came before shows as such."""
    first = values.event()
    await store.accept(first, [])
    await store.accept(replace(first, id=values.ids.next()), [])
    second = values.event()
    await store.accept(second, [])
    assert watcher.seen == list(reversed(await store.events(EventFilter())))
    assert watcher.seen == [first, replace(second, repeated_body=True)]


async def test_the_life_of_a_delivery(store: Store, values: Values, clock: Clock, watcher: Watcher) -> None:
    """Claim, outcome, release and death are told, each as it stands then; so is a fallback."""
    lane = await own(store, clock)
    delivery = await claimed(store, values, lane)
    await store.record(values.outcome(delivery, lane.epoch, RETRYING))
    await store.release(delivery.id, clock.now())
    again = await store.claim(delivery.id, lane.epoch, clock.now())
    assert again is not None
    stand_in = replace(
        values.delivery(values.event(), "ops"),
        event_id=delivery.event_id,
        cause=Cause.FALLBACK,
        origin_id=delivery.id,
    )
    await store.record(values.outcome(again, lane.epoch, DEAD, fallback=stand_in))
    states = (PENDING, SENDING, RETRYING, PENDING, SENDING, DEAD)
    assert watcher.told()[1:] == [*((delivery.id, state) for state in states), (stand_in.id, PENDING)]


async def test_what_changes_nothing_is_not_told(store: Store, values: Values, clock: Clock, watcher: Watcher) -> None:
    """Claims, outcomes and releases that come too late leave no trace here either."""
    lane = await own(store, clock)
    delivery = await claimed(store, values, lane)
    await store.record(values.outcome(delivery, lane.epoch, DELIVERED))
    watcher.told()
    assert not await store.record(values.outcome(delivery, lane.epoch, DEAD))
    assert await store.claim(delivery.id, lane.epoch, clock.now()) is None
    assert await store.release(delivery.id, clock.now()) is None
    assert watcher.told() == []


async def test_whole_lanes(store: Store, values: Values, clock: Clock, watcher: Watcher) -> None:
    """What a new owner finds interrupted, takes back or buries is told."""
    lane = await own(store, clock)
    interrupted = await claimed(store, values, lane)
    watcher.told()
    lane = await own(store, clock)
    assert watcher.told() == [(interrupted.id, PENDING)]
    await store.claim(interrupted.id, lane.epoch, clock.now())
    await store.take_back([], clock.now())
    assert watcher.told() == [(interrupted.id, SENDING), (interrupted.id, PENDING)]
    await store.bury("docs", clock.now(), "destination removed")
    assert watcher.told() == [(interrupted.id, DEAD)]


async def test_replays_and_alerts(store: Store, values: Values, clock: Clock, watcher: Watcher) -> None:
    """What the router or an admin adds is told; what was objected to is not."""
    dead = await stored(store, values, state=DEAD)
    watcher.told()
    replay = replace(dead, id=values.ids.next(), state=PENDING, cause=Cause.REPLAY, origin_id=dead.id)
    refused = replace(replay, id=values.ids.next())

    def objection(new: Delivery, _: Sequence[Kin]) -> str | None:
        return "no" if new.id == refused.id else None

    await store.insert_unless([replay, refused], objection)
    further = replace(replay, id=values.ids.next())
    await store.insert(further)
    await store.insert(further)
    assert watcher.told() == [(replay.id, PENDING), (further.id, PENDING)]
    alert = values.event(is_own=True, source=OWN_SOURCE)
    telling = values.delivery(alert, "ops", cause=Cause.ALERT)
    await store.alert(alert, telling)
    assert watcher.told() == [(alert.id, None), (telling.id, PENDING)]


async def test_a_rejected_request_that_is_taken_after_all(store: Store, values: Values, watcher: Watcher) -> None:
    """It is told as the event that it becomes; that it was rejected is no event."""
    rejection = values.rejection()
    await store.reject(rejection)
    event = values.event()
    await store.accept_rejected(rejection.id, event, [])
    assert watcher.told() == [(event.id, None)]


async def test_who_shares_a_commit_with_a_bad_row(store: Store, values: Values, watcher: Watcher) -> None:
    """What failed alone is not told; those beside it are, once."""
    good, bad, last = values.event(b"1"), values.event(b"2"), values.event(b"3")
    deliveries = [values.delivery(one) for one in (good, bad, last)]
    deliveries[1] = replace(deliveries[1], id=deliveries[0].id)
    results = await asyncio.gather(
        *(store.accept(event, [delivery]) for event, delivery in zip((good, bad, last), deliveries, strict=True)),
        return_exceptions=True,
    )
    assert [isinstance(result, ValueError) for result in results] == [False, True, False]
    assert watcher.told() == [
        (good.id, None),
        (deliveries[0].id, PENDING),
        (last.id, None),
        (deliveries[2].id, PENDING),
    ]


async def test_a_commit_that_fails(store: Store, values: Values, watcher: Watcher, harness: Harness) -> None:
    """Nothing is told that is not on disk."""
    harness.fail()
    with pytest.raises(StoreUnavailable):
        await store.accept(values.event(), [])
    assert watcher.told() == []


async def test_forgetting_is_not_told(store: Store, values: Values, clock: Clock, watcher: Watcher) -> None:
    """Only what happens to messages is told, not that they are forgotten."""
    await stored(store, values, state=DELIVERED)
    watcher.told()
    late = clock.now() + timedelta(days=99)
    assert (await store.forget(Expiry(late, late), 0, 10)).events == 1
    assert watcher.told() == []


async def test_who_fails_disturbs_nobody(store: Store, values: Values, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the store nor another watcher notices; the log has it."""

    def broken(_: Sequence[Committed]) -> None:
        raise RuntimeError("a bug")

    store.feed.watch(broken)
    watcher = Watcher(store)
    event = values.event()
    await store.accept(event, [])
    assert watcher.told() == [(event.id, None)]
    assert [record.message for record in caplog.records] == ["store.watcher_failed"]
    store.feed.forget(watcher.take)
    await store.accept(values.event(b"2"), [])
    assert watcher.told() == []
