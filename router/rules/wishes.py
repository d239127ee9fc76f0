"""What a condition wants of one field: operators that must all hold for the values its path leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router.payload import JSON
from router.rules.operators import Test
from router.rules.paths import leaves

Found = Sequence[JSON]
"""What a path leads to: no null, perhaps lists; empty where the field is missing."""

_SIZE_OF_NUMBER = 32


@dataclass(frozen=True)
class Part:
    """
    One operator over all values of a field.

    Attributes:
        wanted, unwanted: Go on after "wanted": `to end with "x"`, `not to end with "x"`.
        positive, negative: Go on after the field: `ends with "x"`, `does not end with "x"`.
        test: What it asks of a single value, if it asks anything of one.
    """

    holds: Callable[[Found], bool]
    wanted: str
    unwanted: str
    positive: str
    negative: str
    test: Test | None = None


class Wish:
    """
    Operators that must all hold for one field.

    Where a path leads to several values, one of them must pass all operators together. Two look at the field as a
    whole: `exists`, and `not`, which is the opposite of what stands behind it, so that `not: draft` means that no value
    is `draft`, and holds for a missing field. On a list, `contains` asks for an element, and the other operators then
    ask for one element that passes them all.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        tests = [part.test for part in parts if part.test is not None]
        together = [_one_value_passes(tests)] if tests else []
        checks = (*together, *(part.holds for part in parts if part.test is None))
        self.holds: Callable[[Found], bool] = (
            checks[0] if len(checks) == 1 else lambda found: all(check(found) for check in checks)
        )

    @property
    def wanted(self) -> str:
        return _bracketed([part.wanted for part in self._parts])

    @property
    def unwanted(self) -> str:
        return self._parts[0].unwanted if len(self._parts) == 1 else f"not {self.wanted}"

    @property
    def positive(self) -> str:
        return " and ".join(part.positive for part in self._parts)

    @property
    def negative(self) -> str:
        return self._parts[0].negative if len(self._parts) == 1 else f"is not as in {self.wanted}"

    @property
    def required_texts(self) -> frozenset[str] | None:
        """The only texts, case folded, one of which some value has where the wish holds; None if others will do."""
        required = (part.test.texts for part in self._parts if part.test is not None)
        return min((texts for texts in required if texts is not None), key=len, default=None)

    def first_failing(self, found: Found) -> str:
        """Tell what is wanted by the first operator that fails; by all of them where no value passes all together."""
        for part in self._parts:
            if not part.holds(found):
                return part.wanted
        return f"one value {self.wanted}"


def of_test(test: Test) -> Part:
    """Ask for one value that passes a test."""
    return Part(_one_value_passes([test]), test.wanted, f"not {test.wanted}", test.positive, test.negative, test)


def negation(wish: Wish) -> Part:
    """Ask for the opposite of a wish."""
    return Part(
        lambda found: not wish.holds(found),
        wanted=wish.unwanted,
        unwanted=wish.wanted,
        positive=wish.negative,
        negative=wish.positive,
    )


def existence(expected: bool) -> Part:
    """Ask for a field that is there and not null, or for one that is not."""
    there = Part(bool, "a value", "no value", "exists", "is missing")
    return there if expected else negation(Wish([there]))


def _one_value_passes(tests: Sequence[Test]) -> Callable[[Found], bool]:
    on_lists = [test.holds_for_list for test in tests if test.holds_for_list is not None]
    on_elements = _all_pass([test for test in tests if test.holds_for_list is None])
    on_values = _all_pass(tests)

    def holds(found: Found) -> bool:
        for value in found:
            if not isinstance(value, list):
                if on_values(value):
                    return True
            elif all(holds_for_list(value) for holds_for_list in on_lists) and (
                len(on_lists) == len(tests) or any(map(on_elements, leaves(value)))
            ):
                return True
        return False

    reach = min((test.reach for test in tests if test.reach is not None), default=None)
    return holds if reach is None else lambda found: holds(_within(found, reach))


def _all_pass(tests: Sequence[Test]) -> Callable[[JSON], bool]:
    if len(tests) == 1:
        return tests[0].holds
    return lambda value: all(test.holds(value) for test in tests)


def _within(found: Found, reach: int) -> Found:
    """Keep the first values, so many that their text is about `reach` bytes; the last one may go beyond it."""
    if len(found) == 1 and not isinstance(found[0], list):
        return found
    kept: list[JSON] = []
    for value in found:
        elements: list[JSON] = []
        for element in leaves([value]):
            if reach <= 0:
                break
            elements.append(element)
            reach -= _size(element)
        kept.append(elements if isinstance(value, list) else elements[0] if elements else [])
    return kept


def _size(value: JSON) -> int:
    if not isinstance(value, str):
        return _SIZE_OF_NUMBER
    return len(value) if value.isascii() else 4 * len(value)


def _bracketed(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"({' and '.join(phrases)})"
