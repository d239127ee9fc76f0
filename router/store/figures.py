"""What a store counts while it is open: in memory only, so it costs no disk and begins anew with each process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from router.histogram import Histogram

_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_COMMIT_OPERATIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Figures:
    """
    Attributes:
        commit_seconds: From handing a batch to the writer until it was on disk.
        commit_operations: How many writes shared a commit.
        failed_commits: Commits after which nothing, or nothing for certain, was on disk.
        ended: Deliveries that reached a final state, by destination and state.
        attempts: Attempts that were recorded, by destination and outcome.
    """

    def __init__(self) -> None:
        self.commit_seconds = Histogram(_COMMIT_SECONDS)
        self.commit_operations = Histogram(_COMMIT_OPERATIONS)
        self.failed_commits = 0
        self.ended: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.attempts: defaultdict[tuple[str, str], int] = defaultdict(int)

    def committed(
        self,
        operations: int,
        seconds: float,
        ended: Mapping[tuple[str, str], int],
        attempts: Mapping[tuple[str, str], int],
    ) -> None:
        """Count one commit, and what it wrote."""
        self.commit_operations.observe(operations)
        self.commit_seconds.observe(seconds)
        for end, count in ended.items():
            self.ended[end] += count
        for attempt, count in attempts.items():
            self.attempts[attempt] += count
