"""A copy of the store, taken while the router runs or while nothing does, and looked through before it counts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import apsw

from router.errors import StoreRefused, StoreUnavailable
from router.store import schema
from router.store.faults import STORE_FAULTS, sentence
from router.store.files import close_quietly, connect_reading, has_log, sync_folder
from router.store.queries import single

_STEPS = 100_000
"""Instructions of SQLite between two looks at whether somebody wants to interrupt."""


def back_up(database: Path, target: Path) -> int:
    """
    Copy everything that is committed at this moment to a new file; blocks, and delays no writer.

    The copy is a store of its own without free space in it, has mode 0600, and is synced. It takes its name only once
    it has passed SQLite's whole check.

    Returns:
        Its size in bytes.

    Raises:
        StoreRefused: There is no store, the target is there already or cannot be made, or the copy is not whole.
        StoreUnavailable: The store cannot be read now.
    """
    if not database.exists():
        raise StoreRefused(f"there is no store at {database}; name its folder with --data")
    _reserve(target)
    try:
        unfinished = _unfinished(target)
        try:
            _copy(database, unfinished)
            _verify(unfinished)
            size = _sync(unfinished)
            unfinished.rename(target)
            sync_folder(target.parent)
        finally:
            unfinished.unlink(missing_ok=True)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreRefused(f"the backup {target} cannot be made: {error.strerror or error}") from None
        raise
    return size


def _reserve(target: Path) -> None:
    """Take the name, so that nothing that is there or comes there is ever overwritten."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreRefused(f"{target} is there already, and a backup overwrites nothing; name another file") from None
    except OSError as error:
        raise StoreRefused(
            f"the backup {target} cannot be made: {error.strerror}; name a file in a folder that is there and that you"
            " may write to"
        ) from None


def _unfinished(target: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    os.close(descriptor)
    return Path(name)


def _copy(database: Path, copy: Path) -> None:
    """Copy one snapshot. What is copied as if nobody could write is copied again where somebody began to."""
    while True:
        whole = not has_log(database)
        try:
            _vacuum_into(database, copy)
        except STORE_FAULTS as error:
            if not (whole and has_log(database)):
                # A full disk is that of the copy: reading needs no room.
                place = copy.parent if isinstance(error, apsw.FullError) else database
                raise StoreUnavailable(f"cannot copy: {sentence(error, place)}") from None
        else:
            if not (whole and has_log(database)):
                return
        os.truncate(copy, 0)


def _vacuum_into(database: Path, copy: Path) -> None:
    connection = connect_reading(database, None)
    try:
        # The connection was opened read-only and stays so; this setting would forbid the copy as well.
        connection.execute("PRAGMA query_only = OFF")
        # Python answers Ctrl-C only between two of its own instructions: give it some.
        connection.set_progress_handler(lambda: False, _STEPS)
        connection.execute("VACUUM INTO ?", (str(copy),)).fetchall()
    finally:
        close_quietly(connection)


def _verify(copy: Path) -> None:
    try:
        connection = apsw.Connection(str(copy), apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_progress_handler(lambda: False, _STEPS)
            version = schema.version(connection)
            found = single(connection, "PRAGMA integrity_check(1)")
            # Tables name each other across the file too.
            dangling: Any = connection.execute("PRAGMA foreign_key_check").fetchone()
        finally:
            close_quietly(connection)
    except STORE_FAULTS as error:
        raise StoreRefused(f"the copy is not whole: {sentence(error, copy)}") from None
    if not version:
        raise StoreRefused("what was copied is a database, but not one of this router; nothing was kept")
    if found != "ok" or dangling is not None:
        detail = found if found != "ok" else f"a row of {dangling[0]} names one that is missing"
        raise StoreRefused(f"the copy is not whole ({detail}), so the store itself may be damaged; nothing was kept")


def _sync(copy: Path) -> int:
    descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            copy.chmod(0o600)
