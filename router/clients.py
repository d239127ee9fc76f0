"""
The one place that makes HTTP clients: httpx's interface over a transport of our own on aiohttp.

httpx's own connection pool costs five to ten times as much and gets slower with concurrency (measured;
encode/httpx#3215). What destinations may rely on:

- No redirect is followed, no cookie kept, nothing decompressed, no proxy or netrc taken from the environment.
- At most `MAX_ANSWER_BYTES` of an answer are read; of a longer one the connection is closed.
- A request is written once. aiohttp would repeat an idempotent one on a fresh connection when a kept one turns out
  to be dead; here the attempt fails instead, and the delivery's schedule decides, because nobody can tell whether the
  first copy arrived. That this hardly happens is the work of `KEEP_ALIVE_SECONDS`.
- Errors are httpx's, worded for an administrator: host and port, what failed, what to check; never a path or a query.
- After `MOST_INTERIM_ANSWERS` announcements of an answer (1xx) the connection is closed, and the attempt has failed.
- There is no limit of connections here that one hanging destination could use up; lanes limit themselves.
"""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from yarl import URL

from router import __version__
from router.interim import MOST_INTERIM_ANSWERS, BoundedConnector, TooManyInterimAnswers
from router.lookups import HostLookups, LookUp, LookupTimedOut, system_look_up

MAX_ANSWER_BYTES = 64 * 1024

KEEP_ALIVE_SECONDS = 4.0
"""
How long an idle connection is kept for the next message.

Common servers close theirs after 5 s (Node.js, Apache, uvicorn); a request written at that moment is lost. Keeping ours
shorter avoids the race, and under load connections are never idle for so long.
"""

CONNECT_SECONDS = 10.0
"""Look-up, connection and TLS together: room for three lost packets, and most of an attempt is left for the answer."""

_LARGE_BODY = 1 << 20  # aiohttp warns about larger ones in one piece: writing them would hold the event loop

_AUTOMATIC_HEADERS = frozenset({"user-agent", "accept", "accept-encoding", "content-type"})
"""What aiohttp would add to a request that lacks it."""

_REPEATED_BY_AIOHTTP = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

_MOST_ADDRESSES = 1024
"""So many URLs are kept parsed; where a template stands in a URL, events make the next ones."""

# httpx would act on these: decompress what the sender may have made a bomb, keep cookies.
_DROPPED_HEADERS = frozenset({b"content-encoding", b"set-cookie", b"transfer-encoding"})


