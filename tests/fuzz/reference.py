"""
What the languages of the rule file mean, once more: written from `docs/rules.md`, slow, and right at sight.

Nothing here uses the product's own `router.rules`, so that the two can be compared. Patterns, conditions and rules are
the plain values of a rule file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from router.payload import JSON

# Patterns


def pattern_matches(pattern: str, name: str) -> bool:
    """Read a pattern aloud, segment by segment, without regard to case."""
    return _segments_match(pattern.lower().split("."), name.lower().split("."))


def _segments_match(pattern: Sequence[str], name: Sequence[str]) -> bool:
    if not pattern:
        return not name
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        return any(_segments_match(rest, name[skipped:]) for skipped in range(len(name) + 1))
    if head == "*" and not rest:
        return len(name) >= 1
    return bool(name) and _letters_match(head, name[0]) and _segments_match(rest, name[1:])


def _letters_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_letters_match(pattern[1:], text[skipped:]) for skipped in range(len(text) + 1))
    return bool(text) and pattern[0] == text[0] and _letters_match(pattern[1:], text[1:])


# Conditions


def text_of(value: JSON) -> str | None:
    """The text by which a value is compared: 5 and 5.0 are `5`."""
    if isinstance(value, bool):
        return {True: "true", False: "false"}[value]
    if isinstance(value, float) and value == int(value) and abs(value) < 10**16:
        return str(int(value))
    return None if value is None or isinstance(value, list | dict) else str(value)


def flat(value: JSON) -> Iterator[JSON]:
    """All that is in a list, and in lists in it, but nulls; a value that is no list, itself."""
    if isinstance(value, list):
        for element in value:
            yield from flat(element)
    elif value is not None:
        yield value


def field(value: JSON, words: Sequence[str]) -> Iterator[JSON]:
    """Follow a path: through maps by key, through lists by place or into each element; nulls are not there."""
    if not words:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from field(value.get(words[0]), words[1:])
    elif isinstance(value, list) and words[0].isdigit():
        if int(words[0]) < len(value):
            yield from field(value[int(words[0])], words[1:])
    elif isinstance(value, list):
        for element in flat(value):
            if isinstance(element, dict):
                yield from field(element, words)


def measure(value: JSON) -> Fraction | datetime | None:
    """A number, or a text that is one, or a time."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text):
            return Fraction(text) if re.fullmatch(r"[+-]?[0-9]+", text) else Fraction(float(text))
        try:
            moment = datetime.fromisoformat(text.replace("t", "T").replace("z", "Z"))
        except ValueError:
            return None
        return moment if moment.tzinfo is not None and "T" in text.upper() else None
    return Fraction(value) if isinstance(value, int | float) else None


def _passes(operator: str, operand: JSON, value: JSON, *, in_list: bool, match_case: bool) -> bool:
    """One operator on one value that is neither null nor a list."""
    if operator in {"above", "below"}:
        seen, limit = measure(value), measure(operand)
        if isinstance(seen, Fraction) and isinstance(limit, Fraction):
            return seen > limit if operator == "above" else seen < limit
        if isinstance(seen, datetime) and isinstance(limit, datetime):
            return seen > limit if operator == "above" else seen < limit
        return False
    text = text_of(value)
    if text is None:
        return False
    if operator == "matches":
        return re.search(operand, text, re.NOFLAG if match_case else re.IGNORECASE) is not None
    wanted = [text_of(entry) or "" for entry in (operand if isinstance(operand, list) else [operand])]
    if not match_case:
        text, wanted = text.casefold(), [entry.casefold() for entry in wanted]
    if operator in {"contains", "contains_any"} and not in_list:
        return any(entry in text for entry in wanted)
    if operator == "starts_with":
        return text.startswith(wanted[0])
    if operator == "ends_with":
        return text.endswith(wanted[0])
    return text in wanted


def wish_holds(found: Sequence[JSON], wish: JSON, match_case: bool = False) -> bool:
    """What stands behind a field: a value, a list of which any will do, or operators that must all hold."""
    if isinstance(wish, list):
        wish = {"any_of": wish}
    if not isinstance(wish, dict):
        wish = {"equals": wish}
    match_case = wish.get("match_case", match_case)
    if "exists" in wish and wish["exists"] is not bool(found):
        return False
    if "not" in wish and wish_holds(found, wish["not"], match_case):
        return False
    tests = [(key, operand) for key, operand in wish.items() if key not in {"exists", "not", "match_case"}]
    return not tests or any(_value_passes(value, tests, match_case) for value in found)


