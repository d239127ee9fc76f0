"""One connection to the public listener: its requests are read one after the other, and each is answered once."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from tornado.iostream import IOStream, StreamClosedError

from router.answers import Answer
from router.bounded import write_and_close
from router.deadlines import Deadlines
from router.ingress import Admission, Ingress
from router.streams import PatientStream
from router.wire import CONTINUE, BadRequest, Head, HeadTooLarge, RequestReader

log = logging.getLogger("router.listener")

_PIECE, _LARGE_PIECE = 4 * 1024, 64 * 1024
"""Bytes that are taken from a stream at once: most requests are small, and a large piece is for large bodies."""


class Host(Protocol):
    """
    What a connection needs of the listener.

    Attributes:
        heads, bodies: Watch over connections that wait for one of these.
    """

    ingress: Ingress
    heads: Deadlines[Connection]
    bodies: Deadlines[Connection]

    @property
    def is_stopping(self) -> bool:
        """Answer what comes, and close behind it."""
        ...

    @property
    def is_draining(self) -> bool:
        """Begin with nothing new."""
        ...

    def began(self, connection: Connection) -> None:
        """A head has arrived."""
        ...

    def ended(self, connection: Connection) -> None:
        """The request is answered, or lost."""
        ...

    def encode(self, answer: Answer, connection: str, *, is_head: bool) -> bytes:
        """Write an answer as it goes over the wire."""
        ...

    def part(self, stream: IOStream, answer: Answer, awaited: int | None, *, is_head: bool = False) -> None:
        """Answer a peer whose body nobody will read, and take leave of it; the stream is not the caller's any more."""
        ...


class _Refused(Exception):
    """The answer stands before the body has arrived."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Connection:
    """
    Reads what a peer sends, asks ingress, and writes the answers.

    Args:
        peer: Address of the socket's other end. What proxy headers say is not asked: anybody can write them.
        most_head_bytes: Of one head.
    """

    def __init__(self, host: Host, stream: IOStream, peer: str, most_head_bytes: int) -> None:
        self._host = host
        self._stream = stream
        self._peer = peer
        self._send = stream.send if isinstance(stream, PatientStream) else stream.write
        self._reader = RequestReader(most_head_bytes)
        self._held = 0
        self._late: Admission | None = None

    def close(self) -> None:
        """Break off, whatever is under way."""
        self._stream.close()

    def leave(self) -> asyncio.Future[None] | None:
        """Close as soon as the peer has taken what it was told; with a future where that is not at once."""
        if not self._stream.writing():
            self.close()
            return None
        told = self._stream.write(b"")
        told.add_done_callback(lambda _: self.close())
        return told

    async def serve(self) -> None:
        """Answer requests until either side has enough."""
        try:
            while (head := await self._head()) is not None:
                self._host.began(self)
                try:
                    goes_on = await self._exchange(head)
                finally:
                    self._host.ended(self)
                if not goes_on:
                    break
                if self._reader.has_more:
                    await asyncio.sleep(0)  # who sends many requests at once leaves the others a turn
        except StreamClosedError:
            return
        except BadRequest as error:
            self._part(self._host.ingress.malformed(str(error), self._peer))
        except HeadTooLarge:
            self.close()
        except Exception:
            log.exception("connection.failed", extra={"peer": self._peer})
            self.close()

    def too_slow(self) -> None:
        """Its time is over: a slow body is told so."""
        if self._late is None:
            self.close()
        else:
            answer = self._host.ingress.too_slow(self._late.source, self._peer)
            write_and_close(self._stream, self._host.encode(answer, "close", is_head=False))

    async def _head(self) -> Head | None:
        """Read the next head; None where there will be none."""
        head = self._reader.head()
        if head is None:
            self._host.heads.watch(self)
            while head is None and not self._host.is_draining:
                await self._read(_PIECE)
                head = self._reader.head()
            self._host.heads.forget(self)
        return head

    async def _read(self, most: int) -> None:
        if isinstance(self._stream, PatientStream):
            coming = self._stream.next_bytes(most)
        else:
            coming = cast("asyncio.Future[bytes]", self._stream.read_bytes(most, partial=True))
        if coming.done():
            await asyncio.sleep(0)  # who sends as fast as we read leaves the others a turn
        self._reader.feed(await coming)

    async def _exchange(self, head: Head) -> bool:
        """Have one request decided, and answer it; tells whether another may follow."""
        is_head = head.method == "HEAD"
        decision = self._host.ingress.screen(head.method, head.path, head.headers, head.length, self._peer)
        if isinstance(decision, Admission):
            try:
                decision = await self._accept(head, decision)
            except _Refused as refused:
                decision = refused.answer
        if not self._reader.ended:
            self._part(decision, is_head=is_head)
            return False
        keeps = head.keeps_connection and not self._host.is_stopping
        data = self._host.encode(decision, _said_of_connection(head, keeps=keeps), is_head=is_head)
        await self._written(self._send(data) if keeps else self._stream.write(data))
        if not keeps:
            self.close()
        return keeps

    async def _written(self, written: asyncio.Future[None] | None) -> None:
        if written is not None and not written.done():
            self._host.heads.watch(self)  # who does not read its answers has no more time than who does not ask
            await written
            self._host.heads.forget(self)

    def _part(self, answer: Answer, *, is_head: bool = False) -> None:
        self._host.part(self._stream, answer, self._reader.awaited, is_head=is_head)

    # Bodies

    async def _accept(self, head: Head, admission: Admission) -> Answer:
        """Read the body and hand the request in; its bytes count as held until there is an answer."""
        ingress = self._host.ingress
        try:
            body = await self._body(head, admission)
            return await ingress.accept(admission.source, head.headers, body, self._peer)
        finally:
            ingress.intake.give_back(self._held)
            self._held = 0
            self._late = None

    async def _body(self, head: Head, admission: Admission) -> bytes:
        piece = self._piece(admission)
        is_whole = self._reader.ended
        if is_whole:
            return piece
        if head.expects_continue and not piece:
            self._send(CONTINUE)
        pieces = [piece]
        self._late = admission
        self._host.bodies.watch(self)
        while not self._reader.ended:
            await self._read(_LARGE_PIECE)
            pieces.append(self._piece(admission))
        self._host.bodies.forget(self)
        return b"".join(pieces)

    def _piece(self, admission: Admission) -> bytes:
        """Take what has come of a body, if there is room for it."""
        ingress = self._host.ingress
        piece = self._reader.body()
        size = len(piece)
        if self._held + size > admission.max_body_bytes:
            raise _Refused(ingress.too_large(admission.source, self._peer))
        if not ingress.intake.take(size):
            raise _Refused(ingress.too_much(admission.source, self._peer))
        self._held += size
        return piece


def _said_of_connection(head: Head, *, keeps: bool) -> str:
    """What to tell the peer about the connection, where it is not what its version of HTTP implies."""
    if head.minor:
        return "" if keeps else "close"
    return "Keep-Alive" if keeps else ""
