"""The http type: what is sent, how it is signed, and which settings are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from router.destinations.base import Clients
from router.destinations.http import Http
from router.destinations.signing import Signing
from router.errors import PermanentFailure
from router.events import Event, Message
from router.secret import Secret
from router.signature import verify
from tests.destinations.conftest import BODY, EVENT, NOW, outgoing
from tests.sinks import Received, Sink, answer

FORWARD = Message(forward=True)
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def sent(
    sink: Sink, clients: Clients, outgoing_message: Message, event: Event = EVENT, path: str = "/hook", **settings: Any
) -> Received:
    destination = Http.model_validate({"url": f"{sink.url}{path}", **settings})
    await destination.send(outgoing(outgoing_message, event=event), clients)
    return sink.received[-1]


async def test_event_is_forwarded_as_it_came(sink: Sink, clients: Clients) -> None:
    """A consumer written for Spaces works behind the router: same bytes, same headers, a signature of its own token."""
    request = await sent(sink, clients, FORWARD, sign="consumer-token")
    assert request.method == "POST"
    assert request.body == BODY
    assert request.headers["event"] == "page.updated.moved"
    assert request.headers["delivery"] == "6c3f4a2e-0c5b-4f0e-9a53-0f1c2d3e4f50"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["user-agent"].startswith("spaces-router/")
    assert request.headers["idempotency-key"] == "77"
    assert request.headers["router-hops"] == "1"
    verify(["consumer-token"], request.body, request.headers["signature"])


@pytest.mark.parametrize("product", ["Projects", "Desk"])
async def test_event_of_another_product_keeps_its_header_names(sink: Sink, clients: Clients, product: str) -> None:
    """A consumer of Projects or Desk finds event and signature under the names that it knows."""
    headers = {f"X-{product}-Event": "TASK.CREATED", f"X-{product}-Delivery": "d1", "Content-Type": "application/json"}
    request = await sent(sink, clients, FORWARD, replace(EVENT, headers=headers), sign="consumer-token")
    assert request.headers[f"x-{product.lower()}-event"] == "TASK.CREATED"
    assert request.headers[f"x-{product.lower()}-delivery"] == "d1"
    verify(["consumer-token"], request.body, request.headers[f"x-{product.lower()}-signature"])
    assert not {"event", "delivery", "signature"} & set(request.headers)


async def test_event_without_headers_is_forwarded_with_its_name(sink: Sink, clients: Clients) -> None:
    """An event that the router made up itself, for a test, looks like any other."""
    request = await sent(sink, clients, FORWARD, replace(EVENT, headers={}))
    assert request.headers["event"] == "page.updated.moved"
    assert request.headers["content-type"] == "application/json"
    assert "delivery" not in request.headers


async def test_odd_header_of_an_event_is_forwarded(sink: Sink, clients: Clients) -> None:
    """A delivery id with a letter outside ASCII goes on in the bytes in which it came."""
    request = await sent(sink, clients, FORWARD, replace(EVENT, headers={**EVENT.headers, "Delivery": "zurück €"}))
    assert request.headers["delivery"] == "zurück ?"


async def test_text_is_posted(sink: Sink, clients: Clients) -> None:
    """A rendered message goes out as plain text in UTF-8, without the headers of the event."""
    request = await sent(sink, clients, Message(text="Größe & <b>\n"), message="{{ event.title }}")
    assert request.body == "Größe & <b>\n".encode()
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert not {"event", "delivery", "signature"} & set(request.headers)


@pytest.mark.parametrize("body", [{"title": 'a "b"', "n": [1, None]}, [], "text", 0, None])
async def test_json_is_posted(sink: Sink, clients: Clients, body: Any) -> None:
    """A body of any JSON shape goes out as JSON."""
    request = await sent(sink, clients, Message(body=body, has_body=True))
    assert request.json == body
    assert request.headers["content-type"] == "application/json"


async def test_own_headers_win(sink: Sink, clients: Clients) -> None:
    """Headers of the rule file replace those that follow from the message, in whatever case they are written."""
    headers = {"content-type": "text/markdown", "USER-AGENT": "wiki", "X-Version": 2, "X-Key": "k e y"}
    request = await sent(sink, clients, Message(text="x"), headers=headers)
    assert request.headers["content-type"] == "text/markdown"
    assert request.headers["user-agent"] == "wiki"
    assert (request.headers["x-version"], request.headers["x-key"]) == ("2", "k e y")


async def test_basic_auth(sink: Sink, clients: Clients) -> None:
    """User name and password are sent as HTTP's basic scheme wants them, in UTF-8."""
    request = await sent(sink, clients, FORWARD, auth={"basic": {"username": "jo", "password": "pä:ss"}})
    scheme, _, pair = request.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", "jo:pä:ss")


