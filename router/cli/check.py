"""`check`: what is wrong with a rule file, or what it holds."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli.options import option


@click.command("check")
@click.argument(
    "file", envvar="SPACES_ROUTER_RULES", default="rules.yaml", type=click.Path(dir_okay=False, path_type=Path)
)
@option(
    "--format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="text for people, json for programs, github for notes beside the lines of a pull request.",
)
@option("--strict", is_flag=True, help="Let warnings fail as well.")
@option("--explain", metavar="CODE", help="Say why the warnings of a code matter and how to mend them; read no file.")
def command(*, file: Path, format: str, strict: bool, explain: str | None) -> int:  # noqa: A002 - the option is called so
    """
    Say what is wrong with a rule file, or what it holds.

    FILE is rules.yaml in the current folder unless given; the environment variable SPACES_ROUTER_RULES names another
    one. It is read as `serve` would read it, so the variables that it uses must be set. Nothing is sent. The exit code
    is 0 for a good file, otherwise 1.

    \b
    Examples:
      spaces-router check
      spaces-router check /etc/spaces-router/rules.yaml --strict
      spaces-router check rules.yaml --format github
      spaces-router check --explain hidden-rule

    The code of a warning stands in brackets behind it. A comment keeps a warning back, behind the line or above it:
    # lint: ignore=CODE
    """
    if explain is not None:
        from router.cli.lint_codes import explanation  # noqa: PLC0415 - as below

        click.echo(explanation(explain))
        return 0
    from router.cli.rule_report import report  # noqa: PLC0415 - half of the program, which `--help` need not wait for

    return report(file, format, strict)
