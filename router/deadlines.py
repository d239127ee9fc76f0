"""Deadlines by the clock that is passed in: who takes too long is told so."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from router.clock import Clock, Timer


class Timed(Hashable, Protocol):
    """Something with little time."""

    def too_slow(self) -> None:
        """Its time is over."""
        ...


TimedT = TypeVar("TimedT", bound=Timed)


class Deadlines(Generic[TimedT]):
    """Gives everybody the same number of seconds, so the first to come is late first. One timer for all."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due: dict[TimedT, float] = {}
        self._timer: Timer | None = None

    def watch(self, request: TimedT) -> None:
        self._due[request] = self._clock.monotonic() + self._seconds
        if self._timer is None:
            self._timer = self._clock.call_later(self._seconds, self._sweep)

    def forget(self, request: TimedT) -> None:
        self._due.pop(request, None)

    def _sweep(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while self._due:
            request, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._clock.call_later(due - now, self._sweep)
                return
            del self._due[request]
            request.too_slow()