async def test_bearer_auth(sink: Sink, clients: Clients) -> None:
    """A token is sent as a bearer token."""
    assert (await sent(sink, clients, FORWARD, auth={"bearer": "t0ken"})).headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("method", ["PUT", "patch", "DELETE"])
async def test_method(sink: Sink, clients: Clients, method: str) -> None:
    """The method can be chosen, in either case."""
    assert (await sent(sink, clients, FORWARD, method=method)).method == method.upper()


async def test_path_is_filled(sink: Sink, clients: Clients) -> None:
    """Path and query can tell of the event; values are quoted."""
    request = await sent(sink, clients, FORWARD, path="/in/{{ event.name }}?t={{ page.title }}")
    assert request.path == "/in/page.updated.moved?t=a%20b%2F..%2Fc%3Fd%3De%26f%23g%2500%C3%A9%0D%0AX%3A%20y"


async def test_path_that_would_lead_elsewhere_is_not_sent(sink: Sink, clients: Clients) -> None:
    """A page called `..` does not reach another path of the endpoint."""
    with pytest.raises(PermanentFailure):
        await sent(sink, clients, FORWARD, path="/in/{{ page.up }}/x")
    assert sink.received == []


@pytest.mark.parametrize("message", [FORWARD, Message(text="x"), Message(body={"a": 1}, has_body=True)])
@pytest.mark.parametrize("sign", ["tok", {"secret": "tok"}, {"style": "teamwork", "secret": "tok"}])
async def test_teamwork_signature(sink: Sink, clients: Clients, message: Message, sign: Any) -> None:
    """Whatever is sent is signed over its bytes as Teamwork does it."""
    request = await sent(sink, clients, message, sign=sign)
    assert request.headers["signature"] == hmac.new(b"tok", request.body, hashlib.sha256).hexdigest()


async def test_standard_webhooks_signature(sink: Sink, clients: Clients) -> None:
    """A receiver of Standard Webhooks can check id, time and body, and knows the message by its id."""
    request = await sent(sink, clients, FORWARD, sign={"style": "standard-webhooks", "secret": WEBHOOK_SECRET})
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = f"77.{int(NOW.timestamp())}.".encode() + BODY
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "77"
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert "signature" not in request.headers


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, WEBHOOK_SECRET.removeprefix("whsec_")])
def test_published_vector_of_standard_webhooks(secret: str) -> None:
    """The value which the reference libraries of Standard Webhooks test themselves with comes out."""
    signing = Signing(style="standard-webhooks", secret=Secret(secret))
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = signing.headers(b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, "Signature")
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_signature_stays_over_attempts_but_for_its_time(sink: Sink, clients: Clients) -> None:
    """A repeated attempt carries the same id under a fresh time, or receivers would refuse it as too old."""
    sink.answer_with(answer())
    destination = Http.model_validate(
        {"url": f"{sink.url}/x", "sign": {"style": "standard-webhooks", "secret": WEBHOOK_SECRET}}
    )
    later = replace(clients, now=lambda: NOW.replace(minute=30))
    for moment in (clients, later):
        await destination.send(outgoing(FORWARD), moment)
    first, second = (request.headers for request in sink.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 900
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("settings", "forwards", "own"),
    [
        ({}, True, {}),
        ({"message": "x"}, False, {"message": "x"}),
        ({"template": "x.j2"}, False, {"template": "x.j2"}),
        ({"body": {"a": "{{ event.name }}"}}, False, {"body": {"a": "{{ event.name }}"}}),
        ({"body": None}, False, {"body": None}),
    ],
)
def test_own_message(settings: dict[str, Any], forwards: bool, own: dict[str, Any]) -> None:
    """Without a message of its own a destination gets events as they came; `body: null` is a message."""
    destination = Http.model_validate({"url": "https://example.com", **settings})
    assert destination.forwards_as_is is forwards
    assert destination.own_message == own


