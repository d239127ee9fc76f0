"""Whatever a rule file holds, `check` loads it or tells what is wrong, and where."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config.load import load_text
from router.config.nodes import LINE_BREAK, plain
from router.config.problems import ConfigurationInvalid, Problem, format_text
from router.config.syntax import read_yaml
from router.payload import JSON
from tests import test_config
from tests.fuzz.budget import examples
from tests.fuzz.checking import ENVIRON, look, look_text
from tests.fuzz.rule_files import files, spoilt_files, written
from tests.fuzz.slips import FILES, PIECES, SEEDS, encoded, referring, slipped

_REST = """
destinations:
  docs: {type: log}
  web: {type: http, url: 'https://a.example/'}
rules:
  - {name: pages, events: page.*, to: docs}
"""
_FILE = "sources: {spaces: {unsigned: true}}\ndestinations: {docs: {type: log}}\nrules:\n  - name: a\n"
MANIFOLD = {
    "at the top": "…",
    "among sources": f"sources:\n  spaces: {{unsigned: true}}\n…{_REST}",
    "in a token": f'sources: {{spaces: {{token: "…"}}}}{_REST}',
    "among destinations": "sources: {s: {unsigned: true}}\ndestinations:\n  docs: {type: log}\n…\nrules: []\n",
    "in a URL": "sources: {}\ndestinations: {web: {type: http, url: 'https://a.example/…'}}\nrules: []\n",
    "among rules": "sources: {s: {unsigned: true}}\ndestinations: {docs: {type: log}}\nrules:\n…\n",
    "in a message": f"{_FILE}    events: page.*\n    to: docs\n    message: '…'\n",
    "in a block": f"{_FILE}    events: page.*\n    to: docs\n    message: |\n      …\n",
    "among names": f"{_FILE}    events: page.*\n    to: […]\n",
    "among patterns": f"{_FILE}    events: […]\n    to: docs\n",
    "among comments": f"{_FILE}    events: pge.*  # lint: ignore=unknown-event …\n    to: docs\n",
    "among ignored codes": f"{_FILE}    events: pge.*  # lint: ignore=unknown-event,…\n    to: docs\n",
    "among values": f"{_FILE}    events: page.*\n    to: docs\n    when: {{page.id: […]}}\n",
}
"""Where things may stand in great numbers."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where rule files lie, with the secret files that some of them name."""
    made = Path(tempfile.mkdtemp())
    (made / "secrets").mkdir()
    for path in sorted((FILES / "good" / "secrets").iterdir()):
        (made / "secrets" / path.name).write_bytes(path.read_bytes())
    yield made
    shutil.rmtree(made)


@examples(150)
@given(content=st.binary(max_size=400))
def test_any_bytes_load_or_are_told_about(folder: Path, content: bytes) -> None:
    """A rule file may be anything at all: a picture, a half-written file, another encoding."""
    look(content, folder)


@examples(150)
@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "Zs", "Zl", "Po", "Ll"])))
def test_any_text_loads_or_is_told_about(text: str) -> None:
    """No text whatever ends in a traceback, not even one that is no Unicode."""
    look_text(text)


@examples(400)
@given(content=encoded(slipped()))
def test_any_slip_of_the_hand_loads_or_is_told_about(folder: Path, content: bytes) -> None:
    """A file with something lost, doubled, moved or put in the wrong place is told about."""
    look(content, folder)


@examples(200)
@given(text=referring())
def test_no_value_of_the_environment_is_told(folder: Path, text: str) -> None:
    """Wherever a file refers to the environment, no problem says what is there."""
    look(text.encode("utf-8", "surrogatepass"), folder)


@examples(150)
@given(st.integers(0), st.sampled_from([piece for piece in PIECES if len(piece) < 6]), st.integers(0, 1))
def test_no_slip_shows_a_secret_of_the_file(at: int, piece: str, lost: int) -> None:
    """A secret that stands in the file itself is shown by no message and kept in no text, also where that is broken."""
    text = test_config.TestStored.CLEAR.replace("clear-", "zq3c-")
    place = at % (len(text) + 1)
    text = text[:place] + piece + text[place + lost :]
    try:
        loaded = load_text(text, "rules.yaml", {})
        told = loaded.text + format_text(loaded.warnings)
    except ConfigurationInvalid as invalid:
        told = format_text(invalid.problems)
    assert "zq3c-" not in told


