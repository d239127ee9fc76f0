"""
The running router, as commands ask it: its admin API over HTTP.

The standard library speaks here and not `router/clients.py`, for two reasons: a health check runs every few seconds and
must not import httpx for it (a quarter of a second each time), and answers of our own API may be larger than what
anybody takes from a destination.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from router.cli.addresses import admin_token, admin_token_file
from router.cli.group import Failed
from router.cli.options import F, setting
from router.config.settings import Address
from router.payload import JSON
from router.secret import Secret

DEFAULT_ADMIN = "http://127.0.0.1:8081"
TIMEOUT_SECONDS = 15.0
SILENCE_SECONDS = 45.0
"""A stream has at least a comment every 15 s."""

_STREAM = "text/event-stream"
_MOST_BYTES = 64 * 1024 * 1024
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - told apart, not bound to


class NothingAnswers(Exception):
    """No router stands at the admin address; the text is a sentence about it."""


class Busy(Failed):
    """The router has no room for this now, or is about to stop."""


class BrokenOff(Failed):
    """What answers at the admin address ended the connection before the end of its answer, or fell silent."""


@dataclass(frozen=True)
class Reply:
    """What the admin side said; `body` is None where it said nothing in JSON."""

    status: int
    body: JSON

    @property
    def message(self) -> str:
        """The sentence of an error, or an empty text."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True)
class Admin:
    """
    Where the admin side of a router is found.

    Attributes:
        prefix: Path before `/api` and `/-/`, where a proxy puts one; without a slash at its end.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{Address(self.host, self.port)}{self.prefix}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: Secret | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, JSON] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Reply:
        """
        Make one request.

        Raises:
            NothingAnswers: Nothing listens there.
            Failed: What answers is no router, or does not answer in time.
        """
        content = None if body is None else json.dumps(body).encode()
        with self.asked(method, path, token=token, query=query, content=content, timeout=timeout) as answer:
            return reply(answer)

    @contextmanager
    def asked(
        self,
        method: str,
        path: str,
        *,
        token: Secret | None = None,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accept: str = "application/json",
        timeout: float = TIMEOUT_SECONDS,
    ) -> Iterator[http.client.HTTPResponse]:
        """
        Make one request, and leave its answer to be read. What goes wrong meanwhile is raised as `ask` does.

        Args:
            timeout: Seconds for each step: connecting, and every read.
        """
        connection = self._connection(timeout)
        headers = {"Accept": accept}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        target = self.prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, content, headers)
            yield connection.getresponse()
        except ConnectionRefusedError:
            raise NothingAnswers(f"nothing answers at {self.url}") from None
        except socket.gaierror:
            raise NothingAnswers(f"there is no host {self.host!r}") from None
        except TimeoutError:
            raise BrokenOff(
                f"{self.url} does not answer within {timeout:.0f} s; is it a router, and is it well?"
            ) from None
        except ssl.SSLError as error:
            raise Failed(f"no TLS connection to {self.url}: {_reason(error)}.") from None
        except UnicodeEncodeError:
            raise Failed("the admin token may hold ASCII characters only.") from None
        except (http.client.HTTPException, ConnectionError):
            raise BrokenOff(
                f"what answers at {self.url} does not speak as a router's admin side does. Is --admin right?"
            ) from None
        except OSError as error:
            raise NothingAnswers(f"there is no way to {self.url} ({error.strerror or error})") from None
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    return (error.reason or "handshake failed").lower().replace("_", " ")


def reply(answer: http.client.HTTPResponse) -> Reply:
    """Read an answer to its end."""
    return Reply(answer.status, _parsed(answer.read(_MOST_BYTES)))


def _parsed(content: bytes) -> JSON:
    try:
        return json.loads(content)
    except ValueError:
        return None


class AdminType(click.ParamType[Admin]):
    """`http://HOST:PORT`, or the `HOST:PORT` that `serve --admin` takes, so that one variable serves both."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Admin:
        if isinstance(value, Admin):
            return value
        expected = f"expected an address such as {DEFAULT_ADMIN}, found {value!r}."
        try:
            if "://" not in value:
                address = Address.parse(value)
                return Admin("http", _EVERY_ADDRESS.get(address.host, address.host), address.port)
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            self.fail(expected, param, ctx)
        scheme = parts.scheme.lower()
        if scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            self.fail(expected, param, ctx)
        host = _EVERY_ADDRESS.get(parts.hostname, parts.hostname)
        return Admin(scheme, host, port or (443 if scheme == "https" else 80), parts.path.rstrip("/"))