def test_defaults() -> None:
    """Four at a time, no limit of pace, Teamwork's own schedule."""
    destination = Http.model_validate({"url": "https://example.com"})
    assert (destination.concurrency, destination.rate, len(destination.retry)) == (4, None, 3)


def test_target_is_the_url() -> None:
    """Destinations on one URL share a lane, and the address in logs is the host alone."""
    one = Http.model_validate({"url": "https://example.com:8443/a/{{ event.name }}", "method": "PUT"})
    two = Http.model_validate({"url": "HTTPS://EXAMPLE.com:8443/a/{{ event.name }}"})
    other = Http.model_validate({"url": "https://example.com:8443/b"})
    assert one.target == two.target != other.target
    assert one.address == "example.com:8443"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "example.com"}, "starts with https://"),
        ({"method": "BREW"}, "POST"),
        ({"method": "GET"}, "POST"),
        ({"message": "x", "body": 1}, "message and body exclude each other"),
        ({"message": "x", "template": "y"}, "message and template exclude each other"),
        ({"headers": {"Host": "x"}}, "cannot be set"),
        ({"headers": {"content-LENGTH": "5"}}, "cannot be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "cannot be set"),
        ({"headers": {"Expect": "100-continue"}}, "cannot be set"),
        ({"headers": {"Idempotency-Key": "1"}}, "cannot be set"),
        ({"headers": {"X Y": "1"}}, "not the name of a header"),
        ({"headers": {"X-Y:": "1"}}, "not the name of a header"),
        ({"headers": {"": "1"}}, "not the name of a header"),
        ({"headers": {"X-Y": "a\r\nEvil: b"}}, "one line of ASCII"),
        ({"headers": {"X-Y": "é"}}, "one line of ASCII"),
        ({"headers": {"X-Y": ""}}, "one line of ASCII"),
        ({"headers": {"X-Y": " a"}}, "one line of ASCII"),
        ({"headers": {"X-Y": "a", "x-y": "b"}}, "given twice"),
        ({"headers": {"X-Y": ["a"]}}, "str"),
        ({"headers": {"Authorization": "x"}, "auth": {"bearer": "y"}}, "exclude each other"),
        ({"headers": {"Signature": "x"}, "sign": "y"}, "leave its header out"),
        ({"auth": {}}, "expected one of: basic, bearer"),
        ({"auth": {"bearer": "x", "basic": {"username": "u", "password": "p"}}}, "expected one of: basic, bearer"),
        ({"auth": {"basic": {"username": "a:b", "password": "p"}}}, "without a colon"),
        ({"auth": {"basic": {"username": "", "password": "p"}}}, "without a colon"),
        ({"auth": {"bearer": "two\nlines"}}, "one line of ASCII"),
        ({"sign": ""}, "set but empty"),
        ({"sign": {"style": "hmac", "secret": "x"}}, "standard-webhooks"),
        ({"sign": {"style": "standard-webhooks", "secret": "whsec_not base64!"}}, "not base64"),
        ({"sign": {"style": "standard-webhooks", "secret": "whsec_"}}, "not base64"),
        ({"fail_fast": [200]}, "400 to 599"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    """Settings that cannot work are refused when the file is loaded, in words."""
    with pytest.raises(ValidationError) as caught:
        Http.model_validate({"url": "https://example.com", **settings})
    assert words in str(caught.value)


def test_public_header_is_no_secret() -> None:
    """Masking does not eat ordinary words such as a content type, but every other header's value, with its token."""
    headers = {"Content-Type": "text/plain", "Authorization": "Token abcdef123456"}
    secrets = Http.model_validate({"url": "https://example.com", "headers": headers}).secrets()
    assert "text/plain" not in secrets
    assert {"Token abcdef123456", "abcdef123456"} <= set(secrets)
