"""What follows a failed attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.retry import after_failure, after_success, next_attempt_at
from router.destinations.base import TEAMWORK_SCHEDULE
from router.errors import PermanentFailure, RenderFailure, TemporaryFailure, Throttled
from router.events import DeliveryState, Outcome
from tests.fakes import START

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 5), (3, 10)])
def test_attempts_follow_teamworks_schedule(failures: int, minutes: int) -> None:
    """After the first, second and third failure the next attempt is due 1, 5 and 10 minutes later."""
    assert next_attempt_at(failures, START, TEAMWORK_SCHEDULE) == START + timedelta(minutes=minutes)


def test_the_fourth_failure_is_the_last() -> None:
    """A delivery that has failed four times is a dead letter."""
    assert next_attempt_at(4, START, TEAMWORK_SCHEDULE) is None
    decision = after_failure(TemporaryFailure("HTTP 503"), 3, START, TEAMWORK_SCHEDULE)
    assert decision.state is DeliveryState.DEAD
    assert decision.reason == "retries exhausted"
    assert decision.failures == 4


def test_an_empty_schedule_is_a_single_attempt() -> None:
    """`retry: []` gives up after the first failure."""
    assert after_failure(TemporaryFailure("HTTP 500"), 0, START, ()).state is DeliveryState.DEAD


def test_success_is_final() -> None:
    """A delivery that arrived has nothing left to wait for."""
    decision = after_success(failures=2)
    assert (decision.state, decision.outcome, decision.due_at) == (DeliveryState.DELIVERED, Outcome.DELIVERED, None)


@pytest.mark.parametrize("failure", [PermanentFailure("HTTP 400", 400, "rejected (HTTP 400)"), RenderFailure("no")])
def test_a_permanent_failure_is_dead_at_once(failure: PermanentFailure) -> None:
    """What no later attempt can cure uses up no schedule, and keeps its reason."""
    decision = after_failure(failure, 0, START, TEAMWORK_SCHEDULE)
    assert (decision.state, decision.outcome) == (DeliveryState.DEAD, Outcome.PERMANENT)
    assert decision.reason == failure.reason


def test_a_throttled_attempt_costs_no_failure() -> None:
    """When the destination says when to come back, the delivery waits until then and the lane rests."""
    until = START + timedelta(minutes=20)
    decision = after_failure(Throttled("HTTP 429", until, 429), 2, START, TEAMWORK_SCHEDULE)
    assert (decision.state, decision.outcome) == (DeliveryState.RETRYING, Outcome.THROTTLED)
    assert (decision.failures, decision.due_at, decision.paused_until) == (2, until, until)


def test_a_lane_rests_for_an_hour_at_most() -> None:
    """A long Retry-After delays its own delivery, but what waits behind is tried again after an hour."""
    until = START + 5 * HOUR
    decision = after_failure(Throttled("HTTP 503", until, 503), 0, START, TEAMWORK_SCHEDULE)
    assert (decision.due_at, decision.paused_until) == (until, START + HOUR)


def test_throttling_counts_as_failure_after_a_day() -> None:
    """A destination that only ever says later is a failing one after 24 hours."""
    throttled = Throttled("HTTP 429", START + HOUR, 429)
    since = START - 23 * HOUR
    assert after_failure(throttled, 0, START, TEAMWORK_SCHEDULE, since).outcome is Outcome.THROTTLED
    late = after_failure(throttled, 0, START, TEAMWORK_SCHEDULE, since - timedelta(seconds=1))
    assert (late.outcome, late.failures) == (Outcome.TEMPORARY, 1)


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=1)), max_size=20))
def test_any_schedule_gives_one_attempt_more_than_it_has_entries(schedule: list[timedelta]) -> None:
    """A schedule of n waiting times makes n + 1 attempts, none of them early."""
    failures, at, attempts = 0, START, 0
    while True:
        attempts += 1
        decision = after_failure(TemporaryFailure("no"), failures, at, schedule)
        failures = decision.failures
        if decision.due_at is None:
            break
        assert decision.due_at - at == schedule[attempts - 1]
        at = decision.due_at
    assert attempts == len(schedule) + 1
