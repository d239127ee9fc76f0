"""
What waits for a lane: ids of at most `WINDOW` deliveries in memory, the rest in the store.

When a queue holds back more, or when something in the store falls due, it is *behind* and reads on once its own are
taken. So nothing in memory grows with the backlog.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import datetime

from router.clock import Clock, Timer
from router.errors import StoreUnavailable
from router.store.base import Store
from router.store.records import Waiting

log = logging.getLogger("router.delivery")

WINDOW = 1000

STORE_PAUSE = 1.0
"""Seconds between two looks at a store that cannot be read or written."""


class Queue:
    """
    Deliveries that are due, in the order in which they are to start.

    Args:
        destinations: Whose deliveries these are.
        in_flight: Ids of those that were taken and are not done, always as of now.
        on_change: Called when there may be something to take.
        stored: Whether what waits may be looked for in the store. A dry run does not: what waited before it is there
            too, and is left alone.
    """

    def __init__(
        self,
        destinations: Collection[str],
        in_flight: Collection[int],
        on_change: Callable[[], None],
        *,
        store: Store,
        clock: Clock,
        stored: bool,
    ) -> None:
        self._destinations = destinations
        self._in_flight = in_flight
        self._on_change = on_change
        self._store = store
        self._clock = clock
        self._stored = stored
        self._ready: OrderedDict[int, Waiting] = OrderedDict()
        self._behind = stored
        self._missed = False
        self._reading: asyncio.Task[None] | None = None
        self._closed = False
        self._due_timer: Timer | None = None
        self._due_at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, here or in the store."""
        return not self._ready and not self._behind

    @property
    def reading(self) -> asyncio.Task[None] | None:
        """A look into the store that is under way."""
        return self._reading

    @property
    def first(self) -> Waiting | None:
        """Who is next; None where nobody is, as far as is known here."""
        return next(iter(self._ready.values()), None)

    def take(self) -> Waiting:
        """Take the first one out."""
        return self._ready.popitem(last=False)[1]

    def put(self, waiting: Waiting) -> None:
        """Add one that is stored and due; one that was found in the store already is not added twice."""
        if self._closed or waiting.delivery_id in self._in_flight:
            return
        if self._behind or (len(self._ready) >= WINDOW and self._stored):
            self._behind = self._missed = True
        else:
            self._ready.setdefault(waiting.delivery_id, waiting)
        self._on_change()

    def put_first(self, waiting: Waiting) -> None:
        """Give one back that goes before all others."""
        if not self._closed:
            self._ready[waiting.delivery_id] = waiting
            self._ready.move_to_end(waiting.delivery_id, last=False)

    def close(self) -> None:
        """Forget everything: it is in the store."""
        self._closed = True
        self._ready.clear()
        if self._due_timer is not None:
            self._due_timer.cancel()

    # The store

    def look_again(self) -> None:
        """Read the store: something there may be due that is not held here."""
        if self._stored:
            self._behind = self._missed = True
            self._on_change()

    def start_over(self) -> None:
        """Read the store afresh: what is held here may not be the whole truth, nor in order."""
        if self._stored:
            self._ready.clear()
            self.look_again()

    def due_later(self, due_at: datetime) -> None:
        """Look again at that time."""
        if self._closed or (self._due_at is not None and self._due_at <= due_at):
            return
        if self._due_timer is not None:
            self._due_timer.cancel()
        self._due_at = due_at
        wait = (due_at - self._clock.now()).total_seconds()
        self._due_timer = self._clock.call_later(wait, self._something_is_due)

    def _something_is_due(self) -> None:
        self._due_at = self._due_timer = None
        self.look_again()

    def read_on(self) -> None:
        """Fetch what there is beyond what is held here; call it when that has all been taken."""
        if self._behind and self._reading is None and not self._closed:
            self._reading = asyncio.get_running_loop().create_task(self._read())
            self._reading.add_done_callback(self._has_read)

    async def _read(self) -> None:
        self._missed = False
        now = self._clock.now()
        limit = WINDOW + len(self._in_flight)
        due = await self._store.due(self._destinations, now, limit)
        later = await self._store.next_due(self._destinations, now)
        if self._closed:
            return
        for waiting in due:
            if waiting.delivery_id not in self._in_flight:
                self._ready.setdefault(waiting.delivery_id, waiting)
        self._behind = self._missed or len(due) >= limit
        if later is not None:
            self.due_later(later)

    def _has_read(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if reading.cancelled():
            return
        error = reading.exception()
        if error is None:
            self._on_change()
            return
        if not isinstance(error, StoreUnavailable):
            log.error("lane.bug", exc_info=error, extra={"destinations": sorted(self._destinations)})
        # Nobody else may come here again: the store can perhaps be written, and no event may come in.
        self._clock.call_later(STORE_PAUSE, self._on_change)
