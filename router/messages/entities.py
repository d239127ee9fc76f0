"""Entities of HTML: `&amp;` is `&`. The function of the standard library does the same, and raises on some."""

from __future__ import annotations

import html
import re
from html.entities import html5

_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}(?![0-9])|#[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F])|(?P<name>[A-Za-z][A-Za-z0-9]{1,31}));?"
)
_LONGEST_OLD_NAME = max(len(name) for name in html5 if not name.endswith(";"))


def resolve_entities(text: str, *, needs_semicolon: bool = False) -> str:
    """
    Resolve the entities of a text as a browser does; what is none stays. Never raises, and takes linear time.

    Args:
        needs_semicolon: An old name such as `&copy` is none without it: addresses hold `?a=1&copy=2`. Otherwise it is
            one, also with letters right behind it.
    """
    if "&" not in text:
        return text
    return _ENTITY.sub(_resolve_exactly if needs_semicolon else _resolve, text)


def _resolve_exactly(match: re.Match[str]) -> str:
    return _resolve(match) if match[0].endswith(";") else match[0]


def _resolve(match: re.Match[str]) -> str:
    entity, name = match[0], match["name"]
    if name is None:
        return html.unescape(entity)
    if entity[1:] in html5:
        return html5[entity[1:]]
    for length in range(min(len(name), _LONGEST_OLD_NAME), 1, -1):
        if name[:length] in html5:
            return html5[name[:length]] + entity[1 + length :]
    return entity
