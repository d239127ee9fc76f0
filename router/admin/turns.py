"""Turns at what only one caller may do at a time: a few may wait for theirs, the next one is sent away."""

from __future__ import annotations

import asyncio
from collections import deque


class TooManyWaiting(Exception):
    """So many wait already that it would take too long."""


class Turn:
    """
    One caller's.

    Attributes:
        is_wanted: The caller is still there.
    """

    def __init__(self) -> None:
        self.is_wanted = True
        self._come: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def come(self) -> None:
        if not self._come.done():
            self._come.set_result(None)

    def leave(self) -> None:
        """The caller has gone: what was to be done for it need not be done any more. Safe to call twice."""
        self.is_wanted = False
        self.come()

    async def wait(self) -> None:
        """Come back when it is this caller's turn, or the caller has gone."""
        await self._come


class Turns:
    """
    Gives turns, in the order in which they were asked for.

    Args:
        most_waiting: So many may wait while one has its turn.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._running: Turn | None = None
        self._waiting: deque[Turn] = deque()

    @property
    def is_taken(self) -> bool:
        return self._running is not None

    @property
    def waiting(self) -> int:
        """How many wait; who has gone waits no more."""
        return sum(turn.is_wanted for turn in self._waiting)

    def ask(self) -> Turn:
        """
        Ask for a turn; whoever gets one calls `end` in any case.

        Raises:
            TooManyWaiting: Come again later.
        """
        if self.is_taken and self.waiting >= self._most_waiting:
            raise TooManyWaiting
        turn = Turn()
        if self.is_taken:
            self._waiting.append(turn)
        else:
            self._running = turn
            turn.come()
        return turn

    def end(self, turn: Turn) -> None:
        """A turn is over, or was given up; the next one comes."""
        if turn is not self._running:
            self._waiting = deque(one for one in self._waiting if one is not turn)
            return
        self._running = None
        if self._waiting:
            self._running = self._waiting.popleft()
            self._running.come()
