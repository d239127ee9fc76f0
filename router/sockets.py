"""Sockets to listen on."""

from __future__ import annotations

import errno
import socket
from typing import Any

_BACKLOG = 512


def listen_on(host: str, port: int) -> list[socket.socket]:
    """
    Listen on every address of a host, on one port; of 0, on one that is free.

    Raises:
        OSError: No address of the host can be had, or the port of one is taken.

    Tornado's `bind_sockets` does the same, but leaves a socket open where the port is taken.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    failures: list[OSError] = []
    for family, _, _, _, (host_address, _, *scope) in dict.fromkeys(found):
        port = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_listening(family, (host_address, port, *scope)))
        except OSError as error:
            failures.append(error)
    # An address of a family that this machine has switched off is no loss beside one that works.
    if any(error.errno == errno.EADDRINUSE for error in failures) or not sockets:
        for opened in sockets:
            opened.close()
        raise failures[0]
    return sockets


def _listening(family: int, address: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened
