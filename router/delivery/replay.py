"""
Replay: new deliveries from one that has come to its end, or from an event; the old ones stay as history.

Pure decisions: what is made of what, and what speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from router.config.model import Configuration
from router.config.problems import did_you_mean
from router.errors import RouterError
from router.events import DESTINATION_REMOVED, Cause, Delivery, DeliveryState, Event, Message
from router.rules.ruleset import Route
from router.store.kin import Kin, handled
from router.store.records import EVENT_GONE

NOT_FINAL = "not_final"
REPLAYED = "replayed"
BY_FALLBACK = "delivered_by_fallback"
ALERT = "alert"

WHY_SKIPPED = {
    NOT_FINAL: "under way already: it may still arrive by itself",
    REPLAYED: "replayed before; with 'again' that does not count",
    BY_FALLBACK: "delivered by a fallback; with 'again' that does not count",
    ALERT: "alerts of the router: what they tell of has changed since; replay one by its id",
    EVENT_GONE: "not in the store any more: removed after its retention, or by a purge",
}
"""A sentence for each word that speaks against inserting a replay."""


class CannotReplay(RouterError):
    """
    Something is not replayed as asked.

    Args:
        code: For programs, such as `not_final` or `unknown_destination`.
        sentence: What was found and what to do.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def replay(origin: Delivery, to: str | None, today: Configuration, delivery_id: int, at: datetime) -> Delivery:
    """
    Make the delivery that replays another one.

    It keeps the rule, and the destination unless another is asked for. It is rendered anew under today's rule of that
    name. Where the rule is gone, it says what the old one said; at another destination the old rule renders it anew,
    because markup and form belong to the destination.

    Of a dead letter with several recipients, those that have it do not get it again; the refused ones are tried anew.

    Args:
        to: Another destination; None for the same one.
        today: The rule set in use.
        delivery_id: For the new delivery.
        at: Now; aware, UTC.

    Raises:
        CannotReplay: It is still under way, or its destination takes nothing.
    """
    if not origin.state.is_final:
        raise CannotReplay(
            NOT_FINAL,
            f"delivery {origin.id} is {origin.state}; wait until it is delivered, dead, suppressed or merged",
        )
    destination = to if to is not None else origin.destination
    check_destination(destination, today, is_other=to not in (None, origin.destination))
    has_rule = origin.rule in today.specs
    same = not has_rule and destination == origin.destination
    # What forwards the event as it came holds no words of its own, and its destination may be of another type today.
    kept = origin.message if same and origin.message is not None and not origin.message.forward else None
    return Delivery(
        id=delivery_id,
        event_id=origin.event_id,
        rule=origin.rule,
        destination=destination,
        ruleset=today.hash if has_rule else origin.ruleset,
        state=DeliveryState.PENDING,
        due_at=at,
        created_at=at,
        updated_at=at,
        # An alert stays one, of whose death nobody is told.
        cause=Cause.ALERT if origin.cause is Cause.ALERT else Cause.REPLAY,
        origin_id=origin.id,
        message=_with_progress(kept, origin, destination),
    )


def _with_progress(kept: Message | None, origin: Delivery, destination: str) -> Message | None:
    """
    Say who needs no second copy: the message begins with that progress, and is empty where it is yet to be written.

    What was delivered went to everybody; who replays that wants everybody to get it again.
    """
    goes_on = origin.state is DeliveryState.DEAD and destination == origin.destination
    accepted = origin.message.accepted if goes_on and origin.message is not None else ()
    if kept is not None:
        return replace(kept, accepted=accepted, refused={})
    return Message(accepted=accepted) if accepted else None


def check_destination(name: str, today: Configuration, *, is_other: bool = False) -> None:
    """
    See that a destination takes something today.

    Args:
        is_other: It is asked for in the place of a delivery's own.

    Raises:
        CannotReplay: It does not.
    """
    refusal = refusal_by(name, today, is_other=is_other)
    if refusal is not None:
        raise refusal


def refusal_by(name: str, today: Configuration, *, is_other: bool = False) -> CannotReplay | None:
    """Say why a destination takes nothing today: not in the rule file, or switched off; None where it takes it."""
    destination = today.destinations.get(name)
    if destination is not None and destination.enabled:
        return None
    others = sorted(other for other, known in today.destinations.items() if known.enabled)
    choice = f"one of: {', '.join(others)}" if others else "a destination; none is enabled now"
    guess = did_you_mean(name, others)
    if destination is not None:
        return CannotReplay(
            "destination_disabled",
            f"destination {name!r} is switched off; switch it on in the rule file, or name another as 'to': {choice}",
        )
    if is_other:
        return CannotReplay("unknown_destination", f"no destination is named {name!r}; 'to' is {choice}{guess}")
    mend = f"give it back to the rule file, or name another as 'to': {choice}{guess}"
    return CannotReplay("unknown_destination", f"destination {name!r} is gone from the rule file; {mend}")


def from_route(event: Event, route: Route, today: Configuration, delivery_id: int, at: datetime) -> Delivery:
    """
    Make the delivery of an event that is judged today and did not go this way before.

    Where the destination takes nothing, it is dead at once, as it would be had the event come in now.
    """
    takes_it = refusal_by(route.destination, today) is None
    return Delivery(
        id=delivery_id,
        event_id=event.id,
        rule=route.rule,
        destination=route.destination,
        ruleset=today.hash,
        state=DeliveryState.PENDING if takes_it else DeliveryState.DEAD,
        reason="" if takes_it else DESTINATION_REMOVED,
        due_at=at,
        created_at=at,
        updated_at=at,
    )


# What speaks against it, by the other deliveries of the event


def nothing_objects(_new: Delivery, _kin: Sequence[Kin]) -> str | None:
    """It is asked for by its id, so it is done whatever was done before."""
    return None


def under_way(new: Delivery, kin: Sequence[Kin]) -> str | None:
    """What may still arrive by itself, from the same rule at the same destination, is not doubled."""
    same = [one for one in kin if (one.rule, one.destination) == (new.rule, new.destination)]
    return NOT_FINAL if any(not DeliveryState(one.state).is_final for one in same) else None


def dealt_with(origin_id: int | None, kin: Sequence[Kin], again_from: int | None = None) -> str | None:
    """
    What was replayed before, or delivered by its fallback, is not sent once more by a replay of many.

    What stands in for another that was replayed has been replayed with it. And a replay that did arrive is not replayed
    in its turn: who asks twice for all that was delivered gets it once.

    Args:
        again_from: Whatever was done before this id does not count, unless it will be replayed in its turn.
    """
    origin = next((one for one in kin if one.id == origin_id), None)
    if origin is None:
        return EVENT_GONE
    replays = _replays_of(origin.id, kin)
    if again_from is not None:
        return REPLAYED if any(one.id > again_from or _takes_its_turn(one, origin) for one in replays) else None
    if replays or (origin.cause == Cause.FALLBACK and _replays_of(origin.origin_id, kin)):
        return REPLAYED
    if origin.state != DeliveryState.DEAD:
        return REPLAYED if origin.cause == Cause.REPLAY else None
    return BY_FALLBACK if origin.id in handled(kin) else None


def _replays_of(origin_id: int | None, kin: Sequence[Kin]) -> list[Kin]:
    return [one for one in kin if one.cause == Cause.REPLAY and one.origin_id == origin_id]


def _takes_its_turn(replay: Kin, origin: Kin) -> bool:
    return (replay.state, replay.destination) == (origin.state, origin.destination)
