"""
The public listener: Tornado's HTTP server in front of `ingress.py`.

A `HTTPServerConnectionDelegate` and no `RequestHandler`: nothing parses a form before the signature is checked, the
limits are ours to answer (413, 408, 503), and a request costs two thirds of the time (measured 2026-11).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from http.client import responses
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    format_timestamp,
)
from tornado.iostream import IOStream, StreamClosedError

from router.bounded import BoundedServer, write_and_close
from router.clock import Clock
from router.deadlines import Deadlines
from router.exchange import NO_LIMIT, Exchange
from router.ingress import RETRY_AFTER, Answer, Ingress
from router.payload import dump_json
from router.sockets import listen_on

log = logging.getLogger("router.listener")

_LAST_SECONDS = 2.0

_TOO_MANY_CONNECTIONS = Answer(
    503,
    {"error": "too_many_connections", "message": "too many connections are open already"},
    RETRY_AFTER,
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
        self.parting_bytes = bounds.parting_bytes
        self._server = _Server(
            self,
            ssl_options=tls,
            max_header_size=bounds.header_bytes,
            max_body_size=NO_LIMIT,  # ingress has its own; Tornado's answers 400, which Spaces takes for success
            max_buffer_size=bounds.buffered_bytes,
        )
        self._server.listener = self
        self._server.most_connections = bounds.connections
        # Tornado's own timers cost more than reading the head does; `Deadlines` watch instead.
        self._server.conn_params.header_timeout = None
        self._heads = Deadlines[Exchange](clock, bounds.header_seconds)
        self._bodies = Deadlines[Exchange](clock, bounds.body_seconds)
        self._latest: dict[object, Exchange] = {}
        self._open: set[Exchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._partings: set[IOStream] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._date = _Date(clock)
        self.port = 0

    @property
    def open_connections(self) -> int:
        return self._server.open_connections

    @property
    def open_requests(self) -> int:
        """Requests of which the head has arrived and the answer has not been given."""
        return len(self._open)

    @property
    def open_partings(self) -> int:
        """Refused peers that still send."""
        return len(self._partings)

    def listen(self, host: str, port: int) -> None:
        """
        Begin to accept; `port` then says which it is.

        Args:
            host: Address or name to listen on; empty for all.
            port: 0 asks for a free one.

        Raises:
            OSError: The address is not ours, or in use.
        """
        sockets = listen_on(host, port)
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
            log.warning("request.cut_off", extra={"count": len(self._open)})
        for stream in list(self._partings):
            stream.close()
        with contextlib.suppress(TimeoutError):  # a store that hangs must not keep the process from ending
            async with asyncio.timeout(_LAST_SECONDS):
                await self._server.close_all_connections()
                if self._tasks:
                    await asyncio.wait(self._tasks)

    # Connections

    def one_too_many(self, stream: IOStream) -> None:
        """Send a new connection away."""
        self.ingress.counts.answered("", "too_many_connections")
        self.part(stream, _TOO_MANY_CONNECTIONS, None)

    def disconnected(self, server_conn: object) -> None:
        request = self._latest.pop(server_conn, None)
        if request is not None:
            self._heads.forget(request)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        connection = cast("HTTP1Connection", request_conn)
        request = Exchange(self, connection)
        self._latest[server_conn] = request
        self._heads.watch(request)
        if self._draining:
            connection.close()
        return request

    # Requests

    def head_arrived(self, exchange: Exchange) -> None:
        self._heads.forget(exchange)
        self._open.add(exchange)
        self._idle.clear()

    def body_begins(self, exchange: Exchange) -> None:
        self._bodies.watch(exchange)

    def body_ended(self, exchange: Exchange) -> None:
        self._bodies.forget(exchange)

    def ended(self, exchange: Exchange) -> None:
        """Forget a request that is answered or lost."""
        self._bodies.forget(exchange)
        self._open.discard(exchange)
        if not self._open:
            self._idle.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def encode(self, answer: Answer, connection: str, *, is_head: bool) -> bytes:
        """
        Write an answer as it goes over the wire.

        Args:
            connection: Value of the `Connection` header; empty for none.
            is_head: The request's method was HEAD: say how long the body would be, and leave it out.
        """
        body = dump_json(answer.body) + b"\n"  # a terminal shows the prompt on a line of its own
        further = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
        if connection:
            further += f"Connection: {connection}\r\n"
        head = (
            f"HTTP/1.1 {answer.status} {responses[answer.status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nDate: {self._date.text()}\r\n{further}\r\n"
        )
        return head.encode("latin-1") if is_head else head.encode("latin-1") + body

    # Partings

    def part(self, stream: IOStream, answer: Answer, awaited: int | None, *, is_head: bool = False) -> None:
        """
        Answer a peer whose body nobody will read, and take leave of it.

        To close at once would reset the connection while the peer is sending, and could take the answer from it.

        Args:
            awaited: Bytes that the peer still wants to send; None where it did not say.
        """
        data = self.encode(answer, "close", is_head=is_head)
        if len(self._partings) >= self.bounds.partings:
            write_and_close(stream, data)
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


class _Server(BoundedServer):
    """Tells the listener of connections that are too many, or end."""

    listener: Listener

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        # An answer is one write, so nothing is gained by holding back; Tornado would switch it twice a request.
        stream.set_nodelay(True)
        stream.set_nodelay = _as_it_is  # type: ignore[method-assign]
        super().handle_stream(stream, address)

    def turn_away(self, stream: IOStream) -> None:
        self.listener.one_too_many(stream)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self.listener.disconnected(server_conn)


def _as_it_is(value: bool) -> None:
    """Leave the option as it was set when the connection came in."""


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
