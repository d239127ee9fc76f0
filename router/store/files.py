"""The store's folder, its lock, and the checks made on a file before anything is written to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from urllib.parse import quote

import apsw

from router.errors import StoreRefused
from router.store import schema
from router.store.faults import STORE_FAULTS, sentence
from router.store.queries import single

THOROUGH_CHECK_BYTES = 64 * 1024 * 1024
"""Up to this size a file is checked page by page at start; beyond it, its header and schema only."""

_RESTORE = "move it aside and restore a backup in its place; without a backup, a new file is made at the next start"


def with_suffix(path: Path, suffix: str) -> Path:
    """Name a file that stands beside the database: `-wal`, `-shm`, `.lock`."""
    return path.with_name(path.name + suffix)


def make_folder(folder: Path) -> None:
    """
    Make sure that the folder is there; one that we make is for the owner only, one that stands is left as it is.

    Raises:
        StoreRefused: It cannot be made or written to.
    """
    try:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(parent.parent)
    except OSError as error:
        raise StoreRefused(
            f"the data folder {folder} cannot be made: {error.strerror}; make it yourself for the user that runs the"
            " router, or name another with --data"
        ) from None
    if not folder.is_dir():
        raise StoreRefused(f"the data folder {folder} is no folder; name another with --data")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreRefused(
            f"the data folder {folder} cannot be written to; give it to the user that runs the router, or name another"
            " with --data"
        )


class FileLock:
    """Keeps a second process off a file for as long as this one lives; a killed process keeps nothing locked."""

    def __init__(self, path: Path) -> None:
        """
        Take the lock.

        Raises:
            StoreRefused: Another process has it; the text names that process.
        """
        lock_path = with_suffix(path, ".lock")
        try:
            self._descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreRefused(f"the lock file {lock_path} cannot be opened: {error.strerror}") from None
        try:
            os.fchmod(self._descriptor, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise StoreRefused(
                f"{path} is in use by another router (process {holder}); stop that one, or give this one another folder"
                " with --data"
            ) from None
        except OSError as error:
            self.release()
            raise StoreRefused(f"the lock file {lock_path} cannot be locked: {error.strerror}") from None

    def release(self) -> None:
        """Let go; safe to call twice. The file stays, because removing it would let two processes lock two files."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def prepare(path: Path, vfs: str | None) -> None:
    """
    Check the file that is there, changing nothing, or make a new one; then see to its mode.

    Raises:
        StoreRefused: It is damaged, of a newer version, or somebody else's.
    """
    if path.exists():
        _inspect(path, vfs)
    elif _has_content(with_suffix(path, "-wal")):
        raise StoreRefused(
            f"{path} is missing, but {path.name}-wal with its latest changes is there; put the file back, or move the"
            " other one aside to start with a new store"
        )
    else:
        _create(path, vfs)
    try:
        path.chmod(0o600)
    except OSError as error:
        raise StoreRefused(f"the mode of {path} cannot be set to 0600: {error.strerror}") from None


def _create(path: Path, vfs: str | None) -> None:
    """
    Make a new store under another name and move it into place whole.

    So a file under the right name is never half made, and an empty one there is known to be damaged.
    """
    unfinished = with_suffix(path, ".new")
    try:
        for leftover in (unfinished, with_suffix(unfinished, "-journal")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with contextlib.closing(apsw.Connection(str(unfinished), apsw.SQLITE_OPEN_READWRITE, vfs=vfs)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            schema.migrate(connection)
        unfinished.rename(path)
        sync_folder(path.parent)
    except STORE_FAULTS as error:
        raise StoreRefused(f"a new store cannot be made: {sentence(error, path)}") from None


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _inspect(path: Path, vfs: str | None) -> None:
    if not path.is_file():
        raise StoreRefused(f"{path} is no file; name another folder with --data")
    size = path.stat().st_size
    if size == 0:
        raise StoreRefused(f"{path} is empty, so its content is lost; {_RESTORE}")
    try:
        connection = connect_reading(path, vfs)
        try:
            version = schema.version(connection)
            found = single(connection, "PRAGMA quick_check(1)") if size <= THOROUGH_CHECK_BYTES else "ok"
        finally:
            close_quietly(connection)
    except STORE_FAULTS as error:
        raise StoreRefused(_refusal(error, path)) from None
    if found != "ok":
        raise StoreRefused(f"{path} is damaged ({found}); {_RESTORE}")
    if version == 0:
        raise StoreRefused(f"{path} is a database, but not one of this router; {_RESTORE}")
    if version > schema.NEWEST:
        raise StoreRefused(
            f"{path} was written by a newer version of the router (its schema is {version}, this version knows"
            f" {schema.NEWEST}); install that version again, or restore a backup from before it"
        )


def _refusal(error: Exception, path: Path) -> str:
    if isinstance(error, apsw.NotADBError):
        return f"{path} is not a database; {_RESTORE}"
    if isinstance(error, apsw.CorruptError):
        return f"{path} is damaged ({error}); {_RESTORE}"
    return sentence(error, path)


def connect_reading(path: Path, vfs: str | None) -> apsw.Connection:
    """
    Open a database to read what is in it, with a promise to change nothing.

    Without a write-ahead log, everything is in the file itself and nobody has it open: opened as immutable, reading it
    makes no file beside it. With one, the log's index is needed (SQLite makes it anew where it is missing).
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not has_log(path):
        uri += "&immutable=1"
    connection = apsw.Connection(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, vfs=vfs)
    connection.set_busy_timeout(2000)
    connection.wal_autocheckpoint(0)
    connection.execute("PRAGMA query_only = ON")
    return connection


def close_quietly(connection: apsw.Connection) -> None:
    """Close; what is committed is on disk, so an error could only say that the log was not moved into the file."""
    with contextlib.suppress(*STORE_FAULTS):
        connection.close(True)


def has_log(path: Path) -> bool:
    """Whether a write-ahead log stands beside the database: somebody has it open, or was killed while having it."""
    return with_suffix(path.resolve(), "-wal").exists()  # where the database is a link, SQLite puts it at the other end
