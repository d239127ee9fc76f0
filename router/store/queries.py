"""The reading verbs, each a plain function of a connection that stands in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import apsw

from router.clock import from_ms, to_ms
from router.events import OWN_SOURCE, Attempt, Cause, DeliveryState, Event, Rejection
from router.payload import dump_json, parse_body
from router.store.counts import Totals
from router.store.kin import KIN_COLUMNS, Kin, handled
from router.store.records import (
    DeliveryFilter,
    EventFilter,
    FollowUp,
    KnownObject,
    LaneState,
    ListedDelivery,
    Moments,
    RuleSetText,
    Stats,
    Untold,
    Waiting,
)
from router.store.rows import (
    ATTEMPT_COLUMNS,
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    LANE_COLUMNS,
    OWN,
    REJECTION_COLUMNS,
    UNTOLD_COLUMNS,
    Row,
    attempt_from_row,
    delivery_from_row,
    event_from_row,
    lane_from_row,
    rejection_from_row,
    ruleset_from_row,
    untold_from_row,
)

_DUE = "FROM deliveries WHERE destination = ? AND state IN ('pending', 'retrying')"

_UNDER_WAY = ("pending", "retrying", "sending")

_LISTED = (
    "SELECT " + ", ".join(f"d.{column.strip()}" for column in DELIVERY_COLUMNS.rsplit(",", 1)[0].split(","))
) + ", NULL, e.name, e.upstream_id, e.source FROM deliveries d JOIN events e ON e.id = d.event_id"

Ask: TypeAlias = Callable[[str, Row], Iterable[Row]]
"""Runs a statement: of a reading connection, or of a transaction."""

CLOCK_SLACK = timedelta(hours=1)
"""Ids grow with time, but a clock may have been set back; further apart than this, order of ids is order of time."""


def single(connection: apsw.Connection, sql: str, values: Row = ()) -> Any:
    """Give the one value of a statement that has exactly one."""
    ((value,),) = connection.execute(sql, values).fetchall()
    return value


def ruleset(connection: apsw.Connection, ruleset_hash: str) -> RuleSetText | None:
    row = connection.execute(
        "SELECT hash, loaded_at, text, files FROM rulesets WHERE hash = ?", (ruleset_hash,)
    ).fetchone()
    return None if row is None else ruleset_from_row(row)


def due(connection: apsw.Connection, destinations: Collection[str], at: datetime, limit: int) -> list[Waiting]:
    """List what is due, by (due_at, id)."""
    found: list[Row] = []
    for destination in destinations:
        found += connection.execute(
            f"SELECT due_at, id, destination, interruptions {_DUE} AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            (destination, to_ms(at), limit),
        ).fetchall()
    return [Waiting(*row[1:]) for row in sorted(found)[:limit]]


def next_due(connection: apsw.Connection, destinations: Collection[str], after: datetime) -> datetime | None:
    found: list[int | None] = [
        single(connection, f"SELECT min(due_at) {_DUE} AND due_at > ?", (destination, to_ms(after)))
        for destination in destinations
    ]
    first = min((due_at for due_at in found if due_at is not None), default=None)
    return None if first is None else from_ms(first)


def event(connection: apsw.Connection, event_id: int) -> Event | None:
    row = connection.execute(f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchone()
    return None if row is None else event_from_row(row)


def events(connection: apsw.Connection, wanted: EventFilter) -> list[Event]:
    conditions, values = _page(connection, ("events", "id", "received_at"), wanted.since, wanted.cursor)
    if wanted.name is not None:
        conditions.append("name = ? COLLATE NOCASE")
        values.append(wanted.name)
    if wanted.source is not None:
        # The plus keeps the planner on the index of names, which are many more than sources.
        conditions.append("source = ?" if wanted.name is None else "+source = ?")
        values.append(wanted.source)
    if wanted.source != OWN_SOURCE:
        conditions.append(f"flags & {OWN} = 0")
    if wanted.rule is not None:
        conditions.append("EXISTS (SELECT 1 FROM json_each(facts, '$.rules') AS matched WHERE matched.value = ?)")
        values.append(wanted.rule)
    rows = connection.execute(
        f"SELECT {EVENT_COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
        (*values, wanted.limit),
    )
    return [event_from_row(row) for row in rows]


def delivery(connection: apsw.Connection, delivery_id: int) -> ListedDelivery | None:
    row = connection.execute(f"{_LISTED.replace('NULL', 'd.message')} WHERE d.id = ?", (delivery_id,)).fetchone()
    if row is None:
        return None
    listed = _listed(connection.execute, row)
    follow_ups = [
        FollowUp(one.id, Cause(one.cause), one.destination, DeliveryState(one.state))
        for one in kin_of(connection.execute, listed.delivery.event_id)
        if one.origin_id == delivery_id
    ]
    return replace(listed, follow_ups=follow_ups)


def deliveries(connection: apsw.Connection, wanted: DeliveryFilter) -> list[ListedDelivery]:
    conditions, values = _page(connection, ("deliveries", "d.id", "created_at"), wanted.since, wanted.cursor)
    if wanted.rule is not None:
        conditions.append("d.rule = ?")
        values.append(wanted.rule)
    if wanted.event_id is not None:
        conditions.append("d.event_id = ?")
        values.append(wanted.event_id)
    if wanted.state is not None:
        conditions.append("d.state = ?")
        values.append(wanted.state.value)
    if wanted.destination is not None:
        conditions.append("d.destination = ?")
        values.append(wanted.destination)
    select = f"{_LISTED} WHERE {' AND '.join(conditions)} ORDER BY d.id DESC LIMIT ?"
    if wanted.destination is None or wanted.state is not None or wanted.event_id is not None:
        rows = connection.execute(select, (*values, wanted.limit)).fetchall()
    else:
        rows = _over_all_states(connection, select, values, wanted.limit)
    return [_listed(connection.execute, row) for row in rows]


def as_listed(ask: Ask, delivery_ids: Sequence[int]) -> dict[int, ListedDelivery]:
    """Look deliveries up as lists show them, by id."""
    # One statement: outside a transaction each would open a snapshot of its own, which costs more than the row.
    rows = ask(f"{_LISTED} WHERE d.id IN (SELECT value FROM json_each(?))", (dump_json(list(delivery_ids)).decode(),))
    return {row[0]: _listed(ask, row) for row in list(rows)}


def _over_all_states(connection: apsw.Connection, select: str, values: list[object], limit: int) -> list[Row]:
    """List a destination's deliveries by asking for each state: its index is by destination, state and id."""
    by_state = select.replace(" ORDER BY", " AND d.state = ? ORDER BY")
    rows: list[Row] = []
    for state in DeliveryState:
        rows += connection.execute(by_state, (*values, state.value, limit)).fetchall()
    return sorted(rows, key=lambda row: -row[0])[:limit]


