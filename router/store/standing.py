"""
Whether the files that are open still stand under their names.

A file that was deleted or replaced can be written and synced as before; all of it is gone when the process ends. The
log is no better than the file: it holds what was committed since the last checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from router.store.faults import FileMissing

Identity = tuple[int, int]
"""Device and inode."""


def identity(path: Path) -> Identity | None:
    """
    Say which file stands under a name; None for no file.

    Raises:
        OSError: That cannot be told.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True, slots=True)
class Standing:
    """
    The database and its log as they were opened.

    Attributes:
        path: Of the database, as it was given; it may be a link.
        log: Path of the log as SQLite names it, behind the link.
        log_file: None where the log was given up, and all of it is in the file.
    """

    path: Path
    file: Identity
    log: Path
    log_file: Identity | None

    def check(self) -> None:
        """
        Make sure that what is written now will be found at the next start.

        Raises:
            FileMissing: The database or its log is gone, or another file has its place.
            OSError: That cannot be told.
        """
        self.check_file()
        found = identity(self.log)
        if found is None:
            raise FileMissing(f"{self.log}, which holds the latest commits, was deleted or moved away while in use")
        if found != self.log_file:
            raise FileMissing(
                f"{self.log} was replaced by another file while in use; move that one away, and the router goes on"
            )

    def check_file(self) -> None:
        """Do as `check` for the database alone."""
        found = identity(self.path)
        if found is None:
            raise FileMissing(
                f"{self.path} was deleted or moved away while in use; move it back, and the router goes on. If it is"
                f" lost, stop the router, move {self.log.name} aside where it is still there, put a backup in the place"
                " of the lost file (without one, an empty store is begun), and start again"
            )
        if found != self.file:
            raise FileMissing(
                f"{self.path} was replaced by another file while in use; move the former one back, and the router goes"
                f" on. To use the other one, stop the router, move {self.log.name} aside, and start again"
            )

    def log_is_gone(self) -> bool:
        return identity(self.log) is None
