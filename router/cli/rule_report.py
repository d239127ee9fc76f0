"""What `check` says of a rule file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from router.cli.group import FAILED, Failed
from router.cli.output import counted, paragraph, plain
from router.config.load import load
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, Problem, format_github, format_json, format_text, summary
from router.sources import DEFAULT_KIND

_FORMATS = {"text": format_text, "json": format_json, "github": format_github}


def report(file: Path, form: str, strict: bool) -> int:
    """
    Print the problems of a rule file, or what it holds.

    Args:
        form: `text`, `json` or `github`.
        strict: Let warnings fail as well.

    Returns:
        The exit code.
    """
    configuration: Configuration | None = None
    try:
        configuration = load(file, os.environ)
        problems: Sequence[Problem] = configuration.warnings
    except ConfigurationInvalid as invalid:
        problems = invalid.problems
    except OSError as error:
        raise Failed(unreadable(file, error)) from None
    _print(_FORMATS[form](problems))
    if form == "text":
        click.echo(_verdict(file, problems, strict))
        if hint := _about_codes(problems):
            click.echo(hint)
        if hint := unset_hint(problems, file):
            click.echo(hint)
        if configuration is not None:
            click.echo("\n".join(content(configuration)))
    failed = configuration is None or (strict and bool(problems))
    return FAILED if failed else 0


def read_rules(file: Path, otherwise: str, missing: list[str] | None = None) -> Configuration:
    """
    Load the rule file for a command that needs it whole; its problems go to standard error.

    Args:
        otherwise: A clause that says what was not done, such as `nothing was sent`.
        missing: As `load` takes it: given one, secrets that are not there are no problems.

    Raises:
        Failed: It cannot be used.
    """
    try:
        return load(file, os.environ, missing, trial_seconds=0)
    except ConfigurationInvalid as invalid:
        click.echo(format_text(invalid.problems).rstrip("\n"), err=True)
        hint = unset_hint(invalid.problems, file)
        raise Failed(f"{summary(invalid.problems, str(file))}; {otherwise}.{hint and ' '}{hint}") from None
    except OSError as error:
        raise Failed(unreadable(file, error)) from None


def unset_hint(problems: Sequence[Problem], file: Path) -> str:
    """Say how to load the `.env` beside a rule file where a variable is missing; otherwise an empty text."""
    env = file.parent / ".env"
    if not any(" is not set" in problem.message and "variable" in problem.message for problem in problems):
        return ""
    if not env.is_file():
        return ""
    path = str(env) if env.is_absolute() else f"./{env}"
    return f"Is the variable in {env}? Load that into the shell first: set -a; . {shlex.quote(path)}; set +a"


def unreadable(file: Path, error: OSError) -> str:
    """Say that the rule file cannot be read, and what to do."""
    if isinstance(error, FileNotFoundError):
        return f"there is no rule file {file}. Name it, or go to the folder where it is."
    return f"the rule file {file} cannot be read: {error.strerror or error}."


def _print(text: str) -> None:
    if text:
        click.echo(text.rstrip("\n"))


def _verdict(file: Path, problems: Sequence[Problem], strict: bool) -> str:
    if any(problem.severity == "error" for problem in problems):
        return click.style(summary(problems, str(file)), fg="red")
    if problems and strict:
        return click.style(f"{summary(problems, str(file))}, and --strict lets none pass", fg="red")
    if problems:
        return click.style(f"{file} can be used, with {counted(len(problems), 'warning')}", fg="yellow")
    return click.style(f"{file} is fine", fg="green")


def _about_codes(problems: Sequence[Problem]) -> str:
    """Say where more is said about warnings; empty where there are none."""
    codes = list(dict.fromkeys(problem.code for problem in problems if problem.code))
    if not codes:
        return ""
    which = codes[0] if len(codes) == 1 else "CODE"
    return paragraph(f"Why a warning matters and how to mend it: spaces-router check --explain {which}", "  ")


def content(configuration: Configuration) -> list[str]:
    """What a good file holds."""
    sources = [
        f"{plain(source.name)} at /hooks/{plain(source.name)}{' (unsigned)' if source.unsigned else ''}"
        for source in configuration.sources.values()
    ]
    destinations = [
        f"{plain(name)} ({destination.type_name}{'' if destination.enabled else ', switched off'})"
        for name, destination in configuration.destinations.items()
    ]
    rules = [plain(rule.name) for rule in configuration.rules.rules]
    lines = [
        _held("source", sources),
        _held("destination", destinations),
        _held("rule", rules),
    ]
    if configuration.tests:
        lines.append(f"  {counted(len(configuration.tests), 'test')}, which `spaces-router test` runs")
    return [*lines, *_coverage(configuration), *_untried(configuration)]


def _untried(configuration: Configuration) -> list[str]:
    if not configuration.untried:
        return []
    verb = "was" if configuration.untried == 1 else "were"
    text = (
        f"{counted(configuration.untried, 'message')} {verb} not tried on sample events: it would have taken too long"
    )
    return [paragraph(text, "  ", hanging="  ")]


def _held(what: str, names: Sequence[str]) -> str:
    text = f"{counted(len(names), what)}{': ' + ', '.join(names) if names else ''}"
    return paragraph(text, "  ", hanging="  ")


def _coverage(configuration: Configuration) -> list[str]:
    """How many of the events that Spaces can send are the matter of some rule, whatever its conditions say."""
    sources = [source.name for source in configuration.sources.values() if source.kind == DEFAULT_KIND]
    if not sources:
        return []
    catalogue = DEFAULT_KIND.catalogue
    missing = [
        name
        for name in catalogue
        if not any(
            rule.static_miss(source, name.lower()) is None for rule in configuration.rules.rules for source in sources
        )
    ]
    text = f"{len(catalogue) - len(missing)} of the {len(catalogue)} events of Spaces are matched by some rule"
    return [paragraph(text + (f"; not {', '.join(missing)}" if missing else ""), "  ", hanging="  ")]
