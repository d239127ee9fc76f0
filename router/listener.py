"""
The public listener: Tornado's HTTP server in front of `ingress.py`.

A `HTTPServerConnectionDelegate` and no `RequestHandler`: nothing parses a form before the signature is checked, the
limits are ours to answer (413, 408, 503), and a request costs two thirds of the time (see `docs/performance.md`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Any, cast
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
    format_timestamp,
)
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets

from router.clock import Clock, Timer
from router.ingress import Admission, Answer, Ingress
from router.payload import dump_json

log = logging.getLogger("router.listener")

# Beyond every limit of ours: Tornado's own limits answer 400, which Spaces takes for success.
_NO_LIMIT = sys.maxsize

_LAST_SECONDS = 2.0

_TOO_MANY_CONNECTIONS = Answer(
    503,
    {"error": "too_many_connections", "message": "too many connections are open already"},
    {"Retry-After": "60"},
)


@dataclass(frozen=True)
class Bounds:
    """
    What a peer may take.

    Attributes:
        connections: Open at the same time; the next ones are answered 503 and closed.
        header_seconds: From the begin of a connection, or the end of a request on it, to the end of the next head.
        body_seconds: From the end of the head to the end of the body.
        header_bytes: Of one head.
        buffered_bytes: Of one connection, read ahead of what is being worked on.
        parting_seconds, parting_bytes: How long, and how much of a refused body, is read and dropped so that the
            answer reaches a peer that is still sending.
        partings: Of such peers at the same time; others are closed at once.
    """

    connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 20.0
    header_bytes: int = 16 * 1024
    buffered_bytes: int = 1024 * 1024
    parting_seconds: float = 3.0
    parting_bytes: int = 16 * 1024 * 1024
    partings: int = 64


class Listener(HTTPServerConnectionDelegate):
    """
    Listens for deliveries.

    Args:
        tls: Where given, only TLS is spoken.
    """

    def __init__(
        self, ingress: Ingress, clock: Clock, *, tls: ssl.SSLContext | None = None, bounds: Bounds = Bounds()
    ) -> None:
        self.ingress = ingress
        self.clock = clock
        self.bounds = bounds
        self._server = _Server(
            self,
            ssl_options=tls,
            max_header_size=bounds.header_bytes,
            max_body_size=_NO_LIMIT,
            max_buffer_size=bounds.buffered_bytes,
        )
        self._server.listener = self
        # Tornado's own timers cost more than reading the head does; `_Deadlines` watches instead.
        self._server.conn_params.header_timeout = None
        self._heads = _Deadlines(clock, bounds.header_seconds)
        self._bodies = _Deadlines(clock, bounds.body_seconds)
        self._connections = 0
        self._latest: dict[object, _Request] = {}
        self._open: set[_Request] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._partings: set[IOStream] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._date = _Date(clock)
        self.port = 0

    def listen(self, host: str, port: int) -> None:
        """
        Begin to accept; `port` then says which it is.

        Args:
            host: Address or name to listen on; empty for all.
            port: 0 asks for a free one.

        Raises:
            OSError: The address is not ours, or in use.
        """
        sockets = bind_sockets(port, host or None)
        self.port = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)

    def stop(self) -> None:
        """Accept nothing more: no connection, and 503 for what comes on open ones."""
        self.ingress.stop()
        self._server.conn_params.no_keep_alive = True
        self._server.stop()

    async def drain(self, grace: float = 30.0) -> None:
        """Wait for open requests, for `grace` seconds at most; then close what is left."""
        self._draining = True
        for request in list(self._latest.values()):
            if request not in self._open:
                request.connection.close()
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            log.warning("requests.cut_off", extra={"count": len(self._open)})
        for stream in list(self._partings):
            stream.close()
        with contextlib.suppress(TimeoutError):  # a store that hangs must not keep the process from ending
            async with asyncio.timeout(_LAST_SECONDS):
                await self._server.close_all_connections()
                if self._tasks:
                    await asyncio.wait(self._tasks)

    # Connections

    def connected(self, stream: IOStream) -> bool:
        """Count a new connection; False where it is one too many, and it has been sent away."""
        if self._connections < self.bounds.connections:
            self._connections += 1
            return True
        self.part(stream, _TOO_MANY_CONNECTIONS, None)
        return False

    def disconnected(self, server_conn: object) -> None:
        self._connections -= 1
        request = self._latest.pop(server_conn, None)
        if request is not None:
            self._heads.forget(request)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        connection = cast("HTTP1Connection", request_conn)
        request = _Request(self, connection)
        self._latest[server_conn] = request
        self._heads.watch(request)
        if self._draining:
            connection.close()
        return request

    # Requests

    def head_arrived(self, request: _Request) -> None:
        self._heads.forget(request)
        self._open.add(request)
        self._idle.clear()

    def body_begins(self, request: _Request) -> None:
        self._bodies.watch(request)

    def body_ended(self, request: _Request) -> None:
        self._bodies.forget(request)

    def ended(self, request: _Request) -> None:
        """Forget a request that is answered or lost."""
        self._bodies.forget(request)
        self._open.discard(request)
        if not self._open:
            self._idle.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def head_of(self, answer: Answer, length: int) -> HTTPHeaders:
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(length)
        headers["Date"] = self._date.text()
        for name, value in answer.headers.items():
            headers[name] = value
        return headers

    # Partings

    def part(self, stream: IOStream, answer: Answer, awaited: int | None, *, is_head: bool = False) -> None:
        """
        Answer a peer whose body nobody will read, and take leave of it.

        To close at once would reset the connection while the peer is sending, and could take the answer from it.

        Args:
            awaited: Bytes that the peer still wants to send; None where it did not say.
        """
        body = dump_json(answer.body)
        headers = self.head_of(answer, len(body))
        headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status} {responses[answer.status]}", *map(": ".join, headers.get_all()), "", ""]
        data = "\r\n".join(lines).encode("latin-1") + (b"" if is_head else body)
        if len(self._partings) >= self.bounds.partings:
            _write_and_close(stream, data)
        else:
            self._partings.add(stream)
            self.spawn(self._part(stream, data, self.bounds.parting_bytes if awaited is None else awaited))

    async def _part(self, stream: IOStream, data: bytes, awaited: int) -> None:
        timer = self.clock.call_later(self.bounds.parting_seconds, stream.close)
        try:
            await stream.write(data)
            if stream.socket is not None and not isinstance(stream.socket, ssl.SSLSocket):
                stream.socket.shutdown(socket.SHUT_WR)
            left = min(awaited, self.bounds.parting_bytes)
            while left > 0:
                left -= len(await stream.read_bytes(min(65536, left), partial=True))
        except (StreamClosedError, OSError):
            pass
        finally:
            timer.cancel()
            stream.close()
            self._partings.discard(stream)


class _Server(HTTPServer):
    """Tornado's server, with its connections counted."""

    listener: Listener

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self.listener.connected(stream):
            super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self.listener.disconnected(server_conn)


