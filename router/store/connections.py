"""
The connections to one SQLite file, each used by one thread at a time.

One connection does all writes and all checkpoints; the others only read. SQLite 3.7.0 to 3.51.2 can lose commits when
two connections checkpoint and write (sqlite.org/wal.html, "the WAL-reset bug", read 2026-11); ours is newer, and one
writer is what a log needs anyway.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from router.errors import StoreRefused, StoreUnavailable
from router.events import Event
from router.store import queries, schema
from router.store.counts import Changes, Totals
from router.store.faults import STORE_FAULTS, FileMissing, sentence
from router.store.feed import Committed
from router.store.files import close_quietly, connect_reading, has_log
from router.store.standing import Identity, Standing, identity
from router.store.transaction import Operation, Transaction

log = logging.getLogger("router.store")

_SYNCED = 2
"""What `PRAGMA synchronous` answers for FULL."""

_PROBE = "0" * 16_384


class WriteConnection:
    """The only connection that writes. Every method blocks: call it in the writer's thread."""

    def __init__(self, path: Path, busy_timeout: float, vfs: str | None) -> None:
        self._path = path
        self._busy_timeout_ms = int(busy_timeout * 1000)
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._store_id: str | None = None
        self._standing: Standing | None = None

    def open(self) -> Totals:
        """
        Open the file, which must be there, migrate it, and make sure that a commit is synced.

        Raises:
            StoreRefused: It cannot be written, or commits would not be safe.
        """
        connection, totals, self._standing = self._opened()
        self._connection = connection
        # What a killed process left in the log was perhaps never synced. Move it into the file, synced, before
        # anything is written behind it.
        with contextlib.suppress(apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return totals

    def reopen(self) -> Totals:
        """
        Start anew after a failure, and try a write of the size of an event before anybody relies on it.

        The old connection is closed last. Were none open for a moment, the next one would read the log as after a crash
        and take a failed commit for a good one, although it was never synced; so long as one is open, the next commit
        overwrites it.

        Raises:
            StoreRefused, or one of STORE_FAULTS: It cannot be written yet.
        """
        self._regain()
        connection, totals, standing = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE; INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (_PROBE,))
            connection.execute("COMMIT; DELETE FROM meta WHERE key = 'probe'")
        except BaseException:
            close_quietly(connection)
            raise
        self.close()
        self._connection, self._standing = connection, standing
        return totals

    def _regain(self) -> None:
        """
        Make sure that what will be opened is what was open.

        Of a deleted log nothing is lost so long as it is open: all of it is moved into the file, and a new one begun.

        Raises:
            FileMissing: Another file has the place of one of ours, or the database is gone.
            STORE_FAULTS: The log cannot be moved into the file yet.
        """
        standing = self._standing
        if standing is None:
            return
        standing.check_file()
        if standing.log_file is None:
            return
        if not standing.log_is_gone():
            standing.check()
            return
        self._open_connection().wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        # Nothing writes to it any more, even if opening fails now: only what is opened next is written to.
        self._standing = replace(standing, log_file=None)

    def _opened(self) -> tuple[apsw.Connection, Totals, Standing]:
        file = self._standing.file if self._standing else identity(self._path)
        # Without SQLITE_OPEN_CREATE: a file that vanished while we ran must not come back as an empty one.
        connection = apsw.Connection(str(self._path), apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs)
        try:
            self._set_up(connection)
            schema.migrate(connection)
            self._check_identity(connection)
            totals = queries.totals(connection)
            return connection, totals, self._stands(connection, file)
        except BaseException:
            close_quietly(connection)
            raise

    def _set_up(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(self._busy_timeout_ms)
        if connection.readonly("main"):
            raise apsw.ReadOnlyError("opened read-only")
        mode = queries.single(connection, "PRAGMA journal_mode = WAL")
        for setting in (
            "synchronous = FULL",
            # Where the system offers it (macOS), sync through the drive's own cache too; elsewhere these do nothing.
            "fullfsync = ON",
            "checkpoint_fullfsync = ON",
            "foreign_keys = ON",
            "cache_size = -4096",  # KiB; what it misses, the system still has in memory
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {setting}").fetchall()
        synced = queries.single(connection, "PRAGMA synchronous")
        if mode != "wal" or synced != _SYNCED:
            raise StoreRefused(
                f"{self._path} cannot be written safely (journal {mode}, synchronous {synced}; expected wal and"
                f" {_SYNCED}); keep the data folder on a local disk, not on a network share"
            )

    def _stands(self, connection: apsw.Connection, file: Identity | None) -> Standing:
        """Make sure that what stood there before, and nothing else, was opened."""
        log = Path(connection.filename_wal)
        log_file = identity(log)
        if file is None or log_file is None or file != identity(self._path):
            raise FileMissing(f"{self._path} was deleted or replaced while it was being opened")
        return Standing(self._path, file, log, log_file)

    def _check_identity(self, connection: apsw.Connection) -> None:
        store_id = queries.single(connection, "SELECT value FROM meta WHERE key = 'store_id'")
        if self._store_id not in (None, store_id):
            raise StoreRefused(f"{self._path} has been replaced by another store while in use; restart the router")
        self._store_id = store_id

    def write(
        self, operations: Sequence[Operation], watched: bool = False
    ) -> tuple[list[Any], Changes, Sequence[Committed]]:
        """
        Run operations in one transaction and commit it.

        Args:
            watched: Whether anybody wants to know what was stored and changed.

        Returns:
            Per operation its result, or the exception with which it alone failed; what they counted; and, where
            somebody watches, the events and deliveries that were stored or changed.

        Raises:
            One of STORE_FAULTS: Nothing was written, as far as can be told.
        """
        connection = self._open_connection()
        try:
            results, transaction = self._write_all(connection, operations, watched)
        except BaseException:
            with contextlib.suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise
        return results, transaction.counts, _committed(connection, transaction.told)

    def _write_all(
        self, connection: apsw.Connection, operations: Sequence[Operation], watched: bool
    ) -> tuple[list[Any], Transaction]:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        transaction = Transaction(cursor, watched=watched)
        try:
            results = [operation(transaction) for operation in operations]
        except STORE_FAULTS:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it must not fail those who share the transaction
            if connection.in_transaction:
                cursor.execute("ROLLBACK")
            cursor.execute("BEGIN IMMEDIATE")
            transaction = Transaction(cursor, watched=watched)
            results = [_isolated(transaction, operation) for operation in operations]
        transaction.write_gathered()
        if self._standing is not None:
            self._standing.check()
        cursor.execute("COMMIT")
        return results, transaction

    def _open_connection(self) -> apsw.Connection:
        if self._connection is None:
            raise apsw.ConnectionClosedError("the store is closed")
        return self._connection

    def close(self) -> None:
        """Close, moving the log into the file where nobody else has it open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            close_quietly(connection)


def _isolated(transaction: Transaction, operation: Operation) -> Any:
    try:
        return transaction.isolated(operation)
    except STORE_FAULTS:
        raise
    except apsw.Error as error:
        return ValueError(f"this cannot be stored: {error}")
    except Exception as error:  # noqa: BLE001 - it is handed to the one who brought the operation
        return error


def _committed(connection: apsw.Connection, told: Sequence[Event | int]) -> Sequence[Committed]:
    """Read how deliveries stand that were changed just now; nobody else writes, so nothing has happened since."""
    if not told:
        return ()
    changes = list(dict.fromkeys(change if isinstance(change, int) else change.id for change in told))
    events = {change.id: change for change in told if not isinstance(change, int)}
    try:
        deliveries = queries.as_listed(connection.execute, [number for number in changes if number not in events])
    except Exception:  # it is committed, and must not seem to have failed
        log.exception("store.unexpected_error", extra={"problem": "what was committed could not be told"})
        return list(events.values())
    found = ((events.get(number) or deliveries.get(number)) for number in changes)
    return [one for one in found if one is not None]


def _answered(query: Callable[[apsw.Connection], Any], connection: apsw.Connection) -> Any:
    try:
        return query(connection)
    except STORE_FAULTS:
        raise
    except Exception as error:  # noqa: BLE001 - it is handed to the one who asked
        return error


class ReadConnection:
    """A connection that only reads. Every method blocks: call it in its own thread."""

    def __init__(self, path: Path, vfs: str | None) -> None:
        self._path = path
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._whole = False

    def read(self, queries: Sequence[Callable[[apsw.Connection], Any]]) -> list[Any]:
        """
        Run queries in one snapshot of everything committed until now.

        Returns:
            For each its result, or the exception with which it alone failed.

        Raises:
            StoreUnavailable: The file cannot be read.
        """
        try:
            results = self._read(queries)
        except STORE_FAULTS as error:
            overtaken = self._was_overtaken()
            self.close()
            if not overtaken:
                raise StoreUnavailable(f"cannot read: {sentence(error, self._path)}") from None
        else:
            if not self._was_overtaken():
                return results
            self.close()
        return self.read(queries)

    def _read(self, queries: Sequence[Callable[[apsw.Connection], Any]]) -> list[Any]:
        if self._connection is None:
            self._whole = not has_log(self._path)
            self._connection = connect_reading(self._path, self._vfs)
        self._connection.execute("BEGIN")
        try:
            return [_answered(query, self._connection) for query in queries]
        finally:
            self._connection.execute("COMMIT")

    def _was_overtaken(self) -> bool:
        """Somebody began to write to a file that was read as if nobody could: what was read means nothing."""
        return self._whole and has_log(self._path)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            close_quietly(connection)
