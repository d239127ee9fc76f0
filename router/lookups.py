"""
Looking up host names without letting one slow name hold up another.

Each look-up runs in a thread of its own and not in a pool: a handful of names whose servers never answer would fill
any pool and hold up every other name. Their number is bounded by that of the hosts, since a host has one at most.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

LOOK_UP_SECONDS: Final = 5.0
REMEMBERED_SECONDS: Final = 20.0

Address = tuple[socket.AddressFamily, str]
"""`AF_INET` or `AF_INET6`, and the address as text."""

LookUp = Callable[[str], Sequence[Address]]
"""Finds the addresses of a host; may take its time; raises OSError."""


class LookupTimedOut(OSError):
    """The name server said nothing in time."""


def system_look_up(host: str) -> list[Address]:
    """
    Ask the system: its hosts file, its name servers.

    Raises:
        socket.gaierror: There is no such host, or it cannot be looked up now.
    """
    found: list[Address] = []
    try:
        for family, _, _, _, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            address = str(place[0])
            if family == socket.AF_INET6 and len(place) == 4 and place[3] and "%" not in address:
                address += f"%{place[3]}"  # a link-local address means nothing without its interface
            found.append((family, address))
    except UnicodeError:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return found


class HostLookups:
    """
    One look-up under way per host, answers remembered for a short time, failures not at all.

    A thread cannot be cancelled. One that outlives its waiters goes on alone (a daemon: it does not hold up the end of
    the process), and whoever asks for the same host meanwhile waits for the same answer.
    """

    def __init__(self, look_up: LookUp = system_look_up, *, seconds: float = LOOK_UP_SECONDS) -> None:
        self._look_up = look_up
        self._seconds = seconds
        self._known: dict[str, tuple[float, Sequence[Address]]] = {}
        self._under_way: dict[str, asyncio.Future[Sequence[Address] | OSError]] = {}

    async def close(self) -> None:
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()

    async def addresses(self, host: str) -> Sequence[Address]:
        """
        Find the addresses of a host.

        Raises:
            OSError: There are none, or nobody says so in time (`LookupTimedOut`).
        """
        known = self._known.get(host)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        future = self._under_way.get(host) or self._start(host)
        try:
            async with asyncio.timeout(self._seconds):
                outcome = await asyncio.shield(future)
        except TimeoutError:
            outcome = LookupTimedOut()
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def _start(self, host: str) -> asyncio.Future[Sequence[Address] | OSError]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Address] | OSError] = loop.create_future()
        self._under_way[host] = future

        def settle(outcome: Sequence[Address] | OSError) -> None:
            if self._under_way.get(host) is future:
                del self._under_way[host]
            if not future.done():
                future.set_result(outcome)
            if not isinstance(outcome, OSError):
                self._remember(host, outcome)

        def work() -> None:
            outcome: Sequence[Address] | OSError
            try:
                outcome = self._look_up(host)
            except OSError as error:
                outcome = error
            except Exception as error:  # noqa: BLE001 - a waiter must not wait for ever
                outcome = OSError(0, f"{type(error).__name__}")
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:  # the loop was closed meanwhile; nobody waits any more
                return

        threading.Thread(target=work, name=f"look-up {host}", daemon=True).start()
        return future

    def _remember(self, host: str, addresses: Sequence[Address]) -> None:
        now = time.monotonic()
        self._known = {name: entry for name, entry in self._known.items() if entry[0] > now}
        self._known[host] = (now + REMEMBERED_SECONDS, addresses)
