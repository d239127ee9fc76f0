"""Retention: what is old and done with is forgotten, a little at a time, at the start and every hour."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from router.clock import Clock, Timer
from router.durations import format_duration
from router.errors import StoreUnavailable
from router.store.base import Store
from router.store.records import Expiry, Forgotten

log = logging.getLogger("router.retention")

EVERY = timedelta(hours=1)
BATCH = 100
"""Events that one commit looks at and may remove: some milliseconds, which those who share the commit wait longer."""
PAUSE = 0.1
"""Seconds between two batches, so that most commits have nothing to remove."""

UNHANDLED_TIMES = 3
"""Dead letters that nobody dealt with stay so many times as long."""

OBJECTS_TIMES = 3
"""So do the names of people, spaces and pages of which nothing is heard."""


class Retention:
    """
    Removes what has been kept for long enough.

    Args:
        keep: How long.
        in_use: Tells the hash of the rule set that judges now.
    """

    def __init__(self, keep: timedelta, *, store: Store, in_use: Callable[[], str], clock: Clock) -> None:
        self._keep = keep
        self._store = store
        self._in_use = in_use
        self._clock = clock
        self._was_in_use = ""
        self._timer: Timer | None = None
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin at once, and again every hour; a run that takes longer is not begun twice."""
        if not self.is_running:
            self._running = asyncio.get_running_loop().create_task(self._run())
        self._timer = self._clock.call_later(EVERY.total_seconds(), self.start)

    async def stop(self) -> None:
        """End a run after the batch that is under way; the rest goes at the next start. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    @property
    def is_running(self) -> bool:
        return self._running is not None and not self._running.done()

    async def _run(self) -> None:
        try:
            await self._forget(self._clock.now())
        except StoreUnavailable:
            pass  # the store has said so itself, and in an hour there is another run
        except Exception:
            log.exception("retention.failed", extra={"hint": "what is old stays for another hour"})

    async def _forget(self, now: datetime) -> None:
        events = await self._forget_events(Expiry(now - self._keep, now - UNHANDLED_TIMES * self._keep))
        rejected = await self._forget_rejected(now - self._keep)
        rulesets = await self._forget_rulesets(now - self._keep)
        objects = await self._forget_objects(now - OBJECTS_TIMES * self._keep)
        if events.events or rejected or rulesets or objects:
            log.info(
                "retention.removed",
                extra={
                    "older_than": format_duration(self._keep),
                    "events": events.events,
                    "deliveries": events.deliveries,
                    "unhandled_dead_letters": events.unhandled,
                    "rejected": rejected,
                    "rulesets": rulesets,
                    "objects": objects,
                },
            )

    async def _forget_events(self, expiry: Expiry) -> Forgotten:
        removed = Forgotten()
        following: int | None = 0
        while following is not None:
            batch = await self._store.forget(expiry, following, BATCH)
            removed = removed.plus(batch)
            following = batch.next
            if following is not None:
                await self._pause()
        return removed

    async def _forget_rejected(self, before: datetime) -> int:
        removed = 0
        while count := await self._store.forget_rejected(before, BATCH):
            removed += count
            await self._pause()
        return removed

    async def _forget_objects(self, before: datetime) -> int:
        removed = 0
        while count := await self._store.forget_objects(before, BATCH):
            removed += count
            await self._pause()
        return removed

    async def _forget_rulesets(self, before: datetime) -> int:
        """Keep also the one in use an hour ago: events that it judged last may be about to be stored."""
        in_use = self._in_use()
        keep = {in_use, self._was_in_use}
        self._was_in_use = in_use
        return await self._store.forget_rulesets(before, keep)

    async def _pause(self) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(PAUSE, lambda: None if over.done() else over.set_result(None))
        try:
            await over
        finally:
            timer.cancel()
