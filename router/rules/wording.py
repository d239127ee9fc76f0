"""Values as an admin reads them in a verdict: JSON on one line, never more than 80 characters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from router.payload import JSON
from router.rules.paths import text_of

MAX_SHOWN = 80
MISSING = "missing"
"""How a field is shown that is not there, or null."""
_MAX_DEPTH = 6
_MAX_CHOICES = 10


def shown(value: JSON) -> str:
    """Write one value, cut to 80 characters; its cost does not depend on the size of the value."""
    return _cut(_pieces(value, 0))


def shown_all(values: Sequence[JSON]) -> str:
    """Write what a path led to: one value as it is, several with commas between; `missing` for none."""
    return _cut(_joined(values, 0)) if values else MISSING


def choices(values: Sequence[JSON]) -> str:
    """Write the values somebody chose from, the first ten of them."""
    listed = ", ".join(shown(value) for value in values[:_MAX_CHOICES])
    more = len(values) - _MAX_CHOICES
    return f"{listed} and {more} more" if more > 0 else listed


def _cut(pieces: Iterable[str]) -> str:
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > MAX_SHOWN:
            return text[: MAX_SHOWN - 1] + "…"
    return text


def _pieces(value: JSON, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield "…"
    elif isinstance(value, str):
        yield _quoted(value)
    elif isinstance(value, list):
        yield "["
        yield from _joined(value, depth + 1)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for place, (key, below) in enumerate(value.items()):
            yield (", " if place else "") + _quoted(str(key)) + ": "
            yield from _pieces(below, depth + 1)
        yield "}"
    else:
        yield "null" if value is None else text_of(value) or "a very large number"


def _joined(values: Sequence[JSON], depth: int) -> Iterator[str]:
    for place, value in enumerate(values):
        if place:
            yield ", "
        yield from _pieces(value, depth)


def _quoted(text: str) -> str:
    # A lone surrogate could not be written to a terminal or a page; line breaks become \n.
    printable = text[: MAX_SHOWN + 1].encode("utf-8", "replace").decode()
    return json.dumps(printable, ensure_ascii=False)
