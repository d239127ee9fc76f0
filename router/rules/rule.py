"""One rule as far as matching goes: what it asks of an event, and where it sends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from router.rules.conditions import Condition
from router.rules.paths import Find, Namespace, compile_path, elements, text_of
from router.rules.patterns import Pattern
from router.rules.wording import shown_all

_MAX_TOLD = 5


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
        for value in elements(self.find(namespace)):
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
        only_if: One expression that must hold; `if` in the rule file.
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
    only_if: Condition | None = None
    stop: bool = False
    unmatched: bool = False
    enabled: bool = True

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

    def static_reason(self, source: str, name: str) -> str | None:
        """Say why it cannot match any event of a source and of a name in lower case; None where it can."""
        if not self.enabled:
            return "disabled"
        if self.sources and source not in self.sources:
            return f"sources: {source} is not one of {', '.join(sorted(self.sources))}"
        if not any(pattern.matches(name) for pattern in self.events):
            return f"events: {name} is not matched by {_texts(self.events)}"
        for pattern in self.excluded:
            if pattern.matches(name):
                return f"except: {name} is matched by {pattern.text}"
        return None

    def condition_reason(self, namespace: Namespace) -> str | None:
        """Say which condition keeps it from matching; None where none does."""
        unmet = None if self.when is None else self.when.first_unmet(namespace)
        if unmet is not None:
            return f"when: {unmet.sentence}"
        if self.unless is not None and self.unless.holds(namespace):
            return f"excluded by unless: {self.unless.met(namespace)}"
        unmet = None if self.only_if is None else self.only_if.first_unmet(namespace)
        return None if unmet is None else f"if: {unmet.sentence}"

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
    told = ", ".join(pattern.text for pattern in patterns[:_MAX_TOLD])
    more = len(patterns) - _MAX_TOLD
    return f"{told} and {more} more" if more > 0 else told
