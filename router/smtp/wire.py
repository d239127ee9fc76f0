"""The connection under a conversation with a mail server: sockets of our own, whose end is in our hand."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence

from router.lookups import Address, HostLookups
from router.outbound.failures import unknown_host, unreachable
from router.smtp.answers import MailFailed
from router.smtp.server import HOST, Line

CONNECT_SECONDS = 10.0
"""For the addresses of a host all together."""


async def connect(line: Line, lookups: HostLookups) -> socket.socket:
    """
    Connect to the first of a host's addresses that answers.

    Raises:
        MailFailed: None does.
    """
    addresses = await _addresses(line, lookups)
    failure = MailFailed(f"{line.host} has no address; check the name")
    for family, address in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                return await _connected(family, address, line.port)
        except TimeoutError:
            failure = MailFailed(f"no connection to {line.place} in time; check the address and the firewall")
        except OSError as error:
            failure = MailFailed(unreachable(error, line.place, "mail server"))
    raise failure


async def _addresses(line: Line, lookups: HostLookups) -> Sequence[Address]:
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(line.host).version
        return [(socket.AF_INET if version == 4 else socket.AF_INET6, line.host)]
    try:
        return await lookups.addresses(line.host)
    except OSError as error:
        raise MailFailed(unknown_host(error, line.host)) from None


async def _connected(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(wire, (address, port))
    except BaseException:
        wire.close()
        raise
    return wire


def cut(wire: socket.socket, transport: asyncio.BaseTransport | None) -> None:
    """
    End a connection at once, whichever state it is in.

    To close the transport would wait up to 30 s for the other side's part of a TLS goodbye. One that is not known,
    because it is being made, notices by itself.
    """
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def own_name(wire: socket.socket) -> str:
    """
    What we call ourselves in EHLO: our full name, or our address where we have none.

    Source: RFC 5321, section 4.1.4. Python's `getfqdn` would ask name servers, in threads shared with everybody.
    """
    name = socket.gethostname()
    if "." in name and HOST.fullmatch(name):
        return name
    address = str(wire.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
