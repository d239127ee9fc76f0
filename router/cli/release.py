"""`release`: now, and not when it is due."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.options import IdType
from router.cli.output import plain
from router.cli.running import Admin, Router, admin_options, for_sending


@click.command("release")
@click.argument("number", metavar="ID", type=IdType())
@admin_options
def command(*, number: str, admin: Admin, admin_token_file: Path | None) -> int:
    """
    Send now what waits for its time.

    That is a delivery which is `retrying` or `held`. It goes out as soon as its destination has a free slot; one that
    asked for a rest still gets it. The attempt counts like any other: if it was the last one of the schedule and fails,
    the delivery is given up. Needs the running router.

    \b
    Examples:
      spaces-router deliveries --state retrying
      spaces-router release 62345678901234567
    """
    with for_sending():
        Router(admin, admin_token_file).post(f"/deliveries/{number}/release", {})
    click.echo(f"Released; see what becomes of it: spaces-router show {plain(number)}")
    return 0
