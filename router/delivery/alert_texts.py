"""
What alerts say: plain sentences for a person who did not build the router, and the same facts for programs.

Each function gives the model of an event `alert.<kind>`: `kind`, `title`, `text`, `points` (a list of lines), `advice`,
and the facts of its kind. Times in sentences are UTC.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from router.clock import rfc3339
from router.durations import format_duration
from router.messages.context import event_title
from router.payload import JSON
from router.store.records import ListedDelivery, Untold

MOST_POINTS = 5
_LONGEST_POINT = 300


class AlertKind(StrEnum):
    """What an alert is about; its event is named `alert.<kind>`."""

    DEAD = "dead"
    SIGNATURE = "signature"
    SILENCE = "silence"
    RELOAD = "reload"


def about_deaths(
    untold: Untold, latest: Sequence[ListedDelivery], *, waiting: int, fallback: str | None
) -> dict[str, JSON]:
    """
    Tell of dead letters.

    Args:
        latest: Some of them, newest first.
        waiting: Deliveries to the same destination that are not at their end.
        fallback: Where such messages go instead, or None.
    """
    name, count = untold.destination, untold.deaths
    text = f"{'It is' if count == 1 else 'They are'} kept as {'a dead letter' if count == 1 else 'dead letters'}."
    if fallback is not None:
        text += f" What ran out of attempts went to its fallback {fallback} instead."
    if waiting:
        text += f" {waiting} more {'waits' if waiting == 1 else 'wait'} for {name}, or {_for_another_try(waiting)}."
    chosen = f"--state dead --destination {shlex.quote(name)}"
    again = f"Send them again once {name} works:\n  spaces-router replay {chosen}"
    if fallback is not None:
        again += f"\nThis leaves out what {fallback} got instead; --again takes that too."
    return {
        "kind": AlertKind.DEAD.value,
        "title": f"{count} message{'' if count == 1 else 's'} to {name} could not be delivered",
        "text": text,
        "points": [_dead_letter(listed) for listed in latest[:MOST_POINTS]],
        "advice": f"All of them:\n  spaces-router deliveries {chosen}\n{again}",
        "destination": name,
        "count": count,
        "since": _optional(untold.since),
        "fallback": fallback,
        "waiting": waiting,
        "deliveries": [str(listed.delivery.id) for listed in latest[:MOST_POINTS]],
    }


def about_signatures(source: str, count: int, since: datetime) -> dict[str, JSON]:
    """Tell that requests to a source are refused for their signatures."""
    return {
        "kind": AlertKind.SIGNATURE.value,
        "title": f"{count} requests to source {source} were refused: wrong signature",
        "text": f"Since {_at(since)}, {count} requests to /hooks/{source} were answered 401: their signature is"
        " missing, or was made with another token. Nothing of them was forwarded.",
        "points": [],
        "advice": "If Spaces sent them, its webhook has another token than the rule file: mend either. Spaces tries"
        " each of them again after 1, 5 and 10 minutes. If it did not, somebody else posts to this path, in vain.",
        "source": source,
        "count": count,
        "since": rfc3339(since),
    }


def about_silence(source: str, expected: timedelta, last: datetime | None, started_at: datetime) -> dict[str, JSON]:
    """
    Tell that no event came from a source for as long as its `expect_every`.

    Args:
        last: When the last one came, or None where none is known of.
        started_at: When the router began to listen.
    """
    text = f"The last one came at {_at(last)}." if last else f"None has come since the start at {_at(started_at)}."
    return {
        "kind": AlertKind.SILENCE.value,
        "title": f"No event from source {source} for {format_duration(expected)}",
        "text": text,
        "points": [],
        "advice": "Look in Spaces, under Settings → Webhooks, whether the webhook is still there and what its latest"
        f" requests were answered, and whether this server can be reached. If it was just quiet, a longer expect_every"
        f" of source {source} in the rule file spares you this message.",
        "source": source,
        "expect_every": format_duration(expected),
        "last_event_at": _optional(last),
    }


def about_reload(problems: Sequence[str], running_since: datetime) -> dict[str, JSON]:
    """
    Tell that a changed rule file is not used.

    Args:
        problems: One line each, without secrets.
        running_since: When the rule set that stays in use was loaded.
    """
    count = len(problems)
    found = f"{count} problem{'' if count == 1 else 's'}" if problems else "could not be read"
    return {
        "kind": AlertKind.RELOAD.value,
        "title": f"The changed rule file is not in use: {found}",
        "text": f"The rules loaded at {_at(running_since)} stay in use.",
        "points": [_short(problem) for problem in problems[:MOST_POINTS]],
        "advice": "See all with: spaces-router check\nMend the file and save it; then it is taken over by itself.",
        "count": count,
        "running_since": rfc3339(running_since),
    }


def _dead_letter(listed: ListedDelivery) -> str:
    delivery = listed.delivery
    told = f"{event_title(listed.event_name)}, {_at(delivery.updated_at)}: {delivery.reason}"
    error = f" ({delivery.last_error})" if delivery.last_error else ""
    return _short(f"{told}{error}. spaces-router show {delivery.id}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_POINT else line[: _LONGEST_POINT - 1] + "…"


def _for_another_try(count: int) -> str:
    return "is tried again" if count == 1 else "are tried again"


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
