"""The things the program is about: frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, get_args

from router.payload import JSON, dump_json, parse_body


class DeliveryState(StrEnum):
    """
    Where a delivery stands; `docs/states.md` draws the transitions.

    `held` waits in an open window, `pending` for its lane, `retrying` for its next attempt, `sending` is under way.
    `delivered`, `dead`, `suppressed` and `merged` are final: a replay inserts a new delivery.
    """

    HELD = "held"
    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    SUPPRESSED = "suppressed"
    MERGED = "merged"

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.SUPPRESSED, DeliveryState.MERGED})

LEADS_TO: Mapping[DeliveryState, frozenset[DeliveryState]] = MappingProxyType(
    {
        DeliveryState.HELD: frozenset({DeliveryState.PENDING, DeliveryState.SUPPRESSED, DeliveryState.DEAD}),
        DeliveryState.PENDING: frozenset(
            {DeliveryState.SENDING, DeliveryState.SUPPRESSED, DeliveryState.MERGED, DeliveryState.DEAD}
        ),
        DeliveryState.RETRYING: frozenset(
            {DeliveryState.SENDING, DeliveryState.PENDING, DeliveryState.MERGED, DeliveryState.DEAD}
        ),
        DeliveryState.SENDING: frozenset(
            {DeliveryState.DELIVERED, DeliveryState.RETRYING, DeliveryState.DEAD}
            | {DeliveryState.SUPPRESSED, DeliveryState.PENDING}
        ),
    }
    | dict.fromkeys(_FINAL, frozenset())
)
"""The only transitions there are; `docs/states.md` says what each is because of."""


OWN_SOURCE = "router"
"""Source of the router's own events. A source of the rule file may have the same name; `Event.is_own` tells."""


DESTINATION_REMOVED = "destination removed"
"""Reason of a delivery that is dead because the rule file does not name its destination, or has it switched off."""


RULES, NAMES, BEFORE = "rules", "names", "before"
"""
Keys of `Event.facts`: names of the rules that matched; what judging looked up of people, spaces and pages; and what was
known of the event's object until then, where anything of it changed.
"""


