"""Who follows events and deliveries: what each wants to see, and the bounded queue of what they have not read yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from router.events import OWN_SOURCE, RULES, DeliveryState, Event
from router.payload import JSON, dump_json
from router.rules.patterns import Pattern
from router.store.feed import Committed, Feed

MOST_READERS = 16
MOST_RECORDS = 1_000
MOST_BYTES = 1024 * 1024
"""Bounds of one reader's queue; at least one record, however large, fits in."""

EVENTS, DELIVERIES = "events", "deliveries"

Show = Callable[[Committed], Mapping[str, JSON]]
"""Turns what was committed into the record that the lists of the API have of it."""


@dataclass(frozen=True)
class Wanted:
    """
    What a reader wants to see.

    A delivery has the name and source of its event. An event has no destination and no state: who asks for one of them
    sees deliveries only. The router's own events are shown only where their source is asked for, as in lists.

    Attributes:
        rule: An event fits where the rule matched it.
        only: `events`, `deliveries`, or None for both.
    """

    name: Pattern | None = None
    source: str | None = None
    rule: str | None = None
    destination: str | None = None
    state: DeliveryState | None = None
    only: str | None = None

    def fits(self, one: Committed) -> bool:
        """Say whether this is among what is wanted."""
        if isinstance(one, Event):
            return (
                self.only != DELIVERIES
                and self.destination is None
                and self.state is None
                and self._fits_event(one.name, one.source)
                and (self.source == OWN_SOURCE or not one.is_own)
                and (self.rule is None or self.rule in one.facts.get(RULES, ()))
            )
        delivery = one.delivery
        return (
            self.only != EVENTS
            and self._fits_event(one.event_name, one.source)
            and self.rule in (None, delivery.rule)
            and self.destination in (None, delivery.destination)
            and self.state in (None, delivery.state)
        )

    def _fits_event(self, name: str, source: str) -> bool:
        return self.source in (None, source) and (self.name is None or self.name.matches(name))


class TooManyReaders(Exception):
    """As many follow already as may."""


class Tails:
    """
    Those who follow.

    Attributes:
        readers: All of them.
        ended: The router stops: nobody may begin to follow.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.readers: set[Reader] = set()
        self._all_gone: asyncio.Event | None = None
        self.ended = False

    def begin(self, wanted: Wanted, show: Show) -> Reader:
        """
        Follow from now on; `forget` has to come after it.

        Raises:
            TooManyReaders: Nobody else can.
        """
        if len(self.readers) >= MOST_READERS:
            raise TooManyReaders
        reader = Reader(wanted, show)
        self.readers.add(reader)
        self._feed.watch(reader.take)
        return reader

    def forget(self, reader: Reader) -> None:
        """Keep nothing more for a reader."""
        self.readers.discard(reader)
        self._feed.forget(reader.take)
        if self._all_gone is not None and not self.readers:
            self._all_gone.set()

    async def end(self, seconds: float) -> None:
        """
        Let everybody read what is there by now, and be done.

        Args:
            seconds: So long at most; who has not read it all by then does not get the rest.
        """
        self.ended = True
        for reader in self.readers:
            reader.close()
        if self.readers:
            self._all_gone = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_gone.wait()


class Reader:
    """
    One who follows. What comes while the queue is full is counted and left out, so it never grows and nobody waits.

    Attributes:
        is_closed: Nothing more will come.
    """

    def __init__(self, wanted: Wanted, show: Show) -> None:
        self._wanted = wanted
        self._show = show
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._left_out = 0
        self._something = asyncio.Event()
        self.is_closed = False

    def take(self, committed: Sequence[Committed]) -> None:
        """Keep what is wanted, as it will be sent."""
        for one in committed:
            if not self._wanted.fits(one):
                continue
            if self._left_out or len(self._queue) >= MOST_RECORDS or self._size >= MOST_BYTES:
                self._left_out += 1  # also what would fit again: what is left out is one gap, and told at its place
                continue
            record = message("event" if isinstance(one, Event) else "delivery", self._show(one))
            self._queue.append(record)
            self._size += len(record)
            self.wake()

    @property
    def waiting(self) -> int:
        """How many records wait to be sent."""
        return len(self._queue)

    def close(self) -> None:
        self.is_closed = True
        self.wake()

    def wake(self) -> None:
        """End the wait, also where there is nothing to send."""
        self._something.set()

    async def wait(self) -> None:
        """Wait until there is something to send, nothing will ever be, or somebody ends the wait."""
        await self._something.wait()

    def take_out(self) -> bytes:
        """Give everything that is to be sent now, and empty the queue."""
        waiting = b"".join(self._queue)
        if self._left_out:
            said = "1 record was" if self._left_out == 1 else f"{self._left_out} records were"
            told = {"left_out": self._left_out, "message": f"{said} left out: more came than this reader took"}
            waiting += message("left_out", told)
        self._queue.clear()
        self._size = self._left_out = 0
        self._something.clear()
        return waiting


def message(kind: str, value: Mapping[str, JSON]) -> bytes:
    """
    Write one server-sent event. JSON has no line breaks, so the value is one line.

    Source: WHATWG HTML, "Server-sent events", 9.2.5, read 2026-11.
    """
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), dump_json(value))
