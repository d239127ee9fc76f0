"""What every store promises about forgetting: whole events, once all is done with them, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from router.events import Cause, Delivery, DeliveryState, Event
from router.store.base import Store
from router.store.records import DeliveryFilter, EventFilter, Expiry, Forgotten
from tests.fakes import Clock
from tests.store.harness import Harness
from tests.store.values import Values

DELIVERED, DEAD, SUPPRESSED = DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.SUPPRESSED
DAY = 24 * 60
FINAL = [state for state in DeliveryState if state.is_final]
WAITING = [state for state in DeliveryState if not state.is_final]


def expiry(clock: Clock, *states: DeliveryState, days: int = 30, destination: str | None = None) -> Expiry:
    """As retention asks, or, where states or a destination are given, as a person does who purges."""
    before = clock.now() - timedelta(days=days)
    named = states or destination
    return Expiry(before, before if named else clock.now() - timedelta(days=3 * days), frozenset(states), destination)


def unlike(values: Values) -> Event:
    return values.event(body=f"[{values.ids.next()}]".encode())


async def stored(store: Store, values: Values, *states: DeliveryState, destination: str = "docs") -> Event:
    """Accept an event of its own with deliveries in these states."""
    event = unlike(values)
    await store.accept(event, [values.delivery(event, destination, state=state) for state in states])
    return event


async def only(store: Store, event: Event) -> Delivery:
    (listed,) = await store.deliveries(DeliveryFilter(event_id=event.id))
    return listed.delivery


async def kept(store: Store) -> list[int]:
    return [event.id for event in await store.events(EventFilter(limit=1000))][::-1]


async def forget(store: Store, wanted: Expiry, limit: int = 100) -> Forgotten:
    """Forget to the end; the same must have been foretold."""
    foretold = await _to_the_end(store.forgettable, wanted, limit)
    done = await _to_the_end(store.forget, wanted, limit)
    assert foretold == done
    return done


async def _to_the_end(verb: object, wanted: Expiry, limit: int) -> Forgotten:
    total, following = Forgotten(), 0
    for _ in range(10_000):
        batch: Forgotten = await verb(wanted, following, limit)  # type: ignore[operator]
        total = total.plus(batch)
        if batch.next is None:
            return total
        assert batch.next > following
        following = batch.next
    raise AssertionError("it comes to no end")


class TestWhatMayGo:
    async def test_old_events_go_with_all_that_belongs_to_them(
        self, store: Store, values: Values, clock: Clock, harness: Harness
    ) -> None:
        """An old event goes with its deliveries and attempts; one that is a moment younger stays."""
        lane = (await store.own(["docs"], clock.now()))["docs"]
        old = await stored(store, values, DeliveryState.PENDING)
        waiting = await only(store, old)
        taken = await store.claim(waiting.id, lane.epoch, clock.now())
        assert taken is not None
        assert await store.record(values.outcome(taken, lane.epoch, DELIVERED))
        await stored(store, values)
        clock.advance(seconds=0.001)
        young = await stored(store, values, DELIVERED)
        clock.advance(minutes=30 * DAY)
        assert await forget(store, expiry(clock)) == Forgotten(events=2, deliveries=1)
        assert await kept(store) == [young.id]
        assert await store.event(old.id) is None
        assert await store.delivery(waiting.id) is None
        assert await store.attempts(waiting.id) == []
        counted = harness.counted()
        assert (counted["events"], counted["deliveries"][DELIVERED]) == (1, 1)

    @pytest.mark.parametrize("state", WAITING)
    async def test_what_is_to_come_keeps_its_event(
        self, store: Store, values: Values, clock: Clock, state: DeliveryState
    ) -> None:
        """However old, an event stays while one of its deliveries is not at its end."""
        event = await stored(store, values, DELIVERED, state)
        clock.advance(minutes=1000 * DAY)
        assert await forget(store, expiry(clock)) == Forgotten()
        assert await forget(store, expiry(clock, DELIVERED)) == Forgotten()
        assert await kept(store) == [event.id]

    async def test_totals_count_what_ever_was(self, store: Store, values: Values, clock: Clock) -> None:
        """Forgetting changes no total, nor what waits."""
        for _ in range(3):
            await stored(store, values, *FINAL)
        waits = await stored(store, values, DeliveryState.PENDING)
        await store.reject(values.rejection())
        before, waiting = await store.stats(), store.waiting
        clock.advance(minutes=91 * DAY)
        assert (await forget(store, expiry(clock))).events == 3
        assert await store.forget_rejected(clock.now(), 10) == 1
        assert (await store.stats(), store.waiting) == (before, waiting)
        assert await kept(store) == [waits.id]

    async def test_recent_replay_keeps_its_event(self, store: Store, values: Values, clock: Clock) -> None:
        """An event is as old as the last thing that happened to it: what was replayed yesterday can still be seen."""
        event = await stored(store, values, DELIVERED)
        clock.advance(minutes=40 * DAY)
        replay = values.delivery(
            event, state=DELIVERED, cause=Cause.REPLAY, origin_id=(await only(store, event)).id, created_at=clock.now()
        )
        await store.insert(replay)
        clock.advance(minutes=DAY)
        assert await forget(store, expiry(clock)) == Forgotten()
        clock.advance(minutes=30 * DAY)
        assert await forget(store, expiry(clock)) == Forgotten(events=1, deliveries=2)

    async def test_clock_that_was_set_back(self, store: Store, values: Values, clock: Clock) -> None:
        """Order of arrival decides nothing: an old event among younger ones goes, a younger among older ones stays."""
        first = await stored(store, values, DELIVERED)
        late = values.event(body=b"[2]", received_at=clock.now() + timedelta(minutes=30))
        await store.accept(late, [])
        last = await stored(store, values, DELIVERED)
        clock.advance(minutes=30 * DAY + 1)
        assert (await forget(store, expiry(clock))).events == 2
        assert await kept(store) == [late.id]
        assert {first.id, last.id}.isdisjoint(await kept(store))


class TestDeadLetters:
    async def test_unhandled_ones_stay_longer(self, store: Store, values: Values, clock: Clock) -> None:
        """A dead letter that nobody dealt with stays three times as long."""
        event = await stored(store, values, DELIVERED, DEAD)
        clock.advance(minutes=90 * DAY)
        assert await forget(store, expiry(clock)) == Forgotten()
        clock.advance(seconds=1)
        assert await forget(store, expiry(clock)) == Forgotten(events=1, deliveries=2, unhandled=1)
        assert await store.event(event.id) is None

    @pytest.mark.parametrize("cause", [Cause.REPLAY, Cause.FALLBACK])
    @pytest.mark.parametrize("state", FINAL)
    async def test_handled_ones_do_not(
        self, store: Store, values: Values, clock: Clock, cause: Cause, state: DeliveryState
    ) -> None:
        """It counts as dealt with once its replay or its fallback was delivered, and not by any other end of these."""
        event = await stored(store, values, DEAD)
        origin = await only(store, event)
        await store.insert(values.delivery(event, "ops", state=state, cause=cause, origin_id=origin.id))
        clock.advance(minutes=31 * DAY)
        assert (await forget(store, expiry(clock))).events == (state is DELIVERED)

    async def test_replay_of_a_replay(self, store: Store, values: Values, clock: Clock) -> None:
        """Where the second replay arrived, the dead letter and its first replay are both dealt with."""
        event = await stored(store, values, DEAD)
        origin = await only(store, event)
        for state in (DEAD, SUPPRESSED, DELIVERED):
            replay = values.delivery(event, state=state, cause=Cause.REPLAY, origin_id=origin.id)
            await store.insert(replay)
            origin = replay
        other = await stored(store, values, DEAD)
        clock.advance(minutes=31 * DAY)
        assert await forget(store, expiry(clock)) == Forgotten(events=1, deliveries=4)
        assert await kept(store) == [other.id]

    async def test_delivery_to_somebody_else_handles_nothing(self, store: Store, values: Values, clock: Clock) -> None:
        """That the event arrived at another destination does not help the one that did not get it."""
        await stored(store, values, DELIVERED, DEAD)
        clock.advance(minutes=31 * DAY)
        assert (await forget(store, expiry(clock))).events == 0


class TestPurging:
    async def test_unhandled_dead_letters_go_when_asked_for(self, store: Store, values: Values, clock: Clock) -> None:
        """A person who names dead letters means those that nobody dealt with, too; and is told how many they were."""
        await stored(store, values, DEAD)
        delivered = await stored(store, values, DELIVERED)
        clock.advance(minutes=31 * DAY)
        assert await forget(store, expiry(clock, DEAD)) == Forgotten(events=1, deliveries=1, unhandled=1)
        assert await kept(store) == [delivered.id]

    async def test_no_other_dead_letter_goes_with_them(self, store: Store, values: Values, clock: Clock) -> None:
        """An unhandled dead letter goes only where it is named itself, not with another delivery of its event."""
        event = unlike(values)
        await store.accept(
            event, [values.delivery(event, "docs", state=DELIVERED), values.delivery(event, "ops", state=DEAD)]
        )
        clock.advance(minutes=31 * DAY)
        assert await forget(store, expiry(clock, DELIVERED)) == Forgotten()
        assert await forget(store, expiry(clock, DEAD, destination="docs")) == Forgotten()
        assert await forget(store, expiry(clock, destination="docs")) == Forgotten()
        assert (await forget(store, expiry(clock, destination="ops"))).unhandled == 1

    async def test_states_and_destination_narrow(self, store: Store, values: Values, clock: Clock) -> None:
        """Only events with a delivery that ended so at that destination go."""
        docs = await stored(store, values, DELIVERED)
        ops = await stored(store, values, DELIVERED, destination="ops")
        silent = await stored(store, values, SUPPRESSED, destination="ops")
        unrouted = await stored(store, values)
        clock.advance(minutes=31 * DAY)
        assert (await forget(store, expiry(clock, DELIVERED, destination="ops"))).events == 1
        assert await kept(store) == [docs.id, silent.id, unrouted.id]
        assert (await forget(store, expiry(clock, DELIVERED, SUPPRESSED))).events == 2
        assert await kept(store) == [unrouted.id]
        assert ops.id not in await kept(store)


class TestBatches:
    async def test_any_size_of_batch_gives_the_same(self, store: Store, values: Values, clock: Clock) -> None:
        """However few events a batch looks at, all that may go goes, past those that stay."""
        staying = [
            (await stored(store, values, DEAD if number % 3 else DELIVERED)).id for number in range(20) if number % 3
        ]
        for _ in range(7):
            await stored(store, values, DELIVERED)
        clock.advance(minutes=31 * DAY)
        assert (await forget(store, expiry(clock), limit=2)).events == 7
        assert await kept(store) == staying
        clock.advance(minutes=90 * DAY)
        assert (await forget(store, expiry(clock), limit=1)).unhandled == len(staying)

    async def test_large_bodies_make_small_batches(self, store: Store, values: Values, clock: Clock) -> None:
        """One commit removes only so many megabytes: bodies may be large, and nobody shall wait for them."""
        for number in range(6):
            event = values.event(body=b'"%d%s"' % (number, b"x" * 4_000_000))
            await store.accept(event, [])
            await store.reject(values.rejection(body=event.body))
        clock.advance(minutes=31 * DAY)
        first = await store.forget(expiry(clock), 0, 100)
        assert first.events == 2
        assert first.next is not None
        assert (await forget(store, expiry(clock))).events == 4
        assert [await store.forget_rejected(clock.now(), 100) for _ in range(4)] == [2, 2, 2, 0]

    async def test_beside_accepts_and_replays(
        self, store: Store, values: Values, clock: Clock, harness: Harness
    ) -> None:
        """A replay asked for at the same moment either keeps its event or is refused; nothing is half there."""
        events = [await stored(store, values, DELIVERED) for _ in range(20)]
        clock.advance(minutes=31 * DAY)
        replays = [values.delivery(event, cause=Cause.REPLAY) for event in events[:10]]
        fresh = [unlike(values) for _ in range(10)]
        forgetting = asyncio.ensure_future(store.forget(expiry(clock), 0, 100))
        done = await asyncio.gather(
            *(store.insert(replay) for replay in replays),
            *(store.accept(event, [values.delivery(event)]) for event in fresh),
            return_exceptions=True,
        )
        removed = await forgetting
        inserted = [replay for replay, result in zip(replays, done, strict=False) if result is None]
        assert removed.events == 20 - len(inserted)
        assert all(result is None or isinstance(result, ValueError) for result in done[:10])
        assert await kept(store) == [event.id for event in events if event.id in {r.event_id for r in inserted}] + [
            event.id for event in fresh
        ]
        assert store.waiting == len(inserted) + 10
        counted = harness.counted()
        assert sum(counted["waiting"].values()) == store.waiting

    async def test_forgotten_event_takes_no_delivery(self, store: Store, values: Values, clock: Clock) -> None:
        """A replay of what has just been forgotten is refused, and counted nowhere."""
        event = await stored(store, values, DELIVERED)
        clock.advance(minutes=31 * DAY)
        await forget(store, expiry(clock))
        with pytest.raises(ValueError, match="FOREIGN KEY"):
            await store.insert(values.delivery(event))
        assert store.waiting == 0


class TestTheRest:
    async def test_repeats_are_known_for_a_day(self, store: Store, values: Values, clock: Clock) -> None:
        """The shortest retention there may be still knows a repeat after a day; afterwards the event is a new one."""
        first = values.event(upstream_id="u-1")
        await store.accept(first, [values.delivery(first, state=DELIVERED)])
        clock.advance(minutes=DAY)
        await forget(store, expiry(clock, days=1))
        assert (await store.accept(values.event(upstream_id="u-1"), [])).repeat
        clock.advance(seconds=1)
        await forget(store, expiry(clock, days=1))
        again = values.event(upstream_id="u-1")
        accepted = await store.accept(again, [])
        assert (accepted.event_id, accepted.repeat, accepted.repeated_body) == (again.id, False, False)

    async def test_rejected_requests(self, store: Store, values: Values, clock: Clock) -> None:
        """Rejected requests go by their age, oldest first."""
        old = [values.rejection() for _ in range(5)]
        for rejection in old:
            await store.reject(rejection)
        clock.advance(minutes=DAY)
        young = values.rejection()
        await store.reject(young)
        before = clock.now()
        assert await store.count_rejected(before) == 5
        assert await store.forget_rejected(before, 2) == 2
        assert await store.rejected(None, 10, None) == [young, *old[:1:-1]]
        assert [await store.forget_rejected(before, 2) for _ in range(3)] == [2, 1, 0]
        assert await store.count_rejected(before) == 0
        assert await store.rejected(None, 10, None) == [young]

    async def test_rule_sets_that_nothing_names(self, store: Store, values: Values, clock: Clock) -> None:
        """A rule set stays while an event or a delivery names it, while it is in use, and when it was loaded lately."""
        for name in ("of an event", "of a delivery", "in use", "loaded again", "unused"):
            await store.save_ruleset(values.ruleset(name))
        event = values.event(ruleset="of an event")
        await store.accept(event, [values.delivery(event, state=DELIVERED, ruleset="of a delivery")])
        clock.advance(minutes=10 * DAY)
        await store.save_ruleset(values.ruleset("loaded again"))
        before = clock.now() - timedelta(days=1)
        assert await store.forget_rulesets(before, ["in use"]) == 1
        assert await store.forget_rulesets(before, ["in use"]) == 0
        assert await store.ruleset("unused") is None
        clock.advance(minutes=31 * DAY)
        await forget(store, expiry(clock))
        assert await store.forget_rulesets(clock.now(), ["in use"]) == 3
        assert await store.ruleset("in use") is not None

    async def test_what_remains_survives_a_crash(self, harness: Harness, values: Values, clock: Clock) -> None:
        """What was forgotten does not come back, and the rest is whole."""
        store = await harness.make()
        gone = await stored(store, values, DELIVERED)
        clock.advance(minutes=31 * DAY)
        stays = await stored(store, values, DELIVERED)
        await forget(store, expiry(clock))
        store = await harness.crash()
        assert await kept(store) == [stays.id]
        assert await store.event(gone.id) is None
        assert (await store.stats()).events == 2
