"""E-mail against real mail servers on loopback: who gets it, who is tried again, and how it reads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from router.destinations.base import Clients, Outgoing, Receipt
from router.destinations.email import Email
from router.errors import PermanentFailure, RouterError, TemporaryFailure
from router.events import Message
from router.secret import Redactor
from router.smtp.client import Smtp
from tests import mail_sinks
from tests.destinations.conftest import EVENT, outgoing
from tests.mail_sinks import DROP, HANG, MailSink, ScriptedSink, saying
from tests.sinks import refused_port, serving

MESSAGE = Message(text="Page moved: Plan", subject="Page moved: Plan", html="<p>Page moved: Plan</p>")


def email(sink: MailSink | ScriptedSink | str, **more: Any) -> Email:
    url = sink if isinstance(sink, str) else sink.url
    settings = {"from": "Wiki <wiki@example.com>", "to": ["a@example.com", "b@example.com"], **more}
    return Email.model_validate({"smtp": url, **settings})


def paged(message: Message = MESSAGE, delivery_id: int = 77) -> Outgoing:
    """As the router fills templates: with what the event's page is called."""
    words = {"{{ page.id }}": "5148", "{{ rule.name or destination.name }}": "Page changes"}
    return Outgoing(delivery_id, message, EVENT, lambda template, quote: quote(words[template]))


async def outcome(destination: Email, clients: Clients, message: Message = MESSAGE) -> Receipt | RouterError:
    try:
        return await destination.send(paged(message), clients)
    except RouterError as error:
        return error


def progress(found: Receipt | RouterError) -> Message:
    assert isinstance(found, Receipt | TemporaryFailure | PermanentFailure)
    assert found.message is not None
    return Message.decode(found.message.encode())  # as the store gives it back


async def test_mail_is_taken(mail_sink: MailSink, clients: Clients) -> None:
    """A good server takes one mail for everybody; blind copies are in no header."""
    destination = email(mail_sink, cc="Boss <boss@example.com>", bcc=["c@example.com"], reply_to="team@example.com")
    receipt = await outcome(destination, clients)
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.detail) == (250, "250 2.0.0 taken as 4711")
    (mail,) = mail_sink.mails
    assert mail.sender == "wiki@example.com"
    assert mail.recipients == ["a@example.com", "b@example.com", "boss@example.com", "c@example.com"]
    assert b"c@example.com" not in mail.content
    headers = mail.message
    assert headers["From"] == "Wiki <wiki@example.com>"
    assert headers["To"] == "a@example.com, b@example.com"
    assert headers["Cc"] == "Boss <boss@example.com>"
    assert headers["Reply-To"] == "team@example.com"
    assert headers["Subject"] == "Page moved: Plan"
    assert headers["Message-ID"] == "<77.spaces-router@example.com>"
    assert headers["In-Reply-To"] == headers["References"] == "<page-5148@spaces.example.com>"
    assert headers["List-Id"] == "<page-changes.spaces-router.example.com>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Date"] == "Mon, 02 Mar 2026 09:15:00 +0000"
    assert headers.get_content_type() == "multipart/alternative"
    assert mail.part("plain") == "Page moved: Plan\r\n"
    assert "<p>Page moved: Plan</p>" in mail.part("html")


async def test_only_who_has_not_got_it_is_tried_again(mail_sink: MailSink, clients: Clients) -> None:
    """A recipient refused for now is tried again alone; who has it gets no second copy."""
    mail_sink.refuse("b@example.com", "450 greylisted, come back", None)
    first = await outcome(email(mail_sink), clients)
    assert isinstance(first, TemporaryFailure)
    assert first.status == 450
    assert first.detail == "refused for now: b@example.com (450 greylisted, come back); taken for: a@example.com"
    second = await outcome(email(mail_sink), clients, progress(first))
    assert isinstance(second, Receipt)
    assert [mail.recipients for mail in mail_sink.mails] == [["a@example.com"], ["b@example.com"]]
    assert progress(second).accepted == ("a@example.com", "b@example.com")
    assert mail_sink.mails[0].content == mail_sink.mails[1].content


async def test_recipient_refused_for_good_is_named(mail_sink: MailSink, clients: Clients) -> None:
    """Where one is refused for good the others have it, and the dead letter names the one."""
    mail_sink.refuse("b@example.com", "550 no such user")
    found = await outcome(email(mail_sink), clients)
    assert isinstance(found, PermanentFailure)
    assert (found.status, found.reason) == (550, "refused by the mail server: b@example.com")
    assert found.detail == "refused for good: b@example.com (550 no such user); taken for: a@example.com"
    assert [mail.recipients for mail in mail_sink.mails] == [["a@example.com"]]


