"""Which fields of an event a template asks for, read off its parsed text. What is not plain to see is left out."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from jinja2 import nodes

Step = str | int

_TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CHAIN = re.compile(
    r"(?<![\w.])[^\W\d]\w*(?:\s*\.\s*\w+)*(?:\s*\[\s*(?P<quote>['\"])(?:(?!(?P=quote))[^\\\n])+(?P=quote))?"
)
"""`page.space.name`, and `page["name"]`."""
_WORD = re.compile(r"(?<=['\"])[^'\"]+(?=['\"])|\w+")
_MOST_WORDS = 50
_MOST_ALIASES = 10


@dataclass(frozen=True)
class UsedField:
    """
    A field that a template asks for.

    Attributes:
        path: From the first word that an event has, names of the template followed to what they stand for.
        written: The words as they stand in the template.
        line: From 1.
    """

    path: tuple[Step, ...]
    written: tuple[Step, ...]
    line: int


def used_fields(tree: nodes.Template, first_words: Collection[str]) -> list[UsedField]:
    """
    List the fields that a template without faults asks for.

    Args:
        first_words: What an event has; one that the template gives another meaning is left out.
    """
    reader = _Reader(tree, first_words)
    return list(dict.fromkeys(reader.fields()))


def names_given(tree: nodes.Template) -> set[str]:
    """List the names that a template gives a meaning of its own."""
    return set(_given(tree))


def columns(field: UsedField, text: str) -> Sequence[int]:
    """Find where in its line a field stands, from 1: the column of its last word, each time that it is there."""
    return _written_in(text).get((field.line, tuple(map(str, field.written))), ())


@lru_cache(maxsize=2)
def _written_in(text: str) -> Mapping[tuple[int, tuple[str, ...]], Sequence[int]]:
    """Find all words joined by dots, and their beginnings, in one walk: by line and words, the columns of the last."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    found: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for tag in _TAGS.finditer(text):
        for chain in _CHAIN.finditer(text, tag.start(), tag.end()):
            words: tuple[str, ...] = ()
            for word in islice(_WORD.finditer(chain[0]), _MOST_WORDS):
                words = (*words, word[0])
                at = chain.start() + word.start()
                line = bisect_right(starts, at)
                found.setdefault((line, words), []).append(at - starts[line - 1] + 1)
    return found


def _given(tree: nodes.Template) -> Counter[str]:
    """Count how often a name is given a meaning."""
    names = Counter(name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")
    names.update(macro.name for macro in tree.find_all(nodes.Macro))
    names.update(imported.target for imported in tree.find_all(nodes.Import))
    for imported in tree.find_all(nodes.FromImport):
        names.update(name if isinstance(name, str) else name[1] for name in imported.names)
    return names


class _Reader:
    def __init__(self, tree: nodes.Template, first_words: Collection[str]) -> None:
        self._tree = tree
        self._given = _given(tree)
        self._aliases = {
            name: (value, further)
            for name, value, further in _meanings(tree)
            if self._given[name] == 1 and name not in first_words
        }

    def fields(self) -> Iterator[UsedField]:
        for node in self._tree.find_all((nodes.Getattr, nodes.Getitem)):
            path = self._path(node, 0)
            written = _written(node)
            if path and isinstance(path[-1], str) and written:
                yield UsedField(path, written, node.lineno)

    def _path(self, node: nodes.Node, followed: int) -> tuple[Step, ...]:
        """Follow an expression to the event; empty where it is more than a path."""
        if isinstance(node, nodes.Name):
            if node.name in self._aliases and followed < _MOST_ALIASES:
                value, further = self._aliases[node.name]
                path = self._path(value, followed + 1)
                return (*path, *further) if path else ()
            return () if node.name in self._given else (node.name,)
        step = _step(node)
        if step is None:
            return ()
        path = self._path(node.node, followed)  # type: ignore[attr-defined]
        return (*path, step) if path else ()


def _meanings(tree: nodes.Template) -> Iterator[tuple[str, nodes.Node, tuple[Step, ...]]]:
    """List what names stand for: a value, or an item of a list."""
    for assigned in tree.find_all(nodes.Assign):
        if isinstance(assigned.target, nodes.Name):
            yield assigned.target.name, assigned.node, ()
    for block in tree.find_all(nodes.With):
        for target, value in zip(block.targets, block.values, strict=True):
            if isinstance(target, nodes.Name):
                yield target.name, value, ()
    for loop in tree.find_all(nodes.For):
        if isinstance(loop.target, nodes.Name):
            yield loop.target.name, loop.iter, (0,)


def _step(node: nodes.Node) -> Step | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str | int):
        return node.arg.value
    return None


def _written(node: nodes.Node) -> tuple[Step, ...]:
    words: list[Step] = []
    while (step := _step(node)) is not None:
        words.insert(0, step)
        node = node.node  # type: ignore[attr-defined]
    return (node.name, *words) if isinstance(node, nodes.Name) else ()
