"""Long work of the processor, beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_background(work: Callable[[], T], name: str) -> T:
    """
    Do something in a thread of its own and wait for it. Whatever it raises is raised here.

    A daemon and no thread of a pool: what cannot be cut short must not hold up the end of the process either.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(done: Future[T]) -> None:
        if future.cancelled():
            return
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)

    def run() -> None:
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is the waiter's
            done.set_exception(error)
        try:
            loop.call_soon_threadsafe(settle, done)
        except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
