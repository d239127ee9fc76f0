"""Events that were just accepted or read, kept in memory within bounds so that lanes need not read them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from router.events import Event

MEMORY_LIMIT = 32 * 1024 * 1024

# Measured on the sample bodies: a parsed body takes about five times the room of its text.
_PARSED_FACTOR = 6
_FIXED_COST = 4096


class RecentEvents:
    """
    A cache of events by id, shared by all lanes.

    Args:
        read: Reads an event from the store; None where it has been removed.
        limit: Bytes that the events may take together, their parsed bodies included (an estimate).
    """

    def __init__(self, read: Callable[[int], Awaitable[Event | None]], limit: int = MEMORY_LIMIT) -> None:
        self._read = read
        self._limit = limit
        self._size = 0
        self._events: OrderedDict[int, Event] = OrderedDict()

    def put(self, event: Event) -> None:
        cost = _cost(event)
        if event.id in self._events or cost > self._limit:
            return
        self._events[event.id] = event
        self._size += cost
        while self._size > self._limit:
            _, oldest = self._events.popitem(last=False)
            self._size -= _cost(oldest)

    async def get(self, event_id: int) -> Event | None:
        event = self._events.get(event_id)
        if event is not None:
            self._events.move_to_end(event_id)
            return event
        event = await self._read(event_id)
        if event is not None:
            self.put(event)
        return event


def _cost(event: Event) -> int:
    return _FIXED_COST + _PARSED_FACTOR * len(event.body)
