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
