"""Patterns that match nothing, or less than was meant, and rules that see nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from router.config.problems import did_you_mean, named, nearest
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.rules.patterns import Pattern
from router.sources import KINDS

_MOST_STOPPING = 100


def lint_rules(rules: Sequence[ReadRule], reading: Reading) -> None:
    """Look at the patterns of each rule, and at what earlier rules leave for it."""
    named_events = frozenset(placed.pattern.literal for rule in rules for placed in rule.events)
    known = {kinds: _Known(kinds, named_events) for kinds in {rule.kinds for rule in rules}}
    for rule in rules:
        _unknown_events(rule, known[rule.kinds], reading)
        _missed_bare_events(rule, known[rule.kinds].bare_events, reading)
    if not reading.has_errors:  # what has errors may yet change which rule sees what
        _hidden_rules(rules, reading)


class _Known:
    """
    The known events of some kinds of sources.

    Attributes:
        bare_events: Those that no rule names, in lower case.
    """

    def __init__(self, kinds: Sequence[str], named_events: frozenset[str | None]) -> None:
        self.names = [name for kind in kinds for name in KINDS[kind].catalogue]
        self.bare_events = {name.lower() for name in self.names} - named_events
        self._fitting: dict[str, bool] = {}  # of ten thousand rules many have the same patterns

    def fit(self, pattern: Pattern) -> bool:
        """Whether a pattern matches any of them."""
        if pattern.text not in self._fitting:
            self._fitting[pattern.text] = any(pattern.matches(name) for name in self.names)
        return self._fitting[pattern.text]


def _unknown_events(rule: ReadRule, known: _Known, reading: Reading) -> None:
    for placed in (*rule.events, *rule.excluded):
        pattern = placed.pattern
        if known.fit(pattern):
            continue
        kinds = " or ".join(rule.kinds)
        reading.warn(
            placed.place,
            "unknown-event",
            f"{named(pattern.text)} matches none of the known events of {kinds}{_better(pattern.text, known.names)}",
        )


def _better(text: str, known: Sequence[str]) -> str:
    """Guess the pattern that was meant: `page.*` for `page*`, else the nearest name."""
    resources = {name.lower().split(".")[0] for name in known}
    word = text.lower().split(".")[0].rstrip("*")
    if word in resources and "." not in text:
        return f" (did you mean '{word}.*'?)"
    first, dot, rest = text.partition(".")
    close = nearest(first, resources) if dot and "*" in rest else None
    if close is not None and close != first.lower():
        return f" (did you mean '{close}.{rest}'?)"
    return did_you_mean(text, known)


def _missed_bare_events(rule: ReadRule, bare_events: Collection[str], reading: Reading) -> None:
    """Look for `X.*` without `X`; whoever names `X` in any rule knows the difference."""
    for placed in rule.events:
        text = placed.pattern.text.lower()
        bare = text.removesuffix(".*")
        if bare == text or bare not in bare_events:
            continue
        if not any(each.pattern.matches(bare) for each in (*rule.events, *rule.excluded)):
            reading.warn(
                placed.place,
                "bare-event-missed",
                f"{named(placed.pattern.text)} does not match '{bare}' itself; if that is meant too, write both:"
                f" [{bare}, {bare}.*]",
            )


def _hidden_rules(rules: Sequence[ReadRule], reading: Reading) -> None:
    stopping: list[ReadRule] = []
    for read in rules:
        rule = read.rule
        if rule is None or not rule.enabled:
            continue
        by = next((earlier for earlier in stopping if _covers(earlier, read)), None)
        if by is not None:
            reading.warn(
                read.place,
                "hidden-rule",
                f"rule {named(read.name)} sees no event: rule {named(by.name)} at line {by.place.line} stops them all",
            )
        if (
            len(stopping) < _MOST_STOPPING
            and rule.stop
            and not rule.is_conditional
            and not rule.excluded
            and not rule.unmatched
        ):
            stopping.append(read)


def _covers(earlier: ReadRule, later: ReadRule) -> bool:
    """Whether every event of the later rule is one of the earlier: simple cases only, each of them certain."""
    first, second = earlier.rule, later.rule
    if first is None or second is None or not second.events:
        return False
    if first.sources and not (second.sources and second.sources <= first.sources):
        return False
    texts = {pattern.text.lower() for pattern in first.events}
    if texts & {"*", "**"}:
        return True
    return all(
        pattern.text.lower() in texts
        or (pattern.literal is not None and any(each.matches(pattern.literal) for each in first.events))
        for pattern in second.events
    )
