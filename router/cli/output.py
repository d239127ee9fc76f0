"""How lines look: tables, times, states, and texts from outside made harmless for a terminal."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

import click

from router.payload import JSON

NARROWEST = 60
_GAP = "  "

# What could steer a terminal, begin a line of its own, or turn the direction of writing.
_STEERING = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233, *range(8234, 8239), *range(8294, 8298)), "�") | {
    ord("\t"): " ",
    ord("\r"): " ",
    ord("\n"): " ",
}
_LINES_KEPT = {code: mark for code, mark in _STEERING.items() if code != ord("\n")}
_UNSAFE_IN_JSON = {code: f"\\u{code:04x}" for code in _STEERING if code >= 0x7F}

_COLOURS = {
    "delivered": "green",
    "dead": "red",
    "retrying": "yellow",
    "permanent": "red",
    "temporary": "yellow",
    "throttled": "yellow",
    "interrupted": "yellow",
}


def plain(text: object) -> str:
    """Make a text from outside one harmless line: an event's title must not be able to move the cursor."""
    return str(text).translate(_STEERING)


def plain_lines(text: str) -> str:
    """Make a text from outside harmless, but keep its lines."""
    return text.replace("\r\n", "\n").translate(_LINES_KEPT)


def as_json(value: JSON) -> str:
    """Write JSON for a script or a person: indented, text as it is, nothing that steers a terminal."""
    escaped = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return json.dumps(value, indent=2, ensure_ascii=escaped, default=str).translate(_UNSAFE_IN_JSON)


def as_json_line(value: JSON) -> str:
    """The same on one line."""
    escaped = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return json.dumps(value, ensure_ascii=escaped, separators=(",", ":"), default=str).translate(_UNSAFE_IN_JSON)


def print_whole(text: str) -> None:
    """
    Print a text to its end.

    Where output is unbuffered (`PYTHONUNBUFFERED`), Python's own `print` drops the rest when a signal comes between.
    """
    out = sys.stdout
    out.flush()
    rest = memoryview(f"{text}\n".encode(out.encoding or "utf-8", out.errors or "backslashreplace"))
    while rest:
        rest = rest[out.buffer.write(rest) or 0 :]
    out.flush()


def width() -> int:
    """Columns there are: of the terminal, at least 60; 80 where nobody knows."""
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns)


def display_width(text: str) -> int:
    """Columns that a text takes: letters of East Asia take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def shorten(text: str, columns: int) -> str:
    """Cut a line to so many columns, with an ellipsis for the rest."""
    if display_width(text) <= columns:
        return text
    kept, taken = [], 1
    for letter in text:
        taken += display_width(letter)
        if taken > columns:
            break
        kept.append(letter)
    return "".join(kept) + "…"


def padded(text: str, columns: int) -> str:
    """Fill a text up to so many columns."""
    return text + " " * (columns - display_width(text))


def coloured(state: str) -> str:
    return click.style(state, fg=_COLOURS[state]) if state in _COLOURS else state


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, shrink: int, state: int | None = None) -> list[str]:
    """
    Lay out columns.

    Args:
        shrink: The column that gives way where the whole is wider than the terminal.
        state: The column that holds a state, to be coloured.
    """
    cells = [header, *rows]
    widths = [max(display_width(row[column]) for row in cells) for column in range(len(header))]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width()
    if excess > 0 and sys.stdout.isatty():
        widths[shrink] = max(8, widths[shrink] - excess)
    lines = [click.style(_line(header, widths), bold=True)]
    for row in rows:
        line = _line(row, widths)
        if state is not None:
            line = line.replace(f"{_GAP}{row[state]}", f"{_GAP}{coloured(row[state])}", 1)
        lines.append(line)
    return lines


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [shorten(cell, columns) for cell, columns in zip(row, widths, strict=True)]
    return _GAP.join(padded(cell, columns) for cell, columns in zip(cells, widths, strict=True)).rstrip()


def paragraph(text: str, indent: str = "", *, hanging: str = "", most: int | None = None) -> str:
    """
    Wrap a sentence at the width of the terminal.

    Args:
        hanging: Further indent of all lines but the first.
        most: So many lines at most.
    """
    wrapper = textwrap.TextWrapper(
        width(),
        indent,
        indent + hanging,
        break_long_words=False,  # a path is there to be copied
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
    )
    return wrapper.fill(text)


def wrapped(text: str, columns: int) -> list[str]:
    """Cut a text from outside into lines that fit; words are kept whole, so that addresses can be copied."""
    lines: list[str] = []
    for line in plain_lines(text).split("\n"):
        lines += textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) or [""]
    return lines


def indented(text: str, indent: str) -> str:
    """Wrap each line of a text from outside, and set it off."""
    return "\n".join(f"{indent}{line}".rstrip() for line in wrapped(text, width() - len(indent)))


def parse_time(text: str) -> datetime:
    """Read a time as the admin API writes it."""
    return datetime.fromisoformat(text)


def local(moment: datetime) -> str:
    """A time on this machine's clock, with its offset: `2026-03-02 09:15:00 +01:00`."""
    offset = f"{moment.astimezone():%z}"
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def clock_time(moment: datetime) -> str:
    """The time of day on this machine's clock: `09:15:00`."""
    return f"{moment.astimezone():%H:%M:%S}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, roughly: `12 s ago`, `3 min ago`, `2 h ago`, `4 d ago`."""
    return f"{_roughly(now - moment)} ago" if now - moment >= timedelta(seconds=1) else "just now"


def ahead(moment: datetime, now: datetime) -> str:
    """How long from now, roughly: `in 4 min`, or `now` where it is due."""
    return f"in {_roughly(moment - now)}" if moment - now >= timedelta(seconds=1) else "now"


def _roughly(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def file_size(size: int) -> str:
    """A number of bytes, roughly: `532 bytes`, `12.3 MB`."""
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("KB", 1000)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
