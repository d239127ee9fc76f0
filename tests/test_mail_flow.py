"""Mail among the destinations, end to end: through lanes, the store, restarts and replays."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from router.mail import LONGEST_SUBJECT
from tests.fakes import Clock
from tests.mail_sinks import DROP, MailSink
from tests.running import RunningRouter

HEADERS = {"Date", "Message-ID", "Auto-Submitted", "List-Id", "From", "To", "Subject", "MIME-Version", "Content-Type"}


def rules(url: str, *, to: str = "[a@example.com, b@example.com]", rule: str = "") -> str:
    return f"""\
destinations:
  ops:
    type: email
    smtp: {url}
    from: Wiki <wiki@example.com>
    to: {to}
rules:
  - name: Everything
    events: "*"
    to: ops
{rule}
""".replace("Everything", "everything")


async def test_an_event_becomes_a_mail(tmp_path: Path) -> None:
    """A rule with only `events` and `to` gives a mail with both parts, in the thread of its page."""
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        await router.accept("page.updated")
        await router.settle()
        (delivery,) = await router.deliveries()
        shown = (await router.get(f"deliveries/{delivery['id']}"))["message"]
    (mail,) = sink.mails
    assert mail.message["Message-ID"] == f"<{delivery['id']}.spaces-router@example.com>"
    assert mail.message["Subject"] == "Page updated: Release checklist"
    assert mail.message["References"] == "<page-5148@spaces.example.com>"
    assert mail.message["List-Id"] == "<everything.spaces-router.example.com>"
    assert mail.part("plain").startswith("Someone updated Release checklist")
    assert "Add rollback step" in mail.part("html")
    assert (delivery["state"], delivery["type"]) == ("delivered", "email")
    assert shown["accepted"] == ["a@example.com", "b@example.com"]


async def test_progress_survives_a_restart(tmp_path: Path) -> None:
    """Who has the mail is on disk: after a restart only the other one is tried again, with the same mail."""
    clock = Clock()
    async with MailSink() as sink:
        sink.refuse("b@example.com", "450 greylisted", None)
        async with RunningRouter(tmp_path, rules(sink.url), clock=clock) as router:
            await router.accept()
            await router.settle()
            (delivery,) = await router.deliveries()
            assert delivery["state"] == "retrying"
            assert delivery["last_error"] == "refused for now: b@example.com (450 greylisted); taken for: a@example.com"
        async with RunningRouter(tmp_path, clock=clock) as router:
            await router.advance(minutes=1)
            assert await router.states() == ["delivered"]
    first, second = sink.mails
    assert (first.recipients, second.recipients) == (["a@example.com"], ["b@example.com"])
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_replay_goes_to_who_was_refused(tmp_path: Path) -> None:
    """A dead letter names who was refused; once that is mended, its replay goes to them alone."""
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.refuse("b@example.com", "550 no such user", None)
        await router.accept()
        await router.settle()
        (dead,) = await router.deliveries()
        assert (dead["state"], dead["reason"]) == ("dead", "refused by the mail server: b@example.com")
        replayed = await router.post(f"/api/v1/deliveries/{dead['id']}/replay")
        assert replayed.status_code == 200, replayed.text
        await router.settle()
        assert await router.states() == ["dead", "delivered"]
    first, second = sink.mails
    assert (first.recipients, second.recipients) == (["a@example.com"], ["b@example.com"])
    assert first.message["Message-ID"] != second.message["Message-ID"]
    assert first.part("html") == second.part("html")


async def test_lost_answer_is_sent_again_under_the_same_id(tmp_path: Path) -> None:
    """If the connection breaks behind the message it may have been taken; a mail program can fold the repetition."""
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer("DATA", DROP, None)
        await router.accept()
        await router.settle()
        assert await router.states() == ["retrying"]
        await router.advance(minutes=1)
        (delivery,) = await router.deliveries()
        assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    (mail,) = sink.mails
    assert mail.message["Message-ID"] == f"<{delivery['id']}.spaces-router@example.com>"


async def test_server_that_never_takes_it(tmp_path: Path) -> None:
    """4xx without end is a dead letter after the fourth attempt."""
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer("DATA", "451 later")
        await router.accept()
        await router.settle()
        for minutes in (1, 5, 10):
            await router.advance(minutes=minutes)
        (delivery,) = await router.deliveries()
        history = await router.history(delivery)
    assert (delivery["state"], delivery["reason"]) == ("dead", "retries exhausted")
    assert [attempt["status"] for attempt in history] == [451] * 4


async def test_hostile_title_arrives_as_text(tmp_path: Path) -> None:
    """A title with line breaks and an encoded header in it is words in the subject, and nothing else."""
    title = b"=?utf-8?q?x=0D=0ABcc:_spy=40example.com?=\\r\\nBcc: spy@example.com <b>bold</b>"
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        await router.accept(body=b'{"page": {"id": 1, "title": "%s"}}' % title)
        await router.settle()
        assert await router.states() == ["delivered"]
    (mail,) = sink.mails
    assert mail.message["Bcc"] is None
    assert mail.recipients == ["a@example.com", "b@example.com"]
    assert mail.message["Subject"].endswith("Bcc: spy@example.com <b>bold</b>")
    assert "&lt;b&gt;bold&lt;/b&gt;" in mail.part("html")


HOSTILE = {
    "line breaks": b"a\\r\\nBcc: spy@example.com\\r\\n\\r\\n<h1>b</h1>",
    "end of the message": b"a\\r\\n.\\r\\nMAIL FROM:<spy@example.com>\\r\\n",
    "NUL and other controls": b"a\\u0000b\\u0007c\\u001b[31m\\u009b31m",
    "half of a character": b"a \\ud83d b \\udc00",
    "turned around": b"a \\u202egnp.exe \\u2066\\u200f",
    "encoded words": b"=?utf-8?q?=0D=0ABcc:_spy?= =?us-ascii?b?DQpCY2M6IHM=?= =? ?=",
    "comment": b"<!-- a --!><![CDATA[ ]]><!doctype html>",
    "script": b"</title></style><script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": b'\\" onmouseover=\\"alert(1)\\" x=\'',
    "template": b"{{ 7 * 7 }}{% for x in y %}{#",
    "100 kB": b"<&\xc3\xa4 " * 20_000,
}
PERSON = b'{"id": 9, "firstname": "%s", "lastname": "%s", "email": "%s"}'
SPACE = b'{"id": 42, "title": "%s", "code": "%s", "purpose": "%s"}'
PAGE = (
    b'{"id": "%s", "title": "%s", "slug": "%s", "changeMessage": "%s", "content": "%s", "space": {}, "updatedBy": {}}'
)
BODIES = {
    "page.updated": b'{"page": %s}' % (PAGE[:-1] + b', "space": %s, "updatedBy": %s}' % (SPACE, PERSON)),
    "comment.created": b'{"comment": {"content": "%s", "page": %s}}' % (b"%s", PAGE),
    "user.disabled": b'{"user": %s}' % PERSON,
    "space.imported": b'{"space": %s}' % SPACE,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_bodies_make_harmless_mails(tmp_path: Path, text: bytes) -> None:
    """Whatever stands in every field of a body, the mail can be sent, has our headers only, and our tags only."""
    async with MailSink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        for name, body in BODIES.items():
            await router.accept(name, body % ((text,) * body.count(b"%s")))
        await router.settle()
        assert {each["event"]: each["last_error"] for each in await router.deliveries()} == dict.fromkeys(BODIES)
    assert len(sink.mails) == len(BODIES)
    for mail in sink.mails:
        assert mail.recipients == ["a@example.com", "b@example.com"]
        assert {name for name, _ in mail.message.items()} - {"In-Reply-To", "References"} == HEADERS
        assert max(map(len, mail.content.split(b"\r\n"))) <= 998
        assert len(mail.message["Subject"]) <= LONGEST_SUBJECT
        tags = Tags(mail.part("html"))
        assert tags.found <= {
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "div",
            "p",
            "h1",
            "strong",
            "blockquote",
            "a",
        }
        assert tags.attributes <= {"lang", "charset", "name", "content", "style", "href"}
        assert all(address.startswith("https://") for address in tags.links)
        for seen in (mail.message["Subject"], mail.part("plain"), mail.part("html")):
            assert not set(seen) & set("\0\x07\x1b\x9b\u202e\u2066")


class Tags(HTMLParser):
    """The tags of a document, and what stands in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_comment(self, data: str) -> None:
        self.found.add(f"comment {data}")


async def test_blank_message_stays_silent(tmp_path: Path) -> None:
    """A message of white space is a template's way to send no mail."""
    async with (
        MailSink() as sink,
        RunningRouter(tmp_path, rules(sink.url, rule="    message: '{{ page.x }} '")) as router,
    ):
        await router.accept()
        await router.settle()
        assert await router.states() == ["suppressed"]
    assert sink.mails == []
