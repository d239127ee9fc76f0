"""What every store promises: the docstrings of `router/store/base.py`, one by one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from router.errors import StoreUnavailable
from router.events import Attempt, Cause, Delivery, DeliveryState, Event, Message, Outcome
from router.store.base import Store
from router.store.records import DeliveryFilter, EventFilter, LaneState, Waiting
from tests.fakes import Clock
from tests.store.harness import Harness
from tests.store.values import Values
from tests.waiting import pauses, until

HELD, PENDING, SENDING, RETRYING = (
    DeliveryState.HELD,
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.RETRYING,
)
DELIVERED, DEAD, SUPPRESSED, MERGED = (
    DeliveryState.DELIVERED,
    DeliveryState.DEAD,
    DeliveryState.SUPPRESSED,
    DeliveryState.MERGED,
)


async def stored(store: Store, values: Values, destination: str = "docs", **fields: object) -> Delivery:
    """Accept an event of its own with one delivery."""
    event = values.event(body=f"[{values.ids.next()}]".encode())
    delivery = values.delivery(event, destination, **fields)
    await store.accept(event, [delivery])
    return delivery


async def read(store: Store, delivery: Delivery) -> Delivery:
    listed = await store.delivery(delivery.id)
    assert listed is not None
    return listed.delivery


async def own(store: Store, clock: Clock, destination: str = "docs") -> LaneState:
    return (await store.own([destination], clock.now()))[destination]


async def claimed(store: Store, values: Values, lane: LaneState, **fields: object) -> Delivery:
    delivery = await stored(store, values, lane.destination, **fields)
    taken = await store.claim(delivery.id, lane.epoch, values.clock.now())
    assert taken is not None
    return taken


async def counts_agree(store: Store, harness: Harness) -> None:
    """Compare the totals that were kept with a count of every row."""
    stats, counted = await store.stats(), harness.counted()
    assert (stats.events, stats.rejected, stats.repeated_bodies) == (
        counted["events"],
        counted["rejected"],
        counted["repeated_bodies"],
    )
    assert stats.deliveries == counted["deliveries"]
    assert {name: one.pending for name, one in stats.destinations.items() if one.pending} == counted["waiting"]


class TestAccepting:
    async def test_event_and_deliveries_come_back_as_they_went_in(self, store: Store, values: Values) -> None:
        """Every field of an event and its deliveries survives, whatever the body's bytes are."""
        event = values.event(
            body=b'\x00{"a": "\xf0\x9f\x90\x99"}',
            name="Page.Updated",
            headers={"User-Agent": "Spaces ☃", "Content-Type": "application/json"},
            facts={"rules": ["ä", "b"], "names": {"9": "Ada"}},
        )
        now = values.clock.now()
        deliveries = [
            values.delivery(
                event,
                "docs",
                state=HELD,
                reason="hours",
                group_key="page 1",
                opened_at=now,
                cap_at=now + timedelta(hours=1),
                due_at=now + timedelta(minutes=5),
            ),
            values.delivery(event, "ops", state=SUPPRESSED, reason="dry run", message=Message(text="ä", subject="s")),
            values.delivery(event, "ops", cause=Cause.FALLBACK, origin_id=7, last_error="HTTP 500", failures=2),
        ]
        accepted = await store.accept(event, deliveries)
        assert (accepted.event_id, accepted.repeat, accepted.repeated_body) == (event.id, False, False)
        assert accepted.demoted == ()
        assert await store.event(event.id) == event
        for delivery in deliveries:
            listed = await store.delivery(delivery.id)
            assert listed is not None
            assert listed.delivery == delivery
            assert (listed.event_name, listed.upstream_id) == (event.name, event.upstream_id)

    async def test_event_without_deliveries(self, store: Store, values: Values, harness: Harness) -> None:
        """An event that no rule wants is kept all the same."""
        event = values.event()
        await store.accept(event, [])
        assert await store.event(event.id) == event
        await counts_agree(store, harness)

    async def test_repeat_inserts_nothing(self, store: Store, values: Values, harness: Harness) -> None:
        """The same source, upstream id, name and body is a repeat for ever, and forwards nothing."""
        first = values.event(upstream_id="u-1")
        await store.accept(first, [values.delivery(first)])
        values.clock.advance(minutes=60 * 24 * 300)
        again = values.event(upstream_id="u-1")
        accepted = await store.accept(again, [values.delivery(again)])
        assert (accepted.event_id, accepted.repeat) == (first.id, True)
        assert await store.event(again.id) is None
        assert len(await store.deliveries(DeliveryFilter())) == 1
        await counts_agree(store, harness)

    @pytest.mark.parametrize(
        ("changed", "repeated_body"),
        [
            ({"upstream_id": "u-2"}, True),
            ({"upstream_id": None}, True),
            ({"name": "page.created"}, True),
            ({"name": "PAGE.UPDATED"}, True),
            ({"source": "other"}, False),
            ({"body": b"[]"}, False),
        ],
    )
    async def test_what_makes_an_event_of_its_own(
        self, store: Store, values: Values, changed: dict[str, object], repeated_body: bool
    ) -> None:
        """Another upstream id, name, source or body makes an event; the same body from the same source is marked."""
        first = values.event(upstream_id="u-1")
        await store.accept(first, [])
        other = values.event(**({"upstream_id": "u-1"} | changed))  # type: ignore[arg-type]
        accepted = await store.accept(other, [])
        assert (accepted.event_id, accepted.repeat, accepted.repeated_body) == (other.id, False, repeated_body)
        assert await store.event(other.id) == replace(other, repeated_body=repeated_body)
        assert (await store.stats()).repeated_bodies == int(repeated_body)

    async def test_without_upstream_id_twenty_minutes_decide(self, store: Store, values: Values) -> None:
        """Without an upstream id a repeat is the same name and body within 20 minutes of the stored event."""
        first = values.event(upstream_id=None)
        await store.accept(first, [])
        values.clock.advance(minutes=20)
        assert (await store.accept(values.event(upstream_id=None), [])).event_id == first.id
        values.clock.advance(seconds=0.001)
        later = values.event(upstream_id=None)
        accepted = await store.accept(later, [])
        assert (accepted.event_id, accepted.repeat, accepted.repeated_body) == (later.id, False, True)
        values.clock.advance(minutes=1)
        assert (await store.accept(values.event(upstream_id=None), [])).event_id == later.id

    async def test_without_upstream_id_another_name_is_no_repeat(self, store: Store, values: Values) -> None:
        """Two events can carry one model: deleting and updating a page in one minute are two events."""
        await store.accept(values.event(upstream_id=None), [])
        other = values.event(upstream_id=None, name="page.deleted")
        assert (await store.accept(other, [])).event_id == other.id

    async def test_identical_at_the_same_time(self, store: Store, values: Values, harness: Harness) -> None:
        """Copies of one delivery that arrive together become one event, whoever comes first."""
        events = [values.event(upstream_id="u-1") for _ in range(20)]
        accepted = await asyncio.gather(*(store.accept(event, [values.delivery(event)]) for event in events))
        assert {one.event_id for one in accepted} == {events[0].id}
        assert [one.repeat for one in accepted] == [False] + [True] * 19
        assert (await store.stats()).deliveries[PENDING] == 1
        await counts_agree(store, harness)

    async def test_answers_come_in_the_order_of_handing_in(self, store: Store, values: Values) -> None:
        """Whoever was first is answered first, so events are handed over to the lanes in their order."""
        order: list[int] = []

        async def accept(number: int) -> None:
            await store.accept(values.event(body=b"[%d]" % number), [])
            order.append(number)

        await asyncio.gather(*(accept(number) for number in range(700)))
        assert order == list(range(700))

    async def test_a_bad_row_fails_alone(self, store: Store, values: Values, harness: Harness) -> None:
        """What cannot be stored fails for its own sender only, with no trace of it, in totals either."""
        good = [values.event(body=b"[%d]" % number) for number in range(6)]
        taken = values.delivery(good[0])
        twice = [values.delivery(good[3]), values.delivery(good[3], id=taken.id)]
        outcomes = await asyncio.gather(
            store.accept(good[0], [taken]),
            store.accept(values.event(source="\ud800"), []),
            store.accept(good[3], twice),
            store.accept(values.event(id=2**63), []),
            store.insert(values.delivery(good[1], event_id=12345)),
            store.accept(good[4], [values.delivery(good[4])]),
            return_exceptions=True,
        )
        assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, True, True, True, False]
        assert not any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        assert [event.id for event in await store.events(EventFilter())] == [good[4].id, good[0].id]
        assert store.available
        assert store.waiting == 2
        await counts_agree(store, harness)

    async def test_rejected_are_kept(self, store: Store, values: Values, harness: Harness) -> None:
        """What was answered 400 is kept with its bytes, listed newest first, and counted once."""
        rejections = [values.rejection(reason=f"reason {number}") for number in range(3)]
        for rejection in [*rejections, rejections[0]]:
            await store.reject(rejection)
        assert await store.rejected(None, 10, None) == rejections[::-1]
        assert await store.rejected(None, 1, rejections[2].id) == [rejections[1]]
        assert await store.rejected(values.clock.now() + timedelta(seconds=1), 10, None) == []
        await counts_agree(store, harness)

    async def test_rule_sets_are_kept(self, store: Store, values: Values) -> None:
        """A rule set is found by its hash; loading it again changes only when it was loaded last."""
        ruleset = values.ruleset()
        await store.save_ruleset(ruleset)
        later = replace(ruleset, loaded_at=values.clock.now() + timedelta(days=1))
        await store.save_ruleset(later)
        await store.save_ruleset(ruleset)
        assert await store.ruleset("rules-1") == later
        assert await store.ruleset("rules-2") is None


