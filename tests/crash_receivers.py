"""What a crash run sends to: servers that outlive the router, go wrong each in its way, and know what they took."""

from __future__ import annotations

import contextlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders as Headers
from tornado.httputil import HTTPServerRequest, ResponseStartLine
from tornado.netutil import bind_sockets

from tests.mail_sinks import DROP, LOSE, Mail, MailSink

RETRY = "[1s, 1s, 2s]"
ATTEMPTS = 4

_MESSAGE_ID = re.compile(rb"^Message-ID: <([0-9]+)\.spaces-router@example\.com>\r$", re.MULTILINE)


class Receiver:
    """
    A destination of a crash run.

    Attributes:
        does: What goes wrong with it, for a reader.
        recipients: Who each message is for; for a web server that is nobody by name.
        refused: Those of them who must never get any.
        gives_up: Whether a delivery may fail four times. Where not, each ends with its first good attempt.
        always_fails: Whether each does.
        taken: By delivery and recipient, how many copies came.
        lost: By delivery, how often it was taken and not said so.
        concurrency: Deliveries under way to it at most.
        arrived: Called with each message that is taken.
    """

    recipients: tuple[str, ...] = ("",)
    refused: frozenset[str] = frozenset()
    concurrency = 1
    always_fails = False

    def __init__(self, name: str, does: str, *, gives_up: bool) -> None:
        self.name, self.does, self.gives_up = name, does, gives_up
        self.taken: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.lost: Counter[str] = Counter()
        self.arrived: Callable[[], object] = bool

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Take messages meanwhile."""
        raise NotImplementedError

    @property
    def settings(self) -> str:
        """What stands behind its name in the rule file."""
        raise NotImplementedError

    def faults(self) -> list[str]:
        """Say what the server was told and should not have been."""
        return []


class WebReceiver(Receiver):
    """An HTTP server that fails a share of all requests; it knows a message again by its idempotency key."""

    def __init__(self, name: str, dice: random.Random, *, failing: float = 0.0, kind: str = "http") -> None:
        does = f"answers 503 to {failing:.0%}" if failing else "takes everything"
        super().__init__(name, f"{kind}: {does}", gives_up=failing > 0)
        self.concurrency = 1 if kind == "slack" else 4
        self._failing, self._dice, self._kind = failing, dice, kind
        self._port = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = HTTPServer(self._take)
        sockets = bind_sockets(0, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        server.add_sockets(sockets)
        yield
        server.stop()
        await server.close_all_connections()

    @property
    def settings(self) -> str:
        rate = ", rate: 500/s" if self._kind == "slack" else ""
        return f'{{type: {self._kind}, url: "http://127.0.0.1:{self._port}/x", retry: {RETRY}{rate}}}'

    def _take(self, request: HTTPServerRequest) -> None:
        status = 503 if self._dice.random() < self._failing else 200
        if status == 200:
            self.taken[request.headers["Idempotency-Key"]][""] += 1
            self.arrived()
        body = b"ok" if status == 200 else b"not now"
        assert request.connection is not None
        request.connection.write_headers(
            ResponseStartLine("HTTP/1.1", status, ""), Headers({"Content-Length": str(len(body))}), body
        )
        request.connection.finish()


class MailReceiver(Receiver):
    """
    A mail server; it knows a mail again by its `Message-ID`.

    Args:
        data: How it answers to DATA, by share of all mails.
        recipients: By address, how it answers to the recipient, by share.
        tls: What the destination says of it.
    """

    def __init__(
        self,
        name: str,
        does: str,
        dice: random.Random,
        recipients: Mapping[str, Mapping[str, float]],
        *,
        data: Mapping[str, float] | None = None,
        tls: str = "none",
    ) -> None:
        temporary = [answers for answers in (data or {}, *recipients.values()) if 0 < sum(answers.values()) < 1]
        super().__init__(name, f"email: {does}", gives_up=bool(temporary))
        self.recipients = tuple(recipients)
        self.refused = frozenset(
            who for who, answers in recipients.items() if any(said.startswith("5") for said in answers)
        )
        self.always_fails = tls == "starttls"
        self._tls = tls
        self._dice = dice
        self._sink = MailSink()
        self._sink.when_taken = self._take
        self._sink.answer("DATA", partial(self._rolled, data or {}))
        for address, answers in recipients.items():
            self._sink.refuse(address, partial(self._rolled, answers))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with self._sink:
            yield

    @property
    def settings(self) -> str:
        server = f"smtp: {self._sink.url}, tls: {self._tls}"
        return f"{{type: email, {server}, from: wiki@example.com, to: [{', '.join(self.recipients)}], retry: {RETRY}}}"

    def faults(self) -> list[str]:
        told = sorted({"MAIL", "RCPT", "DATA"} & set(self._sink.commands))
        return [f"{self.name} was sent {', '.join(told)} without TLS"] if told and self.always_fails else []

    def _rolled(self, answers: Mapping[str, float]) -> str | None:
        throw = self._dice.random()
        for answer, share in answers.items():
            throw -= share
            if throw < 0:
                return answer
        return None

    def _take(self, mail: Mail) -> None:
        found = _MESSAGE_ID.search(mail.content)
        assert found, mail.content[:500]
        delivery_id = found[1].decode()
        self.taken[delivery_id].update(mail.recipients)
        self.lost[delivery_id] += mail.lost
        self.arrived()


def every_kind(dice: random.Random) -> list[Receiver]:
    """All that can be thought of, side by side; `passing` comes and goes with the versions of the rule file."""
    good: Mapping[str, float] = {}
    one = {"ops@example.com": good}
    some_for_now = {"early@example.com": good, "late@example.com": {"451 4.7.1 greylisted, come back later": 0.5}}
    one_for_ever = {"a@example.com": good, "gone@example.com": {"550 5.1.1 no such user": 1.0}, "c@example.com": good}
    lossy = {DROP: 0.2, LOSE: 0.2}
    return [
        WebReceiver("steady", dice),
        WebReceiver("shaky", dice, failing=0.5),
        WebReceiver("chat", dice, kind="slack"),
        WebReceiver("passing", dice, failing=0.5),
        MailReceiver("mail", "takes everything", dice, one),
        MailReceiver("mail-gone", "550 for one of three recipients", dice, one_for_ever),
        MailReceiver("mail-grey", "451 for one of two recipients, in 50%", dice, some_for_now),
        MailReceiver("mail-lossy", "hangs up after DATA: 20% not taken, 20% taken", dice, one, data=lossy),
        MailReceiver("mail-later", "451 to DATA, in 50%", dice, one, data={"451 4.3.0 try again later": 0.5}),
        MailReceiver("mail-bare", "no STARTTLS, which is required", dice, one, tls="starttls"),
    ]
