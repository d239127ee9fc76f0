"""What has come, gone through from the newest to the oldest, a part at a time, however much it is."""

from __future__ import annotations

from dataclasses import dataclass
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


def history(connection: apsw.Connection, since: datetime, before: int) -> list[Event | Illegible]:
    """
    List some of the events that came since, newest first; none where there are no more of them.

    Args:
        before: Id before which to go on.
    """
    found: list[Event | Illegible] = []
    size = 0
    rows = connection.execute(
        f"SELECT {EVENT_COLUMNS} {_SINCE} AND id < ? ORDER BY id DESC LIMIT ?",
        (*_bounds(connection, since), before, MOST_EVENTS),
    )
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


def count_history(connection: apsw.Connection, since: datetime) -> int:
    """Tell how many there are in all."""
    row = connection.execute(f"SELECT count(*) {_SINCE}", _bounds(connection, since)).fetchone()
    return int(row[0]) if row is not None else 0


def latest_ruleset(connection: apsw.Connection) -> RuleSetText | None:
    """Find the rule set that was loaded last, which is the one that runs where a router does."""
    row = connection.execute(
        "SELECT hash, loaded_at, text, files FROM rulesets ORDER BY loaded_at DESC, rowid DESC LIMIT 1"
    ).fetchone()
    return None if row is None else ruleset_from_row(row)


_SINCE = f"FROM events WHERE id >= ? AND received_at >= ? AND flags & {OWN} = 0"


def _bounds(connection: apsw.Connection, since: datetime) -> tuple[int, int]:
    first = first_id_since(connection, "events", "received_at", to_ms(since - CLOCK_SLACK))
    return first, to_ms(since)
