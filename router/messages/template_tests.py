"""The tests of templates (`is defined`), and the filters that keep items by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.messages.filters import map_field
from router.messages.limits import TemplateRefused
from router.messages.operators import Bench, compare, is_number, is_whole, known


def _relation(name: str) -> Callable[..., bool]:
    return lambda bench, value, other: compare(bench, value, name, other)


def _divisible(_bench: Bench, value: Any, by: Any) -> bool:
    if not is_whole(known(by)) or by == 0:
        raise TemplateRefused("divisibleby needs a whole number that is not 0")
    return is_whole(known(value)) and value % by == 0


TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": lambda _bench, value: known(value) is not None,
    "undefined": lambda _bench, value: known(value) is None,
    "none": lambda _bench, value: known(value) is None,
    "string": lambda _bench, value: isinstance(value, str),
    "number": lambda _bench, value: is_number(value),
    "integer": lambda _bench, value: is_whole(value),
    "float": lambda _bench, value: isinstance(value, float),
    "boolean": lambda _bench, value: isinstance(value, bool),
    "true": lambda _bench, value: value is True,
    "false": lambda _bench, value: value is False,
    "mapping": lambda _bench, value: isinstance(value, dict),
    "sequence": lambda _bench, value: isinstance(value, list | tuple),
    "odd": lambda _bench, value: is_whole(value) and value % 2 == 1,
    "even": lambda _bench, value: is_whole(value) and value % 2 == 0,
    "divisibleby": _divisible,
    "in": _relation("in"),
    "eq": _relation("eq"),
    "equalto": _relation("eq"),
    "ne": _relation("ne"),
    "lt": _relation("lt"),
    "le": _relation("lteq"),
    "gt": _relation("gt"),
    "ge": _relation("gteq"),
}
"""Tests by name. `defined` is true of what is neither missing nor null: a body may give either."""


def select(bench: Bench, value: Any, test: Any = None, *arguments: Any) -> list[Any]:
    """The items that pass a test: `{{ numbers | select("gt", 3) }}`; without one, those that are not empty."""
    items = map_field(bench, value, None)
    return [item for item in items if _passes(bench, item, test, arguments)]


def reject(bench: Bench, value: Any, test: Any = None, *arguments: Any) -> list[Any]:
    """The items that do not pass a test."""
    items = map_field(bench, value, None)
    return [item for item in items if not _passes(bench, item, test, arguments)]


def selectattr(bench: Bench, value: Any, attribute: Any, test: Any = None, *arguments: Any) -> list[Any]:
    """The items of which a field passes a test: `{{ page.tags | selectattr("name", "eq", "urgent") }}`."""
    items, fields = map_field(bench, value, None), map_field(bench, value, attribute)
    return [item for item, field in zip(items, fields, strict=True) if _passes(bench, field, test, arguments)]


def rejectattr(bench: Bench, value: Any, attribute: Any, test: Any = None, *arguments: Any) -> list[Any]:
    """The items of which a field does not pass a test."""
    items, fields = map_field(bench, value, None), map_field(bench, value, attribute)
    return [item for item, field in zip(items, fields, strict=True) if not _passes(bench, field, test, arguments)]


def _passes(bench: Bench, item: Any, test: Any, arguments: tuple[Any, ...]) -> bool:
    if known(test) is None:
        return bool(known(item))
    judge = TESTS.get(bench.text(test))
    if judge is None:
        raise TemplateRefused(f"there is no test named {bench.text(test)!r}")
    try:
        return judge(bench, item, *arguments)
    except TypeError:
        raise TemplateRefused(f"the test {bench.text(test)!r} got too few or too many arguments") from None


TESTING_FILTERS: Mapping[str, Callable[..., Any]] = {
    "select": select,
    "reject": reject,
    "selectattr": selectattr,
    "rejectattr": rejectattr,
}
