"""Field paths in conditions, tables and expressions that no event has, and values that a field never has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.config.lint.values import Values
from router.config.nodes import Entry, Mapping, Node, Place, Scalar
from router.config.nodes import Sequence as ListNode
from router.config.places import locate_offset
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.sights import Sights
from router.documented import unknown_field
from router.messages.field_inspection import UNKNOWN_FIELD

_ALTERNATIVES = ("all", "any")


def lint_fields(rules: Iterable[ReadRule], sights: Sights, reading: Reading) -> None:
    """Look at the fields that rules for events of Spaces ask for in `when`, `unless`, `if` and the table of `to`."""
    told: dict[str, str | None] = {}
    values = Values(reading)
    for rule in rules:
        if rule.rule is None or not sights.of(rule).is_of_spaces:
            continue
        for path, at, wish in _conditions(rule):
            if path not in told:
                told[path] = unknown_field(path.split("."), in_template=False)
            if (sentence := told[path]) is not None:
                reading.warn(at, UNKNOWN_FIELD, sentence)
            else:
                values.wish(path, wish)
        _table(rule, values, reading)
        _expression(rule, values, reading)


def _conditions(rule: ReadRule) -> Iterator[tuple[str, Entry, Node]]:
    for key in ("when", "unless"):
        if key in rule.node.entries:
            yield from _in_conditions(rule.node.entries[key].value)


def _in_conditions(node: Node) -> Iterator[tuple[str, Entry, Node]]:
    if isinstance(node, ListNode):
        for item in node.items:
            yield from _in_conditions(item)
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            if key == "not" or key in _ALTERNATIVES:
                yield from _in_conditions(entry.value)
            else:
                yield key, entry, entry.value


def _table(rule: ReadRule, values: Values, reading: Reading) -> None:
    to = rule.node.entries.get("to")
    by = to.value.entries.get("by") if to is not None and isinstance(to.value, Mapping) else None
    if to is None or not isinstance(to.value, Mapping) or by is None or not isinstance(by.value, Scalar):
        return
    path = str(by.value.value)
    sentence = unknown_field(path.split("."), in_template=False)
    table = to.value.entries["table"].value
    if sentence is not None:
        reading.warn(by.value, UNKNOWN_FIELD, sentence)
    elif isinstance(table, Mapping):
        values.keys(path, table.entries.values())


def _expression(rule: ReadRule, values: Values, reading: Reading) -> None:
    scalar = rule.node.entries["if"].value if rule.expression is not None else None
    if rule.expression is None or not isinstance(scalar, Scalar):
        return
    for field in rule.expression.fields:
        sentence = unknown_field(field.path, in_template=True)
        if sentence is not None:
            reading.warn(_at(scalar, field.offset, len(field.path[-1]), reading), UNKNOWN_FIELD, sentence)
    for comparison in rule.expression.comparisons:
        sentence = values.comparison(comparison)
        if sentence is not None:
            place = _at(scalar, comparison.offset, comparison.width, reading)
            reading.warn(place, "impossible-value", sentence)


def _at(scalar: Scalar, offset: int, width: int, reading: Reading) -> Place:
    """Point into an expression, or at its beginning where the place cannot be told."""
    place = locate_offset(scalar, reading.text, offset)
    exact = place != scalar.place or offset == 0
    return Place(place.line, place.column, width if exact else 1)
