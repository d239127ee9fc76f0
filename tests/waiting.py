"""
Waiting for what tells nobody.

Most of what tests wait for can be waited for: a task, an event, a line of output, the end of a connection. What a
thread of the store, a disk or another process has done can only be looked at. `until` is the one place that looks again
and again.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from tests.fakes import Clock

LOOK_EVERY = 0.001
"""Seconds; the loop, and the threads beside it, work meanwhile."""


async def until(
    condition: Callable[[], object | Awaitable[object]],
    *,
    meanwhile: Callable[[], object] | None = None,
    seconds: float = 30,
    every: float = LOOK_EVERY,
) -> None:
    """
    Wait until something is so.

    Args:
        condition: Whether it is; a coroutine function may ask.
        meanwhile: Done after each look that found it is not, such as letting a pause of the router pass.
        seconds: After so many it will never be, and the test has failed.
        every: Between two looks; more of it where a look costs the other side something.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await _holds(condition):
                if meanwhile is not None:
                    meanwhile()
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"in {seconds:g} s it never came to that") from None


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> bool:
    found = condition()
    return bool(await found if inspect.isawaitable(found) else found)


class Count:
    """A number that grows, and whose growth can be waited for."""

    def __init__(self) -> None:
        self.value = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def add(self) -> None:
        self.value += 1
        for target, reached in self._waiting:
            if self.value >= target:
                reached.set()

    async def reaches(self, target: int, seconds: float = 60) -> None:
        """Wait until it is so high; after so many seconds the test has failed."""
        waiting = target, asyncio.Event()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(seconds):
                if self.value < target:
                    await waiting[1].wait()
        finally:
            self._waiting.remove(waiting)


async def pauses(clock: Clock, count: int) -> None:
    """Let somebody who tries again after a pause do so this often, in vain."""
    passed = clock.rung
    await until(lambda: clock.rung > passed + count, meanwhile=lambda: clock.advance(seconds=10))
