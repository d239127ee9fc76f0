"""
What an admin asks of the store: what can be replayed, replays, releases, and a second look at what was rejected.

What can be replayed is looked up by a reading connection; whether it still may be is decided once more in the
transaction that inserts it, so that two who ask for the same at once make no doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from router.clock import to_ms
from router.events import Delivery, DeliveryState, Event
from router.store import operations
from router.store.expiry import not_too_large
from router.store.queries import CLOCK_SLACK, first_id_since, kin_of, single
from router.store.records import EVENT_GONE, Accepted, Objection, Replayable, ReplayFilter, Taught
from router.store.rows import DELIVERY_COLUMNS, EPOCH, STATE, UPDATED_AT, Row, delivery_from_row
from router.store.transaction import Transaction

_PENDING = DeliveryState.PENDING.value
_DUE_AT, _REASON = 6, 12
"""Places of single columns in `DELIVERY_COLUMNS`."""


def newest_delivery(connection: apsw.Connection) -> int:
    return int(single(connection, "SELECT coalesce(max(id), 0) FROM deliveries"))


def replayable(connection: apsw.Connection, wanted: ReplayFilter, after: int, limit: int) -> Replayable:
    """Look at `limit` deliveries of a state after an id, oldest first, and read those that fit."""
    if wanted.since is not None:
        first = first_id_since(connection, "deliveries", "created_at", to_ms(wanted.since - CLOCK_SLACK))
        after = max(after, first - 1)
    upto = wanted.upto
    if wanted.until is not None:
        upto = min(upto, first_id_since(connection, "deliveries", "created_at", to_ms(wanted.until + CLOCK_SLACK)))
    at = "" if wanted.destination is None else " AND destination = ?"
    values = [wanted.state.value, *([] if wanted.destination is None else [wanted.destination]), after, upto, limit]
    rows: list[Any] = connection.execute(
        f"SELECT id, coalesce(length(message), 0), rule, created_at, event_id FROM deliveries"
        f" WHERE state = ?{at} AND id > ? AND id <= ? ORDER BY id LIMIT ?",
        values,
    ).fetchall()
    batch = not_too_large(rows)
    is_last = len(batch) == len(rows) < limit
    found = [
        (_delivery(connection, delivery_id), kin_of(connection.execute, event_id))
        for delivery_id, _, rule, created_at, event_id in batch
        if _fits(wanted, rule, created_at)
    ]
    return Replayable(found, None if is_last else batch[-1][0])


def _fits(wanted: ReplayFilter, rule: str, created_at: int) -> bool:
    return (
        wanted.rule in (None, rule)
        and (wanted.since is None or created_at >= to_ms(wanted.since))
        and (wanted.until is None or created_at < to_ms(wanted.until))
    )


def _delivery(connection: apsw.Connection, delivery_id: int) -> Delivery:
    (row,) = connection.execute(f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?", (delivery_id,)).fetchall()
    return delivery_from_row(row)


def insert_unless(
    transaction: Transaction, deliveries: Sequence[Delivery], rows: Sequence[Row], objection: Objection
) -> list[str | None]:
    """Insert deliveries to which nothing speaks at this moment; per delivery None, or the word against it."""
    return [_insert(transaction, new, row, objection) for new, row in zip(deliveries, rows, strict=True)]


def _insert(transaction: Transaction, new: Delivery, row: Row, objection: Objection) -> str | None:
    if transaction.one("SELECT 1 FROM events WHERE id = ?", (new.event_id,)) is None:
        return EVENT_GONE
    kin = kin_of(transaction.execute, new.event_id)
    if any(one.id == new.id for one in kin):
        return None
    word = objection(new, kin)
    if word is None:
        operations.insert(transaction, row)
    return word


def release(transaction: Transaction, delivery_id: int, at: int) -> Delivery | None:
    """Make a delivery due that waits for its time; the lane's next look finds it."""
    row = transaction.one(
        f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ? AND state IN ('held', 'retrying')", (delivery_id,)
    )
    if row is None:
        return None
    transaction.execute(
        "UPDATE deliveries SET state = 'pending', due_at = ?, reason = '', epoch = NULL, updated_at = ? WHERE id = ?",
        (at, at, delivery_id),
    )
    transaction.counts.moved(row[STATE], _PENDING, row[3])
    transaction.tell(delivery_id)
    released = list(row)
    released[STATE], released[_DUE_AT], released[_REASON] = _PENDING, at, ""
    released[EPOCH], released[UPDATED_AT] = None, at
    return delivery_from_row(tuple(released))


def accept_rejected(
    transaction: Transaction,
    rejected_id: int,
    event: Event,
    event_row: Row,
    delivery_rows: Sequence[Row],
    *,
    taught: Taught | None = None,
) -> Accepted | None:
    """Put an event in the place of the rejected request that it was."""
    if transaction.one("SELECT 1 FROM rejected WHERE id = ?", (rejected_id,)) is None:
        return None
    accepted = operations.accept(transaction, event, event_row, delivery_rows, taught)
    transaction.execute("DELETE FROM rejected WHERE id = ?", (rejected_id,))
    return accepted
