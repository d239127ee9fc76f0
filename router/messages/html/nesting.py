"""What the current place of a page stands in: lists with their items, quotations, and styles."""

from __future__ import annotations

import re

from router.messages.html.document import BOLD, CODE, ITALIC, STRUCK, Container, Item, List, Quote
from router.messages.html.tokens import attributes

MOST_NESTED = 10
"""Lists and quotations inside each other; what stands deeper is written as if it did not."""

_LONGEST_CSS = 500
_NUMBER = re.compile(r"[0-9]{1,8}")
_NO_BOLD = re.compile(r"font-weight\s*:\s*(?:normal|[1-4]00)\b", re.IGNORECASE)
_CSS = (
    (BOLD, re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.IGNORECASE)),
    (ITALIC, re.compile(r"font-style\s*:\s*italic", re.IGNORECASE)),
    (STRUCK, re.compile(r"text-decoration[a-z-]*\s*:[^;]*line-through", re.IGNORECASE)),
)


class Styles:
    """
    The styles that are open. They need not be closed in their order, and last over the ends of blocks.

    Attributes:
        current: All of them, added.
    """

    def __init__(self) -> None:
        self.current = 0
        self._opened: dict[str, list[int]] = {}
        self._counts = dict.fromkeys((BOLD, ITALIC, STRUCK, CODE), 0)

    def open(self, tag: str, style: int, written: str) -> None:
        """Open a tag that means a style; its attribute `style` may say otherwise."""
        if "style" in written:
            css = attributes(written).get("style", "")[:_LONGEST_CSS]
            style = style & ~BOLD if _NO_BOLD.search(css) else style
            for each, pattern in _CSS:
                style |= each if pattern.search(css) else 0
        self._opened.setdefault(tag, []).append(style)
        self._count(style, 1)

    def close(self, tag: str) -> None:
        opened = self._opened.get(tag)
        if opened:
            self._count(opened.pop(), -1)

    def _count(self, style: int, step: int) -> None:
        if style:
            for each in self._counts:
                if style & each:
                    self._counts[each] += step
            self.current = sum(each for each, count in self._counts.items() if count)


class Nesting:
    """The lists and quotations that are open, from the outside."""

    def __init__(self) -> None:
        self._open: list[List | Quote] = []
        self._beyond = {List: 0, Quote: 0}

    @property
    def is_in_list(self) -> bool:
        return any(isinstance(each, List) for each in self._open)

    def containers(self) -> tuple[Container, ...]:
        found = (each.item if isinstance(each, List) else each for each in self._open)
        return tuple(each for each in found if each is not None)

    def innermost_item(self) -> Item | None:
        innermost = self._open[-1] if self._open else None
        return innermost.item if isinstance(innermost, List) else None

    def open_list(self, is_ordered: bool, written: str) -> None:
        start = _NUMBER.fullmatch(attributes(written).get("start", "1")) if is_ordered else None
        self._push(List((int(start[0]) if start else 1) if is_ordered else None))

    def open_quote(self) -> None:
        self._push(Quote())

    def _push(self, opened: List | Quote) -> None:
        if len(self._open) < MOST_NESTED:
            self._open.append(opened)
        else:
            self._beyond[type(opened)] += 1

    def close(self, kind: type[List | Quote]) -> None:
        """End the innermost list or quotation, and with it what was left open inside."""
        if self._beyond[kind]:
            self._beyond[kind] -= 1
            return
        for place in range(len(self._open) - 1, -1, -1):
            if isinstance(self._open[place], kind):
                del self._open[place:]
                return

    def open_item(self, written: str) -> None:
        """Begin an item of the innermost list; without one, a list begins with it."""
        if not self.is_in_list:
            self._push(List())
        place = next((place for place, each in enumerate(self._open) if isinstance(each, List)), None)
        if place is None:
            return  # quotations stand too deep for a list
        while not isinstance(of := self._open[-1], List):
            self._open.pop()
        found = attributes(written)
        if of.number is not None:
            own = _NUMBER.fullmatch(found.get("value", ""))
            of.number = int(own[0]) if own else of.number
        of.item = Item(of, of.number, {"true": True, "false": False}.get(found.get("data-checked", "")))
        if of.number is not None:
            of.number += 1
