"""
What operators do in templates, within bounds. Templates are rewritten (`dialect.py`) to call these.

Missing and null are one thing here, as they are for the author of a template: a body may give either.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any

from jinja2 import Undefined

from router.events import Markup
from router.messages.escaping import Escaping, Finished
from router.messages.limits import (
    LONGEST_TEXT,
    MOST_BITS,
    MOST_ITEMS,
    Budget,
    TemplateRefused,
    check_text,
    check_value,
)
from router.payload import JSON, dump_json


class Bench:
    """
    What operators and filters share: the budget of the rendering, the escaping of its markup, and the zone of times.
    """

    __slots__ = ("budget", "escaping", "markup", "zone")

    def __init__(self, escaping: Escaping, budget: Budget, markup: Markup, zone: tzinfo) -> None:
        self.zone = zone
        self.budget = budget
        self.escaping = escaping
        self.markup = markup

    def text(self, value: Any) -> str:
        """Write any value as the plain text that a reader sees; missing and null are nothing."""
        if isinstance(value, str):
            self.budget.read(len(value))
            return self.escaping.plain(value) if isinstance(value, Finished) else value
        return self.printed(value)

    def piece(self, value: Any) -> str:
        """Like `text`, but what is finished stays finished."""
        return value if isinstance(value, Finished) else self.text(value)

    def printed(self, value: Any) -> str:
        """Write a value that is no text: numbers, lists and mappings as JSON writes them."""
        if value is None or isinstance(value, Undefined):
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, dict | list | tuple):
            check_value(value, self.budget)
            return dump_json(plain_value(self, value)).decode()
        raise TemplateRefused("a macro or an imported template is printed; call it with ( )")


def known(value: Any) -> Any:
    """Give the value, with None for what is missing."""
    return None if isinstance(value, Undefined) else value


def plain_value(bench: Bench, value: Any) -> JSON:
    """A JSON value: nothing in it is missing or finished. Its size has been checked."""
    if isinstance(value, Finished):
        return bench.escaping.plain(value)
    if isinstance(value, dict):
        return {key: plain_value(bench, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(bench, item) for item in value]
    if isinstance(value, Undefined):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise TemplateRefused("a macro or an imported template stands where a value is wanted; call it with ( )")


def enter(bench: Bench, weight: int) -> str:
    """Account for one call of a macro, or one rendering of a template, of so many nodes."""
    bench.budget.step(1, weight)
    return ""


def loop_items(bench: Bench, value: Any, weight: int) -> Sequence[Any]:
    """Give what a `for` goes over: the items of a list, or the keys of a mapping. All rounds are paid in advance."""
    value = known(value)
    if value is None:
        return ()
    if not isinstance(value, list | tuple | dict):
        raise TemplateRefused(f"'for' needs a list or a mapping, not {kind_of(value)}")
    bench.budget.step(len(value), weight)
    return list(value)


def concatenate(bench: Bench, parts: Sequence[Any]) -> str:
    """`~`: put anything together as text."""
    joined = bench.escaping.join(bench.piece(part) for part in parts)
    bench.budget.read(len(joined))
    return check_text(joined)


def cut_out(bench: Bench, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]` of a text or a list."""
    value = known(value)
    borders = [known(border) for border in (start, stop, step)]
    if not all(border is None or is_whole(border) for border in borders) or borders[2] == 0:
        raise TemplateRefused("[from:to] needs whole numbers")
    if value is None:
        return None
    if isinstance(value, str):
        return bench.text(value)[slice(*borders)]
    if isinstance(value, list | tuple):
        part = list(value[slice(*borders)])
        bench.budget.read(64 * len(part))
        return part
    raise TemplateRefused(f"[from:to] needs a text or a list, not {kind_of(value)}")


