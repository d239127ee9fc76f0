"""Silence: a source that says `expect_every` and sends nothing for so long."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from router.clock import Clock, Timer
from router.config.model import Configuration
from router.delivery.alert_texts import about_silence
from router.errors import StoreUnavailable
from router.payload import JSON
from router.store.base import Store

GRACE = timedelta(minutes=16)
"""After a start: so long does Spaces try again what it could not deliver while the router was down."""


def silent_at(
    expected: timedelta, *, last_event_at: datetime | None, told_at: datetime | None, started_at: datetime
) -> datetime:
    """
    Say when a source counts as silent, or as silent still.

    Args:
        expected: Its `expect_every`.
        last_event_at: Of all that is known, also from before the start; None where there is none.
        told_at: When people were told of its silence last.
        started_at: When the router began to listen.
    """
    moments = [(last_event_at or started_at) + expected, started_at + min(expected, GRACE)]
    if told_at is not None:
        moments.append(told_at + expected)
    return max(moments)


class Silences:
    """
    Watches the sources that are expected to speak.

    Args:
        arrivals: Gives the time of the latest event of each source since the start.
        tell: Raises the alert.
        spawn: Runs something in the background.
    """

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        arrivals: Callable[[], Mapping[str, datetime]],
        store: Store,
        clock: Clock,
        tell: Callable[[Mapping[str, JSON]], Awaitable[bool]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._configuration = configuration
        self._arrivals = arrivals
        self._store = store
        self._clock = clock
        self._tell = tell
        self._spawn = spawn
        self._started_at = clock.now()
        self._before: dict[str, datetime | None] = {}
        self._told_at: dict[str, datetime] = {}
        self._timers: dict[str, Timer] = {}

    def remember(self, source: str, told_at: datetime) -> None:
        """Take note that an earlier process told of the silence of a source then."""
        self._told_at[source] = max(told_at, self._told_at.get(source, told_at))

    async def begin(self) -> None:
        """Watch the sources of the current rule set, and no others."""
        self.stop()
        expected = [name for name, source in self._configuration().sources.items() if source.expect_every is not None]
        if unknown := [name for name in expected if name not in self._before]:
            last = (await self._store.moments(unknown)).last_event_at
            self._before |= {name: last.get(name) for name in unknown}
        for name in self._configuration().sources:
            self._watch(name)

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _watch(self, name: str) -> None:
        due_at = self._due_at(name)
        if due_at is not None:
            wait = (due_at - self._clock.now()).total_seconds()
            if (earlier := self._timers.get(name)) is not None:
                earlier.cancel()
            self._timers[name] = self._clock.call_later(wait, partial(self._look, name))

    def _due_at(self, name: str) -> datetime | None:
        source = self._configuration().sources.get(name)
        if source is None or source.expect_every is None:
            return None
        return silent_at(
            source.expect_every,
            last_event_at=self._last(name),
            told_at=self._told_at.get(name),
            started_at=self._started_at,
        )

    def _last(self, name: str) -> datetime | None:
        return self._arrivals().get(name) or self._before.get(name)

    def _look(self, name: str) -> None:
        del self._timers[name]
        due_at = self._due_at(name)
        if due_at is not None and due_at <= self._clock.now():
            self._spawn(self._tell_of(name))
        else:
            self._watch(name)

    async def _tell_of(self, name: str) -> None:
        source = self._configuration().sources.get(name)
        if source is None or source.expect_every is None:
            return
        now = self._clock.now()
        with contextlib.suppress(StoreUnavailable):  # that is the greater trouble; this is told again in its time
            await self._tell(about_silence(name, source.expect_every, self._last(name), self._started_at))
        self._told_at[name] = now
        self._watch(name)
