"""Which events the rules of a file need to be sent at all, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.rules.rule import Rule


@dataclass(frozen=True)
class Need:
    """
    Attributes:
        rules: Names of those that can match such an event, in the order of the file; without any, nobody needs it.
        last_resort: They are all `unmatched`: it is needed only because one of them takes whatever nobody else wants.
    """

    event: str
    rules: tuple[str, ...]
    last_resort: bool = False


def needs(rules: Sequence[Rule], source: str, events: Iterable[str]) -> list[Need]:
    """
    Say of each event of a source who needs it.

    A rule with conditions may match, so it counts; one that is disabled, or that others always keep from matching, does
    not: behind a `stop` without conditions, or an `unmatched` one of which a rule without conditions takes every event.
    """
    return [_need(rules, source, event) for event in events]


def _need(rules: Sequence[Rule], source: str, event: str) -> Need:
    fitting = [rule for rule in rules if rule.static_miss(source, event.lower()) is None]
    ordinary = _reached([rule for rule in fitting if not rule.unmatched])
    always = any(not rule.is_conditional for rule in ordinary)
    last = [] if always else _reached([rule for rule in fitting if rule.unmatched])
    names = tuple(rule.name for rule in rules if rule in ordinary or rule in last)
    return Need(event, names, last_resort=bool(last) and not ordinary)


def _reached(rules: Sequence[Rule]) -> list[Rule]:
    """Leave out what stands behind a rule that matches and stops whatever comes."""
    for place, rule in enumerate(rules):
        if rule.stop and not rule.is_conditional:
            return [*rules[: place + 1]]
    return [*rules]
