"""Values to rows and back. Making a row checks its values, so what reaches the database can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from router.clock import from_ms, to_ms
from router.events import BEFORE, Attempt, Cause, Delivery, DeliveryState, Event, Message, Outcome, Rejection
from router.payload import JSON, dump_json, parse_body
from router.store.records import LaneState, RuleSetText, Untold

Row: TypeAlias = tuple[Any, ...]

REPEATED_BODY = 1
"""Bits of `events.flags`."""
OWN = 2

_FACTS = 9
"""Place in `EVENT_COLUMNS`."""

_LARGEST_ID = 2**63 - 1

# Looked up here rather than by calling the class: that takes ten times as long, and every claim does both.
_STATES = {state.value: state for state in DeliveryState}
_CAUSES = {cause.value: cause for cause in Cause}

EVENT_COLUMNS = "id, source, name, upstream_id, body_hash, received_at, ruleset, flags, headers, facts, body"
DELIVERY_COLUMNS = (
    "id, event_id, rule, destination, ruleset, state, due_at, created_at, updated_at, cause, origin_id, merged_into,"
    " reason, group_key, opened_at, cap_at, failures, attempts, interruptions, epoch, last_error, message"
)
DELIVERY_COLUMN_COUNT = 22
STATE = 5
"""Places of single columns in `DELIVERY_COLUMNS`."""
UPDATED_AT = 8
CAUSE = 9
EPOCH = 19
ATTEMPT_COLUMNS = "delivery_id, number, started_at, duration_ms, outcome, status, detail"
REJECTION_COLUMNS = "id, source, received_at, reason, headers, body"
LANE_COLUMNS = "destination, epoch, paused_until, consecutive_failures, last_success_at"
UNTOLD_COLUMNS = "destination, untold_deaths, untold_since, last_alert_at"


def _id(value: int) -> int:
    if not 0 <= value <= _LARGEST_ID:
        raise ValueError(f"{value} is no id: expected a number of at most 63 bits")
    return value


def _text(value: str) -> str:
    value.encode()  # A lone surrogate could not be stored; the error names its place.
    return value


def _optional_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _optional_moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def event_row(event: Event) -> Row:
    """
    Lay an event out in the order of `EVENT_COLUMNS`; whether its body is a repeated one is for the store to find out.

    Raises:
        ValueError: A value cannot be stored.
    """
    return (
        _id(event.id),
        _text(event.source),
        _text(event.name),
        event.upstream_id if event.upstream_id is None else _text(event.upstream_id),
        event.body_hash,
        to_ms(event.received_at),
        event.ruleset,
        OWN if event.is_own else 0,
        dump_json(dict(event.headers)).decode(),
        dump_json(dict(event.facts)).decode(),
        event.body,
    )


def with_before(row: Row, before: Mapping[str, JSON]) -> Row:
    """Add to the row of an event what was known of its object before; what was found only while it was being stored."""
    facts = {**parse_body(row[_FACTS].encode()), BEFORE: dict(before)}
    return (*row[:_FACTS], dump_json(facts).decode(), *row[_FACTS + 1 :])


def event_from_row(row: Row) -> Event:
    (event_id, source, name, upstream_id, body_hash, received_at, ruleset, flags, headers, facts, body) = row
    return Event(
        id=event_id,
        source=source,
        name=name,
        upstream_id=upstream_id,
        body=body,
        body_hash=body_hash,
        headers=parse_body(headers.encode()),
        received_at=from_ms(received_at),
        ruleset=ruleset,
        facts=parse_body(facts.encode()),
        repeated_body=bool(flags & REPEATED_BODY),
        is_own=bool(flags & OWN),
    )


def delivery_row(delivery: Delivery) -> Row:
    """
    Lay a delivery out in the order of `DELIVERY_COLUMNS`.

    Raises:
        ValueError: A value cannot be stored.
    """
    return (
        _id(delivery.id),
        _id(delivery.event_id),
        _text(delivery.rule),
        _text(delivery.destination),
        delivery.ruleset,
        delivery.state.value,
        to_ms(delivery.due_at),
        to_ms(delivery.created_at),
        to_ms(delivery.updated_at),
        delivery.cause.value,
        delivery.origin_id,
        delivery.merged_into,
        _text(delivery.reason),
        delivery.group_key if delivery.group_key is None else _text(delivery.group_key),
        _optional_ms(delivery.opened_at),
        _optional_ms(delivery.cap_at),
        delivery.failures,
        delivery.attempts,
        delivery.interruptions,
        delivery.epoch,
        _text(delivery.last_error),
        message_bytes(delivery.message),
    )


def delivery_from_row(row: Row) -> Delivery:
    message = row[21]
    return Delivery(
        id=row[0],
        event_id=row[1],
        rule=row[2],
        destination=row[3],
        ruleset=row[4],
        state=_STATES[row[5]],
        due_at=from_ms(row[6]),
        created_at=from_ms(row[7]),
        updated_at=from_ms(row[8]),
        cause=_CAUSES[row[9]],
        origin_id=row[10],
        merged_into=row[11],
        reason=row[12],
        group_key=row[13],
        opened_at=_optional_moment(row[14]),
        cap_at=_optional_moment(row[15]),
        failures=row[16],
        attempts=row[17],
        interruptions=row[18],
        epoch=row[19],
        last_error=row[20],
        message=None if message is None else Message.decode(message),
    )


def message_bytes(message: Message | None) -> bytes | None:
    return None if message is None else message.encode()


def attempt_row(attempt: Attempt, number: int) -> Row:
    """Lay an attempt out in the order of `ATTEMPT_COLUMNS`, under the number that the store counted."""
    return (
        attempt.delivery_id,
        number,
        to_ms(attempt.started_at),
        attempt.duration_ms,
        attempt.outcome.value,
        attempt.status,
        attempt.detail,
    )


def attempt_from_row(row: Row) -> Attempt:
    delivery_id, number, started_at, duration_ms, outcome, status, detail = row
    return Attempt(delivery_id, number, from_ms(started_at), duration_ms, Outcome(outcome), status, detail)


def rejection_row(rejection: Rejection) -> Row:
    """Lay a rejection out in the order of `REJECTION_COLUMNS`."""
    return (
        _id(rejection.id),
        _text(rejection.source),
        to_ms(rejection.received_at),
        _text(rejection.reason),
        dump_json(dict(rejection.headers)).decode(),
        rejection.body,
    )


def rejection_from_row(row: Row) -> Rejection:
    rejection_id, source, received_at, reason, headers, body = row
    return Rejection(rejection_id, source, from_ms(received_at), reason, parse_body(headers.encode()), body)


def ruleset_row(ruleset: RuleSetText) -> Row:
    return ruleset.hash, to_ms(ruleset.loaded_at), _text(ruleset.text), dump_json(dict(ruleset.files)).decode()


def ruleset_from_row(row: Row) -> RuleSetText:
    ruleset_hash, loaded_at, text, files = row
    stored: Mapping[str, str] = parse_body(files.encode())
    return RuleSetText(hash=ruleset_hash, text=text, files=stored, loaded_at=from_ms(loaded_at))


def lane_from_row(row: Row) -> LaneState:
    destination, epoch, paused_until, consecutive_failures, last_success_at = row
    return LaneState(
        destination, epoch, _optional_moment(paused_until), consecutive_failures, _optional_moment(last_success_at)
    )


def untold_from_row(row: Row) -> Untold:
    destination, deaths, since, last_alert_at = row
    return Untold(destination, deaths, _optional_moment(since), _optional_moment(last_alert_at))
