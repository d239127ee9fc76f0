"""Where a delivery stands, in words; `show` and `explain` share them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from router.cli.output import ahead, local, paragraph, parse_time, plain

_STANDS = {"delivered": "was delivered", "dead": "is dead too", "suppressed": "was suppressed"}


def next_step(one: Mapping[str, Any], now: datetime) -> str:
    """Say where a delivery stands and what happens next."""
    due = parse_time(one["due_at"]) if one["due_at"] else now
    reason = plain(one["reason"] or "")
    match one["state"]:
        case "delivered":
            return "It arrived."
        case "dead":
            why = reason or plain(one["last_error"] or "every attempt failed")
            return f"It was given up: {why}."
        case "suppressed":
            return f"It was not sent: {reason or 'by a setting'}."
        case "merged":
            into = one.get("merged_into")
            return f"It went out as part of {f'delivery {into}' if into else 'another message'}."
        case "sending":
            return "It is being sent now."
        case "retrying":
            return f"The latest attempt failed; the next one is due {ahead(due, now)}, at {local(due)}."
        case "held":
            return f"It is held back{': ' + reason if reason else ''}; it is due {ahead(due, now)}, at {local(due)}."
        case _:
            return "It waits for its turn."


def follow_up(later: Mapping[str, Any]) -> str:
    """Say what became of a delivery that replays another one, or stands in for it."""
    what = "Its fallback" if later["cause"] == "fallback" else "It was replayed:"
    stands = _STANDS.get(later["state"], "is " + later["state"])
    return f"{what} {later['id']} to {plain(later['destination'])} {stands}."


def of_today(event_id: str) -> str:
    """Say where to ask what the rules of today would make of an event."""
    return f"What the rules of today would make of it: spaces-router preview {event_id}"


def unmatched_lines(event_id: str) -> Iterator[str]:
    """Say that no rule sent an event anywhere, and what can be done about it."""
    yield paragraph("No rule matched, so there was nothing to send.", "  ")
    yield f"  {of_today(event_id)}"
    yield f"  To judge it by them and send what they say: spaces-router replay --event {event_id}"
