"""One lane: the queue, pace and pause of one real target."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from router.clock import Clock, Timer
from router.delivery.attempt import Attempts
from router.delivery.pace import Pace
from router.delivery.queue import STORE_PAUSE, Queue
from router.delivery.recent import RecentEvents
from router.delivery.suspects import Suspects
from router.destinations.base import Destination
from router.errors import StoreUnavailable
from router.events import Delivery, DeliveryState
from router.fields import Rate
from router.store.base import Store
from router.store.records import Transition, Waiting

log = logging.getLogger("router.delivery")


class Surroundings(Protocol):
    """What a lane shares with the others."""

    store: Store
    attempts: Attempts
    clock: Clock
    recent: RecentEvents
    suspects: Suspects
    dry_run: bool

    def is_announced(self, destinations: Collection[str]) -> bool:
        """Whether a delivery to one of these, which found no free slot, is on its way through the store."""
        ...

    def due_later(self, destination: str, due_at: datetime) -> None:
        """Tell the lane that serves this destination today when to look again."""
        ...

    def with_fallback(self, dead: Delivery, destination: Destination, transition: Transition) -> Transition:
        """Let the transition of a delivery that dies bring along what takes its place."""
        ...

    def died(self, dead: Delivery, fallback: Delivery | None) -> None:
        """Take note of a death that is on disk, and of what takes its place."""
        ...


@dataclass(frozen=True)
class Member:
    """A destination that a lane serves, and the epoch under which this process owns it."""

    destination: Destination
    epoch: int


class Lane:
    """
    Starts deliveries in the order of their events, as many at once and as fast as its target allows.

    Args:
        members: Its destinations by name; several when they point at the same target.
        after: Lanes that served this target or these destinations before; it starts once they are idle.
    """

    def __init__(self, members: Mapping[str, Member], around: Surroundings, after: frozenset[Lane]) -> None:
        self._members = dict(members)
        self._around = around
        self._waits_for = set(after)
        for lane in after:
            lane.when_idle(self._predecessor_is_idle)
        self._concurrency, rate = _limits(self._members)
        self._free = self._concurrency
        self._pace = Pace(rate)
        self._reserved: Counter[str] = Counter()
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._in_slots: set[int] = set()
        self._queue = Queue(
            self._members.keys(),
            self._in_flight.keys(),
            self.fill,
            store=around.store,
            clock=around.clock,
            stored=not around.dry_run,
        )
        self._closed = False
        self._pace_timer: Timer | None = None
        self._idle_calls: list[Callable[[Lane], None]] = []

    @property
    def members(self) -> Mapping[str, Member]:
        return self._members

    @property
    def target(self) -> str:
        """The real place behind all members."""
        return next(iter(self._members.values())).destination.target

    @property
    def in_flight(self) -> frozenset[int]:
        """Ids of deliveries that are being sent, or whose outcome is not on disk yet."""
        return frozenset(self._in_flight)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being sent, recorded or read."""
        return bool(self._in_flight or self._queue.reading)

    @property
    def has_reservations(self) -> bool:
        return self._reserved.total() > 0

    @property
    def is_idle(self) -> bool:
        return not self._in_flight and not self.has_reservations

    # Taking deliveries

    def reserve(self, destination: str) -> int | None:
        """Take a slot for a delivery that is about to be stored; its epoch, or None where it has to wait its turn."""
        around = self._around
        busy = self._free <= 0 or not self._queue.is_empty or self._waits_for or self._closed or around.dry_run
        # An earlier one that waits its turn may not be here yet, and must not be overtaken.
        if busy or around.is_announced(self._members) or self._pace.wait(around.clock.monotonic()) > 0:
            return None
        self._occupy()
        self._reserved[destination] += 1
        return self._members[destination].epoch

    def holds_reservation(self, destination: str) -> bool:
        return self._reserved[destination] > 0

    def release(self, destination: str) -> None:
        """Give a reserved slot back: nothing was stored."""
        self._reserved[destination] -= 1
        self._open_slot()

    def start(self, delivery: Delivery) -> None:
        """Send a delivery that was stored as `sending` in a reserved slot."""
        self._reserved[delivery.destination] -= 1
        self._spawn(delivery.id, self._send(delivery))

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery that was stored as `pending` and is due."""
        self._queue.put(Waiting.of(delivery))

    def made_due(self, delivery_id: int) -> None:
        """Look into the store at once: there a delivery that waited for its time is due now."""
        self._queue.look_again()
        under_way = self._in_flight.get(delivery_id)
        if under_way is not None:  # its latest outcome was written a moment ago; until its task ends it is passed over
            under_way.add_done_callback(lambda _: self._queue.look_again())

    def start_over(self) -> None:
        """Read afresh what waits: the store may know better."""
        self._queue.start_over()

    def due_later(self, due_at: datetime) -> None:
        """Look into the store at that time."""
        self._queue.due_later(due_at)

    # Changing

    def change(self, members: Mapping[str, Member]) -> None:
        """Go on with other settings for the same destinations on the same target."""
        self._members = dict(members)
        concurrency, rate = _limits(self._members)
        self._free += concurrency - self._concurrency
        self._concurrency = concurrency
        self._pace.change(rate)
        self.fill()

    def follow(self, earlier: Lane) -> None:
        """Keep to what a lane that served the same target before has promised it: its pause and its pace."""
        if earlier.target == self.target:
            self._pace.follow(earlier._pace)

    def pause(self, until: datetime) -> None:
        now = self._around.clock.now()
        self._pace.pause(self._around.clock.monotonic() + (until - now).total_seconds())

    def retire(self) -> None:
        """Start nothing more; what is under way ends as usual. What waits is in the store."""
        self._closed = True
        self._queue.close()
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        self._check_idle()

    def when_idle(self, call: Callable[[Lane], None]) -> None:
        self._idle_calls.append(call)

    async def finish(self) -> None:
        """Wait until nothing is under way any more."""
        while tasks := [*self._in_flight.values(), *([self._queue.reading] if self._queue.reading else [])]:
            await asyncio.wait(tasks)

    def abandon(self) -> None:
        """End what is under way at once; the next start finds it interrupted."""
        for task in self._in_flight.values():
            task.cancel()

    # Working

    def fill(self) -> None:
        """Start as many deliveries as may start now."""
        around = self._around
        if self._closed or self._waits_for:
            return
        if not around.store.available:
            self._come_back_in(STORE_PAUSE)
            return
        while self._free > 0:
            following = self._queue.first
            if following is None:
                self._queue.read_on()
                return
            wait = self._pace.wait(around.clock.monotonic())
            if wait > 0:
                self._come_back_in(wait)
                return
            if following.delivery_id in self._in_flight:  # its latest outcome is not on disk yet
                return
            if not around.suspects.may_start(following.interruptions):
                return
            self._queue.take()
            self._occupy()
            around.suspects.started(following.delivery_id, following.interruptions)
            work = self._rehearse(following) if around.dry_run else self._claim_and_send(following)
            self._spawn(following.delivery_id, work)

    async def _claim_and_send(self, waiting: Waiting) -> None:
        around = self._around
        epoch = self._members[waiting.destination].epoch
        try:
            delivery = await around.store.claim(waiting.delivery_id, epoch, around.clock.now())
        except StoreUnavailable:
            self._queue.start_over()  # it still waits in the store, and those behind it must not overtake it
            return
        if delivery is not None:  # None: it does not wait any more
            await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        around = self._around
        destination = self._members[delivery.destination].destination
        transition = await around.attempts.make(delivery, around.recent.get, destination)
        if transition.paused_until is not None:
            self._rest(delivery, transition)
        if transition.state is DeliveryState.DEAD:
            transition = around.with_fallback(delivery, destination, transition)
        # The slot is free as soon as the outcome stands in the store's queue: the claim of the next
        # delivery stands behind it there, so at no moment are more deliveries `sending` than slots.
        # `record` queues it before it waits for anything; the slot opens at the next step of the loop.
        asyncio.get_running_loop().call_soon(self._vacate, delivery.id)
        stands = await around.store.record(transition)
        if transition.state is DeliveryState.RETRYING and transition.due_at is not None:
            around.due_later(delivery.destination, transition.due_at)
        elif transition.state is DeliveryState.DEAD and stands:
            around.died(delivery, transition.fallback)

    async def _rehearse(self, waiting: Waiting) -> None:
        around = self._around
        try:
            listed = await around.store.delivery(waiting.delivery_id)
        except StoreUnavailable:
            around.clock.call_later(STORE_PAUSE, partial(self._queue.put, waiting))
            return
        if listed is not None:
            destination = self._members[waiting.destination].destination
            await around.store.record(await around.attempts.rehearse(listed.delivery, around.recent.get, destination))

    def _rest(self, delivery: Delivery, transition: Transition) -> None:
        assert transition.paused_until is not None  # noqa: S101 - the caller asked
        self.pause(transition.paused_until)
        if transition.due_at is not None and transition.due_at <= transition.paused_until:
            # It goes first after the rest: those behind it came later.
            self._queue.put_first(Waiting.of(delivery))

    def _come_back_in(self, seconds: float) -> None:
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        self._pace_timer = self._around.clock.call_later(seconds, self.fill)

    # Slots

    def _occupy(self) -> None:
        self._free -= 1
        self._pace.start(self._around.clock.monotonic())

    def _open_slot(self) -> None:
        self._free += 1
        self.fill()
        self._check_idle()

    def _vacate(self, delivery_id: int) -> None:
        if delivery_id in self._in_slots:
            self._in_slots.remove(delivery_id)
            self._open_slot()

    def _spawn(self, delivery_id: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight[delivery_id] = task
        self._in_slots.add(delivery_id)
        task.add_done_callback(lambda done: self._ended(delivery_id, done))

    def _ended(self, delivery_id: int, task: asyncio.Task[None]) -> None:
        self._in_flight.pop(delivery_id, None)
        self._around.suspects.ended(delivery_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane.bug", exc_info=error, extra={"delivery_id": str(delivery_id)})
        self._vacate(delivery_id)  # where it ended before its outcome
        self.fill()
        self._check_idle()

    def _check_idle(self) -> None:
        if self._closed and self.is_idle:
            calls, self._idle_calls = self._idle_calls, []
            for call in calls:
                call(self)

    def _predecessor_is_idle(self, lane: Lane) -> None:
        self._waits_for.discard(lane)
        self.follow(lane)  # its last answers may have asked for a pause
        self.fill()


def _limits(members: Mapping[str, Member]) -> tuple[int, Rate | None]:
    """The strictest limits of destinations that share a target."""
    destinations = [member.destination for member in members.values()]
    rates = [destination.rate for destination in destinations if destination.rate]
    slowest = max(rates, key=lambda rate: rate.interval, default=None)
    return min(destination.concurrency for destination in destinations), slowest
