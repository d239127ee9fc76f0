"""From blocks to text: what all markups have in common. Each markup is one writer in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import and_
from typing import ClassVar

from router.messages.html.document import (
    BREAK,
    CODE,
    Block,
    Container,
    Item,
    Kind,
    Link,
    Row,
    Run,
    shortened,
    visible_length,
)

_NESTED = " " * 4
_TRIES = 6


class Writer:
    """
    Writes plain text; other markups are written by what they do differently.

    Attributes:
        MARKS: What stands before and behind a text in a style.
        LINE_BREAK: What parts the lines of one paragraph.
    """

    MARKS: ClassVar[Mapping[int, str]] = {}
    LINE_BREAK: ClassVar[str] = "\n"

    def __init__(self) -> None:
        self._previous: Block | None = None

    def write(self, blocks: Iterable[Block], limit: int) -> str:
        """Write blocks one under another. What goes beyond so many characters is cut off, with an ellipsis."""
        pieces: list[str] = []
        room, before = limit, None
        for block in blocks:
            piece = self._placed(block) if visible_length(block) <= room else ""
            if not piece or len(piece) > room:
                if room or not self._previous:
                    pieces.append(self._cut(block, room))
                else:  # the ellipsis takes its room from the last one
                    last, self._previous = self._previous, before
                    pieces[-1] = self._cut(last, len(pieces[-1]))
                break
            pieces.append(piece)
            room -= len(piece)
            before, self._previous = self._previous, block
        return "".join(pieces)

    def _cut(self, block: Block, room: int) -> str:
        """Write as much of a block as there is room for. Escapes and signs take room as well: it takes some tries."""
        visible = min(room, visible_length(block))
        for _ in range(_TRIES):
            if visible < 2:
                break
            piece = self._placed(shortened(block, visible))
            if len(piece) <= room:
                return piece
            # What is around a text takes the same room again; escapes take more, the more there is of it.
            visible = min(visible - 1, max(visible - (len(piece) - room), visible * room // len(piece) - 1))
        return "…"[:room]

    def _placed(self, block: Block) -> str:
        """Write a block below the previous one, inside of what it stands in."""
        previous = self._previous
        shared = _shared(previous.containers, block.containers) if previous is not None else 0
        first, rest = self.prefixes(block, shared) if block.containers else ("", "")
        gap = "" if previous is None else self.gap(previous, block, shared)
        begin, *others = self.body(block).split("\n")
        lines = [f"{gap}{first}{begin}", *(f"{rest}{line}" if line else rest.rstrip() for line in others)]
        return "\n".join(lines)

    def body(self, block: Block) -> str:
        """Write a block by itself."""
        if block.kind is Kind.CODE:
            return self.code_block(block)
        if block.kind is Kind.TABLE:
            return self.table(block)
        if block.kind is Kind.RULE:
            return self.rule()
        if block.kind is Kind.HEADING:
            return self.heading(block)
        return self.LINE_BREAK.join(map(self.line, lines_of(block.runs)))

    # How blocks stand to each other

    def gap(self, _previous: Block, block: Block, shared: int) -> str:
        """Part two blocks, of which so many containers are the same."""
        if not block.is_apart:
            return "\n"
        return f"\n{self.blank(block.containers[:shared])}\n"

    def blank(self, shared: Sequence[Container]) -> str:
        """Write an empty line inside of what two blocks share: a quotation goes on."""
        return "".join(self.indent(each, True) for each in shared).rstrip() if shared else ""

    def prefixes(self, block: Block, shared: int) -> tuple[str, str]:
        """Say what the first line and all others begin with: signs of items that begin here, and indents."""
        first, rest = "", ""
        containers = block.containers
        last = max((depth for depth, each in enumerate(containers) if isinstance(each, Item)), default=-1)
        for depth, container in enumerate(containers):
            indent = self.indent(container, depth == last)
            rest += indent
            if depth >= shared and isinstance(container, Item):
                first += f"{self.marker(container)}{self.task(container)}"
            else:
                first += indent
        return first, rest

    def indent(self, container: Container, is_last: bool) -> str:
        """Say what the lines of an item or quotation begin with."""
        if isinstance(container, Item):
            return " " * len(self.marker(container)) if is_last else _NESTED
        return "> "

    def marker(self, item: Item) -> str:
        return "- " if item.number is None else f"{item.number}. "

    def task(self, item: Item) -> str:
        return {None: "", True: "[x] ", False: "[ ] "}[item.checked]

    # Blocks

    def heading(self, block: Block) -> str:
        return "\n".join(map(self.line, lines_of(block.runs)))

    def code_block(self, block: Block) -> str:
        return "".join(run.text for run in block.runs)

    def rule(self) -> str:
        return "---"

    def table(self, block: Block) -> str:
        return "\n".join(map(self.row, block.rows))

    def row(self, row: Row) -> str:
        return " | ".join(map(self.line, row)).rstrip()

    # Lines

    def line(self, runs: Sequence[Run]) -> str:
        """Write one line: its styles as marks, as far as there are marks that would be taken for them."""
        units = _linked(runs)
        if any(unit.style for unit in units):
            units = _without_unfit(units, self)
        written: list[str] = []
        open_styles: list[int] = []
        for place, unit in enumerate(units):
            if unit.text.isspace():
                lasting = unit.style & units[place + 1].style if place + 1 < len(units) else 0
                _close(open_styles, lasting, self.MARKS, written)
            else:
                _close(open_styles, unit.style, self.MARKS, written)
                missing = [style for style in self.MARKS if unit.style & style and style not in open_styles]
                if missing and unit.text[0] == " ":
                    written.append(" ")
                    unit = Run(unit.text[1:], unit.style, unit.link)  # noqa: PLW2901 - its space stands before the mark
                # What lasts longer is opened first, so that it need not end for the other's sake.
                for style in sorted(missing, key=lambda style: -_extent(units, place, style)):
                    open_styles.append(style)
                    written.append(self.MARKS[style])
            self.unit(unit, written)
        _close(open_styles, 0, self.MARKS, written)
        return "".join(written)

    def unit(self, unit: Run, written: list[str]) -> None:
        """Write a text or a link inside of its marks, behind what is written of the line."""
        written.append(self.link(unit, unit.link) if unit.link is not None else self.text(unit))

    def text(self, unit: Run) -> str:
        return unit.text

    def link(self, unit: Run, link: Link) -> str:
        return unit.text if is_address(unit.text, link) else f"{unit.text} ({link.address})"

    def is_border(self, character: str) -> bool:
        """Tell whether a mark may stand beside a character that is not in its style."""
        return not character.isalnum()

    def holds(self, _style: int, _text: str) -> bool:
        """Tell whether a text can stand between the marks of a style."""
        return True


def lines_of(runs: Iterable[Run]) -> list[list[Run]]:
    """Part runs at their line breaks."""
    lines: list[list[Run]] = [[]]
    for run in runs:
        if run is BREAK:
            lines.append([])
        else:
            lines[-1].append(run)
    return lines


def is_address(text: str, link: Link) -> bool:
    """Tell whether a link's text says nothing but its address."""
    shown = link.address.removeprefix("mailto:")
    return text in {link.address, shown} or f"//{text.rstrip('/')}" == shown[shown.find("//") :].rstrip("/")


