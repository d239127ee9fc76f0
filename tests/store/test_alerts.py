"""What every store promises about alerts and fallbacks: the docstrings of `router/store/base.py`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from router.errors import StoreUnavailable
from router.events import OWN_SOURCE, Cause, Delivery, DeliveryState, Event
from router.store.base import Store
from router.store.records import EventFilter, Expiry, Untold, Waiting
from tests.fakes import START
from tests.store.harness import Harness
from tests.store.test_contract import DEAD, DELIVERED, PENDING, RETRYING, claimed, counts_agree, own, read, stored
from tests.store.values import Values


async def kill(store: Store, values: Values, **fields: object) -> Delivery:
    """Let a delivery be tried and die."""
    lane = await own(store, values.clock)
    delivery = await claimed(store, values, lane, **fields)
    assert await store.record(values.outcome(delivery, lane.epoch, DEAD))
    return delivery


async def untold(store: Store) -> list[tuple[str, int]]:
    return [(one.destination, one.deaths) for one in await store.untold()]


def alert_of(values: Values, destination: str = "ops") -> tuple[Event, Delivery]:
    event = values.event(b'{"alert": {}}', source=OWN_SOURCE, name="alert.dead", is_own=True, facts={})
    return event, values.delivery(event, destination, rule="", cause=Cause.ALERT)


class TestUntold:
    async def test_every_way_to_die_is_counted(self, store: Store, values: Values) -> None:
        """By an attempt, at accept, with the destination, and by the fifth interruption."""
        assert await untold(store) == []
        await kill(store, values)
        await stored(store, values, state=DEAD, reason="destination removed")
        await stored(store, values, "off", state=DEAD)
        await stored(store, values, "ops")
        await stored(store, values, "ops")
        assert await store.bury("ops", values.clock.now(), "destination removed") == 2
        assert await untold(store) == [("docs", 2), ("off", 1), ("ops", 2)]

    async def test_the_fifth_interruption_counts_and_the_fourth_does_not(self, store: Store, values: Values) -> None:
        """Only what is given up is told of."""
        lane = await own(store, values.clock)
        await claimed(store, values, lane, interruptions=3)
        lane = await own(store, values.clock)
        assert await untold(store) == []
        (due,) = await store.due(["docs"], values.clock.now(), 10)
        await store.claim(due.delivery_id, lane.epoch, values.clock.now())
        await own(store, values.clock)
        assert await untold(store) == [("docs", 1)]

    @pytest.mark.parametrize("state", [DELIVERED, RETRYING])
    async def test_what_is_not_dead_is_not_counted(self, store: Store, values: Values, state: DeliveryState) -> None:
        """A failed attempt is no death."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        await store.record(values.outcome(delivery, lane.epoch, state))
        assert await untold(store) == []

    async def test_the_death_of_an_alert_is_not_counted(self, store: Store, values: Values) -> None:
        """In none of the ways to die; so nothing loops."""
        await kill(store, values, cause=Cause.ALERT)
        await stored(store, values, state=DEAD, cause=Cause.ALERT)
        lane = await own(store, values.clock)
        await claimed(store, values, lane, cause=Cause.ALERT, interruptions=4)
        await own(store, values.clock)
        await stored(store, values, "ops", cause=Cause.ALERT)
        assert await store.bury("ops", values.clock.now(), "destination removed") == 1
        assert (await store.stats()).deliveries[DEAD] == 4
        assert await untold(store) == []

    async def test_since_when_is_the_first_death(self, store: Store, values: Values) -> None:
        """And the time of the last alert is told beside it."""
        await kill(store, values)
        values.clock.advance(minutes=3)
        await kill(store, values)
        assert await store.untold() == [Untold("docs", 2, START, None)]

    async def test_a_repeated_outcome_counts_once(self, store: Store, values: Values) -> None:
        """What changes nothing counts nothing."""
        lane = await own(store, values.clock)
        delivery = await claimed(store, values, lane)
        outcome = values.outcome(delivery, lane.epoch, DEAD)
        assert await store.record(outcome)
        assert not await store.record(outcome)
        assert await untold(store) == [("docs", 1)]

    async def test_a_destination_never_served_has_no_lane(self, store: Store, values: Values) -> None:
        """Its dead letters are counted all the same, and its first owner's epoch is 1."""
        await stored(store, values, "off", state=DEAD)
        assert (await store.stats()).destinations == {}
        assert (await own(store, values.clock, "off")).epoch == 1
        assert await untold(store) == [("off", 1)]