async def test_refused_for_good_is_not_tried_with_those_refused_for_now(mail_sink: MailSink, clients: Clients) -> None:
    """One taken, one refused for good, one for now: the second attempt asks only for the last, then all is told."""
    mail_sink.refuse("b@example.com", "550 no such user")
    mail_sink.refuse("c@example.com", "452 too many recipients", None)
    destination = email(mail_sink, cc="c@example.com")
    first = await outcome(destination, clients)
    assert isinstance(first, TemporaryFailure)
    mail_sink.said.clear()
    second = await outcome(destination, clients, progress(first))
    assert isinstance(second, PermanentFailure)
    assert second.detail.endswith("taken for: a@example.com, c@example.com")
    assert second.reason == "refused by the mail server: b@example.com"
    assert mail_sink.commands.count("RCPT") == 1


async def test_nobody_is_left(mail_sink: MailSink, clients: Clients) -> None:
    """A mail that everybody in today's rule file has, is delivered without asking the server."""
    message = replace(MESSAGE, accepted=("A@example.com",), refused={"b@example.com": "550 no"})
    found = await outcome(email(mail_sink, to="a@example.com"), clients, message)
    assert isinstance(found, Receipt)
    assert found.detail == "every recipient has it already"
    assert mail_sink.said == []


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("MAIL", "451 try later", (TemporaryFailure, "refused the sender: 451 try later")),
        ("MAIL", "550 5.7.1 not you", (PermanentFailure, "refused the sender: 550 5.7.1 not you")),
        ("MAIL", "530 5.7.0 login first", (TemporaryFailure, "530 5.7.0 login first")),
        ("DATA", "451 try later", (TemporaryFailure, "refused the message: 451 try later")),
        ("DATA", "554 5.6.0 spam", (PermanentFailure, "refused the message: 554 5.6.0 spam")),
        ("DATA", "552 too large", (PermanentFailure, "refused the message: 552 too large")),
        ("MAIL", "421 closing down", (TemporaryFailure, "421 closing down")),
        ("a@example.com", "421 closing down", (TemporaryFailure, "421 closing down")),
        ("DATA", DROP, (TemporaryFailure, "was given the message, and may have it")),
        ("MAIL", DROP, (TemporaryFailure, "closed the connection when it was told the sender")),
    ],
)
async def test_trouble_with_the_message(
    mail_sink: MailSink, clients: Clients, command: str, answer: str, expected: tuple[type[RouterError], str]
) -> None:
    """4xx and a lost connection are tried again; 5xx to sender or message is final; nobody counts as having it."""
    failure, words = expected
    mail_sink.answer(command, answer, None)
    found = await outcome(email(mail_sink), clients)
    assert type(found) is failure
    assert isinstance(found, TemporaryFailure | PermanentFailure)
    assert words in found.detail
    assert f"127.0.0.1:{mail_sink.port}" in found.detail
    assert progress(found).accepted == ()
    if isinstance(found, TemporaryFailure):
        again = await outcome(email(mail_sink), clients, progress(found))
        assert isinstance(again, Receipt)
        assert mail_sink.mails[-1].message["Message-ID"] == "<77.spaces-router@example.com>"
    await mail_sink.wait_until_unconnected()


async def test_status_that_fails_fast(mail_sink: MailSink, clients: Clients) -> None:
    """The rule file may declare a refusal hopeless, of the message or of a recipient."""
    mail_sink.answer("MAIL", "451 try later")
    found = await outcome(email(mail_sink, fail_fast=[451]), clients)
    assert isinstance(found, PermanentFailure)
    assert found.reason == "SMTP 451 fails fast"
    mail_sink.answer("MAIL", None)
    mail_sink.refuse("b@example.com", "450 mailbox full")
    assert isinstance(await outcome(email(mail_sink, fail_fast=[450]), clients), PermanentFailure)


async def test_nothing_is_sent_without_starttls(mail_sink: MailSink, clients: Clients) -> None:
    """A server that does not offer STARTTLS, or a man in the middle who hides it, learns nothing."""
    destination = email(mail_sink, tls="starttls", username="router", password="example-secret")
    found = await outcome(destination, clients)
    assert isinstance(found, TemporaryFailure)
    assert "does not offer STARTTLS, and nothing is sent without" in found.detail
    assert mail_sink.commands == ["EHLO"]
    await mail_sink.wait_until_unconnected()


async def test_refused_starttls_is_no_way_to_clear_text(clients: Clients) -> None:
    """Offered and then refused is as good as not offered."""
    script = saying(b"220 hello\r\n", b"250-hello\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", b"454 not now\r\n")
    async with ScriptedSink(script) as sink:
        found = await outcome(email(sink, tls="starttls", username="u", password="example-secret"), clients)
        assert isinstance(found, TemporaryFailure)
        assert "refused: 454 not now" in found.detail
        await sink.unconnected.wait()


