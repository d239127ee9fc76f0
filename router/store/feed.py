"""
What has just been committed, told to whoever watches.

Told are the events that were stored, and each delivery as it stands after a change. Nobody is told anything before it
is on disk, and while nobody watches nothing is gathered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from router.events import Event
from router.store.records import ListedDelivery

log = logging.getLogger("router.store")

Committed: TypeAlias = Event | ListedDelivery
Watcher: TypeAlias = Callable[[Sequence[Committed]], None]
"""Takes what one commit stored and changed, in that order. It is called on the event loop and must not wait."""


class Feed:
    """Who watches the store."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches; asked once for each commit, by the thread that writes it."""
        return bool(self._watchers)

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody of everything that is committed from now on."""
        self._watchers.append(watcher)

    def forget(self, watcher: Watcher) -> None:
        """Tell them nothing more."""
        self._watchers.remove(watcher)

    def publish(self, committed: Sequence[Committed]) -> None:
        """Tell everybody; whoever fails on it disturbs nobody else."""
        for watcher in [*self._watchers]:
            try:
                watcher(committed)
            except Exception:
                log.exception("store.watcher_failed")
