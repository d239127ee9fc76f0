"""
What the admin API answers, as JSON Schema (2020-12): the other side of `serialise.py`.

Every key that is always there is required. Objects stay open, for a later version may tell more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from router.admin.query import ID_DIGITS
from router.delivery.replay import NOT_FINAL, WHY_SKIPPED
from router.events import Cause, DeliveryState, Outcome
from router.messages.directory import KINDS_OF_OBJECT
from router.rules.rule import DECIDING_KEYS
from router.spaces.client import ApiOutcome

Schema: TypeAlias = dict[str, Any]


def text(says: str = "", example: str | None = None, **more: Any) -> Schema:
    return _schema("string", says, **({} if example is None else {"examples": [example]}), **more)


def count(says: str = "", example: int = 0) -> Schema:
    return _schema("integer", says, minimum=0, examples=[example])


def flag(says: str = "") -> Schema:
    return _schema("boolean", says)


def choice(says: str, values: Iterable[str]) -> Schema:
    return _schema("string", says, enum=[*values])


def many(items: Schema, says: str = "") -> Schema:
    return _schema("array", says, items=items)


def record(
    says: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any
) -> Schema:
    return _schema("object", says, properties={**required, **(optional or {})}, required=[*required], **more)


def by_name(values: Schema, says: str, example: Mapping[str, Any]) -> Schema:
    return _schema("object", says, additionalProperties=values, examples=[dict(example)])


def _schema(kind: str, says: str, **more: Any) -> Schema:
    return {"type": kind, **({"description": says} if says else {}), **more}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """The same, or null: what is not known or does not apply."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [schema["type"], "null"]}
    return nullable | {"enum": [*schema["enum"], None]} if "enum" in schema else nullable


def number_of(what: str, example: str) -> Schema:
    return text(f"Id of {what}: digits, growing with time.", example, pattern=f"^[0-9]{{1,{ID_DIGITS}}}$")


def moment(says: str = "") -> Schema:
    return text(says, "2026-03-02T09:15:00.000Z", format="date-time")


EVENT_ID = number_of("an event", "38538628301188804")
DELIVERY_ID = number_of("a delivery", "38538628301138199")
REPLAY_ID = number_of("the new delivery", "38538628301138202")
REJECTED_ID = number_of("a rejected request", "38538628301138201")
RULESET = text("Hash of a rule set.", 8 * "9afcf0d3", pattern="^[0-9a-f]{64}$")
NEXT = or_null(text("The `cursor` of the following part; null at the end.", "ZXZlbnRzOjM4NTM4NjI4MzAxMTg4ODA0"))
DESTINATION = text("Name of a destination.", "docs")
RULE = text("Name of a rule.", "page changes")
UPSTREAM_ID = or_null(text("The sender's own id: the `Delivery` header.", "6f1a7c1e-8c1f-4d5e-b8a0-2f9f6f1f4a22"))
NO_DESTINATION = ("unknown_destination", "destination_disabled", "ruleset_gone")
"""Why a delivery cannot be sent with today's rule file."""
FINAL_STATES = [state.value for state in DeliveryState if state.is_final]
ANYTHING: Schema = {"description": "Any JSON value.", "examples": [{"page": {"id": 5148}}]}

_HEADERS = by_name(text(), "The kept headers.", {"Event": "page.updated", "User-Agent": "Spaces"})

_EVENT: Mapping[str, Schema] = {
    "id": EVENT_ID,
    "source": text("Name of the source.", "spaces"),
    "name": text("Name of the event, spelled as it came.", "page.updated"),
    "upstream_id": UPSTREAM_ID,
    "received_at": moment("When it came."),
    "rules": many(RULE, "Those that matched."),
    "repeated_body": flag("The same body came from this source before, under another delivery id."),
    "size": count("Bytes of the body.", 48),
}

