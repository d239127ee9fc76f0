"""
Counting in the same commits as the rows, so that totals and queue lengths never cost a walk over the backlog.

Names of counters: `events`, `rejected`, `repeated_bodies`; `deliveries/<state>` for final states (the number that ever
reached it); `deliveries/<state>/<destination>` for the others (the number now).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from router.events import DeliveryState
from router.store.base import DestinationStats, LaneState, Stats

EVENTS = "events"
REJECTED = "rejected"
REPEATED_BODIES = "repeated_bodies"

_FINAL = {state.value: f"deliveries/{state.value}" for state in DeliveryState if state.is_final}
_WAITING = {state.value: f"deliveries/{state.value}/" for state in DeliveryState if not state.is_final}


def counter_of(state: str, destination: str) -> str:
    """Name the counter in which a delivery of this state is counted."""
    return _FINAL.get(state) or _WAITING[state] + destination


class Changes:
    """What one transaction adds to the counters."""

    __slots__ = ("by_name",)

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}

    def add(self, name: str, by: int = 1) -> None:
        self.by_name[name] = self.by_name.get(name, 0) + by

    def merge(self, other: Changes) -> None:
        for name, by in other.by_name.items():
            self.add(name, by)

    def inserted(self, state: str, destination: str) -> None:
        self.add(counter_of(state, destination))

    def moved(self, old: str, new: str, destination: str, count: int = 1) -> None:
        """Count deliveries of a destination that went from one state, never a final one, to another."""
        self.add(_WAITING[old] + destination, -count)
        self.add(counter_of(new, destination), count)


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
        """Put the totals into the shape that the API shows."""
        by_state = dict.fromkeys(DeliveryState, 0)
        for name, value in self._values.items():
            if name.startswith("deliveries/"):
                by_state[DeliveryState(name.split("/", 2)[1])] += value
        names = sorted({*lanes, *self._waiting_by_destination})
        return Stats(
            events=self._values.get(EVENTS, 0),
            rejected=self._values.get(REJECTED, 0),
            repeated_bodies=self._values.get(REPEATED_BODIES, 0),
            deliveries=by_state,
            destinations={
                name: DestinationStats(self._waiting_by_destination.get(name, 0), lanes.get(name)) for name in names
            },
        )
