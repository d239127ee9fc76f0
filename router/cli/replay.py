"""`replay`: once more, after the cause of a failure is mended or a rule is changed."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.group import Failed
from router.cli.options import IdType, option
from router.cli.output import plain
from router.cli.running import Admin, NothingAnswers, Router, admin_options


@click.command("replay")
@click.argument("number", metavar="ID", type=IdType())
@option(
    "--to",
    metavar="NAME",
    help="Send it to this destination in the place of its own.",
)
@admin_options
def command(*, number: str, to: str | None, admin: Admin, admin_token_file: Path | None) -> int:
    """
    Send a delivery once more.

    It goes to its destination again, worded by today's rule of the same name. The old delivery stays as history. Only
    what has come to its end can be replayed. Needs the running router.

    \b
    Examples:
      spaces-router deliveries --state dead     find what did not arrive
      spaces-router replay 62345678901234567
      spaces-router replay 62345678901234567 --to ops
    """
    router = Router(admin, admin_token_file)
    try:
        made = _replay(router, number, to)
    except NothingAnswers as nothing:
        raise Failed(
            f"{nothing}. Only the running router can send: start it with `spaces-router serve`, or say with --admin"
            " where its admin side listens."
        ) from None
    for new in made:
        click.echo(f"Replayed as delivery {new}; see what became of it: spaces-router show {new}")
    return 0


def _replay(router: Router, number: str, to: str | None) -> list[str]:
    """Have a delivery replayed; the ids of the new ones."""
    if router.get(f"/deliveries/{number}") is not None:
        wish = {} if to is None else {"to": to}
        return [plain(new) for new in router.post(f"/deliveries/{number}/replay", wish)["replayed"]]
    if router.get(f"/events/{number}") is not None:
        raise Failed(
            f"{number} is an event. Replaying a whole event is not available in this version yet; replay its deliveries"
            f" one by one: `spaces-router deliveries --event {number}` lists them."
        )
    raise Failed(f"there is no delivery {number}; `spaces-router deliveries` lists what there is.")
