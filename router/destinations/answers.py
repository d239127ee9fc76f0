"""What an HTTP request to a destination came to: the table that `docs/destinations.md` prints."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from router.destinations.base import Clients, Outgoing, Receipt
from router.errors import PermanentFailure, TemporaryFailure, Throttled
from router.sources import HOPS_HEADER, hops

MAX_DETAIL_BYTES = 4096
LONGEST_RETRY_AFTER = timedelta(hours=24)

_SECONDS = re.compile(r"[0-9]{1,9}")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_TURNS_TEXT_AROUND = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def common_headers(outgoing: Outgoing) -> dict[str, str]:
    """What every request of ours carries: a receiver knows a repetition by the first, a router a loop by the second."""
    return {
        "Idempotency-Key": outgoing.idempotency_key,
        HOPS_HEADER: str(hops(outgoing.event.headers) + 1),
    }


async def exchange(
    clients: Clients, method: str, url: str, content: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    """
    Send one request and read the answer.

    Raises:
        TemporaryFailure: There was no answer that could be read; says what to check.
        PermanentFailure: The request cannot be written at all.
    """
    try:
        request = clients.http.build_request(method, url, content=content, headers=_encoded(headers))
        return await clients.http.send(request)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        failure: Exception = PermanentFailure(
            "the request cannot be written: its URL or a header holds what HTTP does not allow",
            reason="request cannot be written",
        )
    except httpx.RequestError as error:
        failure = TemporaryFailure(str(error) or f"the request failed ({type(error).__name__})")
    # Raised out here, so that it does not drag along the client's error, which knows the whole URL.
    raise failure


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    # As Latin-1 a kept header of the event has the bytes again that it came with.
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]


def receipt_or_failure(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, fail_fast: Sequence[int] = ()
) -> Receipt:
    """
    Judge an answer by its status alone. The default is Teamwork's own rule: above 400 is tried again, nothing else is.

    Args:
        headers: Looked up as `Retry-After` and `Location`; pass a mapping that does not regard case.
        body: The begin of the answer; kept as the text of what is returned or raised.
        fail_fast: Statuses that the rule file declares hopeless.

    Raises:
        PermanentFailure: 400, a redirect, or a status of `fail_fast`.
        Throttled: 429 or 503 with a `Retry-After` that can be believed.
        TemporaryFailure: Everything else but 2xx.
    """
    said = excerpt(body)
    detail = _cut(f"{_title(status)}: {said}" if said else _title(status))
    if 200 <= status < 300:
        return Receipt(status, detail)
    if 300 <= status < 400:
        raise PermanentFailure(
            _cut(f"{_title(status)}: redirects are not followed{_pointing_to(headers)}. {said}".rstrip()),
            status,
            reason=f"redirect not followed (HTTP {status})",
        )
    if status == 400:
        raise PermanentFailure(detail, status, reason="rejected (HTTP 400)")
    if status in fail_fast:
        raise PermanentFailure(detail, status, reason=f"HTTP {status} fails fast")
    if status < 200:
        raise TemporaryFailure(f"HTTP {status} is not the answer to a message; check what listens there", status)
    until = retry_after(headers.get("Retry-After"), now) if status in {429, 503} else None
    if until is not None:
        raise Throttled(detail, until, status)
    raise TemporaryFailure(detail, status)


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """
    Read a `Retry-After`: whole seconds, or an HTTP date.

    Returns:
        A moment after `now` and at most 24 h from it; None for anything that cannot be believed. That includes `0`:
        taken at its word it would be an attempt after the other without a pause and without an end.

    Source: RFC 9110, section 10.2.3.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        until = now + timedelta(seconds=int(text))
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
    return until.astimezone(UTC) if now < until <= now + LONGEST_RETRY_AFTER else None


def excerpt(body: bytes) -> str:
    """Show the begin of an answer as one line of text, at most 4 KiB."""
    return _cut(visible(_WHITE_SPACE.sub(" ", body[: 2 * MAX_DETAIL_BYTES].decode("utf-8", "replace")).strip()))


def visible(text: str) -> str:
    """Write what could act on a terminal, or turn text around, as `\\x1b`; line feeds stay."""
    if text.isprintable() and _TURNS_TEXT_AROUND.isdisjoint(text):
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _acts(character) else character for character in text
    )


def _acts(character: str) -> bool:
    return character != "\n" and (
        unicodedata.category(character) in {"Cc", "Zl", "Zp"} or character in _TURNS_TEXT_AROUND
    )


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_DETAIL_BYTES:
        return text
    return encoded[: MAX_DETAIL_BYTES - len("…".encode())].decode("utf-8", "ignore") + "…"


def _title(status: int) -> str:
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return f"HTTP {status}"


def _pointing_to(headers: Mapping[str, str]) -> str:
    # Only scheme and host: the path of the new address often repeats the secret of the old one.
    try:
        there = httpx.URL(headers.get("Location") or "")
    except httpx.InvalidURL:
        return ""
    if not there.host or there.scheme not in {"http", "https"}:
        return ""
    port = f":{there.port}" if there.port else ""
    return f"; this one points to {there.scheme}://{there.host}{port}: put the final address into the rule file"
