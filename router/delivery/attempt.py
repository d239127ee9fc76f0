"""One attempt: render, send, classify; what it comes to is a `Transition` for the store."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from router.clock import Clock, rfc3339
from router.config.model import Configuration
from router.config.style import style_of
from router.delivery.naming import Naming, words_for
from router.delivery.retry import Decision, after_failure, after_success
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.errors import PermanentFailure, RenderFailure, StoreUnavailable, TemporaryFailure, Throttled
from router.events import Attempt, Delivery, DeliveryState, Event, Message, Outcome
from router.histogram import Histogram
from router.messages.directory import Directory
from router.messages.spec import MessageSpec
from router.payload import JSON
from router.secret import Redactor
from router.store.base import Store
from router.store.records import Transition

log = logging.getLogger("router.delivery")

DETAIL_LIMIT = 4096
EMPTY_MESSAGE = "empty message"
DRY_RUN = "dry run"

_DURATIONS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


ReadEvent: TypeAlias = Callable[[int], Awaitable[Event | None]]
"""Gives an event by its id, from memory or the store."""


@dataclass
class _Tried:
    """
    How far an attempt came.

    Attributes:
        started_at: Aware, UTC.
        started: The same moment, for measuring.
    """

    started_at: datetime
    started: float
    event: Event | None = None
    judged: Configuration | None = None
    message: Message | None = None


class Attempts:
    """
    Makes attempts.

    Args:
        ruleset: Gives the rule set of a hash, the running one or one from the store; None where it is not kept.
        clients: What destinations reach the world with.

    Attributes:
        durations: Seconds of the attempts since the start, by destination.
    """

    def __init__(
        self,
        *,
        ruleset: Callable[[str], Awaitable[Configuration | None]],
        clients: Clients,
        store: Store,
        clock: Clock,
        redactor: Redactor,
        naming: Naming | None = None,
    ) -> None:
        self._ruleset = ruleset
        self._clients = clients
        self._store = store
        self._naming = naming or Naming(Directory(), store)
        self._clock = clock
        self._redactor = redactor
        self.durations: defaultdict[str, Histogram] = defaultdict(partial(Histogram, _DURATIONS))

    async def make(self, delivery: Delivery, read: ReadEvent, destination: Destination) -> Transition:
        """Try a delivery that is `sending`. Whatever goes wrong becomes an outcome; only cancelling gets out."""
        tried = _Tried(self._clock.now(), self._clock.monotonic())
        try:
            tried.event, tried.judged = await self._look_up(delivery, read)
            if _is_unwritten(delivery):
                await self._naming.prepare(tried.event, tried.judged.sources.get(tried.event.source))
                # How long names took says nothing of the destination.
                tried.started_at, tried.started = self._clock.now(), self._clock.monotonic()
            message = tried.message = self._message(delivery, tried.event, destination, tried.judged)
            if message.is_empty:
                return self._unsent(delivery, message, EMPTY_MESSAGE)
            receipt = await send_in_time(self._outgoing(delivery, destination, tried), destination, self._clients)
        except (TemporaryFailure, PermanentFailure) as failure:
            decision = await self._after(failure, delivery, destination, tried.judged)
            status, detail = failure.status, failure.detail
            tried.message = failure.message or tried.message
        except Exception as bug:
            log.exception("delivery.bug", extra=_ids(delivery))
            failed = TemporaryFailure(f"internal error: {type(bug).__name__}; the log has the details")
            decision = await self._after(failed, delivery, destination, tried.judged)
            status, detail = None, failed.detail
        else:
            decision = after_success(delivery.failures)
            status, detail = receipt.status, receipt.detail
            tried.message = receipt.message or tried.message
        seconds = self._clock.monotonic() - tried.started
        self.durations[delivery.destination].observe(seconds)
        attempt = Attempt(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            started_at=tried.started_at,
            duration_ms=round(1000 * seconds),
            outcome=decision.outcome,
            status=status,
            detail=self._redactor.redact(detail)[:DETAIL_LIMIT],
        )
        self._log(delivery, tried.event, destination, attempt, decision)
        return self._transition(delivery, attempt, decision, tried.message)

    async def rehearse(self, delivery: Delivery, read: ReadEvent, destination: Destination) -> Transition:
        """Render a waiting delivery and send nothing; it ends as suppressed, with what would have been sent."""
        try:
            event, judged = await self._look_up(delivery, read)
            await self._naming.prepare(event, judged.sources.get(event.source))
            message = self.render(delivery, event, destination, judged)
        except (TemporaryFailure, PermanentFailure) as failure:
            detail = self._redactor.redact(failure.detail)
            return replace(self._unsent(delivery, None, f"{DRY_RUN}: {detail}"), last_error=detail)
        return self._unsent(delivery, message, DRY_RUN)

    async def _look_up(self, delivery: Delivery, read: ReadEvent) -> tuple[Event, Configuration]:
        try:
            event = await read(delivery.event_id)
            judged = await self._ruleset(delivery.ruleset)
        except StoreUnavailable as error:
            raise TemporaryFailure(f"the event could not be read from the store: {error}") from None
        if event is None:
            raise RenderFailure(f"event {delivery.event_id} is not in the store any more")
        if judged is None:
            raise RenderFailure(f"the rule set {delivery.ruleset[:16]} that judged this event is not kept any more")
        return event, judged

    def _message(self, delivery: Delivery, event: Event, destination: Destination, judged: Configuration) -> Message:
        """The message as it was written before, or written now; a replay brings along who has it already."""
        kept = delivery.message
        if kept is not None and not _is_unwritten(delivery):
            return kept
        written = self.render(delivery, event, destination, judged)
        return replace(written, accepted=kept.accepted) if kept else written

    def render(self, delivery: Delivery, event: Event, destination: Destination, judged: Configuration) -> Message:
        """
        Write the message of a delivery under the rule set that judged it.

        Raises:
            RenderFailure: A template failed.
        """
        return write_message(delivery, event, destination, judged, directory=self._naming.directory)

    def _outgoing(self, delivery: Delivery, destination: Destination, tried: _Tried) -> Outgoing:
        event, judged, message = tried.event, tried.judged, tried.message
        assert event is not None and judged is not None and message is not None  # noqa: S101, PT018 - looked up before
        return make_outgoing(delivery, message, event, destination, judged, directory=self._naming.directory)

    async def _after(
        self,
        failure: TemporaryFailure | PermanentFailure,
        delivery: Delivery,
        destination: Destination,
        judged: Configuration | None,
    ) -> Decision:
        # An empty schedule is a choice, so absence is asked for by name.
        ruled = judged is not None and delivery.rule in judged.retries
        schedule = judged.retries[delivery.rule] if judged and ruled else destination.retry
        throttled_since = await self._throttled_since(delivery) if isinstance(failure, Throttled) else None
        return after_failure(failure, delivery.failures, self._clock.now(), schedule, throttled_since)

    async def _throttled_since(self, delivery: Delivery) -> datetime | None:
        """Tell since when it has only been throttled; what cannot be read now counts as nothing."""
        since: datetime | None = None
        try:
            earlier = await self._store.attempts(delivery.id)
        except StoreUnavailable:
            return None
        for attempt in reversed(earlier):
            if attempt.outcome is not Outcome.THROTTLED:
                break
            since = attempt.started_at
        return since

    def _transition(
        self, delivery: Delivery, attempt: Attempt, decision: Decision, message: Message | None
    ) -> Transition:
        delivered = decision.state is DeliveryState.DELIVERED
        return Transition(
            delivery_id=delivery.id,
            destination=delivery.destination,
            epoch=delivery.epoch,
            state=decision.state,
            at=attempt.started_at + timedelta(milliseconds=attempt.duration_ms),
            due_at=decision.due_at,
            failures=decision.failures,
            reason=decision.reason,
            last_error="" if delivered else attempt.detail,
            attempt=attempt,
            message=message if message != delivery.message else None,
            paused_until=decision.paused_until,
        )

    def _unsent(self, delivery: Delivery, message: Message | None, reason: str) -> Transition:
        log.info("delivery.suppressed", extra=_ids(delivery) | {"reason": reason})
        return Transition(
            delivery_id=delivery.id,
            destination=delivery.destination,
            epoch=delivery.epoch,
            state=DeliveryState.SUPPRESSED,
            at=self._clock.now(),
            failures=delivery.failures,
            reason=reason,
            message=message,
        )

    def _log(
        self, delivery: Delivery, event: Event | None, destination: Destination, attempt: Attempt, decision: Decision
    ) -> None:
        facts = _ids(delivery) | {
            "event_name": event.name if event else "",
            "address": destination.address,
            "number": attempt.number,
            "outcome": attempt.outcome.value,
            "status": attempt.status,
            "duration_ms": attempt.duration_ms,
            "state": decision.state.value,
        }
        if decision.state is DeliveryState.RETRYING and decision.due_at:
            facts["due_at"] = rfc3339(decision.due_at)
        if decision.state is not DeliveryState.DELIVERED:
            facts["detail"] = attempt.detail
        log.log(_LEVELS.get(decision.state, logging.WARNING), "delivery.attempted", extra=facts)


_LEVELS = {DeliveryState.DELIVERED: logging.INFO, DeliveryState.DEAD: logging.ERROR}


async def send_in_time(outgoing: Outgoing, destination: Destination, clients: Clients) -> Receipt:
    """
    Have the destination make its attempt within its own `timeout`.

    Raises:
        TemporaryFailure, Throttled, PermanentFailure: As the destination decides; the first also for no answer in time.
    """
    limit = destination.timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            return await destination.send(outgoing, clients)
    except TimeoutError:
        raise TemporaryFailure(f"{destination.address} gave no complete answer within {limit:g} s") from None


def write_message(
    delivery: Delivery, event: Event, destination: Destination, judged: Configuration, *, directory: Directory | None
) -> Message:
    """
    Write the message of a delivery; nothing but the arguments counts.

    Args:
        judged: The rule set that judged the event.
        directory: What is known of people, spaces and pages; None for the rule file's own names alone.

    Raises:
        RenderFailure: A template failed.
    """
    spec = own_spec(judged.specs.get(delivery.rule) or MessageSpec(), destination)
    style, namespace = style_of(destination), namespace_of(delivery, event, destination, judged, directory)
    message = judged.renderer.render(spec, style, namespace)
    if message.is_empty and event.is_own:
        # The destination has words of its own, made for events of Spaces: an alert must not be lost to them.
        return judged.renderer.render(MessageSpec(), style, namespace)
    return message


def make_outgoing(
    delivery: Delivery,
    message: Message,
    event: Event,
    destination: Destination,
    judged: Configuration,
    *,
    directory: Directory | None,
) -> Outgoing:
    """Put together what a destination gets to send."""

    def fill(template: str, quote: Callable[[str], str]) -> str:
        return judged.renderer.fill(template, namespace_of(delivery, event, destination, judged, directory), quote)

    return Outgoing(delivery.id, message, event, fill)


def own_spec(ruled: MessageSpec, destination: Destination) -> MessageSpec:
    """A destination's own message stands in where the rule has none."""
    own = destination.own_message
    if not own or ruled.message or ruled.template or ruled.blocks is not None or ruled.has_body:
        return ruled
    return MessageSpec(
        message=own.get("message"),
        template=own.get("template"),
        subject=ruled.subject,
        body=own.get("body"),
        has_body="body" in own,
        format=ruled.format,
    )


def _is_unwritten(delivery: Delivery) -> bool:
    return delivery.message is None or delivery.message.is_empty


def _ids(delivery: Delivery) -> dict[str, JSON]:
    return {
        "delivery_id": str(delivery.id),
        "event_id": str(delivery.event_id),
        "rule": delivery.rule,
        "destination": delivery.destination,
    }


def namespace_of(
    delivery: Delivery,
    event: Event,
    destination: Destination,
    judged: Configuration,
    directory: Directory | None = None,
) -> Mapping[str, JSON]:
    """Give what templates see for one delivery; without a directory, only the rule file's own names."""
    known = directory if directory is not None else Directory(0)
    more = {
        "rule": {"name": delivery.rule},
        "destination": {"name": delivery.destination, "type": destination.type_name},
    }
    return words_for(event, judged.sources.get(event.source), known, more)
