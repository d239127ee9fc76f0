"""One request on the public listener, from its first byte to its answer."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine
from tornado.iostream import IOStream

from router.ingress import Admission, Answer, Ingress

NO_LIMIT = sys.maxsize


class Host(Protocol):
    """What an exchange needs of the listener."""

    ingress: Ingress
    parting_bytes: int

    def head_arrived(self, exchange: Exchange) -> None: ...

    def body_begins(self, exchange: Exchange) -> None: ...

    def body_ended(self, exchange: Exchange) -> None: ...

    def ended(self, exchange: Exchange) -> None:
        """It is answered, or lost."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    def encode(self, answer: Answer, connection: str, *, is_head: bool) -> bytes:
        """Write an answer as it goes over the wire."""
        ...

    def part(self, stream: IOStream, answer: Answer, awaited: int | None, *, is_head: bool = False) -> None:
        """Answer a peer whose body nobody will read, and take leave of it."""
        ...


class Exchange(HTTPMessageDelegate):
    """
    Tornado tells it what arrives; it asks ingress, and writes the answer once.

    Two kinds of refusal come early. One of the head is left to `Host.part`, with the connection taken from Tornado,
    which would read on. One in the middle of a body is written at once; the rest of the body is dropped, and the
    connection closed after it.
    """

    def __init__(self, listener: Host, connection: HTTP1Connection) -> None:
        self.listener = listener
        self.connection = connection
        self._headers: Mapping[str, str] = {}
        self._version = ""
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
        self._version = line.version
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
            self._end()
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
        self._write(answer, self._connection_header())
        self.connection.finish()
        self._end()

    def _refuse(self, answer: Answer) -> None:
        """Answer in the middle of a body; the rest of it is dropped, and the connection closed after it."""
        self._write(answer, "close")
        self._dropped = 0
        self._let_go()

    def _connection_header(self) -> str:
        """What to tell the peer about the connection, where it is not what its version of HTTP implies."""
        asked = (self._headers.get("Connection") or "").lower()
        if self._version == "HTTP/1.0":
            return "Keep-Alive" if asked == "keep-alive" and not self.connection.no_keep_alive else ""
        return "close" if asked == "close" or self.connection.no_keep_alive else ""

    def _write(self, answer: Answer, connection: str) -> None:
        # The whole head at once, and no `write_headers`: that takes longer than all our own work on a head.
        self.connection.write(self.listener.encode(answer, connection, is_head=self._is_head))

    def _drop(self, size: int) -> None:
        self._dropped = (self._dropped or 0) + size
        if self._dropped > self.listener.parting_bytes:
            self.connection.finish()  # closes, since the body is not read

    def _let_go(self) -> None:
        self._chunks.clear()
        self.listener.ingress.intake.give_back(self._held)
        self._held = 0

    def _end(self) -> None:
        self._let_go()
        self.listener.ended(self)


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
    return int(first) if len(first) < 19 else NO_LIMIT
