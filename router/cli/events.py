"""`events`: the catalogue, so that nobody has to guess how an event is spelled."""

from __future__ import annotations

import click

from router.cli.options import option
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
def command(kind: str) -> int:
    """
    List the events that Spaces can send, one per line with its title.

    The names are what stands under `events` in the rule file, and what `spaces-router send` can send. The title is
    what a message says for `{{ event.title }}`. Rules match other names too, should Spaces send any.

    \b
    Examples:
      spaces-router events
      spaces-router events --kind teamwork-desk
    """
    names = KINDS[kind].catalogue
    widest = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{widest}}  {event_title(name)}")
    return 0
