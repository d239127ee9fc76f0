"""What must be true of every look at a rule file, whatever it holds."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from router.config.load import load, load_text, restore
from router.config.model import Configuration
from router.config.nodes import LINE_BREAK
from router.config.problems import ConfigurationInvalid, Problem, format_github, format_json, format_text

SECRET = "zq7x"
"""Is in every value of the environment that can be told from others, and nowhere else."""

ENVIRON = {
    "SPACES_TOKEN": f"{SECRET}-token",
    "OLD_TOKEN": f"{SECRET}.old",
    "SLACK_URL": f"https://hooks.example.com/services/{SECRET}",
    "SITE_URL": f"https://{SECRET}.example.com/",
    "AUDIT_TOKEN": f"{SECRET}{SECRET}",
    "WHSEC": f"whsec_{SECRET}9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "MAIL": f"{SECRET}@example.com",
    "HOST": f"{SECRET}.example.com",
    "PATH_OF_A_FILE": f"no/such/{SECRET}",
    "SECRET_FOLDER": f"no/{SECRET}",
    "BYTES": f"{SECRET}\udcff",
    "DURATION": "1m",
    "NUMBER": "4",
    "YES": "true",
    "EMPTY": "",
}

_BASE_SECONDS = 1.0
_SECONDS_PER_BYTE = 1.0 / 10_000


@contextmanager
def bounded_work(size: int) -> Iterator[None]:
    """Allow so much processor time as nothing sensible takes for so many bytes; other processes do not count."""
    started = time.thread_time()
    yield
    spent = time.thread_time() - started
    assert spent <= _BASE_SECONDS + size * _SECONDS_PER_BYTE, f"{spent:.2f} s for {size} bytes"


def look(content: bytes, folder: Path) -> Configuration | None:
    """Load the bytes as a rule file, and see that what is said of it can be said."""
    path = folder / "rules.yaml"
    path.write_bytes(content)
    with bounded_work(len(content)):
        loaded, problems = _outcome(lambda: load(path, ENVIRON))
        check_words(problems, {str(path): content.decode("utf-8-sig", "replace")}, usable=loaded is not None)
    return loaded


def look_text(text: str) -> Configuration | None:
    """The same for a text that is no file, such as one that comes through the API."""
    with bounded_work(len(text)):
        loaded, problems = _outcome(lambda: load_text(text, "a text", ENVIRON))
        check_words(problems, {"a text": text}, usable=loaded is not None)
    return loaded


def _outcome(loading: Callable[[], Configuration]) -> tuple[Configuration | None, Sequence[Problem]]:
    try:
        loaded = loading()
    except ConfigurationInvalid as invalid:
        return None, invalid.problems
    _check_kept(loaded)
    return loaded, loaded.warnings


def _check_kept(loaded: Configuration) -> None:
    """What is kept of a rule set tells no secret, and loads again without the environment, to the same rules."""
    assert SECRET not in loaded.text.lower()
    restored = restore(loaded.text, loaded.files)
    assert restored.specs == loaded.specs
    assert restored.retries == loaded.retries
    assert restored.destinations.keys() == loaded.destinations.keys()


def check_words(problems: Sequence[Problem], files: Mapping[str, str], *, usable: bool) -> None:
    """Problems stand where there is something, in texts that can be printed and tell no secret."""
    assert usable is not any(problem.severity == "error" for problem in problems)
    for problem in problems:
        assert problem.message
        assert problem.message.isprintable()
        if problem.file in files:
            check_place(problem, files[problem.file])
    text, as_json, github = format_text(problems), format_json(problems), format_github(problems)
    for each in (text, as_json, github):
        each.encode()
        assert SECRET not in each.lower()
    assert len(json.loads(as_json)) == len(problems)
    assert len(github.splitlines()) == len(problems)
    check_carets(text)


def check_place(problem: Problem, text: str) -> None:
    """A position is one in the file: a line that is there, and a column in it or just behind it."""
    lines = LINE_BREAK.split(text)
    assert 1 <= problem.line <= len(lines), problem
    assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem


_SHOWN = re.compile(r"  \d+ \| ")
_CARETS = re.compile(r"  (\d+) \| (.*)\n  ( +) \| ( *)(\^+)\n")


def check_carets(text: str) -> None:
    """Below each line that is shown stand carets, none of them beyond its end."""
    drawn = list(_CARETS.finditer(text))
    assert len(drawn) == sum(_SHOWN.match(line) is not None for line in text.split("\n"))
    for found in drawn:
        number, line, margin, before, carets = found.groups()
        assert len(margin) == len(number)
        assert len(before) <= len(line)
        assert len(before) + len(carets) <= max(len(line), len(before) + 1)
