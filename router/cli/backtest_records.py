"""A back-test for programs: a JSON value on each line, written as it is found, and a last one that sums up."""

from __future__ import annotations

from datetime import datetime

from router.admin.serialise import Mask
from router.cli.backtest_tally import Both, Group, Tally
from router.cli.output import as_json_line
from router.clock import rfc3339
from router.delivery.backtesting import Change, Difference, Finding, Side
from router.events import Event
from router.payload import JSON
from router.rules.ruleset import Route
from router.secret import Redactor
from router.store.history import Illegible

SAME = "same"


class Records:
    """
    Writes each difference as a record.

    Attributes:
        lines: One for each.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.lines: list[str] = []

    def add(self, finding: Finding) -> None:
        """Write a difference; what stays the same is only counted."""
        if isinstance(finding, Difference):
            self._write(
                {
                    "type": "difference",
                    "change": finding.change.value,
                    "event": self._event(finding.event),
                    "before": self._side(finding.before),
                    "after": self._side(finding.after),
                }
            )

    def illegible(self, event: Event | Illegible, reason: str) -> None:
        """Write which event could not be compared, and why."""
        self._write({"type": "not_compared", "event": self._event(event), "reason": reason})

    def _write(self, record: JSON) -> None:
        self.lines.append(as_json_line(record))

    def _event(self, event: Event | Illegible) -> dict[str, JSON]:
        return {
            "id": str(event.id),
            "name": self._redactor.redact(event.name),
            "source": event.source if isinstance(event, Event) else None,
            "received_at": rfc3339(event.received_at),
        }

    def _side(self, side: Side | None) -> dict[str, JSON] | None:
        if side is None:
            return None
        message = None if side.message is None else Mask(self._redactor).value(side.message.as_json())
        return _route(side.route) | {"message": message, "error": self._redactor.redact(side.error) or None}


def summed_up(both: Both, tally: Tally, since: datetime, *, is_complete: bool) -> str:
    """Write the last record: what it comes to."""
    return as_json_line(
        {
            "type": "summary",
            "old": {"ruleset": both.old.hash, "name": both.old_name},
            "new": {"ruleset": both.new.hash, "name": both.new_name},
            "since": rfc3339(since),
            "oldest": rfc3339(tally.oldest) if tally.oldest else None,
            "complete": is_complete,
            "events": tally.events,
            "not_compared": tally.illegible,
            "same": tally.same,
            "differences": tally.differences,
            "changes": {change.value: tally.by_change()[change] for change in Change},
            "groups": [_group(group, count) for group, count in tally.groups.items()],
            "unknown": dict(tally.unknown),
            "sources_missing": dict(tally.homeless),
        }
    )


def _route(route: Route) -> dict[str, JSON]:
    return {"rule": route.rule, "destination": route.destination}


def _group(group: Group, count: int) -> dict[str, JSON]:
    return {
        "change": group.change.value if group.change else SAME,
        "before": _route(group.before) if group.before else None,
        "after": _route(group.after) if group.after else None,
        "count": count,
    }
