"""Sockets to listen on."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import socket
import time
from typing import Any

log = logging.getLogger("router.sockets")

_BACKLOG = 512
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_ENOUGH_DESCRIPTORS = 8192
_SECONDS_BETWEEN_LINES = 60.0


def allow_many_descriptors() -> None:
    """
    Raise the soft limit of open files as far as the hard one allows.

    Some systems begin with 256, which is less than the listener alone may have in connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


class _Listening(socket.socket):
    """
    A socket that sends callers away while the process has no descriptor left for them.

    Left alone they would stay in the kernel's queue and wake the loop again and again, which then does nothing else.
    So one descriptor is kept in reserve: with it a caller is taken, and closed at once.
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._reserve: int | None = None
        self._sent_away = 0
        self._say_again_at = 0.0

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        self._keep_reserve()
        super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        for _ in range(_BACKLOG):
            try:
                connection = super().accept()
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                self._send_one_away()
            else:
                self._keep_reserve()
                return connection
        raise BlockingIOError(errno.EAGAIN, "enough callers for one turn of the loop")

    def close(self) -> None:
        self._give_up_reserve()
        super().close()

    def _send_one_away(self) -> None:
        """
        Raises:
            BlockingIOError: Nobody waits any more, or another thread was quicker to take the descriptor.
        """
        self._give_up_reserve()
        try:
            super().accept()[0].close()
        except OSError as error:
            raise BlockingIOError from error
        finally:
            self._keep_reserve()
        self._sent_away += 1
        if time.monotonic() >= self._say_again_at:
            self._say_again_at = time.monotonic() + _SECONDS_BETWEEN_LINES
            hint = "raise the limit of open files (ulimit -n, or LimitNOFILE of the service)"
            log.error("connections.no_descriptors", extra={"sent_away": self._sent_away, "hint": hint})

    def _keep_reserve(self) -> None:
        if self._reserve is None:
            with contextlib.suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_up_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None


def _listening(family: int, address: Any) -> socket.socket:
    opened = _Listening(family)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)
        opened.bind(address)
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened
