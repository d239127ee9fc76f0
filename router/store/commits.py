"""
Group commit: whatever is handed in while one commit is under way shares the next.

Everything here runs on the event loop except the batches themselves, which run in one thread of their own. After a
failure nothing is lost and nothing is claimed: verbs fail at once, outcomes wait, the file is reopened until it can be
written again, and those who must look at what is really there are asked to before anybody else writes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

from router.clock import Clock
from router.errors import StoreRefused, StoreUnavailable
from router.store.connections import WriteConnection
from router.store.counts import Changes, Totals
from router.store.faults import STORE_FAULTS, sentence
from router.store.feed import Committed, Feed
from router.store.figures import Figures
from router.store.transaction import Operation

log = logging.getLogger("router.store")

MOST_OPERATIONS = 512
MOST_BYTES = 16 * 1024 * 1024
"""Bounds of one commit; at least one operation, however large, is always in it."""

_MOST_TURNS = 6
"""Turns of the loop for which a commit waits, as long as each brings more to write."""

_PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the first, second, … try to reopen; the last one for all further."""

_REOPEN_FAULTS: tuple[type[Exception], ...] = (StoreRefused, *STORE_FAULTS)

_recovery: ContextVar[object] = ContextVar("recovery", default=None)
"""Set where verbs are called by `on_recovery`: these, and only these, may write before the recovery is over."""


class _State(Enum):
    CLOSED = auto()
    OPEN = auto()
    FAILED = auto()
    CLOSING = auto()


@dataclass(slots=True)
class _Waiting:
    """
    Attributes:
        size: Bytes of bodies and messages.
        outlasts: Waits for the end of an outage instead of failing.
    """

    operation: Operation
    future: asyncio.Future[Any]
    size: int
    outlasts: bool


