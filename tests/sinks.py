"""
Real HTTP servers on loopback for tests: they record what comes, and answer well, badly, or not at all.

    async with Sink() as sink:
        sink.answer_with(answer(503), answer(200, "ok"))      # one each, the last one for ever
        ...
        (first, second) = await sink.wait_for(2)

A behaviour is any coroutine function of `(request, writer)`; after it returns, the connection is kept unless it closed
the writer. Written on bare streams, because no web framework misbehaves well enough.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """
    One request as it came.

    Attributes:
        path: With the query, still quoted.
        headers: Names in lower case; repeated ones joined by a comma.
        connection: Counts the connections of the sink from 1: equal numbers mean a kept connection.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def answer(
    status: int = 200, body: str | bytes = "ok", headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
) -> Behaviour:
    """Answer properly; the connection is kept. Statuses that know no body (204, 304) are sent without it."""
    content = body.encode() if isinstance(body, str) else body
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if status in {204, 304}:
        return raw(_head(status, pairs))
    return raw(_head(status, [*pairs, ("Content-Length", str(len(content)))]) + content)


def raw(*pieces: bytes, close: bool = False) -> Behaviour:
    """Send exactly these bytes."""

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if close:
            writer.close()

    return behave


async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


async def reset(request: Received, writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset in the place of an answer."""
    reset_connection(writer)


async def close(request: Received, writer: asyncio.StreamWriter) -> None:
    """End the connection in good order, without an answer."""
    writer.close()


async def cut_off(request: Received, writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of the body."""
    writer.write(_head(200, [("Content-Length", "1000")]) + b"the begin")
    await writer.drain()
    writer.close()


async def garbage(request: Received, writer: asyncio.StreamWriter) -> None:
    """Speak another protocol."""
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\x00\x01\x02\xff\r\n\r\n")
    await writer.drain()
    writer.close()


async def switch_protocols(request: Received, writer: asyncio.StreamWriter) -> None:
    """Agree to something that nobody asked for, and go on in it."""
    writer.write(_head(101, [("Connection", "Upgrade"), ("Upgrade", "other/1.0")]) + b"other" * 100)
    await writer.drain()
    await asyncio.Event().wait()


def endless(status: int = 200) -> Behaviour:
    """Send a body without end, as fast as it is taken."""

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, [("Content-Type", "text/plain")]))
        for _ in range(100_000):  # 1.6 GB: more than any reader should take
            writer.write(b"endless " * 2048)
            await writer.drain()

    return behave


async def drip(request: Received, writer: asyncio.StreamWriter) -> None:
    """Promise a long answer and send a first byte of it."""
    writer.write(_head(200, [("Content-Length", "100000")]) + b"o")
    await writer.drain()
    await asyncio.Event().wait()


async def flood_of_headers(request: Received, writer: asyncio.StreamWriter) -> None:
    """Send headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        writer.write(b"X-Flood-%d: %s\r\n" % (number, b"x" * 500))
        await writer.drain()


async def endless_header(request: Received, writer: asyncio.StreamWriter) -> None:
    """Send one header without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Flood: ")
    for _ in range(100_000):
        writer.write(b"x" * 16_384)
        await writer.drain()


async def endless_trailer(request: Received, writer: asyncio.StreamWriter) -> None:
    """Send a good answer in chunks, and behind it headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
    for number in range(1_000_000):
        writer.write(b"X-Flood-%d: %s\r\n" % (number, b"x" * 500))
        await writer.drain()


async def flood_of_interim_answers(request: Received, writer: asyncio.StreamWriter) -> None:
    """Send `100 Continue` without end."""
    for _ in range(1_000_000):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()


def after_interim_answers(count: int) -> Behaviour:
    """Send some `103 Early Hints`, and then an answer."""

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * count)
        await answer()(request, writer)

    return behave


def reset_connection(writer: asyncio.StreamWriter) -> None:
    # A linger time of zero makes the kernel send RST in the place of FIN.
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unheard Of"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Sink:
    """
    A server on a free port of loopback.

    Args:
        tls: Speaks HTTPS with this context.
        host: As it stands in `url`; the server listens on 127.0.0.1 in any case.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        self._tls = tls
        self._host = host
        self._behaviours: list[Behaviour] = [answer()]
        self._news = asyncio.Condition()
        self._open: set[asyncio.Task[None]] = set()
        self._wires: set[asyncio.WriteTransport] = set()
        self._counter = itertools.count(1)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Wire(self), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # a connection that was accepted just now is known a turn of the loop later
        for wire in list(self._wires):
            wire.abort()
        await asyncio.sleep(0)
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host and port; no slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._open)

    def answer_with(self, *behaviours: Behaviour) -> None:
        """Behave so for the next requests, one each; the last one stays."""
        self._behaviours = list(behaviours)

    async def wait_for(self, count: int, seconds: float = 10) -> list[Received]:
        """Wait until so many requests have come in all."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def wait_until_unconnected(self, seconds: float = 10) -> None:
        """Wait until the other side has closed every connection."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: not self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        wire = writer.transport.get_protocol()
        assert isinstance(wire, _Wire)
        wire.when_lost = task.cancel
        try:
            await self._serve(reader, writer, next(self._counter))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side went away, which is its right, or the test is over
        finally:
            writer.transport.abort()
            self._open.discard(task)
            async with self._news:
                self._news.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while not writer.is_closing():
            request = await _read_request(reader, connection)
            if request is None:
                return
            self.received.append(request)
            async with self._news:
                self._news.notify_all()
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            await behaviour(request, writer)


class _Wire(asyncio.StreamReaderProtocol):
    """Notices at once that the other side went away, also while a behaviour is under way."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(asyncio.StreamReader(), sink._connected)
        self._sink = sink
        self.when_lost: Callable[[], object] = bool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._wire = transport
        self._sink._wires.add(transport)
        super().connection_made(transport)

    def eof_received(self) -> bool:
        super().eof_received()
        return False  # close our side too

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._sink._wires.discard(self._wire)
        self.when_lost()


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body, connection)


def refused_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_CERTIFICATES = Path(__file__).parent / "certificates"


def serving(certificate: str = "good") -> ssl.SSLContext:
    """TLS for a sink, with one of `tests/certificates`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATES / f"{certificate}.pem")
    return context


def trusting(certificate: str = "good") -> ssl.SSLContext:
    """What a client needs that is to believe in that certificate."""
    return ssl.create_default_context(cafile=str(_CERTIFICATES / f"{certificate}.pem"))
