"""`backup`: a copy of the store that can take its place."""

from __future__ import annotations

import time
from pathlib import Path

import click

from router.cli.group import Failed
from router.cli.options import data_folder
from router.cli.output import file_size, plain
from router.errors import StoreRefused, StoreUnavailable


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@data_folder("The folder of the store.")
def command(*, target: Path, data: Path) -> int:
    """
    Copy the store to a file, also while the router runs.

    The router is not disturbed. The copy holds everything that was stored when it began, without free space, and is
    checked as a whole before it gets its name, FILE. A file that is there is never overwritten. Only you can read it:
    events hold names and texts of your wiki.

    To restore it: stop the router, move `router.db` and `router.db-wal` aside, copy FILE to `router.db`, start.

    \b
    Examples:
      spaces-router backup /var/backups/router.db
      spaces-router backup backup-today.db --data /var/lib/spaces-router
    """
    from router.store.backup import back_up  # noqa: PLC0415 - the store, which `--help` need not wait for

    database = data / "router.db"
    begun = time.monotonic()
    try:
        size = back_up(database, target)
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}.") from None
    seconds = time.monotonic() - begun
    click.echo(
        f"Copied {plain(database)} to {plain(target)}: {file_size(size)} in {seconds:.1f} s, checked and complete."
    )
    return 0
