"""
The store: what is on disk, in a dozen verbs.

Every verb that writes is one transaction, shared with whatever else waits at that moment, and returns only after a
synced commit. Each transition of a delivery is one conditional update on its old state and the epoch of its lane's
owner, so a late or repeated call changes nothing. `tests/store/test_contract.py` proves these promises for every store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from router.events import Attempt, Delivery, DeliveryState, Event, Message, Rejection


@dataclass(frozen=True)
class RuleSetText:
    """
    What is kept of a rule set, to render its deliveries and explain its verdicts later.

    Attributes:
        text: The rule file as it stands on disk: secrets as references, never as values.
        files: Text of each own template by its name.
    """

    hash: str
    text: str
    files: Mapping[str, str]
    loaded_at: datetime


@dataclass(frozen=True)
class Accepted:
    """
    What became of an event that was handed in.

    Attributes:
        event_id: Its id; for a repeat, that of the event stored before.
        repeat: It was stored before, and nothing was inserted now.
        repeated_body: The same body came from the same source before, under another upstream id or name, or, without
            an upstream id, more than 20 minutes ago.
        demoted: Deliveries handed in as `sending` under an epoch that is no longer their lane's. They are stored
            `pending` for the lane's new owner; whoever handed them in must not send them.
    """

    event_id: int
    repeat: bool = False
    repeated_body: bool = False
    demoted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a lane keeps of a delivery that waits."""

    delivery_id: int
    destination: str
    interruptions: int = 0

    @classmethod
    def of(cls, delivery: Delivery) -> Waiting:
        return cls(delivery.id, delivery.destination, delivery.interruptions)


@dataclass(frozen=True)
class LaneState:
    """What is remembered of a destination's lane."""

    destination: str
    epoch: int
    paused_until: datetime | None = None
    consecutive_failures: int = 0
    last_success_at: datetime | None = None


@dataclass(frozen=True)
class Transition:
    """
    What an attempt, or the decision not to make one, does to its delivery.

    Attributes:
        delivery_id: Which one; it must be `sending` under `epoch` (or, where `epoch` is None, `held`, `pending` or
            `retrying`).
        state: Where it goes: never `held` or `sending`, and never from `sending` to `pending`.
        due_at: When it is due from now on; needed for `retrying`, otherwise None leaves it as it is.
        failures: Failed attempts so far; a smaller number than the stored one changes nothing.
        last_error: Empty leaves what is stored where no attempt was made.
        attempt: The attempt to record with it; None where none was made. The store numbers it.
        message: What was or would have been sent, where it was rendered just now; None leaves what is stored.
        paused_until: The lane rests until then; None, or a time before the end of a pause, leaves the lane as it is.
    """

    delivery_id: int
    destination: str
    epoch: int | None
    state: DeliveryState
    at: datetime
    due_at: datetime | None = None
    failures: int = 0
    reason: str = ""
    last_error: str = ""
    attempt: Attempt | None = None
    message: Message | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True)
class EventFilter:
    """Which events to list, newest first. `cursor` is the id before which to go on."""

    name: str | None = None
    source: str | None = None
    rule: str | None = None
    since: datetime | None = None
    limit: int = 50
    cursor: int | None = None


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries to list, newest first. `cursor` is the id before which to go on."""

    state: DeliveryState | None = None
    destination: str | None = None
    rule: str | None = None
    event_id: int | None = None
    since: datetime | None = None
    limit: int = 50
    cursor: int | None = None


@dataclass(frozen=True)
class Expiry:
    """
    What may be forgotten: whole events, with all their deliveries.

    An event goes only when all its deliveries are final. It is as old as the last thing that happened to it: its own
    arrival, or the latest change of one of its deliveries. A dead letter is unhandled until a delivery that replays it
    or stands in for it (or, in turn, for that one) was delivered.

    Attributes:
        before: What is older than this may go.
        unhandled_before: The same for events with a dead letter that is unhandled.
        states: Only events of which a delivery is in one of these; empty for all events.
        destination: Only events of which a delivery (in one of `states`) went there. Where `states` or `destination`
            are given, an unhandled dead letter that they do not name keeps its event.
    """

    before: datetime
    unhandled_before: datetime
    states: frozenset[DeliveryState] = frozenset()
    destination: str | None = None


@dataclass(frozen=True)
class Forgotten:
    """
    What one batch removed, or would remove.

    Attributes:
        unhandled: Dead letters that nobody had dealt with; they are among `deliveries`.
        next: Where the next batch begins; None when everything was looked at.
    """

    events: int = 0
    deliveries: int = 0
    unhandled: int = 0
    next: int | None = None

    def plus(self, later: Forgotten) -> Forgotten:
        """Add up two batches, of which the other one came later."""
        return Forgotten(
            self.events + later.events,
            self.deliveries + later.deliveries,
            self.unhandled + later.unhandled,
            later.next,
        )


@dataclass(frozen=True)
class ListedDelivery:
    """A delivery with what a list shows of its event. Lists leave `delivery.message` None."""

    delivery: Delivery
    event_name: str
    upstream_id: str | None


@dataclass(frozen=True)
class DestinationStats:
    """Of one destination: deliveries that are pending, retrying, sending or held, and its lane."""

    pending: int
    lane: LaneState | None


@dataclass(frozen=True)
class Stats:
    """
    Attributes:
        events: Stored ever.
        rejected: Answered 400 ever.
        repeated_bodies: Events marked `repeated_body` ever.
        deliveries: By state; of final states the number ever reached, kept in the same commits as the transitions.
    """

    events: int
    rejected: int
    repeated_bodies: int
    deliveries: Mapping[DeliveryState, int]
    destinations: Mapping[str, DestinationStats]


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

    async def accept(self, event: Event, deliveries: Sequence[Delivery]) -> Accepted:
        """
        Store an event and its deliveries, or find that it is a repeat and store nothing.

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

    async def attempts(self, delivery_id: int) -> Sequence[Attempt]:
        """All attempts of a delivery, by number."""
        ...

    async def rejected(self, since: datetime | None, limit: int, cursor: int | None) -> Sequence[Rejection]: ...

    async def stats(self) -> Stats: ...
