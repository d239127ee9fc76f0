"""What the API tells is learned: kept in the store, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from router.clock import Clock
from router.messages.directory import Directory
from router.messages.learning import lesson
from router.payload import JSON
from router.spaces.client import Access
from router.store.base import Store
from router.store.records import Taught

LEARNED_AT_ONCE = 500
"""Objects of one commit, and of one turn of the event loop."""


class Learner:
    """Learns from models of the API as ingress learns from bodies: the newest version counts, whoever brought it."""

    def __init__(self, store: Store, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock

    async def learn(self, access: Access, kind: str, models: Sequence[Mapping[str, JSON]]) -> int:
        """
        Learn from these, some at a time; how many of them told something.

        Each commit reaches memory before the next one is begun: an event may tell something newer in between.

        Raises:
            StoreUnavailable: Nothing more was learned; what came before it holds.
        """
        count = 0
        for start in range(0, len(models), LEARNED_AT_ONCE):
            count += await self._learn(access, kind, models[start : start + LEARNED_AT_ONCE])
            await asyncio.sleep(0)  # also where nothing was told, which no commit waits for
        return count

    async def _learn(self, access: Access, kind: str, models: Sequence[Mapping[str, JSON]]) -> int:
        now = self._clock.now()
        lessons = [told for model in models if (told := lesson(kind, model)) is not None]
        known = await self._store.learn(
            [Taught(access.source, told, now, keeps_before=access.keeps_before) for told in lessons]
        )
        self._directory.learn_all(access.source, ((each.kind, each.object_id, each.facts) for each in known))
        return len(known)
