"""A store in plain Python: slow, in memory, and simple enough to be right at sight."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from router.events import Delivery, DeliveryState, Event, Outcome
from router.store.records import Expiry, LaneState, Transition
from tests.fuzz.states import transitions

WAITING = {DeliveryState.PENDING, DeliveryState.RETRYING}
NOT_SENT = {DeliveryState.HELD, *WAITING}
ALLOWED = transitions()


@dataclass
class Model:
    """
    What a store should hold, told by the same verbs.

    Attributes:
        forgotten: Deliveries that were removed, by the state in which they were; totals go on counting them.
        events_forgotten, repeats_forgotten: The same for events, and for those marked `repeated_body`.
        rulesets: When each was last loaded.
    """

    events: dict[int, Event] = field(default_factory=dict)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    lanes: dict[str, LaneState] = field(default_factory=dict)
    outcomes: dict[int, list[Outcome]] = field(default_factory=dict)
    rejected: dict[int, datetime] = field(default_factory=dict)
    rulesets: dict[str, datetime] = field(default_factory=dict)
    forgotten: Counter[DeliveryState] = field(default_factory=Counter)
    events_forgotten: int = 0
    repeats_forgotten: int = 0
    rejected_forgotten: int = 0

    def copy(self) -> Model:
        return deepcopy(self)

    def accept(self, event: Event, deliveries: list[Delivery]) -> tuple[int, bool, bool]:
        """Give the id of the stored event, whether it is a repeat, and whether its body came before."""
        same_body = [old for old in self.events.values() if (old.source, old.body) == (event.source, event.body)]
        for old in reversed(same_body):
            recent = event.received_at - old.received_at <= timedelta(minutes=20)
            if (old.name, old.upstream_id) == (event.name, event.upstream_id) and (event.upstream_id or recent):
                return old.id, True, False
        self.events[event.id] = replace(event, repeated_body=bool(same_body))
        for delivery in deliveries:
            self.insert(delivery)
        return event.id, False, bool(same_body)

    def insert(self, delivery: Delivery) -> None:
        if delivery.id in self.deliveries:
            return
        if delivery.state is DeliveryState.SENDING and not self._owns(delivery.destination, delivery.epoch):
            delivery = replace(delivery, state=DeliveryState.PENDING, epoch=None)
        self.deliveries[delivery.id] = delivery

    def _owns(self, destination: str, epoch: int | None) -> bool:
        return destination in self.lanes and self.lanes[destination].epoch == epoch

    def claim(self, delivery_id: int, epoch: int, at: datetime) -> Delivery | None:
        delivery = self.deliveries[delivery_id]
        if delivery.state not in WAITING or not self._owns(delivery.destination, epoch):
            return None
        claimed = replace(delivery, state=DeliveryState.SENDING, epoch=epoch, updated_at=at)
        self.deliveries[delivery_id] = claimed
        return claimed

    def record(self, transition: Transition) -> bool:
        delivery = self.deliveries.get(transition.delivery_id)
        if delivery is None or not self._may_move(delivery, transition):
            return False
        attempt = transition.attempt
        self.deliveries[delivery.id] = replace(
            delivery,
            state=transition.state,
            due_at=transition.due_at or delivery.due_at,
            failures=max(delivery.failures, transition.failures),
            attempts=delivery.attempts + (attempt is not None),
            reason=transition.reason,
            last_error=transition.last_error if attempt or transition.last_error else delivery.last_error,
            message=transition.message or delivery.message,
            epoch=None,
            updated_at=transition.at,
        )
        if attempt is not None:
            self.outcomes.setdefault(delivery.id, []).append(attempt.outcome)
            self._judge_lane(delivery.destination, attempt.outcome, transition.at)
        return True

    def _may_move(self, delivery: Delivery, transition: Transition) -> bool:
        if delivery.state is transition.state and transition.epoch is None:
            return delivery.state in WAITING and transition.due_at not in (None, delivery.due_at)
        if transition.state not in ALLOWED.get(delivery.state, ()):
            return False
        if transition.epoch is None:
            return delivery.state is not DeliveryState.SENDING
        ours = delivery.epoch == transition.epoch and self._owns(delivery.destination, transition.epoch)
        return delivery.state is DeliveryState.SENDING and ours

    def _judge_lane(self, destination: str, outcome: Outcome, at: datetime) -> None:
        lane = self.lanes[destination]
        if outcome is Outcome.DELIVERED:
            self.lanes[destination] = replace(lane, consecutive_failures=0, last_success_at=at)
        elif outcome in (Outcome.TEMPORARY, Outcome.PERMANENT):
            self.lanes[destination] = replace(lane, consecutive_failures=lane.consecutive_failures + 1)

    def own(self, destinations: list[str], at: datetime) -> dict[str, LaneState]:
        for name in destinations:
            lane = self.lanes.get(name, LaneState(name, 0))
            self.lanes[name] = replace(lane, epoch=lane.epoch + 1)
        for delivery in list(self.deliveries.values()):
            if delivery.destination in destinations and delivery.state is DeliveryState.SENDING:
                is_fifth = delivery.interruptions == 4
                self.outcomes.setdefault(delivery.id, []).append(Outcome.INTERRUPTED)
                self.deliveries[delivery.id] = replace(
                    delivery,
                    state=DeliveryState.DEAD if is_fifth else DeliveryState.PENDING,
                    reason="interrupted" if is_fifth else "",
                    epoch=None,
                    attempts=delivery.attempts + 1,
                    interruptions=delivery.interruptions + 1,
                    last_error="the router ended while this attempt was under way; whether the message arrived is not"
                    " known",
                    updated_at=at,
                )
        return {name: self.lanes[name] for name in destinations}

    def take_back(self, owned: dict[str, int], in_flight: set[int], at: datetime) -> int:
        count = 0
        for delivery in list(self.deliveries.values()):
            ours = delivery.epoch is not None and owned.get(delivery.destination) == delivery.epoch
            if delivery.state is DeliveryState.SENDING and ours and delivery.id not in in_flight:
                self.deliveries[delivery.id] = replace(delivery, state=DeliveryState.PENDING, epoch=None, updated_at=at)
                count += 1
        return count

    def bury(self, destination: str, at: datetime, reason: str) -> int:
        buried = [one for one in self.deliveries.values() if one.destination == destination and one.state in NOT_SENT]
        for one in buried:
            self.deliveries[one.id] = replace(one, state=DeliveryState.DEAD, reason=reason, updated_at=at)
        return len(buried)

    # Forgetting

    def expired(self, expiry: Expiry) -> list[int]:
        """The events that may go, oldest first."""
        return sorted(event.id for event in self.events.values() if self._may_go(event, expiry))

    def _may_go(self, event: Event, expiry: Expiry) -> bool:
        own = self.of_event(event.id)
        named = [
            one
            for one in own
            if (not expiry.states or one.state in expiry.states) and expiry.destination in (None, one.destination)
        ]
        narrowed = bool(expiry.states) or expiry.destination is not None
        unhandled = [one for one in own if self.is_unhandled(one)]
        return (
            event.received_at < expiry.before
            and all(one.state.is_final and one.updated_at < expiry.before for one in own)
            and (bool(named) or not narrowed)
            and all(one in named and one.updated_at < expiry.unhandled_before for one in unhandled)
        )

    def of_event(self, event_id: int) -> list[Delivery]:
        return [one for one in self.deliveries.values() if one.event_id == event_id]

    def is_unhandled(self, dead: Delivery) -> bool:
        """Whether nobody dealt with a dead letter: no delivery that stems from it was delivered."""
        stems = {dead.id}
        for _ in self.deliveries:
            stems |= {one.id for one in self.deliveries.values() if one.origin_id in stems}
        arrived = any(self.deliveries[one].state is DeliveryState.DELIVERED for one in stems)
        return dead.state is DeliveryState.DEAD and not arrived

    def forget(self, event_id: int) -> None:
        """Remove an event with all that belongs to it."""
        for one in self.of_event(event_id):
            self.forgotten[one.state] += 1
            self.outcomes.pop(one.id, None)
            del self.deliveries[one.id]
        self.events_forgotten += 1
        self.repeats_forgotten += self.events.pop(event_id).repeated_body

    def forget_rejected(self, before: datetime) -> int:
        """Remove what was rejected earlier than that; the count."""
        old = [one for one, received_at in self.rejected.items() if received_at < before]
        for one in old:
            del self.rejected[one]
        self.rejected_forgotten += len(old)
        return len(old)

    def forget_rulesets(self, before: datetime, keep: set[str]) -> int:
        """Remove rule sets of which nothing is left; the count."""
        named = {event.ruleset for event in self.events.values()} | keep
        named |= {delivery.ruleset for delivery in self.deliveries.values()}
        unused = [one for one, loaded_at in self.rulesets.items() if one not in named and loaded_at < before]
        for one in unused:
            del self.rulesets[one]
        return len(unused)

    # Looking

    def due(self, destinations: list[str], at: datetime) -> list[Delivery]:
        found = [
            one
            for one in self.deliveries.values()
            if one.destination in destinations and one.state in WAITING and one.due_at <= at
        ]
        return sorted(found, key=lambda one: (one.due_at, one.id))

    def next_due(self, destinations: list[str], after: datetime) -> datetime | None:
        waiting = [one for one in self.deliveries.values() if one.destination in destinations and one.state in WAITING]
        return min((one.due_at for one in waiting if one.due_at > after), default=None)

    def by_state(self) -> dict[DeliveryState, int]:
        """How many there are now, by state."""
        return dict.fromkeys(DeliveryState, 0) | Counter(one.state for one in self.deliveries.values())

    def standing(self) -> dict[tuple[str, DeliveryState], int]:
        return Counter((one.destination, one.state) for one in self.deliveries.values())

    def waiting_since(self) -> dict[str, datetime]:
        waiting = [one for one in self.deliveries.values() if one.state in (*WAITING, DeliveryState.SENDING)]
        return {one.destination: one.created_at for one in sorted(waiting, key=lambda one: -one.id)}

    def totals(self) -> dict[DeliveryState, int]:
        """How many ever reached each final state, and how many are in the others now."""
        return {state: count + self.forgotten[state] for state, count in self.by_state().items()}

    def waiting(self) -> dict[str, int]:
        return Counter(one.destination for one in self.deliveries.values() if not one.state.is_final)
