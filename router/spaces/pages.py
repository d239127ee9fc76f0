"""Single pages, looked up while a message is written: quickly, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from router.clock import Clock
from router.config.model import Source
from router.errors import StoreUnavailable
from router.messages.directory import PAGES
from router.spaces.background import Background
from router.spaces.client import Access, ApiFailure, SpacesClient
from router.spaces.figures import Standing
from router.spaces.learner import Learner
from router.waiting import done_within

log = logging.getLogger("router.spaces")

FIND_SECONDS = 2.0
"""So long does a message wait for the titles of its pages, and so long do all together that come in a burst."""

RECOVERY = 20.0
"""So many seconds without any waiting allow for one of it again."""

AT_ONCE = 4
"""Pages of one source."""

MOST_UNDER_WAY = 100
"""Of one source, with those that wait for their turn: what comes on top is not looked up."""

PAUSE_SECONDS = 60.0
"""No look-ups after one that failed, or came too late: a thousand messages that wait must not wait for each of them."""

MISSING_SECONDS = 600.0
"""A page that is not there, or not for this key, is not asked for again."""

MOST_MISSING = 5_000

_SHORTEST_WAIT = 0.01

_TOO_SLOW = (
    f"the Spaces API of source {{source}} takes more than {FIND_SECONDS:g} s for a page; messages go without its"
    f" title, and no page is looked up for {PAUSE_SECONDS:g} s"
)


class Pages:
    """
    Looks pages up that messages refer to, and nobody knows.

    Args:
        sources: Those of the running rule set: an event may have been judged under one with a key of yesterday.
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
        self._by_source: dict[str, _LookUps] = {}
        self._background = Background()
        self._stopped = False

    async def find(self, source: str, wanted: Iterable[tuple[str, str]]) -> None:
        """
        Look up what is wanted, and learn it. Comes back after two seconds at the latest, sooner where others have
        waited for this source just now; never raises.

        What is not there by then goes on in the background, and is there for later messages.

        Args:
            wanted: Ids of pages, each with that of its space.
        """
        look_ups = self._of(source)
        if look_ups is None:
            return
        tasks = [task for page_id, space_id in dict.fromkeys(wanted) if (task := look_ups.begin(page_id, space_id))]
        await look_ups.patience.wait_for(tasks)

    async def stop(self) -> None:
        """Look nothing more up. Safe to call twice."""
        self._stopped = True
        await self._background.end()

    async def quiet(self) -> None:
        """Wait until nothing is being looked up."""
        await self._background.quiet()

    def _of(self, name: str) -> _LookUps | None:
        source = self._sources().get(name)
        access = Access.of(source) if source is not None and not self._stopped else None
        if access is None:
            return None
        known = self._by_source.get(name)
        if known is None or known.access != access:
            known = self._by_source[name] = _LookUps(access, self._look_up, self._clock, self._background)
        return known

    def _failed(self, look_ups: _LookUps, problem: str, wait: float | None = None) -> None:
        """Look nothing more up for a while, and say why, unless that was a key or an address of yesterday."""
        look_ups.pause(wait or PAUSE_SECONDS)
        if self._is_current(look_ups):
            self._standing.failed(look_ups.access.source, PAGES, problem)

    def _is_current(self, look_ups: _LookUps) -> bool:
        source = self._sources().get(look_ups.access.source)
        return source is not None and Access.of(source) == look_ups.access

    async def _look_up(self, look_ups: _LookUps, page_id: str, space_id: str) -> None:
        too_slow = _TOO_SLOW.format(source=look_ups.access.source)
        timer = self._clock.call_later(FIND_SECONDS, partial(self._failed, look_ups, too_slow))
        try:
            await self._ask(look_ups, page_id, space_id)
        finally:
            timer.cancel()

    async def _ask(self, look_ups: _LookUps, page_id: str, space_id: str) -> None:
        access, source = look_ups.access, look_ups.access.source
        try:
            model = await self._client.page(access, space_id, page_id)
            if not await self._learner.learn(access, PAGES, [model]):
                look_ups.missed(page_id, space_id)
        except ApiFailure as failure:
            if not failure.is_of_one_page:
                self._failed(look_ups, failure.problem, failure.wait)
                return
            look_ups.missed(page_id, space_id)
        except StoreUnavailable:
            return  # the store has said so itself, and the message is not to wait
        except Exception:
            look_ups.pause(PAUSE_SECONDS)
            log.exception("api.bug", extra={"source": source, "asked_for": PAGES})
            return
        # What came too late is no proof that the next one comes in time.
        if not look_ups.is_paused and self._is_current(look_ups):
            self._standing.worked(source, PAGES)


class _Patience:
    """
    How long messages may wait for the pages of one source.

    A lane writes one message at a time, so that each waits for those before it: eight that wait 1.9 s would hold up the
    last one by 15 s. So the time is shared, and what is not there when it is used up comes in the background.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = FIND_SECONDS
        self._waiting = 0
        self._reckoned_at = clock.monotonic()

    async def wait_for(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait until these are done, or the time is used up."""
        self._reckon()
        if self._left < _SHORTEST_WAIT or not tasks:
            return
        self._waiting += 1
        try:
            await done_within(tasks, self._clock, self._left)
        finally:
            self._reckon()
            self._waiting -= 1

    def _reckon(self) -> None:
        """Take off the time in which somebody has waited, however many; put back some for that in which nobody has."""
        now = self._clock.monotonic()
        passed = now - self._reckoned_at
        self._left += -passed if self._waiting else passed / RECOVERY
        self._left = min(FIND_SECONDS, max(0.0, self._left))
        self._reckoned_at = now


class _LookUps:
    """Those of one source: which are under way, which came to nothing, and whether any may begin."""

    def __init__(
        self,
        access: Access,
        look_up: Callable[[_LookUps, str, str], Coroutine[Any, Any, None]],
        clock: Clock,
        background: Background,
    ) -> None:
        self.access = access
        self.patience = _Patience(clock)
        self._look_up = look_up
        self._clock = clock
        self._background = background
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._missing: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._paused_until = 0.0

    @property
    def is_paused(self) -> bool:
        return self._clock.monotonic() < self._paused_until

    def pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def missed(self, page_id: str, space_id: str) -> None:
        """Remember for a while that this page is not to be had."""
        key = page_id, space_id
        self._missing[key] = self._clock.monotonic() + MISSING_SECONDS
        self._missing.move_to_end(key)
        if len(self._missing) > MOST_MISSING:
            self._missing.popitem(last=False)

    def begin(self, page_id: str, space_id: str) -> asyncio.Task[None] | None:
        """Give the look-up of a page, new or under way; None where it is not to be asked for now."""
        key = page_id, space_id
        if self.is_paused or self._missing.get(key, 0.0) > self._clock.monotonic():
            return None
        task = self._under_way.get(key)
        if task is None and len(self._under_way) < MOST_UNDER_WAY:
            task = self._under_way[key] = self._background.begin(self._in_turn(page_id, space_id))
        return task

    async def _in_turn(self, page_id: str, space_id: str) -> None:
        try:
            async with self._places:
                if not self.is_paused:
                    await self._look_up(self, page_id, space_id)
        finally:
            del self._under_way[page_id, space_id]
