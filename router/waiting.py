"""Waiting by the clock that is passed in, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from router.clock import Clock

ResultT = TypeVar("ResultT")


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
