"""
One lane: the queue, pace and pause of one real target.

A lane keeps the ids of at most `WINDOW` deliveries that are due. When it holds back more, or when something in the
store falls due, it is *behind* and reads on once its own are started. So nothing in memory grows with the backlog.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from router.clock import Clock, Timer
from router.delivery.attempt import Attempts
from router.delivery.pace import Pace
from router.delivery.recent import RecentEvents
from router.delivery.suspects import Suspects
from router.destinations.base import Destination
from router.errors import StoreUnavailable
from router.events import Delivery, DeliveryState
from router.fields import Rate
from router.store.base import Store, Transition

log = logging.getLogger("router.delivery")

WINDOW = 1000

STORE_PAUSE = 1.0
"""Seconds between two looks at a store that cannot write."""


class Surroundings(Protocol):
    """What a lane shares with the others."""

    store: Store
    attempts: Attempts
    clock: Clock
    recent: RecentEvents
    suspects: Suspects
    dry_run: bool

    def due_later(self, destination: str, due_at: datetime) -> None:
        """Tell the lane that serves this destination today when to look again."""
        ...


@dataclass(frozen=True)
class Member:
    """A destination that a lane serves, and the epoch under which this process owns it."""

    destination: Destination
    epoch: int


@dataclass(frozen=True)
class _Waiting:
    delivery_id: int
    event_id: int
    destination: str
    interruptions: int = 0

    @classmethod
    def of(cls, delivery: Delivery) -> _Waiting:
        return cls(delivery.id, delivery.event_id, delivery.destination, delivery.interruptions)


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
        self._ready: deque[_Waiting] = deque()
        self._reserved: Counter[str] = Counter()
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._closed = False
        self._behind = not around.dry_run  # a dry run leaves alone what waited before it
        self._missed = False
        self._reading: asyncio.Task[None] | None = None
        self._pace_timer: Timer | None = None
        self._due_timer: Timer | None = None
        self._due_at: datetime | None = None
        self._idle_calls: list[Callable[[Lane], None]] = []

    @property
    def members(self) -> Mapping[str, Member]:
        return self._members

    @property
    def in_flight(self) -> frozenset[int]:
        """Ids of deliveries that are being sent, or whose outcome is not on disk yet."""
        return frozenset(self._in_flight)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being sent, recorded or read."""
        return bool(self._in_flight or self._reading)

    @property
    def has_reservations(self) -> bool:
        return self._reserved.total() > 0

    @property
    def is_idle(self) -> bool:
        return not self._in_flight and not self.has_reservations

    # Taking deliveries

    def reserve(self, destination: str) -> int | None:
        """Take a slot for a delivery that is about to be stored; its epoch, or None where it has to wait its turn."""
        busy = self._ready or self._behind or self._free <= 0 or self._waits_for or self._closed or self._around.dry_run
        if busy or self._pace.wait(self._around.clock.monotonic()) > 0:
            return None
        self._occupy()
        self._reserved[destination] += 1
        return self._members[destination].epoch

    def holds_reservation(self, destination: str) -> bool:
        return self._reserved[destination] > 0

    def release(self, destination: str) -> None:
        """Give a reserved slot back: nothing was stored."""
        self._reserved[destination] -= 1
        self._vacate()

    def start(self, delivery: Delivery) -> None:
        """Send a delivery that was stored as `sending` in a reserved slot."""
        self._reserved[delivery.destination] -= 1
        self._spawn(delivery.id, self._send(delivery))

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery that was stored as `pending` and is due."""
        if self._closed:
            return
        if self._behind or (len(self._ready) >= WINDOW and not self._around.dry_run):
            self._behind = self._missed = True
        else:
            self._ready.append(_Waiting.of(delivery))
        self.fill()

    def look_again(self) -> None:
        """Read the store: something there may be due that this lane does not hold."""
        if not self._around.dry_run:
            self._behind = self._missed = True
            self.fill()

    def due_later(self, due_at: datetime) -> None:
        """Look again at that time."""
        if self._closed or (self._due_at is not None and self._due_at <= due_at):
            return
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._due_at = due_at
        wait = (due_at - self._around.clock.now()).total_seconds()
        self._due_timer = self._around.clock.call_later(wait, self._something_is_due)

    # Changing

    def change(self, members: Mapping[str, Member]) -> None:
        """Go on with other settings for the same destinations on the same target."""
        self._members = dict(members)
        concurrency, rate = _limits(self._members)
        self._free += concurrency - self._concurrency
        self._concurrency = concurrency
        self._pace.change(rate)
        self.fill()

    def pause(self, until: datetime) -> None:
        now = self._around.clock.now()
        self._pace.pause(self._around.clock.monotonic() + (until - now).total_seconds())

    def retire(self) -> None:
        """Start nothing more; what is under way ends as usual. What waits is in the store."""
        self._closed = True
        self._ready.clear()
        for timer in (self._pace_timer, self._due_timer):
            if timer is not None:
                timer.cancel()
        self._check_idle()

    def when_idle(self, call: Callable[[Lane], None]) -> None:
        self._idle_calls.append(call)

    async def finish(self) -> None:
        """Wait until nothing is under way any more."""
        while tasks := [*self._in_flight.values(), *([self._reading] if self._reading else [])]:
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
            if not self._ready:
                self._read_on()
                return
            wait = self._pace.wait(around.clock.monotonic())
            if wait > 0:
                self._come_back_in(wait)
                return
            if not around.suspects.may_start(self._ready[0].interruptions):
                return
            waiting = self._ready.popleft()
            self._occupy()
            around.suspects.started(waiting.delivery_id, waiting.interruptions)
            self._spawn(waiting.delivery_id, self._claim_and_send(waiting))

    async def _claim_and_send(self, waiting: _Waiting) -> None:
        around = self._around
        epoch = self._members[waiting.destination].epoch
        try:
            if around.dry_run:
                await self._rehearse(waiting)
                return
            delivery = await around.store.claim(waiting.delivery_id, epoch, around.clock.now())
        except StoreUnavailable:
            # It still waits in the store; the store's recovery makes every lane look again.
            self._behind = True
            self._vacate()
            return
        if delivery is None:  # released to another lane, replayed or ended in the meantime
            self._vacate()
            return
        await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        around = self._around
        destination = self._members[delivery.destination].destination
        transition = await around.attempts.make(delivery, around.recent.get, destination)
        if transition.paused_until is not None:
            self._rest(delivery, transition)
        recorded = asyncio.ensure_future(around.store.record(transition))
        # The slot is free as soon as the outcome stands in the store's queue: the claim of the next
        # delivery stands behind it there, so at no moment are more deliveries `sending` than slots.
        self._vacate_after_this_step()
        await recorded
        if transition.state is DeliveryState.RETRYING and transition.due_at is not None:
            around.due_later(delivery.destination, transition.due_at)

    async def _rehearse(self, waiting: _Waiting) -> None:
        around = self._around
        listed = await around.store.delivery(waiting.delivery_id)
        if listed is not None:
            destination = self._members[waiting.destination].destination
            await around.store.record(await around.attempts.rehearse(listed.delivery, around.recent.get, destination))
        self._vacate()

    def _rest(self, delivery: Delivery, transition: Transition) -> None:
        assert transition.paused_until is not None  # noqa: S101 - the caller asked
        self.pause(transition.paused_until)
        if not self._closed and transition.due_at is not None and transition.due_at <= transition.paused_until:
            # It goes first after the rest: those behind it came later.
            self._ready.appendleft(_Waiting.of(delivery))

    # Reading on

    def _read_on(self) -> None:
        if self._behind and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        around = self._around
        try:
            self._missed = False
            now = around.clock.now()
            limit = WINDOW + len(self._in_flight)
            due = await around.store.due(self._members, now, limit)
            later = await around.store.next_due(self._members, now)
            held = {waiting.delivery_id for waiting in self._ready} | self._in_flight.keys()
            self._ready.extend(_Waiting.of(delivery) for delivery in due if delivery.id not in held)
            self._behind = self._missed or len(due) >= limit
            if later is not None:
                self.due_later(later)
        except StoreUnavailable:
            self._behind = True
            return
        finally:
            self._reading = None
        self.fill()

    def _something_is_due(self) -> None:
        self._due_at = self._due_timer = None
        self.look_again()

    def _come_back_in(self, seconds: float) -> None:
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        self._pace_timer = self._around.clock.call_later(seconds, self.fill)

    # Slots

    def _occupy(self) -> None:
        self._free -= 1
        self._pace.start(self._around.clock.monotonic())

    def _vacate(self) -> None:
        self._free += 1
        self.fill()
        self._check_idle()

    def _vacate_after_this_step(self) -> None:
        # `ensure_future` queues the record at the next step of the loop; the slot opens at the one after.
        asyncio.get_running_loop().call_soon(self._vacate)

    def _spawn(self, delivery_id: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight[delivery_id] = task
        task.add_done_callback(lambda done: self._ended(delivery_id, done))

    def _ended(self, delivery_id: int, task: asyncio.Task[None]) -> None:
        self._in_flight.pop(delivery_id, None)
        self._around.suspects.ended(delivery_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane.bug", exc_info=error, extra={"delivery_id": str(delivery_id)})
        self._check_idle()

    def _check_idle(self) -> None:
        if self._closed and self.is_idle:
            calls, self._idle_calls = self._idle_calls, []
            for call in calls:
                call(self)

    def _predecessor_is_idle(self, lane: Lane) -> None:
        self._waits_for.discard(lane)
        self.fill()


def _limits(members: Mapping[str, Member]) -> tuple[int, Rate | None]:
    """The strictest limits of destinations that share a target."""
    destinations = [member.destination for member in members.values()]
    rates = [destination.rate for destination in destinations if destination.rate]
    slowest = max(rates, key=lambda rate: rate.interval, default=None)
    return min(destination.concurrency for destination in destinations), slowest
