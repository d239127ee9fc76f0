"""The deliveries of one event, and what they say about each other: pure decisions, each in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.events import DeliveryState

_DELIVERED = DeliveryState.DELIVERED.value
_DEAD = DeliveryState.DEAD.value


@dataclass(frozen=True, slots=True)
class Kin:
    """What of a delivery is looked at to decide about another; `updated_at` in milliseconds since 1970."""

    id: int
    event_id: int
    state: str
    origin_id: int | None
    updated_at: int
    destination: str
    rule: str
    cause: str


KIN_COLUMNS = "id, event_id, state, origin_id, updated_at, destination, rule, cause"


def handled(kin: Sequence[Kin]) -> set[int]:
    """Find the deliveries of which a replay or a fallback, or one of those in turn, was delivered."""
    by_id = {one.id: one for one in kin}
    found: set[int] = set()
    for one in kin:
        origin = one.origin_id if one.state == _DELIVERED else None
        while origin is not None and origin not in found:
            found.add(origin)
            origin = by_id[origin].origin_id if origin in by_id else None
    return found


def unhandled(kin: Sequence[Kin]) -> list[Kin]:
    """Pick the dead letters that nobody has dealt with."""
    done = handled(kin)
    return [one for one in kin if one.state == _DEAD and one.id not in done]
