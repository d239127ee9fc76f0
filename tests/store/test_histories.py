"""Random histories, with failing commits and killed processes among them, against a store in plain Python."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.errors import StoreUnavailable
from router.events import Delivery, DeliveryState, Event
from router.store.base import DeliveryFilter, EventFilter, Transition, Waiting
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.store.harness import SqliteHarness
from tests.store.model import Model
from tests.store.values import Values
from tests.waiting import until

T = TypeVar("T")

HISTORIES = int(os.environ.get("STORE_HISTORIES", "40"))
"""How many; 1,000 before a release."""

DESTINATIONS = ["docs", "ops", "audit"]
destinations = st.sampled_from(DESTINATIONS)
places = st.lists(
    st.tuples(destinations, st.sampled_from(["pending", "sending", "stale", "held", "later", "suppressed", "dead"])),
    max_size=3,
)
pick = st.integers(0, 1000)


class Histories(RuleBasedStateMachine):
    """Each rule is one thing that happens to a store; after each, the store and the model must tell the same."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.values = Values(self.clock)
        self.folder = Path(tempfile.mkdtemp())
        # Of its own: how often the store tries to recover depends on threads, and must not move the histories' time.
        self.pauses = Clock()
        self.harness = SqliteHarness(self.folder, self.pauses)
        self.store: SqliteStore = self.run(self.harness.make())
        self.model = Model()
        self.owned: dict[str, int] = {}

    def run(self, verb: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(verb)

    def teardown(self) -> None:
        try:
            self.compare_everything()
        finally:
            self.run(self.harness.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    @initialize(names=st.sets(destinations, min_size=1))
    def start(self, names: set[str]) -> None:
        self.own(names)

    # What happens

    @rule(seconds=st.sampled_from([0.001, 1, 60, 1200, 1200.001]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    def event(self, number: int, upstream_id: str | None) -> Event:
        names = ("page.updated", "page.deleted")
        return self.values.event(body=b"[%d]" % (number % 3), upstream_id=upstream_id, name=names[number % 2])

    def deliveries(self, event: Event, wanted: list[tuple[str, str]]) -> list[Delivery]:
        made = []
        for destination, kind in wanted:
            fields: dict[str, Any] = {"state": DeliveryState.PENDING}
            if kind in ("sending", "stale"):
                epoch = self.owned.get(destination, 1) - (kind == "stale")
                fields = {"state": DeliveryState.SENDING, "epoch": epoch}
            elif kind == "later":
                fields = {"state": DeliveryState.RETRYING, "due_at": self.clock.now() + timedelta(minutes=5)}
            elif kind != "pending":
                fields = {"state": DeliveryState(kind)}
            made.append(self.values.delivery(event, destination, **fields))
        return made

    @rule(number=pick, upstream_id=st.sampled_from([None, "a", "b"]), wanted=places, copies=st.integers(1, 3))
    def accept(self, number: int, upstream_id: str | None, wanted: list[tuple[str, str]], copies: int) -> None:
        events = [self.event(number, upstream_id) for _ in range(copies)]
        handed_in = [(event, self.deliveries(event, wanted)) for event in events]

        async def together() -> list[Any]:
            return await asyncio.gather(*(self.store.accept(*one) for one in handed_in))

        for (event, deliveries), accepted in zip(handed_in, self.run(together()), strict=True):
            expected = self.model.accept(event, deliveries)
            assert (accepted.event_id, accepted.repeat, accepted.repeated_body) == expected
            stored = [] if accepted.repeat else deliveries
            assert list(accepted.demoted) == [
                one.id for one in stored if one.state != self.model.deliveries[one.id].state
            ]

    @rule()
    def reject(self) -> None:
        self.run(self.store.reject(self.values.rejection()))
        self.model.rejected += 1

    @precondition(lambda self: self.model.events)
    @rule(number=pick, wanted=places)
    def insert(self, number: int, wanted: list[tuple[str, str]]) -> None:
        events = list(self.model.events.values())
        for delivery in self.deliveries(events[number % len(events)], wanted):
            self.run(self.store.insert(delivery))
            self.model.insert(delivery)

    def picked(self, number: int) -> Delivery:
        ids = sorted(self.model.deliveries)
        return self.model.deliveries[ids[number % len(ids)]]

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, stale=st.booleans())
    def claim(self, number: int, stale: bool) -> None:
        delivery, now = self.picked(number), self.clock.now()
        epoch = self.owned.get(delivery.destination, 1) - stale
        assert self.run(self.store.claim(delivery.id, epoch, now)) == self.model.claim(delivery.id, epoch, now)

    def outcome(self, number: int, state: DeliveryState, stale: bool) -> Transition:
        sending = [one for one in self.model.deliveries.values() if one.state is DeliveryState.SENDING]
        delivery = sending[number % len(sending)] if sending else self.picked(number)
        epoch = self.owned.get(delivery.destination, 1) - stale
        due_at = self.clock.now() + timedelta(minutes=1) if state is DeliveryState.RETRYING else None
        return self.values.outcome(delivery, epoch, state, due_at=due_at)

    outcomes = st.sampled_from([DeliveryState.DELIVERED, DeliveryState.RETRYING, DeliveryState.DEAD])

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, state=outcomes, stale=st.booleans(), times=st.integers(1, 2))
    def record(self, number: int, state: DeliveryState, stale: bool, times: int) -> None:
        transition = self.outcome(number, state, stale)

        async def together() -> list[bool]:
            return await asyncio.gather(*(self.store.record(transition) for _ in range(times)))

        assert self.run(together()) == [self.model.record(transition) for _ in range(times)]

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, state=st.sampled_from(["pending", "retrying", "suppressed", "merged", "dead"]))
    def decide(self, number: int, state: str) -> None:
        transition = self.values.outcome(self.picked(number), None, DeliveryState(state), attempt=None, failures=0)
        assert self.run(self.store.record(transition)) == self.model.record(transition)

    @rule(names=st.sets(destinations))
    def own(self, names: set[str]) -> None:
        now, ordered = self.clock.now(), sorted(names)
        lanes = self.run(self.store.own(ordered, now))
        assert lanes == self.model.own(ordered, now)
        self.owned.update((name, lane.epoch) for name, lane in lanes.items())

    @rule(kept=st.integers(0, 3))
    def take_back(self, kept: int) -> None:
        sending = [one.id for one in self.model.deliveries.values() if one.state is DeliveryState.SENDING]
        in_flight, now = set(sending[:kept]), self.clock.now()
        assert self.run(self.store.take_back(in_flight, now)) == self.model.take_back(self.owned, in_flight, now)

    @rule(name=destinations)
    def bury(self, name: str) -> None:
        now = self.clock.now()
        assert self.run(self.store.bury(name, now, "gone")) == self.model.bury(name, now, "gone")

    # What goes wrong

    @rule(number=pick, wanted=places, state=outcomes)
    def a_commit_fails(self, number: int, wanted: list[tuple[str, str]], state: DeliveryState) -> None:
        """The event is not there afterwards; the outcome that shared its commit is."""
        transition = self.outcome(number, state, stale=False) if self.model.deliveries else None
        recorded = self.run(self.fail(self.event(number, "fails"), wanted, transition))
        if transition is not None:
            assert recorded == self.model.record(transition)

    async def fail(self, event: Event, wanted: list[tuple[str, str]], transition: Transition | None) -> bool | None:
        self.harness.fail()
        outcome = None if transition is None else asyncio.ensure_future(self.store.record(transition))
        try:
            await self.store.accept(event, self.deliveries(event, wanted))
            raised = False
        except StoreUnavailable:
            raised = True
        # A repeat writes nothing, so that there is nothing to fail.
        assert raised or event.id not in self.model.events
        self.harness.heal()
        await until(lambda: self.store.available, meanwhile=lambda: self.pauses.advance(seconds=0.1))
        return None if outcome is None else await outcome

    @rule()
    def the_process_is_killed(self) -> None:
        """A new process finds all that was committed; it owns nothing yet."""
        self.store = self.run(self.harness.crash())
        self.owned = {}

    @rule(number=pick, wanted=places)
    def killed_while_a_commit_fails(self, number: int, wanted: list[tuple[str, str]]) -> None:
        """A commit of which nothing was promised is there as a whole or not at all; trying again mends both."""
        event = self.event(number, "dies")
        deliveries = self.deliveries(event, wanted)
        with_it = self.model.copy()
        _, repeat, _ = with_it.accept(event, deliveries)
        if repeat:
            return
        self.harness.fail()
        try:
            self.run(self.store.accept(event, deliveries))
        except StoreUnavailable:
            self.store = self.run(self.harness.crash())
        else:
            raise AssertionError("a commit that cannot be synced must fail")
        self.owned = {}
        if self.run(self.store.event(event.id)) is None:
            self.run(self.store.accept(event, deliveries))  # the sender tries again
        self.model = with_it

    # What must be true

    @invariant()
    def totals_agree(self) -> None:
        stats = self.run(self.store.stats())
        assert stats.deliveries == self.model.by_state()
        assert (stats.events, stats.rejected) == (len(self.model.events), self.model.rejected)
        assert stats.repeated_bodies == sum(event.repeated_body for event in self.model.events.values())
        waiting = self.model.waiting()
        assert {name: one.pending for name, one in stats.destinations.items() if one.pending} == waiting
        assert {name: one.lane for name, one in stats.destinations.items() if one.lane} == self.model.lanes
        standing = {key: count for key, count in self.model.standing().items() if not key[1].is_final}
        by_state = {
            (name, state): count for name, one in stats.destinations.items() for state, count in one.by_state.items()
        }
        assert by_state == standing
        assert self.run(self.store.moments([])).waiting_since == self.model.waiting_since()
        assert self.store.waiting == sum(waiting.values())
        assert set(self.run(self.store.destinations_waiting())) == set(waiting)

    @invariant()
    def what_is_due_agrees(self) -> None:
        now: datetime = self.clock.now()
        for names in (DESTINATIONS[:1], DESTINATIONS):
            due = [Waiting.of(delivery) for delivery in self.model.due(names, now)]
            assert self.run(self.store.due(names, now, 1000)) == due
            assert self.run(self.store.next_due(names, now)) == self.model.next_due(names, now)

    def compare_everything(self) -> None:
        counted = self.harness.counted()
        assert counted["deliveries"] == self.model.by_state()
        assert counted["waiting"] == self.model.waiting()
        events = self.run(self.store.events(EventFilter(limit=10_000)))
        assert {event.id: event for event in events} == self.model.events
        for listed in self.run(self.store.deliveries(DeliveryFilter(limit=10_000))):
            whole = self.run(self.store.delivery(listed.delivery.id))
            assert whole is not None
            assert whole.delivery == self.model.deliveries[whole.delivery.id]
            attempts = self.run(self.store.attempts(whole.delivery.id))
            assert [one.outcome for one in attempts] == self.model.outcomes.get(whole.delivery.id, [])
            assert [one.number for one in attempts] == list(range(1, len(attempts) + 1))


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=30,
    deadline=None,
    database=None,
    verbosity=Verbosity.quiet,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
