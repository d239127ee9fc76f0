"""What the contract suite needs of a kind of store; PostgreSQL joins by adding a harness."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import apsw

from router.events import DeliveryState
from router.store.base import Store
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.store.disks import FailingDisk


class Harness(Protocol):
    """One place of storage, and handles on it."""

    clock: Clock

    async def make(self) -> Store:
        """Open a handle; further ones play further nodes on the same storage."""
        ...

    def fail(self) -> None:
        """Let commits fail from now on."""
        ...

    def heal(self) -> None: ...

    async def crash(self) -> Store:
        """Open a handle on what a killed process would have left at this moment; the earlier handles are useless."""
        ...

    async def close(self) -> None:
        """Close all handles."""
        ...

    def counted(self) -> Mapping[str, Any]:
        """Count row by row: `events` (those that came), `rejected`, `repeated_bodies`, `deliveries`, `waiting`."""
        ...


class SqliteHarness:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.disk = FailingDisk()
        self.path = folder / "router.db"
        self._folder = folder
        self._lives = 0
        self._handles: list[SqliteStore] = []

    async def make(self) -> SqliteStore:
        store = SqliteStore(self.path, self.clock, exclusive=False, vfs=self.disk.name)
        await store.open()
        self._handles.append(store)
        return store

    def fail(self) -> None:
        self.disk.fail()

    def heal(self) -> None:
        self.disk.heal()

    async def crash(self) -> SqliteStore:
        self._lives += 1
        left = self.disk.after_kill(self.path, self._folder / f"life-{self._lives}")
        self.heal()
        await self.close()
        self.path = left
        return await self.make()

    async def close(self) -> None:
        while self._handles:
            await self._handles.pop().close()

    def counted(self) -> Mapping[str, Any]:
        connection = apsw.Connection(str(self.path), apsw.SQLITE_OPEN_READONLY)
        try:
            states = dict(connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))
            ((events, repeated),) = connection.execute(
                "SELECT count(*), coalesce(sum(flags & 1), 0) FROM events WHERE NOT flags & 2"
            )
            ((rejected,),) = connection.execute("SELECT count(*) FROM rejected")
            waiting = connection.execute(
                "SELECT destination, count(*) FROM deliveries"
                " WHERE state IN ('held', 'pending', 'retrying', 'sending') GROUP BY destination"
            )
            return {
                "events": events,
                "rejected": rejected,
                "repeated_bodies": repeated,
                "deliveries": {state: states.get(state.value, 0) for state in DeliveryState},
                "waiting": dict(waiting),
            }
        finally:
            connection.close()