def _listed(ask: Ask, row: Row) -> ListedDelivery:
    *columns, event_name, upstream_id, source = row
    listed = delivery_from_row(tuple(columns))
    dead = listed.state is DeliveryState.DEAD
    settled = dead and listed.id in handled(kin_of(ask, listed.event_id))
    return ListedDelivery(listed, event_name, upstream_id, settled, source=source)


def kin_of(ask: Ask, event_id: int) -> list[Kin]:
    """All deliveries of an event, oldest first."""
    return [
        Kin(*row) for row in ask(f"SELECT {KIN_COLUMNS} FROM deliveries WHERE event_id = ? ORDER BY id", (event_id,))
    ]


def attempts(connection: apsw.Connection, delivery_id: int) -> list[Attempt]:
    rows = connection.execute(
        f"SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,)
    )
    return [attempt_from_row(row) for row in rows]


def rejected(connection: apsw.Connection, since: datetime | None, limit: int, cursor: int | None) -> list[Rejection]:
    conditions, values = _page(connection, ("rejected", "id", "received_at"), since, cursor)
    rows = connection.execute(
        f"SELECT {REJECTION_COLUMNS} FROM rejected WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
        (*values, limit),
    )
    return [rejection_from_row(row) for row in rows]


def rejection(connection: apsw.Connection, rejected_id: int) -> Rejection | None:
    row = connection.execute(f"SELECT {REJECTION_COLUMNS} FROM rejected WHERE id = ?", (rejected_id,)).fetchone()
    return None if row is None else rejection_from_row(row)


