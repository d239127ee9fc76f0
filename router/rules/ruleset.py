"""
Which rules match an event, where it goes, and why the other rules did not match.

How rules act on each other:

- They are judged in the order of the file. A rule matches when it is enabled, is about the source, one of its `events`
  and none of its `except` patterns matches the name, all of `when` holds and not all of `unless` does.
- A rule whose look-up table has no entry for the event, and no `otherwise`, matches all the same: it gives no route,
  but its `stop` acts, and `unmatched` rules do not fire.
- `stop` hides every later rule from an event that the rule matches.
- `unmatched` rules are judged after all others, and only if none of them matched. Several may match, in their order; a
  `stop` on one hides the `unmatched` rules behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from router.rules.conditions import Condition
from router.rules.paths import Find, Namespace, compile_path, leaves, text_of
from router.rules.patterns import Pattern
from router.rules.wording import shown_all

MAX_REMEMBERED_NAMES = 1_024
MAX_REMEMBERED_RULES = 250_000
_MAX_TOLD = 5

NamespaceSource = Callable[[], Namespace]
"""Builds what conditions and tables look at. Called at most once per event, and only if some rule asks."""


@dataclass(frozen=True)
class FixedTarget:
    """Destinations by name, the same for every event."""

    names: tuple[str, ...]

    def look_up(self, _: Namespace) -> tuple[str, ...]:
        """Give the destinations."""
        return self.names

    def miss(self, _: Namespace) -> str:
        """Say why an event has no destination."""
        return "to: no destination is named"


@dataclass(frozen=True)
class TableTarget:
    """
    Destinations looked up by the value of a field.

    A value is compared as its text and without regard to case: 42 finds `42`. Keys that differ in case alone act as one
    entry with the destinations of both. Where the field has several values, each that has an entry counts, in the order
    of the values; `otherwise` is for events none of whose values has one.

    Attributes:
        by: Path of the field.
        otherwise: Destinations of an event without an entry; None for no route.
    """

    by: str
    table: Mapping[str, tuple[str, ...]]
    otherwise: tuple[str, ...] | None = None

    @cached_property
    def find(self) -> Find:
        """The values of the field."""
        return compile_path(self.by)

    @cached_property
    def _entries(self) -> Mapping[str, tuple[str, ...]]:
        entries: dict[str, tuple[str, ...]] = {}
        for key, names in self.table.items():
            folded = key.casefold()
            entries[folded] = _once((*entries.get(folded, ()), *names))
        return entries

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._entries), default=0)

    def look_up(self, namespace: Namespace) -> tuple[str, ...] | None:
        """Give the destinations, each once; None where there is no entry and no `otherwise`."""
        found: list[tuple[str, ...]] = []
        for value in leaves(self.find(namespace)):
            text = text_of(value)
            if text is not None and len(text) <= self._longest:  # folding makes no text shorter
                names = self._entries.get(text.casefold())
                if names is not None:
                    found.append(names)
        return _once(name for names in found for name in names) if found else self.otherwise

    def miss(self, namespace: Namespace) -> str:
        """Say why an event has no destination."""
        found = self.find(namespace)
        if not found:
            return f"to: {self.by} is missing and there is no otherwise"
        return f"to: no entry for {self.by} {shown_all(found)} and no otherwise"


Target = FixedTarget | TableTarget


@dataclass(frozen=True, slots=True)
class Route:
    """One rule sends the event to one destination."""

    rule: str
    destination: str


@dataclass(frozen=True)
class Rule:
    """
    One rule as far as matching goes.

    Attributes:
        events: One of these must match the name.
        excluded: None of these may; `except` in the rule file.
        sources: Names of sources it is about; empty for all.
        unless: The rule does not match where all of this holds.
        stop: No later rule sees an event that this one matches.
        unmatched: Matches only if no rule without this setting did.
    """

    name: str
    events: tuple[Pattern, ...]
    to: Target
    excluded: tuple[Pattern, ...] = ()
    sources: frozenset[str] = frozenset()
    when: Condition | None = None
    unless: Condition | None = None
    stop: bool = False
    unmatched: bool = False
    enabled: bool = True

    @cached_property
    def is_conditional(self) -> bool:
        """Whether more than the name and the source decides if it matches."""
        return self.when is not None or self.unless is not None

    @cached_property
    def fixed_routes(self) -> tuple[Route, ...] | None:
        """Where it sends every event it matches; None where a table decides."""
        if not isinstance(self.to, FixedTarget):
            return None
        return tuple(Route(self.name, name) for name in _once(self.to.names))

    def holds(self, namespace: Namespace) -> bool:
        """Judge the conditions alone."""
        return (self.when is None or self.when.holds(namespace)) and (
            self.unless is None or not self.unless.holds(namespace)
        )


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule made of an event, and why, in words for an admin."""

    rule: str
    matched: bool
    reason: str
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """
    What is left to judge once the source and the name are known.

    Attributes:
        rules: In their order, up to the first that stops every event.
        last_resort: `unmatched` rules, likewise.
        settled: The judgement, where it depends on nothing else.
    """

    rules: tuple[Rule, ...]
    last_resort: tuple[Rule, ...]
    settled: Judgement | None


