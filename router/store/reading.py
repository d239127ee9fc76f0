"""
The reading half of the embedded store, on connections of its own, which wait for no writer.

`SqliteReader` is for commands that look into the file while no router runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import apsw

from router.errors import StoreRefused, StoreUnavailable
from router.events import Attempt, Event, Rejection
from router.store import expiry as expiring
from router.store import history as recorded
from router.store import queries, replaying, schema
from router.store.connections import ReadConnection
from router.store.records import (
    DeliveryFilter,
    EventFilter,
    Expiry,
    Forgotten,
    KnownObject,
    ListedDelivery,
    Moments,
    Replayable,
    ReplayFilter,
    RuleSetText,
    Stats,
    Untold,
    Waiting,
)

T = TypeVar("T")

_Query: TypeAlias = Callable[[apsw.Connection], Any]


class _Reading:
    """
    One reading connection in a thread of its own.

    What is asked for in one turn of the event loop goes there together: deliveries whose claims shared a commit want
    their events at the same moment, and the way to a thread and back costs ten times as much as reading one.
    """

    def __init__(self, path: Path, vfs: str | None, name: str) -> None:
        self._connection = ReadConnection(path, vfs)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}")
        self._asked: list[tuple[_Query, asyncio.Future[Any]]] = []

    async def read(self, query: Callable[..., T], *arguments: Any) -> T:
        def ask(connection: apsw.Connection) -> T:
            return query(connection, *arguments)

        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._asked.append((ask, answer))
        if len(self._asked) == 1:
            loop.call_soon(self._start)
        return await answer

    def _start(self) -> None:
        asked, self._asked = self._asked, []
        if not asked:  # a close was quicker
            return
        read = partial(self._connection.read, [query for query, _ in asked])
        try:
            reading = asyncio.get_running_loop().run_in_executor(self._thread, read)
        except RuntimeError:  # the thread has been ended
            _tell(asked, [StoreUnavailable("the store is closed")] * len(asked))
        else:
            reading.add_done_callback(partial(self._finish, asked))

    @staticmethod
    def _finish(asked: list[tuple[_Query, asyncio.Future[Any]]], reading: asyncio.Future[list[Any]]) -> None:
        error = reading.exception()
        _tell(asked, reading.result() if error is None else [error] * len(asked))

    def renew(self) -> None:
        """Open the file anew at the next read: its log may be another one now."""
        self._thread.submit(self._connection.close)

    async def close(self) -> None:
        self._start()  # what is asked already goes first: behind the end it would open the file once more
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)


def _tell(asked: Sequence[tuple[_Query, asyncio.Future[Any]]], answers: Sequence[Any]) -> None:
    """Give everybody who still waits the answer, or the exception, to what was asked."""
    for (_, future), answer in zip(asked, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class ReadingVerbs:
    """The verbs that change nothing; lists are read apart, so that a slow one does not delay a lane."""

    def __init__(self, path: Path, vfs: str | None) -> None:
        self._path = path
        self._lanes = _Reading(path, vfs, "lanes")
        self._lists = _Reading(path, vfs, "lists")

    async def ruleset(self, ruleset_hash: str) -> RuleSetText | None:
        return await self._lanes.read(queries.ruleset, ruleset_hash)

    async def due(self, destinations: Collection[str], at: datetime, limit: int) -> Sequence[Waiting]:
        return await self._lanes.read(queries.due, tuple(destinations), at, limit)

    async def next_due(self, destinations: Collection[str], after: datetime) -> datetime | None:
        return await self._lanes.read(queries.next_due, tuple(destinations), after)

    async def event(self, event_id: int) -> Event | None:
        return await self._lanes.read(queries.event, event_id)

    async def events(self, wanted: EventFilter) -> Sequence[Event]:
        return await self._lists.read(queries.events, wanted)

    async def delivery(self, delivery_id: int) -> ListedDelivery | None:
        return await self._lists.read(queries.delivery, delivery_id)

    async def deliveries(self, wanted: DeliveryFilter) -> Sequence[ListedDelivery]:
        return await self._lists.read(queries.deliveries, wanted)

    async def newest_delivery(self) -> int:
        return await self._lists.read(replaying.newest_delivery)

    async def replayable(self, wanted: ReplayFilter, after: int, limit: int) -> Replayable:
        return await self._lists.read(replaying.replayable, wanted, after, limit)

    async def attempts(self, delivery_id: int) -> Sequence[Attempt]:
        return await self._lists.read(queries.attempts, delivery_id)

    async def rejected(self, since: datetime | None, limit: int, cursor: int | None) -> Sequence[Rejection]:
        return await self._lists.read(queries.rejected, since, limit, cursor)

    async def rejection(self, rejected_id: int) -> Rejection | None:
        return await self._lists.read(queries.rejection, rejected_id)

    async def stats(self) -> Stats:
        return await self._lists.read(queries.stats)

    async def moments(self, sources: Collection[str]) -> Moments:
        return await self._lists.read(queries.moments, tuple(sources))

    async def objects(self, keys: Sequence[tuple[str, str, str]]) -> Sequence[KnownObject]:
        return await self._lanes.read(queries.objects, tuple(keys))

    async def newest_objects(self, source: str, limit: int) -> Sequence[tuple[str, str, bytes]]:
        return await self._lanes.read(queries.newest_objects, source, limit)

    async def untold(self) -> Sequence[Untold]:
        return await self._lists.read(queries.untold)

    async def forgettable(self, expiry: Expiry, after: int, limit: int) -> Forgotten:
        return (await self._lists.read(expiring.expired, expiry, after, limit)).forgotten

    async def count_rejected(self, before: datetime) -> int:
        return await self._lists.read(expiring.count_rejected, before)

    async def _close_readers(self) -> None:
        await self._lanes.close()
        await self._lists.close()


class SqliteReader(ReadingVerbs):
    """
    The reading verbs on a store that a router may have open or not; creates, migrates and writes nothing.

    The verbs of its own are for going through all that came.
    """

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        super().__init__(path, vfs)

    async def open(self) -> None:
        """
        Check that there is a store that this version can read.

        Raises:
            StoreRefused: There is none, or it is of another version.
            StoreUnavailable: It cannot be read now.
        """
        if not self._path.exists():
            raise StoreRefused(f"there is no store at {self._path}; name its folder with --data")
        version = await self._lists.read(schema.version)
        if version != schema.NEWEST:
            raise StoreRefused(
                f"{self._path} has schema {version}, this version of the router reads {schema.NEWEST}; start the router"
                " once to migrate an older one, install the newer version for a newer one"
            )

    async def close(self) -> None:
        await self._close_readers()

    async def latest_ruleset(self) -> RuleSetText | None:
        """Find the rule set that was loaded last."""
        return await self._lists.read(recorded.latest_ruleset)

    async def beginning(self, since: datetime) -> recorded.Span:
        """Give the span of all events that came since."""
        return await self._lists.read(recorded.beginning, since)

    async def newest_of(self, span: recorded.Span, count: int) -> recorded.Span:
        """Give the part of a span that holds its newest events, so many of them at most."""
        return await self._lists.read(recorded.newest_of, span, count)

    async def count_history(self, span: recorded.Span, most: int | None = None) -> int:
        """Tell how many events there are in a span; as far as it matters."""
        return await self._lists.read(recorded.count_history, span, most)

    async def history(self, span: recorded.Span) -> Sequence[Event | recorded.Illegible]:
        """List the newest events of a span, as many as are a part; none where there are none."""
        return await self._lists.read(recorded.history, span)