def lanes(connection: apsw.Connection) -> dict[str, LaneState]:
    """Give the lanes that were ever owned; a row with epoch 0 only counts the deaths of one that never was."""
    rows = connection.execute(f"SELECT {LANE_COLUMNS} FROM lanes WHERE epoch > 0")
    return {row[0]: lane_from_row(row) for row in rows}


def untold(connection: apsw.Connection) -> list[Untold]:
    rows = connection.execute(f"SELECT {UNTOLD_COLUMNS} FROM lanes WHERE untold_deaths > 0 ORDER BY destination")
    return [untold_from_row(row) for row in rows]


def totals(connection: apsw.Connection) -> Totals:
    return Totals(connection.execute("SELECT name, sum(value) FROM counters GROUP BY name"))


def stats(connection: apsw.Connection) -> Stats:
    return totals(connection).stats(lanes(connection))


def moments(connection: apsw.Connection, sources: Collection[str]) -> Moments:
    """Look up moments; each is one step into an index: ids grow with time, and end every index."""
    oldest = "SELECT id, created_at FROM deliveries WHERE destination = ? AND state = ? ORDER BY id LIMIT 1"
    waiting_since = {}
    for destination in totals(connection).destinations:
        found = [connection.execute(oldest, (destination, state)).fetchone() for state in _UNDER_WAY]
        if made := [row for row in found if row is not None]:
            waiting_since[destination] = from_ms(min(made)[1])
    latest = f"SELECT received_at FROM events WHERE source = ? AND flags & {OWN} = 0 ORDER BY id DESC LIMIT 1"
    events = [(source, connection.execute(latest, (source,)).fetchone()) for source in sources]
    return Moments(waiting_since, {source: from_ms(row[0]) for source, row in events if row is not None})


def _page(
    connection: apsw.Connection, names: tuple[str, str, str], since: datetime | None, cursor: int | None
) -> tuple[list[str], list[object]]:
    """Bound a list, newest first, from above by its cursor and from below by a time; names: table, key, time."""
    table, key, time = names
    conditions, values = [f"{key} < ?"], [cursor if cursor is not None else 2**63 - 1]
    if since is not None:
        conditions += [f"{key} >= ?", f"{time} >= ?"]
        values += [first_id_since(connection, table, time, to_ms(since - CLOCK_SLACK)), to_ms(since)]
    return conditions, list(values)


def first_id_since(connection: apsw.Connection, table: str, time: str, since: int) -> int:
    """Find a lower bound of the ids from a time on by bisection, so that a list need not walk the whole history."""
    low, high = 0, 2**63 - 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(f"SELECT {time} FROM {table} WHERE id >= ? ORDER BY id LIMIT 1", (middle,)).fetchone()
        if row is None or row[0] >= since:
            high = middle
        else:
            low = middle + 1
    return low


_OBJECT_COLUMNS = "source, kind, object_id, facts"


def objects(connection: apsw.Connection, keys: Collection[tuple[str, str, str]]) -> list[KnownObject]:
    """Look objects up by their keys."""
    sql = f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE source = ? AND kind = ? AND object_id = ?"
    rows = (connection.execute(sql, key).fetchone() for key in keys)
    return [_object_from_row(row) for row in rows if row is not None]


def newest_objects(connection: apsw.Connection, source: str, limit: int) -> list[tuple[str, str, bytes]]:
    """List what was learned last; what is most likely to be asked for stands at the end."""
    rows = connection.execute(
        "SELECT kind, object_id, CAST(facts AS BLOB) FROM objects WHERE source = ?"
        " ORDER BY kind = 'pages', learned_at DESC LIMIT ?",
        (source, limit),
    )
    return [(str(kind), str(object_id), bytes(facts)) for kind, object_id, facts in rows][::-1]


def objects_before(connection: apsw.Connection, before: datetime, limit: int) -> list[tuple[str, str, str]]:
    """List keys of objects that nothing was learned of since."""
    rows = connection.execute(
        "SELECT source, kind, object_id FROM objects WHERE learned_at < ? LIMIT ?", (to_ms(before), limit)
    )
    return [(str(source), str(kind), str(object_id)) for source, kind, object_id in rows]


def _object_from_row(row: Row) -> KnownObject:
    source, kind, object_id, facts = row
    return KnownObject(source, kind, object_id, parse_body(facts.encode()))
