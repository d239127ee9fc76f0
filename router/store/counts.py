"""
Counting in the same commits as the rows, so that totals and queue lengths never cost a walk over the backlog.

Names of counters: `events`, `rejected`, `repeated_bodies`; `deliveries/<state>` for final states (the number that ever
reached it); `deliveries/<state>/<destination>` for the others (the number now).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from router.events import DeliveryState
from router.store.records import DestinationStats, LaneState, Stats

EVENTS = "events"
REJECTED = "rejected"
REPEATED_BODIES = "repeated_bodies"

_FINAL = {state.value: f"deliveries/{state.value}" for state in DeliveryState if state.is_final}
_WAITING = {state.value: f"deliveries/{state.value}/" for state in DeliveryState if not state.is_final}


class Changes:
    """
    What one transaction adds to the counters.

    Attributes:
        by_name: For the counters on disk.
        ended, attempts: For `Figures`, which are in memory: by destination, and by final state or outcome.
    """

    __slots__ = ("attempts", "by_name", "ended")

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}
        self.ended: dict[tuple[str, str], int] = {}
        self.attempts: dict[tuple[str, str], int] = {}

    def add(self, name: str, by: int = 1) -> None:
        self.by_name[name] = self.by_name.get(name, 0) + by

    def merge(self, other: Changes) -> None:
        for name, by in other.by_name.items():
            self.add(name, by)
        for ended, count in other.ended.items():
            self.ended[ended] = self.ended.get(ended, 0) + count
        for (destination, outcome), count in other.attempts.items():
            self.attempted(destination, outcome, count)

    def inserted(self, state: str, destination: str) -> None:
        self._reached(state, destination, 1)

    def moved(self, old: str, new: str, destination: str, count: int = 1) -> None:
        """Count deliveries of a destination that went from one state, never a final one, to another."""
        self.add(_WAITING[old] + destination, -count)
        self._reached(new, destination, count)

    def attempted(self, destination: str, outcome: str, count: int = 1) -> None:
        """Count an attempt that is recorded."""
        self.attempts[destination, outcome] = self.attempts.get((destination, outcome), 0) + count

    def _reached(self, state: str, destination: str, count: int) -> None:
        final = _FINAL.get(state)
        if final is None:
            self.add(_WAITING[state] + destination, count)
        else:
            self.add(final, count)
            self.ended[destination, state] = self.ended.get((destination, state), 0) + count


class Totals:
    """The counters as last committed, in memory."""

    def __init__(self, rows: Iterable[tuple[str, int]] = ()) -> None:
        self.waiting = 0
        self._values: dict[str, int] = {}
        self._waiting_by_destination: dict[str, int] = {}
        self.apply(dict(rows))

    def apply(self, changes: Mapping[str, int]) -> None:
        """Add what a transaction changed; call it once the transaction is committed."""
        for name, by in changes.items():
            self._values[name] = self._values.get(name, 0) + by
            _, _, rest = name.partition("/")
            _, slash, destination = rest.partition("/")
            if slash:
                self.waiting += by
                waiting = self._waiting_by_destination.get(destination, 0) + by
                self._waiting_by_destination[destination] = waiting
                if not waiting:
                    del self._waiting_by_destination[destination]

    @property
    def destinations(self) -> Collection[str]:
        """Destinations of which anything is not final."""
        return list(self._waiting_by_destination)

    def stats(self, lanes: Mapping[str, LaneState]) -> Stats:
        """Put the totals into the shape that is shown."""
        by_state = dict.fromkeys(DeliveryState, 0)
        waiting: dict[str, dict[DeliveryState, int]] = {name: {} for name in lanes}
        for name, value in self._values.items():
            kind, _, rest = name.partition("/")
            if kind != "deliveries":
                continue
            state, _, destination = rest.partition("/")
            by_state[DeliveryState(state)] += value
            if value and destination:
                waiting.setdefault(destination, {})[DeliveryState(state)] = value
        return Stats(
            events=self._values.get(EVENTS, 0),
            rejected=self._values.get(REJECTED, 0),
            repeated_bodies=self._values.get(REPEATED_BODIES, 0),
            deliveries=by_state,
            destinations={name: DestinationStats(waiting[name], lanes.get(name)) for name in sorted(waiting)},
        )
