"""Telling trouble of the store from trouble with one row, and saying it in a sentence for an admin."""

from __future__ import annotations

from pathlib import Path

import apsw


class FileMissing(Exception):
    """A file of the store is not where it was opened, so what is written would be lost; the text says all."""


STORE_FAULTS: tuple[type[Exception], ...] = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.InternalError,
    apsw.InterruptError,
    apsw.LockedError,
    apsw.MisuseError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
    apsw.ThreadingViolationError,
    FileMissing,
    OSError,
)
"""After one of these nothing is known of the transaction; anything else is the fault of the row that raised it."""


def sentence(error: Exception, path: Path) -> str:
    """Say what went wrong with a file and what mends it."""
    if isinstance(error, FileMissing):
        return str(error)
    if isinstance(error, apsw.FullError):
        return f"the disk of {path} is full; free some space there"
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return f"another program holds a lock on {path}; end it (a database browser or a backup, perhaps)"
    if isinstance(error, apsw.NotADBError):
        return f"{path} is not a database; move it aside and restore a backup in its place"
    if isinstance(error, apsw.CorruptError):
        return f"{path} is damaged ({error}); stop the router, move the file aside and restore a backup in its place"
    if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError):
        return f"{path} is read-only; check the permissions of the file and its folder, and how its disk is mounted"
    if isinstance(error, apsw.CantOpenError | FileNotFoundError):
        return f"{path} cannot be opened; check that it is there, and the permissions of the file and its folder"
    if isinstance(error, apsw.IOError):
        return f"the disk of {path} reported an error ({error}); check the disk and the system's log"
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return f"{path}: {error}"
