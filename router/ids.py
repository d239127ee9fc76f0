"""Ids of events and deliveries: 63 bits, ordered by time, unique across nodes and stores."""

from __future__ import annotations

import random
import secrets
from datetime import UTC, datetime

from router.clock import Clock, to_ms

_START_MS = to_ms(datetime(2025, 1, 1, tzinfo=UTC))
_COUNTER_BITS = 20
_COUNTER_LIMIT = 1 << _COUNTER_BITS


class IdSource:
    """
    Makes ids that only ever grow, also when the clock stands still or runs backward.

    An id is milliseconds since 2025 shifted by 20 bits, plus a counter. In each millisecond the counter starts at a
    random number in the lower half, so that two nodes do not meet and half a million ids fit before the next one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Random so that nodes do not meet, not so that nobody can guess: the system is asked once.
        self._dice = random.Random(secrets.randbits(128))  # noqa: S311
        self._millisecond = 0
        self._counter = _COUNTER_LIMIT

    def next(self) -> int:
        now = to_ms(self._clock.now()) - _START_MS
        if now > self._millisecond:
            self._millisecond = now
            self._counter = self._dice.getrandbits(_COUNTER_BITS - 1)
        else:
            self._counter += 1
            if self._counter >= _COUNTER_LIMIT:
                self._millisecond += 1
                self._counter = self._dice.getrandbits(_COUNTER_BITS - 1)
        return self._millisecond << _COUNTER_BITS | self._counter

    def go_beyond(self, known: int) -> None:
        """Make only ids that are greater than one which somebody else made, or this source under another clock."""
        millisecond, counter = known >> _COUNTER_BITS, known & (_COUNTER_LIMIT - 1)
        self._millisecond, self._counter = max((self._millisecond, self._counter), (millisecond, counter))
