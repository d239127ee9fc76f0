"""The slack type: what is posted, and what Slack's answers mean."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from router.destinations.base import Clients, Receipt
from router.destinations.slack import MAX_TEXT_CHARACTERS, Slack, cut
from router.errors import PermanentFailure, TemporaryFailure
from router.events import Markup, Message
from router.fields import Rate
from tests.destinations.conftest import outgoing
from tests.sinks import Received, Sink, answer

PATH = "/services/T00000000/B00000000/example-webhook-token-1"


def at(sink: Sink, **settings: Any) -> Slack:
    return Slack.model_validate({"url": f"{sink.url}{PATH}", **settings})


async def sent(sink: Sink, clients: Clients, message: Message) -> Received:
    await at(sink).send(outgoing(message), clients)
    return sink.received[-1]


async def test_text_is_posted(sink: Sink, clients: Clients) -> None:
    """A message is one JSON object with its text, to the path of the webhook, and nothing that calls people."""
    request = await sent(sink, clients, Message(text="*Page moved* &lt;b&gt; 🎉", subject="unused"))
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"text": "*Page moved* &lt;b&gt; 🎉"}


async def test_blocks_are_posted_with_their_text(sink: Sink, clients: Clients) -> None:
    """Blocks are shown, and the text beside them is what a notification says."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]
    assert (await sent(sink, clients, Message(text="x", blocks=blocks))).json == {"text": "x", "blocks": blocks}


@pytest.mark.parametrize("message", [Message(forward=True), Message(body={"a": 1}, has_body=True)])
async def test_what_is_no_slack_message_is_not_sent(sink: Sink, clients: Clients, message: Message) -> None:
    """A body meant for another type is a dead letter that says why."""
    with pytest.raises(PermanentFailure, match="`body` is for http destinations"):
        await at(sink).send(outgoing(message), clients)
    assert sink.received == []


@pytest.mark.parametrize("body", ["ok", "ok\n", '{"ok": true}', ' {"ok": true, "ts": "1.2"}'])
async def test_success(sink: Sink, clients: Clients, body: str) -> None:
    """Slack's `ok`, and the JSON that some servers answer in its place."""
    sink.answer_with(answer(200, body))
    assert isinstance(await at(sink).send(outgoing(), clients), Receipt)


@pytest.mark.parametrize(
    "text",
    [
        "no_text",
        "invalid_payload",
        "invalid_blocks",
        "channel_is_archived",
        "no_service",
        "action_prohibited",
        "channel_not_found",
        "user_not_found",
        "posting_to_general_channel_denied",
        "no_active_hooks",
        "too_many_attachments",
        "invalid_token",
        "team_disabled",
    ],
)
@pytest.mark.parametrize("form", ["{}", '{{"ok": false, "error": "{}"}}'])
async def test_hopeless_text(sink: Sink, clients: Clients, text: str, form: str) -> None:
    """A 2xx that names an error which stays is a dead letter at once, with Slack's word as its reason."""
    sink.answer_with(answer(200, form.format(text)))
    with pytest.raises(PermanentFailure) as caught:
        await at(sink).send(outgoing(), clients)
    assert caught.value.reason == f"Slack said {text}"
    assert text in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        "rollup_error",
        "",
        "OK",
        "okay",
        "<html>ok</html>",
        "something new",
        '{"ok": false}',
        '{"ok": false, "error": "internal_error"}',
        '{"ok": false, "error": ["no_text"]}',
        '{"ok": "true"}',
        '{"ok": 1}',
        '{"ok": tru',
        "[true]",
    ],
)
async def test_unknown_text_may_pass(sink: Sink, clients: Clients, body: str) -> None:
    """A 2xx that is not `ok` is no success; what is not known to stay is tried again."""
    sink.answer_with(answer(200, body))
    with pytest.raises(TemporaryFailure, match="Slack answered HTTP 200, but not `ok`"):
        await at(sink).send(outgoing(), clients)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "invalid_payload", PermanentFailure),
        (403, "action_prohibited", TemporaryFailure),
        (404, "no_service", TemporaryFailure),
        (410, "channel_is_archived", TemporaryFailure),
        (500, "rollup_error", TemporaryFailure),
        (500, "ok", TemporaryFailure),
    ],
)
async def test_status_wins_over_text(
    sink: Sink, clients: Clients, status: int, body: str, kind: type[Exception]
) -> None:
    """With another status than 2xx the common table decides: above 400 is tried again, whatever the text."""
    sink.answer_with(answer(status, body))
    with pytest.raises(kind, match=body):
        await at(sink).send(outgoing(), clients)


async def test_missing_webhook_can_fail_fast(sink: Sink, clients: Clients) -> None:
    """Whoever knows that a webhook will not come back can say so."""
    sink.answer_with(answer(404, "no_service"))
    with pytest.raises(PermanentFailure):
        await at(sink, fail_fast=[404]).send(outgoing(), clients)


def test_defaults() -> None:
    """One message a second and one at a time, in Slack's markup."""
    slack = Slack.model_validate({"url": f"https://hooks.slack.com{PATH}"})
    assert (slack.rate, slack.concurrency) == (Rate(1, 1.0), 1)
    assert (slack.markup, slack.template_folder, slack.forwards_as_is) == (Markup.SLACK, "slack", False)
    assert slack.address == "hooks.slack.com"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hooks/x", "https://chat.example.com/hooks/x"])
def test_other_servers_can_speak_like_slack(url: str) -> None:
    """Mattermost and others take the same messages under their own host."""
    assert Slack.model_validate({"url": url}).target == url


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Field required"),
        ({"url": "hooks.slack.com/services/x"}, "starts with https://"),
        ({"url": "https://hooks.slack.com/{{ event.name }}"}, "takes no template"),
        ({"url": "https://hooks.slack.com/x", "channel": "#general"}, "channel"),
        ({"url": "https://hooks.slack.com/x", "bot_token": "xoxb-1"}, "bot_token"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    """Settings that cannot work, or are not there yet, are refused when the file is loaded."""
    with pytest.raises(ValidationError) as caught:
        Slack.model_validate(settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("x" * 40_000, "xxx"),
        ("x" * 40_001, "xx…"),
        ("x" * 39_996 + "&amp;" * 9, "xx…"),
        ("x" * 39_994 + "&amp;" * 9, "x&amp;…"),
        ("x" * 39_900 + "<https://example.com/a|" + "t" * 200 + ">", "xx…"),
        ("🎉" * 50_000, "🎉🎉…"),
    ],
)
def test_long_text_is_cut(text: str, end: str) -> None:
    """A text over Slack's limit is cut, and neither in an entity nor in a link, which would show as garbage."""
    shortened = cut(text)
    assert len(shortened) <= MAX_TEXT_CHARACTERS
    assert shortened.endswith(end)
