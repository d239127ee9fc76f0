"""Fallback: a new delivery to another destination, in place of one that is dead."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from router.destinations.base import Destination
from router.events import Cause, Delivery, DeliveryState

_FALLS_BACK = frozenset({Cause.RULE, Cause.REPLAY})
"""One hop: what is a fallback itself ends where it ends. Of a dead alert nobody is told, and a test tells at once."""


def fallback_to(destination: Destination, dead: Delivery, served: Collection[str]) -> str | None:
    """
    Name where a dead delivery goes instead; None where it goes nowhere.

    Args:
        destination: That did not take it.
        served: Names of the destinations that take something now.
    """
    wanted = destination.fallback
    return wanted if wanted in served and dead.cause in _FALLS_BACK else None


def fallback(dead: Delivery, to: str, delivery_id: int, at: datetime) -> Delivery:
    """
    Make the delivery that takes the place of a dead one.

    The same rule, as it judged the event, words it anew for the other destination's type; nothing of the old message is
    kept.

    Args:
        at: When the other one died; aware, UTC.
    """
    return Delivery(
        id=delivery_id,
        event_id=dead.event_id,
        rule=dead.rule,
        destination=to,
        ruleset=dead.ruleset,
        state=DeliveryState.PENDING,
        due_at=at,
        created_at=at,
        updated_at=at,
        cause=Cause.FALLBACK,
        origin_id=dead.id,
    )
