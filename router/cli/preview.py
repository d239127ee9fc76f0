"""`preview`: which rules match an event, and what they would send."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.options import data_folder, option, rules_file, subject_options
from router.cli.running import Admin, admin_options
from router.cli.subject import find_subject


@click.command("preview")
@click.argument("subject", metavar="EVENT|FILE|ID")
@rules_file("rules.yaml")
@subject_options
@option("--destination", metavar="NAME", help="Show only what goes to this destination.")
@option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the HTML part of the mail to this file, which a browser shows; its name ends in .html.",
)
@option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people; json for programs, as POST /api/v1/preview answers it.",
)
@admin_options
@data_folder("Where the store is, for the event of an ID when no router runs.")
def command(
    *,
    subject: str,
    rules: Path,
    event: str | None,
    payload: Path | None,
    source: str | None,
    destination: str | None,
    html: Path | None,
    format: str,  # noqa: A002 - the option is called so
    admin: Admin,
    admin_token_file: Path | None,
    data: Path,
) -> int:
    """
    Show which rules match an event, and what they would send.

    EVENT is a name such as page.created, shown with its sample body; `spaces-router events` lists all. FILE holds the
    body of an event as JSON (- for standard input); page.updated.json needs no --event. ID is the number of a stored
    event, or of a delivery of it: the running router is asked for it, or its store when none runs.

    Nothing is sent, and no router is needed but for an ID. It is judged by the rule file as it is now; variables that
    are not set are no hindrance. The exit code is 0, or 1 if the rule file has problems or a message cannot be written.

    \b
    Examples:
      spaces-router preview page.updated.moved
      spaces-router preview page.updated.json --destination docs
      spaces-router preview 62345678901234567 --rules changed.yaml
    """
    found = find_subject(subject, event, payload, (admin, admin_token_file), data)

    from router.cli.preview_report import View, report  # noqa: PLC0415 - half of the program; `--help` need not wait

    return report(found, rules, source, View(destination, html, as_json=format == "json"))
