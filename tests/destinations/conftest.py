"""What the tests of destinations share: clients that stay on loopback, and something to send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from hashlib import sha256

import jinja2
import pytest

from router.clients import make_http_client
from router.destinations.base import Clients, Outgoing
from router.events import Event, Message
from router.smtp.client import Smtp
from tests.mail_sinks import MailSink
from tests.sinks import Sink, trusting

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)

BODY = b'{"page": {"id": 5148, "title": "R\\u0026D <plan>"}}\n'

EVENT = Event(
    id=1_234_567_890_123,
    source="spaces",
    name="page.updated.moved",
    upstream_id="6c3f4a2e-0c5b-4f0e-9a53-0f1c2d3e4f50",
    body=BODY,
    body_hash=sha256(BODY).digest(),
    headers={
        "Event": "page.updated.moved",
        "Delivery": "6c3f4a2e-0c5b-4f0e-9a53-0f1c2d3e4f50",
        "User-Agent": "Teamwork-Webhooks/1.2",
        "Content-Type": "application/json; charset=utf-8",
    },
    received_at=NOW,
    ruleset="none",
)


def fill(template: str, quote: Callable[[str], str]) -> str:
    """Render as the messages part does, on a namespace with a few hostile values."""
    environment = jinja2.Environment(finalize=lambda value: quote(str(value)), autoescape=False)  # noqa: S701
    return environment.from_string(template).render(
        event={"name": EVENT.name},
        rule={"name": "page changes"},
        page={"id": 5148, "title": "a b/../c?d=e&f#g%00é\r\nX: y", "up": ".."},
    )


MESSAGE = Message(text="Page moved")


def outgoing(message: Message = MESSAGE, *, event: Event = EVENT, delivery_id: int = 77) -> Outgoing:
    return Outgoing(delivery_id=delivery_id, message=message, event=event, fill=fill)


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    async with make_http_client() as http:
        smtp = Smtp(tls=trusting())
        yield Clients(http=http, now=lambda: NOW, smtp=smtp)
        await smtp.aclose()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as server:
        yield server


@pytest.fixture
async def mail_sink() -> AsyncIterator[MailSink]:
    async with MailSink() as server:
        yield server
