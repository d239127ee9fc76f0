"""Events and deliveries as tests hand them to a store."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from router.events import Attempt, Delivery, DeliveryState, Event, Message, Outcome, Rejection
from router.ids import IdSource
from router.store.records import RuleSetText, Transition
from tests.fakes import Clock


class Values:
    """Makes values that are right in themselves, at the clock's time and with ids of their own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ids = IdSource(clock)

    def event(self, body: bytes = b'{"page": {"id": 1}}', upstream_id: str | None = "auto", **fields: Any) -> Event:
        event_id = self.ids.next()
        event = Event(
            id=event_id,
            source="spaces",
            name="page.updated",
            upstream_id=f"upstream-{event_id}" if upstream_id == "auto" else upstream_id,
            body=body,
            body_hash=hashlib.sha256(body).digest(),
            headers={"Content-Type": "application/json"},
            received_at=self.clock.now(),
            ruleset="rules-1",
            facts={"rules": ["changes"]},
        )
        return replace(event, **fields)

    def delivery(self, event: Event, destination: str = "docs", **fields: Any) -> Delivery:
        now = self.clock.now()
        delivery = Delivery(
            id=self.ids.next(),
            event_id=event.id,
            rule="changes",
            destination=destination,
            ruleset="rules-1",
            state=DeliveryState.PENDING,
            due_at=now,
            created_at=now,
            updated_at=now,
        )
        return replace(delivery, **fields)

    def rejection(self, **fields: Any) -> Rejection:
        rejection = Rejection(
            self.ids.next(), "spaces", self.clock.now(), "no Event header", {"User-Agent": "x"}, b"\xff"
        )
        return replace(rejection, **fields)

    def ruleset(self, ruleset_hash: str = "rules-1") -> RuleSetText:
        return RuleSetText(ruleset_hash, "sources: {}", {"a.j2": "Hä"}, self.clock.now())

    def outcome(self, delivery: Delivery, epoch: int | None, state: DeliveryState, **fields: Any) -> Transition:
        """The transition after an attempt: delivered, to be retried a minute later, or dead."""
        now = self.clock.now()
        outcomes = {DeliveryState.DELIVERED: Outcome.DELIVERED, DeliveryState.DEAD: Outcome.PERMANENT}
        failed = state is not DeliveryState.DELIVERED
        transition = Transition(
            delivery_id=delivery.id,
            destination=delivery.destination,
            epoch=epoch,
            state=state,
            at=now,
            due_at=now if state is DeliveryState.RETRYING else None,
            failures=delivery.failures + failed,
            reason="permanent failure" if state is DeliveryState.DEAD else "",
            last_error="HTTP 503" if failed else "",
            attempt=Attempt(
                delivery.id,
                delivery.attempts + 1,
                now,
                12,
                outcomes.get(state, Outcome.TEMPORARY),
                503 if failed else 200,
                "said so",
            ),
            message=Message(text="A page changed"),
        )
        return replace(transition, **fields)


def start_of(value: datetime) -> datetime:
    """Cut a time to the milliseconds that a store keeps."""
    return value.replace(microsecond=value.microsecond // 1000 * 1000)
