"""What is left to judge once the name of an event is known: rules are found by an index, not tried one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from router.rules.paths import Find, Namespace, compile_path, elements, text_of
from router.rules.patterns import Pattern
from router.rules.rule import FixedTarget, Route, Rule

SIEVE_FROM = 32
"""So many rules of one name are tried faster than sieved."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What a rule set makes of an event.

    Attributes:
        matched: Names of the rules that matched, in the order of the file.
        routes: Each pair of rule and destination once, in the order of the file.
    """

    matched: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


_NO_MATCH = Judgement()


class Index:
    """Finds the rules whose patterns can match a name, by the first or the last segment that has no wildcard."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._by_name: dict[str, list[int]] = {}
        self._by_first: dict[str, list[int]] = {}
        self._by_last: dict[str, list[int]] = {}
        self._others: list[int] = []
        for place, rule in enumerate(rules):
            for pattern in rule.events if rule.enabled else ():
                self._shelf(pattern).append(place)

    def _shelf(self, pattern: Pattern) -> list[int]:
        if pattern.literal is not None:
            return self._by_name.setdefault(pattern.literal, [])
        if pattern.first is not None:
            return self._by_first.setdefault(pattern.first, [])
        if pattern.last is not None:
            return self._by_last.setdefault(pattern.last, [])
        return self._others

    def candidates(self, name: str) -> Iterator[Rule]:
        """Give each rule that may match a name in lower case once, in the order of the file."""
        first, last = name.split(".", 1)[0], name.rsplit(".", 1)[-1]
        places = {
            *self._by_name.get(name, ()),
            *self._by_first.get(first, ()),
            *self._by_last.get(last, ()),
            *self._others,
        }
        return (self._rules[place] for place in sorted(places))


class Sieve:
    """
    Rules in the order of the file, found by what they require of the event: those for other spaces cost nothing.

    Args:
        sieve_from: With fewer rules, each is a candidate for every event.
    """

    def __init__(self, rules: Sequence[Rule], sieve_from: int = SIEVE_FROM) -> None:
        self.rules = tuple(rules)
        self._always: list[int] = []
        shelves: dict[str, dict[str, list[int]]] = {}
        for place, rule in enumerate(rules):
            requires = None if rule.when is None else rule.when.requires
            if requires is None or len(rules) < sieve_from:
                self._always.append(place)
                continue
            shelf = shelves.setdefault(requires.path, {})
            for text in requires.texts:
                shelf.setdefault(text, []).append(place)
        self._shelves = [(compile_path(path), shelf, max(map(len, shelf))) for path, shelf in shelves.items()]
        self.size = len(rules) + sum(len(places) for _, shelf, _ in self._shelves for places in shelf.values())

    def candidates(self, namespace: Namespace) -> Sequence[Rule]:
        """Give every rule whose `when` may hold."""
        if not self._shelves:
            return self.rules
        places = set(self._always)
        for find, shelf, longest in self._shelves:
            for text in _texts(find, namespace, longest):
                places.update(shelf.get(text, ()))
        return [self.rules[place] for place in sorted(places)]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    The rules that can match a name.

    Attributes:
        rules: Those without `unmatched`, up to the first that stops every event.
        last_resort: Those with it, likewise.
        settled: The judgement, where it depends on nothing but the name.
    """

    rules: Sieve
    last_resort: Sieve
    settled: Judgement | None

    def judge(self, namespace: Namespace) -> Judgement:
        """Judge an event of the name."""
        matched = _matching(self.rules.candidates(namespace), namespace)
        return judgement(matched or _matching(self.last_resort.candidates(namespace), namespace), namespace)


def make_plan(candidates: Sequence[Rule], sieve_from: int) -> Plan:
    """Plan for a name that all of `candidates` are about; in the order of the file."""
    rules = tuple(_up_to_stop(rule for rule in candidates if not rule.unmatched))
    last_resort = tuple(_up_to_stop(rule for rule in candidates if rule.unmatched))
    if any(not rule.is_conditional for rule in rules):
        last_resort = ()
    asks = any(rule.is_conditional or not isinstance(rule.to, FixedTarget) for rule in (*rules, *last_resort))
    settled = None if asks else judgement(rules or last_resort, {})
    return Plan(Sieve(rules, sieve_from), Sieve(last_resort, sieve_from), settled)


def _up_to_stop(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        if rule.stop and not rule.is_conditional:
            return


def _matching(rules: Sequence[Rule], namespace: Namespace) -> Sequence[Rule]:
    matched = []
    for rule in rules:
        if rule.holds(namespace):
            matched.append(rule)
            if rule.stop:
                break
    return matched


def judgement(matched: Sequence[Rule], namespace: Namespace) -> Judgement:
    """Put together what these rules, all of which matched, make of an event."""
    if not matched:
        return _NO_MATCH
    routes = tuple(route for rule in matched for route in rule.routes(namespace))
    return Judgement(tuple(rule.name for rule in matched), routes)


def _texts(find: Find, namespace: Namespace, longest: int) -> Iterator[str]:
    for value in elements(find(namespace)):
        text = text_of(value)
        if text is not None and len(text) <= longest:  # folding makes no text shorter
            yield text.casefold()
