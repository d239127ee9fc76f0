"""Field paths in conditions and tables that no event has: mostly misspelt, and the rule does not what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.config.nodes import Entry, Mapping, Node, Scalar
from router.config.nodes import Sequence as ListNode
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.sights import Sights
from router.documented import unknown_field
from router.messages.field_inspection import UNKNOWN_FIELD

_ALTERNATIVES = ("all", "any")


def lint_fields(rules: Iterable[ReadRule], sights: Sights, reading: Reading) -> None:
    """Look at the fields that rules for events of Spaces ask for in `when`, `unless` and the table of `to`."""
    told: dict[str, str | None] = {}
    for rule in rules:
        if rule.rule is None or not sights.of(rule).is_of_spaces:
            continue
        for path, at in _paths(rule):
            if path not in told:
                told[path] = unknown_field(path.split("."), in_template=False)
            if (sentence := told[path]) is not None:
                reading.warn(at, UNKNOWN_FIELD, sentence)


def _paths(rule: ReadRule) -> Iterator[tuple[str, Entry | Node]]:
    for key in ("when", "unless"):
        if key in rule.node.entries:
            yield from _in_conditions(rule.node.entries[key].value)
    to = rule.node.entries.get("to")
    by = to.value.entries.get("by") if to is not None and isinstance(to.value, Mapping) else None
    if by is not None and isinstance(by.value, Scalar):
        yield str(by.value.value), by.value


def _in_conditions(node: Node) -> Iterator[tuple[str, Entry]]:
    if isinstance(node, ListNode):
        for item in node.items:
            yield from _in_conditions(item)
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            if key == "not" or key in _ALTERNATIVES:
                yield from _in_conditions(entry.value)
            else:
                yield key, entry
