"""Problems of the rule file: what they are, and how people and machines are told."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from router.errors import RouterError

Severity: TypeAlias = Literal["error", "warning"]

_WIDEST_LINE = 160
_LEAD = 60
_LONGEST_GUESSED = 200
_MOST_GUESSED = 300


@dataclass(frozen=True)
class Problem:
    """
    One thing that is wrong with a file, or worth a second look.

    Attributes:
        file: As the user named it.
        line, column: From 1.
        message: What was found; what is expected; what was probably meant. No secret.
        code: Names a kind of warning, such as `unused-destination`; None for errors.
        source_line: The line of the file, secrets masked; None where there is none to show.
        width: How many characters of it are meant.
        marker: Column of the caret in `source_line`, from 1; differs from `column` behind something masked.
    """

    file: str
    line: int
    column: int
    message: str
    code: str | None = None
    severity: Severity = "error"
    source_line: str | None = None
    width: int = 1
    marker: int | None = None

    def __str__(self) -> str:
        """`file:line:column: message`, which editors and terminals make clickable."""
        told = f"warning: {self.message} [{self.code}]" if self.severity == "warning" else self.message
        return f"{self.file}:{self.line}:{self.column}: {told}"


class ConfigurationInvalid(RouterError):
    """A rule file cannot be used; `problems` has everything that is wrong with it, warnings as well, by position."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort by place, and drop repetitions: what an alias repeats and what several checks see is told once."""
    first: dict[tuple[str, int, int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.file, problem.line, problem.column, problem.message), problem)
    return tuple(
        sorted(first.values(), key=lambda each: (each.file, each.line, each.column, each.severity, each.message))
    )


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Guess what was meant, as the end of a sentence: ` (did you mean 'events'?)`; empty without a good guess."""
    guess = nearest(word, choices)
    return f" (did you mean '{guess}'?)" if guess is not None else ""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that is most like a word, without regard to case; None where none is like it."""
    folded = {choice.casefold(): choice for choice in islice(choices, _MOST_GUESSED)}
    close = difflib.get_close_matches(word[:_LONGEST_GUESSED].casefold(), folded, n=1)
    return folded[close[0]] if close else None


def named(value: object) -> str:
    """Quote what stands in the file: on one line, cut short, and nothing in it can steer a terminal."""
    text = str(value)
    cut = text if len(text) <= 60 else text[:59] + "…"
    return f"'{printable(cut)}'"


def listed(names: Collection[str]) -> str:
    """Write choices in their order; more than twenty are counted."""
    shown = list(names)[:20]
    more = len(names) - len(shown)
    return ", ".join(map(printable, shown)) + (f" and {more} more" if more else "")


def format_text(problems: Sequence[Problem]) -> str:
    """Write problems for a terminal: a line each, below it the line of the file and a caret. Ends with a line break."""
    return "".join(f"{problem}\n{_excerpt(problem)}" for problem in problems)


def summary(problems: Sequence[Problem], file: str) -> str:
    """Count problems for the last line of a report: `5 problems in rules.yaml`."""
    errors = sum(problem.severity == "error" for problem in problems)
    parts = []
    if errors or len(problems) == errors:
        parts.append(f"{errors or 'no'} problem{'' if errors == 1 else 's'}")
    if warnings := len(problems) - errors:
        parts.append(f"{warnings} warning{'' if warnings == 1 else 's'}")
    return f"{' and '.join(parts)} in {file}"


def format_json(problems: Sequence[Problem]) -> str:
    """Write problems as a JSON list."""
    keys = ("file", "line", "column", "severity", "code", "message")
    return json.dumps([{key: getattr(problem, key) for key in keys} for problem in problems], ensure_ascii=False)


def format_github(problems: Sequence[Problem]) -> str:
    """
    Write problems as workflow commands, which GitHub shows beside the lines of a pull request.

    Source: GitHub's page "Workflow commands" and `toCommandValue` of its toolkit, read 2026-11.
    """
    return "".join(f"{_command(problem)}\n" for problem in problems)


def _command(problem: Problem) -> str:
    place = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    code = f" [{problem.code}]" if problem.code else ""
    return f"::{problem.severity} {place}::{_value(problem.message + code)}"


def _value(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _value(text).replace(":", "%3A").replace(",", "%2C")


def _excerpt(problem: Problem) -> str:
    if not problem.source_line:
        return ""
    line, marker = printable(problem.source_line), max(1, problem.marker or problem.column)
    if len(line) > _WIDEST_LINE:
        start = max(0, min(marker - 1 - _LEAD, len(line) - _WIDEST_LINE))
        end = start + _WIDEST_LINE
        line = ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
        marker -= start - bool(start)
    marker = min(marker, len(line) + 1)
    width = max(1, min(problem.width, len(line) - marker + 1))
    number = str(problem.line)
    return f"  {number} | {line}\n  {' ' * len(number)} | {' ' * (marker - 1)}{'^' * width}\n"


def printable(text: str) -> str:
    """Replace what could move the cursor, one character each, so that carets stay in their columns."""
    return "".join(character if character.isprintable() else " " if character == "\t" else "�" for character in text)
