"""Deliveries that were under way when the process ended: one of them may be what ended it."""

from __future__ import annotations

from collections.abc import Callable


class Suspects:
    """
    Lets interrupted deliveries start so that the one which ends the process can be told from its neighbours.

    From its second interruption on, a delivery starts only while no other interrupted one is in flight; if the process
    ends again, only it is counted. After the fifth the store gives it up.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._in_flight: dict[int, int] = {}

    def may_start(self, interruptions: int) -> bool:
        if interruptions == 0 or not self._in_flight:
            return True
        return interruptions == 1 and max(self._in_flight.values()) == 1

    def started(self, delivery_id: int, interruptions: int) -> None:
        if interruptions:
            self._in_flight[delivery_id] = interruptions

    def ended(self, delivery_id: int) -> None:
        if self._in_flight.pop(delivery_id, 0):
            self._on_change()
