"""Where the demonstration's messages go: servers on loopback which take them as Slack and an HTTP endpoint would."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from router.errors import SignatureMismatch, UnreadableBody
from router.payload import parse_body
from router.signature import verify
from router.sources import DEFAULT_KIND


class Sinks:
    """
    All receivers on one free port.

    Attributes:
        received: What arrived, by the `Idempotency-Key` that the router gives to each delivery: a text for people.
        refused: Why a request was not taken, likewise.
    """

    def __init__(self) -> None:
        self.received: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.audit_token = secrets.token_urlsafe(18)
        self.port = 0
        self._server: HTTPServer | None = None

    def start(self) -> None:
        routes: list[Any] = [
            (r"/services/.+", _Slack, {"sinks": self}),
            (r"/events", _Audit, {"sinks": self}),
        ]
        self._server = HTTPServer(Application(routes, log_function=_log_nothing))
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that the example's destinations ask for; each leads to this machine."""
        origin = f"http://127.0.0.1:{self.port}"
        return {
            "SLACK_URL": f"{origin}/services/T0DEMO/B0DOCS/{secrets.token_urlsafe(18)}",
            "SLACK_PEOPLE_URL": f"{origin}/services/T0DEMO/B0PEOPLE/{secrets.token_urlsafe(18)}",
            "SLACK_RATE": "1000/s",  # Slack's own limit, one a second, would only make the spectator wait
            "AUDIT_URL": f"{origin}/events",
            "AUDIT_TOKEN": self.audit_token,
        }


def _log_nothing(_: object) -> None:
    """What arrives is shown, not logged."""


class _Sink(RequestHandler):
    sinks: Sinks

    def initialize(self, sinks: Sinks) -> None:
        self.sinks = sinks

    def take(self, text: str) -> None:
        self.sinks.received[self._key()] = text
        self.finish("ok")

    def refuse(self, status: int, reason: str) -> None:
        self.sinks.refused[self._key()] = reason
        self.set_status(status)
        self.finish(reason)

    def _key(self) -> str:
        return self.request.headers.get("Idempotency-Key", "")


class _Slack(_Sink):
    """Takes what an incoming webhook of Slack takes: JSON with a text or blocks."""

    def post(self) -> None:
        try:
            payload = parse_body(self.request.body)
        except UnreadableBody:
            payload = None
        if not isinstance(payload, dict):
            self.refuse(400, "invalid_payload")
        elif not (payload.get("text") or payload.get("blocks")):
            self.refuse(400, "no_text")
        else:
            self.take(str(payload.get("text") or f"{len(payload['blocks'])} blocks"))


class _Audit(_Sink):
    """Takes an event as Spaces would have sent it, and checks the signature that the router made anew."""

    def post(self) -> None:
        headers = self.request.headers
        try:
            verify([self.sinks.audit_token], self.request.body, headers.get(DEFAULT_KIND.signature_header, ""))
        except SignatureMismatch as error:
            self.refuse(401, str(error))
        else:
            name = headers.get(DEFAULT_KIND.event_header, "an event without a name")
            self.take(f"{name} as it came ({len(self.request.body)} bytes), its new signature is right")
