"""
The store: what is on disk, in a dozen verbs.

Every verb that writes is one transaction, shared with whatever else waits at that moment, and returns only after a
synced commit. Each transition of a delivery is one conditional update on its old state and the epoch of its lane's
owner, so a late or repeated call changes nothing. `tests/store/test_contract.py` proves these promises for every store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from router.events import Attempt, Delivery, Event, Rejection
from router.store.feed import Feed
from router.store.figures import Figures
from router.store.records import (
    Accepted,
    DeliveryFilter,
    EventFilter,
    Expiry,
    Forgotten,
    KnownObject,
    LaneState,
    ListedDelivery,
    Moments,
    Objection,
    Replayable,
    ReplayFilter,
    RuleSetText,
    Stats,
    Taught,
    Transition,
    Untold,
    Waiting,
)


class Store(Protocol):
    """
    A place where events and deliveries survive.

    Writing verbs raise `StoreUnavailable` when nothing was, or may have been, written; the store then reopens itself,
    reads what really is there, and calls `on_recovery` before it takes the next write. Until that has returned they
    fail at once, except for `record`, which waits, and for what `on_recovery` itself writes. A verb that failed may be
    called again as it was. What can never be stored raises `ValueError` and disturbs nobody else.

    Reading verbs see everything committed before they were called, also while nothing can be written; they raise
    `StoreUnavailable` where the store cannot even be read.
    """

    on_recovery: Callable[[], Awaitable[None]] | None
    """Awaited after the store failed, reopened and can write again, before any other write; it may write."""

    @property
    def available(self) -> bool:
        """Whether a write would be tried now."""
        ...

    @property
    def waiting(self) -> int:
        """Deliveries that are not final, kept by counting; for the queue limit."""
        ...

    @property
    def figures(self) -> Figures:
        """What was counted since it was made."""
        ...

    @property
    def feed(self) -> Feed:
        """Who is told of each event that is stored and each delivery that changes, once that is on disk."""
        ...

    async def open(self) -> None:
        """
        Open, migrate, and check that a commit is synced.

        Raises:
            StoreRefused: In use by another process, damaged, or of a newer version; nothing was changed.
        """
        ...

    async def close(self) -> None:
        """Write what waits, then close. Safe to call twice."""
        ...

    async def save_ruleset(self, ruleset: RuleSetText) -> None:
        """Keep a rule set; of one that is kept already only `loaded_at` moves on."""
        ...

    async def ruleset(self, ruleset_hash: str) -> RuleSetText | None: ...

    # Ingress

    async def accept(self, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None) -> Accepted:
        """
        Store an event and its deliveries, or find that it is a repeat and store nothing.

        What it teaches of its object is learned in the same commit, as `learn` does; what was known before stands in
        the stored event's facts.

        A repeat has the source, upstream id, name and body of a stored event; without an upstream id, the name and
        body of one stored at most 20 minutes before.
        """
        ...

    async def reject(self, rejection: Rejection) -> None:
        """Keep what was answered 400."""
        ...

    # Lanes

    async def own(self, destinations: Collection[str], at: datetime) -> Mapping[str, LaneState]:
        """
        Become the owner of these lanes under a new epoch each; an earlier owner's writes fail from now on.

        Where it fails, call it again before claiming: the epochs on disk may have moved. What an earlier owner left
        `sending` gets an attempt with outcome `interrupted` and is `pending` again with its
        old `due_at`, or `dead` with reason `interrupted` when this was its fifth interruption.
        """
        ...

    async def due(self, destinations: Collection[str], at: datetime, limit: int) -> Sequence[Waiting]:
        """List deliveries that are pending or retrying and due, ordered by (`due_at`, `id`)."""
        ...

    async def next_due(self, destinations: Collection[str], after: datetime) -> datetime | None:
        """Say when the first of those that are not due yet will be."""
        ...

    async def claim(self, delivery_id: int, epoch: int, at: datetime) -> Delivery | None:
        """Turn a waiting delivery to `sending`; None where it does not wait any more or the epoch is stale."""
        ...

    async def record(self, transition: Transition) -> bool:
        """
        Write an outcome; False where the delivery has moved on or the epoch is stale.

        While the store cannot write, this waits: an outcome is never given up. Transitions that were handed in before
        a `claim` are written before it or with it. Repeating one that was written changes nothing and gives False.
        An attempt `delivered` sets the lane's `consecutive_failures` to 0 and its `last_success_at`;
        `temporary` and `permanent` add 1.
        """
        ...

    async def take_back(self, in_flight: Collection[int], at: datetime) -> int:
        """Turn what is `sending` under our epochs, but not in flight, to `pending`; no byte of it left. The count."""
        ...

    async def bury(self, destination: str, at: datetime, reason: str) -> int:
        """
        End everything of a destination that waits (`held`, `pending`, `retrying`) as `dead`; the count.

        A large number takes several commits; where one fails, the earlier ones stand, and calling again does the rest.
        """
        ...

    async def destinations_waiting(self) -> Collection[str]:
        """Destinations of which anything is not final."""
        ...

    async def insert(self, delivery: Delivery) -> None:
        """
        Store a further delivery of a stored event: a replay, a fallback, an alert, a test.

        One of the same id stays as it is. As `sending` under a stale epoch it would be stored as `pending`. Where the
        event has been forgotten, this is a `ValueError`.
        """
        ...

    # Alerts

    async def untold(self) -> Sequence[Untold]:
        """List the destinations with dead letters that no alert has told of; a verb that reads."""
        ...

    async def alert(self, event: Event, delivery: Delivery, told: Untold | None = None) -> None:
        """
        Store an alert: an event of the router's own, which counts as none that came, and its delivery.

        Args:
            told: The dead letters that it tells of; what died meanwhile is still to be told.
        """
        ...

    async def forget_untold(self) -> None:
        """Let no alert tell of what has died so far."""
        ...

    # What an admin asks for

    async def insert_unless(self, deliveries: Sequence[Delivery], objection: Objection) -> Sequence[str | None]:
        """
        Store further deliveries of stored events in one commit, each unless there is an objection to it.

        Those that stand before it in the sequence are there already when one is looked at. One of the same id stays as
        it is, and nothing objects to it. None of them is `sending`.

        Returns:
            Per delivery None, or the word for why it was not stored.
        """
        ...

    async def release(self, delivery_id: int, at: datetime) -> Delivery | None:
        """Turn a `held` or `retrying` delivery to `pending`, due now; None where it is neither."""
        ...

    async def accept_rejected(
        self, rejected_id: int, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None
    ) -> Accepted | None:
        """Accept the event of a request that was answered 400, which is not kept as such any more; None without it."""
        ...

    # People, spaces and pages

    async def learn(self, taught: Sequence[Taught]) -> Sequence[KnownObject]:
        """
        Keep what was told of objects, in one commit; what is known of each now, in the same order.

        An older version never replaces a newer one, nor what was told without a version what has one.
        """
        ...

    async def objects(self, keys: Sequence[tuple[str, str, str]]) -> Sequence[KnownObject]:
        """Look objects up by source, kind and id; those of which nothing is known are left out."""
        ...

    async def newest_objects(self, source: str, limit: int) -> Sequence[tuple[str, str, bytes]]:
        """
        List what was learned last of a source, people and spaces before pages; what comes first stands last.

        Returns:
            Kind, id, and facts as JSON: at a start there are many, and few of them will be looked at.
        """
        ...

    # Forgetting

    async def forget(self, expiry: Expiry, after: int, limit: int) -> Forgotten:
        """
        Remove events that have expired, with their deliveries and attempts, in one commit.

        Totals stay: they count what ever was.

        Args:
            after: Id of an event after which to go on; 0 to begin.
            limit: So many events at most are looked at, whether they may go or not; fewer where they are large.
        """
        ...

    async def forgettable(self, expiry: Expiry, after: int, limit: int) -> Forgotten:
        """Tell what `forget` would remove now; changes nothing."""
        ...

    async def forget_rejected(self, before: datetime, limit: int) -> int:
        """Remove some of the rejected requests that came before, `limit` at most; 0 where none is left."""
        ...

    async def count_rejected(self, before: datetime) -> int:
        """Tell how many rejected requests `forget_rejected` would remove in all."""
        ...

    async def forget_objects(self, before: datetime, limit: int) -> int:
        """Remove some of the objects that nothing was learned of since, `limit` at most; 0 where none is left."""
        ...

    async def forget_rulesets(self, before: datetime, keep: Collection[str]) -> int:
        """
        Remove rule sets which no stored event or delivery names, and that were last loaded before; the count.

        Args:
            keep: Hashes of those which are in use, however long ago they were loaded.
        """
        ...

    # Reading

    async def event(self, event_id: int) -> Event | None: ...

    async def events(self, wanted: EventFilter) -> Sequence[Event]: ...

    async def delivery(self, delivery_id: int) -> ListedDelivery | None: ...

    async def deliveries(self, wanted: DeliveryFilter) -> Sequence[ListedDelivery]: ...

    async def newest_delivery(self) -> int:
        """Give the largest id of a delivery; 0 where there is none."""
        ...

    async def replayable(self, wanted: ReplayFilter, after: int, limit: int) -> Replayable:
        """
        List what a filter fits, with messages.

        Args:
            after: Id after which to go on; 0 to begin.
            limit: So many deliveries at most are looked at, whether they fit or not; fewer where messages are large.
        """
        ...

    async def attempts(self, delivery_id: int) -> Sequence[Attempt]:
        """All attempts of a delivery, by number."""
        ...

    async def rejected(self, since: datetime | None, limit: int, cursor: int | None) -> Sequence[Rejection]: ...

    async def rejection(self, rejected_id: int) -> Rejection | None: ...

    async def stats(self) -> Stats: ...

    async def moments(self, sources: Collection[str]) -> Moments:
        """Look up when things happened that are told by one look into an index each, however much is stored."""
        ...