def compare(bench: Bench, left: Any, relation: str, right: Any) -> bool:
    """
    Judge `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `not in`.

    Nothing is greater or less than what is missing, so a thin body makes such a condition false, not an error.
    """
    if type(left) is str and type(right) is str and len(left) < _SHORT and relation in ("eq", "ne"):
        return (left == right) is (relation == "eq")  # most of all comparisons; such a text costs no more than its node
    if relation in ("in", "notin"):
        return _contains(bench, known(right), _comparable(bench, left)) is (relation == "in")
    left, right = _comparable(bench, left), _comparable(bench, right)
    if relation == "eq":
        return _equal(left, right)
    if relation == "ne":
        return not _equal(left, right)
    if left is None or right is None:
        return False
    if not (is_number(left) and is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        raise TemplateRefused(f"{kind_of(left)} and {kind_of(right)} have no order")
    return bool(_ORDERS[relation](left, right))


_SHORT = 64
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def _comparable(bench: Bench, value: Any) -> Any:
    if isinstance(value, str):
        return bench.text(value)
    check_value(value, bench.budget, "a value that is compared")
    return known(value)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return list(left) == list(right)
    return bool(left == right)


def _contains(bench: Bench, container: Any, item: Any) -> bool:
    if container is None:
        return False
    if isinstance(container, str):
        return isinstance(item, str) and item in bench.text(container)
    if isinstance(container, dict):
        return isinstance(item, str) and item in container
    if not isinstance(container, list | tuple):
        raise TemplateRefused(f"'in' needs a list, a mapping or a text, not {kind_of(container)}")
    bench.budget.spend(len(container))
    if isinstance(item, str):
        alike = (member for member in container if isinstance(member, str) and len(member) == len(item))
        return any(bench.text(member) == item for member in alike)
    if isinstance(item, dict | list | tuple):
        return any(_equal(_comparable(bench, member), item) for member in container)
    return any(_equal(known(member), item) for member in container)


def calculate(bench: Bench, sign: str, left: Any, right: Any) -> Any:
    """Judge `+ - * / // % **`: numbers within bounds, and for `+` and `*` also texts and lists."""
    left, right = known(left), known(right)
    if is_number(left) and is_number(right):
        return _calculate_numbers(sign, left, right)
    if sign == "+" and (isinstance(left, str) or isinstance(right, str)):
        if all(side is None or isinstance(side, str) for side in (left, right)):
            return concatenate(bench, (left, right))
    elif sign == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
        if len(left) + len(right) > MOST_ITEMS:
            raise TemplateRefused(f"an expression makes a list of more than {MOST_ITEMS:,} items")
        bench.budget.spend(len(left) + len(right))
        return [*left, *right]
    elif sign == "*" and isinstance(left, str) and is_whole(right):
        return _repeat(bench, left, right)
    hint = "; texts are put together by ~" if isinstance(left, str) or isinstance(right, str) else ""
    raise TemplateRefused(f"{sign} needs two numbers, not {kind_of(left)} and {kind_of(right)}{hint}")


def _repeat(bench: Bench, text: str, count: int) -> str:
    if len(text) * max(count, 0) > LONGEST_TEXT:
        raise TemplateRefused(f"an expression makes a text longer than {LONGEST_TEXT // 1024} KiB")
    bench.budget.read(len(text) * max(count, 0))
    return type(text)(text * count)


def _calculate_numbers(sign: str, left: Any, right: Any) -> Any:
    too_large = TemplateRefused("a calculation makes a number that is too large")
    if isinstance(left, int) and isinstance(right, int):
        grown = left.bit_length() * max(right, 1) if sign == "**" else left.bit_length() + right.bit_length()
        if sign in ("*", "**") and left not in (0, 1) and grown > MOST_BITS:
            raise too_large
    try:
        result = _CALCULATIONS[sign](left, right)
    except ZeroDivisionError:
        raise TemplateRefused("a calculation divides by zero") from None
    except OverflowError:
        raise too_large from None
    if isinstance(result, complex) or (isinstance(result, float) and not math.isfinite(result)):
        raise too_large
    if isinstance(result, int) and result.bit_length() > MOST_BITS:
        raise too_large
    return result


_CALCULATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def negate(sign: str, value: Any) -> Any:
    """Judge `-x` and `+x`."""
    if not is_number(value):
        raise TemplateRefused(f"{sign} needs a number, not {kind_of(known(value))}")
    return -value if sign == "-" else value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """Name the kind of a value for a person."""
    if value is None:
        return "a missing value"
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return "a macro"


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a text"),
    (list | tuple, "a list"),
    (dict, "a mapping"),
)
