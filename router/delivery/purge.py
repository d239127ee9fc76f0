"""Purging: what retention does by itself, done now and for what somebody names, in steps short enough to wait for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from router.delivery.retention import BATCH
from router.store.base import Store
from router.store.records import Expiry

SHORTEST_AGE = timedelta(days=1)
"""Repeats are recognised by what is stored, and they must be for at least a day."""

_BATCHES = 10
"""Commits of one step."""

_REJECTED = 2**63 - 1
"""Where the events are done with and the rejected requests begin: no id is larger."""


@dataclass(frozen=True)
class Purged:
    """
    What was removed, or would be.

    Attributes:
        unhandled: Dead letters that nobody had dealt with; they are among `deliveries`.
        next: Where the next step begins; None at the end.
    """

    events: int = 0
    deliveries: int = 0
    unhandled: int = 0
    rejected: int = 0
    next: int | None = None

    def plus(self, later: Purged) -> Purged:
        """Add up two steps, of which the other one came later."""
        return Purged(
            self.events + later.events,
            self.deliveries + later.deliveries,
            self.unhandled + later.unhandled,
            self.rejected + later.rejected,
            later.next,
        )


async def purge(store: Store, expiry: Expiry, after: int, *, dry_run: bool) -> Purged:
    """
    Remove a first part of what has expired: events and, unless states or a destination are named, rejected requests.

    Args:
        after: `next` of the step before; 0 to begin.
        dry_run: Only tell what would be removed.
    """
    if after == _REJECTED:
        return await _rejected(store, expiry.before, dry_run=dry_run)
    verb = store.forgettable if dry_run else store.forget
    step = Purged(next=after)
    for _ in range(_BATCHES):
        if step.next is None:
            break
        batch = await verb(expiry, step.next, BATCH)
        step = step.plus(Purged(batch.events, batch.deliveries, batch.unhandled, next=batch.next))
    narrowed = bool(expiry.states) or expiry.destination is not None
    return step if step.next is not None or narrowed else replace(step, next=_REJECTED)


async def _rejected(store: Store, before: datetime, *, dry_run: bool) -> Purged:
    if dry_run:
        return Purged(rejected=await store.count_rejected(before))
    removed = 0
    for _ in range(_BATCHES):
        count = await store.forget_rejected(before, BATCH)
        removed += count
        if not count:
            return Purged(rejected=removed)
    return Purged(rejected=removed, next=_REJECTED)
