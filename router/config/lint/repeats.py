"""Rules that send one event to the same destination, where people are then told twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from router.config.destination_section import Types
from router.config.nodes import Entry, Node, plain
from router.config.problems import listed, named
from router.config.reading import Reading
from router.config.rule_section import ReadRule, texts
from router.payload import dump_json
from router.rules.ruleset import FixedTarget, Rule
from router.sources import KINDS

_CONDITIONS = ("when", "unless", "if")
_UNCONDITIONAL = b""
_MOST_NAMED = 3
_MOST_SOURCES = 32
"""That a rule for all sources is looked at with: files have a few, and so the work grows with the rules alone."""


class Repeats:
    """
    Looks for rules that surely match the same known events, and send them to the same destination.

    Args:
        sources: Their kinds by name, None where one is unknown.
    """

    def __init__(self, sources: Mapping[str, str | None], types: Types, reading: Reading) -> None:
        self._sources = sources
        self._types = types
        self._reading = reading
        self._events: dict[object, tuple[str, ...]] = {}
        self._told_apart: Sequence[str] = ()

    def lint(self, rules: Sequence[ReadRule]) -> None:
        """Look at all rules of a file without errors, in their order."""
        self._told_apart = self._sources_told_apart(rules)
        groups = self._groups(rules)
        closed = self._closed(rules) if groups else {}
        for group in groups:
            first: dict[object, ReadRule] = {}
            for number, read, destination in group:
                self._compare(number, read, destination, closed, first)

    def _sources_told_apart(self, rules: Sequence[ReadRule]) -> Sequence[str]:
        """Those that some rule names, and of all others one of each kind: what holds for that holds for its like."""
        named_ones = {name for read in rules if read.rule is not None for name in read.rule.sources}
        like = {(kind, name if name in named_ones else None): name for name, kind in self._sources.items()}
        return list(like.values())[:_MOST_SOURCES]

    def _groups(self, rules: Sequence[ReadRule]) -> list[list[tuple[int, ReadRule, str]]]:
        """Put together what may be a repetition: of ten thousand rules with conditions of their own, nothing."""
        groups: defaultdict[object, list[tuple[int, ReadRule, str]]] = defaultdict(list)
        for number, read in enumerate(rules):
            rule = read.rule
            if rule is None or not rule.enabled or rule.unmatched or not isinstance(rule.to, FixedTarget):
                continue
            required = rule.when.requires if rule.when is not None else None
            for name in dict.fromkeys(rule.to.names):
                built = self._types.built.get(name)
                if built is not None and built.enabled:
                    key = (name, required, rule.when is None, rule.unless is None, rule.only_if is None)
                    groups[key].append((number, read, name))
        return [group for group in groups.values() if len(group) > 1]

    def _closed(self, rules: Sequence[ReadRule]) -> dict[object, int]:
        """Say from which rule on no event of a source and name is seen any more, under the same condition or at all."""
        closed: dict[object, int] = {}
        for number, read in enumerate(rules):
            if _stops(read.rule):
                for key in self._seen(read):
                    closed.setdefault(key, number)
        return closed

    def _compare(
        self, number: int, read: ReadRule, destination: str, closed: Mapping[object, int], first: dict[object, ReadRule]
    ) -> None:
        repeated: dict[str, list[str]] = {}
        for source, event, condition in self._seen(read):
            ends = (closed.get((source, event, asked), number) for asked in (condition, _UNCONDITIONAL))
            if min(ends) < number:
                continue
            other = first.setdefault((source, event, condition), read)
            if other is not read:
                repeated.setdefault(other.name, []).append(event)
        if repeated:
            name, events = next(iter(repeated.items()))
            other = next(each for each in first.values() if each.name == name)
            self._tell(read, other, destination, list(dict.fromkeys(events)))

    def _seen(self, read: ReadRule) -> Iterator[tuple[str, str, bytes]]:
        """The known events of a rule by source and name, each with what is asked of it."""
        condition = _condition(read)
        for source in (read.rule.sources if read.rule is not None else ()) or self._told_apart:
            for event in self._known(read, source):
                yield source, event, condition

    def _tell(self, read: ReadRule, other: ReadRule, destination: str, events: Sequence[str]) -> None:
        more = len(events) - _MOST_NAMED
        shown = listed(events[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        to = read.node.entries["to"]
        self._reading.warn(
            _scalar_of(to, destination),
            "duplicate-message",
            f"{named(destination)} gets {shown} twice: from this rule and from {named(other.name)} at line"
            f" {other.place.line}; leave such events out here with except, or let the earlier rule stop: true",
        )

    def _known(self, read: ReadRule, source: str) -> Sequence[str]:
        """Known events of a source that the patterns of a rule match, in lower case."""
        kind = self._sources.get(source)
        if kind is None or kind not in KINDS:
            return ()
        patterns = (tuple(each.pattern.text for each in some) for some in (read.events, read.excluded))
        key = (kind, *patterns)
        if key not in self._events:
            self._events[key] = tuple(
                name
                for name in map(str.lower, KINDS[kind].catalogue)
                if any(each.pattern.matches(name) for each in read.events)
                and not any(each.pattern.matches(name) for each in read.excluded)
            )
        return self._events[key]


def _stops(rule: Rule | None) -> bool:
    return rule is not None and rule.stop and rule.enabled and not rule.unmatched


def _condition(read: ReadRule) -> bytes:
    """What a rule asks beside the name of an event; two that are written alike are the same."""
    entries = read.node.entries
    asked = [plain(entries[key].value) if key in entries else None for key in _CONDITIONS]
    return dump_json(asked) if any(each is not None for each in asked) else _UNCONDITIONAL


def _scalar_of(to: Entry, name: str) -> Node:
    return next((each for each in texts(to.value) if each.value == name), to.value)
