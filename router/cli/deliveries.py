"""`deliveries`: the list of what was sent, is on its way, or was given up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from router.cli.answers import answered, collect_deliveries
from router.cli.options import IdType, SinceType, data_folder, option
from router.cli.output import ago, as_json, counted, paragraph, parse_time, plain, table
from router.cli.running import Admin, Router, admin_options
from router.clock import rfc3339
from router.events import DeliveryState

_EXPLAINED = ("dead", "retrying", "suppressed", "held")


@click.command("deliveries")
@option(
    "--state",
    type=click.Choice([state.value for state in DeliveryState], case_sensitive=False),
    help="Only those which stand so. `dead` ones were given up and can be replayed.",
)
@option("--destination", metavar="NAME", help="Only those to this destination.")
@option("--rule", metavar="NAME", help="Only those of this rule.")
@option("--event", type=IdType(), metavar="ID", help="Only those of this event.")
@option("--since", type=SinceType(), metavar="TIME", help="Only newer ones: 2h, 7d, 2026-03-02 or 2026-03-02T09:15.")
@option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, metavar="N", help="How many at most."
)
@option("--json", is_flag=True, help="Everything there is, as JSON, with exact times.")
@admin_options
@data_folder("Where the store is, for when no router runs.")
def command(*, admin: Admin, admin_token_file: Path | None, data: Path, limit: int, json: bool, **filters: Any) -> int:
    """
    List what the router sent or tries to send.

    Newest first; those that it gave up stand as `dead`. Asks the running router. When none runs, it reads the store
    itself and says so.

    \b
    Examples:
      spaces-router deliveries
      spaces-router deliveries --state dead --since 1d
      spaces-router deliveries --destination docs --limit 500 --json
    """
    query = {
        name: rfc3339(value) if isinstance(value, datetime) else str(value)
        for name, value in filters.items()
        if value is not None
    }
    found = answered(Router(admin, admin_token_file), data, lambda answers: collect_deliveries(answers, query, limit))
    if json:
        click.echo(as_json(found))
    elif found:
        click.echo("\n".join(delivery_lines(found, datetime.now(UTC))))
        if len(found) == limit:
            click.echo(f"\nThese are the newest {limit}; --limit shows more.")
        can_be_chosen = query.get("state") == DeliveryState.DEAD and "event" not in query
        if can_be_chosen and not all(one.get("handled") for one in found):
            chosen = " ".join(f"--{name} {shlex.quote(value)}" for name, value in query.items())
            click.echo(f"\nTo see what a replay of them would send: spaces-router replay {chosen} --dry-run")
    else:
        click.echo(_nothing(query))
    return 0


def _nothing(query: Mapping[str, str]) -> str:
    if query:
        return f"No delivery fits ({', '.join(query)}). Without these options all are listed."
    return (
        "No deliveries yet. Send a sample event with `spaces-router send`; if there is none then, no rule matches it:"
        " `spaces-router check` says which events your rules match."
    )


def delivery_lines(found: Sequence[Mapping[str, Any]], now: datetime, indent: str = "") -> list[str]:
    """Lay out deliveries as a table; those that did not simply arrive say why on a second line."""
    header = ("ID", "EVENT", "DESTINATION", "STATE", "CREATED")
    rows = [
        (
            str(one["id"]),
            plain(one["event"]),
            plain(one["destination"]),
            plain(one["state"]) + (", handled" if one.get("handled") else ""),
            ago(parse_time(one["created_at"]), now),
        )
        for one in found
    ]
    first, *lines = table(header, rows, shrink=2, state=3)
    listed = [indent + first]
    for one, line in zip(found, lines, strict=True):
        listed.append(indent + line)
        if reason := _reason(one):
            listed.append(paragraph(reason, f"{indent}    ", most=2))
    return listed


def _reason(one: Mapping[str, Any]) -> str:
    """Why a delivery did not simply arrive, in one line."""
    if one["state"] not in _EXPLAINED:
        return ""
    tries = f"after {counted(one['attempts'], 'attempt')}" if one["attempts"] else ""
    parts = [tries, plain(one["reason"] or ""), plain(one["last_error"] or "")]
    return ": ".join(dict.fromkeys(part for part in parts if part))
