"""What all calls of the admin side share: who may come in, bodies within bounds, and answers in JSON."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

from router.admin.auth import Guard
from router.admin.parts import Parts
from router.admin.query import Query
from router.admin.refusal import Refused
from router.admin.serialise import Shown
from router.config.settings import Address
from router.errors import StoreUnavailable
from router.payload import JSON, dump_json

log = logging.getLogger("router.admin")

MAX_BODY_BYTES = 1024 * 1024
RETRY_AFTER_SECONDS = 5

_REASONS = {
    400: ("bad_request", "the request cannot be read"),
    404: ("not_found", "nothing answers here"),
    405: ("method_not_allowed", "this call takes another method; the Allow header names it"),
}


@stream_request_body
class AdminHandler(RequestHandler):
    """
    Base of every call.

    Bodies are streamed, so that a request is refused before its body is read.

    Attributes:
        methods: Those that the call takes.
        needs_token: Whether nothing at all is told without the token.
    """

    methods: ClassVar[Sequence[str]] = ("GET", "HEAD")
    needs_token: ClassVar[bool] = True

    parts: Parts
    guard: Guard
    address: Address
    shown: Shown

    def initialize(self, parts: Parts, guard: Guard, address: Address) -> None:
        self.parts = parts
        self.guard = guard
        self.address = address
        self.shown = Shown(parts.redactor)
        self.body = bytearray()

    # Coming in

    def prepare(self) -> None:
        headers = self.request.headers
        self.guard.check_host(headers.get("Host"), self._local())
        self.guard.check_origin(self.request.method or "", headers.get("Origin"), headers.get("Host"))
        if self.needs_token:
            self.guard.check_token(headers.get("Authorization"))
        self.check_path()
        if self.request.method not in self.methods:
            raise HTTPError(405)
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_max_body_size(2 * MAX_BODY_BYTES)  # beyond our own, which answers in JSON
        length = headers.get("Content-Length", "0")
        if length.isascii() and length.isdigit() and int(length) > MAX_BODY_BYTES:
            raise _too_large()

    def check_path(self) -> None:
        """Refuse a path at which there is no call."""

    def data_received(self, chunk: bytes) -> None:
        if self._finished:
            return
        self.body += chunk
        if len(self.body) > MAX_BODY_BYTES:  # it came in chunks, without saying how long it is
            self.body.clear()
            refused = _too_large()
            self.send_error(refused.status, exc_info=(Refused, refused, None))

    def _local(self) -> Address:
        """Our end of the connection; it tells the port that was free where port 0 was asked for."""
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection) and connection.stream is not None:
            bound = getattr(connection.stream, "socket", None)
            if bound is not None and isinstance(name := bound.getsockname(), tuple):
                return Address(name[0], name[1])
        return self.address

    def query(self, *known: str) -> Query:
        """
        Read the query parameters, of which only these are known.

        Raises:
            Refused: With 400.
        """
        return Query(self.request.query, known)

    # Answering

    async def head(self, *path: str) -> None:
        await self.get(*path)  # type: ignore[misc]

    def answer(self, value: Mapping[str, JSON], status: int = 200) -> None:
        """Answer in JSON; what `value` says has been masked."""
        self.set_status(status)
        self.finish(dump_json(value) + b"\n")

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def compute_etag(self) -> str | None:
        return None  # nothing is stored by those who ask

    # Saying no

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        refused = self._refusal(status_code, error)
        self.set_status(refused.status)
        for name, value in refused.headers.items():
            self.set_header(name, value)
        if refused.status == 405:
            self.set_header("Allow", ", ".join(self.methods))
        # Tornado ends the connection when a request is answered before it was read; this says so to the client.
        self.set_header("Connection", "close")
        message = self.parts.redactor.redact(refused.message)
        self.finish(dump_json({"error": refused.code, "message": message, **refused.more}) + b"\n")

    def log_exception(
        self,
        typ: type[BaseException] | None,  # noqa: ARG002 - Tornado's signature
        value: BaseException | None,
        tb: TracebackType | None,  # noqa: ARG002
    ) -> None:
        facts = {"method": self.request.method, "path": self.request.path, "peer": self.request.remote_ip}
        if isinstance(value, Refused | HTTPError | StoreUnavailable):
            status = self._refusal(getattr(value, "status_code", 500), value).status
            log.info("admin.refused", extra=facts | {"status": status, "reason": str(value)})
        else:
            log.error("admin.failed", exc_info=value, extra=facts)

    def _refusal(self, status: int, error: BaseException | None) -> Refused:
        if isinstance(error, Refused):
            return error
        if isinstance(error, StoreUnavailable):
            return Refused(503, "store_unavailable", str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)})
        if isinstance(error, HTTPError) and status in _REASONS:
            return Refused(status, *_REASONS[status])
        return Refused(500, "internal", "internal error; the log has the details")


def _too_large() -> Refused:
    return Refused(413, "too_large", f"the body is too large; a body may have {MAX_BODY_BYTES} bytes at most")
