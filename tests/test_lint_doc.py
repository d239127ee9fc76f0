"""`docs/lint.md` says what the program knows of its warnings, and each example draws its warning until it is mended."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.config.lint.codes import CODES
from router.config.lint.examples import EXAMPLES, Example
from router.config.load import load
from router.config.problems import format_text
from tests.cli import invoke
from tests.lint_page import ENVIRON, PAGE, completed, page

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter, unlike those that tests get from pytest."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def put(example: Example, text: str, folder: Path) -> Path:
    """Write a rule file, and what the example has beside it, as a careless editor leaves it."""
    for name, content in example.beside.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.parent.chmod(0o755)
        file.write_text(content, encoding="utf-8")
        file.chmod(0o644)
    path = folder / "rules.yaml"
    path.write_text(completed(text), encoding="utf-8")
    return path


def test_every_code_has_an_example() -> None:
    """No kind of warning is left without one."""
    assert EXAMPLES.keys() == CODES.keys()


@pytest.mark.parametrize("name", CODES)
def test_an_example_draws_its_warning_and_no_other(name: str, folder: Path) -> None:
    """Whoever copies the wrong half sees exactly that warning."""
    if name == "readable-secret" and not _is_open(folder):
        pytest.skip("the folder for temporary files is closed to other users here")
    example = EXAMPLES[name]
    assert {each.code for each in load(put(example, example.wrong, folder), ENVIRON).warnings} == {name}


@pytest.mark.parametrize("name", CODES)
def test_what_mends_it_draws_none(name: str, folder: Path) -> None:
    """Whoever does what is said sees no warning any more."""
    example = EXAMPLES[name]
    path = put(example, example.right, folder)
    if example.then:
        mode, file = re.fullmatch(r"chmod (\d+) (\S+)", example.then).groups()  # type: ignore[union-attr]
        (folder / file).chmod(int(mode, 8))
    assert format_text(load(path, ENVIRON).warnings) == ""


def test_the_page_is_of_today() -> None:
    """To mend this: `python -m tests.lint_page`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_example_of_comments_keeps_its_warnings_back(folder: Path) -> None:
    """The page shows comments that work."""
    (example,) = re.findall(r"```yaml\n(sources:.*?)```", page(), re.DOTALL)[:1]
    path = folder / "rules.yaml"
    path.write_text(example, encoding="utf-8")
    assert format_text(load(path, ENVIRON).warnings) == ""
    path.write_text(re.sub(r"# lint.*", "", example), encoding="utf-8")
    assert {each.code for each in load(path, ENVIRON).warnings} == {
        "unused-destination",
        "secret-in-file",
        "unknown-event",
        "unknown-field",
    }


def test_no_warning_has_a_code_that_is_not_listed() -> None:
    """Whatever `check` writes in brackets can be looked up."""
    written = {
        code
        for file in (ROOT / "router").rglob("*.py")
        for code in re.findall(
            r'(?:warn\(\s*[^"]*?,\s*|UNKNOWN_FIELD = |TEMPLATE_FAILS = )"([a-z]+(?:-[a-z]+)+)"', file.read_text()
        )
    }
    assert len(written) > 10
    assert written <= CODES.keys()


@pytest.mark.parametrize("name", CODES)
def test_the_command_explains_each(name: str) -> None:
    """Without any network: what it means, why it matters, how to mend it, and an example."""
    done = invoke("check", "--explain", name)
    assert done.exit_code == 0
    assert done.output.startswith(f"{name}: ")
    assert EXAMPLES[name].wrong.splitlines()[-1] in done.output


def test_a_code_that_is_none_is_guessed() -> None:
    """A slip in the code is told with what was meant."""
    done = invoke("check", "--explain", "[Hidden-Rules]")
    assert done.exit_code == 2
    assert "did you mean 'hidden-rule'?" in done.output


def _is_open(folder: Path) -> bool:
    return os.name == "posix" and all(each.stat().st_mode & 0o001 for each in folder.resolve().parents)
