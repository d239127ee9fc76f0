"""
Ingress: bytes off the wire → a verified, judged and stored event → the answer. Knows no web server.

Spaces counts a status greater than 400 as a failure and tries again after 1, 5 and 10 minutes (source: the vendor's
webhook page, read 2026-11). So the status says whether another try can help: 200 only for what is on disk, 400 for what
no reattempt can cure, more than 400 for everything that may still be cured.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from router.answers import RETRY_AFTER, Answer, error_answer
from router.clock import Clock
from router.config.model import Configuration, Source
from router.delivery.judging import judge_arrived
from router.delivery.naming import remember, taught_by
from router.errors import SignatureMismatch, StoreUnavailable, UnreadableBody
from router.events import DESTINATION_REMOVED, RULES, Delivery, DeliveryState, Event, Rejection
from router.ids import IdSource
from router.incoming import BadEventName, make_event
from router.intake import Counts, Disk, Intake, Limits, Refusals, Turns, shown
from router.messages.directory import Directory
from router.rules.ruleset import Route
from router.signature import is_well_formed, verify
from router.sources import hops, is_event_name, kept_headers
from router.store.base import Store
from router.store.records import Accepted

log = logging.getLogger("router.ingress")

HOOKS = "/hooks/"
HEALTH = "/healthz"


@dataclass(frozen=True, slots=True)
class Admission:
    """The head of a request is fine: read its body, up to so many bytes, and hand it to `accept`."""

    source: Source
    max_body_bytes: int


class Lanes(Protocol):
    """What ingress needs of the lanes."""

    def reserve(self, destination: str, delivery_id: int) -> int | None:
        """
        Take a free slot for a delivery that is about to be stored. Either `hand_over` or `release` has to follow.

        Returns:
            The epoch under which it is to be stored as `sending`; None where it has to wait its turn, as `pending`.
        """
        ...

    def release(self, delivery: Delivery) -> None:
        """Forget a delivery that was not stored, or not as `sending`; its slot is free again."""
        ...

    def hand_over(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        """Take what was just stored. Calls come in the order of the events."""
        ...


class Ingress:
    """
    Decides about requests: `screen` when the head is in, `accept` when the body is.

    Args:
        configuration: Gives the current rule set; asked when an event is judged, so that one rule set judges it.
        directory: What is known of people, spaces and pages; what events teach goes there.
        free_bytes: Tells the free bytes on the disk of the store; asked at most once a second. None: not watched.

    Attributes:
        intake: Where the bytes of bodies are reported while they arrive.
        arrivals: When the latest event of each source came, since the start; repeats count.
        on_refused: Told the source of each request with a wrong signature.
    """

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        store: Store,
        lanes: Lanes,
        ids: IdSource,
        clock: Clock,
        directory: Directory | None = None,
        limits: Limits | None = None,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._configuration = configuration
        self._directory = directory or Directory()
        self._store = store
        self._lanes = lanes
        self._ids = ids
        self._clock = clock
        self._limits = limits = limits or Limits()
        self._disk = Disk(free_bytes, clock)
        self._refusals = Refusals(clock)
        self._turns = Turns()
        self._stopping = False
        self._under_way = 0
        self.intake = Intake(limits.unfinished_bytes)
        self.counts = Counts()
        self.arrivals: dict[str, datetime] = {}
        self.on_refused: Callable[[str], None] | None = None

    def stop(self) -> None:
        """Take nothing new from now on: what comes is answered 503."""
        self._stopping = True

    # The head

    def screen(
        self, method: str, path: str, headers: Mapping[str, str], content_length: int | None, peer: str = ""
    ) -> Answer | Admission:
        """
        Answer what can be answered without the body, or admit it.

        Args:
            path: Without the query.
            headers: Looked up without regard to case.
            content_length: As declared; None for a chunked body or none at all.
            peer: Address of the sender, for the log.
        """
        try:
            return self._screen(method, path, headers, content_length, peer)
        except Exception:
            log.exception("request.failed", extra={"path": shown(path), "peer": peer})
            return self._unavailable("failed", "the router failed on this request; its log says why", "", peer)

    def _screen(
        self, method: str, path: str, headers: Mapping[str, str], content_length: int | None, peer: str
    ) -> Answer | Admission:
        if path == HEALTH:
            wrong = error_answer("method_not_allowed", "health is asked for with GET", {"Allow": "GET, HEAD"})
            return Answer(200, {"status": "ok"}) if method in ("GET", "HEAD") else wrong
        source = self._configuration().sources.get(path[len(HOOKS) :]) if path.startswith(HOOKS) else None
        if source is None:
            self._refusals.note("request.not_found", "", {"path": shown(path), "method": shown(method), "peer": peer})
            return self._refuse(
                "", "not_found", "nothing answers here; deliveries go to /hooks/ and the name of a source"
            )
        if method != "POST":
            self._refusals.note("request.wrong_method", source.name, {"method": shown(method), "peer": peer})
            return self._refuse(source.name, "method_not_allowed", "deliveries are sent with POST", {"Allow": "POST"})
        if (content_length or 0) > self._limits.max_body_bytes:
            return self.too_large(source, peer)
        if not source.unsigned and not is_well_formed(headers.get(source.kind.signature_header)):
            return self._unauthorized(source, headers, peer)
        if (passed := hops(headers)) > self._limits.hops:
            self._refusals.note("request.loop", source.name, {"hops": passed, "peer": peer})
            return self._refuse(
                source.name, "too_many_hops", f"it has passed {passed} routers: it goes round in a loop"
            )
        if (trouble := self.trouble()) is not None:
            return self._unavailable(*trouble, source.name, peer)
        return Admission(source, self._limits.max_body_bytes)

    def trouble(self) -> tuple[str, str] | None:
        """Why nothing can be stored now: a code and a sentence; None while events are taken."""
        if self._stopping:
            return "stopping", "the router is stopping"
        if not self._store.available:
            return "store_unavailable", "the store cannot write now"
        if self._store.waiting >= self._limits.queue:
            return "queue_full", f"{self._limits.queue} deliveries are waiting already"
        if self.intake.held >= self.intake.limit:
            return "too_much_at_once", "too many bodies are arriving at this moment"
        if self._disk.is_below(self._limits.least_free_bytes):
            return "disk_full", "the disk of the store is nearly full"
        return None

    # The body

    async def accept(self, source: Source, headers: Mapping[str, str], body: bytes, peer: str = "") -> Answer:
        """Verify, parse, judge and store a request; whatever happens, there is an answer."""
        received = _Received(source, headers, body, peer)
        self._under_way += 1
        try:
            return await self._decide(received)
        except SignatureMismatch:
            return self._unauthorized(source, headers, peer)
        except StoreUnavailable as error:
            return self._unavailable("store_unavailable", str(error), source.name, peer)
        except Exception:
            # A bug of ours. Nothing was promised, so the sender tries again, and an upgrade may cure it.
            log.exception("event.failed", extra={"source": source.name, "size": len(body), "peer": peer})
            return self._unavailable("failed", "the router failed on this event; its log says why", source.name, peer)
        finally:
            self._under_way -= 1

    async def _decide(self, received: _Received) -> Answer:
        source = received.source
        if not source.unsigned:
            signature = received.headers.get(source.kind.signature_header) or ""
            verify([token.reveal() for token in source.tokens], received.body, signature)
        facts: dict[str, Any] = {}
        try:
            event = make_event(
                source.name,
                source.kind,
                received.headers,
                received.body,
                event_id=self._ids.next(),
                received_at=self._clock.now(),
                ruleset=self._configuration().hash,
                facts=facts,
            )
        except (UnreadableBody, BadEventName) as error:
            return await self._reject(received, error)
        if self._under_way > 1:
            # All requests of this turn are read before the first of them is judged, while what that needs stays in the
            # processor's cache: this saves 5 to 8 % of the time of a request.
            await asyncio.sleep(0)
        return await self._store_judged(event, facts, received)

    async def _store_judged(self, event: Event, facts: dict[str, Any], received: _Received) -> Answer:
        """Judge an event and store it with its deliveries, in one commit; then hand them to the lanes."""
        configuration = self._configuration()
        source = configuration.sources.get(event.source, received.source)
        if event.ruleset != configuration.hash:  # loaded meanwhile
            event = replace(event, ruleset=configuration.hash)
        deliveries = self._judge(event, facts, source, configuration)
        taught = taught_by(event, source)
        turn = self._turns.take() if deliveries else None
        handing_over: Callable[[], None] | None = None
        try:
            accepted = await self._store.accept(event, deliveries, taught)
            if accepted.repeat:
                self.counts.answered(event.source, "repeat")
                self._log_repeat(event, accepted.event_id, received.peer)
                return Answer(200, {"status": "repeat", "event": str(accepted.event_id)})
            remember(self._directory, taught, accepted, facts)
            if accepted.repeated_body:
                event = replace(event, repeated_body=True)
            self.counts.stored(event, received.source.kind)
            stored = [self._as_stored(delivery, accepted) for delivery in deliveries]
            handing_over = partial(self._lanes.hand_over, event, stored)
            self._log_accepted(event, stored, received.peer)
            return Answer(200, {"status": "stored", "event": str(event.id)})
        finally:
            if turn is not None:
                if handing_over is None:
                    self._release(deliveries)
                self._turns.finish(turn, handing_over)

    def _judge(
        self, event: Event, facts: dict[str, Any], source: Source, configuration: Configuration
    ) -> Sequence[Delivery]:
        """Find the rules that match, and make a delivery for each place that they send the event to."""
        judgement, found = judge_arrived(event, source, configuration, self._directory)
        facts.update(found)
        deliveries: list[Delivery] = []
        try:
            for route in judgement.routes:
                # One by one: what the first ones reserved is given back should the next one fail.
                deliveries.append(self._delivery(event, route, configuration))  # noqa: PERF401
        except BaseException:
            self._release(deliveries)
            raise
        return deliveries

    def _release(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._lanes.release(delivery)

    def _delivery(self, event: Event, route: Route, configuration: Configuration) -> Delivery:
        """Make one delivery, `sending` where its lane has a free slot."""
        delivery_id = self._ids.next()
        destination = configuration.destinations.get(route.destination)
        state, reason, epoch = DeliveryState.PENDING, "", None
        if destination is None or not destination.enabled:
            state, reason = DeliveryState.DEAD, DESTINATION_REMOVED
        elif (epoch := self._lanes.reserve(route.destination, delivery_id)) is not None:
            state = DeliveryState.SENDING
        return Delivery(
            id=delivery_id,
            event_id=event.id,
            rule=route.rule,
            destination=route.destination,
            ruleset=event.ruleset,
            state=state,
            reason=reason,
            epoch=epoch,
            due_at=event.received_at,
            created_at=event.received_at,
            updated_at=event.received_at,
        )

    def _as_stored(self, delivery: Delivery, accepted: Accepted) -> Delivery:
        """A delivery whose lane has another owner by now was stored as `pending`, and its slot is not needed."""
        if delivery.id not in accepted.demoted:
            return delivery
        self._lanes.release(delivery)
        return replace(delivery, state=DeliveryState.PENDING, epoch=None)

    # Refusals

    async def _reject(self, received: _Received, error: UnreadableBody | BadEventName) -> Answer:
        """Keep what no reattempt can cure, and answer 400."""
        rejection = Rejection(
            id=self._ids.next(),
            source=received.source.name,
            received_at=self._clock.now(),
            reason=str(error),
            headers=kept_headers(received.source.kind, received.headers),
            body=received.body,
        )
        await self._store.reject(rejection)
        facts = {"rejected_id": str(rejection.id), "source": rejection.source, "reason": shown(rejection.reason)}
        log.warning("event.rejected", extra=facts | {"size": len(received.body), "peer": received.peer})
        code = "bad_event_name" if isinstance(error, BadEventName) else "unreadable_body"
        return self._refuse(rejection.source, code, rejection.reason)

    def _unauthorized(self, source: Source, headers: Mapping[str, str], peer: str) -> Answer:
        facts = {
            "event_name": shown(headers.get(source.kind.event_header) or ""),
            "upstream_id": shown(headers.get(source.kind.delivery_header) or ""),
            "signature": "other" if is_well_formed(headers.get(source.kind.signature_header)) else "none or malformed",
            "peer": peer,
        }
        self._refusals.note("event.unauthorized", source.name, facts)
        # Who names no event is not Spaces with an old token, but somebody who looks what is here.
        if self.on_refused is not None and is_event_name((headers.get(source.kind.event_header) or "").strip(" \t")):
            self.on_refused(source.name)
        # Not a word about which part was wrong: it would help only those who try signatures.
        return self._refuse(source.name, "invalid_signature", "the signature is missing or does not fit the body")

    def too_large(self, source: Source, peer: str = "") -> Answer:
        """Answer a body over the limit; also for whoever finds that out while it arrives."""
        self._refusals.note("event.too_large", source.name, {"peer": peer})
        most = f"a body may have {self._limits.max_body_bytes} bytes at most"
        return self._refuse(source.name, "too_large", most)

    def too_much(self, source: Source, peer: str = "") -> Answer:
        """Answer a body that found no room beside the other unfinished ones."""
        return self._unavailable("too_much_at_once", "too many bodies are arriving now", source.name, peer)

    def too_slow(self, source: Source, peer: str = "") -> Answer:
        """Answer a body that did not arrive in time."""
        self._refusals.note("event.too_slow", source.name, {"peer": peer})
        return self._refuse(source.name, "too_slow", "the body did not arrive in time")

    def malformed(self, reason: str, peer: str = "") -> Answer:
        """Answer bytes that are no request; most often a proxy wrote them, or somebody who looks for open ports."""
        self._refusals.note("request.malformed", "", {"reason": reason, "peer": peer})
        return self._refuse("", "malformed", f"this is not a request that can be read: {reason}")

    def _unavailable(self, code: str, sentence: str, source: str, peer: str) -> Answer:
        self._refusals.note("request.unavailable", source, {"reason": sentence, "peer": peer})
        return self._refuse(source, code, sentence, RETRY_AFTER)

    def _refuse(self, source: str, code: str, sentence: str, headers: Mapping[str, str] | None = None) -> Answer:
        self.counts.answered(source, code)
        return error_answer(code, sentence, headers)

    # The log

    def _log_accepted(self, event: Event, deliveries: Sequence[Delivery], peer: str) -> None:
        self.arrivals[event.source] = event.received_at
        facts = _facts(event, peer) | {"rules": event.facts[RULES], "deliveries": len(deliveries)}
        if event.repeated_body:
            log.warning("event.accepted", extra=facts | {"repeated_body": True})
        else:
            log.info("event.accepted", extra=facts)
        for dead in deliveries:
            if dead.state is DeliveryState.DEAD:
                said = {"delivery_id": str(dead.id), "destination": dead.destination, "reason": dead.reason}
                log.error("delivery.dead", extra={"event_id": str(event.id), "rule": dead.rule} | said)

    def _log_repeat(self, event: Event, stored_id: int, peer: str) -> None:
        self.arrivals[event.source] = event.received_at
        log.info("event.repeated", extra=_facts(event, peer) | {"event_id": str(stored_id)})


@dataclass(frozen=True, slots=True)
class _Received:
    """A whole request to a source."""

    source: Source
    headers: Mapping[str, str]
    body: bytes
    peer: str


def _facts(event: Event, peer: str) -> dict[str, Any]:
    return {
        "event_id": str(event.id),
        "event_name": event.name,
        "source": event.source,
        "upstream_id": event.upstream_id,
        "size": len(event.body),
        "peer": peer,
    }
