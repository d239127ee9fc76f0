"""The queue as a machine of states: random histories on a real file, against a store in plain Python."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import Verbosity
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.errors import StoreUnavailable
from router.events import LEADS_TO, Cause, Delivery, DeliveryState, Event
from router.store.records import DeliveryFilter, EventFilter, Expiry, Forgotten, RuleSetText, Transition, Waiting
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.fuzz.audit import faults
from tests.fuzz.budget import examples
from tests.fuzz.states import INSERT, transitions
from tests.fuzz.store_model import ALLOWED, Model
from tests.store.harness import SqliteHarness
from tests.store.values import Values
from tests.waiting import until

T = TypeVar("T")

DESTINATIONS = ["docs", "ops", "audit"]
RULESETS = ["rules-1", "rules-2", "rules-3"]
destinations = st.sampled_from(DESTINATIONS)
places = st.lists(
    st.tuples(destinations, st.sampled_from(["pending", "sending", "stale", "held", "later", "suppressed", "dead"])),
    max_size=3,
)
pick = st.integers(0, 1000)
ages = st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(minutes=20), timedelta(hours=2)])


def test_the_page_on_states_tells_the_only_transitions() -> None:
    """What `docs/states.md` allows is what the program allows."""
    told = transitions()
    assert told.pop(INSERT) >= {DeliveryState.HELD, DeliveryState.PENDING, DeliveryState.SENDING}
    assert told == {state: set(targets) for state, targets in LEADS_TO.items() if targets}


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
        self.ruleset = RULESETS[0]
        self.gone: list[Event] = []
        self.states: dict[int, DeliveryState] = {}

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
        body = b"[%d]" % (number % 3)
        return self.values.event(body=body, upstream_id=upstream_id, name=names[number % 2], ruleset=self.ruleset)

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
                fields = {"state": DeliveryState(kind), "reason": "" if kind == "held" else "by rule"}
            fields |= {"ruleset": self.ruleset, "rule": f"changes of {self.ruleset}"}
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
        rejection = self.values.rejection(received_at=self.clock.now())
        self.run(self.store.reject(rejection))
        self.model.rejected[rejection.id] = rejection.received_at

    @precondition(lambda self: self.model.events)
    @rule(number=pick, wanted=places)
    def insert(self, number: int, wanted: list[tuple[str, str]]) -> None:
        events = list(self.model.events.values())
        for delivery in self.deliveries(events[number % len(events)], wanted):
            self.run(self.store.insert(delivery))
            self.model.insert(delivery)

    @precondition(lambda self: any(one.state.is_final for one in self.model.deliveries.values()))
    @rule(number=pick, times=st.integers(1, 2))
    def replay(self, number: int, times: int) -> None:
        """A new delivery takes the place of one that has come to its end, which stays as it is."""
        ended = [one for one in self.model.deliveries.values() if one.state.is_final]
        origin = ended[number % len(ended)]
        event = self.model.events[origin.event_id]
        made = self.values.delivery(event, origin.destination, cause=Cause.REPLAY, origin_id=origin.id)
        for _ in range(times):
            self.run(self.store.insert(made))
            self.model.insert(made)

    @precondition(lambda self: self.gone)
    @rule(number=pick)
    def replay_of_what_is_forgotten(self, number: int) -> None:
        """It is refused, and disturbs nobody."""
        delivery = self.values.delivery(self.gone[number % len(self.gone)])
        with pytest.raises(ValueError, match="event"):
            self.run(self.store.insert(delivery))

    def picked(self, number: int) -> Delivery:
        ids = sorted(self.model.deliveries)
        return self.model.deliveries[ids[number % len(ids)]]

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, stale=st.booleans())
    def claim(self, number: int, stale: bool) -> None:
        delivery, now = self.picked(number), self.clock.now()
        epoch = self.owned.get(delivery.destination, 1) - stale
        assert self.run(self.store.claim(delivery.id, epoch, now)) == self.model.claim(delivery.id, epoch, now)

    @precondition(lambda self: self.owned)
    @rule(most=st.integers(1, 3))
    def claim_what_is_due(self, most: int) -> None:
        """As a lane does it: in the order in which the store lists it."""
        now = self.clock.now()
        for waiting in self.run(self.store.due(sorted(self.owned), now, most)):
            epoch = self.owned[waiting.destination]
            claimed = self.run(self.store.claim(waiting.delivery_id, epoch, now))
            assert claimed == self.model.claim(waiting.delivery_id, epoch, now)
            assert claimed is not None

    def outcome(self, number: int, state: DeliveryState, stale: bool) -> Transition:
        sending = [one for one in self.model.deliveries.values() if one.state is DeliveryState.SENDING]
        delivery = sending[number % len(sending)] if sending else self.picked(number)
        epoch = self.owned.get(delivery.destination, 1) - stale
        due_at = self.clock.now() + timedelta(minutes=1) if state is DeliveryState.RETRYING else None
        fields = {"attempt": None, "failures": 0} if state is DeliveryState.SUPPRESSED else {}
        return self.values.outcome(delivery, epoch, state, due_at=due_at, **fields)

    outcomes = st.sampled_from(
        [DeliveryState.DELIVERED, DeliveryState.RETRYING, DeliveryState.DEAD, DeliveryState.SUPPRESSED]
    )

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, state=outcomes, stale=st.booleans(), times=st.integers(1, 2))
    def record(self, number: int, state: DeliveryState, stale: bool, times: int) -> None:
        transition = self.outcome(number, state, stale)

        async def together() -> list[bool]:
            return await asyncio.gather(*(self.store.record(transition) for _ in range(times)))

        assert self.run(together()) == [self.model.record(transition) for _ in range(times)]

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, state=st.sampled_from(["pending", "retrying", "suppressed", "merged", "dead", "delivered"]))
    def decide(self, number: int, state: str) -> None:
        """Move something that waits without an attempt, as far as the page on states allows it."""
        reason = "" if state == "pending" else "decided"
        fields = {"attempt": None, "failures": 0, "reason": reason}
        transition = self.values.outcome(self.picked(number), None, DeliveryState(state), **fields)
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

    # Changes of the rule file

    @rule(name=destinations)
    def a_destination_goes(self, name: str) -> None:
        now = self.clock.now()
        assert self.run(self.store.bury(name, now, "gone")) == self.model.bury(name, now, "gone")

    @rule(ruleset=st.sampled_from(RULESETS))
    def rules_are_renamed(self, ruleset: str) -> None:
        """Another rule set judges from now on; what was judged keeps the names of its own."""
        self.ruleset = ruleset
        self.run(self.store.save_ruleset(self.text_of(ruleset)))
        self.model.rulesets[ruleset] = self.clock.now()

    def text_of(self, ruleset: str) -> RuleSetText:
        return RuleSetText(ruleset, f"rules: [{{name: changes of {ruleset}}}]", {}, self.clock.now())

    # Retention and purge

    @rule(
        age=ages,
        more=ages,
        states=st.sets(st.sampled_from([DeliveryState.DEAD, DeliveryState.DELIVERED]), max_size=1),
        destination=st.none() | destinations,
        limit=st.integers(1, 3),
    )
    def forget(
        self, age: timedelta, more: timedelta, states: set[DeliveryState], destination: str | None, limit: int
    ) -> None:
        now = self.clock.now()
        expiry = Expiry(now - age, now - age - more, frozenset(states), destination)
        ids = self.model.expired(expiry)
        deliveries = [one for event_id in ids for one in self.model.of_event(event_id)]
        expected = Forgotten(len(ids), len(deliveries), sum(map(self.model.is_unhandled, deliveries)))
        assert self.everywhere(lambda after: self.store.forgettable(expiry, after, limit)) == expected
        assert self.everywhere(lambda after: self.store.forget(expiry, after, limit)) == expected
        for event_id in ids:
            self.gone.append(self.model.events[event_id])
            self.model.forget(event_id)

    def everywhere(self, step: Callable[[int], Coroutine[Any, Any, Forgotten]]) -> Forgotten:
        """Go on from batch to batch until everything was looked at."""
        total = self.run(step(0))
        while total.next is not None:
            total = total.plus(self.run(step(total.next)))
        return total

    @rule(age=ages, limit=st.integers(1, 3))
    def forget_the_rest(self, age: timedelta, limit: int) -> None:
        """What was rejected, and rule sets of which nothing is left."""
        before = self.clock.now() - age
        count = self.run(self.store.count_rejected(before))
        assert count == self.model.forget_rejected(before)
        while removed := self.run(self.store.forget_rejected(before, limit)):
            count -= removed
        assert count == 0
        kept = self.run(self.store.forget_rulesets(before, [self.ruleset]))
        assert kept == self.model.forget_rulesets(before, {self.ruleset})

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
        await self.heal()
        return None if outcome is None else await outcome

    async def heal(self) -> None:
        self.harness.heal()
        await until(lambda: self.store.available, meanwhile=lambda: self.pauses.advance(seconds=0.1))

    @precondition(lambda self: self.model.deliveries)
    @rule(number=pick, verb=st.sampled_from(["claim", "own", "bury", "insert", "take_back", "forget", "save_ruleset"]))
    def another_verb_fails(self, number: int, verb: str) -> None:
        """Whatever could not be committed has not happened."""
        self.harness.fail()
        try:
            self.run(self.verb(verb, self.picked(number)))
        except StoreUnavailable:
            pass
        else:
            assert self.store.available, "it went well although nothing can be synced"
        self.run(self.heal())
        if verb == "own":  # the promise: call it again before claiming
            self.own(set(self.owned))

    async def verb(self, verb: str, delivery: Delivery) -> None:
        now, name = self.clock.now(), delivery.destination
        if verb == "claim":
            await self.store.claim(delivery.id, self.owned.get(name, 1), now)
        elif verb == "own":
            await self.store.own(DESTINATIONS, now)
        elif verb == "bury":
            await self.store.bury(name, now, "gone")
        elif verb == "insert":
            await self.store.insert(self.values.delivery(self.model.events[delivery.event_id], name))
        elif verb == "take_back":
            await self.store.take_back((), now)
        elif verb == "forget":
            await self.store.forget(Expiry(now, now), 0, 10)
        else:
            await self.store.save_ruleset(self.text_of("rules-4"))

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
        stats, model = self.run(self.store.stats()), self.model
        assert stats.deliveries == model.totals()
        assert stats.events == len(model.events) + model.events_forgotten
        assert stats.rejected == len(model.rejected) + model.rejected_forgotten
        repeats = sum(event.repeated_body for event in model.events.values())
        assert stats.repeated_bodies == repeats + model.repeats_forgotten
        waiting = model.waiting()
        assert {name: one.pending for name, one in stats.destinations.items() if one.pending} == waiting
        assert {name: one.lane for name, one in stats.destinations.items() if one.lane} == model.lanes
        standing = {key: count for key, count in model.standing().items() if not key[1].is_final}
        by_state = {
            (name, state): count for name, one in stats.destinations.items() for state, count in one.by_state.items()
        }
        assert by_state == standing
        assert self.run(self.store.moments([])).waiting_since == model.waiting_since()
        assert self.store.waiting == sum(waiting.values())
        assert set(self.run(self.store.destinations_waiting())) == set(waiting)

    @invariant()
    def what_is_due_agrees(self) -> None:
        now: datetime = self.clock.now()
        for names in (DESTINATIONS[:1], DESTINATIONS):
            due = [Waiting.of(delivery) for delivery in self.model.due(names, now)]
            assert self.run(self.store.due(names, now, 1000)) == due
            assert self.run(self.store.next_due(names, now)) == self.model.next_due(names, now)

    @invariant()
    def nothing_is_lost_or_moves_as_it_may_not(self) -> None:
        """Of the deliveries that were there, all are (but what was forgotten), and each went where the page says."""
        listed = self.run(self.store.deliveries(DeliveryFilter(limit=10_000)))
        states = {one.delivery.id: one.delivery.state for one in listed}
        assert states == {one.id: one.state for one in self.model.deliveries.values()}
        for delivery_id, state in states.items():
            before = self.states.get(delivery_id, state)
            assert state is before or state in ALLOWED[before]
        self.states = states

    @invariant()
    def the_file_is_sound(self) -> None:
        assert faults(self.harness.path) == []

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
        for ruleset in (*RULESETS, "rules-4"):
            kept = self.run(self.store.ruleset(ruleset))
            assert (None if kept is None else kept.loaded_at) == self.model.rulesets.get(ruleset)


TestHistories = Histories.TestCase
TestHistories.settings = examples(
    40,
    stateful_step_count=30,
    verbosity=Verbosity.quiet,
)
