"""Where in the file a character of a value stands, although quotes, folding and indentation lie in between."""

from __future__ import annotations

import re
from functools import lru_cache

from router.config.nodes import LINE_BREAK, Place, Scalar
from router.config.syntax import position

_BLANKS = re.compile(r"[ \t]+")
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def locate(scalar: Scalar, source: str, line: int, column: int | None) -> Place:
    """
    Find the place of a line and column of a scalar's value, all from 1.

    Where it cannot be told exactly, the answer is the start of the value.

    Args:
        source: The text of the file that the scalar was read from.
        column: None for the beginning of the line.
    """
    offset = _offset(scalar.text, line, column or 1)
    return scalar.place if offset is None else locate_offset(scalar, source, offset)


def locate_offset(scalar: Scalar, source: str, offset: int) -> Place:
    """Find the place of a character of a scalar's value; the start of the value where it cannot be told."""
    found = None if scalar.outside else _find(scalar, source, offset)
    return scalar.place if found is None else Place(*position(source, found))


def _offset(text: str, line: int, column: int) -> int | None:
    starts = _line_starts(text)
    return min(starts[line - 1] + column - 1, len(text)) if line <= len(starts) else None


@lru_cache(maxsize=2)
def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _find(scalar: Scalar, source: str, wanted: int) -> int | None:
    """Give the offset in the source of a character of the value; None where the two do not agree up to there."""
    reached, indent = _walk(scalar, source)
    if wanted >= len(reached):
        return None
    at, text = reached[wanted], scalar.text
    # The wanted character may begin a line that is still to be reached.
    if scalar.style == '"' and source[at : at + 1] == "\\" and LINE_BREAK.match(source, at + 1):
        at, _ = _over_breaks(source, at + 1, scalar.end, None)
    elif LINE_BREAK.match(source, at) and wanted < len(text) and text[wanted] not in "\n ":
        at, _ = _over_breaks(source, at, scalar.end, indent)
    return at


@lru_cache(maxsize=2)
def _walk(scalar: Scalar, source: str) -> tuple[list[int], int | None]:
    """
    Go through value and source side by side, once for all that is asked about a value.

    Returns:
        The offset in the source of each character of the value, as far as the two agree; and the indentation of a
        block, None for another style.
    """
    block = scalar.style in {"|", ">"}
    at = scalar.start
    indent = None
    if block:
        header = LINE_BREAK.search(source, at, scalar.end)
        if header is None:
            return [], None
        at = header.end()
        indent = max(0, _depth(source[at : scalar.end]) - _depth(scalar.text))
        at = _skip_indent(source, at, indent)
    elif scalar.style:
        at += 1
    text = scalar.text
    reached = [at]
    while (done := len(reached) - 1) < len(text) and at < scalar.end:
        blanks = None if block else _BLANKS.match(source, at, scalar.end)
        if LINE_BREAK.match(source, at if blanks is None else blanks.end()):
            at, breaks = _over_breaks(source, at, scalar.end, indent)
            done = _over_folded(text, done, breaks, literal=scalar.style == "|")
            reached += [at] * (done + 1 - len(reached))
            continue
        if blanks is not None and text.startswith(blanks[0], done):
            reached += range(at + 1, blanks.end() + 1)
            at = blanks.end()
            continue
        width = _character_width(scalar.style, source, at)
        if width == 0:  # an escaped line break stands for nothing
            at, _ = _over_breaks(source, at + 1, scalar.end, None)
            continue
        if width == 1 and source[at] != text[done]:
            break
        at += width
        reached.append(at)
    return reached, indent


def _over_breaks(source: str, at: int, end: int, indent: int | None) -> tuple[int, int]:
    """Skip line breaks and the indentation behind them; all white space where `indent` is None."""
    breaks = 0
    while at < end:
        if indent is None:
            while at < end and source[at] in " \t":
                at += 1
        found = LINE_BREAK.match(source, at)
        if found is None:
            break
        breaks, at = breaks + 1, found.end()
        if indent is not None:
            at = _skip_indent(source, at, indent)
    return at, breaks


def _over_folded(text: str, done: int, breaks: int, *, literal: bool) -> int:
    if not literal and breaks == 1 and text[done : done + 1] == " ":
        return done + 1
    for _ in range(breaks):
        if text[done : done + 1] == "\n":
            done += 1
    return done


def _character_width(style: str, source: str, at: int) -> int:
    """How many characters of the source make one of the value."""
    if style == "'" and source[at : at + 2] == "''":
        return 2
    if style == '"' and source[at] == "\\":
        if LINE_BREAK.match(source, at + 1):
            return 0
        return 2 + _ESCAPE_DIGITS.get(source[at + 1 : at + 2], 0)
    return 1


def _depth(text: str) -> int:
    """By how many spaces the first line that is not empty is indented."""
    return next((len(line) - len(line.lstrip(" ")) for line in LINE_BREAK.split(text) if line.strip(" ")), 0)


def _skip_indent(source: str, at: int, indent: int) -> int:
    end = at + indent
    while at < end and source[at : at + 1] == " ":
        at += 1
    return at
