"""What the API shows of events, deliveries and the rest: frozen values to JSON, with secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.clock import rfc3339
from router.config.model import Configuration
from router.config.problems import Problem
from router.delivery.preview import Draft, Preview
from router.destinations.base import Destination
from router.events import BEFORE, Attempt, DeliveryState, Event, Message, Rejection
from router.messages.directory import KINDS_OF_OBJECT, Seen
from router.payload import JSON, dump_json
from router.rules.ruleset import Verdict
from router.secret import Redactor
from router.spaces.client import ApiOutcome
from router.spaces.figures import ApiFigures
from router.store.records import ListedDelivery, Stats

DEEPEST = 200
"""Levels of nesting that are shown; JSON may be nested so deeply that hardly a program can read it again."""

REJECTED_BODY_LIMIT = 4096
"""Characters shown of a rejected body."""

_TOO_DEEP = "… (nested too deeply to be shown)"


class Mask:
    """
    Masks the secrets in JSON values.

    Attributes:
        found: Whether a secret stood in any text so far.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.found = False

    def text(self, text: str) -> str:
        masked = self._redactor.redact(text)
        self.found = self.found or masked != text
        return masked

    def value(self, value: JSON, levels: int = DEEPEST) -> JSON:
        """Copy a JSON value, with every text and key masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping | list | tuple) and not levels:
            return _TOO_DEEP
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, levels - 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, levels - 1) for item in value]
        return value


@dataclass(frozen=True)
class Shown:
    """
    Turns values into what the API answers.

    Names of sources, rules and destinations are shown as they are: they are chosen to be shown. Everything else that
    is text for people or came from outside passes the redactor.
    """

    redactor: Redactor

    # Events

    def event(self, event: Event) -> dict[str, JSON]:
        """One entry of the list of events."""
        return {
            "id": str(event.id),
            "source": event.source,
            "name": self._text(event.name),
            "upstream_id": self._optional(event.upstream_id),
            "received_at": rfc3339(event.received_at),
            "rules": list(event.facts.get("rules", ())),
            "repeated_body": event.repeated_body,
            "size": len(event.body),
        }

    def event_in_full(
        self, event: Event, verdicts: Sequence[Verdict] | None, names: Seen, *, in_use: bool | None
    ) -> dict[str, JSON]:
        """
        One event by itself.

        Args:
            verdicts: Of the rule set that judged it; None where that is not kept.
            names: What is known of the objects that it refers to.
            in_use: Whether events are judged by the same rule set now; None where no router runs.
        """
        mask = Mask(self.redactor)
        payload = mask.value(event.payload)
        # The text may spell a secret in another way than its value (`https:\/\/`): then it is written anew.
        body = dump_json(payload).decode() if mask.found else self._text(event.body.decode())
        return self.event(event) | {
            "ruleset": event.ruleset,
            "ruleset_in_use": in_use,
            "headers": self._headers(event.headers),
            "body": body,
            "payload": payload,
            "names": mask.value(names),
            "before": mask.value(event.facts.get(BEFORE)),
            "verdicts": None if verdicts is None else [self._verdict(verdict) for verdict in verdicts],
        }

    def _verdict(self, verdict: Verdict) -> dict[str, JSON]:
        miss = verdict.miss
        return {
            "rule": verdict.rule,
            "matched": verdict.matched,
            "reason": self._text(verdict.reason),
            "destinations": list(verdict.destinations),
            "key": verdict.key,
            "field": miss and self._optional(miss.field),
            "saw": miss and self._optional(miss.saw),
            "wanted": miss and self._optional(miss.wanted),
            "line": verdict.line or None,
        }

    def rejection(self, rejection: Rejection) -> dict[str, JSON]:
        """One entry of the list of what was answered 400; its body may be anything but JSON."""
        # Masked before it is cut to size, so that no half of a secret is left at the end.
        body = self._text(rejection.body[: 16 * REJECTED_BODY_LIMIT].decode("utf-8", "replace"))
        return {
            "id": str(rejection.id),
            "source": rejection.source,
            "received_at": rfc3339(rejection.received_at),
            "reason": self._text(rejection.reason),
            "headers": self._headers(rejection.headers),
            "body": body[:REJECTED_BODY_LIMIT],
            "size": len(rejection.body),
        }

    # Deliveries

    def delivery(self, listed: ListedDelivery, destinations: Mapping[str, Destination]) -> dict[str, JSON]:
        """
        One entry of the list of deliveries.

        Args:
            destinations: Those of today's rule set.
        """
        delivery = listed.delivery
        destination = destinations.get(delivery.destination)
        return {
            "id": str(delivery.id),
            "event_id": str(delivery.event_id),
            "event": self._text(listed.event_name),
            "upstream_id": self._optional(listed.upstream_id),
            "rule": delivery.rule or None,
            "destination": delivery.destination,
            "type": destination.type_name if destination else None,
            "state": delivery.state.value,
            "reason": self._optional(delivery.reason),
            "cause": delivery.cause.value,
            "attempts": delivery.attempts,
            "due_at": None if delivery.state.is_final else rfc3339(delivery.due_at),
            "created_at": rfc3339(delivery.created_at),
            "updated_at": rfc3339(delivery.updated_at),
            "last_error": self._optional(delivery.last_error),
            "handled": listed.handled,
            "origin_id": _id(delivery.origin_id),
            "merged_into": _id(delivery.merged_into),
        }

    def delivery_in_full(
        self,
        listed: ListedDelivery,
        destinations: Mapping[str, Destination],
        message: Message | str,
        attempts: Iterable[Attempt],
    ) -> dict[str, JSON]:
        """
        One delivery by itself.

        Args:
            message: What was or would be sent, or a sentence that says why nothing can be shown.
        """
        sent = isinstance(message, Message)
        return self.delivery(listed, destinations) | {
            "ruleset": listed.delivery.ruleset,
            "message": Mask(self.redactor).value(message.as_json()) if isinstance(message, Message) else None,
            "message_error": None if sent else self._text(str(message)),
            "history": [self._attempt(attempt) for attempt in attempts],
            "follow_ups": [
                {"id": str(one.id), "cause": one.cause.value, "destination": one.destination, "state": one.state.value}
                for one in listed.follow_ups
            ],
        }

    def _attempt(self, attempt: Attempt) -> dict[str, JSON]:
        return {
            "number": attempt.number,
            "started_at": rfc3339(attempt.started_at),
            "duration_ms": attempt.duration_ms,
            "outcome": attempt.outcome.value,
            "status": attempt.status,
            "detail": self._text(attempt.detail),
        }

    # Previews

    def preview(self, preview: Preview) -> dict[str, JSON]:
        """What would become of an event."""
        return self.judged(preview.event, preview.ruleset, preview.verdicts) | {
            "deliveries": [self._draft(draft) for draft in preview.drafts]
        }

    def judged(self, event: Event, ruleset: str, verdicts: Sequence[Verdict]) -> dict[str, JSON]:
        """What rules would make of an event."""
        return {
            "event": self._text(event.name),
            "source": event.source,
            "ruleset": ruleset,
            "matches": [verdict.rule for verdict in verdicts if verdict.matched],
            "verdicts": [self._verdict(verdict) for verdict in verdicts],
        }

    def _draft(self, draft: Draft) -> dict[str, JSON]:
        message = draft.message
        return {
            "rule": draft.rule,
            "destination": draft.destination,
            "type": draft.type_name,
            "reason": draft.reason or None,
            "message": None if message is None else Mask(self.redactor).value(message.as_json()),
            "message_error": self._optional(draft.error),
        }

    # The rest

    def problem(self, problem: Problem) -> dict[str, JSON]:
        """One problem of the rule file; its line is left out, for it may hold what was meant to be a secret."""
        return {
            "file": str(problem.file),
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "code": problem.code,
            "message": self._text(problem.message),
        }

    def api(self, source: str, figures: ApiFigures, known: Mapping[tuple[str, str], int]) -> dict[str, JSON]:
        """How the Spaces API of a source stands, and how many names of the source are known."""
        since, last = figures.failing_since, figures.last_failure_at
        return {
            "known": {kind: known.get((source, kind), 0) for kind in KINDS_OF_OBJECT},
            "refreshed_at": rfc3339(figures.refreshed_at) if figures.refreshed_at else None,
            "requests": {outcome.value: figures.requests[outcome] for outcome in ApiOutcome},
            "failing": [self._text(problem) for problem in dict.fromkeys(figures.failing.values())],
            "failing_since": rfc3339(since) if since else None,
            "last_failure": self._optional(figures.last_failure),
            "last_failure_at": rfc3339(last) if last else None,
        }

    def _headers(self, headers: Mapping[str, str]) -> dict[str, JSON]:
        return {name: self._text(value) for name, value in headers.items()}

    def _text(self, text: str) -> str:
        return self.redactor.redact(text)

    def _optional(self, text: str | None) -> str | None:
        return self._text(text) if text else None


def loaded(configuration: Configuration, shown: Shown) -> dict[str, JSON]:
    """What a reload answers."""
    return {
        "ruleset": configuration.hash,
        "rules": len(configuration.specs),
        "warnings": [shown.problem(warning) for warning in configuration.warnings],
    }


def statistics(stats: Stats, configured: Iterable[str], now: datetime) -> dict[str, JSON]:
    """
    The totals, and how each destination stands.

    Args:
        configured: Names of today's destinations. Others are shown only while something waits for them.
    """
    names = {*configured, *(name for name, of in stats.destinations.items() if of.pending)}
    return {
        "events": stats.events,
        "deliveries": {state.value: stats.deliveries.get(state, 0) for state in DeliveryState},
        "destinations": {name: _destination(stats, name, now) for name in sorted(names)},
    }


def _destination(stats: Stats, name: str, now: datetime) -> dict[str, JSON]:
    known = stats.destinations.get(name)
    lane = known.lane if known else None
    paused_until = lane.paused_until if lane else None
    return {
        "pending": known.pending if known else 0,
        "paused_until": rfc3339(paused_until) if paused_until and paused_until > now else None,
        "consecutive_failures": lane.consecutive_failures if lane else 0,
        "last_success_at": rfc3339(lane.last_success_at) if lane and lane.last_success_at else None,
    }


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)
