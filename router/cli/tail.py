"""`tail`: events and deliveries as they happen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from router.cli.following import Record, follow
from router.cli.options import option
from router.cli.output import as_json_line, clock_time, coloured, counted, padded, parse_time, plain, shorten, width
from router.cli.running import Admin, Router, admin_options
from router.events import DeliveryState
from router.payload import JSON

_NAME = 23
"""Columns of the longest name of an event that Spaces has."""
_STATE = 10


@click.command("tail")
@option("--name", metavar="PATTERN", help="Only events of such names, and their deliveries: page.*, *.deleted.")
@option("--source", metavar="NAME", help="Only what came from this source.")
@option("--rule", metavar="NAME", help="Only what this rule matched, or sends.")
@option("--destination", metavar="NAME", help="Only deliveries to this destination.")
@option(
    "--state",
    type=click.Choice([state.value for state in DeliveryState], case_sensitive=False),
    help="Only deliveries that come to stand so.",
)
@option("--only", type=click.Choice(["events", "deliveries"]), help="Events or deliveries only.")
@option(
    "--format",
    type=click.Choice(["text", "json"]),
    show_default="text on a terminal, otherwise json",
    help="text for people, json for programs: one object per line.",
)
@admin_options
def command(
    *,
    admin: Admin,
    admin_token_file: Path | None,
    format: str | None,  # noqa: A002 - the option is called so
    **filters: str | None,
) -> int:
    """
    Show events and deliveries as they happen.

    One line for each event that is stored, and one each time that a delivery is made or changes. Begins now; what
    happened before is shown by `deliveries`. Needs the running router, and waits for it when it restarts. Ctrl-C ends
    it. On a terminal lines are cut to its width; `show` has the rest.

    \b
    Examples:
      spaces-router tail
      spaces-router tail --name "page.*" --only events
      spaces-router tail --destination docs --state dead
      spaces-router tail --only deliveries | jq .delivery.state
    """
    as_text = format == "text" if format else sys.stdout.isatty()
    query = {name: value for name, value in filters.items() if value is not None}
    try:
        follow(Router(admin, admin_token_file), query, _show_text if as_text else _show_json)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            click.echo()  # what follows does not stand behind the ^C
    return 0


def _show_json(record: Record) -> None:
    kind, told = record
    value: JSON = told["left_out"] if kind == "left_out" else told
    click.echo(as_json_line({kind: value}))


def _show_text(record: Record) -> None:
    kind, told = record
    if kind == "left_out":
        click.echo(click.style(f"… {plain(told['message'])}", fg="yellow"))
        return
    head, state, text = _event(told) if kind == "event" else _delivery(told)
    cells = f"{head}  {{}}  {text}"
    line = cells.format(padded(state, _STATE))
    if sys.stdout.isatty():
        line = shorten(line, width())
    click.echo(line.replace(f"  {state}", f"  {coloured(state)}", 1).rstrip())


def _event(told: Mapping[str, Any]) -> tuple[str, str, str]:
    rules = [plain(rule) for rule in told["rules"]]
    matched = f"{counted(len(rules), 'rule')}: {', '.join(rules)}" if rules else "no rule matched"
    again = "; its body came before" if told["repeated_body"] else ""
    text = f"from {plain(told['source'])}; {matched}{again}"
    return _head(told["received_at"], told["id"], told["name"]), "received", text


def _delivery(told: Mapping[str, Any]) -> tuple[str, str, str]:
    rule, cause = plain(told["rule"] or ""), told["cause"]
    why = rule if cause == "rule" else f"{plain(cause)} of {rule}" if rule else plain(cause)
    text = f"{why} → {plain(told['destination'])}"
    reason = plain(told["last_error"] or "") if told["state"] == "retrying" else _reason(told)
    if reason:
        text += f": {reason}"
    if told["state"] in ("retrying", "held"):
        text += f"; next at {clock_time(parse_time(told['due_at']))}"
    return _head(told["updated_at"], told["id"], told["event"]), plain(told["state"]), text


def _reason(told: Mapping[str, Any]) -> str:
    """Why it is dead, suppressed or held."""
    parts = [plain(told["reason"] or ""), plain(told["last_error"] or "") if told["state"] == "dead" else ""]
    return ": ".join(dict.fromkeys(part for part in parts if part))


def _head(at: str, number: str, name: str) -> str:
    return f"{clock_time(parse_time(at))}  {plain(number)}  {padded(plain(name), _NAME)}"