_DELIVERY: Mapping[str, Schema] = {
    "id": DELIVERY_ID,
    "event_id": EVENT_ID,
    "event": text("Name of the event.", "page.updated"),
    "upstream_id": UPSTREAM_ID,
    "rule": or_null(text("Name of the rule; null where the cause is no rule.", "page changes")),
    "destination": DESTINATION,
    "type": or_null(text("Type of the destination today; null where it is gone.", "slack")),
    "state": choice("Where it stands.", DeliveryState),
    "reason": or_null(text("Why it is dead, suppressed or held.", "HTTP 404 fails fast")),
    "cause": choice("Why it exists.", Cause),
    "attempts": count("Attempts so far.", 1),
    "due_at": or_null(moment("When it may be sent; null once it is final.")),
    "created_at": moment("When it was made."),
    "updated_at": moment("When it last changed."),
    "last_error": or_null(text("What went wrong last.", "HTTP 404 (Not Found): no_service")),
    "handled": flag("It is dead, and a replay or a fallback of it, or one of those in turn, was delivered."),
    "origin_id": or_null(number_of("the delivery that it replays or stands in for", "38538628301138199")),
    "merged_into": or_null(number_of("the delivery that it went out with", "38538628301138199")),
}

_MESSAGE = or_null(ref("Message"))
_MESSAGE_ERROR = or_null(text("Why there is no message.", "destination 'docs' is gone from the rule file"))
_SKIPPED = many(ref("Skipped"), "What was not replayed, and why.")

_READY_DETAIL: Mapping[str, Schema] = {
    "store": choice("Whether it can be written.", ["available", "unavailable"]),
    "waiting": count("Deliveries that are not final."),
    "reload": ref("ReloadState"),
}