def _value_passes(value: JSON, tests: Sequence[tuple[str, JSON]], match_case: bool) -> bool:
    if not isinstance(value, list):
        return all(_passes(key, operand, value, in_list=False, match_case=match_case) for key, operand in tests)
    elements = list(flat(value))

    def passes(element: JSON, some: Sequence[tuple[str, JSON]]) -> bool:
        return all(_passes(key, operand, element, in_list=True, match_case=match_case) for key, operand in some)

    # `contains` is about the list: each asks for an element of its own. The others ask for one that passes them all.
    about_the_list = [test for test in tests if test[0] in {"contains", "contains_any"}]
    about_one = [test for test in tests if test not in about_the_list]
    return all(any(passes(element, [test]) for element in elements) for test in about_the_list) and (
        not about_one or any(passes(element, about_one) for element in elements)
    )


def tree_holds(tree: Mapping[str, JSON], namespace: JSON) -> bool:
    """A map of conditions, all of which must hold."""
    return all(entry_holds(key, value, namespace) for key, value in tree.items())


def entry_holds(key: str, value: JSON, namespace: JSON) -> bool:
    if key == "all":
        return all(tree_holds(part, namespace) for part in value)
    if key == "any":
        return any(tree_holds(part, namespace) for part in value)
    if key == "not":
        return not tree_holds(value, namespace)
    return wish_holds(list(field(namespace, key.split("."))), value)


# Rules


@dataclass(frozen=True)
class Judged:
    """What becomes of one rule: the beginning of the reason that `explain` gives, and where the event goes."""

    matched: bool
    why: str
    destinations: tuple[str, ...] = ()


def judge(rules: Sequence[Mapping[str, Any]], name: str, source: str, namespace: JSON) -> list[Judged]:
    """
    Go through the rules of a file for one event, as `docs/rules.md` says it.

    Args:
        rules: Each a map as it stands in the file; the values are right in themselves.
    """
    verdicts: dict[int, Judged] = {}
    for last_resort in (False, True):
        others = any(verdict.matched for verdict in verdicts.values())
        stopped_by: str | None = None
        for place, rule in enumerate(rules):
            if rule.get("unmatched", False) is not last_resort:
                continue
            hidden = None if stopped_by is None else f'hidden by stop of rule "{stopped_by}"'
            if last_resort and others:
                hidden = "unmatched: another rule matched"
            verdicts[place] = _verdict(rule, name, source, namespace, hidden)
            if verdicts[place].matched and rule.get("stop", False):
                stopped_by = rule["name"]
    return [verdicts[place] for place in range(len(rules))]


def _verdict(rule: Mapping[str, Any], name: str, source: str, namespace: JSON, hidden: str | None) -> Judged:
    sources = _listed(rule.get("sources", []))
    if not any(pattern_matches(pattern, name) for pattern in _listed(rule["events"])):
        return Judged(False, "events: ")
    if not rule.get("enabled", True):
        return Judged(False, "disabled")
    if sources and source not in sources:
        return Judged(False, "sources: ")
    if any(pattern_matches(pattern, name) for pattern in _listed(rule.get("except", []))):
        return Judged(False, "except: ")
    if hidden is not None:
        return Judged(False, hidden)
    if "when" in rule and not tree_holds(rule["when"], namespace):
        return Judged(False, "when: ")
    if "unless" in rule and tree_holds(rule["unless"], namespace):
        return Judged(False, "excluded by unless: ")
    destinations = _destinations(rule["to"], namespace)
    if not destinations:
        return Judged(True, "to: ")
    return Judged(True, "matched", tuple(dict.fromkeys(destinations)))


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _destinations(to: Any, namespace: JSON) -> list[str] | None:
    """A name, a list, or a table in which each value of a field is looked up; None for a miss without `otherwise`."""
    if not isinstance(to, dict):
        return _listed(to)
    found: list[str] = []
    hit = False
    for value in flat(list(field(namespace, to["by"].split(".")))):
        text = text_of(value)
        for key, names in to["table"].items():
            if text is not None and key.casefold() == text.casefold():
                hit = True
                found += _listed(names)
    if hit:
        return found
    return _listed(to["otherwise"]) if "otherwise" in to else None