@pytest.mark.parametrize("from_the_start", [False, True], ids=["starttls", "smtps"])
async def test_mail_over_tls_with_login(clients: Clients, from_the_start: bool) -> None:
    """With a certificate that is trusted and the right login, everything goes encrypted."""
    login = ("router", "example-secret")
    async with MailSink(tls=serving(), from_the_start=from_the_start, login=login) as sink:
        tls = {} if from_the_start else {"tls": "starttls"}
        found = await outcome(email(sink, username="router", password="example-secret", **tls), clients)
        assert isinstance(found, Receipt)
        assert (sink.mails[0].encrypted, sink.mails[0].login) == (True, "router")
        await sink.wait_until_unconnected()


@pytest.mark.parametrize(
    ("certificate", "words"), [("expired", "has expired"), ("elsewhere", "self-signed"), ("good", "self-signed")]
)
@pytest.mark.parametrize("from_the_start", [False, True], ids=["starttls", "smtps"])
async def test_bad_certificate_gets_nothing(
    clients: Clients, certificate: str, words: str, from_the_start: bool
) -> None:
    """A certificate that nobody vouches for ends the attempt before login and message."""
    smtp = clients.smtp if certificate == "expired" else Smtp()
    async with MailSink(tls=serving(certificate), from_the_start=from_the_start) as sink:
        tls = {} if from_the_start else {"tls": "starttls"}
        found = await outcome(email(sink, **tls), replace(clients, smtp=smtp))
        assert isinstance(found, TemporaryFailure)
        assert f"the certificate of 127.0.0.1:{sink.port}" in found.detail
        assert sink.mails == []
        assert "MAIL" not in sink.commands
        await sink.wait_until_unconnected()


async def test_wrong_login_is_tried_again(clients: Clients) -> None:
    """A refused login is a matter of settings, which can be mended in time; no text shows the password."""
    async with MailSink(login=("router", "right-secret")) as sink:
        destination = email(sink, username="router", password="example-wrong-one")
        found = await outcome(destination, clients)
        assert isinstance(found, TemporaryFailure)
        assert found.status == 535
        assert "refused the login: 535" in found.detail
        assert sink.commands.count("AUTH") == 1
        assert "MAIL" not in sink.commands
        redactor = Redactor(destination.secrets())
        assert all("***" in redactor.redact(line) for line in sink.said if line.startswith("AUTH"))


async def test_no_login_offered(mail_sink: MailSink, clients: Clients) -> None:
    """A server without a login that we know is named as the cause."""
    script = saying(b"220 hello\r\n", b"250-hello\r\n250 AUTH XOAUTH2\r\n")
    async with ScriptedSink(script) as sink:
        found = await outcome(email(sink, username="u", password="example-secret"), clients)
        assert isinstance(found, TemporaryFailure)
        assert "offers XOAUTH2; this program knows PLAIN, LOGIN and CRAM-MD5" in found.detail


BROKEN = {
    "no service": (saying(b"554 no mail here\r\n"), "takes no mail now: 554 no mail here"),
    "busy": (saying(b"421 too many connections\r\n"), "takes no mail now: 421"),
    "another protocol": (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "answered what is not SMTP"),
    "closed at once": (saying(), "closed the connection when it was connected to"),
    "line without end": (saying(b"220 " + b"x" * 200_000), "answered what is not SMTP"),
    "no greeting": (saying(b"220 hi\r\n", b"502 what\r\n", b"502 what\r\n"), "refused the greeting: 502"),
}


@pytest.mark.parametrize(("script", "words"), BROKEN.values(), ids=BROKEN)
async def test_what_is_no_mail_server(clients: Clients, script: mail_sinks.Script, words: str) -> None:
    """Whatever else answers at the port is tried again and told about."""

    async def ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(reader, writer) if words[:6] != "closed" else None

    async with ScriptedSink(ending) as sink:
        found = await outcome(email(sink), clients)
        assert isinstance(found, TemporaryFailure)
        assert words in found.detail
        await sink.unconnected.wait()


async def test_trouble_on_the_way_is_worded(clients: Clients) -> None:
    """A port that refuses and an unknown name: tried again, and explained."""
    port = refused_port()
    for url, words in (
        (f"smtp://127.0.0.1:{port}", f"127.0.0.1:{port} refused the connection"),
        ("smtp://no-such-host.invalid", "no-such-host.invalid"),
    ):
        found = await outcome(email(url), clients)
        assert isinstance(found, TemporaryFailure)
        assert words in found.detail


