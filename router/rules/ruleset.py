"""
Which rules match an event, where it goes, and why the other rules did not match.

How rules act on each other:

- They are judged in the order of the file. A rule matches when it is enabled, is about the source, one of its `events`
  and none of its `except` patterns matches the name, all of `when` holds, not all of `unless` does, and `if` holds.
- A rule whose look-up table has no entry for the event, and no `otherwise`, matches all the same: it gives no route,
  but its `stop` acts, and `unmatched` rules do not fire.
- `stop` hides every later rule from an event that the rule matches.
- `unmatched` rules are judged after all others, and only if none of them matched. Several may match, in their order; a
  `stop` on one hides the `unmatched` rules behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from router.rules.paths import Namespace
from router.rules.plans import SIEVE_FROM, Index, Judgement, Plan, make_plan
from router.rules.rule import FixedTarget, Miss, Route, Rule, TableTarget, Target

__all__ = ["FixedTarget", "Judgement", "Miss", "Route", "Rule", "RuleSet", "TableTarget", "Target", "Verdict"]

FAR = 3
"""The `nearness` of rules about other events."""

UNKNOWN = "is not known"
"""How a reason ends that is about a name which nothing told."""

MAX_REMEMBERED_NAMES = 1_024
MAX_REMEMBERED_RULES = 250_000

NamespaceSource = Callable[[], Namespace]
"""Builds what conditions and tables look at. Called at most once per event, and only if some rule asks."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What one rule made of an event, and why.

    Attributes:
        destinations: Where it sends the event.
        miss: Why it does not match or, where it does, why it has no destination; None where it has one.
        line: Where the rule begins in its file, from 1; 0 where that is not known.
    """

    rule: str
    matched: bool
    destinations: tuple[str, ...] = ()
    miss: Miss | None = None
    line: int = 0

    @property
    def reason(self) -> str:
        """The whole in words for an admin."""
        return "matched" if self.miss is None else self.miss.reason

    @property
    def key(self) -> str | None:
        """The key of the rule that decides; None where it matches and has a destination."""
        return None if self.miss is None else self.miss.key


class RuleSet:
    """
    The rules of one file, compiled. Immutable but for its memory of names; for use by one thread.

    Args:
        rules: In the order of the file; their names differ.
        remembered_names, remembered_rules: How many names, and how many references to rules, are kept between events.
        sieve_from: So many rules of one name are found by the event's fields instead of being tried one by one.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        remembered_names: int = MAX_REMEMBERED_NAMES,
        remembered_rules: int = MAX_REMEMBERED_RULES,
        sieve_from: int = SIEVE_FROM,
    ) -> None:
        self._max_names = remembered_names
        self._max_rules = remembered_rules
        self._sieve_from = sieve_from
        self.rules = tuple(rules)
        self._index = Index(self.rules)
        self._plans: dict[tuple[str, str], Plan] = {}
        self._shared: dict[tuple[int, ...], Plan] = {}
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
        return plan.judge(namespace())

    def explain(self, event_name: str, source: str, namespace: NamespaceSource) -> tuple[Verdict, ...]:
        """Say for every rule, in the order of the file, whether it matched and why; agrees with `judge`."""
        looked_at = namespace()
        name = event_name.lower()
        misses = {place: rule.static_miss(source, name) for place, rule in enumerate(self.rules)}
        verdicts: dict[int, Verdict] = {}
        any_matched = False
        for last_resort in (False, True):
            stopped_by: Rule | None = None
            for place, rule in enumerate(self.rules):
                if rule.unmatched is not last_resort:
                    continue
                hidden = misses[place] or _hidden(stopped_by, last_resort and any_matched)
                verdicts[place] = _verdict(rule, hidden, looked_at)
                if verdicts[place].matched and rule.stop:
                    stopped_by = rule
            any_matched = any(verdict.matched for verdict in verdicts.values())
        return tuple(verdicts[place] for place in range(len(self.rules)))

    def _plan(self, source: str, name: str) -> Plan:
        candidates = tuple(rule for rule in self._index.candidates(name) if rule.static_miss(source, name) is None)
        # Names with the same rules share a plan: those of a family, and all that are unknown.
        key = tuple(map(id, candidates))
        shared = self._shared.get(key)
        plan = shared or make_plan(candidates, self._sieve_from)
        size = 0 if shared else len(candidates) + plan.rules.size + plan.last_resort.size
        # Names come from outside: a sender of ever new ones costs time, never memory.
        if len(self._plans) >= self._max_names or self._remembered_rules + size > self._max_rules:
            self._plans.clear()
            self._shared.clear()
            self._remembered_rules = 0
        self._plans[source, name] = self._shared[key] = plan
        self._remembered_rules += size
        return plan


def nearness(matched: bool, key: str | None) -> int:
    """
    Order verdicts by how near a rule came.

    Args:
        key: The key of the rule that decided.

    Returns:
        0 where it matches, 1 but for a condition, 2 but for another setting, `FAR` if it is about other events.
    """
    if matched:
        return 0
    if key in ("when", "unless", "if"):
        return 1
    return FAR if key == "events" else 2


def _hidden(stopped_by: Rule | None, another_matched: bool) -> Miss | None:
    if another_matched:
        return Miss("unmatched", "unmatched: another rule matched")
    return None if stopped_by is None else Miss("stop", f'hidden by stop of rule "{stopped_by.name}"')


def _verdict(rule: Rule, hidden: Miss | None, namespace: Namespace) -> Verdict:
    miss = hidden or rule.condition_miss(namespace)
    if miss is not None:
        return Verdict(rule.name, matched=False, miss=miss, line=rule.line)
    destinations = tuple(route.destination for route in rule.routes(namespace))
    return Verdict(rule.name, True, destinations, None if destinations else rule.to.miss(namespace), rule.line)