class TestClaiming:
    async def test_waiting_becomes_sending(self, store: Store, values: Values) -> None:
        """A claim gives the delivery as it now stands, with its message if it has one."""
        lane = await own(store, values.clock)
        delivery = await stored(store, values, message=Message(text="hi"), failures=2)
        values.clock.advance(seconds=5)
        claimed = await store.claim(delivery.id, lane.epoch, values.clock.now())
        assert claimed == replace(delivery, state=SENDING, epoch=lane.epoch, updated_at=values.clock.now())
        assert claimed == await read(store, delivery)

    @pytest.mark.parametrize("state", list(DeliveryState))
    async def test_only_what_waits_for_its_lane(self, store: Store, values: Values, state: DeliveryState) -> None:
        """Only pending and retrying deliveries can be claimed, and only once."""
        lane = await own(store, values.clock)
        epoch = lane.epoch if state is SENDING else None
        delivery = await stored(store, values, state=state, epoch=epoch)
        first = await store.claim(delivery.id, lane.epoch, values.clock.now())
        assert (first is not None) is (state in (PENDING, RETRYING))
        assert await store.claim(delivery.id, lane.epoch, values.clock.now()) is None

    async def test_not_under_another_epoch(self, store: Store, values: Values) -> None:
        """A claim under a stale epoch, an invented one, or that of another lane gives nothing."""
        stale = await own(store, values.clock)
        lane = await own(store, values.clock)
        other = (await store.own(["ops"], values.clock.now()))["ops"]
        delivery = await stored(store, values)
        unowned = await stored(store, values, "unowned")
        assert lane.epoch not in (stale.epoch, other.epoch)
        for epoch in (stale.epoch, lane.epoch + 1, other.epoch, 0):
            assert await store.claim(delivery.id, epoch, values.clock.now()) is None
        assert await store.claim(unowned.id, 1, values.clock.now()) is None
        assert await store.claim(404, lane.epoch, values.clock.now()) is None
        assert (await read(store, delivery)).state is PENDING


