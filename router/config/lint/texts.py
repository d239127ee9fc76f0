"""Slips in the texts of messages: braces that fill in nothing, and forms of dates that write no date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from router.config.nodes import LINE_BREAK, Node, Place, Scalar, scalars
from router.config.places import locate_offset
from router.config.reading import Reading
from router.config.rule_section import TEMPLATES, ReadRule
from router.config.syntax import position
from router.messages.library import SUFFIX
from router.messages.limits import LONGEST_SOURCE

_WORDS = ("page", "event", "space", "actor", "user", "comment", "payload", "changes", "access", "pagepermission")
_OPENING = re.compile(r"\{[{%#]")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_OF_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_SINGLE_BRACES = re.compile(rf"(?<![{{\\])\$?\{{\s*((?:{'|'.join(_WORDS)})(?:\.\w+)+)\s*\}}+")
_DATE = re.compile(r"""\|\s*date\s*\(\s*(["'])([^"'%]+)\1\s*\)""")


class Slip(NamedTuple):
    """Something in a text that does not what was meant."""

    offset: int
    width: int
    code: str
    sentence: str


def lint_texts(
    rules: Iterable[ReadRule], own_messages: Iterable[Node], files: Mapping[str, str], folder: Path, reading: Reading
) -> None:
    """
    Look through all messages and template files.

    Args:
        own_messages: Of destinations.
        files: Own templates by name.
    """
    for node in (*_messages(rules), *own_messages):
        for _, scalar in scalars(node):
            if isinstance(scalar.value, str) and not scalar.outside and "{" in scalar.value:
                for slip in slips(scalar.value):
                    _tell(slip, scalar, reading)
    for name, text in files.items():
        found = list(slips(text)) if name.endswith(SUFFIX) else []
        lines = LINE_BREAK.split(text) if found else []
        for slip in found:
            line, column = position(text, slip.offset)
            place = Place(line, column, slip.width)
            reading.warn(place, slip.code, slip.sentence, file=str(folder / name), line=lines[line - 1])


def slips(text: str) -> Iterator[Slip]:
    """Find the slips in a template; one that is too long is told of elsewhere."""
    if len(text) > LONGEST_SOURCE:
        return
    found_tags = list(tags(text))
    for found in _SINGLE_BRACES.finditer(_without(text, found_tags)):
        sentence = f"{found[0][:60]} is plain text: what is filled in stands in two braces; write {{{{ {found[1]} }}}}"
        yield Slip(found.start(), len(found[0]), "single-braces", sentence)
    for start, end in found_tags:
        if text.startswith("{#", start):
            continue
        for found in _DATE.finditer(text, start, end):
            sentence = (
                f"date writes this form as it stands, {found[2][:60]}: it has no code such as %d, %m or %Y;"
                ' write date("%d.%m.%Y"), or date alone'
            )
            yield Slip(found.start(2) - 1, len(found[2]) + 2, "date-form", sentence)


def tags(text: str) -> Iterator[tuple[int, int]]:
    """Find the tags and comments of a template, in one pass whatever is left open."""
    opening = _OPENING.search(text)
    while opening is not None:
        end = text.find(_CLOSING[opening[0]], opening.end())
        if end < 0:
            return
        if _RAW.match(text, opening.start()):  # shown as it stands, braces and all
            closing = _END_OF_RAW.search(text, end)
            if closing is None:
                return
            end = closing.end() - 2
        yield opening.start(), end + 2
        opening = _OPENING.search(text, end + 2)


def _without(text: str, found: Iterable[tuple[int, int]]) -> str:
    """Put spaces in the place of tags, so that all else stays where it is."""
    pieces, done = [], 0
    for start, end in found:
        pieces += [text[done:start], " " * (end - start)]
        done = end
    return "".join([*pieces, text[done:]])


def _messages(rules: Iterable[ReadRule]) -> Iterator[Node]:
    return (rule.node.entries[key].value for rule in rules for key in TEMPLATES & rule.node.entries.keys())


def _tell(slip: Slip, scalar: Scalar, reading: Reading) -> None:
    place = locate_offset(scalar, reading.text, slip.offset)
    exact = place != scalar.place or slip.offset == 0
    reading.warn(Place(place.line, place.column, slip.width if exact else 1), slip.code, slip.sentence)
