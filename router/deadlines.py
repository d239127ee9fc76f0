"""Deadlines by the clock that is passed in: who takes too long is told so, or not waited for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from router.clock import Clock, Timer


class Timed(Hashable, Protocol):
    """Something with little time."""

    def too_slow(self) -> None:
        """Its time is over."""
        ...


TimedT = TypeVar("TimedT", bound=Timed)
ResultT = TypeVar("ResultT")


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


async def done_within(tasks: Iterable[asyncio.Future[Any]], clock: Clock, seconds: float) -> bool:
    """Wait for all of these, so many seconds at most; whether they are done. None of them is ended."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, lambda: None if over.done() else over.set_result(None))
    waiting = set(tasks)
    try:
        while waiting and not over.done():
            done, _ = await asyncio.wait({*waiting, over}, return_when=asyncio.FIRST_COMPLETED)
            waiting -= done
    finally:
        timer.cancel()
    return not waiting


async def in_time(work: Coroutine[Any, Any, ResultT], clock: Clock, seconds: float) -> ResultT:
    """
    Give the result of this, which is ended when its time is over.

    Raises:
        TimeoutError: It was.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        if await done_within([task], clock, seconds):
            return task.result()
        raise TimeoutError
    finally:
        task.cancel()
