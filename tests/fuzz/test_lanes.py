"""Ingress, lanes and store together: random histories, at the end of which every delivery has come to its own end."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import Verbosity
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.errors import PermanentFailure, StoreUnavailable, TemporaryFailure, Throttled
from router.events import Cause, Delivery, DeliveryState, Outcome
from router.store.records import DeliveryFilter, EventFilter
from tests.fakes import Clock
from tests.fuzz.audit import faults
from tests.fuzz.budget import examples
from tests.lane_parts import Memory, Place, Rig, Settings

T = TypeVar("T")

DESTINATIONS = ["docs", "ops", "audit"]
names = st.sampled_from(DESTINATIONS)


@dataclass(eq=False)
class Target(Place):
    """
    A place that remembers what it was asked and what it took, by the id of the delivery.

    Attributes:
        tried: In the order of the attempts, on all targets.
        taken: What was answered yes.
    """

    tried: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)

    def hold(self) -> None:
        self.holds = True
        self._open.clear()


class Aimed(Memory):
    """A destination on a target."""

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        self.place.tried.append(outgoing.delivery_id)
        receipt = await super().send(outgoing, clients)
        self.place.taken.append(outgoing.delivery_id)
        return receipt


@dataclass(frozen=True)
class Aim(Settings):
    def destination(self) -> Destination:
        return Aimed(place=self.place, **self.more)


class Lives(RuleBasedStateMachine):
    """Each rule is one thing that happens to a router; the last one lets it come to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "router.db"
        self.tried: list[int] = []
        self.targets = [Target(tried=self.tried) for _ in range(3)]
        self.aims: dict[str, Aim] = {}
        self.has_begun = False
        self.sent_to: dict[int, list[set[str]]] = {}
        self.answered: set[int] = set()
        self.lives = 0
        self.failing = self.is_under_way = False
        self.faultless = self.one_by_one = True

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def in_time() -> T:
            async with asyncio.timeout(60):
                return await work

        return self.loop.run_until_complete(in_time())

    def aim(self, wanted: Sequence[tuple[str, int, int]]) -> dict[str, Aim]:
        self.one_by_one &= all(slots == 1 for _, _, slots in wanted)
        return {name: Aim(self.targets[target], {"concurrency": slots}) for name, target, slots in wanted}

    wishes = st.lists(
        st.tuples(names, st.integers(0, 2), st.sampled_from([1, 1, 1, 3])),
        min_size=1,
        max_size=3,
        unique_by=lambda wish: wish[0],
    )

    @initialize(wanted=wishes)
    def begin(self, wanted: list[tuple[str, int, int]]) -> None:
        self.aims = self.aim(wanted)
        self.rig = Rig(self.folder, self.aims, clock=self.clock)
        self.run(self.rig.__aenter__())
        self.has_begun = True

    def teardown(self) -> None:
        try:
            if self.has_begun:
                self.run(self.come_to_rest())
                self.run(self.check_everything())
        finally:
            if self.has_begun:
                self.run(self.rig.__aexit__())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def settle(self) -> None:
        """Let happen what can happen now."""
        if self.failing or any(target.holds for target in self.targets):
            for _ in range(3):
                await self.rig.store.stats()  # a round through the threads of the store
                for _ in range(20):
                    await asyncio.sleep(0)
        else:
            await self.rig.lanes.quiet()

    # What happens

    troubles = st.sampled_from(["", "", "busy", "busy for long", "gone", "slow down"])

    @rule(count=st.integers(1, 6), which=st.integers(0, 2), trouble=troubles)
    def events_come(self, count: int, which: int, trouble: str) -> None:
        self.expect(which, trouble)
        first = len(self.sent_to)
        self.run(self.accept(range(first, first + count)))

    @rule(count=st.integers(1, 6))
    def more_events_come(self, count: int) -> None:
        self.events_come(count, 0, "")

    def used(self, which: int) -> Target:
        places = [self.aims[name].place for name in sorted(self.aims)]
        place = places[which % len(places)]
        assert isinstance(place, Target)
        return place

    def expect(self, which: int, trouble: str) -> None:
        """Let the next attempts at a target fail."""
        until = self.clock.now() + timedelta(seconds=90)
        failures: dict[str, list[Exception]] = {
            "": [],
            "busy": [TemporaryFailure("HTTP 503", 503)],
            "busy for long": [TemporaryFailure("HTTP 503", 503)] * 9,
            "gone": [PermanentFailure("HTTP 400", 400, "refused")] * 2,
            "slow down": [Throttled("HTTP 429", until, 429)],
        }
        self.used(which).failures.extend(failures[trouble])
        self.faultless &= not trouble

    @precondition(lambda self: self.sent_to)
    @rule(number=st.integers(0, 1000))
    def an_event_comes_again(self, number: int) -> None:
        self.run(self.accept([number % len(self.sent_to)]))

    async def accept(self, numbers: Sequence[int]) -> None:
        self.is_under_way = True
        for number in numbers:
            self.sent_to.setdefault(number, []).append(set(self.aims))
        answers = await asyncio.gather(*map(self.rig.accept, numbers))
        for number, status in zip(numbers, answers, strict=True):
            assert status in ((200, 503) if self.failing else (200,))
            if status == 200:
                self.answered.add(number)
        await self.settle()

    @rule(which=st.integers(0, 2))
    def a_target_hangs(self, which: int) -> None:
        self.used(which).hold()

    @precondition(lambda self: any(target.holds for target in self.targets))
    @rule()
    def all_targets_go_on(self) -> None:
        for target in self.targets:
            target.let_go()
        self.run(self.settle())

    @rule(seconds=st.sampled_from([1, 60, 90, 300, 600]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.wait(seconds))

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.settle()

    @rule(wanted=wishes)
    def the_rule_file_changes(self, wanted: list[tuple[str, int, int]]) -> None:
        """Destinations come, go, and point elsewhere."""
        self.run(self.reload(self.aim(wanted)))

    async def reload(self, aims: dict[str, Aim]) -> None:
        before = self.rig.configuration
        try:
            await self.rig.reload(aims)
        except StoreUnavailable:
            assert self.failing
        if self.rig.configuration is not before:
            self.aims = aims
        await self.settle()

    @precondition(lambda self: self.sent_to)
    @rule(number=st.integers(0, 1000))
    def somebody_replays(self, number: int) -> None:
        self.run(self.replay(number))

    async def replay(self, number: int) -> None:
        served = [one for one in await self.deliveries() if one.state.is_final and one.destination in self.aims]
        if served:
            origin = served[number % len(served)]
            made = self.made_from(origin)
            try:
                await self.rig.store.insert(made)
            except StoreUnavailable:
                assert self.failing
            else:
                self.rig.lanes.offer(made)
        await self.settle()

    def made_from(self, origin: Delivery) -> Delivery:
        now = self.clock.now()
        return Delivery(
            id=self.rig.ids.next(),
            event_id=origin.event_id,
            rule=origin.rule,
            destination=origin.destination,
            ruleset=origin.ruleset,
            state=DeliveryState.PENDING,
            due_at=now,
            created_at=now,
            updated_at=now,
            cause=Cause.REPLAY,
            origin_id=origin.id,
        )

    @precondition(lambda self: not self.failing)
    @rule()
    def the_disk_fails(self) -> None:
        self.failing = True
        self.rig.disk.fail()

    @precondition(lambda self: self.failing)
    @rule()
    def the_disk_works_again(self) -> None:
        self.run(self.heal())

    async def heal(self) -> None:
        self.failing = False
        self.rig.disk.heal()
        while not self.rig.store.available:
            await asyncio.sleep(0)
            self.clock.advance(seconds=0.1)
        await self.settle()

    @precondition(lambda self: self.is_under_way)
    @rule()
    def the_process_is_killed(self) -> None:
        self.lives += 1
        self.path = self.rig.disk.after_kill(self.path, self.folder / f"life-{self.lives}")
        self.run(self.start_again())

    @precondition(lambda self: self.is_under_way)
    @rule()
    def the_process_is_stopped(self) -> None:
        """In good order, but without patience."""
        self.run(self.start_again())

    async def start_again(self) -> None:
        self.failing = self.is_under_way = False
        self.rig.disk.heal()
        await self.rig.__aexit__()
        self.clock.advance(seconds=1)
        self.rig = Rig(self.path.parent, self.aims, clock=self.clock)
        await self.rig.store.open()
        await self.rig.lanes.prepare(self.rig.configuration)
        self.rig.lanes.adopt(self.rig.configuration)
        await self.rig.lanes.bury_removed()
        await self.settle()

    # What must be true

    @invariant()
    def the_file_is_sound(self) -> None:
        assert faults(self.path) == []

    async def deliveries(self) -> list[Delivery]:
        """All there are, oldest first."""
        listed = await self.rig.store.deliveries(DeliveryFilter(limit=10_000))
        return [one.delivery for one in listed[::-1]]

    async def come_to_rest(self) -> None:
        for target in self.targets:
            target.failures.clear()
            target.let_go()
        await self.heal()
        for _ in range(40):
            if all(one.state.is_final for one in await self.deliveries()):
                break
            await self.wait(300)

    async def check_everything(self) -> None:
        deliveries = await self.deliveries()
        ends = {DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.SUPPRESSED}
        assert {one.state for one in deliveries} <= ends
        await self.check_events(deliveries)
        taken = Counter(one for target in self.targets for one in target.taken)
        assert set(taken) <= {one.id for one in deliveries}
        for one in deliveries:
            attempts = await self.rig.store.attempts(one.id)
            cut_off = sum(attempt.outcome is Outcome.INTERRUPTED for attempt in attempts)
            arrived = one.state is DeliveryState.DELIVERED
            assert arrived <= taken[one.id] <= arrived + cut_off, f"taken {taken[one.id]} times: {one}"
        if self.faultless and self.one_by_one:
            self.check_order(deliveries)

    async def check_events(self, deliveries: list[Delivery]) -> None:
        """Each event that was promised is there once, with one delivery for each destination of its rule set."""
        events = {event.id: event for event in await self.rig.store.events(EventFilter(limit=10_000))}
        numbers = [event.payload["n"] for event in events.values()]
        assert len(numbers) == len(set(numbers))
        assert self.answered <= set(numbers) <= self.sent_to.keys()
        for event in events.values():
            by_rule = [one for one in deliveries if one.event_id == event.id and one.cause is Cause.RULE]
            served = {one.destination for one in by_rule}
            assert len(by_rule) == len(served)
            assert served in self.sent_to[event.payload["n"]]

    def check_order(self, deliveries: list[Delivery]) -> None:
        """Where no attempt failed, each destination with one slot was given its events in their order."""
        by_id = {one.id: one for one in deliveries}
        first = [by_id[one] for one in dict.fromkeys(self.tried)]
        for name in DESTINATIONS:
            events = [one.event_id for one in first if one.destination == name and one.cause is Cause.RULE]
            assert events == sorted(events)


TestLives = Lives.TestCase
TestLives.settings = examples(
    40,
    stateful_step_count=25,
    verbosity=Verbosity.quiet,
)
