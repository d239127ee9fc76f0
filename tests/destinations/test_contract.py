"""
What every destination type keeps, whichever it is. A new file in `router/destinations/` is tested here by itself.

The settings are the type's `example`; a type whose example holds an http or smtp URL is tested against real servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from router.destinations.base import Clients, Destination, Receipt, destination_types
from router.errors import PermanentFailure, RouterError, TemporaryFailure, Throttled
from router.events import Message
from router.secret import Redactor
from tests import sinks
from tests.destinations.conftest import EVENT, NOW, outgoing
from tests.mail_sinks import DROP, HANG, MailSink
from tests.sinks import Received, Sink, answer

LOGIN = ("spaces-router", "example-mail-password")
"""Of the examples of types that log in to a mail server."""

TYPES = {name: kind for name, kind in destination_types().items() if kind.__module__.startswith("router.destinations.")}


def _is_web(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _is_mail(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("smtp://", "smtps://"))


WEB_TYPES = {name: kind for name, kind in TYPES.items() if any(map(_is_web, kind.example.values()))}

MAIL_TYPES = {name: kind for name, kind in TYPES.items() if any(map(_is_mail, kind.example.values()))}

any_type = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
web_type = pytest.mark.parametrize("kind", WEB_TYPES.values(), ids=WEB_TYPES)
mail_type = pytest.mark.parametrize("kind", MAIL_TYPES.values(), ids=MAIL_TYPES)


def pointed_at(origin: str, kind: type[Destination], **more: Any) -> Destination:
    """The type on its example's settings, each URL with our server in the place of the host."""

    def moved(value: Any) -> Any:
        if not (_is_web(value) and origin.startswith("http")) and not (_is_mail(value) and origin.startswith("smtp")):
            return value
        there = urlsplit(value)
        return value.replace(f"{there.scheme}://{there.netloc}", origin, 1)

    return kind(**({key: moved(value) for key, value in kind.example.items()} | more))


async def outcome_of(destination: Destination, clients: Clients) -> Receipt | RouterError:
    try:
        return await destination.send(outgoing(), clients)
    except RouterError as error:
        return error


def texts_of(error: BaseException) -> Iterator[str]:
    """Everything that a log or a traceback could show of an error."""
    seen: BaseException | None = error
    while seen is not None:
        yield repr(seen)
        yield str(seen)
        yield from (str(argument) for argument in seen.args)
        yield from (str(value) for value in vars(seen).values() if isinstance(value, str))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


@any_type
def test_type_is_named_after_its_file(kind: type[Destination]) -> None:
    """Who reads `type: …` in a rule file knows which file to open."""
    assert kind.type_name == kind.__module__.rpartition(".")[2].replace("_", "-")


@any_type
def test_example_loads_and_has_a_schema(kind: type[Destination]) -> None:
    """The settings that documentation and editors show are settings that load."""
    destination = kind(**kind.example)
    assert set(kind.example) <= set(kind.model_json_schema()["properties"])
    assert destination.target
    assert destination.address


@any_type
def test_same_place_is_the_same_target(kind: type[Destination]) -> None:
    """Two destinations on one place share pace and order, also after a reload."""
    assert kind(**kind.example).target == kind(**kind.example).target


@any_type
def test_unknown_key_is_refused(kind: type[Destination]) -> None:
    """A misspelled key is an error and never ignored."""
    with pytest.raises(ValidationError, match="tiemout"):
        kind(**{**kind.example, "tiemout": "5s"})


@any_type
def test_settings_show_no_secret(kind: type[Destination]) -> None:
    """However settings are printed, and whatever is wrong with them, their secrets stay hidden."""
    destination = kind(**kind.example)
    secrets = destination.secrets()
    shown = [repr(destination), str(destination), destination.address, str(destination.model_dump(mode="json"))]
    for key in kind.example:
        with pytest.raises(ValidationError) as caught:
            kind(**{**kind.example, key: {"wrong": [*secrets]}})
        shown.append(str(caught.value))
    assert [secret for secret in secrets for text in shown if secret in text] == []


