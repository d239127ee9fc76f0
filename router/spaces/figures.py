"""How it goes with the APIs: what is counted, what the log says, and what the admin side shows."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from router.clock import Clock
from router.spaces.client import ApiOutcome

log = logging.getLogger("router.spaces")


@dataclass
class ApiFigures:
    """
    Of the API of one source, since the start.

    Attributes:
        requests: By what they came to.
        refreshed_at: When all people and spaces were last read.
        failing: What is wrong now, by what was asked for: `users`, `spaces` or `pages`.
        failing_since: When the first of these failed; None while all is well.
        last_failure: The latest sentence, also after it was mended; empty where there was none.
    """

    requests: Counter[ApiOutcome] = field(default_factory=Counter)
    refreshed_at: datetime | None = None
    failing: dict[str, str] = field(default_factory=dict)
    failing_since: datetime | None = None
    last_failure: str = ""
    last_failure_at: datetime | None = None


class Standing:
    """
    Takes note of what becomes of requests.

    The log hears of a trouble once, whether it lasts an hour or a month, and once when it is over.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_source: dict[str, ApiFigures] = {}

    def of(self, source: str) -> ApiFigures:
        return self._by_source.setdefault(source, ApiFigures())

    def count(self, source: str, outcome: ApiOutcome) -> None:
        self.of(source).requests[outcome] += 1

    def failed(self, source: str, asked_for: str, problem: str) -> None:
        """Take note that something could not be had."""
        figures = self.of(source)
        known = set(figures.failing.values())
        figures.failing[asked_for] = figures.last_failure = problem
        figures.last_failure_at = self._clock.now()
        figures.failing_since = figures.failing_since or figures.last_failure_at
        if problem not in known:
            log.warning("api.failing", extra={"source": source, "problem": problem})

    def worked(self, source: str, asked_for: str) -> None:
        """Take note that it was had."""
        figures = self.of(source)
        if figures.failing.pop(asked_for, None) is not None and not figures.failing:
            figures.failing_since = None
            log.info("api.recovered", extra={"source": source})

    def refreshed(self, source: str) -> None:
        """Take note that all people and spaces were read; so single pages can be asked for again as well."""
        self.of(source).refreshed_at = self._clock.now()
        self.worked(source, "pages")

    def begin_anew(self, source: str) -> None:
        """Say nothing of troubles with a key, or an address, that is not used any more."""
        figures = self.of(source)
        figures.failing.clear()
        figures.failing_since = None
