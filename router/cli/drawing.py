"""Slack's messages as text in a terminal: mrkdwn that a person can read, and Block Kit drawn in lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest

import click

from router.cli.output import display_width, plain, wrapped
from router.payload import JSON

_ANGLE = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_ENTITY = re.compile("&(amp|lt|gt);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
_GAP = 2
_CLOSE = frozenset({"context", "actions", "divider"})
"""Blocks that stand right below the one before."""


def read_mrkdwn(markup: str) -> str:
    """
    Give Slack's markup in the form that a person reads it: `<https://…|the page>` is `the page (https://…)`.

    Emphasis stays as it is written, for a terminal cannot tell `*bold*` from a word with asterisks either.
    """
    return _ENTITY.sub(lambda found: _ENTITIES[found[1]], _ANGLE.sub(_in_angles, markup))


def _in_angles(found: re.Match[str]) -> str:
    target, label = found[1], found[2]
    sign, name = target[:1], target[1:]
    if sign in ("@", "#"):
        return f"{sign}{(label or name).removeprefix(sign)}"
    if sign == "!":
        return label or f"@{name.partition('^')[0]}"
    if ":" not in target:
        return found[0]  # no link, for all that anybody knows
    if label is None or label in (target, target.removeprefix("mailto:")):
        return label or target
    return f"{label} ({target})"


def draw_blocks(blocks: JSON, columns: int) -> list[str]:
    """Draw Block Kit's blocks. What Slack would refuse is drawn as well as it goes."""
    lines: list[str] = []
    before = ""
    for block in blocks if isinstance(blocks, list) else [blocks]:
        kind = _word(block, "type")
        drawn = list(_block(kind, block, columns))
        if lines and drawn and kind not in _CLOSE and before != "divider":
            lines.append("")
        lines += drawn
        before = kind
    return lines


def _block(kind: str, block: JSON, columns: int) -> Iterator[str]:
    match kind:
        case "header":
            for line in wrapped(_text(_part(block, "text")), columns):
                yield click.style(line, bold=True)
        case "section":
            yield from _section(block, columns)
        case "context":
            parts = [_element(one) for one in _list(block, "elements")]
            for line in wrapped(" · ".join(part for part in parts if part), columns):
                yield click.style(line, dim=True)
        case "divider":
            yield "─" * columns
        case "actions":
            for one in _list(block, "elements"):
                yield from wrapped(_element(one), columns)
        case "image":
            if title := _text(_part(block, "title")):
                yield from wrapped(title, columns)
            yield from wrapped(f"{_image(block)} {_word(block, 'image_url')}".rstrip(), columns)
        case "rich_text":
            yield from wrapped("\n".join(_rich(one) for one in _list(block, "elements")), columns)
        case _:
            yield f"({plain(kind)[:40] or 'something without a type'}: not drawn here)"


def _section(block: JSON, columns: int) -> Iterator[str]:
    text = _text(_part(block, "text"))
    if text:
        yield from wrapped(text, columns)
    yield from _fields([_text(field) for field in _list(block, "fields")], columns)
    accessory = _part(block, "accessory")
    if accessory is not None:
        yield from wrapped(_element(accessory), columns)


def _fields(texts: list[str], columns: int) -> Iterator[str]:
    """Lay fields out in two columns, as Slack does; where one is too wide for that, each below the other."""
    half = (columns - _GAP) // 2
    cells = [wrapped(text, half) for text in texts]
    if any(display_width(line) > half for cell in cells for line in cell):
        for text in texts:
            yield from wrapped(text, columns)
        return
    for left, right in zip_longest(cells[::2], cells[1::2], fillvalue=[""]):
        for one, other in zip_longest(left, right, fillvalue=""):
            yield f"{one}{' ' * (half - display_width(one) + _GAP)}{other}".rstrip()


def _element(element: JSON) -> str:
    """What stands in a context, in a row of buttons, or at the side of a section."""
    kind = _word(element, "type")
    if kind == "button":
        return f"[ {_text(_part(element, 'text'))} ] {_word(element, 'url')}".rstrip()
    if kind == "image":
        return _image(element)
    if kind in ("mrkdwn", "plain_text"):
        return _text(element)
    label = _text(_part(element, "placeholder")) or kind.replace("_", " ")
    return f"[ {label} … ]"


def _image(image: JSON) -> str:
    return f"(image: {_word(image, 'alt_text') or 'without a description'})"


def _rich(element: JSON) -> str:
    """The texts of Slack's rich text, as far as they are texts."""
    kind = _word(element, "type")
    inner = [_rich(one) for one in _list(element, "elements")]
    match kind:
        case "rich_text_list":
            return "\n".join(f"• {one}" for one in inner)
        case "rich_text_quote":
            return "> " + "".join(inner)
        case "link":
            text, url = _word(element, "text"), _word(element, "url")
            return f"{text} ({url})" if text and text != url else url
        case "user" | "usergroup" | "channel":
            sign = "#" if kind == "channel" else "@"
            return sign + (_word(element, f"{kind}_id"))
        case "broadcast":
            return f"@{_word(element, 'range')}"
        case "emoji":
            return f":{_word(element, 'name')}:"
        case _:
            return _word(element, "text") or "".join(inner)


def _text(text: JSON) -> str:
    """Read a text object; a mrkdwn one as a person reads it."""
    if isinstance(text, str):
        return text
    words = _word(text, "text")
    return read_mrkdwn(words) if _word(text, "type") == "mrkdwn" else words


def _part(of: JSON, name: str) -> JSON:
    return of.get(name) if isinstance(of, Mapping) else None


def _word(of: JSON, name: str) -> str:
    value = _part(of, name)
    return "" if value is None else str(value)


def _list(of: JSON, name: str) -> list[JSON]:
    value = _part(of, name)
    return value if isinstance(value, list) else []
