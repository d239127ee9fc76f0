"""`send`: a delivery that nobody could tell from one of Spaces, and an answer in plain words."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from router.cli.send import explain
from router.samples import SAMPLES, sample
from router.signature import sign
from tests.cli import invoke, invoked
from tests.sinks import Sink, answer, close, garbage, refused_port

TOKEN = "a-token-for-the-tests"
STORED = answer(200, json.dumps({"status": "stored", "event": "62345678901234567"}))


@pytest.mark.parametrize("name", SAMPLES)
async def test_every_event_can_be_sent(name: str) -> None:
    """Each of the 21 events is sent with Spaces' headers, its sample body and a right signature."""
    async with Sink() as sink:
        sink.answer_with(STORED)
        result = await invoked("send", name, "--to", f"{sink.url}/hooks/spaces", "--token", TOKEN)
    (request,) = sink.received
    assert result.exit_code == 0
    assert result.stdout.startswith("200 stored as event 62345678901234567; ")
    assert "spaces-router show 62345678901234567" in result.stdout
    assert (request.method, request.path) == ("POST", "/hooks/spaces")
    assert request.headers["event"] == name
    assert request.headers["content-type"] == "application/json"
    assert request.body == sample(name)
    assert request.headers["signature"] == sign(TOKEN, request.body)
    assert uuid.UUID(request.headers["delivery"]).version == 4


async def test_payload_delivery_and_kind_can_be_chosen(tmp_path: Path) -> None:
    """A file's bytes are sent as they are, under a given id, with the headers of another product."""
    body = tmp_path / "body.json"
    body.write_bytes(b'{"ticket":  {"id": 1}}\n')
    async with Sink() as sink:
        sink.answer_with(STORED)
        arguments = ["--payload", str(body), "--delivery", "d-1", "--kind", "teamwork-desk"]
        env = {"SPACES_TOKEN": TOKEN, "SPACES_ROUTER_SEND_TO": f"{sink.url}/hooks/desk"}
        result = await invoked("send", "ticket.created", *arguments, env=env)
    (request,) = sink.received
    assert result.exit_code == 0
    assert request.body == b'{"ticket":  {"id": 1}}\n'
    assert request.headers["x-desk-event"] == "ticket.created"
    assert request.headers["x-desk-delivery"] == "d-1"
    assert request.headers["x-desk-signature"] == sign(TOKEN, request.body)
    assert "signature" not in request.headers


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["page.update"], "Did you mean 'page.updated'? `spaces-router events` lists all"),
        (["ticket.created"], "there is no sample of 'ticket.created'"),
        (["page created"], "'page created' is no name of an event"),
        (["page.created", "--token", ""], "The token is empty"),
        (["page.created", "--delivery", "a\nb"], "printable ASCII"),
        (["page.created", "--payload", "/nonexistent.json"], "No such file"),
        (["page.created", "--to", "localhost/hooks"], "expected an address such as http://127.0.0.1:8080/hooks/spaces"),
        (["page.created", "--to", "http://"], "expected an address such as"),
        (["page.created", "--to", "http://[::1/hooks"], "address"),
    ],
)
def test_what_cannot_be_sent_is_a_mistake_of_usage(arguments: list[str], told: str) -> None:
    """Nothing leaves when the event, the token, the file or the address is not right."""
    given = ["send", *arguments]
    given += [] if "--to" in arguments else ["--to", "http://127.0.0.1:1/hooks/spaces"]
    given += [] if "--token" in arguments else ["--token", TOKEN]
    result = invoke(*given)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_token_is_asked_for() -> None:
    """Without a token the command says which variables may hold it."""
    result = invoke("send", "page.created", "--to", "http://127.0.0.1:1/hooks/spaces")
    assert result.exit_code == 2
    assert "SPACES_ROUTER_SEND_TOKEN" in result.stderr
    assert "SPACES_TOKEN" in result.stderr


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            400,
            {"error": "x", "message": "the body is not JSON"},
            "the body is not JSON. The router keeps such a request",
        ),
        (401, {"error": "x", "message": "the signature is wrong"}, "Is --token the token of this source"),
        (404, {"error": "x", "message": "nothing answers here"}, "Is the name after /hooks/ a source"),
        (413, {"error": "x", "message": "too large"}, "raise `serve --max-body`"),
        (503, {"error": "x", "message": "the disk is nearly full"}, "the disk is nearly full. Nothing was stored"),
        (502, "<html>bad gateway</html>", "Is this the router's address for webhooks?"),
        (301, "", "a router never redirects"),
        (200, "ok", "not from a router"),
        (200, {"status": "fine"}, "not from a router"),
        (200, [1], "not from a router"),
    ],
)
async def test_a_refusal_says_what_to_do(status: int, body: object, told: str) -> None:
    """Whatever is answered but a stored event exits with 1 and says what to look at, on standard error."""
    text = body if isinstance(body, str) else json.dumps(body)
    async with Sink() as sink:
        sink.answer_with(answer(status, text))
        result = await invoked("send", "page.created", "--to", f"{sink.url}/hooks/spaces", "--token", TOKEN)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{status} ")
    assert told in result.stderr
    assert result.stdout == ""


async def test_a_repeat_is_told_as_one() -> None:
    """Sending the same delivery again is fine, but the command says that nothing was forwarded."""
    async with Sink() as sink:
        sink.answer_with(answer(200, json.dumps({"status": "repeat", "event": "5"})))
        result = await invoked("send", "page.created", "--to", sink.url, "--token", TOKEN)
    assert result.exit_code == 0
    assert "already stored as event 5: a repeat, so nothing was forwarded again" in result.stdout


async def test_no_router_there() -> None:
    """A refused connection, a closed one and another protocol are a sentence each."""
    result = await invoked("send", "page.created", "--to", f"http://127.0.0.1:{refused_port()}/", "--token", TOKEN)
    assert result.exit_code == 1
    assert "refused the connection" in result.stderr
    assert "Is the router running?" in result.stderr
    for behaviour in (close, garbage):
        async with Sink() as sink:
            sink.answer_with(behaviour)
            result = await invoked("send", "page.created", "--to", sink.url, "--token", TOKEN)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert "Traceback" not in result.stderr


def test_an_answer_cannot_steer_the_terminal() -> None:
    """What a server says is shown without control characters, and cut short."""
    sentence, stored = explain(500, {"message": "\x1b[2Jgone\r\n" + "x" * 2000}, "http://x")
    assert not stored
    assert "\x1b" not in sentence
    assert "\n" not in sentence
    assert len(sentence) < 700
