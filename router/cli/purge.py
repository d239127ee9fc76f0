"""`purge`: remove old events for good, by the running router or, while nothing runs, in its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import click

from router.cli.asking import make_sure, yes_option
from router.cli.group import Failed
from router.cli.options import SinceType, data_folder, option
from router.cli.output import counted, local, plain
from router.cli.running import Admin, NothingAnswers, Router, admin_options
from router.clock import SystemClock, rfc3339
from router.delivery.purge import SHORTEST_AGE, Purged, purge
from router.errors import StoreRefused, StoreUnavailable
from router.events import DeliveryState
from router.store.records import Expiry

_Purge: TypeAlias = Callable[[Expiry, bool], Purged]
"""Removes everything that has expired; or, for a dry run, only counts it."""


@click.command("purge")
@option(
    "--before",
    type=SinceType(),
    required=True,
    metavar="TIME",
    help="Remove what is older: 90d, 2026-03-02 or 2026-03-02T09:15. At least a day ago.",
)
@option(
    "--state",
    type=click.Choice([state.value for state in DeliveryState if state.is_final], case_sensitive=False),
    multiple=True,
    help="Only events with a delivery that ended so. May be repeated.",
)
@option("--destination", metavar="NAME", help="Only events with a delivery to this destination.")
@option("--dry-run", is_flag=True, help="Only say what would be removed.")
@yes_option
@admin_options
@data_folder("Where the store is, for when no router runs.")
def command(
    *,
    before: datetime,
    state: Sequence[str],
    destination: str | None,
    dry_run: bool,
    yes: bool,
    admin: Admin,
    admin_token_file: Path | None,
    data: Path,
) -> int:
    """
    Remove old events for good, with their deliveries and attempts.

    An event is as old as the last thing that happened to it, and stays while anything of it is still to come. Without
    --state and --destination, everything older goes, rejected requests too. With them, only events with such a
    delivery go, and a dead letter that nobody has dealt with goes only where they name it. Shows first what it is
    about, and asks. The router does the same by itself for what is older than `serve --retention`.

    Asks the running router to do it. When none runs, it works on the store itself.

    \b
    Examples:
      spaces-router purge --before 90d --dry-run
      spaces-router purge --before 30d --state dead --destination docs
      spaces-router purge --before 2026-03-02 --yes
    """
    if before > datetime.now(UTC) - SHORTEST_AGE:
        raise click.UsageError("--before: expected a time at least a day ago; the events of the last day are needed.")
    expiry = Expiry(before, before, frozenset(map(DeliveryState, state)), destination)
    where, remove = _find(Router(admin, admin_token_file), data, expiry)
    found = remove(expiry, True)
    if not (found.events or found.rejected):
        click.echo(f"Nothing to remove: nothing that fits is older than {local(before)} in {where}.")
        return 0
    click.echo(f"Older than {local(before)} in {where}: {_said(found)}.")
    if dry_run:
        click.echo("Nothing was removed: this was a dry run.")
        return 0
    make_sure("Remove this for good?", "nothing was removed", yes=yes)
    click.echo(f"Removed {_said(remove(expiry, False))}.")
    return 0


def _said(purged: Purged) -> str:
    said = f"{counted(purged.events, 'event')} with {counted(purged.deliveries, 'delivery', 'deliveries')}"
    if purged.unhandled:
        said += f" ({counted(purged.unhandled, 'dead letter')} that nobody has dealt with among them)"
    return said + (f", {counted(purged.rejected, 'rejected request')}" if purged.rejected else "")


def _find(router: Router, data: Path, expiry: Expiry) -> tuple[str, _Purge]:
    """Find what to purge, and say in which words to name it."""
    try:
        next(_steps(router, expiry, dry_run=True))
    except NothingAnswers as nothing:
        database = data / "router.db"
        if not database.exists():
            raise Failed(
                f"{nothing}, and there is no store at {database}. Say where it is: --admin for a running router, --data"
                " for the folder of its store."
            ) from None
        return plain(database), lambda wanted, dry_run: _in_store(database, wanted, dry_run=dry_run)
    return f"the router at {router.admin.url}", lambda wanted, dry_run: _by_router(router, wanted, dry_run=dry_run)


def _by_router(router: Router, expiry: Expiry, *, dry_run: bool) -> Purged:
    purged = Purged()
    try:
        for step in _steps(router, expiry, dry_run=dry_run):
            purged = purged.plus(Purged(step["events"], step["deliveries"], step["unhandled"], step["rejected"]))
    except NothingAnswers as nothing:
        raise Failed(f"{nothing} any more; {_said(purged)} went before, and the rest is still there.") from None
    return purged


def _steps(router: Router, expiry: Expiry, *, dry_run: bool) -> Iterator[Mapping[str, Any]]:
    return router.post_in_steps(
        "/purge",
        {
            "before": rfc3339(expiry.before),
            "state": sorted(state.value for state in expiry.states),
            "destination": expiry.destination,
            "dry_run": dry_run,
        },
    )


def _in_store(database: Path, expiry: Expiry, *, dry_run: bool) -> Purged:
    try:
        return asyncio.run(_purge_store(database, expiry, dry_run=dry_run))
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}. Where a router runs on it, name its admin side with --admin.") from None


async def _purge_store(database: Path, expiry: Expiry, *, dry_run: bool) -> Purged:
    """Work on the file, under the lock that keeps a router from starting on it meanwhile."""
    from router.store.sqlite import SqliteStore  # noqa: PLC0415 - not needed while a router runs

    store = SqliteStore(database, SystemClock())
    purged = Purged(next=0)
    try:
        await store.open()
        while purged.next is not None:
            purged = purged.plus(await purge(store, expiry, purged.next, dry_run=dry_run))
        return purged
    finally:
        await store.close()