class GroupCommit:
    """
    The writer.

    Attributes:
        totals: The counters as last committed.
        figures: What was counted since the start.
        feed: Told of what was committed.
        on_recovery: Awaited after an outage, before anything else is written.
        on_reopened: Called when the file was opened anew.
    """

    def __init__(self, path: Path, clock: Clock, connection: WriteConnection) -> None:
        self.totals = Totals()
        self.figures = Figures()
        self.feed = Feed()
        self.on_recovery: Callable[[], Awaitable[None]] | None = None
        self.on_reopened: Callable[[], None] | None = None
        self._path = path
        self._clock = clock
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._loop: asyncio.AbstractEventLoop  # from `open` on; to ask for it is a system call in Python 3.11
        self._state = _State.CLOSED
        self._queue: deque[_Waiting] = deque()
        self._recovery_queue: deque[_Waiting] = deque()
        self._writing = False
        self._trouble = "the store is not open"
        self._failures = 0
        self._recovering: asyncio.Task[None] | None = None
        self._recovery_token: object = None
        self._idle: asyncio.Future[None] | None = None

    @property
    def available(self) -> bool:
        return self._state is _State.OPEN

    async def open(self, prepare: Callable[[], None]) -> None:
        """Run `prepare` and open the file, both in the writer's thread."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._in_thread(prepare)
            self.totals = await self._in_thread(self._connection.open)
        except STORE_FAULTS as error:
            raise StoreRefused(sentence(error, self._path)) from None
        self._state = _State.OPEN

    def hand_in(self, operation: Operation, size: int = 0, *, outlasts: bool = False) -> asyncio.Future[Any]:
        """
        Queue an operation; the future has its result once it is committed, in the order of handing in.

        Raises:
            StoreUnavailable: The store cannot write now (not raised for what outlasts an outage).
        """
        in_recovery = self._state is _State.FAILED and _recovery.get() is self._recovery_token is not None
        if self._state is not _State.OPEN and not in_recovery and not (outlasts and self._state is _State.FAILED):
            raise StoreUnavailable(self._trouble)
        future: asyncio.Future[Any] = self._loop.create_future()
        queue = self._recovery_queue if in_recovery else self._queue
        queue.append(_Waiting(operation, future, size, outlasts))
        self._wake()
        return future

    # Batches

    def _ready(self) -> deque[_Waiting]:
        if self._state is _State.FAILED:
            return self._recovery_queue
        return self._queue

    def _wake(self) -> None:
        if not self._writing and self._ready():
            self._writing = True
            # Not at once: those that this turn of the loop and the next ones bring join this commit.
            self._loop.call_soon(self._gather, 0, _MOST_TURNS)

    def _gather(self, before: int, turns: int) -> None:
        """Start to write what waits, unless there is more than in the turn before: then others may be on their way."""
        waiting = len(self._ready())
        if before < waiting < MOST_OPERATIONS and turns:
            self._loop.call_soon(self._gather, waiting, turns - 1)
        else:
            self._start()

    def _start(self) -> None:
        batch = list(self._take(self._ready()))
        operations = [waiting.operation for waiting in batch]
        written = self._loop.run_in_executor(self._thread, self._connection.write, operations, self.feed.is_watched)
        written.add_done_callback(partial(self._finish, batch, self._clock.monotonic()))

    def _take(self, queue: deque[_Waiting]) -> Iterable[_Waiting]:
        size = 0
        for _ in range(MOST_OPERATIONS):
            if not queue or (size and size + queue[0].size > MOST_BYTES):
                return
            waiting = queue.popleft()
            size += waiting.size
            yield waiting

    def _finish(
        self,
        batch: list[_Waiting],
        started: float,
        written: asyncio.Future[tuple[list[Any], Changes, Sequence[Committed]]],
    ) -> None:
        self._writing = False
        error = written.exception()
        if error is not None:
            self.figures.failed_commits += 1
            self._fail(batch, error)
        else:
            results, changes, committed = written.result()
            self.totals.apply(changes.by_name)
            took = self._clock.monotonic() - started
            self.figures.committed(len(batch), took, changes.ended, changes.attempts)
            if self._state is _State.OPEN:
                self._failures = 0
            for waiting, result in zip(batch, results, strict=True):
                _resolve(waiting.future, result)
            if committed:
                self.feed.publish(committed)
            self._wake()
        if self._idle is not None and not self._writing:
            _resolve(self._idle, None)

    # Failure and recovery

    def _fail(self, batch: list[_Waiting], error: BaseException) -> None:
        known = isinstance(error, STORE_FAULTS)
        self._trouble = f"cannot write: {sentence(error, self._path)}" if isinstance(error, Exception) else str(error)
        if not known:
            log.error("store.unexpected_error", exc_info=error)
        waiting = [*batch, *self._recovery_queue, *self._queue]
        self._recovery_queue.clear()
        self._queue = deque(one for one in waiting if one.outlasts)
        for one in waiting:
            if not one.outlasts:
                _resolve(one.future, StoreUnavailable(self._trouble))
        was, self._state = self._state, _State.FAILED
        if was is _State.OPEN:
            hint = "until it can, new events are answered 503 and outcomes of attempts wait in memory"
            log.error("store.unavailable", extra={"problem": self._trouble, "waiting": len(self._queue), "hint": hint})
            self._recovering = self._loop.create_task(self._recover())

    async def _recover(self) -> None:
        """Reopen until the file can be written again; then let the rest of the program look, and go on."""
        while True:
            await self._pause(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
            self._failures += 1
            if await self._reopened() and await self._looked():
                break
        self._recovery_token = None
        self._state = _State.OPEN
        log.warning("store.recovered", extra={"file": str(self._path), "waiting": len(self._queue)})
        self._wake()

    async def _reopened(self) -> bool:
        try:
            self.totals = await self._in_thread(self._connection.reopen)
        except _REOPEN_FAULTS as error:
            trouble = f"cannot write: {error if isinstance(error, StoreRefused) else sentence(error, self._path)}"
            if trouble != self._trouble:
                log.error("store.unavailable", extra={"problem": trouble})  # noqa: TRY400 - the sentence says it all
            self._trouble = trouble
            return False
        if self.on_reopened is not None:
            self.on_reopened()
        return True

    async def _looked(self) -> bool:
        if self.on_recovery is None:
            return True
        self._recovery_token = object()
        reset = _recovery.set(self._recovery_token)
        try:
            await self.on_recovery()
        except StoreUnavailable:
            return False
        except Exception:
            log.exception("store.unexpected_error", extra={"problem": "looking at what was written failed"})
            return False
        finally:
            _recovery.reset(reset)
        return True

    async def _pause(self, seconds: float) -> None:
        if seconds:
            over: asyncio.Future[None] = self._loop.create_future()
            timer = self._clock.call_later(seconds, partial(_resolve, over, None))
            try:
                await over
            finally:
                timer.cancel()

    # The end

    async def drain(self) -> None:
        """Take nothing more, and write what waits as far as that can be done."""
        self._trouble = "the store is closing"
        if self._state is _State.OPEN:
            self._state = _State.CLOSING
            await self._drained()
        if self._recovering is not None and not self._recovering.done():
            self._recovering.cancel()
            await asyncio.wait([self._recovering])
        if self._state is _State.FAILED:
            await self._last_try()
        self._state, self._trouble = _State.CLOSED, "the store is closed"
        for waiting in itertools.chain(self._recovery_queue, self._queue):
            _resolve(waiting.future, StoreUnavailable(self._trouble))
        self._recovery_queue.clear()
        self._queue.clear()

    async def close(self) -> None:
        """Close the file and end the thread; nothing can be opened any more."""
        await self._in_thread(self._connection.close)
        self._thread.shutdown(wait=False)

    async def _drained(self) -> None:
        while self._state is _State.CLOSING and (self._writing or self._queue):
            self._idle = self._loop.create_future()
            await self._idle

    async def _last_try(self) -> None:
        """Write the outcomes that wait, if the file can be written at this moment."""
        if self._queue and await self._reopened():
            self._state = _State.CLOSING
            self._wake()
            await self._drained()
        if self._queue:
            hint = "at the next start these deliveries count as interrupted and are sent again"
            log.error("store.outcomes_unwritten", extra={"waiting": len(self._queue), "hint": hint})

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    """Give a result, or an exception, to whoever still waits for it."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
