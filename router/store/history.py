"""What has come, gone through from the newest to the oldest, a part at a time, however much it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import apsw

from router.clock import from_ms, to_ms
from router.events import Event
from router.store.queries import CLOCK_SLACK, first_id_since
from router.store.records import RuleSetText
from router.store.rows import EVENT_COLUMNS, OWN, event_from_row, ruleset_from_row

MOST_EVENTS = 500
MOST_BYTES = 4 * 1024 * 1024
"""Of one part: bodies may be of megabytes, so that counting events alone would bound nothing."""


@dataclass(frozen=True)
class Illegible:
    """
    The row of an event that is not as it was written.

    Attributes:
        reason: What is wrong with it, as a clause.
    """

    id: int
    name: str
    received_at: datetime
    reason: str


@dataclass(frozen=True)
class Span:
    """
    Some neighbouring events.

    Attributes:
        since: None of them came earlier.
        first: Ids begin with this one.
        before: And end before this one.
    """

    since: datetime
    first: int = 0
    before: int = 2**63 - 1


def history(connection: apsw.Connection, span: Span) -> list[Event | Illegible]:
    """List the newest events of a span, as many as are a part; none where there are none."""
    found: list[Event | Illegible] = []
    size = 0
    rows = connection.execute(f"SELECT {EVENT_COLUMNS} {_IN_SPAN} ORDER BY id DESC LIMIT ?", (*_of(span), MOST_EVENTS))
    for row in rows:
        size += len(row[-1])
        # Without the first one, whatever its size, nobody would ever come past it.
        if found and size > MOST_BYTES:
            break
        try:
            found.append(event_from_row(row))
        except Exception as error:  # noqa: BLE001 - whatever a damaged row holds, those around it are read
            found.append(Illegible(row[0], str(row[2]), from_ms(row[5]), f"its record cannot be read: {error}"))
    return found


def beginning(connection: apsw.Connection, since: datetime) -> Span:
    """Give the span of all events that came since."""
    return Span(since, first_id_since(connection, "events", "received_at", to_ms(since - CLOCK_SLACK)))


def newest_of(connection: apsw.Connection, span: Span, count: int) -> Span:
    """Give the part of a span that holds its newest events, so many of them at most."""
    row = connection.execute(
        f"SELECT id {_IN_SPAN} ORDER BY id DESC LIMIT 1 OFFSET ?", (*_of(span), count - 1)
    ).fetchone()
    return span if row is None else replace(span, first=row[0])


def count_history(connection: apsw.Connection, span: Span, most: int | None = None) -> int:
    """Tell how many events there are; as far as it matters."""
    limit = -1 if most is None else most
    row = connection.execute(f"SELECT count(*) FROM (SELECT 1 {_IN_SPAN} LIMIT ?)", (*_of(span), limit)).fetchone()
    return int(row[0]) if row is not None else 0


def latest_ruleset(connection: apsw.Connection) -> RuleSetText | None:
    """Find the rule set that was loaded last, which is the one that runs where a router does."""
    row = connection.execute(
        "SELECT hash, loaded_at, text, files FROM rulesets ORDER BY loaded_at DESC, rowid DESC LIMIT 1"
    ).fetchone()
    return None if row is None else ruleset_from_row(row)


_IN_SPAN = f"FROM events WHERE id >= ? AND id < ? AND received_at >= ? AND flags & {OWN} = 0"


def _of(span: Span) -> tuple[int, int, int]:
    return span.first, span.before, to_ms(span.since)
