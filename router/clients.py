"""
The one place that makes HTTP clients: httpx's interface over connections of our own.

httpx's own connection pool costs ten times as much as everything here, and gets slower with concurrency (measured;
encode/httpx#3215). What destinations may rely on:

- No redirect is followed, no cookie kept, nothing decompressed, no proxy or netrc taken from the environment.
- At most `MAX_ANSWER_BYTES` of an answer are read, unless the client was made for longer ones; of what is longer still
  the connection is closed.
- A request is written once. When a kept connection turns out to be dead, the attempt fails and the delivery's schedule
  decides, because nobody can tell whether the request arrived. That this hardly happens is the work of
  `KEEP_ALIVE_SECONDS`, and of a look at the connection before it is used.
- Errors are httpx's, worded for an administrator: host and port, what failed, what to check; never a path or a query.
- After `MOST_INTERIM_ANSWERS` announcements of an answer (1xx) the connection is closed, and the attempt has failed.
- There is no limit of connections here that one hanging destination could use up; lanes limit themselves.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import lru_cache
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from router import __version__
from router.lookups import HostLookups, LookUp, system_look_up
from router.outbound.connection import MAX_ANSWER_BYTES, Answer
from router.outbound.pool import Origin, Pool

__all__ = ["MAX_ANSWER_BYTES", "make_http_client", "trusted_certificates"]

CONNECT_SECONDS = 10.0
"""Look-up, connection and TLS together: room for three lost packets, and most of an attempt is left for the answer."""

_MOST_ADDRESSES = 1024
"""So many URLs are kept parsed; where a template stands in a URL, events make the next ones."""

_OURS = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that are written here, whatever the request says of them."""

# httpx would act on these: decompress what the sender may have made a bomb, keep cookies.
_DROPPED_HEADERS = frozenset({b"content-encoding", b"set-cookie", b"transfer-encoding"})


def make_http_client(
    *, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up, most_bytes: int = MAX_ANSWER_BYTES
) -> httpx.AsyncClient:
    """
    Make a client, such as the one that all destinations share. It may be made outside the event loop; close it with
    `aclose()`.

    Args:
        tls: What certificates are trusted; None for the system's store (see `trusted_certificates`).
        look_up: Finds the addresses of a host; called in a thread of its own.
        most_bytes: So much of the body of an answer is read.
    """
    for name in ("httpx", "httpcore"):  # httpx logs each URL, and thereby secrets, at INFO
        logging.getLogger(name).setLevel(logging.WARNING)
    return _Client(
        _Transport(tls, look_up, most_bytes),
        {"User-Agent": f"spaces-router/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"},
    )


def trusted_certificates() -> ssl.SSLContext:
    """
    Trust what the system trusts, so that a company's own authority works, and `SSL_CERT_FILE` too.

    A slim container may have no store at all; then it is the list which httpx brings along.
    """
    paths = ssl.get_default_verify_paths()
    has_file = paths.cafile is not None
    has_folder = paths.capath is not None and any(Path(paths.capath).iterdir())
    return ssl.create_default_context() if has_file or has_folder else httpx.create_ssl_context(trust_env=False)


