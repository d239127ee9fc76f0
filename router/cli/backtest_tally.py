"""What a back-test comes to, in numbers: as many of them as there are rules, however many events there were."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from router.config.model import Configuration, Source
from router.delivery.backtesting import Change, Difference, Finding, Same
from router.events import Event
from router.rules.ruleset import Route
from router.store.history import Illegible


@dataclass(frozen=True)
class Both:
    """
    The two rule sets that are compared.

    Attributes:
        old_name, new_name: What people call them.
    """

    old: Configuration
    new: Configuration
    old_name: str
    new_name: str

    @property
    def hashes(self) -> tuple[str, str]:
        """What tells these rule sets from others."""
        return self.old.hash, self.new.hash

    def source(self, name: str) -> Source | None:
        """Find a source of either, by its name."""
        return self.new.sources.get(name) or self.old.sources.get(name)


class Group(NamedTuple):
    """
    Findings that are alike.

    Attributes:
        change: None where nothing differs.
        before, after: None where there is no message.
    """

    change: Change | None
    before: Route | None
    after: Route | None

    @property
    def place(self) -> Route:
        """The rule and destination that it is counted under."""
        route = self.before if self.change is Change.MOVES else self.after or self.before
        assert route is not None  # noqa: S101 - one of both is there
        return route


MOST_NAMED = 5


@dataclass
class Tally:
    """
    Attributes:
        looked_at: Events that were gone through, whether they were wished for or not.
        events: That were compared.
        oldest: When the oldest of them came.
        groups: How many findings there are of each kind.
        unknown: Of how many messages it cannot be told what they would say, by destination.
        homeless: How many events came from sources which the new file does not have.
        illegible: How many events could not be compared.
        named: The first few of those, each with the reason.
    """

    looked_at: int = 0
    events: int = 0
    oldest: datetime | None = None
    groups: Counter[Group] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    homeless: Counter[str] = field(default_factory=Counter)
    illegible: int = 0
    named: list[Illegible] = field(default_factory=list)

    def note(self, event: Event, both: Both) -> None:
        """Count an event that was compared."""
        self.events += 1
        self.oldest = event.received_at
        if event.source not in both.new.sources:
            self.homeless[event.source] += 1

    def note_illegible(self, event: Event | Illegible, reason: str) -> None:
        """Count an event that could not be."""
        self.illegible += 1
        self.oldest = event.received_at
        if len(self.named) < MOST_NAMED:
            self.named.append(Illegible(event.id, event.name, event.received_at, reason))

    def join(self, older: Tally) -> None:
        """Count in what came of older events."""
        self.looked_at += older.looked_at
        self.events += older.events
        self.oldest = older.oldest or self.oldest
        self.groups += older.groups
        self.unknown += older.unknown
        self.homeless += older.homeless
        self.illegible += older.illegible
        self.named = [*self.named, *older.named][:MOST_NAMED]

    def add(self, finding: Finding) -> None:
        """Count a finding."""
        group = group_of(finding)
        if group is None:
            self.unknown[finding.places[0].destination] += 1
        else:
            self.groups[group] += 1

    @property
    def differences(self) -> int:
        """How many messages would differ."""
        return sum(count for group, count in self.groups.items() if group.change is not None)

    @property
    def same(self) -> int:
        """How many would stay as they are."""
        return sum(count for group, count in self.groups.items() if group.change is None)

    def by_change(self) -> Counter[Change]:
        """How many differ in each way."""
        found: Counter[Change] = Counter()
        for group, count in self.groups.items():
            if group.change is not None:
                found[group.change] += count
        return found


def group_of(finding: Finding) -> Group | None:
    """Say what a finding is alike; None where nothing can be told."""
    if isinstance(finding, Same):
        return Group(None, finding.before, finding.after)
    if isinstance(finding, Difference):
        before, after = finding.before, finding.after
        return Group(finding.change, before.route if before else None, after.route if after else None)
    return None
