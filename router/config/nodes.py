"""
YAML read as version 1.2 (core schema), each value with its place in the file.

The parser is PyYAML's (libyaml where it is there), but only its stream of events: the tree is built here, so that tags,
duplicate keys, merge keys, nesting, alias bombs and self-references are decided in one place, and nothing recurses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from router.config.problems import named
from router.payload import JSON

MAX_DEPTH = 50
MAX_NODES = 400_000
"""Values in the file with each alias counted as what it stands for: 20,000 rules of 20 values."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# The line breaks of YAML 1.1, which PyYAML keeps to.
LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")

_SURROGATE = re.compile("[\ud800-\udfff]")

_WORDS: dict[str, JSON] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

# `012` is 12 to the letter of YAML 1.2, 10 to that of 1.1, and in nearly every file a code with a leading zero: text.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,300})", re.ASCII)
_OCTAL_OR_HEX = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,300}|(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the file, line and column from 1, and how many characters from there on are meant."""

    line: int
    column: int
    width: int = 1


class SyntaxTrouble(Exception):
    """
    The text cannot be read as YAML; `place` and the message say where and why.

    Args:
        discreet: What to say instead where the message quotes what may be a secret.
    """

    def __init__(self, place: Place, message: str, discreet: str | None = None) -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.discreet = discreet or message


@dataclass(slots=True, eq=False)
class Scalar:
    """
    One value that is no list and no map.

    Attributes:
        value: Text, number, boolean or None, as the core schema reads it.
        text: As it stands in the file, quotes and folding undone.
        start, end: Offsets into the file's text; of the value itself, without an anchor.
        style: `"`, `'`, `|`, `>`, or empty for a plain value.
        outside: It came from the environment or another file: never to be quoted.
        unresolved: It stands for a value that could not be looked up.
    """

    value: JSON
    text: str
    place: Place
    start: int
    end: int
    style: str = ""
    outside: bool = False
    unresolved: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """One key of a map, with its value."""

    key: str
    place: Place
    value: Node


@dataclass(slots=True, eq=False)
class Mapping:
    """
    A map; keys are texts as they stand in the file, in their order.

    Attributes:
        dropped: Entries whose key stands there already, or is none.
    """

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    dropped: list[Entry] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Sequence:
    """A list."""

    place: Place
    items: list[Node] = field(default_factory=list)


Node: TypeAlias = Scalar | Mapping | Sequence


def plain(node: Node) -> JSON:
    """Give the bare value of a tree."""
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def kind_of(node: Node) -> str:
    """Say what a node is, in the words of a message; its value is not quoted."""
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else "a number"


def has_unresolved(node: Node) -> bool:
    """Whether something in a tree stands for a value that could not be looked up."""
    return any(scalar.unresolved for _, scalar in scalars(node))


def scalars(node: Node, key: str = "") -> Iterator[tuple[str, Scalar]]:
    """Walk all scalars below a node, each with the nearest key above it; those of dropped entries as well."""
    if isinstance(node, Scalar):
        yield key, node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item, key)
    else:
        for entry in (*node.entries.values(), *node.dropped):
            yield from scalars(entry.value, entry.key)


def resolve(text: str) -> JSON:
    """Read a plain scalar by the core schema; `on`, `no`, `10:30`, `012`, dates and infinities stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def read_tree(text: str, loader: Any = LOADER) -> tuple[Node, list[SyntaxTrouble]]:
    """
    Read one document.

    Args:
        loader: PyYAML's, for tests of the slower one that is in Python.

    Returns:
        The tree, and what is wrong with it although it could be read to the end, such as duplicate keys.

    Raises:
        SyntaxTrouble: It cannot be read to the end; positions are the parser's own words made ours in `syntax.py`.
        yaml.MarkedYAMLError: The parser gave up.
    """
    builder = _Builder(text)
    for event in yaml.parse(text, Loader=loader):
        builder.take(event)
    if builder.root is None:
        raise SyntaxTrouble(Place(1, 1), "the file holds nothing; expected sources, destinations and rules")
    return builder.root, builder.troubles


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come yet; `size` counts values below it, aliases as what they stand for."""

    node: Mapping | Sequence
    anchor: str | None
    size: int = 1
    key: tuple[str, Place] | None = None


class _Builder:
    def __init__(self, text: str) -> None:
        self.root: Node | None = None
        self.troubles: list[SyntaxTrouble] = []
        self._text = text
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):  # the most frequent first
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._finish()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise SyntaxTrouble(
                    _at(event), "a second document begins here; expected one document, so remove this '---' or '...'"
                )

    def _alias(self, event: yaml.AliasEvent) -> None:
        place, anchor = _at(event), event.anchor or ""
        if self._awaits_key():
            raise SyntaxTrouble(place, f"an alias ({named('*' + anchor)}) stands for a key; expected a text")
        if anchor not in self._anchors:
            raise SyntaxTrouble(place, _unknown_alias(anchor), DISCREET_ALIAS)
        target = self._anchors[anchor]
        if target is None:
            raise SyntaxTrouble(
                place, f"the alias {named('*' + anchor)} stands inside what it refers to", DISCREET_ALIAS
            )
        self._add(target[0], target[1], place)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = _at(event)
        self._refuse_tag(event.tag, place)
        if event.style == '"' and _SURROGATE.search(event.value):  # the parser that is in Python lets them pass
            raise SyntaxTrouble(place, NO_CHARACTER)
        style = event.style or ""
        if self._awaits_key():
            self._begin_entry(event.value, style, place)
            if event.anchor is not None:
                self._anchors[event.anchor] = (self._leaf(event, style, place), 1)
            return
        node = self._leaf(event, style, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, 1)
        self._add(node, 1, place)

    def _leaf(self, event: yaml.ScalarEvent, style: str, place: Place) -> Scalar:
        begins, ends = _marks(event)
        start, end = begins.index, ends.index
        if event.anchor is not None and event.value:  # with no value, what looks like an anchor may be one
            behind = re.compile(r"&[^\s]+\s*").match(self._text, start)
            start = min(behind.end(), end) if behind else start
        value = event.value if style else resolve(event.value)
        shown = Place(place.line, place.column + start - begins.index, place.width)
        if not style and begins.line == ends.line:
            shown = Place(shown.line, shown.column, max(1, end - start))
        return Scalar(value, event.value, shown, start, end, style)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        place = _at(event)
        self._refuse_tag(event.tag, place)
        if self._awaits_key():
            raise SyntaxTrouble(place, self._key_trouble(_marks(event)[0].index))
        if len(self._stack) >= MAX_DEPTH:
            raise SyntaxTrouble(place, f"this is nested deeper than {MAX_DEPTH} levels; write it flatter")
        node = Mapping(place) if isinstance(event, yaml.MappingStartEvent) else Sequence(place)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(node, event.anchor))

    def _finish(self) -> None:
        done = self._stack.pop()
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.node, done.size)
        self._add(done.node, done.size, done.node.place)

    def _add(self, node: Node, size: int, place: Place) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.size += size
        if parent.size > MAX_NODES:
            raise SyntaxTrouble(place, f"with its aliases the file holds more than {MAX_NODES:,} values; write less")
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.key is not None:
            (key, key_place), parent.key = parent.key, None
            entry = Entry(key, key_place, node)
            if key in _NO_KEYS or key in parent.node.entries:
                parent.node.dropped.append(entry)
            else:
                parent.node.entries[key] = entry

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None

    def _begin_entry(self, key: str, style: str, place: Place) -> None:
        parent = self._stack[-1]
        assert isinstance(parent.node, Mapping)  # noqa: S101 - only maps await keys
        earlier = parent.node.entries.get(key)
        if not key and not style:
            self.troubles.append(SyntaxTrouble(place, "there is no key before this ':'; expected a name"))
        elif key == "<<" and not style:
            self.troubles.append(SyntaxTrouble(place, _MERGE_KEY))
        elif earlier is not None:
            line = earlier.place.line
            self.troubles.append(
                SyntaxTrouble(
                    place, f"the key {named(key)} stands here twice, first at line {line}; remove one of them"
                )
            )
        parent.key = (key, place)

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            raise SyntaxTrouble(place, tag_trouble(tag), DISCREET_TAG)

    def _key_trouble(self, index: int) -> str:
        if self._text[max(0, index - 1) : index + 1] == "{{":
            return BRACES
        if self._text[max(0, index - 1) : index] == "$":
            return REFERENCE_IN_BRACES
        return "a list or map stands for a key; expected a text"


_NO_KEYS = frozenset({"", "<<"})
_MERGE_KEY = (
    "merge keys (<<) are not read; write the keys out, or put what destinations or rules share under"
    " defaults.destinations or defaults.rules"
)
BRACES = 'a text that begins with {{ is read as a map; put it in quotes, such as "{{ event.title }}"'
REFERENCE_IN_BRACES = 'a ${…} inside braces or brackets must be in quotes, such as {url: "${SLACK_URL}"}'


NO_CHARACTER = (
    "an escape in these double quotes stands for no character, or for half of one; write the character itself"
)
DISCREET_ALIAS = "this is read as a YAML alias because it begins with *; put it in quotes"
DISCREET_TAG = "this is read as a YAML tag because it begins with !; put it in quotes"


def tag_trouble(tag: str) -> str:
    """Say that tags are not read, to somebody who probably meant a text."""
    return f"{named(tag)} is read as a YAML tag, and tags are not allowed; if it is a text, put it in quotes"


def _unknown_alias(anchor: str) -> str:
    return (
        f"{named('*' + anchor)} is read as a YAML alias, and nothing here is called &{anchor[:60]};"
        f' if it is a pattern, put it in quotes: "*{anchor[:60]}"'
    )


def _at(event: yaml.Event) -> Place:
    start, end = _marks(event)
    width = end.index - start.index if start.line == end.line else 1
    return Place(start.line + 1, start.column + 1, max(1, width))


def _marks(event: yaml.Event) -> tuple[Any, Any]:
    """Where an event begins and ends; the parser gives both for every event."""
    return event.start_mark, event.end_mark
