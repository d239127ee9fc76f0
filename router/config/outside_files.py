"""Files beside the rule file, which hold a template or a secret."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_beginning(path: Path, most: int) -> bytes:
    """
    Read so many bytes of a file, or all of it where it has fewer. Never waits for what nobody may ever write.

    Raises:
        OSError: It cannot be read, or is a pipe or a device.
        ValueError: No file can have that name.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device; expected a file")
        return file.read(most)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would be opened only once somebody writes into it


def open_to_others(path: Path) -> int | None:
    """
    Give the mode of a file that every user of this machine can read; None for any other, or where nobody can tell.

    Others need to get there: no folder on the way may be closed to them. What lies on a file system that cannot be
    written, as containers get their secrets, can be given no other mode, and is left out.
    """
    if os.name != "posix":
        return None
    try:
        real = path.resolve()
        mode = real.stat().st_mode
        closed = not mode & stat.S_IROTH or any(not each.stat().st_mode & stat.S_IXOTH for each in real.parents)
        is_fixed = bool(os.statvfs(real).f_flag & os.ST_RDONLY)
    except OSError:
        return None
    return None if closed or is_fixed else stat.S_IMODE(mode)