def _shared(before: Sequence[Container], now: Sequence[Container]) -> int:
    count = 0
    for one, other in zip(before, now, strict=False):
        if one is not other:
            break
        count += 1
    return count


def _linked(runs: Sequence[Run]) -> list[Run]:
    """Make each link one run, in the style that all of it has: no markup knows styles that end within a link."""
    found: list[Run] = []
    for link, group in groupby(runs, key=lambda run: run.link):
        if link is None:
            found += group
        else:
            parts = list(group)
            style = reduce(and_, (part.style for part in parts))
            found.append(Run("".join(part.text for part in parts), style, link))
    return found


def _without_unfit(units: list[Run], writer: Writer) -> list[Run]:
    """Take styles away where their marks would be read as what they are: inside a word, or beside a like sign."""
    styles = [unit.style for unit in units]
    for style in writer.MARKS:
        if style == CODE:
            continue  # is one everywhere
        end = 0
        for has_style, group in groupby(units, key=lambda unit: unit.style & style):
            parts = list(group)
            start, end = end, end + len(parts)
            if not has_style:
                continue
            before = units[start - 1].text[-1] if start else " "
            behind = units[end].text[0] if end < len(units) else " "
            fits = writer.is_border(before) and writer.is_border(behind)
            if not fits or not all(writer.holds(style, part.text) for part in parts):
                styles[start:end] = [each & ~style for each in styles[start:end]]
    # Neighbours that now differ in nothing become one.
    fitted = (Run(unit.text, style, unit.link) for unit, style in zip(units, styles, strict=True))
    merged: list[Run] = []
    for (style, link), group in groupby(fitted, key=lambda unit: (unit.style, unit.link)):
        merged.append(Run("".join(unit.text for unit in group), style, link))
    return merged


def _extent(units: Sequence[Run], place: int, style: int) -> int:
    """Say where a style that is there at a place ends."""
    end = place
    while end < len(units) and units[end].style & style:
        end += 1
    return end


def _close(open_styles: list[int], lasting: int, marks: Mapping[int, str], written: list[str]) -> None:
    """End styles that do not last, and those inside of them."""
    keep = 0
    while keep < len(open_styles) and open_styles[keep] & lasting:
        keep += 1
    if len(open_styles) == keep:
        return
    space = " " if written[-1].endswith(" ") else ""  # a mark touches its word
    written[-1] = written[-1].rstrip(" ")
    while len(open_styles) > keep:
        written.append(marks[open_styles.pop()])
    if space:
        written.append(space)
