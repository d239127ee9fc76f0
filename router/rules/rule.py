"""One rule as far as matching goes: what it asks of an event, and where it sends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from router.rules.conditions import Condition
from router.rules.paths import Find, Namespace, compile_path, elements, text_of
from router.rules.patterns import Pattern
from router.rules.wording import shown_all

_MAX_TOLD = 5

DECIDING_KEYS = ("enabled", "sources", "events", "except", "stop", "unmatched", "when", "unless", "if", "to")
"""Keys of a rule that may keep an event from being sent; `stop` is that of an earlier rule."""


class Miss(NamedTuple):
    """
    Why a rule sends an event nowhere, mostly because it does not match.

    Attributes:
        key: The key of the rule that decides: `events`, `when`, `stop` where that of an earlier rule does, …
        reason: The whole, in words for an admin.
        field: Path of the field that decides; None where nothing of the event does.
        saw: What the event has there.
        wanted: What the rule asks for there.
    """

    key: str
    reason: str
    field: str | None = None
    saw: str | None = None
    wanted: str | None = None


@dataclass(frozen=True)
class FixedTarget:
    """Destinations by name, the same for every event."""

    names: tuple[str, ...]

    def look_up(self, _: Namespace) -> tuple[str, ...]:
        """Give the destinations."""
        return self.names

    def miss(self, _: Namespace) -> Miss:
        """Say why an event has no destination."""
        return Miss("to", "to: no destination is named")


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
        for value in elements(self.find(namespace)):
            text = text_of(value)
            if text is not None and len(text) <= self._longest:  # folding makes no text shorter
                names = self._entries.get(text.casefold())
                if names is not None:
                    found.append(names)
        return _once(name for names in found for name in names) if found else self.otherwise

    def miss(self, namespace: Namespace) -> Miss:
        """Say why an event has no destination."""
        found = self.find(namespace)
        saw = shown_all(found)
        if self.look_up(namespace) is not None:
            reason = f"to: what stands there for {self.by} {saw} names no destination"
        elif found:
            reason = f"to: no entry for {self.by} {saw} and no otherwise"
        else:
            reason = f"to: {self.by} is missing and there is no otherwise"
        return Miss("to", reason, self.by, saw, f"one of {_told([*self.table])}")


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
        only_if: One expression that must hold; `if` in the rule file.
        stop: No later rule sees an event that this one matches.
        unmatched: Matches only if no rule without this setting did.
        line: Where it begins in the rule file, from 1; 0 where it was not read from one.
    """

    name: str
    events: tuple[Pattern, ...]
    to: Target
    excluded: tuple[Pattern, ...] = ()
    sources: frozenset[str] = frozenset()
    when: Condition | None = None
    unless: Condition | None = None
    only_if: Condition | None = None
    stop: bool = False
    unmatched: bool = False
    enabled: bool = True
    line: int = field(default=0, compare=False)

    @cached_property
    def is_conditional(self) -> bool:
        """Whether more than the name and the source decides if it matches."""
        return self.when is not None or self.unless is not None or self.only_if is not None

    @cached_property
    def fixed_routes(self) -> tuple[Route, ...] | None:
        """Where it sends every event it matches; None where a table decides."""
        if not isinstance(self.to, FixedTarget):
            return None
        return tuple(Route(self.name, name) for name in _once(self.to.names))

    def routes(self, namespace: Namespace) -> tuple[Route, ...]:
        """Where it sends an event that it matches; each destination once."""
        if self.fixed_routes is not None:
            return self.fixed_routes
        return tuple(Route(self.name, name) for name in _once(self.to.look_up(namespace) or ()))

    def static_miss(self, source: str, name: str) -> Miss | None:
        """Say why it cannot match any event of a source and of a name in lower case; None where it can."""
        if not any(pattern.matches(name) for pattern in self.events):
            wanted = _texts(self.events)
            return Miss("events", f"events: {name} is not matched by {wanted}", "event.name", name, wanted)
        if not self.enabled:
            return Miss("enabled", "disabled")
        if self.sources and source not in self.sources:
            wanted = ", ".join(sorted(self.sources))
            return Miss("sources", f"sources: {source} is not one of {wanted}", "event.source", source, wanted)
        for pattern in self.excluded:
            if pattern.matches(name):
                return Miss(
                    "except", f"except: {name} is matched by {pattern.text}", "event.name", name, f"not {pattern.text}"
                )
        return None

    def condition_miss(self, namespace: Namespace) -> Miss | None:
        """Say which condition keeps it from matching; None where none does."""
        unmet = None if self.when is None else self.when.first_unmet(namespace)
        if unmet is not None:
            return Miss("when", f"when: {unmet.sentence}", unmet.field, unmet.saw, unmet.wanted)
        if self.unless is not None and self.unless.holds(namespace):
            met = self.unless.met(namespace)
            return Miss("unless", f"excluded by unless: {met.sentence}", met.field, met.saw, met.unwanted)
        unmet = None if self.only_if is None else self.only_if.first_unmet(namespace)
        return None if unmet is None else Miss("if", f"if: {unmet.sentence}", unmet.field, unmet.saw, unmet.wanted)

    def holds(self, namespace: Namespace) -> bool:
        """Judge the conditions alone."""
        return (
            (self.when is None or self.when.holds(namespace))
            and (self.unless is None or not self.unless.holds(namespace))
            and (self.only_if is None or self.only_if.holds(namespace))
        )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _texts(patterns: Sequence[Pattern]) -> str:
    return _told([pattern.text for pattern in patterns])


def _told(texts: Sequence[str]) -> str:
    told = ", ".join(texts[:_MAX_TOLD])
    more = len(texts) - _MAX_TOLD
    return f"{told} and {more} more" if more > 0 else told
