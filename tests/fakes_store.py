"""A store in memory, for tests of what stands in front of a store, and of what happens when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from router.errors import StoreUnavailable
from router.events import Delivery, Event, Rejection
from router.store.records import Accepted, KnownObject, Taught


class MemoryStore:
    """
    Knows the verbs of ingress.

    Attributes:
        trouble: Where set, every write raises it.
        gates: Where not empty, each `accept` waits for the next of them before it gives its answer.
    """

    def __init__(self) -> None:
        self.stored: list[tuple[Event, tuple[Delivery, ...]]] = []
        self.rejections: list[Rejection] = []
        self.trouble: Exception | None = None
        self.available = True
        self.waiting = 0
        self.gates: list[asyncio.Future[None]] = []

    @property
    def events(self) -> list[Event]:
        return [event for event, _ in self.stored]

    async def accept(self, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None) -> Accepted:
        if self.trouble is not None:
            raise self.trouble
        same_body = [old for old in self.events if old.source == event.source and old.body_hash == event.body_hash]
        for old in same_body:
            recent = event.received_at - old.received_at <= timedelta(minutes=20)
            if old.name == event.name and old.upstream_id == event.upstream_id and (event.upstream_id or recent):
                return Accepted(old.id, repeat=True)
        self.stored.append((event, tuple(deliveries)))
        if self.gates:
            await self.gates.pop(0)
        return Accepted(event.id, repeated_body=bool(same_body) and event.upstream_id is not None)

    async def objects(self, keys: Sequence[tuple[str, str, str]]) -> Sequence[KnownObject]:
        """Nothing was ever learned."""
        return ()

    async def reject(self, rejection: Rejection) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.rejections.append(rejection)


def broken() -> StoreUnavailable:
    return StoreUnavailable("the disk is full")
