"""Values that a field never has: a name where an id belongs, `yes` where true or false does, an order among texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from router.config.nodes import Entry, Mapping, Node, Scalar
from router.config.nodes import Sequence as ListNode
from router.config.problems import named
from router.config.reading import Reading
from router.documented import Kind, fields_below, kind_of_field, telling_fields
from router.messages.expressions import Comparison
from router.payload import JSON

_NUMBER = re.compile(r"\s*[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\s*", re.ASCII)
_EQUALITIES = ("equals", "any_of")
_ORDERS = ("above", "below")
_SAID = {**dict.fromkeys(("yes", "y", "on", "1"), "true"), **dict.fromkeys(("no", "n", "off", "0"), "false")}
_ORDER_SIGNS = frozenset({"gt", "gteq", "lt", "lteq"})
_TIME_EXAMPLE = "2026-03-02T10:40:00Z"
_NUMBER_EXAMPLE = "a number, such as 42,"


class Values:
    """Holds what rules ask of fields against what these fields are documented to be."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._kinds: dict[str, Kind | None] = {}

    def wish(self, path: str, node: Node) -> None:
        """Look at what stands behind a field in `when` or `unless`."""
        kind = self._kind(path)
        if kind is not None:
            self._wish(path, kind, node)
        else:
            self._object(path, node)

    def keys(self, path: str, entries: Collection[Entry]) -> None:
        """Look at the keys of a table; of several that cannot be found the first is told."""
        kind = self._kind(path)
        wrong = [entry for entry in entries if kind is not None and not _can_equal(kind, entry.key)]
        if kind is not None and wrong:
            more = f" (and {len(wrong) - 1} more of the keys are none)" if len(wrong) > 1 else ""
            self._warn(wrong[0], f"{_never_equal(path, kind, wrong[0].key)}{more}")

    def comparison(self, comparison: Comparison) -> str | None:
        """Say what is wrong with a comparison in an expression, where a text never equals a number."""
        path = ".".join(comparison.path)
        kind, value = self._kind(path), comparison.value
        if value is None:
            return None
        if kind is None:
            return _never_an_object(path, value)
        if _is_of(kind, value):
            return None
        if kind is Kind.NUMBER and isinstance(value, str) and _NUMBER.fullmatch(value):
            return f"{path} is a number, and a number is never equal to a text; write {value.strip()} without quotes"
        if kind is Kind.TIME:
            return f"{path} is a time, and {_written(value)} is none; write one in quotes, such as '{_TIME_EXAMPLE}'"
        if kind is Kind.TEXT:
            found = "comes neither before nor behind" if comparison.relation in _ORDER_SIGNS else "is never equal to"
            return f"{path} is a text, which {found} {_written(value)}; a text needs quotes"
        return _never_equal(path, kind, _written(value))

    def _kind(self, path: str) -> Kind | None:
        if path not in self._kinds:
            self._kinds[path] = kind_of_field(path.split("."))
        return self._kinds[path]

    def _wish(self, path: str, kind: Kind, node: Node) -> None:
        if not isinstance(node, Mapping):
            self._equal(path, kind, node)
            return
        for operator, entry in node.entries.items():
            if operator == "not":
                self._wish(path, kind, entry.value)
            elif operator in _EQUALITIES:
                self._equal(path, kind, entry.value)
            elif operator in _ORDERS and isinstance(entry.value, Scalar):
                self._order(path, kind, operator, entry.value)

    def _object(self, path: str, node: Node) -> None:
        """Of what has fields of its own, look at the texts and numbers that it should be equal to."""
        if not isinstance(node, Mapping):
            for scalar in _items(node):
                if scalar.value is not None and (sentence := _never_an_object(path, scalar.value)) is not None:
                    self._warn(scalar, sentence)
            return
        for operator, entry in node.entries.items():
            if operator == "not" or operator in _EQUALITIES:
                self._object(path, entry.value)

    def _equal(self, path: str, kind: Kind, node: Node) -> None:
        for scalar in _items(node):
            if not _can_equal(kind, scalar.text if isinstance(scalar.value, str) else scalar.value):
                self._warn(scalar, _never_equal(path, kind, scalar.text))

    def _order(self, path: str, kind: Kind, operator: str, scalar: Scalar) -> None:
        is_number = not isinstance(scalar.value, str) or _NUMBER.fullmatch(scalar.value) is not None
        what = f"{path} is {kind.value}, and never {operator} {named(scalar.text)[1:-1]}"
        if kind is Kind.TEXT or kind is Kind.FLAG:
            self._warn(scalar, f"{what}: above and below compare numbers and times")
        elif kind is Kind.TIME and is_number:
            self._warn(scalar, f"{what}; write a time, such as {_TIME_EXAMPLE}")
        elif kind is Kind.NUMBER and not is_number:
            self._warn(scalar, f"{what}; write a number, such as 42")

    def _warn(self, at: Scalar | Entry, sentence: str) -> None:
        self._reading.warn(at, "impossible-value", sentence)


def _items(node: Node) -> Iterator[Scalar]:
    for item in node.items if isinstance(node, ListNode) else [node]:
        if isinstance(item, Scalar):
            yield item


def _can_equal(kind: Kind, value: JSON) -> bool:
    """Whether a value of this kind can have the text that is wanted; rules compare texts, without regard to case."""
    if kind is Kind.NUMBER:
        return not isinstance(value, bool) and (not isinstance(value, str) or _NUMBER.fullmatch(value) is not None)
    if kind is Kind.FLAG:
        return isinstance(value, bool) or str(value).casefold() in ("true", "false")
    return True


def _is_of(kind: Kind, value: JSON) -> bool:
    if kind is Kind.FLAG:
        return isinstance(value, bool)
    if kind is Kind.NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _never_equal(path: str, kind: Kind, text: str) -> str:
    if kind is Kind.FLAG:
        return f"{path} is true or false, and never {named(text)}; write {_SAID.get(text.casefold(), 'one of the two')}"
    others = telling_fields(path.split("."))
    better = [each for each in others if ("@" in text) == each.endswith(".email")] or others
    hint = f"; such a text may be in {' or '.join(better)}" if better else ""
    return f"{path} is {_NUMBER_EXAMPLE} and never {named(text)}{hint}"


def _never_an_object(path: str, value: JSON) -> str | None:
    is_number = not isinstance(value, bool) and _NUMBER.fullmatch(str(value)) is not None
    fields = fields_below(path.split("."), as_number=is_number)
    if not fields:
        return None
    return f"{path} has fields of its own, and is never {named(_written(value))}; ask for {' or '.join(fields)}"


def _written(value: JSON) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
