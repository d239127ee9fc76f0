"""
What a page says, whatever way its HTML says it: a sequence of blocks, each of which knows what it stands in.

There is no tree, so nothing here can be deep; and a reader hands blocks over one by one, so that who wants only the
beginning of a page reads only that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

_LONGEST_WORD = 30
BOLD, ITALIC, STRUCK, CODE = 1, 2, 4, 8
"""Styles of a text; several are added. Plain numbers, as there are many of them."""


class Kind(Enum):
    """What a block is."""

    PARAGRAPH = auto()
    HEADING = auto()
    CODE = auto()
    TABLE = auto()
    RULE = auto()


@dataclass(eq=False, slots=True)
class Link:
    """One link of the page: an address of http, https or mailto."""

    address: str
    has_text: bool = False


class Run(NamedTuple):
    """A piece of text in one style; or a line break, which is the text of a line break alone."""

    text: str
    style: int = 0
    link: Link | None = None


BREAK = Run("\n")
Row: TypeAlias = list[list[Run]]
"""The cells of a row of a table, none with a line break."""


@dataclass(eq=False, slots=True)
class Quote:
    """One quotation."""


@dataclass(eq=False, slots=True)
class List:
    """
    One list.

    Attributes:
        number: Of its next item; None where it has bullets.
        item: Its latest.
    """

    number: int | None = None
    item: Item | None = None


@dataclass(eq=False, slots=True)
class Item:
    """
    One item of a list.

    Attributes:
        checked: Of a task, whether it is done; None of what is no task.
    """

    of: List
    number: int | None = None
    checked: bool | None = None


Container: TypeAlias = Quote | Item


@dataclass(slots=True)
class Block:
    """
    One paragraph, or what stands like one.

    Attributes:
        containers: What it stands in, from the outside; two blocks in one quotation or item name the same object.
        is_apart: There is some space above it.
        level: Of a heading, 1 to 6.
        language: Of code, where it is known.
        rows: Of a table.
        has_head: The first row of the table has its headings.
    """

    kind: Kind
    runs: list[Run] = field(default_factory=list)
    containers: tuple[Container, ...] = ()
    is_apart: bool = True
    level: int = 0
    language: str = ""
    rows: list[Row] = field(default_factory=list)
    has_head: bool = False


def shortened(block: Block, most: int) -> Block:
    """Cut a block to at most so many characters that a reader sees, the ellipsis at its end among them."""
    if block.kind is not Kind.TABLE:
        return replace(block, runs=_cut_runs(block.runs, most))
    rows: list[Row] = []
    for row in block.rows:
        length = sum(len(run.text) for cell in row for run in cell)
        if length >= most:
            break
        most -= length
        rows.append(row)
    return replace(block, rows=[*rows, [[Run("…")]]])


def visible_length(block: Block) -> int:
    """Count the characters of a block that a reader sees."""
    cells = [block.runs] if block.kind is not Kind.TABLE else [cell for row in block.rows for cell in row]
    return sum(len(run.text) for cell in cells for run in cell)


def _cut_runs(runs: Iterable[Run], most: int) -> list[Run]:
    kept: list[Run] = []
    for run in runs:
        if len(run.text) < most:
            kept.append(run)
            most -= len(run.text)
            continue
        text = _whole_words(run.text, most - 1)
        if not text and kept and kept[-1].text.isspace():
            kept.pop()
        return [*kept, Run(f"{text}…", run.style, run.link)]
    return kept


def _whole_words(text: str, most: int) -> str:
    """Take the beginning of a text, and leave out the word at its end that does not fit; not so an endless one."""
    short = text[:most]
    if text[most : most + 1].isspace() or most >= len(text):
        return short.rstrip()
    border = max(short.rfind(" "), short.rfind("\n"), 0)
    return (short[:border] if most - border <= _LONGEST_WORD else short).rstrip()
