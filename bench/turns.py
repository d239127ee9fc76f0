"""Servers loaded in turn, in short bursts: whatever else the machine does meanwhile befalls all of them alike."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import CONNECTIONS, post
from processes import processor_seconds

BURST_SECONDS = 1


@dataclass(frozen=True)
class Load:
    """
    What a server did under load.

    Attributes:
        requests: Answered; or messages that arrived.
        seconds: On the wall.
        used: Seconds of a processor.
    """

    requests: int = 0
    seconds: float = 0.0
    used: float = 0.0

    def __add__(self, other: Load) -> Load:
        return Load(self.requests + other.requests, self.seconds + other.seconds, self.used + other.used)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of a processor per request."""
        return self.used / self.requests * 1e6


class Deliveries:
    """
    The deliveries for one server, in bursts. Each has an id of its own: a repetition is answered and not stored.

    Args:
        script: For `wrk`.
        admin: Where a router tells how many events it stored; the bare handler stores none.
    """

    def __init__(self, script: Path, url: str, pid: int, admin: str = "") -> None:
        self._script = script
        self._url = url
        self._pid = pid
        self._admin = admin
        self._next = 0

    def burst(self) -> Load:
        """Post as fast as answers come, for a second."""
        stored, used = self._stored(), processor_seconds(self._pid)
        answered, seconds = post(self._url, self._script, self._next, BURST_SECONDS)
        used = processor_seconds(self._pid) - used
        self._next += answered + 2 * CONNECTIONS  # some more were sent, and nobody waited for their answers
        if self._admin:
            check_stored(self._stored() - stored, answered)
        return Load(answered, seconds, used)

    def _stored(self) -> int:
        return events_stored(self._admin) if self._admin else 0


def in_turn(times: int, *bursts: Callable[[], Load]) -> list[Load]:
    """Load each server so many times, one after the other and all over again; once before that to warm it up."""
    for burst in bursts:
        burst()
    sums = [Load() for _ in bursts]
    for _ in range(times):
        sums = [load + burst() for load, burst in zip(sums, bursts, strict=True)]
    return sums


def told(url: str) -> dict[str, Any]:
    """What is said in JSON under an address of our own."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own address
        said: dict[str, Any] = json.load(answer)
    return said


def events_stored(admin: str) -> int:
    stored: int = told(f"{admin}/api/v1/stats")["events"]
    return stored


def check_stored(stored: int, answered: int) -> None:
    """
    End where the router stored less than it answered: then it was asked for less than its work.

    It may have stored a few more: those whose answers nobody waited for at the end of a burst.
    """
    if stored < answered:
        raise SystemExit(f"{answered:,} deliveries were answered 200, and only {stored:,} events were stored")
