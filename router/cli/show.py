"""`show`: one event or one delivery, with everything that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from router.cli.answers import Answers, answered, deliveries_of, neither
from router.cli.deliveries import delivery_lines
from router.cli.group import Failed
from router.cli.options import IdType, data_folder, option
from router.cli.output import (
    ago,
    as_json,
    coloured,
    counted,
    indented,
    local,
    paragraph,
    parse_time,
    plain,
)
from router.cli.running import Admin, Router, admin_options
from router.cli.standings import follow_up, next_step, unmatched_lines
from router.cli.verdicts import outcome
from router.errors import UnreadableBody
from router.payload import parse_body

_MOST_BODY_LINES = 60


@click.command("show")
@click.argument("number", metavar="ID", type=IdType())
@option("--json", is_flag=True, help="Everything there is, as JSON, with exact times.")
@admin_options
@data_folder("Where the store is, for when no router runs.")
def command(*, number: str, json: bool, admin: Admin, admin_token_file: Path | None, data: Path) -> int:
    """
    Show one event or one delivery in full.

    ID is the number of either. Of a delivery: its message, its attempts, and what comes next. Of an event: its
    headers and body, what each rule made of it, and its deliveries.

    \b
    Examples:
      spaces-router show 62345678901234567
      spaces-router show 62345678901234567 --json
    """
    found = answered(Router(admin, admin_token_file), data, lambda answers: look_up(answers, number))
    if found is None:
        rejected = "What was answered 400 is listed by GET /api/v1/rejected on the admin listener."
        raise Failed(f"{neither(number)} {rejected}")
    if json:
        click.echo(as_json(found))
        return 0
    now = datetime.now(UTC)
    click.echo("\n".join(_event_lines(found, now) if "verdicts" in found else _delivery_lines(found, now)))
    return 0


def look_up(answers: Answers, number: str) -> Mapping[str, Any] | None:
    """Find the delivery of this id, or else the event, with its deliveries under `deliveries`; None without either."""
    delivery = answers.delivery(number)
    if delivery is not None:
        return delivery
    event = answers.event(number)
    if event is None:
        return None
    return {**event, "deliveries": deliveries_of(answers, number)}


def _fact(name: str, value: str) -> str:
    return f"  {name:<12} {value}"


def _moment(text: str, now: datetime) -> str:
    moment = parse_time(text)
    return f"{local(moment)} ({ago(moment, now)})"


# A delivery


def _delivery_lines(one: Mapping[str, Any], now: datetime) -> Iterator[str]:
    handled = ", handled" if one.get("handled") else ""
    yield click.style(f"delivery {one['id']}", bold=True) + f": {coloured(one['state'])}{handled}"
    yield _fact("event", f"{plain(one['event'])}, id {one['event_id']}")
    if one["upstream_id"]:
        yield _fact("sender's id", plain(one["upstream_id"]))
    kind = f" ({one['type']})" if one["type"] else ""
    yield _fact("destination", plain(one["destination"]) + kind)
    yield _fact("rule", plain(one["rule"] or "none"))
    if one["cause"] != "rule":
        origin = f" of {one['origin_id']}" if one.get("origin_id") else ""
        yield _fact("cause", one["cause"] + origin)
    yield _fact("created", _moment(one["created_at"], now))
    if one["updated_at"] != one["created_at"]:
        yield _fact("changed", _moment(one["updated_at"], now))
    yield ""
    yield paragraph(next_step(one, now), "  ")
    for later in one.get("follow_ups", ()):
        yield paragraph(follow_up(later), "  ")
    if one["state"] in ("dead", "suppressed") and not one.get("handled"):
        is_gone = one["reason"] == "destination removed" and not one["type"]
        to = " --to NAME (its own destination is gone from the rule file)" if is_gone else ""
        yield f"  To send it once more: spaces-router replay {one['id']}{to}"
    elif one["state"] in ("retrying", "held"):
        yield f"  To send it now: spaces-router release {one['id']}"
    yield ""
    yield from _message_lines(one)
    yield from _history_lines(one, now)


def _message_lines(one: Mapping[str, Any]) -> Iterator[str]:
    message = one["message"]
    sent = one["state"] == "delivered" or one["attempts"]
    yield click.style("message" if sent else "message, as it would be sent now", bold=True)
    if not message:
        yield paragraph(plain(one.get("message_error") or "not written yet"), "  ")
    elif message.get("forward"):
        yield paragraph(f"the event as it came: `spaces-router show {one['event_id']}` shows it", "  ")
    else:
        yield from content_lines(message)
    yield ""


def content_lines(message: Mapping[str, Any]) -> Iterator[str]:
    """What a message says, part by part; not for one that forwards the event as it came."""
    if message.get("subject"):
        yield _fact("subject", plain(message["subject"]))
    if message.get("accepted"):
        yield _fact("taken for", plain(", ".join(message["accepted"])))
    for who, said in (message.get("refused") or {}).items():
        yield _fact("refused", plain(f"{who}: {said}"))
    if message.get("text"):
        yield indented(message["text"], "  ")
    for part in ("blocks", "body"):
        if message.get(part) is not None:
            yield _fact(part, "")
            yield indented(as_json(message[part]), "    ")


def _history_lines(one: Mapping[str, Any], now: datetime) -> Iterator[str]:
    history = one["history"]
    yield click.style("attempts" if history else "no attempts yet", bold=True)
    for attempt in history:
        status = f" with status {attempt['status']}" if attempt["status"] is not None else ""
        took = (
            f"{attempt['duration_ms'] / 1000:.1f} s"
            if attempt["duration_ms"] >= 1000
            else f"{attempt['duration_ms']} ms"
        )
        outcome = coloured(attempt["outcome"])
        if attempt["outcome"] in ("temporary", "permanent"):
            outcome = f"failed ({outcome})"
        yield f"  {attempt['number']}. {_moment(attempt['started_at'], now)}: {outcome}{status} after {took}"
        if attempt["detail"]:
            yield indented(attempt["detail"], "     ")


# An event


def _event_lines(event: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield click.style(f"event {event['id']}", bold=True) + f": {plain(event['name'])}"
    yield _fact("source", plain(event["source"]))
    yield _fact("received", _moment(event["received_at"], now))
    if event["upstream_id"]:
        yield _fact("sender's id", plain(event["upstream_id"]))
    if event["repeated_body"]:
        yield _fact("note", "the same body came before under another id")
    yield ""
    yield click.style("headers", bold=True)
    for name, value in event["headers"].items():
        yield f"  {plain(name)}: {plain(value)}"
    yield ""
    yield from _verdict_lines(event)
    yield from _own_deliveries(event, now)
    yield from _body_lines(event)


def _verdict_lines(event: Mapping[str, Any]) -> Iterator[str]:
    yield click.style("rules", bold=True)
    if event["verdicts"] is None:
        names = ", ".join(map(plain, event["rules"])) or "none"
        yield paragraph(f"matched: {names}. The rule set that judged this event is not kept any more.", "  ")
    for verdict in event["verdicts"] or ():
        yield paragraph(f"{plain(verdict['rule'])}: {outcome(verdict, past=True)}", "  ", hanging="  ")
    yield ""


def _own_deliveries(event: Mapping[str, Any], now: datetime) -> Iterator[str]:
    own = event["deliveries"]
    yield click.style(counted(len(own), "delivery", "deliveries") if own else "no deliveries", bold=True)
    if own:
        yield from delivery_lines(own, now, indent="  ")
    elif not event["rules"]:
        yield from unmatched_lines(event["id"])
    yield ""


def _body_lines(event: Mapping[str, Any]) -> Iterator[str]:
    yield click.style(f"body, {counted(event['size'], 'byte')}", bold=True)
    try:
        text = as_json(event["payload"] if "payload" in event else parse_body(event["body"].encode()))
    except UnreadableBody:
        text = event["body"]
    lines = indented(text, "  ").split("\n")
    yield from lines[:_MOST_BODY_LINES]
    if len(lines) > _MOST_BODY_LINES:
        yield f"  … and {counted(len(lines) - _MOST_BODY_LINES, 'line')} more; --json shows all"
