"""A back-test for programs: a JSON value on each line, written as it is found, and a last one that sums up."""

from __future__ import annotations

import click

from router.admin.serialise import Mask
from router.cli.backtest_tally import Both, Group, Tally
from router.cli.output import as_json_line
from router.clock import rfc3339
from router.delivery.backtesting import Difference, Finding, Side
from router.events import Event
from router.payload import JSON
from router.rules.ruleset import Route
from router.secret import Redactor
from router.store.history import Illegible

SAME = "same"


class Records:
    """Writes each difference as a line."""

    def __init__(self, both: Both, tally: Tally, redactor: Redactor) -> None:
        self._both = both
        self._tally = tally
        self._redactor = redactor

    def add(self, finding: Finding) -> None:
        """Write a difference; what stays the same is only counted."""
        if isinstance(finding, Difference):
            _write(
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
        _write({"type": "not_compared", "event": self._event(event), "reason": self._redactor.redact(reason)})

    def end(self) -> None:
        """Write what it comes to."""
        tally = self._tally
        _write(
            {
                "type": "summary",
                "old": {"ruleset": self._both.old.hash, "name": self._both.old_name},
                "new": {"ruleset": self._both.new.hash, "name": self._both.new_name},
                "since": rfc3339(tally.since),
                "oldest": rfc3339(tally.oldest) if tally.oldest else None,
                "complete": tally.is_complete,
                "events": tally.events,
                "not_compared": tally.illegible,
                "same": tally.same,
                "differences": tally.differences,
                "changes": {change.value: count for change, count in tally.by_change().items()},
                "groups": [_group(group, count) for group, count in tally.groups.items()],
                "unknown": dict(tally.unknown),
                "sources_missing": dict(tally.homeless),
            }
        )

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


def _route(route: Route) -> dict[str, JSON]:
    return {"rule": route.rule, "destination": route.destination}


def _group(group: Group, count: int) -> dict[str, JSON]:
    return {
        "change": group.change.value if group.change else SAME,
        "before": _route(group.before) if group.before else None,
        "after": _route(group.after) if group.after else None,
        "count": count,
    }


def _write(record: JSON) -> None:
    click.echo(as_json_line(record))
