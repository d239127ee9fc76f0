"""Secrets that stand in the file in clear: hidden in the lines that problems show, and in the text that is stored."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from router.config.keys import is_known, is_public, is_secret
from router.config.nodes import LINE_BREAK, Entry, Mapping, Node, Place, Scalar, scalars
from router.config.nodes import Sequence as Items
from router.secret import MASK

# A reference is no secret; the default in one may be.
_ONLY_REFERENCES = re.compile(r"(?:\s*\$\{[A-Z_][A-Z0-9_]*(?::\?[^}]*)?\})+\s*", re.ASCII)
_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_]*\}?")
_WORD = re.compile(r"""\$\{[A-Za-z0-9_]*\}?|[^\s\[\]{},"':]+|:(?!\s|$)[^\s\[\]{},"']*""")
_KEY = re.compile(r"""([A-Za-z_-]+)["']?:\s+(?=\S)""")
_LINT = re.compile(r"\s*lint:\s*ignore=[a-z-]+(?:,\s*[a-z-]+)*\s*", re.ASCII)
"""A comment in which nothing but codes of warnings can stand; with a reason behind them it is hidden as well."""
_COLON = re.compile("[\"' ]*:")
_NAME_LINE = re.compile(r"\s{0,4}([a-z0-9-]+):\s*(?:[{\[]|$)")
_HIDDEN_COMMENT = re.compile(rf"(?<=\S)\s+#{re.escape(MASK)}$")
_LONGEST_LINE = 4_000  # longer ones are written by programs, and read by nobody
_SECTION_WITHOUT_COLON = re.compile(r"(sources|destinations)\s*")
_DEPTH_OF_KEYS = 2  # above them stand the section and the name of a source or destination
_OWN_SECTIONS = frozenset({"rules", "defaults", "tests"})


def is_reference(text: str) -> bool:
    """Tell whether a text consists of references without defaults, and so of nothing secret."""
    return _ONLY_REFERENCES.fullmatch(text) is not None


def clear_secrets(tree: Node) -> Iterator[Scalar]:
    """Find the secrets below `sources` and `destinations` that stand in the file itself."""
    for section in ("sources", "destinations"):
        if isinstance(tree, Mapping) and section in tree.entries:
            yield from _secrets_below(tree.entries[section].value)


def masked_text(text: str, tree: Node) -> str:
    """
    Replace each secret of sources and destinations by `"***"`, so that the text still loads with `restore`.

    Comments in these sections are emptied: an old token may stand there.
    """
    secrets = {(scalar.start, scalar.end, scalar.style) for scalar in clear_secrets(tree)}
    replaced = [(start, end, style) for start, end, style in secrets]
    replaced += [(start, end, "#") for start, end in comments(text, tree)]
    pieces, done = [], 0
    for start, end, style in sorted(replaced):
        tail = "\n" if style and style in "|>" and end < len(text) else ""
        pieces += [text[done:start], "" if style == "#" else f'"{MASK}"{tail}']
        done = end
    return "".join([*pieces, text[done:]])


def _secrets_below(node: Node) -> Iterator[Scalar]:
    for key, scalar in scalars(node):
        stands_here = scalar.text.strip() or (not scalar.style and scalar.end > scalar.start)
        if stands_here and not is_public(key, scalar.text) and not is_reference(scalar.text):
            yield scalar


def comments(text: str, tree: Node) -> Iterator[tuple[int, int]]:
    """Find the comments outside of rules, defaults and tests, without their `#`."""
    if not isinstance(tree, Mapping):
        return
    taken = sorted((scalar.start, scalar.end) for _, scalar in scalars(tree))
    starts = [start for start, _ in taken]
    sections = sorted((entry.place.line, entry.key in _OWN_SECTIONS) for entry in tree.entries.values())
    begin = 0
    for number, line in enumerate(LINE_BREAK.split(text), 1):
        own = [is_own for first, is_own in sections if first <= number][-1:] if "#" in line else []
        for found in re.finditer(r"(?:(?<=\s)|^)#", line) if own == [False] else ():
            at = begin + found.start()
            before = bisect_right(starts, at) - 1
            if before < 0 or taken[before][1] <= at:
                if _LINT.fullmatch(line, found.end()):
                    break
                yield at + 1, begin + len(line)
                break
        begin += len(line)
        line_break = LINE_BREAK.match(text, begin)
        begin = line_break.end() if line_break else begin


def _not_to_show(tree: Node) -> Iterator[Scalar]:
    """Everything that may be a secret, also under keys that are misspelt or stand in the wrong place."""
    if not isinstance(tree, Mapping):
        return
    for entry in (*tree.entries.values(), *tree.dropped):
        if entry.key not in _OWN_SECTIONS:
            yield from _secrets_below(entry.value)
        elif isinstance(entry.value, Items):
            for rule in entry.value.items:
                yield from _misplaced(rule)
        elif isinstance(entry.value, Mapping):
            for section in entry.value.entries.values():
                yield from _misplaced(section.value)


def _words_behind_keys(node: Node, depth: int = 0) -> Iterator[Place]:
    """Find what stands behind the first word of a key: where a colon is missing, that is the value."""
    if isinstance(node, Items):
        for item in node.items:
            yield from _words_behind_keys(item, depth + 1)
    elif isinstance(node, Mapping):
        for entry in (*node.entries.values(), *node.dropped):
            if depth == 0 and entry.key in _OWN_SECTIONS:
                continue
            first = 0 if is_word_alone(entry) else len(entry.key.split(" ")[0])
            if depth >= _DEPTH_OF_KEYS and first < len(entry.key):
                yield Place(entry.place.line, entry.place.column + first, max(1, entry.place.width - first))
            yield from _words_behind_keys(entry.value, depth + 1)


def is_word_alone(entry: Entry) -> bool:
    """Tell whether a key has no value at all; in `{token:abc}` the whole `token:abc` is a key."""
    value = entry.value
    return isinstance(value, Scalar) and value.value is None and value.start == value.end and not is_known(entry.key)


def _misplaced(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Mapping):
        for entry in (*node.entries.values(), *node.dropped):
            for _, scalar in scalars(entry.value):
                is_url = entry.key == "to" and "://" in scalar.text
                if (is_url or is_secret(entry.key)) and not is_reference(scalar.text):
                    yield scalar


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
            for place in _words_behind_keys(tree):
                begin = self._starts[place.line - 1] + place.column - 1
                self._hide(begin, begin + place.width)
            for start, end in comments(text, tree):
                self._hide(start, end)

    def shown(self, line: int, column: int) -> tuple[str, int]:
        """Give a line, secrets masked, and the place of a column in it; both numbers from 1."""
        if not 1 <= line <= len(self._lines):
            return "", 1
        text = self._lines[line - 1]
        if len(text) > _LONGEST_LINE:
            return "", 1
        spans = self._hidden.get(line, []) if self._tree is not None else _guessed(self._lines, line)
        marker = column
        for start, end in sorted(set(spans), reverse=True):
            text = text[:start] + MASK + text[end:]
            if column - 1 >= end:
                marker += len(MASK) - (end - start)
            elif column - 1 > start:
                marker = start + 1
        without_comment = _HIDDEN_COMMENT.sub("", text)
        return (without_comment if marker <= len(without_comment) else text), marker

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
    """What to hide in a line of a text that cannot be read: in sources and destinations, all that is no known word."""
    line = lines[number - 1]
    if Sections(lines).is_own(number):
        return _behind_secret_keys(line)
    if _SECTION_WITHOUT_COLON.fullmatch(line):
        return []
    comment = re.search(r"(?:^|\s)#", line)
    end = comment.end() if comment else len(line)
    name = _NAME_LINE.match(line)
    hidden = []
    for found in _WORD.finditer(line, 0, end):
        is_key = _COLON.match(line, found.end()) is not None
        if (is_key and is_known(found[0])) or (name and found.start() == name.start(1)) or found[0] in ("-", ":", "#"):
            continue
        if not _REFERENCE.fullmatch(found[0]):
            hidden.append(found.span())
    return [*hidden, (end, len(line))] if end < len(line) else hidden


def _behind_secret_keys(line: str) -> list[tuple[int, int]]:
    """What stands behind a key that holds a secret anywhere: the line may have slipped below the wrong section."""
    found = next((key for key in _KEY.finditer(line) if is_secret(key[1].lower())), None)
    return [] if found is None else [(found.end(), len(line))]


_TOP_LEVEL_KEY = re.compile(r"([A-Za-z_-]+):(?:\s|$)")


class Sections:
    """Which lines of a text, readable or not, belong to the rules, defaults or tests, where no secrets stand."""

    def __init__(self, lines: Sequence[str]) -> None:
        found = [(number, key[1]) for number, line in enumerate(lines, 1) if (key := _TOP_LEVEL_KEY.match(line))]
        self._starts = [number for number, _ in found]
        self._keys = [key for _, key in found]

    def is_own(self, number: int) -> bool:
        place = bisect_right(self._starts, number) - 1
        return place >= 0 and self._keys[place] in _OWN_SECTIONS