def admin_options(command: F) -> F:
    """`--admin` and its token, for commands which ask the running router."""
    at = setting(
        "--admin",
        type=AdminType(),
        default=DEFAULT_ADMIN,
        show_default=True,
        metavar="URL",
        help="Where the running router's admin side listens.",
    )
    return at(admin_token_file(command))


@contextmanager
def for_sending() -> Iterator[None]:
    """
    Say what to do where no router runs, around what only a running one can do.

    Raises:
        Failed: In the place of `NothingAnswers`.
    """
    try:
        yield
    except NothingAnswers as nothing:
        raise Failed(
            f"{nothing}. Only the running router can send: start it with `spaces-router serve`, or say with --admin"
            " where its admin side listens."
        ) from None


class Router:
    """
    The API of a running router.

    Raises:
        Failed: The token that was given cannot be read.
    """

    def __init__(self, admin: Admin, token_file: Path | None) -> None:
        self.admin = admin
        try:
            self._token = admin_token(token_file, os.environ)
        except ValueError as error:
            raise Failed(str(error)) from None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any] | None:
        """
        Read something; None where it does not exist.

        Raises:
            NothingAnswers: Nothing listens there.
            Failed: The router refused, or what answers is none.
        """
        reply = self.admin.ask("GET", "/api/v1" + path, token=self._token, query=query)
        return None if reply.status == 404 and isinstance(reply.body, dict) else self._accepted(reply)

    def post(self, path: str, body: Mapping[str, JSON]) -> Mapping[str, Any]:
        """
        Have something done.

        Raises:
            NothingAnswers: Nothing listens there.
            Failed: The router refused, or what answers is none; with its own sentence.
        """
        return self._accepted(self.admin.ask("POST", "/api/v1" + path, token=self._token, body=body))

    def post_in_steps(self, path: str, body: Mapping[str, JSON]) -> Iterator[Mapping[str, Any]]:
        """Have something large done: each answer tells of a part, and where the next one begins. Raises as `post`."""
        cursor = None
        while True:
            step = self.post(path, {**body, "cursor": cursor})
            yield step
            cursor = step["next"]
            if cursor is None:
                return

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """
        Ask for a stream of server-sent events, and leave it to be read. Raises as `get`, also while it is read.

        Raises:
            Busy: The router cannot now, but may soon.
        """
        asked = self.admin.asked(
            "GET", "/api/v1" + path, token=self._token, query=query, accept=_STREAM, timeout=SILENCE_SECONDS
        )
        with asked as answer:
            if answer.status != 200 or not (answer.getheader("Content-Type") or "").startswith(_STREAM):
                told = reply(answer)
                if told.status == 503 and told.message:
                    raise Busy(f"the router at {self.admin.url} cannot now: {told.message}.")
                self._accepted(Reply(told.status, told.body if told.status >= 300 else None))
            yield answer

    def _accepted(self, told: Reply) -> Mapping[str, Any]:
        if told.status == 401:
            given = "does not take this token" if self._token else "asks for a token"
            raise Failed(
                f"the router at {self.admin.url} {given}. Set SPACES_ROUTER_ADMIN_TOKEN, or --admin-token-file, to the"
                " token that it was started with."
            )
        if not isinstance(told.body, dict):
            raise Failed(
                f"what answers at {self.admin.url} (HTTP {told.status}) is not a router's admin side. Is --admin"
                " right? The port for webhooks is another one."
            )
        if told.status >= 300:
            raise Failed(f"the router at {self.admin.url} refused (HTTP {told.status}): {told.message}")
        return told.body
