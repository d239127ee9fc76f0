"""Time, passed in wherever it is needed, so that a test can hold it in its hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What the program knows of time."""

    def now(self) -> datetime:
        """Tell the time; aware, UTC. Never runs backward within one process."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, for measuring and pacing."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, on the event loop, after `seconds`."""
        ...


class SystemClock:
    """
    The machine's time, read once at start and carried on by the monotonic clock.

    A step of the wall clock (a wrong time at boot, a correction, a manual change) would otherwise delay
    every waiting retry, or make all of them due at once.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._offset + time.monotonic(), UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970, as the store keeps time; what is left over is dropped."""
    since = moment - _EPOCH  # to divide it by a millisecond takes five times as long
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC time of a stored number of milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def rfc3339(moment: datetime) -> str:
    """Write a time as the API and the logs show it: `2026-03-02T09:15:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
