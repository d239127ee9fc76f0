"""What would become of an event: which rules match it, and what they would send. Nothing is stored, sent or counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from router.clock import Clock
from router.config.model import Configuration, Source
from router.delivery.attempt import EMPTY_MESSAGE, make_outgoing, write_message
from router.delivery.judging import explain
from router.delivery.replay import from_route
from router.errors import PermanentFailure
from router.events import Event, Message
from router.incoming import make_event
from router.messages.directory import Directory
from router.rules.ruleset import Route, Verdict
from router.sources import DEFAULT_KIND

MOST_WRITTEN = 50
"""Messages that are written for one preview which came by the API; each may take half a second."""

MOST_SECONDS = 3.0
"""So long may it take to write them: none is begun after that."""

SOME_SOURCE = "spaces"
"""Stands for the source of an event where a rule set has none that could be made."""


@dataclass(frozen=True)
class Draft:
    """
    One delivery that would be made.

    Attributes:
        type_name: Type of its destination; None where its settings are not known.
        message: What it would say; None where that cannot be written.
        reason: Why nothing would be sent, in the words of a delivery's `reason`; empty where it would.
        error: Why the message cannot be written, as a sentence; empty where it can.
    """

    rule: str
    destination: str
    type_name: str | None = None
    message: Message | None = None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class Preview:
    """
    Attributes:
        ruleset: Hash of the rule set that judged.
        verdicts: Of every rule, in the order of the file.
        drafts: In the order of the file.
    """

    event: Event
    ruleset: str
    verdicts: Sequence[Verdict]
    drafts: Sequence[Draft]


class Bounds:
    """
    How much is written for one preview that came by the API; its time begins now.

    Args:
        is_wanted: Whether somebody still waits for it.
    """

    def __init__(self, clock: Clock, is_wanted: Callable[[], bool]) -> None:
        self._clock = clock
        self._ends_at = clock.monotonic() + MOST_SECONDS
        self.is_wanted = is_wanted

    def why_not(self, written: int) -> str:
        """Say why no further message is written after so many; empty where one may be."""
        if written >= MOST_WRITTEN:
            return f"a preview shows {MOST_WRITTEN} messages at most"
        if self._clock.monotonic() >= self._ends_at:
            return f"a preview writes messages for {MOST_SECONDS:g} s at most"
        return ""


def choose_source(event_name: str, by: Configuration) -> Source | None:
    """Choose where an event would come from: the first source whose product sends such events, else the first."""
    sources = list(by.sources.values())
    name = event_name.lower()
    fitting = (source for source in sources if name in {known.lower() for known in source.kind.catalogue})
    return next(fitting, sources[0] if sources else None)


def imagine(
    name: str,
    body: bytes,
    source: Source | None,
    by: Configuration,
    *,
    number: int,
    at: datetime,
    facts: Mapping[str, Any] | None = None,
) -> Event:
    """
    Make an event as if its source had sent it.

    Args:
        source: None where the rule set has none; it is then judged as one of Spaces.
        number: Its id.
        facts: Of a stored event, what was found out when it came.

    Raises:
        BadEventName, UnreadableBody: The source could not have sent that.
    """
    kind = source.kind if source else DEFAULT_KIND
    headers = {kind.event_header: name, "Content-Type": "application/json"}
    return make_event(
        source.name if source else SOME_SOURCE,
        kind,
        headers,
        body,
        event_id=number,
        received_at=at,
        ruleset=by.hash,
        facts=facts or {},
    )


def preview(
    event: Event, by: Configuration, directory: Directory | None = None, *, bounds: Bounds | None = None
) -> Preview:
    """
    Say what each rule makes of an event, and write what would be sent.

    Args:
        directory: What is known of people, spaces and pages; None for the rule file's own names alone.
        bounds: Of what is written; None to write everything.
    """
    verdicts = explain(event, by, directory)
    return Preview(event, by.hash, verdicts, list(drafts(event, verdicts, by, directory, bounds=bounds)))


def drafts(
    event: Event,
    verdicts: Sequence[Verdict],
    by: Configuration,
    directory: Directory | None = None,
    *,
    bounds: Bounds | None = None,
) -> Iterator[Draft]:
    """
    Write what would be sent, one message at a time, so that others may have their turn between two.

    Ends where nobody wants it any more.
    """
    routes = (Route(verdict.rule, name) for verdict in verdicts if verdict.matched for name in verdict.destinations)
    for place, route in enumerate(routes):
        if bounds is not None and not bounds.is_wanted():
            return
        if bounds is not None and (why := bounds.why_not(place)):
            yield Draft(route.rule, route.destination, error=f"not written: {why}")
        else:
            yield draft(event, route, by, directory)


def draft(event: Event, route: Route, by: Configuration, directory: Directory | None) -> Draft:
    """Write what would be sent to one destination."""
    destination = by.destinations.get(route.destination)
    if destination is None:
        name = route.destination
        why = f"destination {name!r} cannot be made without what its settings refer to, which is not looked up here"
        return Draft(route.rule, name, error=why)
    kind = destination.type_name
    delivery = from_route(event, route, by, event.id, event.received_at)
    try:
        message = write_message(delivery, event, destination, by, directory=directory)
        destination.check(make_outgoing(delivery, message, event, destination, by, directory=directory))
    except PermanentFailure as failure:
        return Draft(route.rule, route.destination, kind, reason=failure.reason, error=failure.detail)
    reason = delivery.reason or (EMPTY_MESSAGE if message.is_empty else "")
    return Draft(route.rule, route.destination, kind, message, reason)
