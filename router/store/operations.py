"""
The verbs of ingress and of single deliveries, each a plain function of an open transaction.

They may run twice, the first time being rolled back, so they change nothing but the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from router.clock import to_ms
from router.events import LEADS_TO, Cause, Delivery, DeliveryState, Event, Outcome
from router.store import objects
from router.store.counts import EVENTS, REJECTED, REPEATED_BODIES
from router.store.records import Accepted, Taught, Transition, Untold
from router.store.rows import (
    ATTEMPT_COLUMNS,
    CAUSE,
    DELIVERY_COLUMN_COUNT,
    DELIVERY_COLUMNS,
    EPOCH,
    EVENT_COLUMNS,
    REJECTION_COLUMNS,
    REPEATED_BODY,
    STATE,
    UPDATED_AT,
    Row,
    attempt_row,
    delivery_from_row,
    with_before,
)
from router.store.transaction import Transaction

REPEAT_WINDOW = timedelta(minutes=20)
"""Without an upstream id, the same name and body are a repeat for this long: Spaces tries again for 16 minutes."""

_SENDING = DeliveryState.SENDING.value
_PENDING = DeliveryState.PENDING.value
_DEAD = DeliveryState.DEAD.value
_WAITING = (DeliveryState.PENDING.value, DeliveryState.RETRYING.value)

_INSERT_EVENT = f"INSERT INTO events ({EVENT_COLUMNS}) VALUES ({', '.join('?' * 11)})"
_INSERT_DELIVERY = f"INSERT INTO deliveries ({DELIVERY_COLUMNS}) VALUES ({', '.join('?' * DELIVERY_COLUMN_COUNT)})"
_INSERT_REJECTION = f"INSERT INTO rejected ({REJECTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
INSERT_ATTEMPT = f"INSERT INTO attempts ({ATTEMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"


def save_ruleset(transaction: Transaction, row: Row) -> None:
    """Keep a rule set; its hash names its content, so of one that is kept already only the time moves on."""
    transaction.execute(
        "INSERT INTO rulesets (hash, loaded_at, text, files) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET loaded_at = max(loaded_at, excluded.loaded_at)",
        row,
    )


def accept(
    transaction: Transaction, event: Event, event_row: Row, delivery_rows: Sequence[Row], taught: Taught | None = None
) -> Accepted:
    """Store an event with its deliveries and what it teaches, or find the event that it repeats."""
    seen = transaction.one(
        "SELECT 1 FROM events WHERE body_hash = ? AND source = ? LIMIT 1", (event.body_hash, event.source)
    )
    if seen is not None:
        stored_before = _repeated(transaction, event)
        if stored_before is not None:
            return Accepted(stored_before, repeat=True)
        event_row = (*event_row[:7], event_row[7] | REPEATED_BODY, *event_row[8:])
        transaction.counts.add(REPEATED_BODIES)
    known, before = (None, None) if taught is None else objects.learn(transaction, taught)
    if before is not None:
        event_row = with_before(event_row, before)
    transaction.execute(_INSERT_EVENT, event_row)
    transaction.counts.add(EVENTS)
    transaction.tell(event if seen is None else replace(event, repeated_body=True))
    demoted = tuple(row[0] for row in delivery_rows if not _insert_delivery(transaction, row))
    return Accepted(event.id, repeated_body=seen is not None, demoted=demoted, taught=known, before=before)


def _repeated(transaction: Transaction, event: Event) -> int | None:
    """Find the stored event that this one repeats; each look-up is one step into an index, whatever stands there."""
    seen = (event.body_hash, event.source, event.name)
    if event.upstream_id is not None:
        row = transaction.one(
            "SELECT id FROM events WHERE body_hash = ? AND source = ? AND name = ? AND upstream_id = ?",
            (*seen, event.upstream_id),
        )
        return None if row is None else row[0]
    row = transaction.one(
        "SELECT id, received_at FROM events WHERE body_hash = ? AND source = ? AND upstream_id IS NULL AND name = ?"
        " ORDER BY id DESC LIMIT 1",
        seen,
    )
    if row is None or row[1] < to_ms(event.received_at - REPEAT_WINDOW):
        return None
    return int(row[0])


def _insert_delivery(transaction: Transaction, row: Row) -> bool:
    """
    Insert a delivery; False where it was to be `sending` under an epoch that is no longer its lane's.

    Such a one becomes `pending`: the new owner of the lane will send it, and the old one must not.
    """
    state, destination = row[STATE], row[3]
    keeps_state = state != _SENDING or (row[EPOCH] is not None and transaction.lane_epoch(destination) == row[EPOCH])
    if not keeps_state:
        state = _PENDING
        row = (*row[:STATE], state, *row[STATE + 1 : EPOCH], None, *row[EPOCH + 1 :])
    transaction.execute(_INSERT_DELIVERY, row)
    transaction.counts.inserted(state, destination)
    transaction.tell(row[0])
    if state == _DEAD:
        _mourn(transaction, row[CAUSE], destination, row[UPDATED_AT])
    return keeps_state


def _mourn(transaction: Transaction, cause: str, destination: str, at: int) -> None:
    """Count a dead letter for the next alert, unless it is one itself: of that nobody is told, so nothing loops."""
    if cause != Cause.ALERT.value:
        transaction.lane_buried(destination, at)


def insert(transaction: Transaction, row: Row) -> bool:
    """Store a further delivery of a stored event; one of the same id stays as it is. False where it was demoted."""
    if transaction.one("SELECT 1 FROM deliveries WHERE id = ?", row[:1]) is not None:
        return True
    return _insert_delivery(transaction, row)


def alert(transaction: Transaction, event: Event, event_row: Row, delivery_row: Row, told: Untold | None) -> None:
    """Store an alert, and take what it tells of from what is still to be told."""
    transaction.execute(_INSERT_EVENT, event_row)
    transaction.tell(event)
    _insert_delivery(transaction, delivery_row)
    if told is not None:
        transaction.write_lanes()
        transaction.execute(
            "UPDATE lanes SET untold_deaths = max(0, untold_deaths - ?), last_alert_at = ?,"
            " untold_since = iif(untold_deaths > ?, ?, NULL) WHERE destination = ?",
            (told.deaths, event_row[5], told.deaths, event_row[5], told.destination),
        )


def forget_untold(transaction: Transaction) -> None:
    """Let no alert tell of what has died so far."""
    transaction.write_lanes()
    transaction.execute("UPDATE lanes SET untold_deaths = 0, untold_since = NULL WHERE untold_deaths > 0")


def reject(transaction: Transaction, row: Row) -> None:
    """Keep what was answered 400."""
    transaction.execute(_INSERT_REJECTION, row)
    if transaction.changed:
        transaction.counts.add(REJECTED)


def claim(transaction: Transaction, delivery_id: int, epoch: int, at: int) -> Delivery | None:
    """Turn a waiting delivery to `sending` for the present owner of its lane."""
    row = transaction.one(
        f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ? AND state IN ('pending', 'retrying')", (delivery_id,)
    )
    if row is None or transaction.lane_epoch(row[3]) != epoch:
        return None
    transaction.execute(
        "UPDATE deliveries SET state = 'sending', epoch = ?, updated_at = ? WHERE id = ?", (epoch, at, delivery_id)
    )
    transaction.counts.moved(row[STATE], _SENDING, row[3])
    transaction.tell(delivery_id)
    claimed = list(row)
    claimed[STATE], claimed[EPOCH], claimed[UPDATED_AT] = _SENDING, epoch, at
    return delivery_from_row(tuple(claimed))


def check(transition: Transition) -> None:
    """
    See that a transition can be meant at all; whether it may happen is decided where the delivery is read.

    Raises:
        ValueError: It leads to a state that deliveries only reach by being inserted, claimed or taken back.
    """
    by_outcome = LEADS_TO[DeliveryState.SENDING] - {DeliveryState.PENDING}
    if transition.state in (DeliveryState.HELD, DeliveryState.SENDING) or (
        transition.epoch is not None and transition.state not in by_outcome
    ):
        raise ValueError(f"an outcome cannot make delivery {transition.delivery_id} {transition.state}")
    if transition.state is DeliveryState.RETRYING and transition.due_at is None:
        raise ValueError(f"delivery {transition.delivery_id} is to be retried, but no time is given")
    if transition.attempt is not None and transition.attempt.delivery_id != transition.delivery_id:
        raise ValueError(
            f"the attempt of delivery {transition.attempt.delivery_id} is no outcome of {transition.delivery_id}"
        )


def record(transaction: Transaction, transition: Transition, message: bytes | None, fallback_row: Row | None) -> bool:
    """Write what became of a delivery, where it still stands as its writer believes."""
    row = transaction.one(
        "SELECT state, epoch, destination, attempts, due_at, cause FROM deliveries WHERE id = ?",
        (transition.delivery_id,),
    )
    if row is None or not _may_move(transaction, transition, row):
        return False
    state, _, destination, attempts, _, cause = row
    attempt = transition.attempt
    if attempt is not None:
        attempts += 1
        transaction.execute(INSERT_ATTEMPT, attempt_row(attempt, attempts))
        transaction.counts.attempted(destination, attempt.outcome.value)
    transaction.execute(
        "UPDATE deliveries SET state = ?, due_at = coalesce(?, due_at), failures = max(failures, ?), attempts = ?,"
        " reason = ?, last_error = iif(?, ?, last_error), message = coalesce(?, message), epoch = NULL, updated_at = ?"
        " WHERE id = ?",
        (
            transition.state.value,
            None if transition.due_at is None else to_ms(transition.due_at),
            transition.failures,
            attempts,
            transition.reason,
            attempt is not None or bool(transition.last_error),
            transition.last_error,
            message,
            to_ms(transition.at),
            transition.delivery_id,
        ),
    )
    transaction.counts.moved(state, transition.state.value, destination)
    transaction.tell(transition.delivery_id)
    _record_lane(transaction, transition, destination)
    if transition.state is DeliveryState.DEAD:
        _mourn(transaction, cause, destination, to_ms(transition.at))
    if fallback_row is not None:
        _insert_delivery(transaction, fallback_row)
    return True


def _may_move(transaction: Transaction, transition: Transition, row: Row) -> bool:
    state, epoch, destination, _, due_at, _ = row
    if transition.epoch is not None:
        return bool(state == _SENDING and epoch == transition.epoch == transaction.lane_epoch(destination))
    if state == transition.state.value:
        # Another time to be due at; said twice, the second time changes nothing.
        return transition.due_at is not None and to_ms(transition.due_at) != due_at and state in _WAITING
    return state != _SENDING and transition.state in LEADS_TO[DeliveryState(state)]


def _record_lane(transaction: Transaction, transition: Transition, destination: str) -> None:
    if transition.paused_until is not None:
        transaction.lane_paused(destination, to_ms(transition.paused_until))
    if transition.attempt is None:
        return
    if transition.attempt.outcome is Outcome.DELIVERED:
        transaction.lane_succeeded(destination, to_ms(transition.at))
    elif transition.attempt.outcome in (Outcome.TEMPORARY, Outcome.PERMANENT):
        transaction.lane_failed(destination)
