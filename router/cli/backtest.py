"""`backtest`: what would be different if another rule file ran, told by the events that really came."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from router.cli.options import SinceType, data_folder, option
from router.rules.patterns import Pattern, PatternError, compile_pattern


class PatternType(click.ParamType[Pattern]):
    """Names of events, as the rule file describes them: `page.*`."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pattern:
        if isinstance(value, Pattern):
            return value
        try:
            return compile_pattern(value)
        except PatternError as error:
            self.fail(f"{error}.", param, ctx)


@click.command("backtest")
@click.argument("new", metavar="NEW_FILE", type=click.Path(path_type=Path))
@option(
    "--since",
    type=SinceType(),
    default="7d",
    show_default=True,
    metavar="TIME",
    help="Only events that came since: 30m, 2h, 7d, or a date.",
)
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Look at the newest N of them alone.")
@option("--event", type=PatternType(), metavar="PATTERN", help="Only events of these names, such as page.*")
@option("--rule", metavar="NAME", help="Only messages of the rule of this name, in either file.")
@option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare with this rule file, in the place of the rules that the router loaded last.",
)
@option(
    "--examples",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="So many of each kind of difference are shown.",
)
@option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people; json for programs: every difference on a line of its own, and a last line that sums up.",
)
@option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that compare; unless given, one for each core, at most 4, where there is much to compare.",
)
@option("--fail-on-change", is_flag=True, help="Let the exit code be 1 if any message would differ.")
@data_folder("Where the store is that the events are in.")
def command(
    *,
    new: Path,
    since: datetime,
    limit: int | None,
    event: Pattern | None,
    rule: str | None,
    against: Path | None,
    examples: int,
    format: str,  # noqa: A002 - the option is called so
    jobs: int | None,
    fail_on_change: bool,
    data: Path,
) -> int:
    """
    Show what a changed rule file would do differently.

    The events of the last days are judged twice, by the rules that the router loaded last and by NEW_FILE, and their
    messages are compared: which would appear, vanish, go elsewhere, read differently, or could not be written at all.

    Nothing is sent and nothing is stored; a running router is not disturbed. Variables that are not set are no
    hindrance. The exit code is 0 whether there are differences or not, and 1 if NEW_FILE has problems. Ctrl-C ends it
    with what was found so far.

    \b
    Examples:
      spaces-router backtest changed.yaml
      spaces-router backtest changed.yaml --since 30d --rule "page changes"
      spaces-router backtest changed.yaml --format json > differences.jsonl
    """
    from router.cli.backtest_work import Wish  # noqa: PLC0415 - half of the program, which `--help` need not wait for
    from router.cli.backtesting import report  # noqa: PLC0415

    wish = Wish(
        new=new,
        against=against,
        data=data,
        since=since,
        limit=limit,
        event=event.text if event is not None else None,
        rule=rule,
        examples=examples,
        as_json=format == "json",
    )
    return report(wish, jobs=jobs, fail_on_change=fail_on_change)