@examples(40)
@given(slipped())
def test_the_parser_in_python_tells_as_well(text: str) -> None:
    """Where PyYAML has no C library, a broken file is told about all the same, at a place that there is."""
    _, troubles = read_yaml(text, yaml.SafeLoader)
    lines = LINE_BREAK.split(text)
    for trouble in troubles:
        assert 1 <= trouble.place.line <= len(lines)
        assert 1 <= trouble.place.column <= len(lines[trouble.place.line - 1]) + 1


@examples(60)
@given(st.sampled_from(sorted(MANIFOLD)), st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join))
def test_no_repetition_takes_ages(place: str, unit: str) -> None:
    """Thousands of anything, wherever they stand, are read in time."""
    look_text(MANIFOLD[place].replace("…", unit * (20_000 // len(unit))))


_HEAD = "sources: {spaces: {unsigned: true}}\ndestinations: {d: {type: log}}\nrules:\n"
_MANY_FIELDS = " ".join(f"{{{{ page.field{number} }}}}" for number in range(450))
_MANY_SOURCES = "".join(f"  s{number}: {{unsigned: true}}\n" for number in range(400))
_OF_EACH = "".join(
    f"  - {{name: n{number}, events: page.created, sources: s{number}, to: d}}\n" for number in range(400)
)
_OF_ALL = "".join(f'  - {{name: r{number}, events: "*", to: d}}\n' for number in range(400))
_SLOW_ONCE = {
    "fields that nothing has": f"{_HEAD}  - {{name: a, events: page.*, to: d, message: '{_MANY_FIELDS}'}}\n",
    "sources that rules name": (
        f"sources:\n{_MANY_SOURCES}destinations: {{d: {{type: log}}}}\nrules:\n{_OF_EACH}{_OF_ALL}"
    ),
}


@pytest.mark.parametrize("text", _SLOW_ONCE.values(), ids=_SLOW_ONCE.keys())
def test_many_of_a_kind_take_no_ages(folder: Path, text: str) -> None:
    """What each warning costs does not grow with their number."""
    loaded = look(text.encode(), folder)
    assert loaded is not None
    assert len(loaded.warnings) >= 400


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_the_files_to_begin_with(folder: Path, seed: int) -> None:
    """The rule files from which slips are made pass as they are."""
    look(SEEDS[seed].encode(), folder)


@examples(250)
@given(content=encoded(written(spoilt_files())))
def test_any_value_at_any_key_loads_or_is_told_about(folder: Path, content: bytes) -> None:
    """Whatever stands at a key that there is, from the environment or not, is taken or told about."""
    look(content, folder)


@examples(150)
@given(st.data(), written(files))
def test_a_comment_keeps_back_one_warning_and_nothing_else(data: st.DataObject, text: str) -> None:
    """Whatever the file: what is ignored is not told, everything else is, and the comment is called of use."""
    warnings = _warnings(text)
    if not warnings:
        return
    chosen = data.draw(st.sampled_from(warnings))
    ends = [*(found.start() for found in LINE_BREAK.finditer(text)), len(text)]
    end = ends[chosen.line - 1]
    commented = f"{text[:end]}  # lint: ignore={chosen.code}{text[end:]}"
    if _value(commented) != _value(text):
        return  # the line is one of a text, of which it would be a part
    kept = [
        (each.line, each.code, each.message)
        for each in warnings
        if (each.line, each.code) != (chosen.line, chosen.code)
    ]
    assert [(each.line, each.code, each.message) for each in _warnings(commented)] == kept


def _warnings(text: str) -> tuple[Problem, ...]:
    try:
        return load_text(text, "a text", ENVIRON).warnings
    except ConfigurationInvalid:
        return ()


def _value(text: str) -> JSON:
    tree, _ = read_yaml(text)
    return None if tree is None else plain(tree)
