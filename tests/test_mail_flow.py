"""Mail among the destinations, end to end: through lanes, the store, restarts and replays."""

from __future__ import annotations

from pathlib import Path

from tests.fakes import Clock
from tests.mail_sinks import DROP, MailSink
from tests.running import RunningRouter


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
    assert mail.part("plain").startswith("Page updated: Release checklist")
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
