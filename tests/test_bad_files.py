"""The bad files in `config/bad` cover all that `check` can say: each place that notes a problem, and each warning."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

from router.config.lint.codes import CODES
from router.config.load import load
from router.config.nodes import SyntaxTrouble
from router.config.problems import ConfigurationInvalid
from router.config.reading import Reading
from tests.test_config import ENVIRON, HERE, SMALL, names

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "router" / "config"
BAD = [HERE / "bad" / name for name in names("bad")]

ELSEWHERE = {
    "readable-secret": "depends on the modes of files, which a checkout does not keep; see test_lint_doc.py",
}
"""Warnings that no file alone can draw."""

NOT_BY_A_FILE = {
    "SyntaxTrouble(place, NO_CHARACTER)": "of PyYAML's parser in Python, where there is none in C: test_config_yaml.py",
    "found.start() if found else 0)), NO_CHARACTER)": "the same",
    "this is not YAML: {error.problem}": "PyYAML always says where: a line for the day when it does not",
    '"readable-secret"': "depends on the modes of files: test_lint.py",
    "reading.error(Place(1, 1), message)": "of files that are not there, or too large: test_config.py",
    "folders of templates": "needs hundreds of folders: below",
    "templates; remove some": "needs a thousand files: below",
    "the template cannot be read": "needs a file that nobody may read: test_config.py",
    "the template is larger": "needs a megabyte: test_config.py",
    "reading.error(trouble.place, trouble.message)": "of files of tests, which `test` reads: test_rule_tests.py",
    "expected the key tests": "of files of tests: test_rule_tests.py",
    "reading.error(entry, told)": "of files of tests: test_rule_tests.py",
    "the file has no {TESTS}": "of files of tests: test_rule_tests.py",
}
"""Places that no rule file in this folder can reach, by a piece of what they say, and why."""


class Site(NamedTuple):
    """A call that notes a problem, or makes one to be noted."""

    file: str
    first: int
    last: int
    text: str


_NOTES = re.compile(r"(?:self\._)?reading\.(?:error|warn)\(|SyntaxTrouble\(")


def sites() -> Iterator[Site]:
    for path in sorted(CONFIG.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            text = (ast.get_source_segment(source, node) or "") if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and _NOTES.match(text):
                yield Site(str(path), node.lineno, node.end_lineno or node.lineno, text)


SITES = list(sites())


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int]]:
    """The lines from which problems were noted while all bad files were read."""
    lines: set[tuple[str, int]] = set()
    noting = {Reading.error.__code__, Reading.warn.__code__, SyntaxTrouble.__init__.__code__}

    def trace(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code in noting and frame.f_back is not None:
            lines.add((frame.f_back.f_code.co_filename, frame.f_back.f_lineno))

    before = sys.gettrace()
    with pytest.MonkeyPatch.context() as patch:
        try:
            for path in BAD:
                patch.chdir(path.parent)
                sys.settrace(trace)  # anew for each: Python drops it where a nesting is too deep
                _read(Path(path.name))
        finally:
            sys.settrace(before)
    return lines


def _read(path: Path) -> None:
    with suppress(ConfigurationInvalid):
        load(path, ENVIRON)


@pytest.mark.parametrize("site", SITES, ids=lambda site: f"{Path(site.file).name}:{site.first}")
def test_each_problem_is_shown_by_a_bad_file(site: Site, reached: set[tuple[str, int]]) -> None:
    """Nothing is said of a file that nobody has read as a user would."""
    is_reached = any(site.file == file and site.first <= line <= site.last for file, line in reached)
    reason = next((why for piece, why in NOT_BY_A_FILE.items() if piece in site.text), None)
    assert is_reached != (reason is not None), site.text


def test_each_warning_is_shown_by_a_bad_file() -> None:
    """There is no code that is in none of the outputs."""
    outputs = [path.with_suffix(".out").read_text(encoding="utf-8") for path in BAD]
    told = {code for text in outputs for code in re.findall(r": warning: .* \[([a-z-]+)\]$", text, re.MULTILINE)}
    assert told == CODES.keys() - ELSEWHERE


def test_there_are_many() -> None:
    """At least as many as were asked for."""
    assert len(BAD) >= 120


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"folder-{number}/" for number in range(201)], "there are more than 200 folders of templates"),
        ([f"note-{number}.j2" for number in range(1_001)], "there are more than 1,000 templates; remove some"),
    ],
)
def test_too_many_templates_are_told(names: list[str], told: str, tmp_path: Path) -> None:
    """A folder of templates that leads to a whole disk is not read to its end."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("x")
    path = tmp_path / "rules.yaml"
    path.write_text(SMALL, encoding="utf-8")
    with pytest.raises(ConfigurationInvalid, match=told):
        load(path, ENVIRON)