class TestRecording:
    async def test_delivered(self, store: Store, values: Values, harness: Harness) -> None:
        """A delivery that arrived ends with its attempt, its message, and a lane in good health."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        values.clock.advance(seconds=3)
        transition = values.outcome(delivery, lane.epoch, DELIVERED)
        assert await store.record(transition)
        assert await read(store, delivery) == replace(
            delivery,
            state=DELIVERED,
            epoch=None,
            attempts=1,
            message=transition.message,
            updated_at=values.clock.now(),
        )
        assert await store.attempts(delivery.id) == [transition.attempt]
        state = (await store.stats()).destinations["docs"].lane
        assert state == replace(lane, last_success_at=values.clock.now())
        await counts_agree(store, harness)

    async def test_life_of_a_delivery_with_failures(self, store: Store, values: Values, harness: Harness) -> None:
        """Attempts are numbered, failures counted, and a message once stored stays as it is."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        for number in (1, 2, 3):
            due_at = values.clock.now() + timedelta(minutes=number)
            transition = values.outcome(delivery, lane.epoch, RETRYING, due_at=due_at)
            if number > 1:
                transition = replace(transition, message=None)
            assert await store.record(transition)
            after = await read(store, delivery)
            assert (after.state, after.due_at, after.attempts, after.failures) == (RETRYING, due_at, number, number)
            assert (after.last_error, after.message) == ("HTTP 503", Message(text="A page changed"))
            values.clock.advance(minutes=number)
            again = await store.claim(delivery.id, lane.epoch, values.clock.now())
            assert again is not None
            delivery = again
        assert await store.record(values.outcome(delivery, lane.epoch, DEAD))
        end = await read(store, delivery)
        assert (end.state, end.reason, end.attempts, end.failures) == (DEAD, "permanent failure", 4, 4)
        assert [attempt.number for attempt in await store.attempts(delivery.id)] == [1, 2, 3, 4]
        stats = await store.stats()
        lane_now = stats.destinations["docs"].lane
        assert lane_now is not None
        assert lane_now.consecutive_failures == 4
        await counts_agree(store, harness)

    async def test_health_of_a_lane(self, store: Store, values: Values) -> None:
        """Success resets the failures; throttled and interrupted attempts leave them; pauses are kept."""
        lane = await own(store, values.clock)
        until = values.clock.now() + timedelta(minutes=30)
        outcomes = [RETRYING, RETRYING, DELIVERED, RETRYING, DEAD]
        deliveries = [await claimed(store, values, lane) for _ in range(7)]
        transitions = [
            values.outcome(one, lane.epoch, state) for one, state in zip(deliveries[:5], outcomes, strict=True)
        ]
        throttled = values.outcome(deliveries[5], lane.epoch, RETRYING, due_at=until, failures=0, paused_until=until)
        assert throttled.attempt is not None
        transitions.append(replace(throttled, attempt=replace(throttled.attempt, outcome=Outcome.THROTTLED)))
        transitions.append(
            values.outcome(deliveries[6], lane.epoch, SUPPRESSED, attempt=None, reason="empty message", last_error="")
        )
        assert await asyncio.gather(*map(store.record, transitions)) == [True] * 7
        expected = replace(lane, paused_until=until, consecutive_failures=2, last_success_at=values.clock.now())
        assert (await store.stats()).destinations["docs"].lane == expected
        assert (await read(store, deliveries[6])).attempts == 0
        again = await own(store, values.clock)
        assert again == replace(expected, epoch=again.epoch)
        assert again.epoch > lane.epoch

    async def test_a_pause_is_never_shortened(self, store: Store, values: Values) -> None:
        """Of two answers that ask for a rest, the longer counts, whichever comes first, together or apart."""
        lane = await own(store, values.clock)
        now = values.clock.now()
        ends = [now + timedelta(minutes=minutes) for minutes in (20, 30, 10)]
        first, second, third = [
            values.outcome(await claimed(store, values, lane), lane.epoch, RETRYING, due_at=end, paused_until=end)
            for end in ends
        ]
        assert all(await asyncio.gather(store.record(second), store.record(first)))
        assert await store.record(third)
        lane_now = (await store.stats()).destinations["docs"].lane
        assert lane_now is not None
        assert lane_now.paused_until == ends[1]

    async def test_repeating_changes_nothing(self, store: Store, values: Values, harness: Harness) -> None:
        """An outcome that is written twice, together or later, counts once."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        transition = values.outcome(delivery, lane.epoch, RETRYING)
        both = await asyncio.gather(store.record(transition), store.record(transition))
        assert list(both) == [True, False]
        before = await read(store, delivery)
        assert not await store.record(transition)
        assert await read(store, delivery) == before
        assert len(await store.attempts(delivery.id)) == 1
        await counts_agree(store, harness)

    async def test_a_frozen_owner_cannot_overwrite(self, harness: Harness, values: Values) -> None:
        """An owner that wakes after another took its lane over can neither record, claim nor insert as sending."""
        frozen, present = await harness.make(), await harness.make()
        old = await own(frozen, values.clock)
        delivery = await claimed(frozen, values, old)
        new = await own(present, values.clock)
        assert (await read(present, delivery)).state is PENDING
        outcome = values.outcome(delivery, old.epoch, DELIVERED)
        assert not await frozen.record(outcome)
        assert await frozen.claim(delivery.id, old.epoch, values.clock.now()) is None
        assert await present.claim(delivery.id, new.epoch, values.clock.now()) is not None
        assert not await frozen.record(outcome)
        event = values.event(body=b"1")
        late = values.delivery(event, state=SENDING, epoch=old.epoch)
        kept = values.delivery(event, "ops")
        assert (await frozen.accept(event, [late, kept])).demoted == (late.id,)
        assert await read(present, late) == replace(late, state=PENDING, epoch=None)
        assert await frozen.take_back([], values.clock.now()) == 0
        assert (await read(present, delivery)).state is SENDING
        assert await present.record(replace(outcome, epoch=new.epoch))
        await counts_agree(present, harness)

    async def test_an_invented_lane_owns_nothing(self, store: Store, values: Values) -> None:
        """What is handed in as sending to a lane that nobody owns waits for its owner."""
        event = values.event()
        orphan = values.delivery(event, state=SENDING, epoch=1)
        assert (await store.accept(event, [orphan])).demoted == (orphan.id,)
        other = values.delivery(event, state=SENDING)
        await store.insert(other)
        assert (await read(store, orphan)).state is (await read(store, other)).state is PENDING

    async def test_a_lane_of_which_only_the_dead_are_counted_owns_nothing(self, store: Store, values: Values) -> None:
        """That there are dead letters for a destination makes nobody its owner, whatever epoch he calls his own."""
        await stored(store, values, state=DEAD)
        waiting = await stored(store, values)
        event = values.event()
        orphan = values.delivery(event, state=SENDING, epoch=0)
        assert (await store.accept(event, [orphan])).demoted == (orphan.id,)
        assert await store.claim(waiting.id, 0, values.clock.now()) is None

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (HELD, PENDING),
            (HELD, SUPPRESSED),
            (PENDING, SUPPRESSED),
            (PENDING, MERGED),
            (PENDING, DEAD),
            (RETRYING, DEAD),
            (RETRYING, MERGED),
            (RETRYING, PENDING),
        ],
    )
    async def test_without_an_attempt(
        self, store: Store, values: Values, harness: Harness, start: DeliveryState, end: DeliveryState
    ) -> None:
        """What waits can be released, suppressed, merged or ended without an attempt, and keeps its history."""
        delivery = await stored(store, values, state=start, failures=2, attempts=3, last_error="HTTP 500")
        transition = values.outcome(delivery, None, end, attempt=None, failures=0, last_error="", reason="why")
        assert await store.record(transition)
        after = await read(store, delivery)
        assert (after.state, after.reason, after.failures, after.attempts) == (end, "why", 2, 3)
        assert after.last_error == "HTTP 500"
        assert not await store.record(transition)
        await counts_agree(store, harness)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            *((start, DELIVERED) for start in (HELD, PENDING, RETRYING)),
            *((HELD, end) for end in (RETRYING, MERGED)),
            (PENDING, RETRYING),
            (RETRYING, SUPPRESSED),
        ],
    )
    async def test_no_other_way_without_an_attempt(
        self, store: Store, values: Values, start: DeliveryState, end: DeliveryState
    ) -> None:
        """Above all, nothing counts as delivered that nobody sent."""
        delivery = await stored(store, values, state=start)
        assert not await store.record(values.outcome(delivery, None, end, attempt=None))
        assert await read(store, delivery) == delivery

    async def test_due_at_another_time(self, store: Store, values: Values) -> None:
        """A retry that is released is due now; saying so twice changes nothing more."""
        later = values.clock.now() + timedelta(minutes=10)
        delivery = await stored(store, values, state=RETRYING, due_at=later)
        transition = values.outcome(delivery, None, RETRYING, attempt=None)
        assert await store.record(transition)
        assert not await store.record(transition)
        assert (await read(store, delivery)).due_at == values.clock.now()

    @pytest.mark.parametrize("state", [SENDING, DELIVERED, DEAD, SUPPRESSED, MERGED])
    async def test_final_and_sending_are_not_touched_without_an_epoch(
        self, store: Store, values: Values, state: DeliveryState
    ) -> None:
        """A decision about what waits finds nothing once it is being sent or has ended."""
        lane = await own(store, values.clock)
        delivery = await stored(store, values, state=state, epoch=lane.epoch if state is SENDING else None)
        for end in (PENDING, DEAD, SUPPRESSED):
            assert not await store.record(values.outcome(delivery, None, end, attempt=None))
        assert await read(store, delivery) == delivery

    async def test_impossible_outcomes_are_refused(self, store: Store, values: Values) -> None:
        """No outcome makes a delivery held, sending or merged, puts it back to pending, or retries it at no time."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        stranger = values.outcome(values.delivery(values.event()), lane.epoch, DELIVERED)
        for transition in (
            values.outcome(delivery, lane.epoch, PENDING),
            values.outcome(delivery, lane.epoch, SENDING),
            values.outcome(delivery, lane.epoch, MERGED),
            values.outcome(delivery, None, HELD),
            values.outcome(delivery, lane.epoch, RETRYING, due_at=None),
            values.outcome(delivery, lane.epoch, DELIVERED, attempt=stranger.attempt),
        ):
            with pytest.raises(ValueError, match=str(delivery.id)):
                await store.record(transition)
        assert await read(store, delivery) == delivery


