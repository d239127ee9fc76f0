"""Mails as bytes: whatever an event holds, the mail can be sent, and its headers are ours."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP, compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.mail import LONGEST_SUBJECT, Letter, Mailbox, compose, header_text, thread_of_page

SENDER = Mailbox("Wiki <wiki@example.com>")
HEADERS = ["Date", "Message-ID", "Auto-Submitted", "List-Id", "In-Reply-To", "References", "From", "To", "Subject"]

HOSTILE = {
    "line break": "Plan\r\nBcc: spy@example.com",
    "bare line feed": "Plan\nBcc: spy@example.com\n\n<h1>body</h1>",
    "line separators": "Plan\u2028Bcc: spy@example.com\u2029x\u0085y\x0bz\x0c",
    "encoded word": "=?utf-8?q?a=0D=0ABcc:_spy=40example.com?= é",
    "encoded word in base64": "=?utf-8?b?DQpCY2M6IHNweUBleGFtcGxlLmNvbQ==?=",
    "encoded word taken apart": "=\u202e?utf-8?q?a=0D=0ABcc:_x?=",
    "nested encoded word": "==??utf-8?q?a=0D=0ABcc:_x?=",
    "surrogate": "Plan \ud800 B",
    "zero byte": "Plan\x00B",
    "10,000 characters": "ä" * 10_000,
    "10,000 words": "a b" * 5_000,
    "other writings": "計画 План خطة 🎉",
    "only white space": " \r\n\t ",
    "words outside ASCII beside each other": "Plan — “final”, Größe für alle, v2",
    "long words outside ASCII": " ".join(["Überprüfungsausschusssitzung"] * 6),
    "turned around": "Plan \u202egnp.exe\u2069\u2066",
    "right to left": "\u200fخطة\u200e (2)",
    "terminal": "\x1b]0;x\x07 \x9b31m",
    "comment and script": "<!-- --><script>alert(1)</script><!--",
    "100 kB": "<b>&amp; " * 12_500,
    "header of its own": "Content-Type: text/html\n\nx",
    "dots alone": ".\r\n.\r\nQUIT\r\n",
}


def letter(text: str, *, html: str | None = None, key: str = "77") -> Letter:
    return Letter(
        sender=SENDER,
        to=(Mailbox("ops@example.com"),),
        subject=text,
        text=text,
        html=f"<p>{text}</p>" if html is None else html,
        key=key,
        date=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
        list_name=text,
        thread="page-5148@spaces",
    )


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=SMTP)


def text_by_older_rules(content: bytes, header: str = "Subject") -> str:
    """Read a header as mail programs did before `EmailMessage`: unfolded, then each encoded word by itself."""
    raw = message_from_bytes(content, policy=compat32)[header]
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", raw))))


def check(text: str) -> EmailMessage:
    content = compose(letter(text))
    assert content == compose(letter(text))
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    mail = read(content)
    assert [name for name in mail.keys() if not name.startswith(("Content-", "MIME"))] == HEADERS  # noqa: SIM118
    assert mail["To"] == "ops@example.com"
    assert mail["Subject"] == header_text(text)
    assert re.sub(r"[\r\n]", "", text_by_older_rules(content)) == header_text(text)
    assert not set(mail["Subject"]) & set("\r\n\0\u202e")
    assert len(mail["Subject"]) <= LONGEST_SUBJECT
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    return mail


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_title_adds_no_header(text: str) -> None:
    """A title can neither inject a header nor make a mail that cannot be sent."""
    check(text)


@given(st.text(st.characters() | st.sampled_from("\r\n\x00\u2028=?\ud800 ä—,;"), max_size=300))
def test_any_text_makes_a_mail(text: str) -> None:
    """Whatever the text, the same headers stand in the mail, and the subject arrives as it was cleaned."""
    check(text)


@pytest.mark.parametrize("part", ["plain", "html"])
def test_title_turns_no_text_around(part: str) -> None:
    """What is written behind a title reads in its own direction: `gnp.exe` is not shown as `exe.png`."""
    body = read(compose(letter("see \u202egnp.exe\u2066 by Ada \x9b31m"))).get_body((part,))
    assert isinstance(body, EmailMessage)
    assert "see gnp.exe by Ada \ufffd31m" in body.get_content()


@given(st.text(st.characters() | st.sampled_from("\n.=- "), max_size=300))
def test_text_arrives(text: str) -> None:
    """Both parts arrive as they were written, but for what no mail can carry."""
    mail = read(compose(letter("x", html=f"<html>{text}</html>") if text else letter("x")))
    body = mail.get_body(("html",))
    assert isinstance(body, EmailMessage)
    if text.isprintable() and text:
        assert f"<html>{text}</html>" in body.get_content()


def test_repetition_is_recognised_and_a_replay_is_not() -> None:
    """The same delivery has the same id over all attempts; another one has another."""
    first, second = read(compose(letter("x"))), read(compose(letter("x", key="78")))
    assert first["Message-ID"] == "<77.spaces-router@example.com>"
    assert second["Message-ID"] == "<78.spaces-router@example.com>"


def test_ids_stay_readable_however_long_the_domain() -> None:
    """Long ids stand in one line, since what folds them makes them unreadable."""
    domain = ".".join(["x" * 60] * 3)
    mail = Letter(
        Mailbox(f"w@{domain}"), (Mailbox(f"o@{domain}"),), "s", "t", "", "7", datetime.now(UTC), "L" * 90, thread="p@s"
    )
    content = compose(mail).decode()
    assert f"Message-ID: <7.spaces-router@{domain}>\r\n" in content
    assert f"References: <p@s.{domain}>\r\n" in content
    assert f"List-Id: <{'l' * 63}.spaces-router.{domain}>\r\n" in content
    assert f"To: o@{domain}\r\n" in content


def test_text_alone_is_a_plain_mail() -> None:
    """Without HTML there is one part."""
    assert read(compose(letter("x", html=" "))).get_content_type() == "text/plain"


def test_whole_document_keeps_its_own_frame() -> None:
    """Who writes a whole document of HTML gets exactly that."""
    document = "<!DOCTYPE html><html><body>mine</body></html>"
    body = read(compose(letter("x", html=document))).get_body(("html",))
    assert isinstance(body, EmailMessage)
    assert body.get_content().strip() == document


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ops@example.com", "", "ops@example.com"),
        (" Ops <ops@example.com> ", "Ops", "ops@example.com"),
        ('"Ops, all of them" <ops@example.com>', "Ops, all of them", "ops@example.com"),
        ("Größe <a+b.c@x.example>", "Größe", "a+b.c@x.example"),
        ("Größe — für alle <a@x.example>", "Größe — für alle", "a@x.example"),
        ('"Größe, alle" <a@x.example>', "Größe, alle", "a@x.example"),
        ("root@localhost", "", "root@localhost"),
    ],
)
def test_addresses(text: str, name: str, address: str) -> None:
    """An address stands alone or behind a name, and reads back as it was written."""
    box = Mailbox(text)
    assert (box.name, box.address) == (name, address)
    mail = Letter(box, (box,), "s", "t", "", "7", datetime.now(UTC), "l")
    (back,) = read(compose(mail))["From"].addresses
    assert (back.display_name, back.addr_spec) == (name, address)


def test_long_name_is_written_in_short_pieces() -> None:
    """An encoded word has 75 characters at most, and what it takes apart is one text again for the reader."""
    name = " ".join("ä" * 50)
    content = compose(Letter(Mailbox(f"{name} <a@x.example>"), (SENDER,), "s", "t", "", "7", datetime.now(UTC), "l"))
    pieces = re.findall(rb"=\?\S+\?=", content)
    assert len(pieces) > 2
    assert max(map(len, pieces)) <= 75
    assert text_by_older_rules(content, "From") == f"{name} <a@x.example>"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    """Nothing but an address gets through, and nothing is an exception of another kind."""
    with contextlib.suppress(ValueError):
        box = Mailbox(text)
        assert box.address.isascii()
        assert not set(box.address) & set("\r\n <>,;\0")


@pytest.mark.parametrize(
    ("page_id", "thread"),
    [("5148", "page-5148@spaces"), ("", None), ("5\r\nX: y", None), ("a b", None), ("9" * 65, None), ("٣", None)],
)
def test_thread_of_a_page(page_id: str, thread: str | None) -> None:
    """All mails of a page hang together; an id that cannot stand in a header makes no thread."""
    assert thread_of_page(page_id, "spaces") == thread
