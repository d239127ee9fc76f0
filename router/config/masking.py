"""Secrets that stand in the file in clear: hidden in the lines that problems show, and in the text that is stored."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from router.config.keys import is_public, is_secret
from router.config.nodes import LINE_BREAK, Mapping, Node, Scalar, scalars
from router.config.nodes import Sequence as Items
from router.secret import MASK

# A reference is no secret; the default in one may be.
_ONLY_REFERENCES = re.compile(r"(?:\s*\$\{[A-Z_][A-Z0-9_]*(?::\?[^}]*)?\})+\s*", re.ASCII)
_KEY = re.compile(r"""(?P<key>[\w.-]+)["']?\s*:(?:\s+|$)""")
_OWN_SECTIONS = frozenset({"rules", "defaults"})


def is_reference(text: str) -> bool:
    """Tell whether a text consists of references without defaults, and so of nothing secret."""
    return _ONLY_REFERENCES.fullmatch(text) is not None


def clear_secrets(tree: Node) -> Iterator[Scalar]:
    """Find the secrets below `sources` and `destinations` that stand in the file itself."""
    for section in ("sources", "destinations"):
        if isinstance(tree, Mapping) and section in tree.entries:
            yield from _secrets_below(tree.entries[section].value)


def masked_text(text: str, tree: Node) -> str:
    """Replace each secret of sources and destinations by `"***"`, so that the text still loads with `restore`."""
    ranges = sorted({(scalar.start, scalar.end, scalar.style) for scalar in clear_secrets(tree)}, reverse=True)
    for start, end, style in ranges:
        tail = "\n" if style and style in "|>" and end < len(text) else ""
        text = f'{text[:start]}"{MASK}"{tail}{text[end:]}'
    return text


def _secrets_below(node: Node) -> Iterator[Scalar]:
    for key, scalar in scalars(node):
        if not is_public(key) and isinstance(scalar.value, str | int | float) and not is_reference(scalar.text):
            yield scalar


def _not_to_show(tree: Node) -> Iterator[Scalar]:
    """Everything that may be a secret, also under keys that are misspelt or stand in the wrong place."""
    if not isinstance(tree, Mapping):
        return
    for entry in tree.entries.values():
        if entry.key not in _OWN_SECTIONS:
            yield from _secrets_below(entry.value)
        elif isinstance(entry.value, Items):
            for rule in entry.value.items:
                yield from _misplaced(rule)
        elif isinstance(entry.value, Mapping):
            for section in entry.value.entries.values():
                yield from _misplaced(section.value)


def _misplaced(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Mapping):
        for entry in node.entries.values():
            if is_secret(entry.key):
                yield from (scalar for _, scalar in scalars(entry.value) if not is_reference(scalar.text))


class SourceLines:
    """
    The lines of a file as problems show them.

    Args:
        tree: Tells what is secret; None where the text could not be read, and then it is guessed from the lines.
    """

    def __init__(self, text: str, tree: Node | None) -> None:
        self._lines = LINE_BREAK.split(text)
        self._starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]
        self._tree = tree
        self._hidden: dict[int, list[tuple[int, int]]] = {}
        if tree is not None:
            for scalar in _not_to_show(tree):
                self._hide(scalar.start, scalar.end)

    def shown(self, line: int, column: int) -> tuple[str, int]:
        """Give a line, secrets masked, and the place of a column in it; both numbers from 1."""
        if not 1 <= line <= len(self._lines):
            return "", 1
        text = self._lines[line - 1]
        spans = self._hidden.get(line, []) if self._tree is not None else _guessed(self._lines, line)
        marker = column
        for start, end in sorted(set(spans), reverse=True):
            text = text[:start] + MASK + text[end:]
            if column - 1 >= end:
                marker += len(MASK) - (end - start)
            elif column - 1 > start:
                marker = start + 1
        return text, marker

    def _hide(self, start: int, end: int) -> None:
        line = bisect_right(self._starts, start)
        while line <= len(self._lines) and self._starts[line - 1] < end:
            begin = self._starts[line - 1]
            left = max(0, start - begin)
            if left == 0:
                left = len(self._lines[line - 1]) - len(self._lines[line - 1].lstrip())
            right = min(len(self._lines[line - 1]), end - begin)
            if right > left:
                self._hidden.setdefault(line, []).append((left, right))
            line += 1


def _guessed(lines: Sequence[str], number: int) -> list[tuple[int, int]]:
    """Guess what is secret in a line of a text that cannot be read: better too much than too little."""
    line = lines[number - 1]
    section = next((found[1] for each in lines[number - 1 :: -1] if (found := re.match(r"([A-Za-z_-]+):", each))), "")
    own = section in _OWN_SECTIONS
    for found in _KEY.finditer(line):
        key, begin = found["key"], found.end()
        if key == section and found.start() == 0:
            continue
        if (is_secret(key) if own else not is_public(key)) and _could_be_secret(line[begin:]):
            return [(begin, len(line))]
    inside = _key_above(lines, number)
    if not own and inside is not None and is_secret(inside) and _could_be_secret(line.strip().removeprefix("-")):
        return [(len(line) - len(line.lstrip()), len(line))]
    return []


def _could_be_secret(value: str) -> bool:
    value = value.strip()
    return bool(value) and not re.match(r"""["']?\$\{[A-Za-z0-9_]*\}|\{""", value)


def _key_above(lines: Sequence[str], number: int) -> str | None:
    """The key that a line without one belongs to: the nearest above that stands further left and ends in a colon."""
    indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
    for line in lines[number - 2 :: -1] if number > 1 else []:
        depth = len(line) - len(line.lstrip())
        if line.strip() and (depth < indent or line.strip().endswith(":")):
            found = _KEY.search(line)
            return found["key"] if found else None
    return None