class RuleSet:
    """
    The rules of one file, compiled. Immutable but for its memory of names; for use by one thread.

    Args:
        rules: In the order of the file; their names differ.
        remembered_names, remembered_rules: How many names, and how many references to rules, are kept between events.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        remembered_names: int = MAX_REMEMBERED_NAMES,
        remembered_rules: int = MAX_REMEMBERED_RULES,
    ) -> None:
        self._max_names = remembered_names
        self._max_rules = remembered_rules
        self.rules = tuple(rules)
        self._index = _Index(self.rules)
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._remembered_rules = 0

    def judge(self, event_name: str, source: str, namespace: NamespaceSource) -> Judgement:
        """
        Decide which rules match an event and where it goes.

        Args:
            event_name: In any case; what it is about has been verified.
            source: Name of the source it came from.
            namespace: Called at most once, and only if some rule looks at more than the name.
        """
        plan = self._plans.get((source, event_name.lower())) or self._plan(source, event_name.lower())
        if plan.settled is not None:
            return plan.settled
        looked_at = namespace()
        return _judgement(_matching(plan.rules, looked_at) or _matching(plan.last_resort, looked_at), looked_at)

    def explain(self, event_name: str, source: str, namespace: NamespaceSource) -> tuple[Verdict, ...]:
        """Say for every rule, in the order of the file, whether it matched and why; agrees with `judge`."""
        looked_at = namespace()
        name = event_name.lower()
        reasons = {place: _static_reason(rule, source, name) for place, rule in enumerate(self.rules)}
        verdicts: dict[int, Verdict] = {}
        any_matched = False
        for last_resort in (False, True):
            stopped_by: Rule | None = None
            for place, rule in enumerate(self.rules):
                if rule.unmatched is not last_resort:
                    continue
                reason = reasons[place] or _hidden_reason(stopped_by, last_resort and any_matched)
                verdicts[place] = _verdict(rule, reason, looked_at)
                if verdicts[place].matched and rule.stop:
                    stopped_by = rule
            any_matched = any(verdict.matched for verdict in verdicts.values())
        return tuple(verdicts[place] for place in range(len(self.rules)))

    def _plan(self, source: str, name: str) -> _Plan:
        candidates = [rule for rule in self._index.candidates(name) if _static_reason(rule, source, name) is None]
        plan = _planned(candidates)
        size = len(plan.rules) + len(plan.last_resort)
        # Names come from outside: a sender of ever new ones costs time, never memory.
        if len(self._plans) >= self._max_names or self._remembered_rules + size > self._max_rules:
            self._plans.clear()
            self._remembered_rules = 0
        self._plans[source, name] = plan
        self._remembered_rules += size
        return plan


class _Index:
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


def _planned(candidates: Sequence[Rule]) -> _Plan:
    rules = tuple(_up_to_stop(rule for rule in candidates if not rule.unmatched))
    last_resort = tuple(_up_to_stop(rule for rule in candidates if rule.unmatched))
    if any(not rule.is_conditional for rule in rules):
        last_resort = ()
    if any(rule.is_conditional or isinstance(rule.to, TableTarget) for rule in (*rules, *last_resort)):
        return _Plan(rules, last_resort, None)
    return _Plan(rules, last_resort, _judgement(rules or last_resort, {}))


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


def _judgement(matched: Sequence[Rule], namespace: Namespace) -> Judgement:
    routes = tuple(route for rule in matched for route in _routes(rule, namespace))
    return Judgement(tuple(rule.name for rule in matched), routes)


def _routes(rule: Rule, namespace: Namespace) -> tuple[Route, ...]:
    if rule.fixed_routes is not None:
        return rule.fixed_routes
    return tuple(Route(rule.name, name) for name in _once(rule.to.look_up(namespace) or ()))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _static_reason(rule: Rule, source: str, name: str) -> str | None:
    """Say why a rule cannot match any event of this name and source; None where it can."""
    if not rule.enabled:
        return "disabled"
    if rule.sources and source not in rule.sources:
        return f"sources: {source} is not one of {', '.join(sorted(rule.sources))}"
    if not any(pattern.matches(name) for pattern in rule.events):
        return f"events: {name} is not matched by {_texts(rule.events)}"
    for pattern in rule.excluded:
        if pattern.matches(name):
            return f"except: {name} is matched by {pattern.text}"
    return None


def _hidden_reason(stopped_by: Rule | None, another_matched: bool) -> str | None:
    if another_matched:
        return "unmatched: another rule matched"
    return None if stopped_by is None else f'hidden by stop of rule "{stopped_by.name}"'


def _verdict(rule: Rule, hidden: str | None, namespace: Namespace) -> Verdict:
    reason = hidden or _condition_reason(rule, namespace)
    if reason is not None:
        return Verdict(rule.name, matched=False, reason=reason)
    destinations = tuple(route.destination for route in _routes(rule, namespace))
    missed = rule.to.look_up(namespace) is None
    return Verdict(rule.name, True, rule.to.miss(namespace) if missed else "matched", destinations)


def _condition_reason(rule: Rule, namespace: Namespace) -> str | None:
    unmet = None if rule.when is None else rule.when.first_unmet(namespace)
    if unmet is not None:
        return f"when: {unmet.sentence}"
    if rule.unless is not None and rule.unless.holds(namespace):
        return f"excluded by unless: {rule.unless.met(namespace)}"
    return None


def _texts(patterns: Sequence[Pattern]) -> str:
    told = ", ".join(pattern.text for pattern in patterns[:_MAX_TOLD])
    more = len(patterns) - _MAX_TOLD
    return f"{told} and {more} more" if more > 0 else told
