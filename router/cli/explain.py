"""`explain`: why each rule did or did not match an event, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from router.cli.answers import Answers, answered, deliveries_of, event_of, neither
from router.cli.explanation import Explained, View, report
from router.cli.group import Failed
from router.cli.options import IdType, data_folder, option, rules_file, subject_options
from router.cli.running import Admin, Router, admin_options

_OF_THE_RULE_FILE = ("rules", "event", "payload", "source")
"""Options that say by what an event is judged which did not come."""

_LEFT_OUT = ("headers", "body", "payload", "names", "before")
"""What `show` tells of an event, and nobody needs to understand its verdicts."""


@click.command("explain")
@click.argument("subject", metavar="ID|EVENT|FILE")
@option("--rule", metavar="NAME", help="Explain this rule only.")
@option("--all", is_flag=True, help="List the rules about other events too, instead of counting them.")
@option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people; json for programs, with the verdicts as GET /api/v1/events/{id} tells them.",
)
@rules_file("rules.yaml")
@subject_options
@admin_options
@data_folder("Where the store is, for when no router runs.")
def command(
    *,
    subject: str,
    rule: str | None,
    all: bool,  # noqa: A002 - the option is called so
    format: str,  # noqa: A002 - the option is called so
    rules: Path,
    event: str | None,
    payload: Path | None,
    source: str | None,
    admin: Admin,
    admin_token_file: Path | None,
    data: Path,
) -> int:
    """
    Say why each rule did or did not match an event.

    ID is the number of an event, or of one of its deliveries. The event is explained by the rules that judged it, also
    when they have changed since: each rule matched, or did not because of the first condition that failed, with what
    it saw and what it wanted; then what became of each delivery. Asks the running router, or reads its store when none
    runs.

    EVENT, such as page.created, or FILE, the body of an event as JSON (- for standard input), is explained by the rule
    file as it is now. `preview` shows what it would send as well.

    \b
    Examples:
      spaces-router explain 62345678901234567
      spaces-router explain 62345678901234567 --rule "page changes"
      spaces-router explain page.updated.json --rules changed.yaml
    """
    view = View(rule, all, as_json=format == "json")
    if subject.isdigit():
        _refuse_options(subject)
        number = IdType().convert(subject, None, None)
        found = answered(Router(admin, admin_token_file), data, lambda answers: _recorded(answers, number))
        if found is None:
            raise Failed(neither(number))
        return report(found, view, datetime.now(UTC))

    from router.cli.preview_report import explain_subject  # noqa: PLC0415 - half of the program
    from router.cli.subject import find_subject  # noqa: PLC0415

    meant = find_subject(subject, event, payload, (admin, admin_token_file), data)
    return report(explain_subject(meant, rules, source), view, datetime.now(UTC))


def _refuse_options(number: str) -> None:
    """Refuse what only an event has that did not come; a variable that is set for other commands is none of it."""
    context = click.get_current_context()
    for name in _OF_THE_RULE_FILE:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"An event that came is explained by the rules that judged it: leave out --{name}. What other rules"
                f" would make of it: spaces-router preview {number} --rules FILE"
            )


def _recorded(answers: Answers, number: str) -> Explained | None:
    event = event_of(answers, number)
    if event is None:
        return None
    told: Mapping[str, Any] = {key: value for key, value in event.items() if key not in _LEFT_OUT}
    own = deliveries_of(answers, event["id"])
    return Explained({**told, "deliveries": own}, asked_for=number)
