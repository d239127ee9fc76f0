"""What another rule set would make of events that came: the messages that would differ. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from router.config.model import Configuration, Source
from router.delivery.judging import judge
from router.delivery.likeness import Likeness
from router.delivery.preview import draft
from router.events import Event, Message
from router.messages.directory import Directory
from router.payload import same_json
from router.rules.ruleset import Route


class Change(StrEnum):
    """How what becomes of an event differs, the gravest first."""

    FAILS = "fails"
    """Its message could not be written any more: it would be a dead letter."""
    VANISHES = "vanishes"
    """Nothing would be sent any more."""
    MOVES = "moves"
    """It would go to another destination."""
    READS_DIFFERENTLY = "reads_differently"
    """It would go where it went, and say something else."""
    APPEARS = "appears"
    """A message where there was none."""
    MENDED = "mended"
    """Its message could be written, which it could not be until now."""
    SPARED = "spared"
    """A message that could not be written would not be tried any more: a dead letter less."""


@dataclass(frozen=True, slots=True)
class Side:
    """
    What becomes of an event under one of both rule sets.

    Attributes:
        message: None where it cannot be written.
        error: Why it cannot; empty where it can.
    """

    route: Route
    message: Message | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One message that would differ; a side is None where there is none."""

    change: Change
    event: Event
    before: Side | None
    after: Side | None

    @property
    def places(self) -> tuple[Route, ...]:
        """The rules and destinations that it is about, the old one first."""
        return tuple(side.route for side in (self.before, self.after) if side is not None)


@dataclass(frozen=True, slots=True)
class Same:
    """Nothing would differ for whoever gets it, though it may be by a rule of another name."""

    before: Route
    after: Route

    @property
    def places(self) -> tuple[Route, ...]:
        """As of a difference."""
        return self.before, self.after


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot be told what would be said: more than a secret is unknown of the destination's settings."""

    route: Route

    @property
    def places(self) -> tuple[Route, ...]:
        """As of a difference."""
        return (self.route,)


Finding = Difference | Same | Unknown


class Backtest:
    """
    Holds events that came against two rule sets.

    Both see the same: what was known when an event came, and of the rest what the directory knows.

    Args:
        old: The rule set that runs.
        new: The one to be tried.
    """

    def __init__(self, old: Configuration, new: Configuration, directory: Directory) -> None:
        self._old = old
        self._new = _with_shared_names(new, old)
        self._likeness = Likeness(self._old, self._new)
        self._directory = directory

    def findings(self, event: Event) -> Sequence[Finding]:
        """Compare what becomes of one event, message by message."""
        before, after = self._routes(event, self._old), self._routes(event, self._new)
        found: list[Finding] = []
        kept = set(after)
        alike = {each for each in before if each in kept and self._likeness.surely(each, event.source)}
        found += [Same(each, each) for each in before if each in alike]
        if len(alike) == len(before) == len(after):
            return found
        # Each side is written in one go: what it asks of the event is worked out once, and kept with the event.
        old = self._sides(event, self._old, [each for each in before if each not in alike], found)
        new = self._sides(event, self._new, [each for each in after if each not in alike], found)
        return [*found, *_compared(event, old, new)]

    def _routes(self, event: Event, by: Configuration) -> tuple[Route, ...]:
        """Where it goes. What comes for a source that a rule file does not have is answered 404 under it."""
        if event.source not in by.sources:
            return ()
        routes = judge(event, by, self._directory).routes
        return tuple(route for route in routes if _takes_messages(route.destination, by))

    def _sides(self, event: Event, by: Configuration, routes: Iterable[Route], found: list[Finding]) -> list[Side]:
        sides = []
        for route in routes:
            if route.destination not in by.destinations:
                if Unknown(route) not in found:
                    found.append(Unknown(route))
                continue
            written = draft(event, route, by, self._directory)
            if written.error or not written.reason:
                sides.append(Side(route, written.message, written.error))
        return sides


def _takes_messages(name: str, by: Configuration) -> bool:
    destination = by.destinations.get(name)
    return destination is None or destination.enabled


def _compared(event: Event, old: list[Side], new: list[Side]) -> Iterable[Finding]:
    """Pair what came with what would come: what is most likely to be the same message first."""
    for is_pair in (_by_the_same_rule, _renamed, _to_the_same_destination, _of_the_same_rule, _saying_the_same):
        for before in list(old):
            after = next((each for each in new if is_pair(before, each)), None)
            if after is not None:
                old.remove(before)
                new.remove(after)
                yield _between(event, before, after)
    for before in old:
        yield Difference(Change.SPARED if before.error else Change.VANISHES, event, before, None)
    for after in new:
        yield Difference(Change.FAILS if after.error else Change.APPEARS, event, None, after)


def _by_the_same_rule(before: Side, after: Side) -> bool:
    return before.route == after.route


def _renamed(before: Side, after: Side) -> bool:
    return _to_the_same_destination(before, after) and _saying_the_same(before, after)


def _to_the_same_destination(before: Side, after: Side) -> bool:
    return before.route.destination == after.route.destination


def _of_the_same_rule(before: Side, after: Side) -> bool:
    return before.route.rule == after.route.rule


def _saying_the_same(before: Side, after: Side) -> bool:
    return bool(before.message and after.message and _same_message(before.message, after.message))


def _between(event: Event, before: Side, after: Side) -> Finding:
    if before.error and after.error and _to_the_same_destination(before, after):
        return Same(before.route, after.route)
    if after.error:
        return Difference(Change.FAILS, event, before, after)
    if before.error:
        return Difference(Change.MENDED, event, before, after)
    if not _to_the_same_destination(before, after):
        return Difference(Change.MOVES, event, before, after)
    if _saying_the_same(before, after):
        return Same(before.route, after.route)
    return Difference(Change.READS_DIFFERENTLY, event, before, after)


def _same_message(before: Message, after: Message) -> bool:
    # For Python, 1, 1.0 and true are equal; whoever reads the JSON may think otherwise.
    return before == after and same_json(before.body, after.body) and same_json(before.blocks, after.blocks)


def _with_shared_names(new: Configuration, old: Configuration) -> Configuration:
    """Let both use one set of given names where they are equal: what is worked out of an event then holds for both."""

    def shared(name: str, source: Source) -> Source:
        known = old.sources.get(name)
        if known is None or not known.given.says_the_same_as(source.given):
            return source
        return source.model_copy(update={"given": known.given})

    return replace(new, sources={name: shared(name, source) for name, source in new.sources.items()})