@pytest.mark.parametrize("command", ["MAIL", "a@example.com", "DATA"])
async def test_hanging_server_is_left(mail_sink: MailSink, clients: Clients, command: str) -> None:
    """When its time is over an attempt ends at once, and its connection with it."""
    mail_sink.answer(command, HANG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await email(mail_sink).send(outgoing(), clients)
    await mail_sink.wait_until_unconnected()


async def test_silent_server_is_left(clients: Clients) -> None:
    """Also one that takes the connection and never says a word."""
    async with ScriptedSink(saying(b"")) as sink:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await email(sink).send(outgoing(), clients)
        await sink.unconnected.wait()


@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_closing_leaves_no_connection(mail_sink: MailSink, clients: Clients, turns: int) -> None:
    """A stop right behind a mail that was taken ends its connection, however far its goodbye has come."""
    smtp = Smtp()
    assert isinstance(await outcome(email(mail_sink), replace(clients, smtp=smtp)), Receipt)
    for _ in range(turns):
        await asyncio.sleep(0)
    await smtp.aclose()
    await mail_sink.wait_until_unconnected()
    assert len(mail_sink.mails) == 1


async def test_no_secret_in_what_we_say(clients: Clients) -> None:
    """A server that repeats the login in its answer gives nothing away once the text is masked."""
    script = saying(b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n", b"535 bad AHUAZXhhbXBsZS1zZWNyZXQ=\r\n")
    async with ScriptedSink(script) as sink:
        destination = email(sink, username="u", password="example-secret")
        found = await outcome(destination, clients)
        assert isinstance(found, TemporaryFailure)
        assert "AHUAZXhhbXBsZS1zZWNyZXQ=" not in Redactor(destination.secrets()).redact(found.detail)
        assert found.__cause__ is None
        assert "***" in Redactor(destination.secrets()).redact(found.detail)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smtp": "mail.example.com"}, "expected a mail server such as smtp://"),
        ({"smtp": "smtp://u:p@mail.example.com"}, "username and password are own keys"),
        ({"smtp": "smtp://mail.example.com/x"}, "more than host and port"),
        ({"smtp": "smtp://mail.example.com:99999"}, "port is 99999"),
        ({"smtp": "smtp://mail example.com"}, "host is not valid"),
        ({"smtp": "smtps://mail.example.com", "tls": "none"}, "TLS from the start"),
        ({"smtp": "smtp://m.example.com", "tls": "none", "username": "u", "password": "p"}, "in clear"),
        ({"username": "u"}, "belong together"),
        ({"username": "u", "password": ""}, "set but empty"),
        ({"to": []}, "at least 1"),
        ({"to": "ops"}, "expected an address such as"),
        ({"to": "a@example.com, b@example.com"}, "no valid address"),
        ({"to": "a@example.com\r\nBcc: x@example.com"}, "no valid address"),
        ({"to": "\u00e9@example.com"}, "outside ASCII"),
        ({"from": "x <a@example.com> y"}, "expected an address"),
        ({"from": "A\nB <a@example.com>"}, "not one line"),
        ({"cc": [f"a{number}@example.com" for number in range(100)]}, "at most 100 recipients"),
    ],
)
def test_settings_are_checked_at_load(settings: dict[str, Any], words: str) -> None:
    """What would fail with each message fails when the rule file is read."""
    with pytest.raises(ValidationError, match=words):
        Email.model_validate({"smtp": "smtp://127.0.0.1", "from": "a@example.com", "to": "b@example.com"} | settings)


@pytest.mark.parametrize(
    ("url", "tls", "security", "place"),
    [
        ("smtp://mail.example.com", None, "starttls", "mail.example.com:587"),
        ("smtp://mail.example.com:25", "none", "none", "mail.example.com:25"),
        ("smtps://mail.example.com", None, "tls", "mail.example.com:465"),
        ("smtp://localhost", None, "none", "localhost:25"),
        ("smtp://[::1]:2525", None, "none", "[::1]:2525"),
        ("smtp://127.0.0.1", "starttls", "starttls", "127.0.0.1:587"),
    ],
)
def test_tls_is_the_default_off_loopback(url: str, tls: str | None, security: str, place: str) -> None:
    """Nobody has to think of TLS to get it; only mail that stays on the machine goes without."""
    destination = email(url, tls=tls)
    assert (destination.security, destination.address) == (security, place)


def test_same_recipients_share_a_queue() -> None:
    """Who gets it makes the target: the order of names and their case does not."""
    assert email("smtp://localhost", to=["B@example.com", "a@example.com"]).target == email("smtp://localhost").target
    assert email("smtp://localhost", to="c@example.com").target != email("smtp://localhost").target
