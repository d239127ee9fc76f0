"""E-mail through a mail server, with a text and an HTML part and with its state kept for each recipient."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from router.destinations.answers import visible
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.errors import PermanentFailure, TemporaryFailure
from router.events import Format, Markup, Message
from router.fields import Duration
from router.mail import Letter, Mailbox, compose, thread_of_page
from router.secret import Secret
from router.smtp.answers import CONFIGURATION_CODES, Handed, MailFailed, Refusal
from router.smtp.server import Line, MailServer

MOST_RECIPIENTS = 100
"""Every server takes as many in one mail. Source: RFC 5321, section 4.5.3.1.8."""

_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_MOST_NAMED = 5


def _one_or_many(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


def _username(name: str) -> str:
    if not name or not name.isprintable():
        raise ValueError("expected a user name of one line")
    return name


Mailboxes = Annotated[
    tuple[Mailbox, ...], BeforeValidator(_one_or_many, json_schema_input_type=Mailbox | list[Mailbox])
]
"""One address or a list of them; each may have a name before it."""


class Email(Destination, type="email"):
    """
    One mail for each message, to all recipients; only who has not got it is tried again.

    Attributes:
        smtp: The mail server: `smtp://host`, or `smtps://host` for TLS from the start; a port may follow.
        tls: For `smtp://`: `starttls` requires TLS, and is the default but for a server on this machine; `none` sends
            in clear.
        username: For the login, together with `password`. Never sent in clear but to a server on this machine.
        password: For the login, together with `username`.
        sender: Who the mail is from, with or without a name; bounces go there too. Its domain stands in the ids of the
            mails.
        to: Who gets it: an address or a list, each with or without a name; with `cc` and `bcc` at most 100.
        cc: Who gets a copy.
        bcc: Who gets a copy without being named in it.
        reply_to: Where answers go; without it they go to `from`.
        timeout: The longest that one attempt may take. Mail servers like to think about a message before they take it.
    """

    markup: ClassVar[Markup] = Markup.HTML
    template_folder: ClassVar[str] = "email"
    usual_format: ClassVar[Format] = "full"
    example: ClassVar[Mapping[str, Any]] = {
        "smtp": "smtp://mail.example.com:587",
        "username": "spaces-router",
        "password": "example-mail-password",
        "from": "Wiki <wiki@example.com>",
        "to": ["ops@example.com"],
    }

    smtp: Annotated[MailServer, Field(examples=["smtp://mail.example.com:587"])]
    tls: Annotated[Literal["starttls", "none"] | None, Field(examples=["starttls"])] = None
    username: Annotated[Annotated[str, AfterValidator(_username)] | None, Field(examples=["spaces-router"])] = None
    password: Annotated[Secret | None, Field(examples=["${MAIL_PASSWORD}"])] = None
    sender: Annotated[Mailbox, Field(alias="from", examples=["Wiki news <wiki@example.com>"])]
    to: Annotated[
        Mailboxes,
        Field(
            min_length=1,
            max_length=MOST_RECIPIENTS,
            examples=["ops@example.com", ["ops@example.com", "Ada Byrne <ada@example.com>"]],
        ),
    ]
    cc: Annotated[Mailboxes, Field(examples=["boss@example.com"])] = ()
    bcc: Annotated[Mailboxes, Field(examples=["archive@example.com"])] = ()
    reply_to: Annotated[Mailboxes, Field(examples=["helpdesk@example.com"])] = ()
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=5), examples=["2m"])] = timedelta(
        seconds=60
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.smtp.from_the_start and self.tls is not None:
            raise ValueError("smtps:// is TLS from the start, so tls has nothing to say; leave it out")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; expected both or none")
        if self.password is not None and not self.password:
            raise ValueError("the password is set but empty")
        if self.username is not None and self.security == "none" and not self.smtp.is_loopback:
            raise ValueError("without TLS the password would travel in clear; leave out tls: none, or the login")
        if len(self.to) + len(self.cc) + len(self.bcc) > MOST_RECIPIENTS:
            raise ValueError(f"expected at most {MOST_RECIPIENTS} recipients in to, cc and bcc together")
        return self

    @property
    def security(self) -> Literal["tls", "starttls", "none"]:
        if self.smtp.from_the_start:
            return "tls"
        return self.tls or ("none" if self.smtp.is_loopback else "starttls")

    @property
    def line(self) -> Line:
        port = self.smtp.port or _PORTS[self.security]
        return Line(self.smtp.host, port, self.security, self.username or "", self.password or Secret(""))

    @property
    def recipients(self) -> tuple[str, ...]:
        """All addresses that get a copy, each once."""
        return tuple({box.key: box.address for box in (*self.to, *self.cc, *self.bcc)}.values())

    @property
    def target(self) -> str:
        """The server and who gets it: two destinations for the same people keep their mails in order."""
        return f"{self.line.place} {sorted(address.lower() for address in self.recipients)}"

    @property
    def address(self) -> str:
        return self.line.place

    def secrets(self) -> list[str]:
        """The password also in the forms in which a login carries it: a server may repeat what it was given."""
        if self.password is None:
            return []
        password = self.password.reveal()
        pair = f"\0{self.username}\0{password}"
        return [password, *(base64.b64encode(text.encode()).decode() for text in (password, pair))]

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        message = outgoing.message
        if message.forward or message.has_body:
            raise PermanentFailure(
                "an email destination takes `message` or `template`; `body` is for http destinations",
                reason="not a message for e-mail",
            )
        done = {address.lower() for address in (*message.accepted, *message.refused)}
        left = [address for address in self.recipients if address.lower() not in done]
        if not left:
            return self._outcome(message, Handed((), {}))
        mail = compose(self._letter(outgoing, clients))
        try:
            handed = await clients.smtp.hand_over(self.line, self.sender.address, left, mail)
        except MailFailed as failure:
            raise self._failure(failure, message) from None
        return self._outcome(message, handed)

    def _letter(self, outgoing: Outgoing, clients: Clients) -> Letter:
        message = outgoing.message
        return Letter(
            sender=self.sender,
            to=self.to,
            cc=self.cc,
            reply_to=self.reply_to,
            subject=message.subject or "News from Teamwork Spaces",
            text=message.text,
            html=message.html,
            key=outgoing.idempotency_key,
            date=clients.now(),
            list_name=outgoing.fill("{{ rule.name or destination.name }}", str),
            thread=thread_of_page(outgoing.fill("{{ page.id }}", str), outgoing.event.source),
        )

    def _failure(self, failure: MailFailed, before: Message) -> TemporaryFailure | PermanentFailure:
        """Judge what befell the mail as a whole. A refused login can be mended in time, so it is tried again."""
        detail, code = visible(failure.sentence), failure.code
        message = self._with_refused(before, failure.refused)
        if code is not None and code in self.fail_fast:
            return PermanentFailure(detail, code, reason=f"SMTP {code} fails fast", message=message)
        if failure.of_the_message and code is not None and code >= 500 and code not in CONFIGURATION_CODES:
            reason = f"the mail server refused the message (SMTP {code})"
            return PermanentFailure(detail, code, reason, message)
        return TemporaryFailure(detail, code, message)

    def _outcome(self, before: Message, handed: Handed) -> Receipt:
        """
        Judge what became of each recipient.

        Raises:
            TemporaryFailure: Somebody may get it later; only they are tried again.
            PermanentFailure: Nobody is left to try, and somebody was refused for good.
        """
        waiting = {who: refusal for who, refusal in handed.refused.items() if not self._is_final(refusal)}
        message = self._with_refused(before, handed.refused)
        message = replace(message, accepted=(*before.accepted, *handed.accepted))
        # Who has left the rule file since is no reason to bury the message.
        here = {address.lower() for address in self.recipients}
        refused = {who: said for who, said in message.refused.items() if who.lower() in here}
        detail = "; ".join(_told(message, waiting, refused, handed.answer))
        code = next((refusal.code for refusal in (*waiting.values(), *handed.refused.values())), None)
        if waiting:
            raise TemporaryFailure(detail, code, message)
        if refused:
            raise PermanentFailure(detail, code, f"refused by the mail server: {_named(list(refused))}", message)
        return Receipt(250 if handed.accepted else None, detail, message)

    def _with_refused(self, message: Message, refused: Mapping[str, Refusal]) -> Message:
        final = {who: visible(str(refusal)) for who, refusal in refused.items() if self._is_final(refusal)}
        return replace(message, refused={**message.refused, **final})

    def _is_final(self, refusal: Refusal) -> bool:
        if refusal.code in self.fail_fast:
            return True
        # 552 behind a recipient means too many of them. Source: RFC 5321, section 4.5.3.1.10.
        return refusal.code >= 500 and refusal.code != 552 and refusal.code not in CONFIGURATION_CODES


def _told(message: Message, waiting: Mapping[str, Refusal], refused: Mapping[str, str], answer: str) -> Iterator[str]:
    """Say who may get it yet, who will not, and who has it."""
    if not waiting and not refused:
        yield visible(answer) or "every recipient has it already"
        return
    if waiting:
        yield "refused for now: " + ", ".join(f"{who} ({visible(str(said))})" for who, said in waiting.items())
    if refused:
        yield "refused for good: " + ", ".join(f"{who} ({said})" for who, said in refused.items())
    yield f"taken for: {', '.join(message.accepted)}" if message.accepted else "taken for nobody"


def _named(addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:_MOST_NAMED])
    return shown if len(addresses) <= _MOST_NAMED else f"{shown} and {len(addresses) - _MOST_NAMED} more"
