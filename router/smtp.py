"""
The one place that makes SMTP connections: aiosmtplib on sockets of our own. What destinations may rely on:

- One connection for each mail. At the rate at which a wiki changes, a kept one would mostly be found broken.
- Where TLS is wanted and cannot be had, the connection ends before anything is said: no login, no sender, no recipient.
- Certificates are verified; there is no switch to turn that off.
- A login is tried once, by one method: more would only bring an account nearer to being locked.
- Names are looked up in threads of our own, one look-up under way per host (see `router/lookups.py`).
- A mail that was taken is reported at once; the goodbye happens behind. Whoever ends an attempt ends its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiosmtplib
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from router.clients import CERTIFICATE_FINDINGS, trusted_certificates
from router.lookups import Address, HostLookups, LookUp, LookupTimedOut, system_look_up
from router.secret import Secret

CONNECT_SECONDS = 10.0
"""For the addresses of a host all together."""

GOODBYE_SECONDS = 2.0

CONFIGURATION_CODES = frozenset({530, 534, 535, 538})
"""
Login or TLS wanted or refused: a matter of settings on either side. Source: RFC 4954 section 6, RFC 3207 section 4.
"""

_FORM = re.compile(r"(smtps?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?", re.ASCII)
_LONGEST_ANSWER = 500
_METHODS = ("plain", "login", "cram-md5")

Security = Literal["tls", "starttls", "none"]


class MailServer:
    """
    A mail server's address: `smtp://mail.example.com:587`, or `smtps://` for TLS from the start.

    Attributes:
        port: None where the address gives none.
        is_loopback: Mail to it does not leave this machine.

    Raises:
        ValueError: With a sentence that does not quote the address.
    """

    __slots__ = ("from_the_start", "host", "port", "text")

    def __init__(self, text: str) -> None:
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise ValueError("expected a mail server such as smtp://mail.example.com:587 or smtps://mail.example.com")
        if "@" in form[2]:
            raise ValueError("the address of the mail server holds a user name; username and password are own keys")
        if form[3] not in {"", "/"}:
            raise ValueError("the address of the mail server holds more than host and port")
        self.from_the_start = form[1].lower() == "smtps"
        self.host, self.port = _host_and_port(form[2])
        self.text = text

    @property
    def is_loopback(self) -> bool:
        if self.host in {"localhost", "localhost."}:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "smtps" if self.from_the_start else "smtp"
        return f"{scheme}://{host}" if self.port is None else f"{scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"MailServer({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def _host_and_port(text: str) -> tuple[str, int | None]:
    form = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text, re.ASCII)
    if form is None:
        raise ValueError("the mail server's host or port is not valid")
    host = form[1].strip("[]").lower()
    if form[1].startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("the mail server's host is no valid IPv6 address") from None
    elif not _HOST.fullmatch(host):
        raise ValueError("the mail server's host is not valid; write an international name in its form xn--…")
    if form[2] is not None and not 1 <= int(form[2]) <= 65535:
        raise ValueError(f"the mail server's port is {int(form[2])}; expected 1 to 65535")
    return host, int(form[2]) if form[2] else None


@dataclass(frozen=True)
class Line:
    """
    How to reach a server.

    Attributes:
        username: Empty for no login.
    """

    host: str
    port: int
    security: Security
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Refusal:
    """What a server said to one recipient, or to a mail."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(frozen=True)
class Handed:
    """
    What became of a mail.

    Attributes:
        accepted: Recipients for whom the server took it.
        refused: The others, with what it said.
        answer: What it said to the mail itself; empty where no recipient was left to send it to.
    """

    accepted: tuple[str, ...]
    refused: Mapping[str, Refusal]
    answer: str = ""


