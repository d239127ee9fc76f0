"""What every store promises about replays, releases, and what was rejected and is taken after all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from router.errors import StoreUnavailable
from router.events import Cause, Delivery, DeliveryState, Event, Message
from router.store.base import Store
from router.store.kin import Kin
from router.store.records import EVENT_GONE, DeliveryFilter, Expiry, ReplayFilter, Waiting
from tests.fakes import Clock
from tests.store.harness import Harness
from tests.store.test_contract import counts_agree, own, read, stored
from tests.store.values import Values

HELD, PENDING, SENDING, RETRYING = (
    DeliveryState.HELD,
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.RETRYING,
)
DELIVERED, DEAD = DeliveryState.DELIVERED, DeliveryState.DEAD


def replay_of(values: Values, origin: Delivery, **fields: object) -> Delivery:
    now = values.clock.now()
    fresh = replace(origin, id=values.ids.next(), state=PENDING, cause=Cause.REPLAY, origin_id=origin.id)
    return replace(fresh, due_at=now, created_at=now, updated_at=now, reason="", **fields)  # type: ignore[arg-type]


def unless_replayed(new: Delivery, kin: Sequence[Kin]) -> str | None:
    return "replayed" if any(one.origin_id == new.origin_id for one in kin) else None


def never(_new: Delivery, _kin: Sequence[Kin]) -> str | None:
    return None


class TestInserting:
    async def test_deliveries_are_inserted_as_they_are(self, store: Store, values: Values, harness: Harness) -> None:
        """Replays are stored whole, wait for their lane, and are counted."""
        dead = await stored(store, values, state=DEAD)
        new = replay_of(values, dead, message=Message(accepted=("a@example.com",)))
        assert list(await store.insert_unless([new], never)) == [None]
        assert await read(store, new) == new
        assert await store.due(["docs"], values.clock.now(), 10) == [Waiting.of(new)]
        await counts_agree(store, harness)

    async def test_objection_is_asked_with_all_deliveries_of_the_event(self, store: Store, values: Values) -> None:
        """Who decides sees every delivery of the event, those before it in the sequence among them, and no other."""
        await stored(store, values, state=DEAD)
        event = values.event()
        first, second = values.delivery(event, state=DEAD), values.delivery(event, "ops", state=DELIVERED, rule="moves")
        await store.accept(event, [first, second])
        one, two = replay_of(values, first), replay_of(values, second)
        seen: list[list[Kin]] = []

        def objection(_: Delivery, kin: Sequence[Kin]) -> str | None:
            seen.append(list(kin))
            return None

        await store.insert_unless([one, two], objection)
        assert [{kin.id for kin in kins} for kins in seen] == [{first.id, second.id}, {first.id, second.id, one.id}]
        by_id = {kin.id: kin for kin in seen[1]}
        changed = round(second.updated_at.timestamp() * 1000)
        assert by_id[second.id] == Kin(second.id, event.id, "delivered", None, changed, "ops", "moves", "rule")
        assert (by_id[one.id].cause, by_id[one.id].origin_id, by_id[one.id].state) == ("replay", first.id, "pending")

    async def test_what_is_objected_to_is_not_inserted(self, store: Store, values: Values, harness: Harness) -> None:
        """The word is handed back, and the others of the same call are stored all the same."""
        first, second = await stored(store, values, state=DEAD), await stored(store, values, state=DEAD)
        await store.insert_unless([replay_of(values, first)], unless_replayed)
        again, new = replay_of(values, first), replay_of(values, second)
        assert list(await store.insert_unless([again, new], unless_replayed)) == ["replayed", None]
        assert await store.delivery(again.id) is None
        assert await read(store, new) == new
        await counts_agree(store, harness)

    async def test_many_who_ask_at_once_insert_once(self, store: Store, values: Values) -> None:
        """The check and the insert are one: of twenty callers one gets its replay stored, whatever shares a commit."""
        dead = await stored(store, values, state=DEAD)
        calls = [store.insert_unless([replay_of(values, dead)], unless_replayed) for _ in range(20)]
        words = [word for (word,) in await asyncio.gather(*calls)]
        assert sorted(words, key=str) == [None] + ["replayed"] * 19
        assert len(await store.deliveries(DeliveryFilter(state=PENDING))) == 1

    async def test_two_nodes_insert_once(self, harness: Harness, store: Store, values: Values) -> None:
        """The same holds for callers of two nodes on one storage."""
        other = await harness.make()
        dead = await stored(store, values, state=DEAD)
        calls = [node.insert_unless([replay_of(values, dead)], unless_replayed) for node in (store, other) * 5]
        words = [word for (word,) in await asyncio.gather(*calls)]
        assert words.count(None) == 1

    async def test_forgotten_event(self, store: Store, values: Values, clock: Clock) -> None:
        """Where retention was quicker, nothing is inserted, nobody is asked, and the word says so."""
        dead, other = await stored(store, values, state=DEAD), await stored(store, values, state=DEAD)
        clock.advance(minutes=60 * 24 * 2)
        before = clock.now() - timedelta(days=1)
        new, late = replay_of(values, dead), replay_of(values, other)
        await store.insert_unless([new], never)
        await store.forget(Expiry(before, before), 0, 10)
        assert list(await store.insert_unless([late, replay_of(values, dead)], never)) == [EVENT_GONE, None]
        assert await store.delivery(late.id) is None

    async def test_call_that_failed_may_be_made_again(self, store: Store, values: Values, harness: Harness) -> None:
        """One of the same id stays as it is, even where there is an objection by now: its own."""
        dead = await stored(store, values, state=DEAD)
        new = replay_of(values, dead)
        harness.fail()
        with pytest.raises(StoreUnavailable):
            await store.insert_unless([new], unless_replayed)
        harness.heal()
        while not store.available:
            await asyncio.sleep(0)
            values.clock.advance(seconds=0.1)
        assert list(await store.insert_unless([new], unless_replayed)) == [None]
        assert list(await store.insert_unless([new], unless_replayed)) == [None]
        assert len(await store.deliveries(DeliveryFilter(state=PENDING))) == 1

    async def test_objection_that_fails_disturbs_nobody(self, store: Store, values: Values) -> None:
        """A fault in deciding fails its own call alone, and stores nothing of it."""
        dead = await stored(store, values, state=DEAD)

        def broken(_new: Delivery, _kin: Sequence[Kin]) -> str | None:
            raise LookupError("a fault")

        event = values.event()
        first = replay_of(values, dead)
        results = await asyncio.gather(
            store.insert_unless([first], broken), store.accept(event, []), return_exceptions=True
        )
        assert isinstance(results[0], LookupError)
        assert await store.event(event.id) == event
        assert await store.delivery(first.id) is None


class TestFinding:
    async def found(self, store: Store, limit: int = 100, **fields: object) -> list[int]:
        """Turn the pages to the end; the ids that were found, in their order."""
        wanted = ReplayFilter(**({"state": DEAD, "upto": 2**62} | fields))  # type: ignore[arg-type]
        ids, after = [], 0
        while True:
            page = await store.replayable(wanted, after, limit)
            ids += [delivery.id for delivery, _ in page.found]
            if page.next is None:
                return ids
            assert page.next > after
            after = page.next

    async def test_oldest_first_with_message_and_kin(self, store: Store, values: Values) -> None:
        """Each is read whole, with all deliveries of its event."""
        older = await stored(store, values, state=DEAD, message=Message(text="words", accepted=("a",)))
        event = values.event()
        dead, fine = values.delivery(event, state=DEAD), values.delivery(event, "ops", state=DELIVERED)
        await store.accept(event, [dead, fine])
        page = await store.replayable(ReplayFilter(DEAD, 2**62), 0, 10)
        assert [delivery for delivery, _ in page.found] == [older, dead]
        assert [[one.id for one in kin] for _, kin in page.found] == [[older.id], [dead.id, fine.id]]
        assert page.next is None

    async def test_choice(self, store: Store, values: Values, clock: Clock) -> None:
        """By state, destination, rule, and the time at which they were made."""
        first = await stored(store, values, state=DEAD)
        clock.advance(minutes=180)
        second = await stored(store, values, "ops", state=DEAD, rule="moves")
        later = clock.now()
        clock.advance(minutes=180)
        third = await stored(store, values, state=DEAD)
        fine = await stored(store, values, state=DELIVERED)
        await stored(store, values, state=RETRYING)
        assert await self.found(store) == [first.id, second.id, third.id]
        assert await self.found(store, state=DELIVERED) == [fine.id]
        assert await self.found(store, destination="ops") == [second.id]
        assert await self.found(store, rule="changes") == [first.id, third.id]
        assert await self.found(store, rule="changes", destination="ops") == []
        assert await self.found(store, since=later) == [second.id, third.id]
        assert await self.found(store, since=later + timedelta(milliseconds=1)) == [third.id]
        assert await self.found(store, until=later) == [first.id]
        assert await self.found(store, since=later, until=later + timedelta(milliseconds=1)) == [second.id]
        assert await self.found(store, upto=second.id) == [first.id, second.id]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    async def test_every_page_looks_at_so_many_at_most(self, store: Store, values: Values, limit: int) -> None:
        """However few of them fit, a page is short, and all pages together show everything once."""
        made = [await stored(store, values, state=DEAD, rule=f"rule {number % 5}") for number in range(21)]
        wanted = [one.id for one in made if one.rule == "rule 3"]
        assert await self.found(store, limit, rule="rule 3") == wanted
        page = await store.replayable(ReplayFilter(DEAD, 2**62, rule="rule 3"), 0, limit)
        assert len(page.found) <= limit
        assert (page.next is None) == (limit > 21)

    async def test_large_messages_make_short_pages(self, store: Store, values: Values) -> None:
        """A page holds a few megabytes at most, and always something."""
        for _ in range(5):
            await stored(store, values, state=DEAD, message=Message(text="x" * 5_000_000))
        page = await store.replayable(ReplayFilter(DEAD, 2**62), 0, 100)
        assert 1 <= len(page.found) < 5
        assert len(await self.found(store)) == 5


class TestReleasing:
    @pytest.mark.parametrize("state", [HELD, RETRYING])
    async def test_what_waits_for_its_time_is_due_now(
        self, store: Store, values: Values, harness: Harness, state: DeliveryState
    ) -> None:
        """It is pending, due at this moment, and keeps its count of failures."""
        due_at = values.clock.now() + timedelta(hours=1)
        waiting = await stored(
            store, values, state=state, due_at=due_at, reason="hours", failures=2, attempts=3, last_error="HTTP 503"
        )
        values.clock.advance(seconds=5)
        now = values.clock.now()
        released = await store.release(waiting.id, now)
        assert released == replace(waiting, state=PENDING, due_at=now, updated_at=now, reason="")
        assert await read(store, waiting) == released
        assert released is not None
        assert await store.due(["docs"], now, 10) == [Waiting.of(released)]
        await counts_agree(store, harness)

    @pytest.mark.parametrize("state", [one for one in DeliveryState if one not in (HELD, RETRYING)])
    async def test_nothing_else_is_released(self, store: Store, values: Values, state: DeliveryState) -> None:
        """In any other state it stays as it is; of an unknown id nothing is said."""
        lane = await own(store, values.clock)
        epoch = lane.epoch if state is SENDING else None
        delivery = await stored(store, values, state=state, epoch=epoch)
        assert await store.release(delivery.id, values.clock.now()) is None
        assert await read(store, delivery) == delivery
        assert await store.release(values.ids.next(), values.clock.now()) is None

    async def test_released_twice(self, store: Store, values: Values) -> None:
        """Of several at once, one releases it."""
        waiting = await stored(store, values, state=RETRYING)
        calls = [store.release(waiting.id, values.clock.now()) for _ in range(5)]
        assert sum(released is not None for released in await asyncio.gather(*calls)) == 1

    async def test_release_and_claim_at_once(self, store: Store, values: Values) -> None:
        """In either order it ends up being sent, once."""
        lane, now = await own(store, values.clock), values.clock.now()
        for order in (1, -1):
            waiting = await stored(store, values, state=RETRYING)
            calls = [store.release(waiting.id, now), store.claim(waiting.id, lane.epoch, now)][::order]
            results = (await asyncio.gather(*calls))[::order]
            assert results[1] is not None
            assert (results[0] is None) == (order == -1)
            assert (await read(store, waiting)).state is SENDING

    async def test_released_window_makes_room_for_the_next(self, store: Store, values: Values) -> None:
        """A window that was released is not open any more: the next event of its key opens another."""
        window = await stored(store, values, state=HELD, group_key="page 1")
        assert await store.release(window.id, values.clock.now()) is not None
        await stored(store, values, state=HELD, group_key="page 1")
        assert len(await store.deliveries(DeliveryFilter())) == 2


class TestTakingWhatWasRejected:
    async def rejected(self, store: Store, values: Values) -> int:
        rejection = values.rejection()
        await store.reject(rejection)
        assert await store.rejection(rejection.id) == rejection
        return rejection.id

    async def test_event_takes_its_place(self, store: Store, values: Values, harness: Harness) -> None:
        """The event and its deliveries are stored and the rejected request is gone, in one commit."""
        rejected_id, event = await self.rejected(store, values), values.event()
        delivery = values.delivery(event)
        accepted = await store.accept_rejected(rejected_id, event, [delivery])
        assert accepted is not None
        assert (accepted.event_id, accepted.repeat) == (event.id, False)
        assert await store.event(event.id) == event
        assert await read(store, delivery) == delivery
        assert await store.rejection(rejected_id) is None
        assert (await store.stats()).rejected == 1, "totals count what ever was"
        assert harness.counted()["rejected"] == 0

    async def test_once_only(self, store: Store, values: Values) -> None:
        """Of several who take it at once, one does, though each made an event of its own."""
        rejected_id = await self.rejected(store, values)
        events = [values.event(upstream_id=None, body=b"[%d]" % number) for number in range(5)]
        taken = await asyncio.gather(*(store.accept_rejected(rejected_id, event, []) for event in events))
        assert sum(accepted is not None for accepted in taken) == 1
        assert (await store.stats()).events == 1

    async def test_repeat_is_dealt_with(self, store: Store, values: Values) -> None:
        """Where the same is stored already, nothing is inserted, and the request is not kept either."""
        rejected_id, event = await self.rejected(store, values), values.event(upstream_id="u-1")
        await store.accept(event, [])
        again = values.event(upstream_id="u-1")
        accepted = await store.accept_rejected(rejected_id, again, [values.delivery(again)])
        assert accepted is not None
        assert (accepted.event_id, accepted.repeat) == (event.id, True)
        assert await store.rejection(rejected_id) is None
        assert await store.deliveries(DeliveryFilter()) == []

    async def test_failing_commit_leaves_it(self, store: Store, values: Values, harness: Harness) -> None:
        """Where it cannot be written, it is still there to be taken."""
        rejected_id, event = await self.rejected(store, values), values.event()
        harness.fail()
        with pytest.raises(StoreUnavailable):
            await store.accept_rejected(rejected_id, event, [])
        harness.heal()
        assert await store.rejection(rejected_id) is not None
        assert await store.event(event.id) is None

    async def test_unknown_one(self, store: Store, values: Values) -> None:
        """Without it nothing is stored."""
        event: Event = values.event()
        assert await store.accept_rejected(values.ids.next(), event, []) is None
        assert await store.event(event.id) is None
        assert await store.rejection(5) is None
