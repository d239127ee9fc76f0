"""
A bound on what a server may say before its answer: HTTP allows any number of interim answers (`100 Continue`, say).

aiohttp reads them in a loop without an end, and parses all that came in one read of the socket, thousands of them, in
one turn of the event loop. Whatever follows an answer without having been asked for, it keeps in memory.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

MOST_INTERIM_ANSWERS = 16
"""Before one answer. Servers send one or two: `100 Continue`, `103 Early Hints`; some `102 Processing` now and then."""

_PIECE = 4096
"""Bytes parsed before it is counted again: 160 of the shortest interim answers, a fraction of a millisecond."""


class TooManyInterimAnswers(aiohttp.ClientError):
    """The server went on announcing an answer; the connection is closed."""


class BoundedConnector(aiohttp.TCPConnector):
    """aiohttp's connector, of which every connection gives up after `MOST_INTERIM_ANSWERS`, or a second answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # There is no public way to a connection's protocol. tests/test_clients.py fails when this name means nothing.
        self._factory = partial(_BoundedHandler, loop=self._loop)  # type: ignore[assignment]  # a subclass is as good


class _BoundedHandler(ResponseHandler):
    """Reads the answers on one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._interim = 0
        self._answered = False
        self._given_up = False

    def set_response_params(self, **params: Any) -> None:
        """Begin with the next request."""
        self._interim = 0
        self._answered = False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if len(data) <= _PIECE:
            super().data_received(data)
            return
        for start in range(0, len(data), _PIECE):
            super().data_received(data[start : start + _PIECE])
            if self._given_up:
                return

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take a head that was parsed, and the body that belongs to it."""
        if self._given_up:
            return
        is_interim = 100 <= data[0].code < 200 and data[0].code != 101
        if self._answered or (is_interim and self._interim == MOST_INTERIM_ANSWERS):
            self._give_up()
            return
        self._interim += is_interim
        self._answered = not is_interim
        super().feed_data(data, size)

    def _give_up(self) -> None:
        """Close; whoever reads has what came until now, and then the exception."""
        self._given_up = True
        self.set_exception(TooManyInterimAnswers())
        if self.transport is not None:
            self.transport.close()