class TestAlert:
    async def test_an_alert_takes_away_what_it_tells(self, store: Store, values: Values, harness: Harness) -> None:
        """What died meanwhile is still to be told, from the time of the alert on."""
        await kill(store, values)
        (told,) = await store.untold()
        values.clock.advance(minutes=1)
        await kill(store, values)
        event, delivery = alert_of(values)
        await store.alert(event, delivery, told)
        now = values.clock.now()
        assert await store.untold() == [Untold("docs", 1, now, now)]
        await store.alert(*alert_of(values), (await store.untold())[0])
        assert await store.untold() == []
        assert await read(store, delivery) == delivery
        await counts_agree(store, harness)

    async def test_an_alert_is_no_event_that_came(self, store: Store, values: Values, harness: Harness) -> None:
        """It is read by its id and listed where its source is asked for; no total counts it."""
        event, delivery = alert_of(values)
        await store.alert(event, delivery)
        assert await store.event(event.id) == event
        assert await store.events(EventFilter()) == []
        assert await store.events(EventFilter(source="spaces")) == []
        assert await store.events(EventFilter(source=OWN_SOURCE)) == [event]
        assert await store.due(["ops"], values.clock.now(), 9) == [Waiting.of(delivery)]
        assert (await store.stats()).events == 0
        await counts_agree(store, harness)

    async def test_forgetting_what_is_untold(self, store: Store, values: Values) -> None:
        """Nobody is told of it; what dies from then on is told."""
        await kill(store, values)
        await store.forget_untold()
        assert await store.untold() == []
        values.clock.advance(minutes=1)
        await kill(store, values)
        assert await store.untold() == [Untold("docs", 1, values.clock.now(), None)]

    async def test_an_alert_that_was_not_committed_takes_nothing_away(
        self, store: Store, values: Values, harness: Harness
    ) -> None:
        """It is told once the store works again."""
        await kill(store, values)
        (told,) = await store.untold()
        harness.fail()
        with pytest.raises(StoreUnavailable):
            await store.alert(*alert_of(values), told)
        harness.heal()
        assert await store.untold() == [told]

    async def test_what_is_untold_survives_a_crash(self, store: Store, values: Values, harness: Harness) -> None:
        """It is in the same commit as the death."""
        await kill(store, values)
        assert await untold(await harness.crash()) == [("docs", 1)]


class TestFallback:
    async def test_a_fallback_is_stored_with_the_death(self, store: Store, values: Values, harness: Harness) -> None:
        """Both or none: after a crash both are there."""
        lane = await own(store, values.clock)
        dead = await claimed(store, values, lane)
        event = await store.event(dead.event_id)
        assert event is not None
        instead = values.delivery(event, "ops", cause=Cause.FALLBACK, origin_id=dead.id)
        assert await store.record(values.outcome(dead, lane.epoch, DEAD, fallback=instead))
        store = await harness.crash()
        assert (await read(store, dead)).state is DEAD
        assert await read(store, instead) == instead
        await counts_agree(store, harness)

    async def test_no_fallback_of_what_has_moved_on(self, store: Store, values: Values) -> None:
        """An outcome that comes late, under a stale epoch, brings nothing with it."""
        lane = await own(store, values.clock)
        dead = await claimed(store, values, lane)
        await own(store, values.clock)
        event = await store.event(dead.event_id)
        assert event is not None
        instead = values.delivery(event, "ops", cause=Cause.FALLBACK, origin_id=dead.id)
        assert not await store.record(values.outcome(dead, lane.epoch, DEAD, fallback=instead))
        assert await store.delivery(instead.id) is None
        assert (await read(store, dead)).state is PENDING

    async def test_a_fallback_that_was_delivered_handles_the_dead_letter(self, store: Store, values: Values) -> None:
        """Retention treats the event as one that somebody dealt with."""
        lane = await own(store, values.clock)
        dead = await claimed(store, values, lane)
        event = await store.event(dead.event_id)
        assert event is not None
        instead = values.delivery(event, "ops", cause=Cause.FALLBACK, origin_id=dead.id)
        await store.record(values.outcome(dead, lane.epoch, DEAD, fallback=instead))
        ops = await own(store, values.clock, "ops")
        taken = await store.claim(instead.id, ops.epoch, values.clock.now())
        assert taken is not None
        await store.record(values.outcome(taken, ops.epoch, DELIVERED))
        values.clock.advance(minutes=5)
        expiry = Expiry(values.clock.now(), START - timedelta(days=1))
        assert (await store.forgettable(expiry, 0, 10)).events == 1
