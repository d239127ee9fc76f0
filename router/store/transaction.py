"""One transaction while it is open: its cursor, and what is written once for all its operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import apsw

from router.events import Event
from router.store.counts import Changes
from router.store.faults import STORE_FAULTS
from router.store.rows import Row

T = TypeVar("T")


@dataclass(slots=True)
class _LaneHealth:
    """What the attempts of this transaction did to one lane."""

    reset: bool = False
    failures: int = 0
    last_success_at: int | None = None
    paused_until: int | None = None
    deaths: int = 0
    died_at: int | None = None


class Transaction:
    """
    What an operation works on.

    Args:
        watched: Whether anybody wants to know what is stored and changed.

    Counters and the health of lanes are gathered and written at the end: hundreds of attempts to one destination that
    share a commit are one update of its lane.

    Attributes:
        objects: What was read and written of people, spaces and pages, by their keys; for `objects.py`.
    """

    __slots__ = ("_cursor", "_epochs", "_health", "_told", "counts", "objects")

    def __init__(self, cursor: apsw.Cursor, *, watched: bool = False) -> None:
        self._cursor = cursor
        self._told: list[Event | int] | None = [] if watched else None
        self._epochs: dict[str, int | None] = {}
        self._health: dict[str, _LaneHealth] = {}
        self.counts = Changes()
        self.objects: dict[Row, Any] = {}

    def execute(self, sql: str, values: Row = ()) -> apsw.Cursor:
        return self._cursor.execute(sql, values)

    def one(self, sql: str, values: Row = ()) -> Row | None:
        """Give the first row, or None where there is none."""
        row: Row | None = self._cursor.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, values: Row = ()) -> list[Row]:
        return self._cursor.execute(sql, values).fetchall()

    @property
    def changed(self) -> int:
        """Rows that the latest statement inserted, updated or deleted."""
        return self._cursor.connection.changes()

    def tell(self, change: Event | int) -> None:
        """Take note of an event that is stored, or of a delivery, by its id, that is inserted or changed."""
        if self._told is not None:
            self._told.append(change)

    @property
    def told(self) -> Sequence[Event | int]:
        """What was taken note of; nothing where nobody wants to know."""
        return self._told or ()

    def lane_epoch(self, destination: str) -> int | None:
        """Give the epoch of the lane's present owner; None where it never had one."""
        try:
            return self._epochs[destination]
        except KeyError:
            # A row with epoch 0 only counts the dead letters of a lane that nobody ever owned.
            row = self.one("SELECT epoch FROM lanes WHERE destination = ? AND epoch > 0", (destination,))
            epoch = self._epochs[destination] = None if row is None else row[0]
            return epoch

    def lane_owned(self, destination: str, epoch: int) -> None:
        """Take note of a new owner."""
        self._epochs[destination] = epoch

    def lane_succeeded(self, destination: str, at: int) -> None:
        health = self._health.setdefault(destination, _LaneHealth())
        health.reset, health.failures, health.last_success_at = True, 0, at

    def lane_failed(self, destination: str) -> None:
        self._health.setdefault(destination, _LaneHealth()).failures += 1

    def lane_paused(self, destination: str, until: int) -> None:
        health = self._health.setdefault(destination, _LaneHealth())
        health.paused_until = until if health.paused_until is None else max(health.paused_until, until)

    def lane_buried(self, destination: str, at: int, count: int = 1) -> None:
        """Count deliveries that became dead letters, until an alert has told of them."""
        health = self._health.setdefault(destination, _LaneHealth())
        health.deaths += count
        health.died_at = at if health.died_at is None else min(health.died_at, at)

    def write_lanes(self) -> None:
        """Write the gathered health of lanes, also before anything reads it back."""
        for destination, health in self._health.items():
            self._cursor.execute(
                "UPDATE lanes SET consecutive_failures = iif(?, 0, consecutive_failures) + ?,"
                " last_success_at = coalesce(?, last_success_at),"
                " paused_until = iif(? > coalesce(paused_until, 0), ?, paused_until) WHERE destination = ?",
                (
                    health.reset,
                    health.failures,
                    health.last_success_at,
                    health.paused_until,  # a pause never shortens an earlier one
                    health.paused_until,
                    destination,
                ),
            )
            if health.deaths:
                # One that was switched off from the beginning has no row yet; its first owner's epoch is 1.
                self._cursor.execute(
                    "INSERT INTO lanes (destination, epoch, untold_deaths, untold_since) VALUES (?, 0, ?, ?)"
                    " ON CONFLICT DO UPDATE SET untold_deaths = untold_deaths + excluded.untold_deaths,"
                    " untold_since = min(coalesce(untold_since, excluded.untold_since), excluded.untold_since)",
                    (destination, health.deaths, health.died_at),
                )
        self._health.clear()

    def write_gathered(self) -> None:
        """Write everything gathered; call it right before the commit."""
        self.write_lanes()
        for name, by in self.counts.by_name.items():
            if by:
                self._cursor.execute(
                    "INSERT INTO counters VALUES ('', ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
                    (name, by),
                )

    def isolated(self, operation: Callable[[Transaction], T]) -> T:
        """
        Run an operation so that its failure leaves no trace.

        Two statements more than running it plainly, so only what shares a transaction with a failure pays for it.
        """
        self.write_lanes()
        gathered, self.counts = self.counts, Changes()
        told = len(self.told)
        self._cursor.execute("SAVEPOINT operation")
        try:
            result = operation(self)
            self.write_lanes()
        except Exception as error:
            self.counts = gathered
            if self._told is not None:
                del self._told[told:]
            self._health.clear()
            self._epochs.clear()
            self.objects.clear()
            # After an error of the store SQLite may have rolled back everything; then there is no savepoint any more.
            if not isinstance(error, STORE_FAULTS):
                self._cursor.execute("ROLLBACK TO operation; RELEASE operation")
            raise
        self._cursor.execute("RELEASE operation")
        gathered.merge(self.counts)
        self.counts = gathered
        return result


Operation: TypeAlias = Callable[[Transaction], Any]
"""One verb's part of a transaction. It may run twice, the first time being rolled back, so it changes nothing else."""
