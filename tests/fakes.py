"""Working stand-ins: a clock that a test holds in its hand."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from router.clock import Timer

START = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@dataclass(order=True)
class _Call:
    due: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """
    A clock that stands still until told to advance; calls that fall due run in their order.

    Attributes:
        rung: How many calls it has made.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self.rung = 0
        self._calls: list[_Call] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        call = _Call(self._elapsed + max(0.0, seconds), next(self._order), callback)
        heapq.heappush(self._calls, call)
        return call

    def advance(self, *, seconds: float = 0, minutes: float = 0) -> None:
        """Let time pass, running every call that falls due at its own moment."""
        end = self._elapsed + seconds + 60 * minutes
        while self._calls and self._calls[0].due <= end:
            call = heapq.heappop(self._calls)
            self._elapsed = max(self._elapsed, call.due)
            if not call.cancelled:
                self.rung += 1
                call.callback()
        self._elapsed = end
