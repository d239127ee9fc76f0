"""What `events --needed` says: which events to tick in Spaces for a rule file, and which for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from router.cli.answers import Answers, NothingToAsk, answered
from router.cli.output import ago, as_json, counted, display_width, padded, paragraph, parse_time, plain, shorten
from router.cli.rule_report import read_rules
from router.cli.running import Router
from router.clock import rfc3339
from router.config.model import Source
from router.durations import format_duration
from router.payload import JSON
from router.rules.needs import Need, needs

_LONGEST_RULES = 40
"""Columns for the names of rules."""


@dataclass(frozen=True)
class Checklist:
    """
    What is to be ticked for one source.

    Attributes:
        seen: When the latest event of each name came, by name; None where there is no history to know it from.
    """

    source: Source
    needs: Sequence[Need]
    seen: Mapping[str, datetime] | None

    @property
    def wanted(self) -> list[Need]:
        return [need for need in self.needs if need.rules]

    @property
    def missing(self) -> list[str]:
        """Needed, but none came so far, from a source of which others did."""
        return [need.event for need in self.wanted if self.seen and need.event not in self.seen]

    @property
    def for_nothing(self) -> list[str]:
        """Ticked, for they came, but nobody needs them."""
        return [need.event for need in self.needs if not need.rules and self.seen and need.event in self.seen]


def report(rules: Path, router: Router, data: Path, form: str) -> int:
    """
    Print the checklist of each source.

    Args:
        data: Folder of the store, for when no router runs.
        form: `text` or `json`.

    Returns:
        The exit code.

    Raises:
        Failed: The rule file cannot be used; or there is a history, but it cannot be read.
    """
    configuration = read_rules(rules, "nothing can be said of what it needs", missing=[])  # no secret matters here
    sources = configuration.sources.values()
    history: Mapping[str, Mapping[str, datetime]] | None
    try:
        history = answered(router, data, lambda answers: {one.name: _seen(answers, one) for one in sources})
    except NothingToAsk:
        history = None
    lists = [
        Checklist(
            source,
            needs(configuration.rules.rules, source.name, source.kind.catalogue),
            history[source.name] if history is not None else None,
        )
        for source in sources
    ]
    if form == "json":
        click.echo(as_json({"sources": [_as_json(one) for one in lists]}))
    else:
        click.echo("\n\n".join("\n".join(_lines(one, datetime.now(UTC))) for one in lists))
    return 0


def _seen(answers: Answers, source: Source) -> Mapping[str, datetime]:
    """Ask when the latest event of each name came."""
    seen: dict[str, datetime] = {}
    for name in source.kind.catalogue:
        latest = answers.events({"name": name, "source": source.name, "limit": "1"})["events"]
        if latest:
            seen[name] = parse_time(latest[0]["received_at"])
    return seen


# For people


def _lines(one: Checklist, now: datetime) -> list[str]:
    title = f"{plain(one.source.name)} ({one.source.kind.name}): tick {len(one.wanted)} of {len(one.needs)} events"
    widest = max(len(need.event) for need in one.needs)
    rules = [shorten(_for_whom(need), _LONGEST_RULES) for need in one.needs]
    columns = max(map(display_width, rules))
    lines = [click.style(title, bold=True), ""]
    for need, text in zip(one.needs, rules, strict=True):
        mark = "[x]" if need.rules else "[ ]"
        lines.append(f"  {mark} {need.event:<{widest}}  {padded(text, columns)}  {_when(need, one, now)}".rstrip())
    return [*lines, "", *(paragraph(note, "  ", hanging="  ") for note in _notes(one))]


def _for_whom(need: Need) -> str:
    names = plain(", ".join(need.rules))
    return f"{names} (what no other rule takes)" if need.last_resort else names


def _when(need: Need, one: Checklist, now: datetime) -> str:
    """When such an event came last, where anything is known of its source."""
    if not one.seen:
        return ""
    if need.event in one.seen:
        came = f"came {ago(one.seen[need.event], now)}"
        return came if need.rules else click.style(f"{came}, for no rule", fg="yellow")
    return "not seen yet" if need.rules else ""


def _notes(one: Checklist) -> list[str]:
    """What to do about it."""
    notes = []
    if not one.wanted:
        notes.append("No rule can match an event of this source.")
    if one.seen is None:
        notes.append(
            "What is ticked now cannot be known: no router runs, and there is no store here. Name one with --admin or"
            " --data."
        )
    elif not one.seen:
        notes.append("What is ticked now cannot be known: nothing has come from this source yet.")
    if one.for_nothing:
        notes.append(
            f"Ticked, for {_they(one.for_nothing)} came, and needed by no rule: {', '.join(one.for_nothing)}. You can"
            f" untick {_them(one.for_nothing)}; all that is lost are the names of people, spaces and pages that the"
            " router learns from events."
        )
    if one.missing:
        notes.append(
            f"Needed, and not seen yet: {', '.join(one.missing)}. Either nothing of the kind has happened since the"
            " oldest event that is stored, or it is not ticked: have a look in Spaces."
        )
    if one.source.expect_every is not None:
        notes.append(
            f"An alert is sent when nothing came for {format_duration(one.source.expect_every)} (`expect_every`),"
            " whatever it is: keep something ticked that happens more often than that."
        )
    return notes or [f"All {counted(len(one.wanted), 'event')} came before, and none for nothing."]


def _they(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "they"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


# For programs


def _as_json(one: Checklist) -> dict[str, JSON]:
    known = bool(one.seen)
    return {
        "source": one.source.name,
        "kind": one.source.kind.name,
        "tick": [need.event for need in one.wanted],
        "untick": one.for_nothing if known else None,
        "not_seen": one.missing if known else None,
        "events": [
            {
                "name": need.event,
                "needed": bool(need.rules),
                "rules": list(need.rules),
                "last_resort": need.last_resort,
                "last_received_at": _moment(one, need.event),
            }
            for need in one.needs
        ],
    }


def _moment(one: Checklist, event: str) -> str | None:
    moment = one.seen.get(event) if one.seen else None
    return rfc3339(moment) if moment else None
