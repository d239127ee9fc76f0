"""`events`: the catalogue, so that nobody has to guess how an event is spelled; and what of it a rule file needs."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.options import data_folder, option, rules_file
from router.cli.running import Admin, Router, admin_options
from router.messages.context import event_title
from router.sources import DEFAULT_KIND, KINDS


@click.command("events")
@option(
    "--kind",
    type=click.Choice(list(KINDS), case_sensitive=False),
    default=DEFAULT_KIND.name,
    show_default=True,
    help="The product that sends: the `kind` of a source in the rule file.",
)
@option("--needed", is_flag=True, help="Say which events to tick in Spaces for a rule file, source by source.")
@rules_file("rules.yaml")
@option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of --needed: text for people, json for programs.",
)
@admin_options
@data_folder("Where the store is, for when no router runs.")
def command(
    *,
    kind: str,
    needed: bool,
    rules: Path,
    format: str,  # noqa: A002 - the option is called so
    admin: Admin,
    admin_token_file: Path | None,
    data: Path,
) -> int:
    """
    List the events of Spaces, or those that your rules need.

    One per line with its title. The names are what stands under `events` in the rule file, and what `spaces-router
    send` can send. The title is what a message says for `{{ event.title }}`. Rules match other names too, should
    Spaces send any.

    With --needed it reads a rule file, and prints a checklist for the webhook's settings in Spaces: what to tick, and
    for which rules. What is ticked already is told by what came so far: it asks the running router, or reads its store.

    \b
    Examples:
      spaces-router events
      spaces-router events --kind teamwork-desk
      spaces-router events --needed --rules rules.yaml
    """
    if needed:
        from router.cli.needed import report  # noqa: PLC0415 - half of the program, which the list need not wait for

        return report(rules, Router(admin, admin_token_file), data, format)
    names = KINDS[kind].catalogue
    widest = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{widest}}  {event_title(name)}")
    return 0