def make_http_client(
    *, proxy: str | None = None, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up
) -> httpx.AsyncClient:
    """
    Make the client that all destinations share. Close it with `aclose()`; it may be made outside the event loop.

    Args:
        proxy: URL of an HTTP proxy for all requests; the environment's proxy variables are not read.
        tls: What certificates are trusted; None for the system's store (see `trusted_certificates`).
        look_up: Finds the addresses of a host; called in a thread of its own.
    """
    for name in ("httpx", "httpcore", "aiohttp"):  # httpx logs each URL, and thereby secrets, at INFO
        logging.getLogger(name).setLevel(logging.WARNING)
    return _Client(
        _Transport(proxy, tls, look_up),
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

    Its own way through base URLs, parameters, cookies, credentials and redirects, of which there are none, costs as
    much as aiohttp does for the whole exchange. Whoever asks for any of these still gets there.
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
        is_usual = isinstance(url, str) and isinstance(headers, list) and timeout is httpx.USE_CLIENT_DEFAULT
        if not is_usual or (given and any(value is not None for value in given.values())):
            return super().build_request(method, url, content=content, headers=headers, timeout=timeout, **given)
        own = {name.lower() for name, _ in headers}
        return httpx.Request(
            method,
            _parsed(url),
            headers=[pair for name, pair in self._usual_headers if name not in own] + headers,
            stream=httpx.ByteStream(content or b""),  # with `content`, it would look for headers that aiohttp writes
            extensions={"timeout": self._usual_limits},
        )

    async def send(self, request: httpx.Request, **asked_for: Any) -> httpx.Response:
        is_usual = not asked_for or all(value is httpx.USE_CLIENT_DEFAULT for value in asked_for.values())
        if self.is_closed or not is_usual:
            return await super().send(request, **asked_for)
        response = await self._direct.handle_async_request(request)
        response.request = request
        return response


class _Unanswered(Exception):
    """Carries a broken connection past aiohttp, which would send the request a second time."""

    def __init__(self, cause: aiohttp.ClientError) -> None:
        super().__init__()
        self.cause = cause


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        broken = error
    raise _Unanswered(broken)


@lru_cache(_MOST_ADDRESSES)
def _address(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(16)
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(None, connect=connect, sock_read=read)


class _Transport(httpx.AsyncBaseTransport):
    """httpx's transport over one aiohttp session, which is made with the first request."""

    def __init__(self, proxy: str | None, tls: ssl.SSLContext | None, look_up: LookUp) -> None:
        self._proxy = proxy
        self._tls = tls
        self._lookups = HostLookups(look_up)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        connector = BoundedConnector(
            limit=0,
            resolver=self._lookups,
            use_dns_cache=False,  # the resolver's own: one look-up under way per host, whatever the port
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            proxy=self._proxy,
        )

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = trusted_certificates()
        return self._tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._session is None:
            self._session = self._open()
        content = request.read() if isinstance(request.stream, httpx.ByteStream) else await request.aread()
        limits = request.extensions.get("timeout", {})
        headers = [(name.decode("ascii"), _header_text(value)) for name, value in request.headers.raw]
        names = {name.lower() for name, _ in headers}
        await _notice_closed_connections()
        try:
            answer = await self._session.request(
                request.method,
                _address(str(request.url)),
                headers=headers,
                skip_auto_headers=_AUTOMATIC_HEADERS - names or None,
                data=(io.BytesIO(content) if len(content) > _LARGE_BODY else content) or None,
                ssl=self._trusted() if request.url.scheme == "https" else True,
                allow_redirects=False,
                timeout=_timeout(limits.get("connect"), limits.get("read")),
                middlewares=(_once,) if request.method in _REPEATED_BY_AIOHTTP else (),
            )
            return _response(answer, await _read(answer))
        except _Unanswered as error:
            failure = _failure(error.cause, request.url)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error, request.url)
        # Raised out here, so that no traceback shows aiohttp's error: its text holds the whole URL.
        raise failure

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._lookups.close()


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


async def _notice_closed_connections() -> None:
    """
    Let the event loop see what has come in, so that a kept connection which its server closed is not used again.

    A loop reads its sockets once a round, and what they bring runs after what was already waiting: hence two rounds.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _header_text(value: bytes) -> str:
    """Decode for aiohttp, which writes UTF-8; headers of Latin-1 as HTTP once had them must not fail."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Read the body, at most `MAX_ANSWER_BYTES`; whatever is cut short closes its connection."""
    body = bytearray()
    complete = False
    try:
        # After 101 the connection speaks another protocol, without an end.
        while answer.status != 101 and len(body) <= MAX_ANSWER_BYTES:
            piece = await answer.content.readany()
            if not piece:
                complete = True
                break
            body += piece
    finally:
        if not complete:
            answer.close()
    return bytes(body[:MAX_ANSWER_BYTES])


def _response(answer: aiohttp.ClientResponse, body: bytes) -> httpx.Response:
    headers = [pair for pair in answer.raw_headers if pair[0].lower() not in _DROPPED_HEADERS]
    if 300 <= answer.status < 400:
        headers = [_without_path(name, value) for name, value in headers]
    reason = (answer.reason or "").encode("ascii", "replace")
    return _Answer(answer.status, headers, body, reason)


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


def _failure(error: Exception, url: httpx.URL) -> httpx.TransportError:
    """Word an error of aiohttp; `error`'s own text must not be quoted where it may hold the URL."""
    place = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
    for kind, word in _WORDING:
        if isinstance(error, kind):
            return word(error, place)
    return httpx.NetworkError(f"the request to {place} failed ({type(error).__name__})")


def _connect_timeout(_: Any, place: str) -> httpx.TransportError:
    return httpx.ConnectTimeout(f"no connection to {place} in time; check the address, the network and the firewall")


def _read_timeout(_: Any, place: str) -> httpx.TransportError:
    return httpx.ReadTimeout(f"{place} took the request but did not answer in time")


def _unknown_host(error: Any, place: str) -> httpx.TransportError:
    host = place.rpartition(":")[0]
    cause = error.os_error
    if isinstance(cause, LookupTimedOut):
        text = f"the look-up of {host} had no answer in time; check the name server of this machine"
    elif cause.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
        text = f"no such host: {host}; check the name, and the name server of this machine"
    else:
        text = f"the look-up of {host} failed ({cause.strerror}); check the name server of this machine"
    return httpx.ConnectError(text)


CERTIFICATE_FINDINGS = {  # OpenSSL's X509_V_ERR_*, from its manual page X509_STORE_CTX_get_error, read 2026-11
    9: "is not valid yet; check the clocks of both machines",
    10: "has expired; it must be renewed there",
    18: "is self-signed; add it to the certificates that this machine trusts, or name it in SSL_CERT_FILE",
    19: "is signed by an authority that this machine does not trust; add it to the trusted certificates",
    20: "is signed by an unknown authority, or the server leaves out a part of the chain; check both",
    21: "cannot be checked: the server leaves out a part of the chain; it must be mended there",
    62: "is made out to another name; check the host in the address",
    64: "is made out to another address; check the host in the address",
}


def _untrusted(error: Any, place: str) -> httpx.TransportError:
    cause = error.certificate_error
    finding = CERTIFICATE_FINDINGS.get(getattr(cause, "verify_code", 0)) or (
        f"was not accepted ({getattr(cause, 'verify_message', 'unknown reason')})"
    )
    return httpx.ConnectError(f"the certificate of {place} {finding}")


def _no_tls(error: Any, place: str) -> httpx.TransportError:
    reason = (getattr(error.os_error, "reason", None) or "handshake failed").lower().replace("_", " ")
    return httpx.ConnectError(f"no TLS connection to {place} ({reason}); check that this port speaks https")


_CONNECTING = {
    errno.ECONNREFUSED: "{} refused the connection; check that the service runs there and that the port is right",
    errno.ENETUNREACH: "no way to {} (network unreachable); check the network and the firewall",
    errno.EHOSTUNREACH: "no way to {} (host unreachable); check the network and the firewall",
    errno.ETIMEDOUT: "{} does not react; check the address, the network and the firewall",
    errno.ECONNRESET: "{} reset the connection while it was made; check what listens there",
    errno.EMFILE: "no connection to {}: this process has too many open files; raise its limit",
    errno.ENFILE: "no connection to {}: this machine has too many open files; raise its limit",
}


def _unreachable(error: Any, place: str) -> httpx.TransportError:
    template = _CONNECTING.get(error.os_error.errno or 0)
    if template is None:
        template = f"no connection to {{}} ({error.os_error.strerror or 'unknown reason'}); check the address"
    return httpx.ConnectError(template.format(place))


def _proxy_unreachable(error: Any, _: str) -> httpx.TransportError:
    return httpx.ProxyError(str(_unreachable(error, f"the proxy {error.host}:{error.port}")))


def _proxy_refused(error: Any, place: str) -> httpx.TransportError:
    return httpx.ProxyError(f"the proxy refused to connect to {place} (HTTP {error.status})")


def _no_answer(_: Any, place: str) -> httpx.TransportError:
    return httpx.RemoteProtocolError(f"{place} closed the connection without an answer")


def _reset(_: Any, place: str) -> httpx.TransportError:
    return httpx.ReadError(f"{place} reset the connection before its answer was complete")


def _cut_short(_: Any, place: str) -> httpx.TransportError:
    return httpx.RemoteProtocolError(f"{place} broke off in the middle of its answer")


def _unreadable(_: Any, place: str) -> httpx.TransportError:
    return httpx.RemoteProtocolError(f"{place} sent something that is not a readable HTTP answer")


def _never_answers(_: Any, place: str) -> httpx.TransportError:
    return httpx.RemoteProtocolError(
        f"{place} sent more than {MOST_INTERIM_ANSWERS} interim answers (HTTP 1xx) and no final one; check the server"
        " there, or the proxy in front of it"
    )


def _cannot_be_sent(error: Exception, place: str) -> httpx.TransportError:
    return httpx.LocalProtocolError(f"the request to {place} cannot be written ({type(error).__name__})")


# The first that fits; subclasses stand before their bases.
_WORDING: tuple[tuple[type[Exception], Callable[[Any, str], httpx.TransportError]], ...] = (
    (aiohttp.SocketTimeoutError, _read_timeout),
    (aiohttp.ServerTimeoutError, _connect_timeout),
    (aiohttp.ClientConnectorDNSError, _unknown_host),
    (aiohttp.ClientConnectorCertificateError, _untrusted),
    (aiohttp.ClientSSLError, _no_tls),
    (aiohttp.ClientProxyConnectionError, _proxy_unreachable),
    (aiohttp.ClientConnectorError, _unreachable),
    (aiohttp.ClientHttpProxyError, _proxy_refused),
    (aiohttp.ServerDisconnectedError, _no_answer),
    (TooManyInterimAnswers, _never_answers),
    (aiohttp.ClientPayloadError, _cut_short),
    (aiohttp.ClientResponseError, _unreadable),
    (aiohttp.InvalidURL, _cannot_be_sent),
    (OSError, _reset),
    (ValueError, _cannot_be_sent),
)