class _Request(HTTPMessageDelegate):
    """One request from its first byte to its answer."""

    def __init__(self, listener: Listener, connection: HTTP1Connection) -> None:
        self.listener = listener
        self.connection = connection
        self._headers: Mapping[str, str] = {}
        self._is_head = False
        self._admission: Admission | None = None
        self._answer: Answer | None = None
        self._declared: int | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._dropped: int | None = None

    @property
    def peer(self) -> str:
        """Address of the socket's other end. What proxy headers say is not asked: anybody can write them."""
        return str(getattr(self.connection.context, "remote_ip", ""))

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        line: RequestStartLine = start_line
        self.listener.head_arrived(self)
        self._headers = headers
        self._is_head = line.method == "HEAD"
        self._declared = _declared_length(headers)
        decision = self.listener.ingress.screen(line.method, _path(line.path), headers, self._declared, self.peer)
        has_body = self._declared != 0 and ("Content-Length" in headers or "Transfer-Encoding" in headers)
        if isinstance(decision, Admission):
            self._admission = decision
            if has_body:
                self.listener.body_begins(self)
        elif has_body:
            self.listener.part(self.connection.detach(), decision, self._declared, is_head=self._is_head)
            self._end()
        else:
            self._answer = decision

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        size = len(chunk)
        if self._admission is None or self._dropped is not None:
            self._drop(size)
            return None
        ingress = self.listener.ingress
        if self._held + size > self._admission.max_body_bytes:
            self._refuse(ingress.too_large(self._admission.source, self.peer))
            return None
        if not ingress.intake.take(size):
            self._refuse(ingress.too_much(self._admission.source, self.peer))
            return None
        self._held += size
        self._chunks.append(chunk)
        if self._held == self._declared:
            self.listener.body_ended(self)
            return self._accept(self._admission)  # the server waits for it: this costs no task
        return None

    def finish(self) -> None:
        if self._dropped is not None:
            self.connection.finish()
            self.connection.close()
        elif self._answer is not None:
            self._reply(self._answer)
        elif self._admission is not None:
            # A chunked body, or none at all. This method cannot be waited for.
            self.listener.body_ended(self)
            self.listener.spawn(self._accept_and_reply(self._admission))

    def on_connection_close(self) -> None:
        self._end()

    def too_slow(self) -> None:
        """End a request whose time is over."""
        if self._admission is None or self._dropped is not None:
            self.connection.close()  # a slow head, or a body that is only dropped
        else:
            self._refuse(self.listener.ingress.too_slow(self._admission.source, self.peer))
            self.connection.finish()  # closes, since the body is not read

    async def _accept(self, admission: Admission) -> None:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._answer = await self.listener.ingress.accept(admission.source, self._headers, body, self.peer)

    async def _accept_and_reply(self, admission: Admission) -> None:
        await self._accept(admission)
        if self._answer is not None:
            self._reply(self._answer)

    def _reply(self, answer: Answer) -> None:
        body = dump_json(answer.body)
        self._write(answer, self.listener.head_of(answer, len(body)), body)
        self.connection.finish()
        self._end()

    def _refuse(self, answer: Answer) -> None:
        """Answer in the middle of a body; the rest of it is dropped, and the connection closed after it."""
        body = dump_json(answer.body)
        headers = self.listener.head_of(answer, len(body))
        headers["Connection"] = "close"
        self._write(answer, headers, body)
        self._dropped = 0
        self._let_go()

    def _drop(self, size: int) -> None:
        self._dropped = (self._dropped or 0) + size
        if self._dropped > self.listener.bounds.parting_bytes:
            self.connection.finish()  # closes, since the body is not read

    def _write(self, answer: Answer, headers: HTTPHeaders, body: bytes) -> None:
        line = ResponseStartLine("HTTP/1.1", answer.status, responses[answer.status])
        self.connection.write_headers(line, headers, None if self._is_head else body)

    def _let_go(self) -> None:
        self._chunks.clear()
        self.listener.ingress.intake.give_back(self._held)
        self._held = 0

    def _end(self) -> None:
        self._let_go()
        self.listener.ended(self)


