"""All people and spaces of a source: read at the start, every hour, and sooner when somebody unknown is met."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from router.clock import Clock, Timer
from router.config.model import Source
from router.errors import StoreUnavailable
from router.messages.directory import SPACES, USERS
from router.spaces.background import Background
from router.spaces.client import Access, ApiFailure, SpacesClient
from router.spaces.figures import Standing
from router.spaces.learner import Learner
from router.waiting import done_within

log = logging.getLogger("router.spaces")

EVERY_SECONDS = 3600.0
SOON_SECONDS = 300.0
"""Between two reads that somebody asked for."""

MOST_MISSING = 5_000
"""People and spaces of a source that are remembered not to be there."""

Met: TypeAlias = tuple[str, str]
"""Kind and id of somebody, or of a space, that is not known."""

START_SECONDS = 5.0
"""So long does a start wait for names, of all sources together. What is not there by then comes in the background."""


class Refreshes:
    """
    Reads the people and spaces of every source that has an API.

    Args:
        sources: Those of the running rule set.
    """

    def __init__(
        self,
        *,
        sources: Callable[[], Mapping[str, Source]],
        client: SpacesClient,
        learner: Learner,
        standing: Standing,
        clock: Clock,
    ) -> None:
        self._sources = sources
        self._client = client
        self._learner = learner
        self._standing = standing
        self._clock = clock
        self._by_source: dict[str, _Refresh] = {}
        self._background = Background()
        self._is_on = False

    async def start(self) -> None:
        """Read everything; come back when that is done, after five seconds at most."""
        self._is_on = True
        self.adopt()
        await done_within(self._background, self._clock, START_SECONDS)

    def adopt(self) -> None:
        """Ask the sources of the running rule set, and no others. One that is new, or has another key, is read now."""
        if not self._is_on:
            return
        wanted = {name: access for name, source in self._sources().items() if (access := Access.of(source))}
        for name, refresh in list(self._by_source.items()):
            if wanted.get(name) != refresh.access:
                refresh.stop()
                del self._by_source[name]
                self._standing.begin_anew(name)
        for name, access in wanted.items():
            if name not in self._by_source:
                refresh = self._by_source[name] = _Refresh(access, self._read, self._clock, self._background)
                refresh.begin()

    def ask_soon(self, source: str, met: Iterable[Met] | None = None) -> None:
        """
        Read a source again, as somebody or a space was met that is not known.

        Args:
            met: None to read it whoever it was.
        """
        if (refresh := self._by_source.get(source)) is not None:
            refresh.ask_soon(None if met is None else frozenset(met))

    async def stop(self) -> None:
        """End at once. Safe to call twice."""
        self._is_on = False
        for refresh in self._by_source.values():
            refresh.stop()
        self._by_source.clear()
        await self._background.end()

    async def quiet(self) -> None:
        """Wait until nothing is being read."""
        await self._background.quiet()

    async def _read(self, access: Access) -> _Read:
        """Read all people and spaces."""
        kinds = (USERS, SPACES)
        lists = await asyncio.gather(*(self._read_list(access, kind) for kind in kinds))
        complete = frozenset(kind for kind, (is_read, _) in zip(kinds, lists, strict=True) if is_read)
        if len(complete) == len(kinds):
            self._standing.refreshed(access.source)
        return _Read(complete, max(wait for _, wait in lists))

    async def _read_list(self, access: Access, kind: str) -> tuple[bool, float]:
        """Read one list; whether all of it could be read, and for how many seconds the API wants to be left alone."""
        try:
            async with aclosing(self._client.listed(access, kind)) as listed:
                async for models in listed:
                    await self._learner.learn(access, kind, models)
        except ApiFailure as failure:
            self._standing.failed(access.source, kind, failure.problem)
            return False, failure.wait or 0.0
        except StoreUnavailable:
            return False, 0.0  # the store has said so itself, and what is known stays
        except Exception:
            log.exception("api.bug", extra={"source": access.source, "asked_for": kind})
            return False, 0.0
        self._standing.worked(access.source, kind)
        return True, 0.0


@dataclass(frozen=True)
class _Read:
    """
    What a read came to.

    Attributes:
        complete: Kinds of which all were read.
        wait: Seconds for which the API wants to be left alone.
    """

    complete: frozenset[str]
    wait: float


class _Refresh:
    """
    When one source is read.

    Who is met, and not brought by the read that follows, is not there: an account that was deleted, or a space that is
    not for this key. For them nothing is read before its hour, however often they are met.
    """

    def __init__(
        self,
        access: Access,
        read: Callable[[Access], Coroutine[Any, Any, _Read]],
        clock: Clock,
        background: Background,
    ) -> None:
        self.access = access
        self._read = read
        self._clock = clock
        self._background = background
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._due = 0.0
        self._soonest = 0.0
        self._met: set[Met] = set()
        self._missing: set[Met] = set()

    def begin(self) -> None:
        """Read it now."""
        self._timer = None
        self._soonest = self._clock.monotonic() + SOON_SECONDS
        self._task = self._background.begin(self._run())

    def ask_soon(self, met: frozenset[Met] | None) -> None:
        """Read it again before the hour is over, unless they are known to be missing; a read under way will do."""
        if met is not None:
            met -= self._missing
            if not met:
                return
            if len(self._met) < MOST_MISSING:
                self._met |= met
        if self._timer is not None and self._soonest < self._due:
            self._wait_until(self._soonest)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        met_before, self._met = self._met, set()
        read = await self._read(self.access)
        if len(self._missing) >= MOST_MISSING:
            self._missing.clear()
        self._missing |= {each for each in met_before if each[0] in read.complete}
        now = self._clock.monotonic()
        self._soonest = max(self._soonest, now + read.wait)
        self._wait_until(now + EVERY_SECONDS)

    def _wait_until(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._clock.call_later(due - self._clock.monotonic(), self.begin)
