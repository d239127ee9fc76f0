"""
Slack's mrkdwn.

Source: Slack's page on formatting text, read 2026-11. It has no sign that would take the meaning from a mark, so a
text that holds one stays without that style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from router.messages.escaping import escape_slack, slack_link
from router.messages.html.document import BOLD, CODE, ITALIC, STRUCK, Block, Container, Item, Kind, Link, Quote, Run
from router.messages.html.writing import Writer, lines_of


class MrkdwnWriter(Writer):
    """Writes mrkdwn: one level of quotation, code without anything around it, tables as lines."""

    MARKS: ClassVar = {BOLD: "*", ITALIC: "_", STRUCK: "~", CODE: "`"}

    def prefixes(self, block: Block, shared: int) -> tuple[str, str]:
        first, rest = super().prefixes(block, shared)
        if block.kind is Kind.CODE:
            begins = any(isinstance(each, Item) for each in block.containers[shared:])
            return (first if begins else ""), ""
        quoted = "> " if any(isinstance(each, Quote) for each in block.containers) else ""
        return quoted + first, quoted + rest

    def blank(self, shared: Sequence[Container]) -> str:
        return ">" if any(isinstance(each, Quote) for each in shared) else ""

    def indent(self, container: Container, is_last: bool) -> str:
        return super().indent(container, is_last) if isinstance(container, Item) else ""

    def marker(self, item: Item) -> str:
        if item.checked is not None:
            return "☑ " if item.checked else "☐ "
        return "• " if item.number is None else f"{item.number}. "

    def task(self, _item: Item) -> str:
        return ""

    def heading(self, block: Block) -> str:
        return "\n".join(self.line(_bold(line)) for line in lines_of(block.runs))

    def code_block(self, block: Block) -> str:
        return f"```{escape_slack(super().code_block(block).replace('```', chr(39) * 3))}```"

    def rule(self) -> str:
        return "———"

    def table(self, block: Block) -> str:
        head, *others = block.rows
        rows = [[_bold(cell) for cell in head] if block.has_head else head, *others]
        return "\n".join(map(self.row, rows))

    def text(self, unit: Run) -> str:
        return escape_slack(_shown(unit))

    def link(self, unit: Run, link: Link) -> str:
        return slack_link("" if unit.text == link.address else _shown(unit), link.address)

    def holds(self, style: int, text: str) -> bool:
        return self.MARKS[style] not in text


def _shown(unit: Run) -> str:
    return unit.text.replace("`", "'") if unit.style & CODE else unit.text


def _bold(runs: Sequence[Run]) -> list[Run]:
    return [run._replace(style=run.style | BOLD) for run in runs]
