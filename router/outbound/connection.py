"""
One connection to a server: a request goes out and its answer comes back, both within bounds.

llhttp, the parser of Node.js, reads what comes. It bounds nothing, so that is done here: the head, the body, the whole
of an answer, and what HTTP allows without an end before it (`100 Continue`, say). Whatever a server sends without
having been asked ends its connection.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any, NamedTuple

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_ANSWER_BYTES = 64 * 1024
"""So much of a body is read where nobody asks for more; behind it the connection is closed."""

MOST_INTERIM_ANSWERS = 16
"""Before one answer. Servers send one or two: `100 Continue`, `103 Early Hints`; some `102 Processing` now and then."""

_MOST_HEAD_BYTES = 64 * 1024
_WIRE_TIMES = 16
"""So many times the size of a body an answer may have as it is sent: a body in chunks of one byte has six times it."""

_PIECE = 256 * 1024
"""Larger bodies are written piece by piece, as they are taken: many megabytes at once would hold the event loop."""

_SWITCHING = 101  # after it the connection speaks another protocol


class Answer(NamedTuple):
    """
    What a server said.

    Attributes:
        body: As much of it as is read, not unpacked.
    """

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Stop(Exception):
    """Raised into the parser, so that it does not read on; `_stopped` knows why."""


class Connection(asyncio.Protocol):
    """
    A connection that is made; the methods whose names begin with `on_` are the parser's.

    Args:
        place: Host and port, to say where something went wrong.
        most_bytes: So much of a body is read.
    """

    def __init__(self, place: str, most_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._place = place
        self._most_bytes = most_bytes
        self._loop = asyncio.get_running_loop()  # to ask for it is a system call in Python 3.11
        self._wire: asyncio.Transport | None = None
        self._poll = select.poll()
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        # What many servers get wrong and does no harm in an answer, which nobody passes on.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._asked: asyncio.Future[Answer] | None = None
        self._room: asyncio.Future[None] | None = None
        self._writing = False
        self._kept = True
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._has_head = False
        self._interim = 0
        self._received = 0

    @property
    def is_quiet(self) -> bool:
        """Whether it can take the next request: what there is to read can only be its end, or what nobody asked for."""
        return self._wire is not None and not self._wire.is_closing() and not self._poll.poll(0)

    @property
    def is_kept(self) -> bool:
        """Whether the server keeps it open after the latest answer, and has taken all of the request."""
        return self._kept and self._wire is not None and not self._wire.is_closing()

    async def exchange(self, head: bytes, body: bytes) -> Answer:
        """
        Send a request and read its answer. Whoever ends this from outside ends the connection.

        Raises:
            httpx.TransportError: There was no answer that could be read.
        """
        if self._wire is None:
            raise self._no_answer()
        self._begin()
        asked: asyncio.Future[Answer] = self._loop.create_future()
        self._asked = asked
        try:
            if len(body) <= _PIECE:
                self._wire.write(head + body)
            else:
                await self._write(self._wire, head, body, asked)
            return await asked
        finally:
            if not asked.done() or asked.cancelled():
                self._asked = None
                self.abort()

    async def _write(self, wire: asyncio.Transport, head: bytes, body: bytes, asked: asyncio.Future[Answer]) -> None:
        """Write a large body, unless the answer comes before its end."""
        self._writing = True
        wire.write(head)
        pieces = memoryview(body)
        for start in range(0, len(body), _PIECE):
            if self._room is not None:
                ends: list[asyncio.Future[Any]] = [self._room, asked]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return
            wire.write(pieces[start : start + _PIECE])
        self._writing = False

    def abort(self) -> None:
        """Close it at once; nothing more is written or read."""
        if self._wire is not None:
            self._wire.abort()

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a protocol for streams it always is
        self._wire = transport
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._asked is None or self._parser is None:
            self.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._stopped()
        else:
            if (
                self._received > (_WIRE_TIMES * self._most_bytes if self._has_head else _MOST_HEAD_BYTES)
                and self._asked is not None
            ):
                self._fail(self._unreadable())

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire = None
        self._parser = None  # each holds the other
        if self._asked is None:
            return
        if exc is not None:
            self._fail(httpx.ReadError(f"{self._place} reset the connection before its answer was complete"))
        elif self._has_head and self._ends_with_connection():
            self._settle(kept=False)
        elif not self._received:
            self._fail(self._no_answer())
        else:
            self._fail(httpx.RemoteProtocolError(f"{self._place} broke off in the middle of its answer"))

    # What the parser tells

    def on_message_begin(self) -> None:
        if self._asked is None:
            raise _Stop

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # what comes behind the body says nothing to us
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # noqa: S101 - it is calling
        self._status = self._parser.get_status_code()
        if 100 <= self._status < 200 and self._status != _SWITCHING:
            self._interim += 1
            if self._interim > MOST_INTERIM_ANSWERS:
                raise _Stop
        else:
            self._has_head = True

    def on_body(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._most_bytes:
            raise _Stop

    def on_message_complete(self) -> None:
        if self._has_head:
            assert self._parser is not None  # noqa: S101 - it is calling
            self._settle(kept=self._status != _SWITCHING and self._parser.should_keep_alive())
        else:
            self._reason = b""
            self._headers.clear()

    # How it ends

    def _stopped(self) -> None:
        """The parser will not read on: what it met is wrong, or more than is wanted."""
        if self._asked is None:
            self.abort()
        elif self._status == _SWITCHING or len(self._body) > self._most_bytes:
            self._settle(kept=False)
        elif self._interim > MOST_INTERIM_ANSWERS:
            self._fail(
                httpx.RemoteProtocolError(
                    f"{self._place} sent more than {MOST_INTERIM_ANSWERS} interim answers (HTTP 1xx) and no final one;"
                    " check the server there, or the proxy in front of it"
                )
            )
        else:
            self._fail(self._unreadable())

    def _settle(self, *, kept: bool) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            body = bytes(self._body[: self._most_bytes])
            asked.set_result(Answer(self._status, self._reason, self._headers, body))
        taken = not self._writing and self._wire is not None and not self._wire.get_write_buffer_size()
        self._kept = kept and taken
        if not self._kept:
            self.abort()

    def _fail(self, error: httpx.TransportError) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(error)
        self.abort()

    def _ends_with_connection(self) -> bool:
        """Whether the body has no other end: neither a length nor chunks."""
        named = {name.lower(): value.lower() for name, value in self._headers}
        return b"content-length" not in named and b"chunked" not in named.get(b"transfer-encoding", b"")

    def _no_answer(self) -> httpx.TransportError:
        return httpx.RemoteProtocolError(f"{self._place} closed the connection without an answer")

    def _unreadable(self) -> httpx.TransportError:
        return httpx.RemoteProtocolError(f"{self._place} sent something that is not a readable HTTP answer")
