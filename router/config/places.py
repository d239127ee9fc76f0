"""Where in the file a character of a value stands, although quotes, folding and indentation lie in between."""

from __future__ import annotations

from router.config.nodes import LINE_BREAK, Place, Scalar
from router.config.syntax import position

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
    if offset is None or scalar.outside:
        return scalar.place
    found = _walk(scalar, source, offset)
    return scalar.place if found is None else Place(*position(source, found))


def _offset(text: str, line: int, column: int) -> int | None:
    begin = 0
    for _ in range(line - 1):
        begin = text.find("\n", begin) + 1
        if not begin:
            return None
    return min(begin + column - 1, len(text))


def _walk(scalar: Scalar, source: str, wanted: int) -> int | None:
    """Go through value and source side by side, up to one character of the value; None where they do not agree."""
    block = scalar.style in {"|", ">"}
    at = scalar.start
    indent = 0
    if block:
        header = LINE_BREAK.search(source, at, scalar.end)
        if header is None:
            return None
        at = header.end()
        indent = _depth(source[at : scalar.end]) - _depth(scalar.text)
        at = _skip_indent(source, at, indent)
    elif scalar.style:
        at += 1
    done = 0
    text = scalar.text
    while done < wanted:
        if at >= scalar.end:
            return None
        line_break = LINE_BREAK.match(source, at)
        if line_break is not None or (not block and source[at] in " \t" and _ends_line(source, at)):
            at, breaks = _over_breaks(source, at, scalar.end, indent if block else None)
            done = _over_folded(text, done, breaks, literal=scalar.style == "|")
            continue
        width = _character_width(scalar.style, source, at)
        if width == 0:  # an escaped line break stands for nothing
            at, _ = _over_breaks(source, at + 1, scalar.end, None)
            continue
        if width == 1 and source[at] != text[done]:
            return None
        at, done = at + width, done + 1
    # The wanted character may begin a line that is still to be reached.
    if LINE_BREAK.match(source, at) and wanted < len(text) and text[wanted] not in "\n ":
        at, _ = _over_breaks(source, at, scalar.end, indent if block else None)
    return at


def _ends_line(source: str, at: int) -> bool:
    rest = LINE_BREAK.split(source[at:], maxsplit=1)
    return len(rest) > 1 and not rest[0].strip(" \t")


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
