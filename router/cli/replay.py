"""`replay`: once more, after the cause of a failure is mended or a rule is changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from router.cli.asking import yes_option
from router.cli.group import Failed
from router.cli.options import IdType, SinceType, option
from router.cli.output import counted, paragraph, plain
from router.cli.replay_many import replay_many
from router.cli.running import Admin, Router, admin_options, for_sending
from router.clock import rfc3339
from router.events import DeliveryState

_CHOICE = ("state", "destination", "rule", "since", "until")
_OF_MANY = ("again", "dry_run", "yes")


@click.command("replay")
@click.argument("number", metavar="[ID]", type=IdType(), required=False)
@option("--event", type=IdType(), metavar="ID", help="Judge this event by today's rules, and send what they say.")
@option("--rejected", type=IdType(), metavar="ID", help="Take this request, which was answered 400, after all.")
@option("--event-name", metavar="NAME", help="With --rejected: which event it is, where its header does not say.")
@option("--to", metavar="NAME", help="Send to this destination in the place of its own.")
@option(
    "--state",
    type=click.Choice([state.value for state in DeliveryState if state.is_final], case_sensitive=False),
    help="Everything that ended so; `dead` where only the options below are given.",
)
@option("--destination", metavar="NAME", help="Everything that went to this destination.")
@option("--rule", metavar="NAME", help="Everything of this rule.")
@option("--since", type=SinceType(), metavar="TIME", help="Only newer ones: 2h, 7d, 2026-03-02 or 2026-03-02T09:15.")
@option("--until", type=SinceType(), metavar="TIME", help="Only older ones.")
@option("--again", is_flag=True, help="Also what was replayed before, or delivered by a fallback.")
@option("--dry-run", is_flag=True, help="Only say what would be sent.")
@yes_option
@admin_options
def command(*, number: str | None, admin: Admin, admin_token_file: Path | None, **given: Any) -> int:
    """
    Send once more what did not arrive: a delivery, or all dead letters of your choice.

    It goes to its destination again, worded by today's rule of the same name. The old delivery stays as history. Only
    what has come to its end can be replayed. Needs the running router.

    A choice of many leaves out what was replayed before. The command shows what would be sent, and asks. Give it again
    if it was interrupted: it goes on with the rest.

    \b
    Examples:
      spaces-router deliveries --state dead     find what did not arrive
      spaces-router replay 62345678901234567
      spaces-router replay 62345678901234567 --to ops
      spaces-router replay --destination docs --since 1d --dry-run
      spaces-router replay --state dead --yes
      spaces-router replay --event 62345678901234566
      spaces-router replay --rejected 62345678901234568 --event-name page.updated
    """
    _check(number, given)
    router = Router(admin, admin_token_file)
    with for_sending():
        if number is not None:
            _replay_delivery(router, number, given["to"])
        elif given["event"] is not None:
            _replay_event(router, given["event"])
        elif given["rejected"] is not None:
            _replay_rejected(router, given["rejected"], given["event_name"])
        else:
            wish = {name: _as_json(given[name]) for name in (*_CHOICE, "again", "to") if given[name]}
            replay_many(router, wish, dry_run=given["dry_run"], yes=given["yes"])
    return 0


def _check(number: str | None, given: Mapping[str, Any]) -> None:
    """
    See that one thing is asked for, and nothing that does not go with it.

    Raises:
        UsageError: It is not.
    """
    chosen = [name for name in _CHOICE if given[name] is not None]
    single = [*(["ID"] if number else []), *(f"--{name}" for name in ("event", "rejected") if given[name])]
    if not single and not chosen:
        raise click.UsageError(
            "Say what to replay: the ID of a delivery, --event, --rejected, or many with --state dead."
        )
    if len(single) > 1:
        raise click.UsageError(f"{' and '.join(single)} exclude each other; give one of them.")
    more = [*chosen, *(name for name in _OF_MANY if given[name])]
    if single and more:
        option_name = f"--{more[0].replace('_', '-')}"
        raise click.UsageError(f"{option_name} is for a choice of many and does not go with {single[0]}.")
    if given["event_name"] is not None and given["rejected"] is None:
        raise click.UsageError("--event-name goes with --rejected only.")
    if given["to"] is not None and single and number is None:
        raise click.UsageError(f"--to does not go with {single[0]}: today's rules say where it goes.")


def _as_json(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _replay_delivery(router: Router, number: str, to: str | None) -> None:
    if router.get(f"/deliveries/{number}") is None:
        if router.get(f"/events/{number}") is not None:
            raise Failed(
                f"{number} is an event. To judge it by today's rules: `spaces-router replay --event {number}`. To see"
                f" its deliveries: `spaces-router deliveries --event {number}`."
            )
        raise Failed(f"there is no delivery {number}; `spaces-router deliveries` lists what there is.")
    _tell(router.post(f"/deliveries/{number}/replay", {} if to is None else {"to": to}))


def _replay_event(router: Router, number: str) -> None:
    _tell(router.post(f"/events/{number}/replay", {}))


def _replay_rejected(router: Router, number: str, name: str | None) -> None:
    told = router.post(f"/rejected/{number}/replay", {} if name is None else {"event": name})
    click.echo(f"It is event {plain(told['event'])} now: spaces-router show {plain(told['event'])}")
    _tell(told)


def _tell(told: Mapping[str, Any]) -> None:
    for new in map(plain, told["replayed"]):
        click.echo(f"Replayed as delivery {new}; see what became of it: spaces-router show {new}")
    for skipped in told.get("skipped", ()):
        click.echo(
            paragraph(f"Left out {counted(skipped['count'], 'delivery', 'deliveries')}: {plain(skipped['message'])}")
        )
    if told.get("message"):
        click.echo(paragraph(f"Nothing was sent: {plain(told['message'])}."))
