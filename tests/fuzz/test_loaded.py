"""Whatever rule file loads, it can be worked with: every event is judged, and written, and sent or told why not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import httpx
import pytest
from hypothesis import given

from router.config.load import load_text
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid
from router.delivery.attempt import Attempts
from router.delivery.testing import run_test
from router.delivery.trial import sample_event
from router.destinations.base import Clients
from router.errors import SignatureMismatch
from router.events import Delivery, DeliveryState, Event
from router.messages.context import build_namespace
from router.payload import JSON, dump_json
from router.rules.ruleset import Route
from router.samples import SAMPLES
from router.secret import Redactor
from router.signature import verify
from router.smtp.answers import Handed
from router.smtp.client import Smtp
from router.smtp.server import Line
from router.sources import DEFAULT_KIND, KINDS
from router.store.base import Store
from tests.fakes import Clock
from tests.fakes_store import MemoryStore
from tests.fuzz.budget import examples
from tests.fuzz.checking import ENVIRON
from tests.fuzz.conditions import namespaces
from tests.fuzz.rule_files import spoilt_files, written

KNOWN = (*SAMPLES, "page.updated.of.another.kind", "x")


class Post(Smtp):
    """A mail server that takes everything, without a socket."""

    async def hand_over(self, line: Line, sender: str, recipients: Sequence[str], mail: bytes) -> Handed:
        assert recipients
        assert mail.isascii()
        return Handed(tuple(recipients), {})


def _answer(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text="ok")


def _events(loaded: Configuration, payload: JSON, clock: Clock) -> Iterator[Event]:
    """Each sample, and a body that no product sends."""
    for number, name in enumerate(SAMPLES, 1):
        yield sample_event(name, loaded, number, clock.now())
    body = dump_json(payload)
    for number, name in enumerate(KNOWN, 100):
        yield replace(sample_event(SAMPLES[0], loaded, number, clock.now()), name=name, body=body)


def _routes(loaded: Configuration, event: Event) -> tuple[Route, ...]:
    source = loaded.sources.get(event.source)
    kind = source.kind if source else DEFAULT_KIND
    namespace = build_namespace(event, kind, source.site if source else None)
    judged = loaded.rules.judge(event.name, event.source, lambda: namespace)
    verdicts = loaded.rules.explain(event.name, event.source, lambda: namespace)
    assert judged.matched == tuple(verdict.rule for verdict in verdicts if verdict.matched)
    for verdict in verdicts:
        verdict.reason.encode()
    return judged.routes


async def _work(loaded: Configuration, payload: JSON) -> None:
    clock = Clock()
    async with httpx.AsyncClient(transport=httpx.MockTransport(_answer)) as http:
        attempts = Attempts(
            ruleset=lambda _: asyncio.sleep(0, loaded),
            clients=Clients(http, clock.now, Post()),
            store=cast("Store", MemoryStore()),
            clock=clock,
            redactor=Redactor(loaded.secrets()),
        )
        for event in _events(loaded, payload, clock):
            for number, route in enumerate(_routes(loaded, event)):
                await _attempt(attempts, loaded, event, route, number)


async def _attempt(attempts: Attempts, loaded: Configuration, event: Event, route: Route, number: int) -> None:
    delivery = Delivery(
        id=number,
        event_id=event.id,
        rule=route.rule,
        destination=route.destination,
        ruleset=loaded.hash,
        state=DeliveryState.SENDING,
        due_at=event.received_at,
        created_at=event.received_at,
        updated_at=event.received_at,
    )
    destination = loaded.destinations[route.destination]
    transition = await attempts.make(delivery, lambda _: asyncio.sleep(0, event), destination)
    assert transition.state is not DeliveryState.RETRYING, "what is answered 200 is no temporary failure"
    assert "internal error" not in transition.last_error
    told = f"{transition.last_error} {transition.reason} {transition.attempt.detail if transition.attempt else ''}"
    assert not any(secret in told for secret in loaded.secrets() if len(secret) > 5)
    if transition.message is not None:
        transition.message.encode()


@examples(60)
@given(written(spoilt_files()), namespaces)
def test_what_loads_works(text: str, payload: JSON) -> None:
    """No event makes a rule set fail in another way than by a failure that is told, on its way to any destination."""
    try:
        loaded = load_text(text, "rules.yaml", ENVIRON)
    except ConfigurationInvalid:
        return
    for source in loaded.sources.values():
        assert source.kind.name in KINDS
        with pytest.raises(SignatureMismatch):
            verify([token.reveal() for token in source.tokens], b"x", "0" * 64)
    asyncio.run(_work(loaded, payload))
    for test in loaded.tests:
        for mismatch in run_test(test, loaded).mismatches:
            assert mismatch.sentence or mismatch.expected or mismatch.found