class _Deadlines:
    """Ends requests whose time is over. All have the same time, so the first to come is the first to go."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due: dict[_Request, float] = {}
        self._timer: Timer | None = None

    def watch(self, request: _Request) -> None:
        self._due[request] = self._clock.monotonic() + self._seconds
        if self._timer is None:
            self._timer = self._clock.call_later(self._seconds, self._sweep)

    def forget(self, request: _Request) -> None:
        self._due.pop(request, None)

    def _sweep(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while self._due:
            request, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._clock.call_later(due - now, self._sweep)
                return
            del self._due[request]
            request.too_slow()


class _Date:
    """The `Date` header, written once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._text = ""

    def text(self) -> str:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._text = second, format_timestamp(self._clock.now())
        return self._text


def _path(target: str) -> str:
    """The path of a request target; an absolute one (`http://host/path`) has one too."""
    path = target.partition("?")[0]
    if path.startswith("/"):
        return path
    try:
        return urlsplit(path).path
    except ValueError:
        return path


def _declared_length(headers: HTTPHeaders) -> int | None:
    """
    Read the declared length of a body; None where there is none, or none that makes sense.

    What makes no sense is left to Tornado, which answers 400 before it reads a byte of the body.
    """
    value = headers.get("Content-Length")
    if value is None:
        return None
    first, *others = (part.strip(" \t") for part in value.split(","))
    if not (first.isascii() and first.isdigit()) or any(other != first for other in others):
        return None
    return int(first) if len(first) < 19 else _NO_LIMIT


def _write_and_close(stream: IOStream, data: bytes) -> None:
    try:
        stream.write(data)  # small: the socket takes it at once
    except StreamClosedError:
        return
    stream.close()
