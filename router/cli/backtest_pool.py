"""Who compares the events of a back-test: this process, or for a long history several, each some events at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace

from router.cli.backtest_tally import Group
from router.cli.backtest_work import Part, Task, Wish, Worker
from router.cli.group import Failed
from router.cli.interrupt import Interrupt
from router.store.history import Span

MOST_PROCESSES = 4
LONG = 4_000
"""Events from which on further processes, which take a second to start, are worth it."""

_EVENTS = 200
"""Of a task."""

_AHEAD = 3
"""Tasks that are given out for each process, so that none waits for the next."""

_LOOK_SECONDS = 0.2
"""Between two looks at whether somebody pressed Ctrl-C."""

DoneWith = Callable[[], frozenset[Group]]


def processes_for(worker: Worker, span: Span) -> int:
    """Say how many processes should compare these events."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST_PROCESSES) if count > 1 and worker.count(span, LONG) == LONG else 1


def parts(worker: Worker, span: Span, processes: int, done_with: DoneWith, interrupt: Interrupt) -> Iterator[Part]:
    """
    Compare event by event, the newest first, and give what came of it bit by bit; stops where that is wanted.

    Args:
        done_with: Tells what there are enough examples of by now.

    Raises:
        Failed: A process came to an end, or found another rule set than the others.
    """
    tasks = (Task(each, done_with()) for each in _spans(worker, span))
    if processes == 1:
        while not interrupt.has_come() and (task := next(tasks, None)) is not None:
            yield worker.work(task, interrupt)
        return
    # Not forked: a child that begins with the locks of threads which it does not have may stand still for ever.
    spawning = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawning, _begin, (worker.wish, worker.both.hashes))
    under_way: deque[Future[Part]] = deque()
    try:
        while not interrupt.has_come():
            while len(under_way) < processes * _AHEAD and (task := next(tasks, None)) is not None:
                with _deaf_children():
                    under_way.append(pool.submit(_work, task))
            if not under_way:
                return
            if wait([under_way[0]], _LOOK_SECONDS).done:
                yield under_way.popleft().result()
    except BrokenProcessPool:
        raise Failed(
            "a process that compared events was ended, perhaps for want of memory. --jobs 1 takes a single one, and"
            " --limit fewer events."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started meanwhile never hear Ctrl-C, as soon as they are there: we do, and end them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spans(worker: Worker, span: Span) -> Iterator[Span]:
    """Cut a span into tasks, the newest first, each when it is asked for."""
    rest = span
    while (newest := worker.newest_of(rest, _EVENTS)).first > rest.first:
        yield newest
        rest = replace(rest, before=newest.first)
    yield rest


# In a process of its own

_own: list[Worker] = []
"""The worker of this process, once it has begun."""

_told: list[tuple[Wish, tuple[str, str]]] = []


def _begin(wish: Wish, hashes: tuple[str, str]) -> None:
    _told.append((wish, hashes))


def _work(task: Task) -> Part:
    if not _own:
        wish, hashes = _told[0]
        worker = Worker(wish).__enter__()  # until the process ends
        if worker.both.hashes != hashes:
            raise Failed("the rules were changed while they were being compared. Start again.")
        _own.append(worker)
    return _own[0].work(task, Interrupt())
