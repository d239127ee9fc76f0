"""
The public listener: Tornado's TCP server and streams, with a reader of HTTP in front of `ingress.py` that is our own.

Tornado's HTTP server reads anything into a request object, form included, before anybody is asked; here the head is
screened first, the limits are ours to answer (413, 408, 503), and a request costs a fraction of the time (`wire.py`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from tornado.httputil import format_timestamp
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.tcpserver import TCPServer

from router.answers import RETRY_AFTER, Answer, error_answer
from router.bounded import write_and_close
from router.clock import Clock
from router.connection import Connection
from router.deadlines import Deadlines
from router.ingress import Ingress
from router.payload import dump_json
from router.sockets import listen_on
from router.streams import Outbox, PatientStream
from router.wire import answer_bytes

log = logging.getLogger("router.listener")

_LAST_SECONDS = 2.0

_PIECE = 16 * 1024
"""Bytes that Tornado reads from a socket at once: most deliveries are smaller, and a buffer costs by its size."""

_TOO_MANY_CONNECTIONS = error_answer("too_many_connections", "too many connections are open already", RETRY_AFTER)


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


class Listener:
    """
    Listens for deliveries.

    Args:
        tls: Where given, only TLS is spoken.

    Attributes:
        heads, bodies: Watch over connections that wait for one of these.
        is_stopping: What comes is answered, and the connection closed behind it.
        is_draining: Nothing new is begun.
    """

    def __init__(
        self, ingress: Ingress, clock: Clock, *, tls: ssl.SSLContext | None = None, bounds: Bounds = Bounds()
    ) -> None:
        self.ingress = ingress
        self.clock = clock
        self.bounds = bounds
        self.heads = Deadlines[Connection](clock, bounds.header_seconds)
        self.bodies = Deadlines[Connection](clock, bounds.body_seconds)
        self.is_stopping = False
        self.is_draining = False
        self.port = 0
        self._server = _Server(self, tls)
        self._connections: set[Connection] = set()
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._partings: set[IOStream] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._date = _Date(clock)

    @property
    def open_connections(self) -> int:
        return len(self._connections)

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
        self.is_stopping = True
        self._server.stop()

    async def drain(self, grace: float = 30.0) -> None:
        """Wait for open requests and unread answers, for `grace` seconds at most; then close what is left."""
        self.is_draining = True
        leaving = [left for each in self._connections - self._open if (left := each.leave()) is not None]
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
                if leaving:
                    await asyncio.wait(leaving)
        except TimeoutError:
            unread = sum(not left.done() for left in leaving)
            log.warning("request.cut_off", extra={"count": len(self._open) + unread})
        for stream in list(self._partings):
            stream.close()
        for connection in list(self._connections):
            connection.close()
        if self._tasks:  # a store that hangs must not keep the process from ending
            await asyncio.wait(self._tasks, timeout=_LAST_SECONDS)

    # Connections

    def connect(self, stream: IOStream, peer: str) -> None:
        """Serve a new connection, or send it away."""
        if len(self._connections) >= self.bounds.connections:
            self.ingress.counts.answered("", "too_many_connections")
            self.part(stream, _TOO_MANY_CONNECTIONS, None)
            return
        connection = Connection(self, stream, peer, self.bounds.header_bytes)
        self._connections.add(connection)
        self._spawn(self._serve(connection))

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self.heads.forget(connection)

    def began(self, connection: Connection) -> None:
        self._open.add(connection)
        self._idle.clear()

    def ended(self, connection: Connection) -> None:
        self.bodies.forget(connection)
        self._open.discard(connection)
        if not self._open:
            self._idle.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
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
        return answer_bytes(
            answer.status, body, answer.headers, date=self._date.text(), connection=connection, is_head=is_head
        )

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
            self._spawn(self._part(stream, data, self.bounds.parting_bytes if awaited is None else awaited))

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


class _Server(TCPServer):
    """Hands the connections that it accepts to the listener."""

    def __init__(self, listener: Listener, tls: ssl.SSLContext | None) -> None:
        super().__init__(tls, max_buffer_size=listener.bounds.buffered_bytes, read_chunk_size=_PIECE)
        self._listener = listener
        self._outbox = Outbox()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if not isinstance(stream, SSLIOStream):
            stream = PatientStream(self._outbox, stream.socket, self.max_buffer_size, self.read_chunk_size)
        stream.set_nodelay(True)  # an answer is one write, so nothing is gained by holding back
        self._listener.connect(stream, str(address[0]) if address else "")


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
