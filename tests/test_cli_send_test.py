"""`send-test`: whether a destination takes messages, and if not, what to do about it."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from router.samples import sample
from router.signature import sign
from tests.cli import invoke, invoked
from tests.sinks import Behaviour, Sink, answer, hang, refused_port

SECRET_PATH = "/services/T12345678/B12345678/a-webhook-for-the-tests"
SIGN = "a-signing-token-for-the-tests"

RULES = """\
sources:
  spaces: {token: a-token-for-the-tests, site: acme.teamwork.com}
destinations:
  docs: {type: slack, url: "SINK/services/T12345678/B12345678/a-webhook-for-the-tests", timeout: 1s}
  audit: {type: http, url: "SINK/events/{{ event.name }}", sign: a-signing-token-for-the-tests}
  chat: {type: http, url: "SINK/chat", body: {content: "{{ page.title }}"}, retry: []}
  shy: {type: http, url: "SINK/shy", message: "{% if page.title %}{{ page.title }}{% endif %}"}
  off: {type: slack, url: "SINK/off", enabled: false}
  log: {type: log}
rules:
  - {name: all, events: "*", to: [docs, audit, chat, shy, off, log]}
"""


def rules(folder: Path, sink: str) -> str:
    path = folder / "rules.yaml"
    path.write_text(RULES.replace("SINK", sink))
    return str(path)


async def test_slack_gets_a_text_that_says_what_it_is(tmp_path: Path) -> None:
    """The channel shows that this is a test, and the terminal that it arrived."""
    async with Sink() as sink:
        result = await invoked("send-test", "docs", "--rules", rules(tmp_path, sink.url))
        port = sink.port
    (request,) = sink.received
    assert request.path == SECRET_PATH
    assert request.json == {
        "text": "Test message from Spaces Router: what goes to “docs” arrives here. Nothing has happened in Spaces."
    }
    assert result.exit_code == 0
    assert result.stdout == f"docs (slack, 127.0.0.1:{port}) took the message: HTTP 200 (OK): ok.\n"


async def test_an_endpoint_gets_a_signed_event_that_spaces_never_sends(tmp_path: Path) -> None:
    """A consumer of events gets one of its kind, with a signature to verify, which it cannot mistake for a real one."""
    async with Sink() as sink:
        result = await invoked("send-test", "audit", "--rules", rules(tmp_path, sink.url))
    (request,) = sink.received
    assert result.exit_code == 0
    assert request.path == "/events/router.test"
    assert request.headers["event"] == "router.test"
    assert request.headers["signature"] == sign(SIGN, request.body)
    assert request.headers["router-hops"] == "1"
    assert request.headers["delivery"]
    assert request.json["destination"] == "audit"
    assert "Test message" in request.json["message"]


async def test_the_message_of_a_real_event_can_be_seen(tmp_path: Path) -> None:
    """With --event the channel shows what it will show, and an endpoint gets the sample as Spaces would send it."""
    async with Sink() as sink:
        path = rules(tmp_path, sink.url)
        for name in ("docs", "audit", "chat", "shy"):
            result = await invoked("send-test", name, "--event", "Page.Created", "--rules", path)
            assert result.exit_code == 0, result.output
    docs, audit, chat, shy = sink.received
    assert "Someone created *Release checklist*" in docs.json["text"]
    assert "Release checklist" in docs.json["text"]
    assert (audit.path, audit.headers["event"], audit.body) == (
        "/events/page.created",
        "page.created",
        sample("page.created"),
    )
    assert chat.json == {"content": "Release checklist"}
    assert shy.body == b"Release checklist"


def test_the_log_shows_what_was_written(tmp_path: Path) -> None:
    """A message to the log is on standard error, as the router would write it."""
    result = invoke("send-test", "log", "--rules", rules(tmp_path, "http://127.0.0.1:9"))
    assert result.exit_code == 0
    assert result.stdout == "log (log) took the message: written to the log.\n"
    assert "message.written" in result.stderr
    assert "Test message from Spaces Router" in result.stderr


async def test_one_that_is_switched_off_can_be_tried_before_it_is_switched_on(tmp_path: Path) -> None:
    """The message goes out, and the command reminds that the router would send none."""
    async with Sink() as sink:
        result = await invoked("send-test", "off", "--rules", rules(tmp_path, sink.url))
    assert len(sink.received) == 1
    assert result.exit_code == 0
    assert "It is switched off in the rule file" in result.stdout


@pytest.mark.parametrize(
    ("name", "behaviour", "told"),
    [
        (
            "docs",
            answer(404, "no_service"),
            [
                "HTTP 404 (Not Found): no_service. Is its url the webhook as Slack shows it",
                "try again, after 1m, 5m and",
            ],
        ),
        ("docs", answer(200, "invalid_token"), ["invalid_token. Is its url the webhook", "would not try again"]),
        ("docs", answer(200, "<html>Sign in</html>"), ["not `ok`: <html>Sign in</html>. Is its url the webhook"]),
        ("docs", hang, ["gave no complete answer within 1 s. The router would try again"]),
        ("audit", answer(401, "who are you"), ["401 (Unauthorized): who are you. Check what it is to know the router"]),
        ("audit", answer(404), ["Check the path of its url. The router would try again"]),
        ("audit", answer(405), ["Check the path of its url and its method."]),
        ("audit", answer(400, "no such event"), ["no such event. It understood the request", "would not try again"]),
        (
            "chat",
            answer(400, "empty"),
            ["which its own message may need: try --event page.created. The router would not"],
        ),
        ("chat", answer(500, "oops"), ["oops. The fault is on its side"]),
        ("audit", answer(301, "", {"Location": "https://new.example.com/x"}), ["points to https://new.example.com"]),
        (
            "docs",
            answer(429, "", {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}),
            ["HTTP 429 (Too Many Requests). Try again after 20", "counts this as no failure"],
        ),
    ],
)
async def test_a_refusal_is_told_with_what_to_do(
    name: str, behaviour: Behaviour, told: list[str], tmp_path: Path
) -> None:
    """Whoever reads the one sentence knows what the destination said, what to look at, and what the router would do."""
    async with Sink() as sink:
        sink.answer_with(behaviour)
        result = await invoked("send-test", name, "--rules", rules(tmp_path, sink.url))
    assert result.exit_code == 1
    assert len(sink.received) == 1
    assert f"{name} (" in result.stderr
    assert "did not take the message: " in result.stderr
    for part in told:
        assert part in result.stderr


def test_one_attempt_without_a_schedule_promises_none(tmp_path: Path) -> None:
    """Where the rule file wants no further attempts, none is announced."""
    port = refused_port()
    result = invoke("send-test", "chat", "--rules", rules(tmp_path, f"http://127.0.0.1:{port}"))
    assert result.exit_code == 1
    assert f"chat (http, 127.0.0.1:{port}) did not take the message: 127.0.0.1:{port} refused" in result.stderr
    assert "try again" not in result.stderr


async def test_a_message_that_stays_silent_is_told(tmp_path: Path) -> None:
    """Where the destination's own message says nothing on a test, the command does not claim that it was sent."""
    async with Sink() as sink:
        result = await invoked("send-test", "shy", "--rules", rules(tmp_path, sink.url))
    assert sink.received == []
    assert result.exit_code == 1
    assert "nothing was sent" in result.stderr
    assert "--event page.created" in result.stderr


