"""How much a template may do: sizes, steps, work and depth, counted over one rendering."""

from __future__ import annotations

from typing import ClassVar

from router.payload import JSON

LONGEST_SOURCE = 32_768
"""Characters in the text of one template."""
LONGEST_TEXT = 262_144
"""Characters in a rendered message, and in any text that an expression makes."""
MOST_ITEMS = 10_000
"""Items in a list or mapping that an expression makes, prints or compares, those of its parts counted too."""
MOST_STEPS = 10_000
"""Loop steps, macro calls and includes of one rendering, all counted together."""
MOST_WORK = 400_000
"""Nodes evaluated in one rendering, plus what long texts cost: about half a second on a slow machine."""
DEEPEST_CALL = 16
"""Macros and includes inside each other."""
DEEPEST_VALUE = 100
"""Lists and mappings inside each other, in a value that is printed or compared."""
MOST_BITS = 512
"""Size of a whole number that an operator makes."""

_PRINTED_IN_ALL = 4 * LONGEST_TEXT  # what `set` blocks and macros capture is printed twice or more
_CHARACTERS_PER_WORK = 64


class TemplateRefused(Exception):
    """A template asked for something that it may not have; the text is a plain sentence for its author."""


class Budget:
    """What one rendering has used; `start` begins the next. A rendering never waits, so there is one at a time."""

    __slots__ = ("calls", "depth", "printed", "steps", "work")
    most_work: ClassVar[int] = MOST_WORK
    too_much_work: ClassVar[str] = "the template does too much for one message; make its loops shorter"

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.steps = 0
        self.work = 0
        self.printed = 0
        self.depth = 0

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > self.most_work:
            raise TemplateRefused(self.too_much_work)

    def read(self, characters: int) -> None:
        """Account for looking at every character of a text."""
        self.spend(1 + characters // _CHARACTERS_PER_WORK)

    def step(self, count: int, weight: int) -> None:
        """Account for so many rounds of a loop's body, a macro or a template of so many nodes."""
        self.steps += count
        if self.steps > MOST_STEPS:
            raise TemplateRefused(f"the template takes more than {MOST_STEPS:,} loop steps")
        self.spend(count * weight)

    def show(self, characters: int) -> None:
        """Account for text that goes into the message."""
        self.printed += characters
        self.work += 1
        if self.printed > _PRINTED_IN_ALL:
            raise TemplateRefused(f"the message is longer than {LONGEST_TEXT // 1024} KiB")


def check_text(text: str) -> str:
    """Give the text back unless it is too long."""
    if len(text) > LONGEST_TEXT:
        raise TemplateRefused(f"an expression makes a text longer than {LONGEST_TEXT // 1024} KiB")
    return text


def check_value(value: JSON, budget: Budget, what: str = "a value") -> None:
    """
    Walk a list or mapping as a whole, so that what follows (printing, comparing) is bounded.

    A few lines of a template can make a list of lists that is small in memory and endless on paper.
    """
    if not isinstance(value, dict | list | tuple):
        return
    items = characters = 0
    waiting: list[tuple[JSON, int]] = [(value, 1)]
    while waiting:
        container, depth = waiting.pop()
        items += len(container)
        if items > MOST_ITEMS or characters > LONGEST_TEXT:
            raise TemplateRefused(f"{what} has more than {MOST_ITEMS:,} items or {LONGEST_TEXT // 1024} KiB of text")
        if depth > DEEPEST_VALUE:
            raise TemplateRefused(f"{what} is nested more than {DEEPEST_VALUE} deep")
        if isinstance(container, dict):
            characters += sum(map(len, container))
            children = list(container.values())
        else:
            children = list(container)
        for child in children:
            if isinstance(child, str):
                characters += len(child)
            elif isinstance(child, int):
                characters += child.bit_length() // 3  # about its digits
            elif isinstance(child, dict | list | tuple):
                waiting.append((child, depth + 1))
    budget.spend(items)
    budget.read(characters)
