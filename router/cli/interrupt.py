"""Ctrl-C for what should come to a good end: a wish to stop, which is looked at where stopping does no harm."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Takes note of Ctrl-C as long as it is entered; whoever presses it a second time stops at once."""

    def __init__(self) -> None:
        self._has_come = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other can take signals
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def has_come(self) -> bool:
        """Whether somebody pressed it."""
        return self._has_come

    def _note(self, _: int, __: FrameType | None) -> None:
        if self._has_come:
            raise KeyboardInterrupt
        self._has_come = True

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
