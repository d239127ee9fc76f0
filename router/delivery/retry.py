"""What follows an attempt: pure decisions on values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from router.errors import PermanentFailure, TemporaryFailure, Throttled
from router.events import DeliveryState, Outcome

LONGEST_PAUSE = timedelta(hours=1)
LONGEST_THROTTLE = timedelta(hours=24)


@dataclass(frozen=True)
class Decision:
    """
    What becomes of a delivery after an attempt.

    Attributes:
        due_at: When it is tried again; None in a final state.
        failures: Failed attempts so far, this one included where it counts.
        paused_until: Its whole lane rests until then; None for no rest.
    """

    outcome: Outcome
    state: DeliveryState
    failures: int
    due_at: datetime | None = None
    reason: str = ""
    paused_until: datetime | None = None


def next_attempt_at(failures: int, failed_at: datetime, schedule: Sequence[timedelta]) -> datetime | None:
    """
    Say when a delivery is due again, or None once it is a dead letter.

    Args:
        failures: Failed attempts so far, this one included; 1 or more.
        failed_at: When the latest attempt ended; aware, UTC.
        schedule: Waiting times after the first, second, … failure.

    Source: the vendor's webhook page, "reattempted 3 times" after 1, 5 and 10 minutes, read 2026-11. It does not say
    what a delay counts from; ours count from the end of the failed attempt.
    """
    return failed_at + schedule[failures - 1] if failures <= len(schedule) else None


def after_success(failures: int) -> Decision:
    """The destination took the message."""
    return Decision(Outcome.DELIVERED, DeliveryState.DELIVERED, failures)


def after_failure(
    failure: TemporaryFailure | PermanentFailure,
    failures: int,
    ended_at: datetime,
    schedule: Sequence[timedelta],
    throttled_since: datetime | None = None,
) -> Decision:
    """
    Decide after an attempt that did not deliver.

    Args:
        failures: Failed attempts before this one.
        ended_at: When the attempt ended; aware, UTC.
        schedule: Waiting times of the rule or the destination.
        throttled_since: Start of the first of the throttled attempts that directly precede this one, if any.
    """
    if isinstance(failure, PermanentFailure):
        return Decision(Outcome.PERMANENT, DeliveryState.DEAD, failures + 1, reason=failure.reason)
    if isinstance(failure, Throttled) and failure.until - (throttled_since or ended_at) <= LONGEST_THROTTLE:
        return Decision(
            Outcome.THROTTLED,
            DeliveryState.RETRYING,
            failures,
            due_at=failure.until,
            paused_until=min(failure.until, ended_at + LONGEST_PAUSE),
        )
    due_at = next_attempt_at(failures + 1, ended_at, schedule)
    if due_at is None:
        reason = "retries exhausted" if schedule else "failed, and no retry is set"
        return Decision(Outcome.TEMPORARY, DeliveryState.DEAD, failures + 1, reason=reason)
    return Decision(Outcome.TEMPORARY, DeliveryState.RETRYING, failures + 1, due_at=due_at)
