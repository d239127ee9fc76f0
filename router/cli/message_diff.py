"""Two messages side by side: which lines of what a reader would see differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from router.cli.drawing import draw_blocks, read_mrkdwn
from router.cli.output import as_json, counted, plain, plain_lines, width, wrapped
from router.config.model import Configuration
from router.events import Markup

MOST_LINES = 12
"""Of one difference; a message may have thousands."""

_MOST_COMPARED = 400
_DRAWN = 76
"""Columns that blocks are drawn in, whatever the terminal, so that both sides break their lines alike."""

_LONG = 160
_CONTEXT = 40
_COLOURS = {"-": "red", "+": "green"}

Lines = Sequence[str]


def reading(message: Mapping[str, Any], destination: str, by: Configuration) -> list[str]:
    """
    Write what a message says in lines that can be compared, as a reader sees it.

    Args:
        message: As the API shows it.
    """
    if message.get("forward"):
        return ["(the event as it came)"]
    known = by.destinations.get(destination)
    lines = [f"subject: {plain(message['subject'])}"] if message.get("subject") else []
    if "body" in message:
        return [*lines, *plain_lines(as_json(message["body"])).split("\n")]
    if known is not None and known.markup is Markup.SLACK:
        text = read_mrkdwn(message.get("text", ""))
    else:
        text = message.get("text", "")
    if not message.get("blocks"):
        return [*lines, *plain_lines(text).split("\n")]
    drawn = [click.unstyle(line) for line in draw_blocks(message["blocks"], _DRAWN)]
    return [*lines, *drawn, f"Notifications say: {plain(text)}"]


def difference(before: tuple[Lines, Mapping[str, Any]], after: tuple[Lines, Mapping[str, Any]]) -> list[str]:
    """
    Write what differs between two messages that do differ, in lines that begin with `-`, `+` or a space.

    Args:
        before, after: Each as it reads, and as the API shows it: where both read the same, the latter tells them apart.
    """
    (old, old_parts), (new, new_parts) = before, after
    if old == new:
        old, new = _parts(old_parts, new_parts)
    return list(_changes(old[:_MOST_COMPARED], new[:_MOST_COMPARED]))


def _parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Lines, Lines]:
    """The parts of both that differ, line by line: HTML beside the text of a mail, or what a drawing does not show."""
    names = [name for name in {**old, **new} if as_json(old.get(name)) != as_json(new.get(name))]
    return [line for name in names for line in _part(name, old)], [line for name in names for line in _part(name, new)]


def _part(name: str, message: Mapping[str, Any]) -> list[str]:
    value = message.get(name)
    text = value if isinstance(value, str) else as_json(value)
    return [f"{name}: {line}" for line in plain_lines(text).split("\n")] if name in message else []


def _changes(old: Lines, new: Lines) -> Iterator[str]:
    """What changed, with a line before and after it."""
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(1)
    for number, block in enumerate(blocks):
        if number:
            yield "  …"
        for kind, first, last, start, end in block:
            if kind == "equal":
                yield from (f"  {_cut(line)}" for line in old[first:last])
                continue
            gone, come = list(old[first:last]), list(new[start:end])
            for place in range(min(len(gone), len(come))):
                gone[place], come[place] = _around_the_change(gone[place], come[place])
            yield from (f"- {line}" for line in gone)
            yield from (f"+ {line}" for line in come)


def _around_the_change(old: str, new: str) -> tuple[str, str]:
    """Cut long lines to where they differ: a message is often one line, and its reader looks for the change in it."""
    if max(len(old), len(new)) <= _LONG:
        return old, new
    start = max(0, _shared(old, new) - _CONTEXT)
    end = max(0, _shared(old[:start:-1], new[:start:-1]) - _CONTEXT)
    return _within(old, start, end), _within(new, start, end)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _within(line: str, start: int, end: int) -> str:
    kept = line[start : len(line) - end]
    return ("…" if start else "") + _cut(kept, 4 * _LONG) + ("…" if end else "")


def _cut(line: str, most: int = _LONG) -> str:
    return line if len(line) <= most else line[:most] + "…"


def drawn(lines: Sequence[str], indent: str) -> Iterator[str]:
    """Lay marked lines out for a terminal, coloured by their marks, so many at most."""
    laid: list[tuple[str, str]] = []
    for line in lines:
        mark, text = line[:1], line[2:]
        first, *more = wrapped(text, width() - len(indent) - 2) or [""]
        laid += [(mark, f"{indent}{mark} {first}".rstrip()), *((mark, f"{indent}  {part}".rstrip()) for part in more)]
    kept = laid if len(laid) <= MOST_LINES + 1 else laid[:MOST_LINES]
    for mark, line in kept:
        yield click.style(line, fg=_COLOURS[mark]) if mark in _COLOURS else line
    if len(kept) < len(laid):
        yield f"{indent}… and {counted(len(laid) - len(kept), 'line')} more"