SCHEMAS: Mapping[str, Schema] = {
    "Document": _schema("object", "An OpenAPI 3.1 document.", examples=[{"openapi": "3.1.0"}]),
    "Healthy": record("The process answers.", {"status": choice("", ["healthy"])}),
    "Ready": record(
        "Events are taken. Without the token, where one is set, only the status is told.",
        {"status": choice("", ["ready"])},
        _READY_DETAIL,
    ),
    "NotReady": record(
        "No event can be taken now.",
        {
            "status": choice(
                "Why.", ["starting", "stopping", "stopped", "store_unavailable", "disk_full", "queue_full"]
            ),
            "error": choice("", ["not_ready"]),
            "message": text("The same as a sentence.", "the router is stopping"),
        },
        _READY_DETAIL,
    ),
    "ReloadState": record(
        "How the rule file stands.",
        {
            "ruleset": RULESET,
            "loaded_at": moment("When the rule set in use was loaded."),
            "failed": or_null(
                record(
                    "There while the rule file on disk could not be used.",
                    {"failed_at": moment("When it was tried."), "problems": many(ref("Problem"), "Why.")},
                    examples=[None],
                )
            ),
        },
    ),
    "Loaded": record(
        "The rule file was read, and is in use.",
        {
            "ruleset": RULESET,
            "rules": count("How many rules it has.", 2),
            "warnings": many(ref("Problem"), "What is worth a second look."),
        },
    ),
    "Problem": record(
        "One problem of the rule file.",
        {
            "file": text("Its path.", "rules.yaml"),
            "line": count("From 1.", 18),
            "column": count("From 1.", 9),
            "severity": choice("An error keeps the file from being used.", ["error", "warning"]),
            "code": or_null(text("Of a warning.", "unused-destination")),
            "message": text("What was found, and what is expected.", "no destination is named 'audits'; …"),
        },
    ),
    "InvalidRules": record(
        "The rule file cannot be used; the rules loaded before stay in use.",
        {
            "error": choice("", ["invalid_rules"]),
            "message": text("For people.", "1 problem in the rule file; the rules loaded at … stay in use"),
            "problems": many(ref("Problem"), "All of them, warnings too."),
        },
    ),
    "Event": record("An event, as lists show it.", _EVENT),
    "Events": record("Events, newest first.", {"events": many(ref("Event")), "next": NEXT}),
    "EventInFull": record(
        "An event with what it holds and what each rule made of it.",
        {
            **_EVENT,
            "ruleset": RULESET,
            "ruleset_in_use": flag("Events are judged by the same rule set now."),
            "headers": _HEADERS,
            "body": text("As it came; secrets are masked.", '{"page":{"id":5148}}'),
            "payload": ANYTHING,
            "names": by_name(
                by_name(ANYTHING, "By id; null where nothing is known.", {"42": {"name": "Engineering"}}),
                "What is known of the `users`, `spaces` and `pages` that it refers to: as it was, where rules asked.",
                {"spaces": {"42": {"name": "Engineering"}}},
            ),
            "before": or_null(by_name(ANYTHING, "What was known of its object before, where it changed that.", {})),
            "verdicts": or_null(many(ref("Verdict"), "Of the rule set that judged it; null where that is not kept.")),
        },
    ),
    "Verdict": record(
        "What a rule made of an event.",
        {
            "rule": RULE,
            "matched": flag(),
            "reason": text("Why not, as a sentence.", "events: page.updated is not matched by comment.*"),
            "key": or_null(
                choice("The key of the rule that decides; null where it matches and has a destination.", DECIDING_KEYS)
            ),
            "field": or_null(text("Path of the field that decides, or the expression.", "event.name")),
            "saw": or_null(text("What the event has there.", "page.updated")),
            "wanted": or_null(text("What the rule asks for there.", "comment.*")),
            "line": or_null(count("Where the rule begins in its file.", 18)),
            "destinations": many(DESTINATION, "Where it sends the event."),
        },
    ),
    "Delivery": record("A delivery, as lists show it.", _DELIVERY),
    "Deliveries": record("Deliveries, newest first.", {"deliveries": many(ref("Delivery")), "next": NEXT}),
    "DeliveryInFull": record(
        "A delivery with what it says and every attempt.",
        {
            **_DELIVERY,
            "ruleset": RULESET,
            "message": _MESSAGE,
            "message_error": _MESSAGE_ERROR,
            "history": many(ref("Attempt"), "Attempts, from the first."),
            "follow_ups": many(ref("FollowUp"), "Its replays and its fallback, oldest first."),
        },
    ),
    "FollowUp": record(
        "A delivery that replays another one, or stands in for it.",
        {
            "id": DELIVERY_ID,
            "cause": choice("Why it exists.", Cause),
            "destination": DESTINATION,
            "state": choice("Where it stands.", DeliveryState),
        },
    ),
    "Message": record(
        "What was or would be sent; secrets are masked. `text` or `body`, or `forward` for an event sent as it came.",
        {},
        {
            "text": text("In the markup of the destination.", "Page updated: Release checklist"),
            "subject": text("One line."),
            "blocks": ANYTHING,
            "body": ANYTHING,
            "html": text("The same as HTML, for mail."),
            "accepted": many(text(), "Recipients that have it."),
            "refused": by_name(text(), "Recipients that were refused for good, and why.", {}),
            "forward": flag(),
        },
        examples=[{"text": "Page updated: Release checklist"}],
    ),
    "Attempt": record(
        "One try.",
        {
            "number": count("From 1.", 1),
            "started_at": moment(),
            "duration_ms": count("Milliseconds.", 182),
            "outcome": choice("", Outcome),
            "status": or_null(count("HTTP or SMTP status.", 404)),
            "detail": text("What the destination said, or what went wrong.", "HTTP 404 (Not Found): no_service"),
        },
    ),
    "LeftOut": record(
        "Told where records of a stream were left out.",
        {
            "left_out": count("How many.", 12),
            "message": text("For people.", "12 records were left out: more came than this reader took"),
        },
    ),
    "Rejected": record(
        "A well-signed request that was answered 400.",
        {
            "id": REJECTED_ID,
            "source": text("Name of the source.", "spaces"),
            "received_at": moment("When it came."),
            "reason": text("Why it was rejected.", "the body is not JSON: …"),
            "headers": _HEADERS,
            "body": text("The first 4096 characters; secrets are masked.", '{"page":'),
            "size": count("Bytes of the whole body.", 8),
        },
    ),
    "RejectedRequests": record("Rejected requests, newest first.", {"rejected": many(ref("Rejected")), "next": NEXT}),
    "Replayed": record("The delivery is sent once more.", {"replayed": many(REPLAY_ID, "The new delivery.")}),
    "Released": record("The delivery is due now.", {"released": many(DELIVERY_ID, "The same delivery.")}),
    "Judged": record(
        "What became of an event that was judged once more.",
        {
            "replayed": many(REPLAY_ID, "The new deliveries."),
            "skipped": _SKIPPED,
            "message": or_null(text("Why nothing was sent, where nothing was wrong.", "no rule matches")),
        },
    ),
    "Taken": record(
        "What became of a rejected request that was taken after all.",
        {
            "event": EVENT_ID,
            "replayed": many(REPLAY_ID, "The new deliveries."),
            "skipped": _SKIPPED,
            "message": or_null(text("Why nothing was sent, where nothing was wrong.", "no rule matches")),
        },
    ),
    "ReplayStep": record(
        "What one step of a replay in bulk did or, with `dry_run`, would do.",
        {
            "dry_run": flag(),
            "replayed": many(REPLAY_ID, "The new deliveries; of a dry run, those that would be replayed."),
            "counts": many(
                record("", {"destination": DESTINATION, "rule": or_null(RULE), "count": count(example=1)}),
                "How many of them, by destination and rule.",
            ),
            "skipped": _SKIPPED,
            "examples": many(
                record(
                    "What one of them would say.",
                    {
                        "id": DELIVERY_ID,
                        "destination": DESTINATION,
                        "rule": or_null(RULE),
                        "message": _MESSAGE,
                        "message_error": _MESSAGE_ERROR,
                    },
                ),
                "Of a dry run.",
            ),
            "next": NEXT,
        },
    ),
    "Skipped": record(
        "Why so many were not replayed.",
        {
            "reason": choice("For programs.", [*WHY_SKIPPED, *NO_DESTINATION]),
            "message": text("For people.", WHY_SKIPPED[NOT_FINAL]),
            "count": count(example=1),
        },
    ),
    "Preview": record(
        "What would become of an event.",
        {
            "event": text("Name of the event.", "page.updated"),
            "source": text("Name of the source that it counts as one of.", "spaces"),
            "ruleset": RULESET,
            "matches": many(RULE, "Those that match."),
            "verdicts": many(ref("Verdict"), "Of every rule, in the order of the file."),
            "deliveries": many(ref("Draft"), "Those that would be made, in the order of the file."),
        },
    ),
    "Draft": record(
        "A delivery that would be made.",
        {
            "rule": RULE,
            "destination": DESTINATION,
            "type": or_null(text("Type of the destination; null where its settings are not known.", "slack")),
            "reason": or_null(
                text("Why nothing would be sent: `render error`, `empty message`, `destination removed`, …")
            ),
            "message": _MESSAGE,
            "message_error": or_null(text("Why there is no message.", "message, line 1: …")),
        },
    ),
    "Purged": record(
        "What this part removed or, with `dry_run`, would remove.",
        {
            "events": count("Events."),
            "deliveries": count("Their deliveries."),
            "unhandled": count("Dead letters among these that nobody had dealt with."),
            "rejected": count("Requests that were answered 400."),
            "next": NEXT,
        },
    ),
    "Stats": record(
        "Totals. Events and final states count everything ever, the other states what stands there now.",
        {
            "events": count("Events ever stored.", 2),
            "deliveries": record("By state.", {state.value: count() for state in DeliveryState}),
            "destinations": by_name(
                ref("DestinationStats"),
                "By name.",
                {
                    "docs": {
                        "pending": 0,
                        "paused_until": None,
                        "consecutive_failures": 0,
                        "last_success_at": "2026-03-02T09:15:00.000Z",
                    }
                },
            ),
        },
        {"apis": by_name(ref("ApiStats"), "Where sources have an `api_key`: how the Spaces API of each stands.", {})},
    ),
    "DestinationStats": record(
        "How a destination stands.",
        {
            "pending": count("Deliveries that wait for it or are under way."),
            "paused_until": or_null(moment("When a pause that it asked for ends.")),
            "consecutive_failures": count("Failed attempts since the last success."),
            "last_success_at": or_null(moment("When it last took a message.")),
        },
    ),
    "ApiStats": record(
        "How the Spaces API of a source stands, since the start.",
        {
            "known": record("Names in memory, whoever told them.", {kind: count() for kind in KINDS_OF_OBJECT}),
            "refreshed_at": or_null(moment("When all people and spaces were last read.")),
            "requests": record("By what they came to.", {outcome.value: count() for outcome in ApiOutcome}),
            "failing": many(text("A sentence."), "What is wrong now, and how to mend it; empty while all is well."),
            "failing_since": or_null(moment("Since when.")),
            "last_failure": or_null(text("The latest sentence, also after it was mended.")),
            "last_failure_at": or_null(moment("When that was.")),
        },
    ),
}