def test_a_message_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A fault of the destination's own message is told as one, and not as the destination's."""
    path = rules(tmp_path, "http://127.0.0.1:9")
    text = (
        Path(path).read_text().replace('"{{ page.title }}"', '"{{ payload.message | truncate(payload.destination) }}"')
    )
    Path(path).write_text(text)
    result = invoke("send-test", "chat", "--rules", path)
    assert result.exit_code == 1
    assert "body.content" in result.stderr
    assert "Mend the message or the URL in the rule file." in result.stderr


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_no_secret_is_printed(status: int, tmp_path: Path) -> None:
    """An answer that repeats what it was sent does not bring the secret to the terminal, nor control characters."""
    async with Sink() as sink:
        echo = f"\x1b[31myou asked for {SECRET_PATH} with {SIGN} and a-token-for-the-tests"
        sink.answer_with(answer(status, echo))
        for name in ("docs", "audit"):
            result = await invoked("send-test", name, "--rules", rules(tmp_path, sink.url))
            assert "you asked for" in result.output
            for secret in (SECRET_PATH, SIGN, "a-webhook-for-the-tests", "a-token-for-the-tests", "\x1b"):
                assert secret not in result.output


def test_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store is opened and no file is made, so it works beside a running router and before there is one."""
    monkeypatch.chdir(tmp_path)
    assert invoke("send-test", "log", "--rules", rules(tmp_path, "http://127.0.0.1:9")).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]


def test_an_unknown_destination_is_a_mistake_of_usage(tmp_path: Path) -> None:
    """The names of the rule file are listed, with a guess."""
    result = invoke("send-test", "dosc", "--rules", rules(tmp_path, "http://127.0.0.1:9"))
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert "no destination is named 'dosc'; the rule file has: docs, audit, chat," in told
    assert "(did you mean 'docs'?)" in told


def test_a_rule_file_that_cannot_be_used_sends_nothing(tmp_path: Path) -> None:
    """Its problems are shown as `check` does; a missing file is told in a sentence."""
    path = rules(tmp_path, "ftp://127.0.0.1")
    result = invoke("send-test", "log", "--rules", path)
    assert result.exit_code == 1
    assert f"{path}:4:" in result.stderr
    assert "nothing was sent" in result.stderr
    missing = invoke("send-test", "log", "--rules", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 1
    assert "there is no such file" in missing.stderr
    assert "Traceback" not in missing.stderr
