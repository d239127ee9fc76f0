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
from typing import Protocol, TypeAlias

from router.events import Attempt, Cause, Delivery, DeliveryState, Event, Message, Rejection
from router.store.figures import Figures
from router.store.kin import Kin


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
        fallback: A delivery that takes the place of this one, which is dead now; it is stored in the same commit.
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
    fallback: Delivery | None = None


@dataclass(frozen=True)
class Untold:
    """
    Dead letters of a destination that no alert has told of.

    Attributes:
        deaths: How many; dead alerts do not count.
        since: When the first of them died, or, where some were told of meanwhile, when that was.
        last_alert_at: When an alert told of dead letters of this destination last.
    """

    destination: str
    deaths: int
    since: datetime | None = None
    last_alert_at: datetime | None = None


@dataclass(frozen=True)
class EventFilter:
    """
    Which events to list, newest first. `cursor` is the id before which to go on.

    The router's own events are listed only where their source is asked for.
    """

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
class ReplayFilter:
    """Which deliveries to replay. `upto` is the largest id that counts: what is inserted meanwhile is not looked at."""

    state: DeliveryState
    upto: int
    destination: str | None = None
    rule: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Replayable:
    """
    Deliveries that a filter fits, oldest first, each with all deliveries of its event.

    Attributes:
        next: After which id to go on; None when everything was looked at.
    """

    found: Sequence[tuple[Delivery, Sequence[Kin]]]
    next: int | None


Objection: TypeAlias = Callable[[Delivery, Sequence[Kin]], str | None]
"""
Says in a word why a delivery is not to be inserted, or None; it sees all deliveries of the event as they are in the
transaction. It is called in the store's own thread, perhaps twice, so it reads nothing else.
"""

EVENT_GONE = "event_gone"
"""The objection of the store itself: the event has been forgotten."""


@dataclass(frozen=True)
class FollowUp:
    """A delivery that names another one as its origin: its replay, or its fallback."""

    id: int
    cause: Cause
    destination: str
    state: DeliveryState


@dataclass(frozen=True)
class ListedDelivery:
    """
    A delivery with what is shown beside it.

    Attributes:
        delivery: Lists leave its `message` None.
        handled: It is dead, and a replay or a fallback of it, or one of those in turn, was delivered.
        follow_ups: Oldest first; lists leave them out.
    """

    delivery: Delivery
    event_name: str
    upstream_id: str | None
    handled: bool = False
    follow_ups: Sequence[FollowUp] = ()


@dataclass(frozen=True)
class DestinationStats:
    """Of one destination: how many deliveries stand in each state that is not final, zeros left out; and its lane."""

    by_state: Mapping[DeliveryState, int]
    lane: LaneState | None

    @property
    def pending(self) -> int:
        """All that waits for it or is under way."""
        return sum(self.by_state.values())


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


@dataclass(frozen=True)
class Moments:
    """
    Attributes:
        waiting_since: When the oldest delivery of a destination that is pending, retrying or sending was made.
        last_event_at: When the latest stored event of a source came.
    """

    waiting_since: Mapping[str, datetime]
    last_event_at: Mapping[str, datetime]


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

    async def accept_rejected(self, rejected_id: int, event: Event, deliveries: Sequence[Delivery]) -> Accepted | None:
        """Accept the event of a request that was answered 400, which is not kept as such any more; None without it."""
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