@web_type
def test_secrets_know_the_path_of_the_url(kind: type[Destination]) -> None:
    """The URL of a webhook is a password: it and its telling parts are listed for masking."""
    redactor = Redactor(kind(**kind.example).secrets())
    for value in filter(_is_web, kind.example.values()):
        path = urlsplit(value).path.partition("{{")[0].rstrip("/")
        assert redactor.redact(value) == "***"
        assert path not in redactor.redact(f"POST {value} failed")


@web_type
async def test_example_answer_is_success(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """What a good server answers makes the message delivered."""
    sink.answer_with(answer(200, kind.example_answer))
    receipt = await outcome_of(pointed_at(sink.url, kind), clients)
    assert isinstance(receipt, Receipt)
    assert receipt.status == 200


def _expected(status: int) -> tuple[type[RouterError | Receipt], ...]:
    if status < 300:
        return (Receipt, TemporaryFailure, PermanentFailure)  # the type's own test of the body comes after
    if status <= 400:
        return (PermanentFailure,)
    return (TemporaryFailure,)


@web_type
async def test_outcome_by_status(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """Above 400 is tried again, 400 and redirects are final: Teamwork's own rule, for every status there is."""
    destination = pointed_at(sink.url, kind)
    for status in range(200, 600):
        sink.answer_with(answer(status, kind.example_answer))
        outcome = await outcome_of(destination, clients)
        assert isinstance(outcome, _expected(status)), status
        assert not isinstance(outcome, Throttled), status
        if isinstance(outcome, PermanentFailure | TemporaryFailure):
            assert outcome.status == status
            assert str(status) in outcome.detail


@web_type
async def test_status_that_fails_fast(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """The rule file may declare a status hopeless; the others are not."""
    destination = pointed_at(sink.url, kind, fail_fast=[404, 410])
    sink.answer_with(answer(410, "gone"), answer(403, "no"))
    assert isinstance(await outcome_of(destination, clients), PermanentFailure)
    assert isinstance(await outcome_of(destination, clients), TemporaryFailure)


@web_type
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed(kind: type[Destination], sink: Sink, clients: Clients, status: int) -> None:
    """A destination that names a time is left alone until then."""
    sink.answer_with(answer(status, "slow down", {"Retry-After": "30"}))
    outcome = await outcome_of(pointed_at(sink.url, kind), clients)
    assert isinstance(outcome, Throttled)
    assert (outcome.until - NOW).total_seconds() == 30


BROKEN: Mapping[str, sinks.Behaviour] = {
    "reset": sinks.reset,
    "closed": sinks.close,
    "cut off": sinks.cut_off,
    "garbage": sinks.garbage,
    "headers without end": sinks.flood_of_headers,
    "switched protocols": sinks.switch_protocols,
    "endless error": sinks.endless(500),
    "interim answers without end": sinks.flood_of_interim_answers,
}


@web_type
@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN)
async def test_broken_answer_is_tried_again(
    kind: type[Destination], sink: Sink, clients: Clients, behaviour: sinks.Behaviour
) -> None:
    """Whatever a server sends in the place of an answer is a failure that may pass, and leaves no connection behind."""
    sink.answer_with(behaviour)
    outcome = await outcome_of(pointed_at(sink.url, kind), clients)
    assert isinstance(outcome, TemporaryFailure)
    assert len(outcome.detail.encode()) <= 4096
    await sink.wait_until_unconnected()


SLOW: Mapping[str, sinks.Behaviour] = {
    "silence": sinks.hang,
    "drip": sinks.drip,
}


@web_type
@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
async def test_attempt_can_be_ended(
    kind: type[Destination], sink: Sink, clients: Clients, behaviour: sinks.Behaviour
) -> None:
    """When its time is over an attempt ends at once, and its connection with it."""
    sink.answer_with(behaviour)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pointed_at(sink.url, kind).send(outgoing(), clients)
    await sink.wait_until_unconnected()


@web_type
async def test_redirect_is_not_followed(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """A message goes nowhere but where the rule file says; the admin learns where it was pointed to."""
    sink.answer_with(answer(301, "moved", {"Location": "https://new.example.com/with/the/secret"}))
    outcome = await outcome_of(pointed_at(sink.url, kind), clients)
    assert isinstance(outcome, PermanentFailure)
    assert outcome.reason == "redirect not followed (HTTP 301)"
    assert "https://new.example.com:" in outcome.detail
    assert "/with/the/secret" not in outcome.detail
    assert len(sink.received) == 1


@web_type
async def test_trouble_on_the_way_is_worded(kind: type[Destination], clients: Clients) -> None:
    """A port that refuses, an unknown name, a certificate that nobody vouches for: tried again, and explained."""
    async with Sink(tls=sinks.serving()) as untrusted:
        port = sinks.refused_port()
        for origin, words in (
            (f"http://127.0.0.1:{port}", f"127.0.0.1:{port} refused the connection"),
            ("http://no-such-host.invalid", "no-such-host.invalid"),
            (untrusted.url, f"the certificate of 127.0.0.1:{untrusted.port} is self-signed"),
        ):
            outcome = await outcome_of(pointed_at(origin, kind), clients)
            assert isinstance(outcome, TemporaryFailure)
            assert words in outcome.detail
        assert untrusted.received == []


@web_type
async def test_no_secret_in_what_we_say(
    kind: type[Destination], sink: Sink, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    """No failure, whatever its cause, and no line of any log shows a secret of the destination."""
    caplog.set_level(logging.DEBUG)
    destinations = [
        pointed_at(origin, kind)
        for origin in (sink.url, f"http://127.0.0.1:{sinks.refused_port()}", "http://no-such-host.invalid")
    ]
    secrets = [secret for destination in destinations for secret in destination.secrets()]
    said: list[str] = []
    for behaviour in (*BROKEN.values(), answer(500, "down"), answer(400, "bad"), answer(302, "")):
        sink.answer_with(behaviour)
        for destination in destinations:
            outcome = await outcome_of(destination, clients)
            assert isinstance(outcome, RouterError)
            said += texts_of(outcome)
    assert [secret for secret in secrets for text in (*said, caplog.text) if secret in text] == []


@web_type
async def test_server_that_echoes_gives_nothing_away(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """Where an error page repeats the request, masking finds every secret in it."""

    async def echo(request: Received, writer: asyncio.StreamWriter) -> None:
        text = f"cannot {request.method} {request.path} {dict(request.headers)}"
        await answer(500, text)(request, writer)

    sink.answer_with(echo)
    destination = pointed_at(sink.url, kind)
    outcome = await outcome_of(destination, clients)
    assert isinstance(outcome, TemporaryFailure)
    said = Redactor(destination.secrets()).redact(outcome.detail)
    assert "***" in said
    assert [secret for secret in destination.secrets() if secret in said] == []
    assert "example-" not in said  # every secret of an example says so


@web_type
async def test_receiver_recognises_a_repetition(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """All attempts of a delivery carry one key and the same bytes; another delivery carries another."""
    sink.answer_with(answer(503, "later"), answer(200, kind.example_answer))
    destination = pointed_at(sink.url, kind)
    message = Message(text="Seite „Über uns“ <b>geändert</b> 🎉", subject="Seite")
    with pytest.raises(TemporaryFailure):
        await destination.send(outgoing(message), clients)
    await destination.send(outgoing(Message.decode(message.encode())), clients)
    await destination.send(outgoing(message, delivery_id=78), clients)
    first, second, other = sink.received
    assert [request.headers["idempotency-key"] for request in sink.received] == ["77", "77", "78"]
    assert (first.body, first.path) == (second.body, second.path)
    assert other.body == first.body


@web_type
async def test_loop_of_routers_can_be_seen(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """Each router adds itself to the count of routers that an event has passed."""
    sink.answer_with(answer(200, kind.example_answer))
    destination = pointed_at(sink.url, kind)
    await destination.send(outgoing(), clients)
    passed = replace(EVENT, headers={**EVENT.headers, "Router-Hops": "2"})
    await destination.send(outgoing(event=passed), clients)
    assert [request.headers["router-hops"] for request in sink.received] == ["1", "3"]


@mail_type
async def test_outcome_by_mail_code(kind: type[Destination], clients: Clients) -> None:
    """A message refused with 4xx is tried again, with 5xx not, but where login or TLS are wanted."""
    async with MailSink(login=LOGIN) as server:
        destination = pointed_at(server.url, kind)
        for code in (*range(400, 600), 250):
            server.answer("DATA", f"{code} said so" if code != 250 else None)
            outcome = await outcome_of(destination, clients)
            final = code >= 500 and code not in {530, 534, 535, 538}
            expected = Receipt if code == 250 else PermanentFailure if final else TemporaryFailure
            assert type(outcome) is expected, code
            assert getattr(outcome, "status", None) == code


@mail_type
@pytest.mark.parametrize("command", ["MAIL", "DATA"])
async def test_mail_attempt_can_be_ended(kind: type[Destination], clients: Clients, command: str) -> None:
    """When its time is over an attempt ends at once, and its connection with it."""
    async with MailSink(login=LOGIN) as server:
        server.answer(command, HANG)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await pointed_at(server.url, kind).send(outgoing(), clients)
        await server.wait_until_unconnected()


@mail_type
async def test_no_secret_in_what_mail_types_say(
    kind: type[Destination], clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    """No failure, whatever its cause, and no line of any log shows a secret of the destination."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    secrets: list[str] = []
    async with MailSink(login=("another", "login")) as wrong, MailSink(login=LOGIN) as right:
        right.answer("MAIL", DROP, "550 no", "421 no", HANG)
        for url in (wrong.url, right.url, right.url, right.url, f"smtp://127.0.0.1:{sinks.refused_port()}"):
            destination = pointed_at(url, kind)
            outcome = await outcome_of(destination, clients)
            assert isinstance(outcome, RouterError)
            said += texts_of(outcome)
            secrets += destination.secrets()
    assert secrets
    assert [secret for secret in secrets for text in (*said, caplog.text) if secret in text] == []


@mail_type
async def test_reader_of_mail_recognises_a_repetition(kind: type[Destination], clients: Clients) -> None:
    """All attempts of a delivery carry one `Message-ID` and the same bytes; another delivery carries another."""
    async with MailSink(login=LOGIN) as server:
        server.answer("DATA", None)
        message = Message(text="Seite „Über uns“ <b>geändert</b> 🎉", subject="Seite", html="<p>Seite</p>")
        for delivery_id in (77, 77, 78):
            await pointed_at(server.url, kind).send(outgoing(message, delivery_id=delivery_id), clients)
        first, second, other = server.mails
    assert first.content == second.content
    assert first.message["Message-ID"] != other.message["Message-ID"]


@any_type
async def test_message_is_not_changed_by_sending(kind: type[Destination], sink: Sink, clients: Clients) -> None:
    """What the store keeps is what was sent, also after a failure."""
    sink.answer_with(answer(500, "down"))
    message = Message(text="one\ntwo & <three>", subject="s")
    before = message.encode()
    nobody = f"smtp://127.0.0.1:{sinks.refused_port()}"
    destination = pointed_at(nobody if kind in MAIL_TYPES.values() else sink.url, kind)
    with contextlib.suppress(TemporaryFailure):
        await destination.send(outgoing(message), clients)
    assert message.encode() == before
