"""How fast a lane may start deliveries, and until when it rests."""

from __future__ import annotations

from router.fields import Rate


class Pace:
    """
    Spaces starts evenly: at most one per interval, with no burst saved up while idle.

    Times are seconds of the monotonic clock.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._interval = rate.interval if rate else 0.0
        self._open_at = float("-inf")
        self._paused_until = float("-inf")

    def change(self, rate: Rate | None) -> None:
        self._interval = rate.interval if rate else 0.0

    def pause(self, until: float) -> None:
        """Rest until then; a pause never shortens an earlier one."""
        self._paused_until = max(self._paused_until, until)

    def follow(self, earlier: Pace) -> None:
        """Take over where another one stands: when it would have opened, and its pause."""
        self._open_at = max(self._open_at, earlier._open_at)
        self._paused_until = max(self._paused_until, earlier._paused_until)

    def wait(self, now: float) -> float:
        """Seconds until the next start is allowed; 0 for now."""
        return max(0.0, self._open_at - now, self._paused_until - now)

    def start(self, now: float) -> None:
        """Note that a delivery starts now."""
        self._open_at = now + self._interval
