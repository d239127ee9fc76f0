"""Replay: a new delivery from one that has come to its end; the old one stays as history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from router.config.model import Configuration
from router.config.problems import did_you_mean
from router.errors import RouterError
from router.events import Cause, Delivery, DeliveryState, Message


class CannotReplay(RouterError):
    """
    A delivery is not replayed as asked.

    Args:
        code: `not_final`, `unknown_destination` or `destination_disabled`.
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
            "not_final",
            f"delivery {origin.id} is {origin.state}; wait until it is delivered, dead, suppressed or merged",
        )
    destination = to if to is not None else origin.destination
    _check_destination(destination, origin, today)
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
        cause=Cause.REPLAY,
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


def _check_destination(name: str, origin: Delivery, today: Configuration) -> None:
    destination = today.destinations.get(name)
    if destination is not None and destination.enabled:
        return
    others = sorted(other for other, known in today.destinations.items() if known.enabled)
    choice = f"one of: {', '.join(others)}" if others else "a destination; none is enabled now"
    if destination is not None:
        raise CannotReplay(
            "destination_disabled",
            f"destination {name!r} is switched off; switch it on in the rule file, or name another as 'to': {choice}",
        )
    if name == origin.destination:
        mend = f"give it back to the rule file, or name another as 'to': {choice}"
        raise CannotReplay("unknown_destination", f"destination {name!r} is gone from the rule file; {mend}")
    raise CannotReplay(
        "unknown_destination", f"no destination is named {name!r}; 'to' is {choice}{did_you_mean(name, others)}"
    )
