"""URLs as the rule file gives them: scheme, host and port are fixed, path and query may hold templates."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.errors import PermanentFailure
from router.fields import in_any_case, shape

_EXPECTED = "expected a URL that starts with https:// or http://"
_LONGEST_URL = 4096
_FORM = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")

# A shorter path such as `/events` is no secret, and masking it would spoil every log line that says it for itself.
_SHORTEST_SECRET_PATH = 12
_SHORTEST_SECRET_PART = 16

Fill = Callable[[str, Callable[[str], str]], str]
"""Renders a template, each inserted value quoted by the given function (see `Outgoing.fill`)."""


class WebAddress:
    """
    A URL of the rule file; prints without path and query, because these often are the password.

    Attributes:
        text: The whole of it.
        origin: Scheme, host and port, without a slash at the end; an international name in its ASCII form.
        place: Host, and port where one is given: fit for a log.
        rest: Path and query, maybe with templates; begins with `/` or `?`, or is empty.

    Raises:
        ValueError: With a sentence that does not quote the URL.
    """

    __slots__ = ("has_template", "origin", "place", "rest", "scheme", "text")

    def __init__(self, text: str) -> None:
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(_EXPECTED)
        if len(text) > _LONGEST_URL:
            raise ValueError(f"the URL has {len(text)} characters; expected at most {_LONGEST_URL}")
        self.text = text
        self.scheme = form[1].lower()
        self.place = _host_and_port(form[2])
        self.origin = f"{self.scheme}://{self.place}"
        self.rest = form[3]
        self.has_template = _check_rest(self.rest)

    def filled(self, fill: Fill) -> str:
        """
        Give the URL to call.

        Raises:
            PermanentFailure: A value would lead out of the path that the rule file gives.
        """
        if not self.has_template:
            return self.origin + self.rest
        # The first character of `rest` is no template, so nothing can be added to the host. A fragment is never sent.
        rest = fill(self.rest, quote_value).replace("#", "%23")
        if _has_dot_segment(rest):
            raise PermanentFailure(
                "a value that was inserted into the URL is `.` or `..`, which would lead to another path",
                reason="unsafe value in the URL",
            )
        return self.origin + rest

    def secrets(self) -> list[str]:
        """The URL and what of it can give access alone: its path with query, and long parts of these."""
        if self.rest in {"", "/"}:
            return []
        found = [self.text, self.origin + self.rest]
        for piece in _TEMPLATE.split(self.rest):
            if len(piece) >= _SHORTEST_SECRET_PATH:
                found.append(piece)
            found += [part for part in re.split(r"[/?&=;]", piece) if len(part) >= _SHORTEST_SECRET_PART]
        return found

    def __repr__(self) -> str:
        return f"WebAddress({str(self)!r})"

    def __str__(self) -> str:
        return self.origin if self.rest in {"", "/"} else f"{self.origin}/***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebAddress) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return shape("URL", f"^(?:{in_any_case('http', 'https')})://", _EXPECTED)


def without_template(address: WebAddress) -> WebAddress:
    """Validate a URL of a type that takes no templates in it."""
    if address.has_template:
        raise ValueError("this type takes no template in its URL; expected the URL as the service shows it")
    return address


def quote_value(value: str) -> str:
    """Quote a value for path or query: nothing in it can end the part that it stands in."""
    return quote(value, safe="", errors="replace")


def _host_and_port(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError("scheme, host and port are fixed; a template may stand in the path or the query only")
    if "@" in text:
        raise ValueError("the URL holds a user name or password; give them as `auth: {basic: {username, password}}`")
    try:
        url = httpx.URL(f"http://{text}")
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        raise ValueError("the URL's host or port is not valid") from None
    if not host:
        raise ValueError("the URL has no host; expected https://host/…")
    if ":" not in host and not _HOST.fullmatch(host):
        raise ValueError("the URL's host or port is not valid")
    if re.fullmatch(r"[0-9.]+|0x[0-9a-f.x]+", host):
        _check_address(host)
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError(f"the URL's port is {url.port}; expected 1 to 65535")
    shown = f"[{host}]" if ":" in host else host
    explicit = re.search(r":(\d+)$", text)
    return f"{shown}:{int(explicit[1])}" if explicit else shown


def _check_address(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise ValueError("the URL's host is no valid IPv4 address; expected four decimal numbers") from None


def _check_rest(rest: str) -> bool:
    """Check path and query, and tell whether there is a template in them."""
    pieces = _TEMPLATE.split(rest)
    static = "".join(pieces)
    if "{{" in static or "{%" in static or "{#" in static:
        raise ValueError("a template in the URL is not closed; expected `{{ … }}`")
    if "#" in static:
        raise ValueError("the URL holds a fragment (`#…`), which is never sent; leave it out, or write %23")
    if _NOT_IN_URL.search(static):
        raise ValueError("the URL holds white space or a control character; write it as %20 or the like")
    # Where a template stands, something that is neither `.` nor `..` is assumed here; `filled` looks again.
    if _has_dot_segment("x".join(pieces)):
        raise ValueError("the path of the URL holds `.` or `..`; expected the path that is meant")
    return len(pieces) > 1


def _has_dot_segment(rest: str) -> bool:
    path = rest.partition("?")[0].lower().replace("%2e", ".").replace("\\", "/")
    return any(segment in {".", ".."} for segment in path.split("/"))
