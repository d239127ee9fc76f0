"""
Forgetting: which events may go, and how they go.

What may go is looked up by a reading connection and looked at once more in the transaction that removes it: a replay
may have been asked for in between.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import apsw

from router.clock import to_ms
from router.events import DeliveryState
from router.store.kin import KIN_COLUMNS, Kin, unhandled
from router.store.queries import CLOCK_SLACK, first_id_since, single
from router.store.records import Expiry, Forgotten
from router.store.rows import Row
from router.store.transaction import Transaction

_MOST_BYTES = 8 * 1024 * 1024
"""Bodies that one batch may remove: each of their pages is read to be given free."""

_FINAL = frozenset(state.value for state in DeliveryState if state.is_final)

# The deliveries of an event, and those of the events that opened the groups in which it was told: whether a group's
# dead letter was dealt with stands among these.
KIN = f"""\
SELECT {KIN_COLUMNS} FROM deliveries WHERE event_id = ?1
UNION ALL
SELECT {KIN_COLUMNS} FROM deliveries WHERE event_id IN (
    SELECT d.event_id FROM delivery_events g JOIN deliveries d ON d.id = g.delivery_id
    WHERE g.event_id = ?1 AND d.event_id <> ?1)"""

_Ask: TypeAlias = Callable[[str, Row], Iterable[Row]]


@dataclass(frozen=True)
class Expired:
    """The ids that may go, and what removing them would remove."""

    ids: tuple[int, ...]
    forgotten: Forgotten


def may_go(expiry: Expiry, kin: Sequence[Kin]) -> bool:
    """Decide whether an event that came before `expiry.before` may be forgotten, by its deliveries."""
    before, unhandled_before = to_ms(expiry.before), to_ms(expiry.unhandled_before)
    if any(one.state not in _FINAL or one.updated_at >= before for one in kin):
        return False
    narrowed = bool(expiry.states) or expiry.destination is not None
    if narrowed and not any(_fits(expiry, one) for one in kin):
        return False
    return all(one.updated_at < unhandled_before and _fits(expiry, one) for one in unhandled(kin))


def _fits(expiry: Expiry, one: Kin) -> bool:
    return (not expiry.states or one.state in expiry.states) and expiry.destination in (None, one.destination)


def expired(connection: apsw.Connection, expiry: Expiry, after: int, limit: int) -> Expired:
    """Look at `limit` events after an id, oldest first, and pick those that may go."""
    end = first_id_since(connection, "events", "received_at", to_ms(expiry.before + CLOCK_SLACK))
    rows: list[Any] = connection.execute(
        "SELECT id, length(body), received_at FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        (after, end, limit),
    ).fetchall()
    batch = not_too_large(rows)
    old = [event_id for event_id, _, received_at in batch if received_at < to_ms(expiry.before)]
    is_last = len(batch) == len(rows) < limit
    ids, forgotten = _pick(connection.execute, expiry, old, None if is_last else batch[-1][0])
    return Expired(ids, forgotten)


def not_too_large(rows: list[Any]) -> list[Any]:
    """Cut a batch short where its bodies, in the second column, are large; one row, however large, always stays."""
    sizes = itertools.accumulate(row[1] for row in rows)
    return [row for place, (row, size) in enumerate(zip(rows, sizes, strict=True)) if not place or size <= _MOST_BYTES]


def _pick(ask: _Ask, expiry: Expiry, old: Iterable[int], following: int | None) -> tuple[tuple[int, ...], Forgotten]:
    ids, deliveries, dead = [], 0, 0
    for event_id in old:
        kin = [Kin(*row) for row in ask(KIN, (event_id,))]
        if may_go(expiry, kin):
            ids.append(event_id)
            own = [one for one in kin if one.event_id == event_id]
            deliveries += len(own)
            dead += len(unhandled(own))
    return tuple(ids), Forgotten(len(ids), deliveries, dead, following)


def remove(transaction: Transaction, expiry: Expiry, ids: Sequence[int]) -> Forgotten:
    """Remove events with everything that belongs to them, where they may still go."""
    going, forgotten = _pick(transaction.execute, expiry, ids, None)
    for event_id in going:
        for statement in (
            "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE event_id = ?)",
            "DELETE FROM delivery_events WHERE delivery_id IN (SELECT id FROM deliveries WHERE event_id = ?)",
            "DELETE FROM delivery_events WHERE event_id = ?",
            "DELETE FROM deliveries WHERE event_id = ?",
            "DELETE FROM events WHERE id = ?",
        ):
            transaction.execute(statement, (event_id,))
    return forgotten


def rejected_before(connection: apsw.Connection, before: datetime, limit: int) -> tuple[int, ...]:
    """Pick the oldest rejected requests."""
    rows = _rejected(connection, "id, length(body)", before, f" ORDER BY id LIMIT {limit:d}")
    return tuple(row[0] for row in not_too_large(rows))


def count_rejected(connection: apsw.Connection, before: datetime) -> int:
    ((count,),) = _rejected(connection, "count(*)", before, "")
    return int(count)


def _rejected(connection: apsw.Connection, columns: str, before: datetime, more: str) -> list[Any]:
    end = first_id_since(connection, "rejected", "received_at", to_ms(before + CLOCK_SLACK))
    return connection.execute(
        f"SELECT {columns} FROM rejected WHERE id < ? AND received_at < ?{more}", (end, to_ms(before))
    ).fetchall()


def remove_rejected(transaction: Transaction, ids: Sequence[int]) -> None:
    for rejected_id in ids:
        transaction.execute("DELETE FROM rejected WHERE id = ?", (rejected_id,))


def unused_rulesets(connection: apsw.Connection, before: datetime, keep: Sequence[str]) -> tuple[str, ...]:
    """
    Find rule sets that nothing names any more.

    No index serves this, for it would cost every event its share: an unused rule set costs one walk over the history,
    and is gone then; one that is used is mostly found to be at once, among the oldest.
    """
    candidates: list[Any] = connection.execute(
        "SELECT hash FROM rulesets WHERE loaded_at < ?", (to_ms(before),)
    ).fetchall()
    return tuple(
        ruleset_hash
        for (ruleset_hash,) in candidates
        if ruleset_hash not in keep
        and not any(
            single(connection, f"SELECT EXISTS (SELECT 1 FROM {table} WHERE ruleset = ?)", (ruleset_hash,))
            for table in ("events", "deliveries")
        )
    )


def remove_rulesets(transaction: Transaction, hashes: Sequence[str], before: int) -> int:
    """Remove rule sets, but for one that has been loaded again since it was looked up; the count."""
    removed = 0
    for ruleset_hash in hashes:
        transaction.execute("DELETE FROM rulesets WHERE hash = ? AND loaded_at < ?", (ruleset_hash, before))
        removed += transaction.changed
    return removed
