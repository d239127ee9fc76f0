"""
Real mail servers on loopback for tests: aiosmtpd's, which takes mails or refuses them, and one that follows a script.

    async with MailSink() as sink:
        sink.refuse("b@example.com", "550 no such user")      # one each, the last one for ever
        sink.answer("DATA", "451 later", None)                # None: as a good server does

An answer may also be a function that gives one, or what no server should do: `DROP`, `LOSE`, `HANG`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DROP = "drop"
"""End the connection in the place of an answer."""

LOSE = "lose"
"""After DATA: take the mail, and end the connection before anybody is told."""

HANG = "hang"
"""Never answer."""

Answer = str | None | Callable[[], str | None]


@dataclass(frozen=True)
class Mail:
    """
    One mail as it was taken.

    Attributes:
        content: The bytes between DATA and the dot.
        lost: Whether its sender was not told that it was taken.
    """

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    login: str | None
    lost: bool = False

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=SMTP_POLICY)

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert isinstance(body, EmailMessage)
        return str(body.get_content())


class MailSink:
    """
    A mail server on a free port of loopback.

    Args:
        tls: With it, STARTTLS is offered; `from_the_start` speaks TLS at once.
        login: User name and password that it wants.

    Attributes:
        mails: What it took, in order.
        when_taken: Called with each mail, before the answer.
        is_silent: Whether new connections get no word, not even a greeting.
        said: The first line of what was sent to it, each time.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        from_the_start: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.mails: list[Mail] = []
        self.when_taken: Callable[[Mail], object] = bool
        self.is_silent = False
        self.said: list[str] = []
        self._tls, self._from_the_start, self._login = tls, from_the_start, login
        self._answers: dict[str, list[Answer]] = {}
        self._open: set[_Connection | _Silent] = set()
        self._unconnected = asyncio.Event()
        self._unconnected.set()
        self._server: asyncio.Server | None = None

    def answer(self, command: str, *answers: Answer) -> None:
        """Answer so to `MAIL` or `DATA`, one each, the last one for ever."""
        self._answers[command] = list(answers)

    def refuse(self, recipient: str, *answers: Answer) -> None:
        """Answer so to this recipient, one each, the last one for ever."""
        self._answers[recipient] = list(answers)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        context = self._tls if self._from_the_start else None

        def connection() -> _Connection | _Silent:
            return _Silent(self) if self.is_silent else _Connection(self, loop)

        self._server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        await self.wait_until_unconnected()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'smtps' if self._from_the_start else 'smtp'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._open)

    @property
    def commands(self) -> list[str]:
        """The words of what was said, such as `EHLO`, in their order."""
        return [line.split(" ")[0].upper() for line in self.said]

    async def wait_until_unconnected(self) -> None:
        async with asyncio.timeout(10):
            await self._unconnected.wait()

    def opened(self, connection: _Connection | _Silent) -> None:
        self._open.add(connection)
        self._unconnected.clear()

    def closed(self, connection: _Connection | _Silent) -> None:
        self._open.discard(connection)
        if not self._open:
            self._unconnected.set()

    async def _next(self, key: str, connection: _Connection) -> str | None:
        answers: list[Answer] = self._answers.get(key) or [None]
        chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        answer = chosen() if callable(chosen) else chosen
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == DROP:
            connection.abort()
        return answer

    # The hooks of aiosmtpd, which finds them by name.

    async def handle_MAIL(  # noqa: N802
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._next("MAIL", server) or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._next(address, server)
        if answer is None or answer.startswith("25"):
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await self._next("DATA", server)
        if answer in {None, LOSE}:
            login = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            encrypted = session.ssl is not None or self._from_the_start
            mail = Mail(envelope.mail_from or "", list(envelope.rcpt_tos), content, encrypted, login, answer == LOSE)
            self.mails.append(mail)
            self.when_taken(mail)
        if answer == LOSE:
            server.abort()
        return answer or "250 2.0.0 taken as 4711"

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = self._login is not None and given == LoginPassword(*(text.encode() for text in self._login))
        return AuthResult(success=right, handled=False, auth_data=given)


class _Connection(SMTP):
    def __init__(self, sink: MailSink, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            sink,
            hostname="sink.example.com",
            tls_context=None if sink._from_the_start else sink._tls,
            auth_required=False,  # with it, aiosmtpd warns of passwords in clear
            auth_require_tls=False,
            authenticator=sink._authenticate,
            loop=loop,
        )
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sink.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._sink.closed(self)

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def _spy(self, line: str) -> None:
        self._sink.said.append(line)

    def data_received(self, data: bytes) -> None:
        if self.envelope is None or self.envelope.content is None:
            self._spy(data.decode("latin-1").split("\r\n")[0])
        super().data_received(data)


class _Silent(asyncio.Protocol):
    """A connection on which nothing is said."""

    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        self._sink.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.closed(self)

    def abort(self) -> None:
        self.transport.abort()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ScriptedSink:
    """A server on loopback that does whatever its script does, for what no mail server does."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.unconnected = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
            self.unconnected.set()


def saying(*answers: bytes) -> Script:
    """Say one thing at once and another for each line that comes; then wait for the end."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number and not await reader.readline():
                return
            writer.write(answer)
            await writer.drain()
        while await reader.read(65536):
            pass

    return script
