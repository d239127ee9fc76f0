"""All lanes of this process: which destination is served by which, over reloads, failures of the store, and the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from router.clock import Clock
from router.config.model import Configuration
from router.delivery.attempt import Attempts
from router.delivery.fallback import fallback, fallback_to
from router.delivery.lane import Lane, Member
from router.delivery.recent import RecentEvents
from router.delivery.suspects import Suspects
from router.destinations.base import Destination
from router.errors import StoreUnavailable
from router.events import DESTINATION_REMOVED, Cause, Delivery, DeliveryState, Event
from router.ids import IdSource
from router.store.base import Store
from router.store.records import LaneState, Transition

log = logging.getLogger("router.delivery")


class Lanes:
    """
    Hands deliveries to the lane of their destination.

    A change of the rule file comes in three steps, so that no event falls between two rule sets: `prepare` (may wait
    for the store), `adopt` (at once, together with the swap of the rule set), `bury_removed` (may wait again).

    Attributes:
        on_death: Told the destination of each delivery, alerts apart, that is dead on disk now.
    """

    def __init__(self, *, store: Store, attempts: Attempts, ids: IdSource, clock: Clock, dry_run: bool = False) -> None:
        self.store = store
        self.attempts = attempts
        self.on_death: Callable[[str], None] | None = None
        self._ids = ids
        self.clock = clock
        self.dry_run = dry_run
        self.recent = RecentEvents(store.event)
        self.suspects = Suspects(self._fill_all)
        self._owned: dict[str, LaneState] = {}
        self._by_name: dict[str, Lane] = {}
        self._retired: set[Lane] = set()
        self._served: frozenset[str] = frozenset()
        self._announced: dict[str, set[int]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._has_adopted = False
        self._stopping = False
        store.on_recovery = self._recover

    # Ingress

    def reserve(self, destination: str, delivery_id: int) -> int | None:
        """
        Take a free slot for a delivery that is about to be stored. Either `hand_over` or `release` has to follow.

        Returns:
            The epoch under which it is to be stored as `sending`; None where it has to wait its turn, as `pending`.
            Until it is handed over, no later one overtakes it.
        """
        lane = self._by_name.get(destination)
        epoch = lane.reserve(destination) if lane is not None else None
        if epoch is None:
            self._announced.setdefault(destination, set()).add(delivery_id)
        return epoch

    def release(self, delivery: Delivery) -> None:
        """Forget a delivery that was not stored, or not as `sending`; its slot is free again."""
        if delivery.state is not DeliveryState.SENDING:
            self._arrived(delivery)
        elif (lane := self._reserved_at(delivery.destination)) is not None:
            lane.release(delivery.destination)

    def hand_over(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Take what was just stored. Calls come in the order of the events."""
        self.recent.put(event, sum(not delivery.state.is_final for delivery in deliveries))
        for delivery in deliveries:
            if delivery.state is DeliveryState.SENDING:
                if (lane := self._reserved_at(delivery.destination)) is not None:
                    lane.start(delivery)
            elif delivery.state is DeliveryState.PENDING:
                self._arrived(delivery)
                self.offer(delivery)
            elif delivery.state is DeliveryState.DEAD:
                self.died(delivery, None)

    def is_announced(self, destinations: Collection[str]) -> bool:
        """Whether a delivery to one of these, which found no free slot, is on its way through the store."""
        return not self._announced.keys().isdisjoint(destinations)

    def _arrived(self, delivery: Delivery) -> None:
        announced = self._announced.get(delivery.destination)
        if announced is not None:
            announced.discard(delivery.id)
            if not announced:
                del self._announced[delivery.destination]

    def offer(self, delivery: Delivery) -> None:
        """Queue a stored delivery that is due."""
        lane = self._by_name.get(delivery.destination)
        if lane is not None:
            lane.offer(delivery)
        else:
            self._bury_soon(delivery.destination)

    def made_due(self, delivery: Delivery) -> None:
        """Look at once for a stored delivery that waited for its time, and is due now."""
        lane = self._by_name.get(delivery.destination)
        if lane is not None:
            lane.made_due(delivery.id)
        else:
            self._bury_soon(delivery.destination)

    def due_later(self, destination: str, due_at: datetime) -> None:
        """Look at that time for what an attempt has left waiting."""
        lane = self._by_name.get(destination)
        if lane is not None:
            lane.due_later(due_at)
        else:
            self._bury_soon(destination)

    # Deaths

    def with_fallback(self, dead: Delivery, destination: Destination, transition: Transition) -> Transition:
        """Let the transition of a delivery that dies bring along what takes its place."""
        to = fallback_to(destination, dead, self._served)
        if to is None:
            if destination.fallback is not None and dead.cause is Cause.RULE:
                log.warning("delivery.no_fallback", extra={"delivery_id": str(dead.id), "wanted": destination.fallback})
            return transition
        return replace(transition, fallback=fallback(dead, to, self._ids.next(), transition.at))

    def died(self, dead: Delivery, fallback: Delivery | None) -> None:
        """Take note of a death that is on disk, and of what takes its place."""
        if fallback is not None:
            self.offer(fallback)
        if dead.cause is not Cause.ALERT:
            self._mourn(dead.destination)

    def _mourn(self, destination: str) -> None:
        if self.on_death is not None:
            self.on_death(destination)

    # The rule file

    async def prepare(self, configuration: Configuration) -> None:
        """
        Become the owner of every lane that the rule set needs, and of those with something left to wait for.

        Raises:
            StoreUnavailable: Nothing was changed.
        """
        waiting = () if self._owned else await self.store.destinations_waiting()
        needed = {*_served(configuration), *waiting} - self._owned.keys()
        if needed:
            self._owned |= await self.store.own(needed, self.clock.now())

    def adopt(self, configuration: Configuration) -> None:
        """Serve the destinations as this rule set describes them. Settings of old ones change in place."""
        if self._stopping:
            return
        served = _served(configuration)
        self._served = frozenset(served)
        groups: dict[str, dict[str, Member]] = {}
        for name, destination in served.items():
            members = groups.setdefault(destination.target, {})
            members[name] = Member(destination, self._owned[name].epoch)
        kept: dict[str, Lane] = {}
        for target, members in groups.items():
            lane = self._same_lane(target, members)
            if lane is not None:
                lane.change(members)
                kept |= dict.fromkeys(members, lane)
        gone = frozenset(self._by_name.values()) - frozenset(kept.values())
        lanes = dict(kept)
        for lane in gone:
            self._retired.add(lane)
            lane.when_idle(self._retired.discard)
        for target, members in groups.items():
            if not members.keys() & kept.keys():
                lanes |= dict.fromkeys(members, self._new_lane(target, members, gone))
        self._by_name = lanes
        self._has_adopted = True
        for lane in gone:
            lane.retire()
        self._fill_all()

    async def bury_removed(self) -> None:
        """End what waits for destinations that the rule file does not name any more."""
        if self.dry_run:  # leaves alone what waited before it
            return
        for name in sorted(await self.store.destinations_waiting()):
            await self._bury(name)

    def _same_lane(self, target: str, members: Mapping[str, Member]) -> Lane | None:
        lane = self._by_name.get(next(iter(members)))
        if lane is None or lane.members.keys() != members.keys():
            return None
        return lane if lane.target == target else None

    def _new_lane(self, target: str, members: Mapping[str, Member], gone: frozenset[Lane]) -> Lane:
        earlier = {
            lane
            for lane in gone | self._retired
            if lane.target == target or not lane.members.keys().isdisjoint(members)
        }
        lane = Lane(members, self, frozenset(one for one in earlier if not one.is_idle))
        for one in earlier:
            lane.follow(one)
        for name in members:
            # Of an earlier process, so it counts once; from then on the lanes know better.
            state = self._owned[name]
            self._owned[name] = replace(state, paused_until=None)
            if state.paused_until is not None:
                lane.pause(state.paused_until)
        return lane

    def _bury_soon(self, destination: str) -> None:
        """Of a delivery that was judged or attempted while a reload took its destination away."""
        if not self.dry_run:
            self._spawn(self._bury(destination))

    async def _bury(self, destination: str) -> None:
        """End what waits for a destination, unless it is served, perhaps again."""
        if not self._has_adopted or self._stopping or destination in self._by_name:
            return
        try:
            count = await self.store.bury(destination, self.clock.now(), DESTINATION_REMOVED)
        except StoreUnavailable:
            return  # recovery buries it
        if count:
            log.error("delivery.destination_removed", extra={"destination": destination, "count": count})
            self._mourn(destination)

    # The store's failures

    async def _recover(self) -> None:
        """The store works again: what it shows as `sending` and is not, goes back to waiting."""
        for _ in range(100):
            if not any(lane.has_reservations for lane in self._all()):
                break
            await asyncio.sleep(0)  # their commit has failed; they are about to be given back
        in_flight = frozenset[int]().union(*(lane.in_flight for lane in self._all()))
        await self.store.take_back(in_flight, self.clock.now())
        self._spawn(self._resume())

    async def _resume(self) -> None:
        for lane in set(self._by_name.values()):
            lane.start_over()
        try:
            await self.bury_removed()
        except StoreUnavailable:
            return  # the next recovery comes here again

    # The end

    async def quiet(self) -> None:
        """Wait until nothing is under way: every outcome so far is on disk, and the rest waits for its time."""
        while any(lane.is_busy for lane in self._all()) or self._chores:
            await asyncio.gather(*(lane.finish() for lane in self._all()), *self._chores)

    async def stop(self, grace: float) -> int:
        """
        Start nothing more, and wait for what is under way.

        Args:
            grace: Seconds to wait; what is still under way then is cut off, and found interrupted at the next start.

        Returns:
            How many deliveries were cut off.
        """
        self._stopping = True
        lanes = self._all()
        self._by_name = {}
        for lane in lanes:
            lane.retire()
        # A chore that fails has said so, and must not keep the rest from ending in order.
        finishing = asyncio.gather(*(lane.finish() for lane in lanes), *self._chores, return_exceptions=True)
        try:
            async with asyncio.timeout(grace):
                await asyncio.shield(finishing)
        except TimeoutError:
            cut_off = sum(len(lane.in_flight) for lane in lanes)
            for lane in lanes:
                lane.abandon()
            await finishing
            return cut_off
        return 0

    def _reserved_at(self, destination: str) -> Lane | None:
        for lane in (self._by_name.get(destination), *self._retired):
            if lane is not None and lane.holds_reservation(destination):
                return lane
        return None

    def _all(self) -> set[Lane]:
        return {*self._by_name.values(), *self._retired}

    def _fill_all(self) -> None:
        for lane in set(self._by_name.values()):
            lane.fill()

    def _spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chore_ended)

    def _chore_ended(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane.bug", exc_info=error)


def _served(configuration: Configuration) -> dict[str, Destination]:
    return {name: destination for name, destination in configuration.destinations.items() if destination.enabled}
