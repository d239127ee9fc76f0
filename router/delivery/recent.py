"""Events that were just accepted, kept in memory within bounds until their deliveries have been made of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from router.events import Event

MEMORY_LIMIT = 8 * 1024 * 1024
PARSED_LIMIT = 2 * 1024 * 1024

# Measured on the sample bodies: a parsed body, with what was worked out of it, takes six times the room of its text.
_PARSED_FACTOR = 6
_FIXED_COST = 1536


@dataclass(slots=True)
class _Kept:
    """
    Attributes:
        uses: Deliveries that are still to ask for it.
    """

    event: Event
    uses: int


class RecentEvents:
    """
    A cache of events by id, shared by all lanes.

    The latest events stay parsed, because most deliveries are made at once. Those that wait keep only what came in; to
    parse that again takes a small part of the time that sending takes, and a sixth of the memory in between.

    Args:
        read: Reads an event from the store; None where it has been removed.
        limit: Bytes that the events may take together (an estimate).
        parsed_limit: Bytes that parsed bodies may take beside that (an estimate).
    """

    def __init__(
        self,
        read: Callable[[int], Awaitable[Event | None]],
        limit: int = MEMORY_LIMIT,
        parsed_limit: int = PARSED_LIMIT,
    ) -> None:
        self._read = read
        self._limit = limit
        self._parsed_limit = parsed_limit
        self._size = 0
        self._parsed_size = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._parsed: OrderedDict[int, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, event: Event, uses: int) -> None:
        """Keep an event until so many deliveries have asked for it."""
        if event.id in self._kept or not uses:
            return
        self._kept[event.id] = self._parsed[event.id] = _Kept(event, uses)
        self._size += _cost(event)
        self._parsed_size += _parsed_cost(event)
        while self._parsed_size > self._parsed_limit:
            self._strip(next(iter(self._parsed)))
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    async def get(self, event_id: int) -> Event | None:
        """Give an event to a delivery; read it where it is not kept."""
        kept = self._kept.get(event_id)
        if kept is None:
            return await self._read(event_id)
        kept.uses -= 1
        if not kept.uses:
            self._drop(event_id)
        return kept.event

    def _strip(self, event_id: int) -> None:
        kept = self._parsed.pop(event_id)
        self._parsed_size -= _parsed_cost(kept.event)
        kept.event = replace(kept.event)  # what was found out beside its fields stays behind

    def _drop(self, event_id: int) -> None:
        kept = self._kept.pop(event_id)
        self._size -= _cost(kept.event)
        if self._parsed.pop(event_id, None) is not None:
            self._parsed_size -= _parsed_cost(kept.event)


def _cost(event: Event) -> int:
    return _FIXED_COST + len(event.body)


def _parsed_cost(event: Event) -> int:
    return _PARSED_FACTOR * len(event.body)
