"""
The embedded store: one SQLite file, nothing to run beside the router.

`SqliteStore` is the whole protocol of `base.py`; its reading half is in `reading.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from router.clock import Clock, to_ms
from router.events import Delivery, Event, Rejection
from router.store import expiry as expiring
from router.store import objects, operations, ownership, queries, replaying
from router.store.commits import GroupCommit
from router.store.connections import WriteConnection
from router.store.feed import Feed
from router.store.figures import Figures
from router.store.files import FileLock, make_folder, prepare
from router.store.reading import ReadingVerbs
from router.store.records import (
    Accepted,
    Expiry,
    Forgotten,
    KnownObject,
    LaneState,
    Objection,
    RuleSetText,
    Taught,
    Transition,
    Untold,
)
from router.store.rows import delivery_row, event_row, message_bytes, rejection_row, ruleset_row
from router.store.transaction import Operation, Transaction

_BURIED_AT_ONCE = 500
"""Deliveries that one commit ends, so that ending a million delays nobody for long."""


class SqliteStore(ReadingVerbs):
    """
    The store in one file. Keep it to one event loop.

    Args:
        path: The file, usually `router.db` in the data folder; made where it is missing, and so is its folder.
        clock: Tells the pauses between tries to reopen the file after a failure.
        busy_timeout: Seconds that a commit waits for another program's lock before it counts as failed.
        exclusive: Keep other processes off the file. Off only where a test plays two nodes.
        vfs: Name of the SQLite file layer; a test puts a failing disk here.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_timeout: float = 2.0,
        exclusive: bool = True,
        vfs: str | None = None,
    ) -> None:
        super().__init__(path, vfs)
        self._vfs = vfs
        self._exclusive = exclusive
        self._lock: FileLock | None = None
        self._commits = GroupCommit(path, clock, WriteConnection(path, busy_timeout, vfs))
        self._commits.on_reopened = self._renew_readers
        self._epochs: dict[str, int] = {}
        self._closed = False

    @property
    def on_recovery(self) -> Callable[[], Awaitable[None]] | None:
        """Awaited after the store failed and can write again; what it writes goes before everything else."""
        return self._commits.on_recovery

    @on_recovery.setter
    def on_recovery(self, called: Callable[[], Awaitable[None]] | None) -> None:
        self._commits.on_recovery = called

    @property
    def available(self) -> bool:
        return self._commits.available

    @property
    def waiting(self) -> int:
        return self._commits.totals.waiting

    @property
    def figures(self) -> Figures:
        return self._commits.figures

    @property
    def feed(self) -> Feed:
        return self._commits.feed

    async def open(self) -> None:
        try:
            await self._commits.open(self._prepare)
        except BaseException:
            await self.close()
            raise

    def _prepare(self) -> None:
        make_folder(self._path.parent)
        if self._exclusive:
            self._lock = FileLock(self._path)
        prepare(self._path, self._vfs)

    def _renew_readers(self) -> None:
        self._lanes.renew()
        self._lists.renew()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._commits.drain()
        # Before the writer: who closes last moves the log into the file, and readers must not.
        await self._close_readers()
        await self._commits.close()
        if self._lock is not None:
            self._lock.release()

    async def save_ruleset(self, ruleset: RuleSetText) -> None:
        await self._commits.hand_in(partial(operations.save_ruleset, row=ruleset_row(ruleset)), len(ruleset.text))

    # Ingress

    async def accept(self, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None) -> Accepted:
        row = event_row(event)
        rows = [delivery_row(delivery) for delivery in deliveries]

        def operation(transaction: Transaction) -> Accepted:
            return operations.accept(transaction, event, row, rows, taught)

        accepted: Accepted = await self._commits.hand_in(operation, len(event.body))
        return accepted

    async def reject(self, rejection: Rejection) -> None:
        row = rejection_row(rejection)
        await self._commits.hand_in(partial(operations.reject, row=row), len(rejection.body))

    # Lanes

    async def own(self, destinations: Collection[str], at: datetime) -> Mapping[str, LaneState]:
        names = tuple(dict.fromkeys(destinations))
        owned: dict[str, LaneState] = await self._commits.hand_in(partial(ownership.own, destinations=names, at=at))
        self._epochs.update((name, lane.epoch) for name, lane in owned.items())
        return owned

    async def claim(self, delivery_id: int, epoch: int, at: datetime) -> Delivery | None:
        at_ms = to_ms(at)

        def operation(transaction: Transaction) -> Delivery | None:
            return operations.claim(transaction, delivery_id, epoch, at_ms)

        claimed: Delivery | None = await self._commits.hand_in(operation)
        return claimed

    async def record(self, transition: Transition) -> bool:
        operations.check(transition)
        message = message_bytes(transition.message)
        fallback_row = None if transition.fallback is None else delivery_row(transition.fallback)

        def operation(transaction: Transaction) -> bool:
            return operations.record(transaction, transition, message, fallback_row)

        recorded: bool = await self._commits.hand_in(operation, len(message or b""), outlasts=True)
        return recorded

    async def take_back(self, in_flight: Collection[int], at: datetime) -> int:
        count: int = await self._commits.hand_in(
            partial(ownership.take_back, epochs=dict(self._epochs), in_flight=frozenset(in_flight), at=to_ms(at))
        )
        return count

    async def bury(self, destination: str, at: datetime, reason: str) -> int:
        step: Operation = partial(
            ownership.bury, destination=destination, at=to_ms(at), reason=reason, limit=_BURIED_AT_ONCE
        )
        buried = 0
        while True:
            count: int = await self._commits.hand_in(step)
            buried += count
            if count < _BURIED_AT_ONCE:
                return buried

    async def destinations_waiting(self) -> Collection[str]:
        return self._commits.totals.destinations

    async def insert(self, delivery: Delivery) -> None:
        await self._commits.hand_in(partial(operations.insert, row=delivery_row(delivery)))

    async def alert(self, event: Event, delivery: Delivery, told: Untold | None = None) -> None:
        rows = event_row(event), delivery_row(delivery)
        await self._commits.hand_in(
            partial(operations.alert, event=event, event_row=rows[0], delivery_row=rows[1], told=told),
            len(event.body),
        )

    async def forget_untold(self) -> None:
        await self._commits.hand_in(operations.forget_untold)

    # What an admin asks for

    async def insert_unless(self, deliveries: Sequence[Delivery], objection: Objection) -> Sequence[str | None]:
        rows = [delivery_row(delivery) for delivery in deliveries]
        size = sum(len(row[-1] or b"") for row in rows)
        words: list[str | None] = await self._commits.hand_in(
            partial(replaying.insert_unless, deliveries=deliveries, rows=rows, objection=objection), size
        )
        return words

    async def release(self, delivery_id: int, at: datetime) -> Delivery | None:
        released: Delivery | None = await self._commits.hand_in(
            partial(replaying.release, delivery_id=delivery_id, at=to_ms(at))
        )
        return released

    async def accept_rejected(
        self, rejected_id: int, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None
    ) -> Accepted | None:
        row, rows = event_row(event), [delivery_row(delivery) for delivery in deliveries]

        def operation(transaction: Transaction) -> Accepted | None:
            return replaying.accept_rejected(transaction, rejected_id, event, row, rows, taught=taught)

        accepted: Accepted | None = await self._commits.hand_in(operation, len(event.body))
        return accepted

    # People, spaces and pages

    async def learn(self, taught: Sequence[Taught]) -> Sequence[KnownObject]:
        if not taught:
            return ()
        facts = await self._commits.hand_in(partial(objects.learn_all, taught=taught))
        return [KnownObject(*one.key, now) for one, now in zip(taught, facts, strict=True)]

    # Forgetting: what may go is looked up apart, so that the writer only removes it

    async def forget(self, expiry: Expiry, after: int, limit: int) -> Forgotten:
        found = await self._lists.read(expiring.expired, expiry, after, limit)
        if not found.ids:
            return found.forgotten
        removed: Forgotten = await self._commits.hand_in(partial(expiring.remove, expiry=expiry, ids=found.ids))
        return replace(removed, next=found.forgotten.next)

    async def forget_rejected(self, before: datetime, limit: int) -> int:
        ids = await self._lists.read(expiring.rejected_before, before, limit)
        if ids:
            await self._commits.hand_in(partial(expiring.remove_rejected, ids=ids))
        return len(ids)

    async def forget_objects(self, before: datetime, limit: int) -> int:
        keys = await self._lists.read(queries.objects_before, before, limit)
        if not keys:
            return 0
        removed: int = await self._commits.hand_in(partial(objects.forget, keys=keys, before=before))
        return removed

    async def forget_rulesets(self, before: datetime, keep: Collection[str]) -> int:
        hashes = await self._lists.read(expiring.unused_rulesets, before, tuple(keep))
        if not hashes:
            return 0
        removed: int = await self._commits.hand_in(
            partial(expiring.remove_rulesets, hashes=hashes, before=to_ms(before))
        )
        return removed
