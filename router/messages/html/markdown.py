"""
Markdown: CommonMark with the tables, strikethrough and task lists of GitHub's, which chats and trackers read too.

Source: CommonMark 0.31.2 and the GitHub Flavored Markdown specification, read 2026-11.
"""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from router.messages.html.document import (
    BOLD,
    BREAK,
    CODE,
    ITALIC,
    STRUCK,
    Block,
    Container,
    Item,
    Kind,
    Link,
    List,
    Row,
    Run,
)
from router.messages.html.writing import Writer

_SIGN = re.compile(r"[\\`*\[\]~_<&]")
# What is markup at the beginning of a line: `# x`, `- x`, `1. x`, `> x`, a line below a heading or between rows.
_BEGINNING = re.compile(r"[#=>|]|[-+](?![^\W_])|:(?=-)|(?P<number>[0-9]{1,9})(?P<point>[.)])(?=\s|\Z)")
_BACKTICKS = re.compile(r"`+")
_IN_ADDRESS = str.maketrans({character: f"%{ord(character):02X}" for character in " ()<>\\|`"})
_ENTITY = re.compile(r"&(?=#?\w+;)")


class MarkdownWriter(Writer):
    """Writes Markdown; texts are escaped, so that they are read as what they are."""

    MARKS: ClassVar = {BOLD: "**", ITALIC: "_", STRUCK: "~~"}
    LINE_BREAK = "  \n"

    def __init__(self) -> None:
        super().__init__()
        self._signs: dict[List, int] = {}

    # How blocks stand to each other

    def gap(self, previous: Block, block: Block, shared: int) -> str:
        empty_line = f"\n{self.blank(block.containers[:shared])}\n"
        if len(block.containers) == shared:
            is_line = len(previous.containers) == shared and previous.kind is block.kind is Kind.PARAGRAPH
            return self.LINE_BREAK if is_line and not block.is_apart else empty_line
        begins, before = block.containers[shared], _at(previous, shared)
        if not isinstance(begins, Item) or previous.kind not in {Kind.PARAGRAPH, Kind.HEADING}:
            return empty_line
        if isinstance(before, Item):
            return "\n" if before.of is begins.of else empty_line
        # A list right below the text of its item; only a list that begins with 1 ends a paragraph.
        is_below = before is None and shared > 0 and isinstance(block.containers[shared - 1], Item)
        return "\n" if is_below and begins.number in {None, 1} else empty_line

    def prefixes(self, block: Block, shared: int) -> tuple[str, str]:
        for depth, container in enumerate(block.containers[shared:], shared):
            if isinstance(container, Item) and container.of not in self._signs:
                self._signs[container.of] = self._sign(container, depth, shared)
        return super().prefixes(block, shared)

    def _sign(self, item: Item, depth: int, shared: int) -> int:
        """Choose between the two signs of lists: right below another list the same sign would go on with that one."""
        before = _at(self._previous, depth) if depth == shared else None
        if not isinstance(before, Item) or (before.number is None) != (item.number is None):
            return 0
        return 1 - self._signs[before.of]

    def indent(self, container: Container, _is_last: bool) -> str:
        return " " * len(self.marker(container)) if isinstance(container, Item) else "> "

    def marker(self, item: Item) -> str:
        sign = self._signs[item.of]
        return f"{'-*'[sign]} " if item.number is None else f"{item.number}{'.)'[sign]} "

    # Blocks

    def heading(self, block: Block) -> str:
        line = self.line([Run(" ") if run is BREAK else run for run in block.runs])
        words = line.rstrip("#")
        closing = line[len(words) :]  # would be taken for the end of the sign
        return f"{'#' * block.level} {words}{f'{chr(92)}{closing}' if closing else ''}"

    def code_block(self, block: Block) -> str:
        text = super().code_block(block)
        fence = "`" * max(3, 1 + _longest_backticks(text))
        return f"{fence}{block.language}\n{text}\n{fence}"

    def table(self, block: Block) -> str:
        """Write a table. Its first row is the head, since there is none without; cells beyond its end would be lost."""
        width = max(map(len, block.rows))
        head, *others = (self.row([*row, *([] for _ in range(width - len(row)))]) for row in block.rows)
        return "\n".join([head, f"|{' --- |' * width}", *others])

    def row(self, row: Row) -> str:
        cells = (self.line(cell).replace("|", "\\|") for cell in row)
        return f"| {' | '.join(cells)} |"

    # Lines

    def unit(self, unit: Run, written: list[str]) -> None:
        if unit.link is not None and written and written[-1].endswith("!"):
            written[-1] = f"{written[-1][:-1]}\\!"  # `![` begins a picture
        is_first = not written
        super().unit(unit, written)
        if is_first and unit.link is None and not unit.style & CODE:
            written[-1] = _with_plain_beginning(written[-1])

    def text(self, unit: Run) -> str:
        if unit.style & CODE:
            return _code(unit.text)
        return _SIGN.sub(_escaped, unit.text)

    def link(self, unit: Run, link: Link) -> str:
        address = _ENTITY.sub("&amp;", link.address.translate(_IN_ADDRESS))
        return f"<{address}>" if unit.text == link.address == address else f"[{self.text(unit)}]({address})"

    def is_border(self, character: str) -> bool:
        return character.isspace() or unicodedata.category(character)[0] in "PS"


def _at(block: Block | None, depth: int) -> Container | None:
    return block.containers[depth] if block is not None and depth < len(block.containers) else None


def _escaped(match: re.Match[str]) -> str:
    """Escape a sign that is one: no underscore inside a word, no angle or ampersand where no name may follow."""
    sign, before, behind = (
        match[0],
        match.string[max(match.start() - 1, 0) : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    is_plain = (
        (sign == "_" and before.isalnum() and behind.isalnum())
        or (sign == "<" and behind.isspace())
        or (sign == "&" and behind not in {"", "#"} and not (behind.isascii() and behind.isalnum()))
    )
    return sign if is_plain else f"\\{sign}"


def _with_plain_beginning(line: str) -> str:
    """Escape what would make a line something else than a line of its paragraph."""
    found = _BEGINNING.match(line)
    if found is None:
        return line
    place = len(found["number"] or "")
    return f"{line[:place]}\\{line[place:]}"


def _code(text: str) -> str:
    fence = "`" * (1 + _longest_backticks(text)) if "`" in text else "`"
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest_backticks(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
