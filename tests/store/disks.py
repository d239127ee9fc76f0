"""A disk that fails on demand and notes what was synced: a layer of SQLite's own, between it and the real files."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
from pathlib import Path
from typing import Any

import apsw

_NUMBERS = itertools.count()


class FailingDisk(apsw.VFS):
    """
    The real file system, until told otherwise.

    Attributes:
        fails_sync, fails_write: Whether the log can be synced, and any file be written.
        is_full: Whether a write says that there is no space left.
        journal: What happened to the log, in order: `write`, `sync`.

    It also remembers what is on its platters: content as of each file's latest sync.
    """

    def __init__(self) -> None:
        self.name = f"failing-{next(_NUMBERS)}"
        self.fails_sync = False
        self.fails_write = False
        self.is_full = False
        self.journal: list[str] = []
        self.synced: dict[str, bytes] = {}
        self._writing = threading.Lock()
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the name is SQLite's
        return _File(self, name, flags)

    def fail(self) -> None:
        self.fails_sync = True

    def after_power_cut(self, folder: Path) -> Path:
        """Lay the files out as they would be found after a power cut that lost everything not synced."""
        folder.mkdir()
        for name, content in self.synced.items():
            if Path(name).exists():
                (folder / Path(name).name).write_bytes(content)
        return folder

    def after_kill(self, path: Path, folder: Path) -> Path:
        """
        Copy a store's files as a process leaves them that is killed now, perhaps in the middle of a commit.

        The index of the log (`-shm`) is memory; the file and its log are what is left.
        """
        folder.mkdir()
        with self._writing:
            for suffix in ("", "-wal"):
                source = path.with_name(path.name + suffix)
                if source.exists():
                    shutil.copy(source, folder / source.name)
        return folder / path.name

    def change(self) -> threading.Lock:
        """Held while a file changes."""
        return self._writing

    def heal(self) -> None:
        self.fails_sync = self.fails_write = self.is_full = False


class _File(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = name if isinstance(name, str) else name.filename() if name is not None else ""
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("", name, flags)

    def xWrite(self, content: Any, offset: int) -> None:  # noqa: N802
        if self._disk.is_full:
            raise apsw.FullError("no space left")
        if self._disk.fails_write:
            raise apsw.IOError("write failed")
        if self._is_log:
            self._disk.journal.append("write")
        with self._disk.change():
            super().xWrite(content, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        with self._disk.change():
            super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._is_log and self._disk.fails_sync:
            raise apsw.IOError("sync failed")
        super().xSync(flags)
        with contextlib.suppress(FileNotFoundError):  # a test may delete it
            self._disk.synced[self._name] = Path(self._name).read_bytes()
        if self._is_log:
            self._disk.journal.append("sync")
