"""Making connections, and keeping them for the next message to the same place."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from aiohappyeyeballs import start_connection

from router.lookups import HostLookups
from router.outbound.connection import MAX_ANSWER_BYTES, Connection
from router.outbound.failures import connecting_failed, looking_up_failed

KEEP_ALIVE_SECONDS = 4.0
"""
How long an idle connection is kept for the next message.

Common servers close theirs after 5 s (Node.js, Apache, uvicorn); a request written at that moment is lost. Keeping ours
shorter avoids the race, and under load connections are never idle for so long.
"""

_NEXT_ADDRESS_SECONDS = 0.25
"""Until the next address of a host is tried beside one that does not react. Source: RFC 8305, section 8."""


class Origin(NamedTuple):
    """Who is connected to; the host is a name or an address, without brackets."""

    host: str
    port: int
    tls: bool

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Pool:
    """
    Connections by origin. There is no limit of their number that one hanging server could use up.

    Args:
        trusted: Gives the certificates that are trusted, when they are needed first.
        keep_alive: Seconds for which an idle connection is kept.
        most_bytes: So much of the body of an answer is read.
    """

    def __init__(
        self,
        lookups: HostLookups,
        trusted: Callable[[], ssl.SSLContext],
        keep_alive: float = KEEP_ALIVE_SECONDS,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._lookups = lookups
        self._trusted = trusted
        self._keep_alive = keep_alive
        self._most_bytes = most_bytes
        self._idle: dict[Origin, list[tuple[float, Connection]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Give the connection that was used last, as long as it can be used again."""
        kept = self._idle.get(origin)
        while kept:
            since, connection = kept.pop()
            if time.monotonic() - since <= self._keep_alive and connection.is_quiet:
                return connection
            connection.abort()
        return None

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Take back a connection after an answer; one that its server closes is forgotten."""
        if self._closed or not connection.is_kept:
            connection.abort()
            return
        self._idle.setdefault(origin, []).append((time.monotonic(), connection))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._keep_alive, self._sweep)

    async def connect(self, origin: Origin, seconds: float | None) -> Connection:
        """
        Make a connection.

        Args:
            seconds: For look-up, connection and TLS together; None for no limit.

        Raises:
            httpx.TransportError: It cannot be made; says why and what to check.
        """
        try:
            async with asyncio.timeout(seconds):
                try:
                    addresses = await self._addresses(origin)
                except OSError as error:
                    failure = looking_up_failed(error, origin.host)
                else:
                    return await self._connect(origin, addresses)
        except OSError as error:
            failure = connecting_failed(error, origin.place)
        raise failure

    async def _connect(self, origin: Origin, addresses: Sequence[str]) -> Connection:
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV  # so nothing is looked up here, and nobody waits
        targets = [
            target
            for address in addresses
            for target in socket.getaddrinfo(address, origin.port, type=socket.SOCK_STREAM, flags=flags)
        ]
        sock = await start_connection(targets, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                partial(Connection, origin.place, self._most_bytes),
                sock=sock,
                ssl=self._trusted() if origin.tls else None,
                server_hostname=origin.host if origin.tls else None,
            )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _addresses(self, origin: Origin) -> list[str]:
        try:
            ipaddress.ip_address(origin.host.partition("%")[0])
        except ValueError:
            return [address for _, address in await self._lookups.addresses(origin.host)]
        return [origin.host]

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        latest = time.monotonic() - self._keep_alive
        for origin, kept in list(self._idle.items()):
            for since, connection in kept:
                if since <= latest:
                    connection.abort()
            young = [(since, connection) for since, connection in kept if since > latest]
            if young:
                self._idle[origin] = young
            else:
                del self._idle[origin]
        self._timer = None
        if self._idle:
            self._timer = asyncio.get_running_loop().call_later(self._keep_alive, self._sweep)

    async def close(self) -> None:
        """Close all idle connections; those in use end with their requests."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for kept in self._idle.values():
            for _, connection in kept:
                connection.abort()
        self._idle.clear()
        await self._lookups.close()
        await asyncio.sleep(0)  # a connection is closed at the next turn of the loop