class MailFailed(Exception):
    """
    A mail was not handed over, as far as can be known.

    Attributes:
        sentence: For a person; no secret.
        code: What the server answered, or None where it was no answer.
        of_the_message: The server refused sender or message, and not the connection or the login.
        refused: Recipients that had been refused before, with what the server said.
    """

    def __init__(self, sentence: str, code: int | None = None, *, of_the_message: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.of_the_message = of_the_message
        self.refused: Mapping[str, Refusal] = {}


class Smtp:
    """
    Hands mails to servers. Nothing is opened before the first one; close it with `aclose()`.

    Args:
        tls: What certificates are trusted; None for the system's store.
        look_up: Finds the addresses of a host; called in a thread of its own.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up) -> None:
        self._tls = tls
        self._look_up = look_up
        self._lookups: HostLookups | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def hand_over(self, line: Line, sender: str, recipients: Sequence[str], mail: bytes) -> Handed:
        """
        Make a connection and hand over one mail.

        Args:
            sender, recipients: Bare addresses, checked before; at least one recipient.

        Raises:
            MailFailed: Nobody has it, or that cannot be known.
        """
        async with self._connected(line) as client:
            with _worded(line, "was told the sender"):
                await client.mail(sender)
            refused: dict[str, Refusal] = {}
            try:
                for recipient in recipients:
                    with _worded(line, "was told the recipients"):
                        refusal = await _offer(client, recipient)
                    if refusal is not None:
                        refused[recipient] = refusal
                accepted = tuple(recipient for recipient in recipients if recipient not in refused)
                if not accepted:
                    return Handed((), refused)
                with _worded(line, "was given the message, and may have it"):
                    answer = await client.data(mail)
            except MailFailed as failure:
                failure.refused = refused
                raise
            return Handed(accepted, refused, _one_line(f"{answer.code} {answer.message}"))

    async def aclose(self) -> None:
        """Cut goodbyes short and forget look-ups."""
        for task in self._goodbyes:
            task.cancel()
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
        if self._lookups is not None:
            await self._lookups.close()
            self._lookups = None

    @contextlib.asynccontextmanager
    async def _connected(self, line: Line) -> AsyncIterator[aiosmtplib.SMTP]:
        """Give a connection on which a mail may be begun; cut it off if that goes wrong, part politely if not."""
        wire = await self._wire(line)
        client = aiosmtplib.SMTP(
            hostname=line.host,
            sock=wire,
            timeout=None,  # whoever wants a mail handed over limits the time for all of it
            use_tls=line.security == "tls",
            start_tls=False,
            tls_context=self._trusted() if line.security != "none" else None,
            local_hostname=_own_name(wire),
        )
        done = False
        try:
            with _worded(line, "was connected to"):
                await client.connect()
            with _worded(line, "was greeted"):
                await _greet(client)
            if line.security == "starttls":
                await _start_tls(client, line)
            if line.username:
                await _log_in(client, line)
            yield client
            done = True
        finally:
            if done:
                self._part(client, wire)
            else:
                _cut(wire)

    def _part(self, client: aiosmtplib.SMTP, wire: socket.socket) -> None:
        """Say goodbye behind: what comes of it changes nothing, and must not be waited for."""

        async def goodbye() -> None:
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await client.quit()
            except (aiosmtplib.SMTPException, OSError, ValueError):
                pass
            finally:
                _cut(wire)

        task = asyncio.get_running_loop().create_task(goodbye(), name="smtp goodbye")
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def _wire(self, line: Line) -> socket.socket:
        """
        Connect to the first of a host's addresses that answers.

        Raises:
            MailFailed: None does.
        """
        addresses = await self._addresses(line)
        failure = MailFailed(f"{line.host} has no address; check the name")
        for family, address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                    return await _connect(family, address, line.port)
            except TimeoutError:
                failure = MailFailed(f"no connection to {line.place} in time; check the address and the firewall")
            except OSError as error:
                failure = MailFailed(_unreachable(error, line))
        raise failure

    async def _addresses(self, line: Line) -> Sequence[Address]:
        with contextlib.suppress(ValueError):
            version = ipaddress.ip_address(line.host).version
            return [(socket.AF_INET if version == 4 else socket.AF_INET6, line.host)]
        if self._lookups is None:
            self._lookups = HostLookups(self._look_up)
        try:
            return await self._lookups.addresses(line.host)
        except OSError as error:
            raise MailFailed(_unknown_host(error, line)) from None

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = trusted_certificates()
        return self._tls


async def _connect(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(wire, (address, port))
    except BaseException:
        wire.close()
        raise
    return wire


def _cut(wire: socket.socket) -> None:
    """
    End a connection at once, whichever state it is in.

    The event loop's own way waits up to 30 s for the other side's part of a TLS goodbye.
    """
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


def _own_name(wire: socket.socket) -> str:
    """
    What we call ourselves in EHLO: our full name, or our address where we have none.

    Source: RFC 5321, section 4.1.4. Python's `getfqdn` would ask name servers, in threads shared with everybody.
    """
    name = socket.gethostname()
    if "." in name and _HOST.fullmatch(name):
        return name
    address = str(wire.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _start_tls(client: aiosmtplib.SMTP, line: Line) -> None:
    if not client.supports_extension("starttls"):
        raise MailFailed(
            f"{line.place} does not offer STARTTLS, and nothing is sent without; check the port,"
            " or use smtps:// if it speaks TLS from the start"
        )
    with _worded(line, "was asked to start TLS"):
        await client.starttls()
        await _greet(client)


async def _log_in(client: aiosmtplib.SMTP, line: Line) -> None:
    method = next((method for method in _METHODS if method in client.server_auth_methods), None)
    if method is None:
        offered = ", ".join(sorted({name.upper() for name in client.server_auth_methods})) or "no login at all"
        raise MailFailed(f"{line.place} offers {_one_line(offered)}; this program knows PLAIN, LOGIN and CRAM-MD5")
    log_in = getattr(client, f"auth_{method.replace('-', '')}")
    with _worded(line, "was given the login"):
        await log_in(line.username, line.password.reveal())


async def _offer(client: aiosmtplib.SMTP, recipient: str) -> Refusal | None:
    try:
        await client.rcpt(recipient)
    except aiosmtplib.SMTPRecipientRefused as error:
        if error.code == 421:  # the server closes, which is no word about this recipient
            raise aiosmtplib.SMTPResponseException(error.code, error.message) from None
        return Refusal(error.code, _one_line(error.message))
    return None


@contextlib.contextmanager
def _worded(line: Line, stage: str) -> Iterator[None]:
    """
    Turn whatever goes wrong into `MailFailed`.

    Args:
        stage: What the server had just been told; follows its name in a sentence.
    """
    try:
        yield
    except MailFailed:
        raise
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        failure = _failure(error, line, stage)
    else:
        return
    # Raised out here, so that no traceback drags along the library's error: its arguments may hold the login.
    raise failure


def _failure(error: Exception, line: Line, stage: str) -> MailFailed:
    code = getattr(error, "code", None)
    if isinstance(error, aiosmtplib.SMTPResponseException) and isinstance(code, int) and 200 <= code <= 599:
        of_the_message = isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError)
        what = _REFUSED.get(type(error), "refused")
        sentence = f"{line.place} {what}: {_one_line(f'{code} {error.message}')}"
        return MailFailed(sentence, code, of_the_message=of_the_message)
    cause = error
    while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        finding = CERTIFICATE_FINDINGS.get(cause.verify_code) or f"was not accepted ({cause.verify_message})"
        return MailFailed(f"the certificate of {line.place} {finding}")
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or "handshake failed").lower().replace("_", " ")
        return MailFailed(f"no TLS connection to {line.place} ({reason}); check that this port speaks TLS as it is set")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return MailFailed(f"{line.place} {stage}, and answered what is not SMTP; check what listens there")
    if isinstance(cause, aiosmtplib.SMTPServerDisconnected | OSError):
        return MailFailed(f"{line.place} closed the connection when it {stage}")
    return MailFailed(f"{line.place} {stage}; then it failed ({type(cause).__name__})")


_REFUSED = {
    aiosmtplib.SMTPAuthenticationError: "refused the login",
    aiosmtplib.SMTPSenderRefused: "refused the sender",
    aiosmtplib.SMTPDataError: "refused the message",
    aiosmtplib.SMTPHeloError: "refused the greeting",
    aiosmtplib.SMTPConnectResponseError: "takes no mail now",
}

_CONNECTING: Mapping[int, str] = {
    errno.ECONNREFUSED: "{} refused the connection; check that the mail server runs there and that the port is right",
    errno.ENETUNREACH: "no way to {} (network unreachable); check the network and the firewall",
    errno.EHOSTUNREACH: "no way to {} (host unreachable); check the network and the firewall",
    errno.ECONNRESET: "{} reset the connection while it was made; check what listens there",
    errno.EMFILE: "no connection to {}: this process has too many open files; raise its limit",
}


def _unreachable(error: OSError, line: Line) -> str:
    template = _CONNECTING.get(error.errno or 0)
    return (template or f"no connection to {{}} ({error.strerror or 'unknown reason'}); check the address").format(
        line.place
    )


def _unknown_host(error: OSError, line: Line) -> str:
    if isinstance(error, LookupTimedOut):
        return f"the look-up of {line.host} had no answer in time; check the name server of this machine"
    if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
        return f"no such host: {line.host}; check the name, and the name server of this machine"
    return f"the look-up of {line.host} failed ({error.strerror}); check the name server of this machine"


def _one_line(text: str) -> str:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _LONGEST_ANSWER else f"{line[: _LONGEST_ANSWER - 1]}…"