class Outcome(StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    INTERRUPTED = "interrupted"


class Cause(StrEnum):
    """Why a delivery exists."""

    RULE = "rule"
    FALLBACK = "fallback"
    REPLAY = "replay"
    ALERT = "alert"
    TEST = "test"


@dataclass(frozen=True)
class Event:
    """
    One verified request from a source.

    Attributes:
        id: 63 bits, grows with time.
        name: Such as `page.updated.moved`, spelled as it came; names match without regard to case.
        upstream_id: The sender's own id of its delivery, or None where it sent none.
        body: The bytes that were signed; `payload` is derived from them.
        body_hash: SHA-256 of `body`, 32 bytes.
        headers: The kept ones, named as `sources.py` spells them.
        received_at: Aware, UTC.
        ruleset: Hash of the rule set that judged it.
        facts: What judging it found out beside the body; `rules` names those that matched.
        repeated_body: The same body came from this source before, under another upstream id.
        is_own: The router made it itself, to tell people something; no rule judges it.
        derived: What others have worked out from it, kept along with it as `payload` is.
    """

    id: int
    source: str
    name: str
    upstream_id: str | None
    body: bytes
    body_hash: bytes
    headers: Mapping[str, str]
    received_at: datetime
    ruleset: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    repeated_body: bool = False
    is_own: bool = False
    derived: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def payload(self) -> JSON:
        """The parsed body. Only readable bodies become events, so this does not fail."""
        return parse_body(self.body)


@dataclass(frozen=True, slots=True)
class Lesson:
    """
    What a body or the API tells of a person, a space or a page.

    Attributes:
        kind: `users`, `spaces` or `pages`.
        version_at: When the object was last changed, by its sender's clock; aware. None where it was not told.
        facts: As in `messages/directory.py`; only what was told, the rest of what is known stays.
    """

    kind: str
    object_id: str
    version_at: datetime | None
    facts: Mapping[str, JSON]


class Markup(StrEnum):
    """How values are escaped when a template inserts them into a message; `messages/escaping.py` does it."""

    TEXT = "text"
    SLACK = "slack"
    HTML = "html"


Format = Literal["compact", "full"]
"""How much a built-in message says: one line; or also what was written and changed, with a button to the page."""

FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Message:
    """
    What one delivery says, rendered once and re-sent unchanged; free of the destination's secrets.

    Attributes:
        text: The whole message as text in the markup of its destination; for `blocks`, what notifications show.
        subject: One line, for destinations that know subjects.
        blocks: Slack's Block Kit blocks, or None.
        body: A JSON value to post, where `has_body`.
        forward: Post the event as it came: the bytes are the event's, and not stored again.
        html: For mail, the same once more as HTML: a fragment, which the mail puts into its frame.
        accepted: Recipients that have it already; none of them gets it again.
        refused: Recipients that were refused for good, each with what was said; not tried again either.
    """

    text: str = ""
    subject: str = ""
    blocks: JSON = None
    body: JSON = None
    has_body: bool = False
    forward: bool = False
    html: str = ""
    accepted: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """
        Nothing but white space: a template's way to stay silent.

        On a delivery that waits, it is a message yet to be written, of which only the progress is known.
        """
        return not (self.forward or self.has_body or self.blocks or self.text.strip())

    def as_json(self) -> dict[str, JSON]:
        """The parts that are set, as the store keeps them and the API shows them."""
        if self.forward:
            return {"forward": True}
        shown: dict[str, JSON] = {}
        if self.has_body:
            shown["body"] = self.body
        else:
            shown["text"] = self.text
        if self.subject:
            shown["subject"] = self.subject
        if self.blocks is not None:
            shown["blocks"] = self.blocks
        if self.html:
            shown["html"] = self.html
        if self.accepted:
            shown["accepted"] = list(self.accepted)
        if self.refused:
            shown["refused"] = dict(self.refused)
        return shown

    @classmethod
    def from_json(cls, shown: Mapping[str, JSON]) -> Message:
        return cls(
            text=shown.get("text", ""),
            subject=shown.get("subject", ""),
            blocks=shown.get("blocks"),
            body=shown.get("body"),
            has_body="body" in shown,
            forward=shown.get("forward", False),
            html=shown.get("html", ""),
            accepted=tuple(shown.get("accepted", ())),
            refused=dict(shown.get("refused", {})),
        )

    def encode(self) -> bytes:
        return dump_json(self.as_json())

    @classmethod
    def decode(cls, stored: bytes) -> Message:
        return cls.from_json(parse_body(stored))


@dataclass(frozen=True)
class Delivery:
    """
    One event on its way out to one destination.

    Attributes:
        rule: Name of the rule; empty where the cause is no rule.
        origin_id: The delivery that this one replays or stands in for.
        ruleset: Hash of the rule set under which it is rendered.
        reason: Why it is dead, suppressed or held; empty otherwise.
        due_at: When it may be sent; aware, UTC.
        failures: Failed attempts since it was made; the schedule counts these.
        attempts: All attempts, throttled and interrupted ones included.
        interruptions: Attempts cut off by the end of the process.
        epoch: Of the lane's owner that is sending it; None while nobody does.
        message: Rendered by the first attempt, or None before it.
    """

    id: int
    event_id: int
    rule: str
    destination: str
    ruleset: str
    state: DeliveryState
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    cause: Cause = Cause.RULE
    origin_id: int | None = None
    merged_into: int | None = None
    reason: str = ""
    group_key: str | None = None
    opened_at: datetime | None = None
    cap_at: datetime | None = None
    failures: int = 0
    attempts: int = 0
    interruptions: int = 0
    epoch: int | None = None
    message: Message | None = None
    last_error: str = ""


@dataclass(frozen=True)
class Attempt:
    """
    One try of a delivery.

    Attributes:
        number: From 1.
        started_at: Aware, UTC.
        duration_ms: Whole milliseconds until its outcome was known.
        status: HTTP or SMTP status, where there was one.
        detail: What the destination said or what went wrong, at most 4 KiB, without secrets.
    """

    delivery_id: int
    number: int
    started_at: datetime
    duration_ms: int
    outcome: Outcome
    status: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Rejection:
    """A well-signed request that no reattempt can cure: answered 400 and kept for a person."""

    id: int
    source: str
    received_at: datetime
    reason: str
    headers: Mapping[str, str]
    body: bytes
