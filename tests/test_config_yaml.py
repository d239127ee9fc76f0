"""YAML with positions: the same tree and the same places, whatever the style of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config.nodes import LOADER, NO_CHARACTER, Mapping, Node, Scalar, plain, resolve, scalars
from router.config.places import locate
from router.config.syntax import read_yaml

HERE = Path(__file__).parent / "config"
FILES = sorted([*HERE.glob("good/*.yaml"), *HERE.glob("bad/*.yaml")])


def tree(text: str) -> Node:
    node, troubles = read_yaml(text)
    assert node is not None
    assert not troubles
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("true", True), ("FALSE", False), ("0", 0),
        ("-7", -7), ("+7", 7), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0),
        ("on", "on"), ("Yes", "Yes"), ("no", "no"), ("y", "y"), ("10:30", "10:30"), ("012", "012"),
        ("1_000", "1_000"), ("2026-11-23", "2026-11-23"), (".inf", ".inf"), (".nan", ".nan"), ("1e400", "1e400"),
        ("9" * 400, "9" * 400), ("0b1", "0b1"), ("٣", "٣"), ("tRUE", "tRUE"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_values_follow_the_core_schema(text: str, value: Any) -> None:
    """Only what YAML 1.2 calls a number or boolean is one; everything else that people write stays text."""
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_parsers_read_alike(path: Path) -> None:
    """Where PyYAML has no C library, files mean the same and problems stand in the same lines."""
    text = path.read_text(encoding="utf-8-sig")
    fast, told = read_yaml(text)
    slow, told_slowly = read_yaml(text, yaml.SafeLoader)
    assert (None if fast is None else plain(fast)) == (None if slow is None else plain(slow))
    assert [(each.place.line, each.message) for each in told] == [
        (each.place.line, each.message) for each in told_slowly
    ]


@pytest.mark.parametrize("loader", [yaml.SafeLoader, LOADER])
@pytest.mark.parametrize("escape", [r"\ud800", r"\ud83d\ude00", r"\U00110000"])
def test_escapes_of_no_character_are_told_about(escape: str, loader: Any) -> None:
    """What a YAML escape cannot stand for could be neither stored nor shown."""
    found, (trouble,) = read_yaml(f'a: b\nc: "{escape}"', loader)
    assert found is None
    assert (trouble.place.line, trouble.message) == (2, NO_CHARACTER)


def test_positions_are_those_of_the_values() -> None:
    """Line and column count from 1; an anchor does not belong to its value."""
    text = "a: &x one\nb:\n  - 'two'\n  - *x\né: \"three\"\r\nf: |\n  four\n"
    found = [(scalar.text, scalar.place.line, scalar.place.column) for _, scalar in scalars(tree(text))]
    assert found == [("one", 1, 7), ("two", 3, 5), ("one", 1, 7), ("three", 5, 4), ("four\n", 6, 4)]
    for _, scalar in scalars(tree(text)):
        assert scalar.text.strip() in text[scalar.start : scalar.end]


STYLES = {
    "plain": "m: some words and NEEDLE here",
    "plain over lines": "m: some words\n  and more\n\n  and NEEDLE here",
    "single": "m: 'it''s ''quoted'' NEEDLE'",
    "single over lines": "m: 'it''s\n\n  \n  a NEEDLE'",
    "double": r'm: "tab\t é \x41 \"q\" NEEDLE"',
    "double over lines": 'm: "one \\\n   two\n   three  \n\n   NEEDLE"',
    "literal": "m: |\n  one\n\n    two NEEDLE\n  three\n",
    "literal with comment": "m: |2- # a comment\n   one\n  NEEDLE",
    "literal after blank lines": "m: |\n\n\n  x\n  NEEDLE",
    "folded": "m: >\n  one\n  two\n\n  three\n    deeper NEEDLE\n  four\n",
    "folded simply": "m: >-\n  one\n  NEEDLE",
    "carriage returns": "m: |\r\n  one\r\n  NEEDLE\r\n",
    "anchored": "m: &anchor 'x NEEDLE'",
    "in a list": "m: [a, 'b NEEDLE']",
}


@pytest.mark.parametrize("style", STYLES)
def test_places_inside_values(style: str) -> None:
    """A word of a template is found in the file, whatever quotes, folds and indentation lie around it."""
    text = STYLES[style]
    scalar = next(scalar for _, scalar in scalars(tree(text)) if "NEEDLE" in scalar.text)
    before, _, _ = scalar.text.partition("NEEDLE")
    place = locate(scalar, text, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
    lines = text.replace("\r\n", "\n").split("\n")
    assert lines[place.line - 1][place.column - 1 :].startswith("NEEDLE")


@given(st.sampled_from(sorted(STYLES)), st.integers(1, 9), st.none() | st.integers(1, 40))
def test_a_place_is_always_found(style: str, line: int, column: int | None) -> None:
    """What cannot be told exactly is told as the start of the value."""
    text = STYLES[style]
    for _, scalar in scalars(tree(text)):
        place = locate(scalar, text, line, column)
        assert place.line >= scalar.place.line


def test_keys_are_texts_as_written() -> None:
    """`table: {42: docs}` has the key `42`, and `on:` the key `on`."""
    node = tree("{42: a, on: b, 1.50: c, true: d, 'quoted': e, null: f}")
    assert isinstance(node, Mapping)
    assert list(node.entries) == ["42", "on", "1.50", "true", "quoted", "null"]


def test_aliases_are_shared_not_copied() -> None:
    """An alias is the very value that it refers to, so that no file grows in memory."""
    node = tree("a: &x [1, 2]\nb: *x\n")
    assert isinstance(node, Mapping)
    assert node.entries["a"].value is node.entries["b"].value


def test_a_value_without_text_is_nothing() -> None:
    """`key:` with nothing behind it is null, and its place is behind the colon."""
    node = tree("key:\nother: x")
    assert isinstance(node, Mapping)
    value = node.entries["key"].value
    assert isinstance(value, Scalar)
    assert (value.value, value.place.line, value.start) == (None, 1, value.end)
