"""`GET /api/v1/tail`: events and deliveries as they happen, as a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Mapping

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from router.admin.handler import AdminHandler
from router.admin.query import Query
from router.admin.refusal import Refused, bad_request
from router.admin.tails import DELIVERIES, EVENTS, MOST_READERS, Reader, TooManyReaders, Wanted
from router.events import Event
from router.payload import JSON
from router.rules.patterns import Pattern, PatternError, compile_pattern
from router.store.feed import Committed

KEEP_ALIVE_SECONDS = 15.0
"""Between two comments while nothing happens, so that neither end, nor a proxy between, takes the other for gone."""

STUCK_SECONDS = 60.0
"""After so long without taking a byte of what is to be sent, a reader is sent away."""

_BEGIN = b"retry: 2000\n: following\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"


class TailHandler(AdminHandler):
    """
    One reader, from the request to the end of its connection or of the router.

    What is sent waits for the reader, never the router for what is sent: see `tails.py`.
    """

    _reader: Reader | None = None

    async def get(self) -> None:
        wanted = _wanted(self.query("name", "source", "rule", "destination", "state", "only"))
        self._announce()
        if self.request.method == "HEAD":
            self.finish()
            return
        tails = self.parts.tails
        if tails.ended:
            raise Refused(503, "stopping", "the router is stopping", {"Retry-After": "5"})
        try:
            reader = self._reader = tails.begin(wanted, self._show)
        except TooManyReaders:
            sentence = f"{MOST_READERS} readers follow already; end one of them, or try again later"
            raise Refused(503, "too_many_readers", sentence, {"Retry-After": "60"}) from None
        try:
            await self._send_all(reader)
        except StreamClosedError:
            pass  # it went away
        finally:
            tails.forget(reader)

    def on_connection_close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _announce(self) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")  # nginx would collect it, and pass it on late

    def _show(self, one: Committed) -> Mapping[str, JSON]:
        if isinstance(one, Event):
            return self.shown.event(one)
        return self.shown.delivery(one, self.parts.rulesets.current.destinations)

    async def _send_all(self, reader: Reader) -> None:
        await self._send(_BEGIN)
        while not reader.is_closed:
            await self._send(await self._following(reader))
        await self._send(reader.take_out())
        await self.finish()

    async def _following(self, reader: Reader) -> bytes:
        """Wait for something to send; where nothing comes for a while, a comment."""
        timer = self.parts.clock.call_later(KEEP_ALIVE_SECONDS, reader.wake)
        try:
            await reader.wait()
        finally:
            timer.cancel()
        return reader.take_out() or _KEEP_ALIVE

    async def _send(self, data: bytes) -> None:
        """Write, and wait until the reader has taken it."""
        if not data:
            return
        timer = self.parts.clock.call_later(STUCK_SECONDS, self._hang_up)
        try:
            self.write(data)
            await self.flush()
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection) and connection.stream is not None:
            connection.stream.close()


def _wanted(query: Query) -> Wanted:
    """
    Read what is to be followed.

    Raises:
        Refused: With 400.
    """
    wanted = Wanted(
        name=_pattern(query.text("name")),
        source=query.text("source"),
        rule=query.text("rule"),
        destination=query.text("destination"),
        state=query.state(),
        only=query.choice("only", (EVENTS, DELIVERIES)),
    )
    if wanted.only == EVENTS and (wanted.state is not None or wanted.destination is not None):
        given = "state" if wanted.state is not None else "destination"
        raise bad_request(f"events have no {given}; leave out {given!r} or 'only'")
    return wanted


def _pattern(text: str | None) -> Pattern | None:
    try:
        return None if text is None else compile_pattern(text)
    except PatternError as error:
        raise bad_request(f"name: {error}") from None
