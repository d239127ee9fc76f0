"""`test`: do the rules still do what the tests beside them expect?"""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.options import option


@click.command("test")
@click.argument("rules", envvar="SPACES_ROUTER_RULES", default="rules.yaml", type=click.Path(path_type=Path))
@click.argument("more", metavar="[TESTS]...", nargs=-1, type=click.Path(path_type=Path))
@option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the results to this file as JUnit XML, which CI systems read.",
)
@option(
    "--format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="text for people, json for programs, github for notes beside the lines of a pull request.",
)
def command(
    *,
    rules: Path,
    more: tuple[Path, ...],
    junit: Path | None,
    format: str,  # noqa: A002 - the option is called so
) -> int:
    """
    Run the tests that stand beside the rules.

    RULES is the rule file, rules.yaml unless given; the environment variable SPACES_ROUTER_RULES names another one.
    Its tests stand under `tests:`; TESTS are further files that hold nothing else. A test names an event and says what
    is to become of it: where it goes, which rules match, what the messages contain.

    Nothing is sent, and no router is needed; variables that are not set are no hindrance. The exit code is 0 if all
    tests pass, otherwise 1.

    \b
    Examples:
      spaces-router test
      spaces-router test rules.yaml tests/*.yaml
      spaces-router test rules.yaml --junit results.xml
    """
    from router.cli.testing import report  # noqa: PLC0415 - half of the program, which `--help` need not wait for

    return report(rules, more, junit, format)
