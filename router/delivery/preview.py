"""What would become of an event: which rules match it, and what they would send. Nothing is stored, sent or counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

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

    @property
    def matches(self) -> list[str]:
        """Names of the rules that match."""
        return [verdict.rule for verdict in self.verdicts if verdict.matched]


def choose_source(event_name: str, by: Configuration) -> Source | None:
    """Choose where an event would come from: the first source whose product sends such events, else the first."""
    sources = list(by.sources.values())
    name = event_name.lower()
    fitting = (source for source in sources if name in {known.lower() for known in source.kind.catalogue})
    return next(fitting, sources[0] if sources else None)


def imagine(name: str, body: bytes, source: Source | None, by: Configuration, *, number: int, at: datetime) -> Event:
    """
    Make an event as if its source had sent it.

    Args:
        source: None where the rule set has none; it is then judged as one of Spaces.
        number: Its id.

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
        facts={},
    )


def preview(event: Event, by: Configuration, directory: Directory | None = None, *, most: int | None = None) -> Preview:
    """
    Say what each rule makes of an event, and write what would be sent.

    Args:
        directory: What is known of people, spaces and pages; None for the rule file's own names alone.
        most: So many messages are written at most; None for all.
    """
    verdicts = explain(event, by, directory)
    return Preview(event, by.hash, verdicts, list(drafts(event, verdicts, by, directory, most=most)))


def drafts(
    event: Event,
    verdicts: Sequence[Verdict],
    by: Configuration,
    directory: Directory | None = None,
    *,
    most: int | None = None,
) -> Iterator[Draft]:
    """Write what would be sent, one message at a time, so that others may have their turn between two."""
    routes = (Route(verdict.rule, name) for verdict in verdicts if verdict.matched for name in verdict.destinations)
    for place, route in enumerate(routes):
        if most is not None and place >= most:
            yield Draft(route.rule, route.destination, error=f"not written: a preview shows {most} messages at most")
        else:
            yield _draft(event, route, by, directory)


def _draft(event: Event, route: Route, by: Configuration, directory: Directory | None) -> Draft:
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
