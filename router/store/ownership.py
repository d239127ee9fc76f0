"""The verbs of whole lanes: taking them over, taking back what never left, ending what cannot be sent any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from router.clock import to_ms
from router.events import Cause, DeliveryState, Outcome
from router.store.operations import INSERT_ATTEMPT
from router.store.records import LaneState
from router.store.rows import LANE_COLUMNS, Row, lane_from_row
from router.store.transaction import Transaction

MOST_INTERRUPTIONS = 5
"""A delivery during which the process ended this often is likely to be why."""

INTERRUPTED = "interrupted"
_DETAIL = "the router ended while this attempt was under way; whether the message arrived is not known"


def own(transaction: Transaction, destinations: Collection[str], at: datetime) -> dict[str, LaneState]:
    """Take lanes over under a new epoch each, and settle what an earlier owner left `sending`."""
    transaction.write_lanes()
    owned = {}
    for destination in destinations:
        row = transaction.one(
            "INSERT INTO lanes (destination, epoch) VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1"
            f" RETURNING {LANE_COLUMNS}",
            (destination,),
        )
        if row is None:
            raise AssertionError("an upsert with RETURNING gives its row")
        lane = owned[destination] = lane_from_row(row)
        transaction.lane_owned(destination, lane.epoch)
        for left in transaction.all(
            "SELECT id, attempts, interruptions, updated_at, cause FROM deliveries"
            " WHERE destination = ? AND state = 'sending'",
            (destination,),
        ):
            _interrupt(transaction, destination, left, to_ms(at))
    return owned


def _interrupt(transaction: Transaction, destination: str, row: Row, at: int) -> None:
    delivery_id, attempts, interruptions, claimed_at, cause = row
    # When it ended is not known, so its duration is written as nothing rather than as the length of the outage.
    transaction.execute(
        INSERT_ATTEMPT, (delivery_id, attempts + 1, claimed_at, 0, Outcome.INTERRUPTED.value, None, _DETAIL)
    )
    transaction.counts.attempted(destination, Outcome.INTERRUPTED.value)
    is_last = interruptions + 1 >= MOST_INTERRUPTIONS
    state = DeliveryState.DEAD if is_last else DeliveryState.PENDING
    transaction.execute(
        "UPDATE deliveries SET state = ?, reason = ?, attempts = attempts + 1, interruptions = interruptions + 1,"
        " last_error = ?, epoch = NULL, updated_at = ? WHERE id = ?",
        (state.value, INTERRUPTED if is_last else "", _DETAIL, at, delivery_id),
    )
    transaction.counts.moved(DeliveryState.SENDING.value, state.value, destination)
    transaction.tell(delivery_id)
    if is_last and cause != Cause.ALERT.value:
        transaction.lane_buried(destination, at)


def take_back(transaction: Transaction, epochs: Mapping[str, int], in_flight: Collection[int], at: int) -> int:
    """Turn what is `sending` under these epochs, and not in flight, to `pending`."""
    count = 0
    for destination, epoch in epochs.items():
        rows = transaction.all(
            "SELECT id FROM deliveries WHERE destination = ? AND state = 'sending' AND epoch = ?", (destination, epoch)
        )
        for (delivery_id,) in rows:
            if delivery_id not in in_flight:
                transaction.execute(
                    "UPDATE deliveries SET state = 'pending', epoch = NULL, updated_at = ? WHERE id = ?",
                    (at, delivery_id),
                )
                transaction.counts.moved(DeliveryState.SENDING.value, DeliveryState.PENDING.value, destination)
                transaction.tell(delivery_id)
                count += 1
    return count


def bury(transaction: Transaction, destination: str, at: int, reason: str, limit: int) -> int:
    """End at most `limit` deliveries that wait for a destination; fewer than that means that none is left."""
    causes: list[str] = []
    for state in (DeliveryState.HELD, DeliveryState.PENDING, DeliveryState.RETRYING):
        rows = transaction.all(
            "UPDATE deliveries SET state = 'dead', reason = ?, updated_at = ? WHERE id IN"
            " (SELECT id FROM deliveries WHERE destination = ? AND state = ? LIMIT ?) RETURNING id, cause",
            (reason, at, destination, state.value, limit - len(causes)),
        )
        transaction.counts.moved(state.value, DeliveryState.DEAD.value, destination, len(rows))
        for delivery_id, cause in rows:
            causes.append(cause)
            transaction.tell(delivery_id)
    if told := len(causes) - causes.count(Cause.ALERT.value):
        transaction.lane_buried(destination, at, told)
    return len(causes)
