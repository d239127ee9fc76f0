"""Measured values in ranges: what a histogram of `/metrics` is made of, cheap enough for every attempt and commit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """
    How many values fell into which range since the start.

    Args:
        bounds: Upper bounds of the ranges, ascending; a bound belongs to its range. Above the last there is one more.

    Attributes:
        total: Of all values.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> list[int]:
        """Give for each bound the number of values up to it, and last the number of all."""
        so_far, counts = 0, []
        for count in self._counts:
            so_far += count
            counts.append(so_far)
        return counts