class TestOwning:
    async def test_interrupted_goes_back_to_waiting(self, harness: Harness, values: Values) -> None:
        """What the end of a process cut off is sent again, and its attempt shows as interrupted, no failure."""
        store = await harness.make()
        lane = await own(store, values.clock)
        event = values.event()
        started_at = values.clock.now()
        cut_off = values.delivery(event, state=SENDING, epoch=lane.epoch, due_at=started_at - timedelta(minutes=2))
        elsewhere = values.delivery(event, "ops")
        await store.accept(event, [cut_off, elsewhere])
        values.clock.advance(minutes=9)
        store = await harness.crash()
        new = await own(store, values.clock)
        assert new.epoch > lane.epoch
        after = await read(store, cut_off)
        assert after == replace(
            cut_off,
            state=PENDING,
            epoch=None,
            attempts=1,
            interruptions=1,
            last_error=after.last_error,
            updated_at=values.clock.now(),
        )
        assert "ended" in after.last_error
        detail = after.last_error
        assert await store.attempts(cut_off.id) == [
            Attempt(cut_off.id, 1, started_at, 0, Outcome.INTERRUPTED, None, detail)
        ]
        assert new.consecutive_failures == 0
        assert await read(store, elsewhere) == elsewhere
        await counts_agree(store, harness)

    async def test_fifth_interruption_is_the_last(self, harness: Harness, values: Values) -> None:
        """A delivery during which the process ended five times is dead: interrupted."""
        store = await harness.make()
        lane = await own(store, values.clock)
        delivery = await stored(store, values)
        for number in range(1, 6):
            taken = await store.claim(delivery.id, lane.epoch, values.clock.now())
            assert taken is not None
            lane = await own(store, values.clock)
            after = await read(store, delivery)
            assert (after.attempts, after.interruptions, after.failures) == (number, number, 0)
            assert after.state is (DEAD if number == 5 else PENDING)
        assert after.reason == "interrupted"
        assert [one.outcome for one in await store.attempts(delivery.id)] == [Outcome.INTERRUPTED] * 5
        await counts_agree(store, harness)

    async def test_owning_again_leaves_other_lanes_alone(self, store: Store, values: Values) -> None:
        """Taking one lane over says nothing about another, and two names at once are both owned."""
        lanes = await store.own(["docs", "ops", "docs"], values.clock.now())
        assert set(lanes) == {"docs", "ops"}
        delivery = await claimed(store, values, lanes["ops"])
        await own(store, values.clock)
        assert await read(store, delivery) == delivery
        assert await store.record(values.outcome(delivery, lanes["ops"].epoch, DELIVERED))
        assert await store.own([], values.clock.now()) == {}

    async def test_owning_sees_what_was_just_recorded(self, store: Store, values: Values) -> None:
        """An outcome handed in right before a lane is taken over counts in the health that the new owner is told."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        recorded, again = await asyncio.gather(
            store.record(values.outcome(delivery, lane.epoch, RETRYING)), own(store, values.clock)
        )
        assert recorded
        assert again == replace(lane, epoch=again.epoch, consecutive_failures=1)

    async def test_take_back(self, store: Store, values: Values, harness: Harness) -> None:
        """What never left goes back to waiting without an attempt; what is in flight stays."""
        lane = await own(store, values.clock)
        in_flight, left = await claimed(store, values, lane), await claimed(store, values, lane)
        waiting = await stored(store, values)
        assert await store.take_back([in_flight.id], values.clock.now()) == 1
        assert await read(store, in_flight) == in_flight
        assert await read(store, left) == replace(left, state=PENDING, epoch=None)
        assert await read(store, waiting) == waiting
        assert await store.attempts(left.id) == []
        assert await store.take_back([in_flight.id], values.clock.now()) == 0
        assert await store.claim(left.id, lane.epoch, values.clock.now()) == left
        await counts_agree(store, harness)

    async def test_bury(self, store: Store, values: Values, harness: Harness) -> None:
        """When a destination is removed, all that waits for it ends dead; what is being sent, and others, go on."""
        lane = await own(store, values.clock)
        sending = await claimed(store, values, lane)
        event = values.event()
        waiting = [values.delivery(event, state=state) for state in (HELD, PENDING, RETRYING) for _ in range(250)]
        other = values.delivery(event, "ops")
        await store.accept(event, [*waiting, other])
        assert await store.bury("docs", values.clock.now(), "destination removed") == 750
        assert await store.bury("docs", values.clock.now(), "destination removed") == 0
        listed = await store.deliveries(DeliveryFilter(state=DEAD, limit=1000))
        assert {one.delivery.id for one in listed} == {delivery.id for delivery in waiting}
        assert {one.delivery.reason for one in listed} == {"destination removed"}
        assert await read(store, sending) == sending
        assert await read(store, other) == other
        assert set(await store.destinations_waiting()) == {"docs", "ops"}
        assert await store.record(values.outcome(sending, lane.epoch, DELIVERED))
        assert set(await store.destinations_waiting()) == {"ops"}
        await counts_agree(store, harness)

    async def test_insert(self, store: Store, values: Values, harness: Harness) -> None:
        """A replay or fallback joins a stored event; inserting it twice is inserting it once."""
        first = await stored(store, values, state=DEAD)
        event = await store.event(first.event_id)
        assert event is not None
        replay = values.delivery(event, cause=Cause.REPLAY, origin_id=first.id)
        await asyncio.gather(store.insert(replay), store.insert(replay))
        await store.insert(replace(replay, state=DEAD))
        assert await read(store, replay) == replay
        with pytest.raises(ValueError, match="cannot be stored"):
            await store.insert(values.delivery(values.event()))
        assert store.waiting == 1
        await counts_agree(store, harness)


def as_due(*deliveries: Delivery) -> list[Waiting]:
    """What a lane is shown of them."""
    return [Waiting.of(delivery) for delivery in deliveries]


class TestWaiting:
    async def test_order_of_what_is_due(self, store: Store, values: Values) -> None:
        """Deliveries come by the time at which they are due, and by id where that is the same."""
        event = values.event()
        now = values.clock.now()

        def at(seconds: float, destination: str = "docs", state: DeliveryState = PENDING) -> Delivery:
            return values.delivery(event, destination, state=state, due_at=now + timedelta(seconds=seconds))

        first, second, third = at(-1), at(0, "ops", RETRYING), at(0)
        early, future, far = at(-2), at(5), at(9, "ops", RETRYING)
        others = [at(-3, state=state) for state in (HELD, DELIVERED, DEAD, SUPPRESSED, MERGED)]
        elsewhere = at(-9, "elsewhere")
        await store.accept(event, [far, third, second, first, future, early, elsewhere, *others])
        both = ["docs", "ops"]
        assert await store.due(both, now, 10) == as_due(early, first, second, third)
        assert await store.due(both, now, 2) == as_due(early, first)
        assert await store.due(["ops"], now, 10) == as_due(second)
        assert await store.due([], now, 10) == []
        later = now + timedelta(seconds=9)
        assert await store.due(both, later, 10) == as_due(early, first, second, third, future, far)
        assert await store.next_due(both, now) == future.due_at
        assert await store.next_due(both, now + timedelta(seconds=5)) == far.due_at
        assert await store.next_due(["ops"], now) == far.due_at
        assert await store.next_due(both, now + timedelta(seconds=9)) is None
        assert await store.next_due(["docs"], now - timedelta(days=1)) == early.due_at
        assert await store.next_due([], now) is None

    async def test_what_is_claimed_is_not_due(self, store: Store, values: Values) -> None:
        """A read sees everything that was committed before it was asked."""
        lane = await own(store, values.clock)
        delivery = await stored(store, values)
        assert await store.due(["docs"], values.clock.now(), 10) == as_due(delivery)
        await store.claim(delivery.id, lane.epoch, values.clock.now())
        assert await store.due(["docs"], values.clock.now(), 10) == []

    async def test_waiting_is_counted(self, store: Store, values: Values) -> None:
        """The queue limit looks at everything that is not final, sending and held included."""
        lane = await own(store, values.clock)
        event = values.event()
        await store.accept(event, [values.delivery(event, state=state) for state in DeliveryState if state != SENDING])
        assert store.waiting == 3
        sending = await claimed(store, values, lane)
        assert store.waiting == 4
        await store.record(values.outcome(sending, lane.epoch, DELIVERED))
        assert store.waiting == 3
        assert (await store.stats()).destinations["docs"].pending == 3


class TestListing:
    @pytest.fixture
    async def listed(self, store: Store, values: Values) -> list[tuple[Event, list[Delivery]]]:
        """Twelve events, an hour apart, each with deliveries to two places."""
        made = []
        for number in range(12):
            event = values.event(
                body=b"[%d]" % number,
                name=("page.updated", "Page.Deleted", "user.enabled")[number % 3],
                source=("spaces", "other")[number % 2],
                facts={"rules": ["changes", "all"] if number % 4 == 0 else ["all"]},
            )
            deliveries = [
                values.delivery(event, "docs", state=(PENDING, DEAD, DELIVERED)[number % 3], rule="changes"),
                values.delivery(event, "ops", state=DELIVERED, rule="all"),
            ]
            await store.accept(event, deliveries)
            made.append((event, deliveries))
            values.clock.advance(minutes=60)
        return made

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            (EventFilter(), range(11, -1, -1)),
            (EventFilter(limit=3), [11, 10, 9]),
            (EventFilter(name="page.deleted"), [10, 7, 4, 1]),
            (EventFilter(source="other", limit=2), [11, 9]),
            (EventFilter(rule="changes"), [8, 4, 0]),
            (EventFilter(rule="change"), []),
            (EventFilter(name="user.enabled", source="spaces", rule="all"), [8, 2]),
        ],
    )
    async def test_events(
        self,
        store: Store,
        listed: list[tuple[Event, list[Delivery]]],
        wanted: EventFilter,
        numbers: list[int],
    ) -> None:
        """Events are listed newest first, by name, source and rule that matched."""
        assert await store.events(wanted) == [listed[number][0] for number in numbers]

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (DeliveryFilter(), [(n, d) for n in range(11, -1, -1) for d in (1, 0)]),
            (DeliveryFilter(limit=3), [(11, 1), (11, 0), (10, 1)]),
            (DeliveryFilter(state=DEAD), [(n, 0) for n in (10, 7, 4, 1)]),
            (DeliveryFilter(state=DELIVERED, destination="docs"), [(n, 0) for n in (11, 8, 5, 2)]),
            (DeliveryFilter(destination="docs", limit=4), [(n, 0) for n in (11, 10, 9, 8)]),
            (DeliveryFilter(rule="all", limit=2), [(11, 1), (10, 1)]),
            (DeliveryFilter(rule="all", destination="docs"), []),
            (DeliveryFilter(destination="nowhere"), []),
        ],
    )
    async def test_deliveries(
        self,
        store: Store,
        listed: list[tuple[Event, list[Delivery]]],
        wanted: DeliveryFilter,
        found: list[tuple[int, int]],
    ) -> None:
        """Deliveries are listed newest first, by state, destination and rule, with the names of their events."""
        rows = await store.deliveries(wanted)
        assert [one.delivery for one in rows] == [listed[number][1][which] for number, which in found]
        assert [one.event_name for one in rows] == [listed[number][0].name for number, _ in found]

    async def test_of_one_event(self, store: Store, listed: list[tuple[Event, list[Delivery]]]) -> None:
        """The deliveries of one event are found by it."""
        event, deliveries = listed[5]
        for wanted in (DeliveryFilter(event_id=event.id), DeliveryFilter(event_id=event.id, rule="all")):
            rows = await store.deliveries(wanted)
            assert [one.delivery for one in rows] == [
                one for one in reversed(deliveries) if wanted.rule in (None, one.rule)
            ]
        assert await store.deliveries(DeliveryFilter(event_id=404)) == []

    @pytest.mark.parametrize("hours", [0, 1, 5.5, 11, 11.5, 12])
    async def test_since(
        self, store: Store, values: Values, listed: list[tuple[Event, list[Delivery]]], hours: float
    ) -> None:
        """A list from a time on holds that time itself and everything after it, whatever else it is filtered by."""
        since = listed[0][0].received_at + timedelta(hours=hours)
        events = [event for event, _ in listed if event.received_at >= since]
        assert await store.events(EventFilter(since=since)) == events[::-1]
        named = [event for event in events if event.name == "page.updated"]
        assert await store.events(EventFilter(since=since, name="page.updated")) == named[::-1]
        deliveries = await store.deliveries(DeliveryFilter(since=since, destination="ops"))
        assert [one.delivery.event_id for one in deliveries] == [event.id for event in events][::-1]

    async def test_pages_follow_each_other(self, store: Store, listed: list[tuple[Event, list[Delivery]]]) -> None:
        """Going on from the last id of each page shows everything once, also while new ones come in."""
        seen: list[int] = []
        cursor = None
        for _ in range(20):
            page = await store.deliveries(DeliveryFilter(limit=5, cursor=cursor, destination="docs"))
            if not page:
                break
            seen += [one.delivery.id for one in page]
            cursor = seen[-1]
        assert seen == [deliveries[0].id for _, deliveries in reversed(listed)]
        events = await store.events(EventFilter(cursor=listed[3][0].id, limit=2))
        assert [event.id for event in events] == [listed[2][0].id, listed[1][0].id]

    async def test_lists_leave_messages_out(self, store: Store, values: Values) -> None:
        """A list stays small however long the messages are; one delivery alone shows its message."""
        delivery = await stored(store, values, state=SUPPRESSED, message=Message(text="long"))
        (row,) = await store.deliveries(DeliveryFilter())
        assert row.delivery == replace(delivery, message=None)
        assert await read(store, delivery) == delivery

    async def test_unknown_ids(self, store: Store) -> None:
        """What is not there is None or empty, never an error."""
        assert await store.event(1) is None
        assert await store.delivery(1) is None
        assert await store.attempts(1) == []


class TestTelling:
    """What the totals do not say by themselves; for `/metrics`."""

    async def test_where_each_lane_stands(self, store: Store, values: Values, clock: Clock) -> None:
        """How many deliveries of each destination stand in which state that is not final."""
        lane = await own(store, clock)
        await stored(store, values)
        retried, delivered = await claimed(store, values, lane), await claimed(store, values, lane)
        await store.record(values.outcome(retried, lane.epoch, RETRYING, due_at=clock.now() + timedelta(minutes=1)))
        await stored(store, values, "elsewhere", state=HELD, group_key="one")
        stats = await store.stats()
        assert stats.destinations["docs"].by_state == {PENDING: 1, RETRYING: 1, SENDING: 1}
        assert stats.destinations["elsewhere"].by_state == {HELD: 1}
        await store.record(values.outcome(delivered, lane.epoch, DELIVERED))
        assert (await store.stats()).destinations["docs"].by_state == {PENDING: 1, RETRYING: 1}

    async def test_since_when_something_waits(self, store: Store, values: Values, clock: Clock) -> None:
        """The oldest delivery counts, whichever state it waits in and whenever it is due; a window is no waiting."""
        lane = await own(store, clock)
        oldest, first = await claimed(store, values, lane), clock.now()
        clock.advance(minutes=1)
        second = clock.now()
        await stored(store, values)
        await stored(store, values, "elsewhere", state=HELD, group_key="one")
        assert (await store.moments([])).waiting_since == {"docs": first}
        await store.record(values.outcome(oldest, lane.epoch, RETRYING, due_at=clock.now() + timedelta(hours=1)))
        assert (await store.moments([])).waiting_since == {"docs": first}
        clock.advance(minutes=61)
        await stored(store, values)
        again = await store.claim(oldest.id, lane.epoch, clock.now())
        assert again is not None
        await store.record(values.outcome(again, lane.epoch, DEAD))
        assert (await store.moments([])).waiting_since == {"docs": second}
        await store.bury("docs", clock.now(), "destination removed")
        assert (await store.moments([])).waiting_since == {}

    async def test_when_a_source_last_sent_something(self, store: Store, values: Values, clock: Clock) -> None:
        """The latest event of each source that is asked for; nothing of one that never sent any."""
        await store.accept(values.event(body=b"1", source="wiki"), [])
        clock.advance(minutes=1)
        await store.accept(values.event(body=b"2", source="wiki"), [])
        await store.accept(values.event(body=b"3", source="desk"), [])
        clock.advance(minutes=1)
        await store.accept(values.event(body=b"4", source="desk"), [])
        told = (await store.moments(["wiki", "silent"])).last_event_at
        assert told == {"wiki": clock.now() - timedelta(minutes=1)}

    async def test_what_is_written_is_counted(self, store: Store, values: Values, clock: Clock) -> None:
        """Ends of deliveries and recorded attempts by destination, and the commits; what changed nothing counts not."""
        lane = await own(store, clock)
        for state in (DELIVERED, DELIVERED, DEAD, RETRYING):
            delivery = await claimed(store, values, lane)
            outcome = values.outcome(delivery, lane.epoch, state, due_at=clock.now() + timedelta(hours=1))
            assert await store.record(outcome)
            assert not await store.record(outcome)
        await stored(store, values, "gone", state=DEAD, reason="destination removed")
        assert await store.bury("docs", clock.now(), "destination removed") == 1
        figures = store.figures
        assert figures.ended == {("docs", "delivered"): 2, ("docs", "dead"): 2, ("gone", "dead"): 1}
        assert figures.attempts == {("docs", "delivered"): 2, ("docs", "permanent"): 1, ("docs", "temporary"): 1}
        assert figures.commit_seconds.count == figures.commit_operations.count == 19
        assert (figures.commit_operations.total, figures.failed_commits) == (19, 0)

    async def test_what_shares_a_commit_with_a_bad_row_is_counted_once(self, store: Store, values: Values) -> None:
        """The whole commit is made again without it, and only what is on disk then is counted."""
        good, bad = values.event(body=b"1"), values.event(body=b"2")
        twice = values.delivery(bad, state=DEAD)
        results = await asyncio.gather(
            store.accept(good, [values.delivery(good, state=DEAD)]),
            store.accept(bad, [twice, twice]),
            return_exceptions=True,
        )
        assert isinstance(results[1], ValueError)
        assert store.figures.ended == {("docs", "dead"): 1}

    async def test_an_interruption_is_an_attempt(self, harness: Harness, values: Values, clock: Clock) -> None:
        """What an earlier process left under way is counted by the one that finds it."""
        store = await harness.make()
        await claimed(store, values, await own(store, clock))
        store = await harness.crash()
        await own(store, clock)
        assert store.figures.attempts == {("docs", "interrupted"): 1}

    async def test_failed_commits_are_counted(self, harness: Harness, values: Values) -> None:
        """And nothing of what was in them."""
        store = await harness.make()
        harness.fail()
        event = values.event()
        with pytest.raises(StoreUnavailable):
            await store.accept(event, [values.delivery(event, state=DEAD)])
        assert store.figures.failed_commits == 1
        assert store.figures.ended == {}


class TestFailing:
    async def until_available(self, store: Store, clock: Clock) -> None:
        """Let the pauses between tries pass until the store can write again."""
        await until(lambda: store.available, meanwhile=lambda: clock.advance(seconds=1))

    async def test_nothing_is_promised(self, harness: Harness, values: Values) -> None:
        """When a commit fails, all that shared it are told so, and none of it is there afterwards or counted."""
        store = await harness.make()
        lane = await own(store, values.clock)
        kept = await stored(store, values)
        harness.fail()
        events = [values.event(body=b"[%d]" % number) for number in range(5)]
        results = await asyncio.gather(
            *(store.accept(event, [values.delivery(event)]) for event in events),
            store.reject(values.rejection()),
            store.claim(kept.id, lane.epoch, values.clock.now()),
            store.insert(values.delivery(events[0], event_id=kept.event_id)),
            store.own(["ops"], values.clock.now()),
            store.bury("docs", values.clock.now(), "gone"),
            store.save_ruleset(values.ruleset()),
            return_exceptions=True,
        )
        assert {type(result) for result in results} == {StoreUnavailable}
        assert not store.available
        with pytest.raises(StoreUnavailable):
            await store.accept(events[0], [])
        harness.heal()
        await self.until_available(store, values.clock)
        assert (await store.accept(events[0], [])).event_id == events[0].id
        assert store.waiting == len(await store.due(["docs"], values.clock.now(), 10)) + sum(
            one.delivery.state is SENDING for one in await store.deliveries(DeliveryFilter())
        )
        await counts_agree(store, harness)

    async def test_outcomes_wait(self, harness: Harness, values: Values) -> None:
        """An outcome is never given up: it is written before anything new once the store works again."""
        store = await harness.make()
        lane = await own(store, values.clock)
        first, second, third = [await claimed(store, values, lane) for _ in range(3)]
        harness.fail()
        waiting = [asyncio.ensure_future(store.record(values.outcome(first, lane.epoch, DELIVERED)))]
        with pytest.raises(StoreUnavailable):
            await store.reject(values.rejection())
        waiting.append(asyncio.ensure_future(store.record(values.outcome(second, lane.epoch, RETRYING))))
        await pauses(values.clock, 2)
        assert not any(future.done() for future in waiting)
        assert (await read(store, first)).state is SENDING
        harness.heal()
        await self.until_available(store, values.clock)
        waiting.append(asyncio.ensure_future(store.record(values.outcome(third, lane.epoch, DEAD))))
        assert await store.claim(second.id, lane.epoch, values.clock.now()) is not None
        assert await asyncio.gather(*waiting) == [True, True, True]
        await counts_agree(store, harness)

    async def test_recovery_goes_first(self, harness: Harness, values: Values) -> None:
        """Before anything is written after a failure, the lanes look at what is there and take back what never left."""
        store = await harness.make()
        lane = await own(store, values.clock)
        in_flight, left = await claimed(store, values, lane), await claimed(store, values, lane)
        told: list[object] = []
        resume = asyncio.Event()

        async def look() -> None:
            told.append(store.available)
            await resume.wait()
            told.append(await store.take_back([in_flight.id], values.clock.now()))
            told.append([one.delivery_id for one in await store.due(["docs"], values.clock.now(), 10)])

        store.on_recovery = look
        harness.fail()
        outcome = asyncio.ensure_future(store.record(values.outcome(in_flight, lane.epoch, DELIVERED)))
        with pytest.raises(StoreUnavailable):
            await store.reject(values.rejection())
        harness.heal()
        await until(lambda: told, meanwhile=lambda: values.clock.advance(seconds=1))
        with pytest.raises(StoreUnavailable):
            await store.accept(values.event(), [])
        assert not outcome.done()
        resume.set()
        assert await outcome
        assert told == [False, 1, [left.id]]
        assert store.available
        await counts_agree(store, harness)

    async def test_failing_again_while_recovering(self, harness: Harness, values: Values) -> None:
        """A store that fails while it recovers starts over; whoever waits goes on waiting, and all is written."""
        store = await harness.make()
        lane = await own(store, values.clock)
        delivery, left = await claimed(store, values, lane), await claimed(store, values, lane)
        looks: list[str] = []

        async def look() -> None:
            looks.append("begun")
            if len(looks) == 1:
                harness.fail()
            if len(looks) == 2:
                raise RuntimeError("a bug in whoever looks")
            try:
                await store.take_back([delivery.id], values.clock.now())
            except StoreUnavailable:
                looks[-1] = "failed"
                raise

        store.on_recovery = look
        harness.fail()
        outcome = asyncio.ensure_future(store.record(values.outcome(delivery, lane.epoch, DELIVERED)))
        with pytest.raises(StoreUnavailable):
            await store.reject(values.rejection())
        harness.heal()
        await until(lambda: looks == ["failed"], meanwhile=lambda: values.clock.advance(seconds=5))
        harness.heal()
        await until(outcome.done, meanwhile=lambda: values.clock.advance(seconds=5))
        assert await outcome
        assert looks == ["failed", "begun", "begun"]
        assert (await read(store, left)).state is PENDING
        assert store.available

    async def test_reading_goes_on(self, harness: Harness, values: Values) -> None:
        """While nothing can be written, everything that is stored can still be seen."""
        store = await harness.make()
        delivery = await stored(store, values)
        harness.fail()
        with pytest.raises(StoreUnavailable):
            await store.reject(values.rejection())
        assert await read(store, delivery) == delivery
        assert (await store.stats()).deliveries[PENDING] == 1
        assert await store.due(["docs"], values.clock.now(), 5) == as_due(delivery)

    async def test_whoever_gives_up_disturbs_nobody(self, store: Store, values: Values, harness: Harness) -> None:
        """A caller that is cancelled while it waits leaves the others' answers and the totals as they should be."""
        tasks = [asyncio.ensure_future(store.accept(values.event(body=b"[%d]" % n), [])) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 5
        await counts_agree(store, harness)

    async def test_closing_writes_what_waits(self, harness: Harness, values: Values) -> None:
        """Closing finishes what was handed in, may be said twice, and everything after it is refused."""
        store = await harness.make()
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        outcome = asyncio.ensure_future(store.record(values.outcome(delivery, lane.epoch, DELIVERED)))
        await asyncio.sleep(0)
        await asyncio.gather(store.close(), store.close())
        await store.close()
        assert await outcome
        assert not store.available
        with pytest.raises(StoreUnavailable):
            await store.accept(values.event(), [])
        with pytest.raises(StoreUnavailable):
            await store.record(values.outcome(delivery, lane.epoch, DELIVERED))
        again = await harness.make()
        assert (await read(again, delivery)).state is DELIVERED

    async def test_closing_during_an_outage(self, harness: Harness, values: Values) -> None:
        """A router stops also while its disk is out of order; whose outcome could not be written is told so."""
        store = await harness.make()
        lane = await own(store, values.clock)
        first, second = await claimed(store, values, lane), await claimed(store, values, lane)
        harness.fail()
        lost = asyncio.ensure_future(store.record(values.outcome(first, lane.epoch, DELIVERED)))
        with pytest.raises(StoreUnavailable):
            await store.reject(values.rejection())
        await store.close()
        with pytest.raises(StoreUnavailable):
            await lost
        harness.heal()
        again = await harness.make()
        lane = await own(again, values.clock)
        assert {(await read(again, one)).state for one in (first, second)} <= {PENDING, DELIVERED}
        await counts_agree(again, harness)


async def test_everything_survives_a_crash(harness: Harness, values: Values, clock: Clock) -> None:
    """What was answered before the process was killed is there afterwards, to the last field."""
    store = await harness.make()
    lane = await own(store, clock)
    delivery = await claimed(store, values, lane)
    transition = values.outcome(delivery, lane.epoch, RETRYING, due_at=clock.now() + timedelta(minutes=1))
    assert await store.record(transition)
    await store.save_ruleset(values.ruleset())
    await store.reject(values.rejection())
    before = await read(store, delivery), await store.stats(), await store.attempts(delivery.id)
    store = await harness.crash()
    assert before == (await read(store, delivery), await store.stats(), await store.attempts(delivery.id))
    assert store.waiting == 1
    assert await store.destinations_waiting() == ["docs"]
    assert isinstance(before[0].due_at, datetime)
    assert (await own(store, clock)).epoch == lane.epoch + 1
