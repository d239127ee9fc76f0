"""Any HTTP endpoint: the event as it came, a text, or JSON."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from router.destinations.address import WebAddress
from router.destinations.answers import common_headers, exchange, receipt_or_failure
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.destinations.signing import Sign
from router.events import Event
from router.fields import Model, in_any_case
from router.payload import JSON, dump_json
from router.secret import Secret
from router.sources import HOPS_HEADER, KINDS

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")

_OUR_MATTER = frozenset({"content-length", "expect", "host", "idempotency-key", HOPS_HEADER.lower()}) | frozenset(
    # Of one connection, not of the request. Source: RFC 9110, section 7.6.1.
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that the program sets itself, or must leave alone."""

_PUBLIC = frozenset({"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"})
"""Headers whose values are no secrets; masking `text/plain` in every log would help nobody."""

_SIGNATURES = frozenset({"signature", "webhook-id", "webhook-timestamp", "webhook-signature"})

_NOT_FORWARDED = frozenset({"user-agent", "content-type", HOPS_HEADER.lower()})
"""Kept headers of an event which a request of ours has of its own."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _number_as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("this is not the name of a header; expected letters, digits and hyphens")
    if name.lower() in _OUR_MATTER:
        raise ValueError(f"the header {name} cannot be set: it belongs to the connection or to the router")
    return name


def _header_value(value: Secret) -> Secret:
    if not _HEADER_VALUE.fullmatch(value.reveal()):
        raise ValueError("the value of a header must be one line of ASCII text, without a space at either end")
    return value


def _username(name: str) -> str:
    if not name.isprintable() or not name or ":" in name:
        raise ValueError("expected a user name of one line, without a colon")
    return name


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[
    Secret, BeforeValidator(_number_as_text, json_schema_input_type=str | int), AfterValidator(_header_value)
]

Method = Literal["POST", "PUT", "PATCH", "DELETE"]
_MethodAsWritten = Method | Annotated[str, Field(pattern=f"^(?:{in_any_case(*get_args(Method))})$")]


class Basic(Model):
    """
    A user name and a password, as HTTP's basic scheme sends them.

    Attributes:
        username: One line, without a colon.
        password: As the endpoint knows it.
    """

    username: Annotated[str, AfterValidator(_username), Field(examples=["router"])]
    password: Annotated[Secret, Field(examples=["${TICKETS_PASSWORD}"])]

    @property
    def header(self) -> str:
        pair = f"{self.username}:{self.password.reveal()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def secrets(self) -> list[str]:
        """The header as well: a server may send back what it got."""
        return [self.header.removeprefix("Basic ")]


class Auth(Model):
    """
    How the router names itself to the endpoint: `basic` or `bearer`.

    Attributes:
        basic: A user name and a password.
        bearer: A token, for the header `Authorization: Bearer …`.
    """

    basic: Annotated[Basic | None, Field(examples=[{"username": "router", "password": "${TICKETS_PASSWORD}"}])] = None
    bearer: Annotated[HeaderValue | None, Field(examples=["${PUSH_TOKEN}"])] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("expected one of: basic, bearer")
        return self

    @property
    def header(self) -> str:
        if self.basic is not None:
            return self.basic.header
        return f"Bearer {self.bearer.reveal() if self.bearer else ''}"


class Http(Destination, type="http"):
    """
    An HTTP endpoint.

    Without `message`, `template` or `body`, here or in the rule, it gets the event as it came: the same bytes and the
    same `Event` and `Delivery` headers, so that a consumer written for Teamwork works behind the router.

    Attributes:
        url: Where to. Path and query may hold templates, whose values are quoted; scheme, host and port may not.
        method: What is done at that address.
        headers: Set on each request. `Content-Type` replaces the one that follows from the message.
        auth: How the router names itself: `{basic: {username, password}}` or `{bearer: token}`.
        sign: A token, for a `Signature` as Teamwork makes it; or `{style: standard-webhooks, secret: whsec_…}`.
        message: The text to send when the rule gives no message, a template; excludes `template` and `body`.
        template: Name of the template to send when the rule gives no message; excludes `message` and `body`.
        body: The JSON to send when the rule gives no message; its texts are templates; excludes `message` and
            `template`.
        concurrency: Attempts under way at the same time; 1 keeps messages in order.
    """

    example: ClassVar[Mapping[str, Any]] = {
        "url": "https://events.example.com/teamwork/{{ event.name }}?key=example-key-in-the-query",
        "headers": {"X-Api-Key": "example-api-key-in-a-header"},
        "auth": {"basic": {"username": "router", "password": "example-password"}},
        "sign": "example-signing-token",
    }

    url: Annotated[WebAddress, Field(examples=["https://audit.example.com/events"])]
    method: Annotated[
        Method, BeforeValidator(_upper, json_schema_input_type=_MethodAsWritten), Field(examples=["PUT"])
    ] = "POST"
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict, examples=[{"X-Api-Key": "${TICKETS_KEY}"}])
    auth: Annotated[Auth | None, Field(examples=[{"bearer": "${PUSH_TOKEN}"}])] = None
    sign: Annotated[
        Sign | None, Field(examples=["${AUDIT_TOKEN}", {"style": "standard-webhooks", "secret": "${PARTNER_SECRET}"}])
    ] = None
    message: Annotated[str | None, Field(examples=["{{ event.title }}: {{ page.title }}"])] = None
    template: Annotated[str | None, Field(examples=["event"])] = None
    body: Annotated[JSON, Field(examples=[{"title": "{{ event.title }}: {{ page.title }}", "link": "{{ link }}"}])] = (
        None
    )
    concurrency: Annotated[int, Field(ge=1, le=64, examples=[2])] = 4

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.own_message) > 1:
            raise ValueError(f"{' and '.join(self.own_message)} exclude each other; expected one of them")
        names = [name.lower() for name in self.headers]
        if len(names) != len(set(names)):
            raise ValueError("a header is given twice; upper and lower case make no difference in its name")
        if self.auth is not None and "authorization" in names:
            raise ValueError("`auth` and the header Authorization exclude each other; expected one of them")
        if self.sign is not None and _SIGNATURES & set(names):
            raise ValueError("`sign` makes the signature; leave its header out of `headers`")
        return self

    @property
    def target(self) -> str:
        return self.url.origin + self.url.rest

    @property
    def address(self) -> str:
        return self.url.place

    @cached_property
    def own_message(self) -> Mapping[str, Any]:
        given = {"message": self.message, "template": self.template, "body": self.body}
        # `body: null` is a body.
        return {
            key: value
            for key, value in given.items()
            if value is not None or (key == "body" and "body" in self.model_fields_set)
        }

    @property
    def forwards_as_is(self) -> bool:
        return not self.own_message

    def secrets(self) -> list[str]:
        public = {value.reveal() for name, value in self.headers.items() if name.lower() in _PUBLIC}
        # Of `Authorization: Bearer …` the last word alone is the secret.
        words = [value.reveal().split()[-1] for name, value in self.headers.items() if name.lower() not in _PUBLIC]
        return [*(text for text in super().secrets() if text not in public), *words]

    def check(self, outgoing: Outgoing) -> None:
        self.url.filled(outgoing.fill)

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        content, headers = _content(outgoing)
        headers |= common_headers(outgoing)
        if self.sign is not None:
            name = _signature_header(outgoing.event)
            headers |= self.sign.headers(content, outgoing.idempotency_key, clients.now(), name)
        if self.auth is not None:
            headers["Authorization"] = self.auth.header
        own = {name.lower() for name in self.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own}
        headers |= {name: value.reveal() for name, value in self.headers.items()}
        response = await exchange(clients, self.method, self.url.filled(outgoing.fill), content, headers)
        return receipt_or_failure(
            response.status_code, response.headers, response.content, clients.now(), self.fail_fast
        )


def _content(outgoing: Outgoing) -> tuple[bytes, dict[str, str]]:
    """Give the bytes to send and the headers that describe them."""
    message = outgoing.message
    if message.forward:
        return outgoing.event.body, _event_headers(outgoing.event)
    if message.has_body:
        return dump_json(message.body), {"Content-Type": "application/json"}
    return message.text.encode("utf-8", "replace"), {"Content-Type": "text/plain; charset=utf-8"}


def _event_headers(event: Event) -> dict[str, str]:
    kept = {name: value for name, value in event.headers.items() if name.lower() not in _NOT_FORWARDED}
    if not any(kind.event_header in kept for kind in KINDS.values()):  # an event of our own making
        kept["Event"] = event.name
    content_type = event.headers.get("Content-Type") or "application/json"
    return {"Content-Type": content_type, **kept}


def _signature_header(event: Event) -> str:
    """Name the header as the product does that sent the event: its consumers look for it there."""
    for kind in KINDS.values():
        if kind.event_header in event.headers:
            return kind.signature_header
    return "Signature"
