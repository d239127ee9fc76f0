"""What the verbs of the store take and give: frozen values. `base.py` has the verbs and their promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from router.events import Attempt, Cause, Delivery, DeliveryState, Lesson, Message
from router.payload import JSON
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
        taught: What is known, with this event, of the object that it is about.
        before: What was known until then, where that differs.
    """

    event_id: int
    repeat: bool = False
    repeated_body: bool = False
    demoted: tuple[int, ...] = ()
    taught: Mapping[str, JSON] | None = None
    before: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Taught:
    """
    A lesson on its way into the store.

    Attributes:
        source: The one whose object it is about; ids of two sources have nothing to do with each other.
        keeps_before: Remember what was known before, for messages that say what changed.
    """

    source: str
    lesson: Lesson
    learned_at: datetime
    keeps_before: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Source, kind and id of the object."""
        return self.source, self.lesson.kind, self.lesson.object_id


@dataclass(frozen=True, slots=True)
class KnownObject:
    """A person, a space or a page, as far as it is known."""

    source: str
    kind: str
    object_id: str
    facts: Mapping[str, JSON]


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
        source: Of its event.
    """

    delivery: Delivery
    event_name: str
    upstream_id: str | None
    handled: bool = False
    follow_ups: Sequence[FollowUp] = ()
    source: str = ""


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
