"""What ingress keeps between requests: limits, counts, bytes on their way in, refusals logged, the order of events."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from router.clock import Clock
from router.events import Event
from router.sources import SourceKind

log = logging.getLogger("router.ingress")

LINES_PER_MINUTE = 10
"""Of one kind and source; more refusals in a minute are only counted."""

_LONGEST_SHOWN = 256


def shown(text: str) -> str:
    """Make text from outside fit for a log: 256 characters at most, control characters escaped."""
    short = text[:_LONGEST_SHOWN]
    if short.isprintable():
        return short
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in short)[:_LONGEST_SHOWN]


@dataclass(frozen=True)
class Limits:
    """
    What ingress takes at most.

    Attributes:
        max_body_bytes: Of one body.
        unfinished_bytes: Of all bodies that were begun and are not answered.
        queue: Deliveries that are not final.
        least_free_bytes: On the disk of the store; below it nothing is taken.
        hops: Routers that an event may have passed.
    """

    max_body_bytes: int = 5 * 1024 * 1024
    unfinished_bytes: int = 64 * 1024 * 1024
    queue: int = 1_000_000
    least_free_bytes: int = 100_000_000
    hops: int = 3


class Counts:
    """
    What became of requests since the start.

    Attributes:
        answers: By name of the source, empty where there is none, and the word of `ANSWERS`.
        events: Stored, by name of the source and of the event; names outside the catalogue of the source's kind, which
            anybody can invent, together as `other`.
        repeated_bodies: Stored events whose body came before, by name of the source.
    """

    def __init__(self) -> None:
        # Each accepted request is counted here, and a Counter takes twice as long.
        self.answers: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.events: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.repeated_bodies: defaultdict[str, int] = defaultdict(int)

    def answered(self, source: str, answer: str) -> None:
        self.answers[source, answer] += 1

    def stored(self, event: Event, kind: SourceKind) -> None:
        """Count an event that is on disk now."""
        self.answers[event.source, "stored"] += 1
        self.events[event.source, kind.counted_as(event.name)] += 1
        if event.repeated_body:
            self.repeated_bodies[event.source] += 1


class Intake:
    """Counts the bytes of unfinished bodies; whoever reads bodies reports them here."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, count: int) -> bool:
        """Hold so many more bytes; False, and nothing is held, where they are too many."""
        if self.held + count > self.limit:
            return False
        self.held += count
        return True

    def give_back(self, count: int) -> None:
        self.held -= count


class Disk:
    """
    Knows how much room is left, asking at most once a second.

    Args:
        free_bytes: Tells it; None where nobody can. An OSError counts as room enough: the store will find out.
    """

    def __init__(self, free_bytes: Callable[[], int] | None, clock: Clock) -> None:
        self._free_bytes = free_bytes
        self._clock = clock
        self._asked_at: float | None = None
        self._free: int | None = None

    def is_below(self, least: int) -> bool:
        if self._free_bytes is None:
            return False
        now = self._clock.monotonic()
        if self._asked_at is None or now - self._asked_at >= 1.0:
            self._asked_at = now
            try:
                self._free = self._free_bytes()
            except OSError:
                self._free = None
        return self._free is not None and self._free < least


@dataclass
class _Minute:
    started_at: float
    count: int = 0


class Refusals:
    """Logs refusals, but never so many that a flood of them becomes a flood of lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minutes: dict[tuple[str, str], _Minute] = {}

    def note(self, action: str, source: str, facts: Mapping[str, Any]) -> None:
        """
        Log one refusal, or count it where this minute has had its lines.

        Args:
            source: Name of a configured source, or empty; never text from outside, since one entry each is kept.
        """
        minute = self._minutes.get((action, source))
        if minute is None or self._clock.monotonic() - minute.started_at >= 60:
            if minute is not None:
                self._log_rest(action, source, minute)
            minute = self._minutes[action, source] = _Minute(self._clock.monotonic())
        minute.count += 1
        if minute.count <= LINES_PER_MINUTE:
            log.warning(action, extra={"source": source or None, **facts})
        elif minute.count == LINES_PER_MINUTE + 1:
            self._clock.call_later(60, lambda: self._log_rest(action, source, minute))

    def _log_rest(self, action: str, source: str, minute: _Minute) -> None:
        """Say how many went without a line of their own; once."""
        if minute.count > LINES_PER_MINUTE:
            log.warning(action, extra={"source": source or None, "further_refusals": minute.count - LINES_PER_MINUTE})
            minute.count = LINES_PER_MINUTE


@dataclass(eq=False)
class _Turn:
    action: Callable[[], None] | None = None
    is_done: bool = False


class Turns:
    """Runs what follows the commits of events in the order in which the events came, whichever commit ends first."""

    def __init__(self) -> None:
        self._waiting: deque[_Turn] = deque()

    def take(self) -> _Turn:
        """Queue up."""
        turn = _Turn()
        self._waiting.append(turn)
        return turn

    def finish(self, turn: _Turn, action: Callable[[], None] | None) -> None:
        """Leave the queue; the action, if any, runs once all who came before have left."""
        turn.action, turn.is_done = action, True
        while self._waiting and self._waiting[0].is_done:
            following = self._waiting.popleft().action
            if following is not None:
                try:
                    following()
                except Exception:
                    # The event is stored and promised: what waits is found at the next look into the store, and what is
                    # `sending` at the next start.
                    log.exception("event.not_handed_over")