class _NoCookies(httpx.Cookies):
    """Keeps nothing, and skips the standard library's slow search for something to keep."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


_NO_COOKIES = _NoCookies(CookieJar())

_parsed = lru_cache(_MOST_ADDRESSES)(httpx.URL)


class _Client(httpx.AsyncClient):
    """
    httpx's client, with a short way for what we send nearly always: bytes to a URL.

    Its own way through base URLs, parameters, cookies, credentials and redirects, of which there are none, costs more
    than the exchange itself. Whoever asks for any of these still gets there.
    """

    def __init__(self, transport: _Transport, headers: Mapping[str, str]) -> None:
        super().__init__(
            transport=transport,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            headers=headers,
            follow_redirects=False,
            trust_env=False,
        )
        self._direct = transport
        self._usual_headers = [(name.lower(), (name, value)) for name, value in self.headers.raw]
        self._usual_limits = self.timeout.as_dict()

    @property  # type: ignore[misc]  # theirs can be set
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    def build_request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        content: Any = None,
        headers: Any = None,
        timeout: Any = httpx.USE_CLIENT_DEFAULT,
        **given: Any,
    ) -> httpx.Request:
        is_usual = isinstance(url, str) and isinstance(content, bytes) and isinstance(headers, list)
        is_usual = is_usual and timeout is httpx.USE_CLIENT_DEFAULT and not any(given.values())
        if not is_usual:
            return super().build_request(method, url, content=content, headers=headers, timeout=timeout, **given)
        own = {name.lower() for name, _ in headers}
        return httpx.Request(
            method,
            _parsed(url),
            headers=[pair for name, pair in self._usual_headers if name not in own] + headers,
            stream=httpx.ByteStream(content),  # with `content`, it would look for headers that are written here
            extensions={"timeout": self._usual_limits},
        )

    async def send(self, request: httpx.Request, **asked_for: Any) -> httpx.Response:
        is_usual = not asked_for or all(value is httpx.USE_CLIENT_DEFAULT for value in asked_for.values())
        if self.is_closed or not is_usual or request.url.userinfo:
            return await super().send(request, **asked_for)
        response = await self._direct.handle_async_request(request)
        response.request = request
        return response


class _Target(NamedTuple):
    """Of a URL: who is connected to, and how the request names it."""

    origin: Origin
    host: bytes
    path: bytes


@lru_cache(_MOST_ADDRESSES)
def _target(url: httpx.URL) -> _Target:
    if url.scheme not in {"http", "https"}:
        raise httpx.UnsupportedProtocol("the URL begins with neither http:// nor https://")
    is_tls = url.scheme == "https"
    origin = Origin(url.raw_host.decode("ascii"), url.port or (443 if is_tls else 80), is_tls)
    if not origin.host:
        raise httpx.LocalProtocolError("the URL has no host")
    return _Target(origin, url.netloc, url.raw_path)


def _head(request: httpx.Request, target: _Target, size: int) -> bytes:
    """
    Write what stands before the body.

    Raises:
        LocalProtocolError: A header holds what would end it early.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target.path), b"Host: " + target.host]
    lines += [b"%b: %b" % pair for pair in request.headers.raw if pair[0].lower() not in _OURS]
    if size or request.method not in {"GET", "HEAD", "OPTIONS"}:
        lines.append(b"Content-Length: %d" % size)
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise httpx.LocalProtocolError(f"the request to {target.origin.place} cannot be written (a bad header)")
    return head + b"\r\n\r\n"


class _Transport(httpx.AsyncBaseTransport):
    """httpx's transport over our connections."""

    def __init__(self, tls: ssl.SSLContext | None, look_up: LookUp, most_bytes: int) -> None:
        self._tls = tls
        self._pool = Pool(HostLookups(look_up), self._trusted, most_bytes=most_bytes)
        self._under_way = 0

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = trusted_certificates()
        return self._tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read() if isinstance(request.stream, httpx.ByteStream) else await request.aread()
        target = _target(request.url)
        head = _head(request, target, len(body))
        limits = request.extensions.get("timeout", {})
        self._under_way += 1
        try:
            if self._under_way > 1:
                # All requests of this turn are made before the first is written, while what that needs stays in the
                # processor's cache: this saves 8 % of the time of a message.
                await asyncio.sleep(0)
            return _response(await self._answer(target, head, body, limits))
        finally:
            self._under_way -= 1

    async def _answer(self, target: _Target, head: bytes, body: bytes, limits: Mapping[str, float | None]) -> Answer:
        connection = self._pool.take(target.origin) or await self._pool.connect(target.origin, limits.get("connect"))
        if (seconds := limits.get("read")) is None:
            answer = await connection.exchange(head, body)
        else:
            try:
                async with asyncio.timeout(seconds):
                    answer = await connection.exchange(head, body)
            except TimeoutError:
                raise httpx.ReadTimeout(f"{target.origin.place} took the request but did not answer in time") from None
        self._pool.keep(target.origin, connection)
        return answer

    async def aclose(self) -> None:
        await self._pool.close()


def _response(answer: Answer) -> httpx.Response:
    headers = [pair for pair in answer.headers if pair[0].lower() not in _DROPPED_HEADERS]
    if 300 <= answer.status < 400:
        headers = [_without_path(name, value) for name, value in headers]
    return _Answer(answer.status, headers, answer.body, answer.reason)


class _Answer(httpx.Response):
    """An answer that is here as a whole, and as it is: httpx need not take it through its decoders."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, reason: bytes) -> None:
        super().__init__(status, headers=headers, stream=httpx.ByteStream(body), extensions={"reason_phrase": reason})
        self._body = body

    @property
    def content(self) -> bytes:
        return self._body

    def read(self) -> bytes:
        return self._body

    async def aread(self) -> bytes:
        return self._body


def _without_path(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """
    Leave of a `Location` only scheme and host.

    Its path often repeats the secret of ours. And httpx parses it although it does not go there; a bad one is an error.
    """
    if name.lower() != b"location":
        return name, value
    try:
        there = httpx.URL(value.decode("ascii"))
        return name, str(there.copy_with(username=None, password=None, raw_path=b"/")).encode("ascii")
    except (httpx.InvalidURL, ValueError):
        return b"x-location", b"unreadable"
