"""`to`: the destinations of a rule, as names or as a table that is looked up."""

from __future__ import annotations

from collections.abc import Collection

from router.config.nodes import Entry, Mapping, Node, Scalar, kind_of
from router.config.nodes import Sequence as ListNode
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.rules.paths import path_problem
from router.rules.ruleset import FixedTarget, TableTarget, Target

_KEYS = ("by", "table", "otherwise")
_EXAMPLE = "such as {by: space.id, table: {42: docs}, otherwise: general}"


def read_target(
    entry: Entry | None, destinations: Collection[str], first_words: Collection[str], reading: Reading
) -> Target | None:
    """Read the key `to`; None where it is missing or has problems."""
    if entry is None:
        return None
    if isinstance(entry.value, Mapping):
        return _table(entry.value, destinations, first_words, reading)
    names = _names(entry.value, entry, destinations, reading)
    if isinstance(entry.value, ListNode) and not entry.value.items:
        reading.error(entry.value, "to is empty; expected at least one destination")
        return None
    return None if names is None else FixedTarget(names)


def _table(
    node: Mapping, destinations: Collection[str], first_words: Collection[str], reading: Reading
) -> TableTarget | None:
    for key, entry in node.entries.items():
        if key not in _KEYS:
            reading.error(
                entry, f"unknown key {named(key)}; expected one of: {listed(_KEYS)}{did_you_mean(key, _KEYS)}"
            )
    by = _field_path(node, first_words, reading)
    table = _entries(node, destinations, reading)
    otherwise = None
    if (entry_ := node.entries.get("otherwise")) is not None:
        otherwise = _names(entry_.value, entry_, destinations, reading)
    return None if by is None or table is None else TableTarget(by, table, otherwise)


def _field_path(node: Mapping, first_words: Collection[str], reading: Reading) -> str | None:
    entry = node.entries.get("by")
    if entry is None:
        reading.error(node, f"the table lacks the key 'by'; expected the path of a field, {_EXAMPLE}")
        return None
    value = entry.value.value if isinstance(entry.value, Scalar) else None
    problem = path_problem(value, first_words) if isinstance(value, str) else "by is no text; expected a field path"
    if problem is not None:
        reading.error(entry.value, problem)
        return None
    return str(value)


def _entries(node: Mapping, destinations: Collection[str], reading: Reading) -> dict[str, tuple[str, ...]] | None:
    entry = node.entries.get("table")
    if entry is None:
        reading.error(node, f"the table lacks the key 'table'; expected values and their destinations, {_EXAMPLE}")
        return None
    if not isinstance(entry.value, Mapping) or not entry.value.entries:
        reading.error(entry, f"table is empty or no map; expected values and their destinations, {_EXAMPLE}")
        return None
    found = {key: _names(each.value, each, destinations, reading) for key, each in entry.value.entries.items()}
    return {key: names or () for key, names in found.items()}


def _names(node: Node, entry: Entry, destinations: Collection[str], reading: Reading) -> tuple[str, ...] | None:
    """Read one name or a list of names; None where one of them is no text."""
    items = node.items if isinstance(node, ListNode) else [node]
    names = []
    for item in items:
        if not isinstance(item, Scalar) or item.value is None or isinstance(item.value, bool | float):
            empty = isinstance(item, Scalar) and item.value is None
            what = "empty" if empty else kind_of(item)
            at = entry if empty and item is node else item
            reading.error(
                at,
                f"{named(entry.key)[1:-1]} is {what}; expected the name of a destination, or a list of names",
            )
            return None
        name = str(item.value)
        if name not in destinations:
            reading.error(item, unknown_destination(name, destinations))
        names.append(name)
    return tuple(names)


def unknown_destination(name: str, destinations: Collection[str]) -> str:
    """Say that no destination has this name, and which there are."""
    defined = f"this file defines: {listed(destinations) or 'none'}"
    if "://" in name:  # perhaps a webhook's, and so a secret
        return f"a URL stands where the name of a destination is expected; write it under destinations; {defined}"
    several = [each.strip() for each in name.split(",")]
    if len(several) > 1 and all(each in destinations for each in several):
        return f"{named(name)} is one name; for several destinations write a list: [{listed(several)}]"
    return f"no destination is named {named(name)}; {defined}{did_you_mean(name, destinations)}"


def destinations_of(to: Target) -> tuple[str, ...]:
    """Every destination that a rule can reach, each once."""
    if isinstance(to, FixedTarget):
        return tuple(dict.fromkeys(to.names))
    listed_there = (name for names in to.table.values() for name in names)
    return tuple(dict.fromkeys((*listed_there, *(to.otherwise or ()))))
