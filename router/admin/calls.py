"""
Every call of the admin side, as its OpenAPI document tells it.

A route without a description, or a description without a route, fails `tests/test_openapi.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.admin.query import DEFAULT_LIMIT, MOST
from router.admin.schemas import (
    ANYTHING,
    FINAL_STATES,
    NO_DESTINATION,
    Schema,
    choice,
    flag,
    many,
    moment,
    number_of,
    or_null,
    text,
)
from router.admin.tails import DELIVERIES, EVENTS
from router.events import DeliveryState

PARAMETERS: Mapping[str, Schema] = {
    "name": text("Name of the event, in any case.", "page.updated"),
    "source": text("Name of the source.", "spaces"),
    "rule": text("Name of the rule.", "page changes"),
    "state": choice("Where it stands.", DeliveryState),
    "destination": text("Name of the destination.", "docs"),
    "event": number_of("the event", "38538628301188804"),
    "since": moment("Only what came or was made from then on. Any offset will do."),
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST,
        "default": DEFAULT_LIMIT,
        "description": "How many to list.",
    },
    "cursor": text("The text of `next` from an earlier answer to this call."),
}
_LISTED = ("since", "limit", "cursor")


@dataclass(frozen=True)
class Call:
    """
    Attributes:
        line: Method and path; `{id}` stands for an id.
        name: What programs that are made from the document call it.
        tag: Subject under which it is listed.
        answer: What 200 means.
        schema: Name of the schema of that answer; None for text.
        stream: Names of the schemas of what is sent, one after the other, as server-sent events by those names in
            lower case; empty for an answer that ends.
        says: More than the summary.
        what: What the id in the path is of.
        query: Names among `PARAMETERS`.
        own: Parameters that mean something else in this call.
        body: Keys of the body; None where there is none.
        required: Those of these keys that have to be there.
        example: A body.
        codes: Of refusals beyond those of every call, by status.
        more: Schemas of refusals that tell more than a code and a message, by status.
        needs_token: Whether nothing is told without the token, where one is set.
    """

    line: str
    name: str
    tag: str
    summary: str
    answer: str
    schema: str | None
    stream: Sequence[str] = ()
    says: str = ""
    what: str = ""
    query: Sequence[str] = ()
    own: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] | None = None
    required: Sequence[str] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    codes: Mapping[int, Sequence[str]] = field(default_factory=dict)
    more: Mapping[int, str] = field(default_factory=dict)
    needs_token: bool = True

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.line.partition(" ")[2]


_HEALTH = (
    Call("GET /-/healthy", "healthy", "Health", "The process answers", "It does.", "Healthy", needs_token=False),
    Call(
        "GET /-/ready",
        "ready",
        "Health",
        "Whether events are taken, and how the rule file stands",
        "They are.",
        "Ready",
        says="Without the token, where one is set, only the status is told.",
        more={503: "NotReady"},
        needs_token=False,
    ),
    Call(
        "POST /-/reload",
        "reload",
        "Health",
        "Read the rule file again, and judge by it from now on",
        "It is in use.",
        "Loaded",
        says="A file with problems changes nothing.",
        body={},
        more={422: "InvalidRules"},
    ),
    Call(
        "GET /metrics",
        "metrics",
        "Health",
        "How the router does, for Prometheus",
        "Metrics in the text format of Prometheus; docs/metrics.md explains each.",
        None,
    ),
    Call("GET /api/v1/openapi.json", "openapi", "Health", "This document", "It.", "Document"),
)

_READING = (
    Call(
        "GET /api/v1/events",
        "listEvents",
        "Events",
        "What was received and stored",
        "Events, newest first.",
        "Events",
        query=("name", "source", "rule", *_LISTED),
    ),
    Call(
        "GET /api/v1/events/{id}",
        "getEvent",
        "Events",
        "One event, its body, and what each rule made of it",
        "The event.",
        "EventInFull",
        what="the event",
    ),
    Call(
        "GET /api/v1/deliveries",
        "listDeliveries",
        "Deliveries",
        "Messages on their way out, or at the end of it",
        "Deliveries, newest first.",
        "Deliveries",
        query=("state", "destination", "rule", "event", *_LISTED),
    ),
    Call(
        "GET /api/v1/deliveries/{id}",
        "getDelivery",
        "Deliveries",
        "One delivery, what it says, and every attempt",
        "The delivery.",
        "DeliveryInFull",
        what="the delivery",
    ),
    Call(
        "GET /api/v1/rejected",
        "listRejected",
        "Events",
        "Requests with a good signature that were answered 400",
        "Rejected requests, newest first.",
        "RejectedRequests",
        query=_LISTED,
    ),
    Call("GET /api/v1/stats", "stats", "Store", "Totals, and how each destination stands", "The totals.", "Stats"),
    Call(
        "GET /api/v1/tail",
        "tail",
        "Events",
        "Events and deliveries as they happen",
        "Server-sent events, until the caller or the router ends it. The data of each is a record in JSON.",
        None,
        stream=("Event", "Delivery", "LeftOut"),
        says="An `event` for each event that is stored, a `delivery` each time that one is made or changes, both as"
        " lists show them, and `left_out` where records were left out because the caller took them too slowly. A"
        " comment comes every 15 seconds while nothing happens. What happened before is not told.",
        query=("name", "source", "rule", "destination", "state", "only"),
        own={
            "name": text("Pattern of the names of events, as in rules.", "page.*"),
            "only": choice("Events or deliveries only.", (EVENTS, DELIVERIES)),
        },
        codes={503: ("stopping", "too_many_readers")},
    ),
)

_ROOM = ("stopping", "queue_full", "too_much_at_once", "disk_full")
"""Why nothing more is stored, beside a store that cannot."""
_TO = or_null(text("Another destination.", "audit", minLength=1))
_CURSOR = or_null(text("`next` of the answer before.", minLength=1))
_PART_BY_PART = "While `next` is not null, ask again with it as `cursor`."

_REPLAY = (
    Call(
        "POST /api/v1/events/{id}/replay",
        "replayEvent",
        "Replay",
        "Judge an event by today's rules, and send what they say",
        "What became of it.",
        "Judged",
        what="the event",
        body={},
        codes={409: ("not_final",), 422: ("own_event", *NO_DESTINATION), 503: _ROOM},
    ),
    Call(
        "POST /api/v1/deliveries/{id}/replay",
        "replayDelivery",
        "Replay",
        "Send a delivery once more, as a new one",
        "It is on its way.",
        "Replayed",
        says="It keeps its rule, in today's wording, and its destination unless `to` names another.",
        what="the delivery",
        body={"to": _TO},
        example={"to": "audit"},
        codes={409: ("not_final",), 422: NO_DESTINATION, 503: _ROOM},
    ),
    Call(
        "POST /api/v1/replay",
        "replayMany",
        "Replay",
        "Replay many deliveries, part by part",
        "What this part did.",
        "ReplayStep",
        says=_PART_BY_PART,
        body={
            "state": or_null(choice("Only those that ended so; dead letters where it is left out.", FINAL_STATES)),
            "destination": or_null(text("Only those to it.", "docs", minLength=1)),
            "rule": or_null(text("Only those of it.", "page changes", minLength=1)),
            "since": or_null(moment("Only those made from then on.")),
            "until": or_null(moment("Only those made before then.")),
            "dry_run": or_null(flag("Only tell what would be done.")),
            "again": or_null(flag("Also those that were replayed before, or delivered by their fallback.")),
            "to": _TO,
            "cursor": _CURSOR,
        },
        example={"destination": "docs", "since": "2026-03-02T09:00:00Z", "dry_run": True},
        codes={422: ("unknown_destination", "destination_disabled"), 503: _ROOM},
    ),
    Call(
        "POST /api/v1/rejected/{id}/replay",
        "replayRejected",
        "Replay",
        "Take a rejected request as if it came now",
        "What became of it.",
        "Taken",
        what="the rejected request",
        body={
            "event": or_null(
                text(
                    "Its name, where it had none.",
                    "page.updated",
                    pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
                    maxLength=200,
                )
            )
        },
        example={"event": "page.updated"},
        codes={422: ("unknown_source", "bad_event_name", "unreadable_body", *NO_DESTINATION), 503: _ROOM},
    ),
    Call(
        "POST /api/v1/deliveries/{id}/release",
        "releaseDelivery",
        "Deliveries",
        "Make a delivery due now that is held, or waits for its next attempt",
        "It is due.",
        "Released",
        what="the delivery",
        body={},
        codes={409: ("not_waiting",)},
    ),
)

_PURGE = Call(
    "POST /api/v1/purge",
    "purge",
    "Store",
    "Remove old events for good, part by part",
    "What this part removed.",
    "Purged",
    says=_PART_BY_PART,
    body={
        "before": moment("Only what is older than that; a day at least."),
        "state": {
            "description": "Only events with a delivery that ended so.",
            "anyOf": [or_null(choice("", FINAL_STATES)), many(choice("", FINAL_STATES))],
        },
        "destination": or_null(text("Only events with a delivery to it.", "docs", minLength=1)),
        "dry_run": or_null(flag("Only count.")),
        "cursor": _CURSOR,
    },
    required=("before",),
    example={"before": "2026-02-01T00:00:00Z", "state": ["delivered", "dead"], "dry_run": True},
)

_PREVIEW = Call(
    "POST /api/v1/preview",
    "preview",
    "Events",
    "Which rules would match an event, and what they would send",
    "What would become of it.",
    "Preview",
    says="Nothing is stored or sent. Rule text is read without the environment and without files of secrets.",
    body={
        "event": text("Its name.", "page.updated", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", maxLength=200),
        "payload": ANYTHING | {"description": "Its body, any JSON value; left out, the sample of the event."},
        "rules": or_null(text("The text of a rule file; left out or null, the rule set in use.")),
        "source": or_null(text("The source that it counts as one of.", "spaces", minLength=1)),
    },
    required=("event",),
    example={"event": "page.updated", "payload": {"page": {"id": 5148, "title": "Release checklist"}}},
    codes={422: ("unknown_source",), 503: ("too_many_previews",)},
    more={422: "InvalidRules"},
)

CALLS: Sequence[Call] = (*_HEALTH, *_READING, _PREVIEW, *_REPLAY, _PURGE)
