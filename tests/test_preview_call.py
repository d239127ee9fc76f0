"""`POST /api/v1/preview`: what would become of an event is told, and nothing becomes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.config.load import load_text
from router.delivery.preview import Bounds, imagine
from router.delivery.preview import preview as judge
from router.samples import SAMPLES, sample
from tests.admin_calls import ask
from tests.fakes import START, Clock
from tests.running import TOKEN, RunningRouter
from tests.sinks import Sink
from tests.waiting import until

SECRET_PATH = "/services/T12345678/B12345678/a-webhook-for-the-tests"
SIGN = "a-signing-token-for-the-tests"
PAYLOAD = {"page": {"id": 5148, "title": "Release checklist"}}


def running_rules(url: str) -> str:
    return f"""\
destinations:
  docs: {{type: slack, url: "{url}{SECRET_PATH}", rate: 500000/s}}
  audit: {{type: http, url: "{url}/events/{{{{ event.name }}}}", sign: {SIGN}}}
  tickets: {{type: http, url: "{url}/tickets", body: {{title: "{{{{ page.title }}}}", id: "{{{{ page.id }}}}"}}}}
  log: {{type: log}}
  closed: {{type: log, enabled: false}}
rules:
  - {{name: pages, events: [page.*, page.updated.*], to: [docs, audit, tickets], when: {{page.id: {{not: 13}}}}}}
  - {{name: rest, events: "*", unmatched: true, to: [log, closed]}}
"""


TEXT = """\
sources:
  spaces:
    token: ${SPACES_TOKEN}
destinations:
  chat:
    type: slack
    url: ${SLACK_URL}
rules:
  - name: pages
    events: page.*
    to: chat
    message: "MESSAGE"
"""


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as running:
        yield running


@pytest.fixture
async def router(tmp_path: Path, sink: Sink) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, running_rules(sink.url)) as running:
        yield running


async def preview(router: RunningRouter, **wish: Any) -> tuple[int, Any]:
    return await ask(router, "/api/v1/preview", "POST", json=wish)


async def messages(router: RunningRouter, **wish: Any) -> list[Any]:
    status, told = await preview(router, **wish)
    assert status == 200, told
    return [one["message"] or one["message_error"] for one in told["deliveries"]]


# By the rule set in use


@pytest.mark.parametrize("event", [*SAMPLES, "page.updated.renamed", "ticket.created"])
async def test_what_it_shows_is_what_is_sent(event: str, router: RunningRouter) -> None:
    """The same rules match, with the same reasons, and each message says the same, as when the event does come."""
    body = sample(event) if event in SAMPLES else b'{"id": 7, "title": "Roadmap"}'
    status, told = await preview(router, event=event, payload=json.loads(body))
    number = await router.accept(event, body)
    await router.settle()
    stored = await router.get(f"events/{number}")
    made = [await router.get(f"deliveries/{one['id']}") for one in await router.deliveries()]
    assert status == 200
    assert told["verdicts"] == stored["verdicts"]
    assert told["matches"] == stored["rules"]
    assert (told["ruleset"], told["source"]) == (stored["ruleset"], "spaces")
    shown = [(one["rule"], one["destination"], one["type"], one["message"]) for one in told["deliveries"]]
    assert shown == [(one["rule"], one["destination"], one["type"], one["message"]) for one in made]
    assert [one["reason"] for one in told["deliveries"]] == [one["reason"] for one in made]


async def test_nothing_is_stored_sent_or_counted(router: RunningRouter, sink: Sink) -> None:
    """After any number of previews the store and the counters are as before, and nobody got anything."""

    async def counters() -> str:
        text = (await router.client.get(f"{router.app.admin_url}/metrics")).text
        wanted = ("spaces_router_events", "spaces_router_deliver", "spaces_router_attempt", "spaces_router_requests")
        return "\n".join(line for line in text.splitlines() if line.startswith(wanted))

    before = await router.get("stats"), await counters()
    for event in SAMPLES:
        assert (await preview(router, event=event))[0] == 200
        assert (await preview(router, event=event, rules=TEXT))[0] == 200
    await router.settle()
    assert (await router.get("stats"), await counters()) == before
    assert before[1]
    assert sink.received == []
    assert (await router.get("events"))["events"] == []


async def test_an_event_without_a_payload_is_its_sample(router: RunningRouter) -> None:
    """Names are matched in any case, as rules do; what has no sample needs a payload."""
    assert await messages(router, event="Page.Created") == await messages(
        router, event="page.created", payload=json.loads(sample("page.created"))
    )
    status, told = await preview(router, event="ticket.created")
    assert (status, told["error"]) == (400, "bad_request")
    assert "no sample of 'ticket.created'" in told["message"]


async def test_reasons_say_why_nothing_would_be_sent(tmp_path: Path) -> None:
    """A template that fails, one that stays silent, a destination that is switched off: each is told in its words."""
    rules = """\
destinations:
  wiki: {type: log}
  closed: {type: log, enabled: false}
  away: {type: http, url: "http://127.0.0.1:9/{{ page.slug }}/x", body: "{{ page.title }}"}
rules:
  - {name: fails, events: "*", to: wiki, message: "{{ page.title | truncate(payload.length) }}"}
  - {name: silent, events: "*", to: wiki, message: "{% if page.colour %}x{% endif %}"}
  - {name: off, events: "*", to: closed, message: "{{ page.title }}"}
  - {name: leads away, events: "*", to: away}
"""
    async with RunningRouter(tmp_path, rules) as router:
        page = {"title": "Roadmap", "slug": ".."}
        _, told = await preview(router, event="page.updated", payload={"page": page, "length": "long"})
    fails, silent, off, away = told["deliveries"]
    assert (fails["reason"], fails["message"]) == ("render error", None)
    assert fails["message_error"].startswith("message, line 1: ")
    assert (silent["reason"], silent["message"], silent["message_error"]) == ("empty message", {"text": ""}, None)
    assert (off["reason"], off["message"]) == ("destination removed", {"text": "Roadmap"})
    assert (away["reason"], away["message"]) == ("unsafe value in the URL", None)


@pytest.mark.parametrize(
    "payload", [None, True, 0, -1.5, 10**30, "", "<!channel>", [], {}, [[]], {"page": None}, {"page": [1, {"id": 2}]}]
)
async def test_any_json_value_may_be_a_payload(payload: Any, router: RunningRouter) -> None:
    """As any JSON with a good signature is stored and judged, so any is previewed."""
    for event in ("page.updated", "user.disabled", "pagepermissions.deleted", "x"):
        assert (await preview(router, event=event, payload=payload))[0] == 200
        assert (await preview(router, event=event, payload=payload, rules=TEXT))[0] == 200


@pytest.mark.parametrize("depth", [100, 250, 400, 900, 2_000, 100_000])
async def test_deep_payloads_are_answered(depth: int, router: RunningRouter) -> None:
    """However deeply a payload is nested, it is judged or refused with a sentence, as the body of an event would be."""
    body = '{"event": "page.updated", "payload": %s}' % ('{"a":' * depth + "1" + "}" * depth)
    status, told = await ask(router, "/api/v1/preview", "POST", content=body)
    assert status in (200, 400)
    if status == 400:
        assert "nested too deeply" in told["message"]


async def test_bodies_have_a_bound(router: RunningRouter) -> None:
    """A payload of almost a megabyte is judged; a body beyond that is not read."""
    status, _ = await preview(router, event="page.updated", payload={"page": {"title": "x" * 1_000_000}})
    assert status == 200
    status, told = await preview(router, event="page.updated", payload="x" * 1_100_000)
    assert (status, told["error"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("wish", "status", "told"),
    [
        ({}, 400, "event is missing"),
        ({"event": "page updated", "payload": 1}, 400, "event names none"),
        ({"event": "x" * 201, "payload": 1}, 400, "event names none"),
        ({"event": 5, "payload": 1}, 400, "event is not a text"),
        ({"event": "page.updated", "payload": 1, "rules": ["x"]}, 400, "rules is not a text"),
        ({"event": "page.updated", "payload": 1, "source": ""}, 400, "source is not a text"),
        ({"event": "page.updated", "payload": 1, "source": "space"}, 422, "(did you mean 'spaces'?)"),
        ({"event": "page.updated", "payloads": 1}, 400, "unknown key 'payloads' in the body"),
    ],
)
async def test_wrong_wishes_are_told(wish: dict[str, Any], status: int, told: str, router: RunningRouter) -> None:
    """What cannot be meant is named, with what is expected."""
    answered, said = await preview(router, **wish)
    assert answered == status
    assert told in said["message"]


async def test_the_source_is_the_first_that_sends_such_events(tmp_path: Path) -> None:
    """An event of Desk counts as one of the Desk source; which one it is can be said."""
    rules = """\
  desk: {kind: teamwork-desk, unsigned: true}
  help: {kind: teamwork-desk, unsigned: true}
destinations:
  wiki: {type: log}
rules:
  - {name: all, events: "*", to: wiki, message: "{{ event.source }}"}
"""
    async with RunningRouter(tmp_path, rules) as router:
        assert await messages(router, event="ticket.created", payload={}) == [{"text": "desk"}]
        assert await messages(router, event="page.created") == [{"text": "spaces"}]
        assert await messages(router, event="no.such", payload={}) == [{"text": "spaces"}]
        assert await messages(router, event="page.created", source="help") == [{"text": "help"}]


NAMES = """\
people:
  9: {name: Ada Byrne}
destinations:
  log: {type: log}
rules:
  - name: all
    events: "*"
    to: log
    message: >-
      {{ actor.name or "Someone" }} {{ event.verb }} {{ page.title or "a page" }}
      {% if changes.title %}(was {{ changes.title.before }}){% endif %}
"""


async def test_names_and_changes_are_those_that_the_message_would_have(tmp_path: Path) -> None:
    """The rule file's names, what events taught, and what an event changes: by today's rules and by those of a text."""
    text = f"sources:\n  spaces:\n    unsigned: true\n{NAMES}"
    async with RunningRouter(tmp_path, NAMES) as router:
        await router.accept("page.created", b'{"page": {"id": 5148, "title": "Roadmap"}}')
        moved = {"page": {"id": 5148, "title": "Plan", "updatedBy": {"id": 9}}}
        comment = {"comment": {"id": 1, "page": {"id": 5148}, "createdBy": {"id": 9}}}
        expected = {
            "page.updated": (moved, [{"text": "Ada Byrne updated Plan (was Roadmap)"}]),
            "comment.created": (comment, [{"text": "Ada Byrne commented on Roadmap"}]),
        }
        for event, (payload, shown) in expected.items():
            assert await messages(router, event=event, payload=payload) == shown
            assert await messages(router, event=event, payload=payload, rules=text) == shown
        await router.accept("page.updated", json.dumps(moved).encode())
        await router.settle()
        (_, updated) = await router.deliveries()
        assert (await router.get(f"deliveries/{updated['id']}"))["message"] == expected["page.updated"][1][0]
    async with RunningRouter(tmp_path) as router:  # and what is not in memory is read from the store
        shown = [{"text": "Ada Byrne commented on Plan"}]
        assert await messages(router, event="comment.created", payload=comment) == shown
        assert await messages(router, event="comment.created", payload=comment, rules=text) == shown


# By the text of another rule file


async def test_a_rule_text_is_judged_by_and_changes_nothing(router: RunningRouter) -> None:
    """The rules of the text match and word the message; the router goes on with its own."""
    before = router.app.rulesets.current
    text = TEXT.replace("MESSAGE", "<{{ page.title }}> {{ destination.name }}")
    status, told = await preview(router, event="page.updated", payload=PAYLOAD, rules=text)
    assert status == 200
    assert told["matches"] == ["pages"]
    (one,) = told["deliveries"]
    assert (one["destination"], one["type"]) == ("chat", "slack")
    assert one["message"] == {"text": "<Release checklist> chat"}
    assert told["ruleset"] != before.hash
    assert router.app.rulesets.current is before
    assert await messages(router, event="page.updated", payload=PAYLOAD) != [one["message"]]


async def test_a_rule_text_with_problems_is_told_as_a_reload_does(router: RunningRouter) -> None:
    """All problems, each with its place in the text; an empty text has some too."""
    text = TEXT.replace("to: chat", "to: chatt").replace("page.*", "page.*\n    evnts: x")
    status, told = await preview(router, event="page.updated", payload=PAYLOAD, rules=text)
    assert (status, told["error"]) == (422, "invalid_rules")
    assert told["message"] == "2 problems in the rule text"
    assert [(problem["file"], problem["line"]) for problem in told["problems"]] == [("rules", 11), ("rules", 12)]
    for empty in ("", "[", "{}", "\x00", "a: &a [*a]"):
        status, told = await preview(router, event="page.updated", payload=PAYLOAD, rules=empty)
        assert (status, told["error"]) == (422, "invalid_rules"), empty
        assert told["problems"]


async def test_no_secret_is_reachable_from_a_rule_text(tmp_path: Path, sink: Sink) -> None:
    """No variable, no file, and nothing of the rule file in use comes into an answer, whatever a text asks for."""
    secret_file = tmp_path / "secret"
    secret_file.write_text("a-secret-in-a-file-for-the-tests")
    text = f"""\
sources:
  spaces:
    token: ${{SPACES_TOKEN}}
    site: ${{SPACES_TOKEN}}
destinations:
  docs:
    type: http
    url: ${{SPACES_TOKEN}}
    message: ${{SPACES_TOKEN}}
  file:
    type: http
    url: https://chat.example.com/{{{{ payload }}}}
    sign_file: {secret_file}
    headers: {{X-Key: "${{SPACES_TOKEN:-nothing}}"}}
    body: ["${{SPACES_TOKEN:-x}}", "${{HOME}}"]
  slack:
    type: slack
    url_file: {secret_file}
rules:
  - name: all
    events: "*"
    to: [docs, file, slack]
  - name: asks
    events: "*"
    to: [docs, file, slack]
    message: >-
      {{{{ destination.url }}}} {{{{ destination.sign }}}} {{{{ destination.secrets }}}} {{{{ destination }}}}
      {{{{ rule }}}} {{{{ payload }}}} {{{{ event }}}}
"""
    secrets = (TOKEN, SIGN, SECRET_PATH, "a-secret-in-a-file-for-the-tests", sink.url)
    async with RunningRouter(tmp_path, running_rules(sink.url)) as router:
        for rules in (text, text.replace('events: "*"', "evnts: x"), None):
            answered = await router.post(
                "/api/v1/preview", {"event": "page.updated", "payload": PAYLOAD, "rules": rules}
            )
            assert answered.status_code in (200, 422)
            assert not [secret for secret in secrets if secret in answered.text], answered.text


async def test_secrets_that_stand_in_a_rule_text_are_not_repeated(router: RunningRouter) -> None:
    """A URL or a token that somebody wrote into the text is in no answer, whether the text has problems or not."""
    secret = "https://hooks.slack.com/services/T99999999/B99999999/another-webhook-for-tests"
    text = TEXT.replace("${SLACK_URL}", secret).replace("${SPACES_TOKEN}", "another-token-for-the-tests")
    for rules in (text, text.replace("to: chat", "to: nobody"), text.replace("type: slack", "type: slak")):
        answered = await router.post("/api/v1/preview", {"event": "page.updated", "rules": rules})
        assert "another-" not in answered.text


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in payload.many %}{% for b in payload.many %}{{ b }}{% endfor %}{% endfor %}",
        "{% for a in payload.many %}{{ payload.long }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ payload.long * 100000 }}",
        "{{ (9 ** 99) ** 99 }}",
    ],
)
async def test_templates_without_an_end_are_told(template: str, router: RunningRouter) -> None:
    """A template that would work for ever, or write a gigabyte, ends with a sentence."""
    text = TEXT.replace("MESSAGE", template)
    payload = {"many": list(range(1000)), "long": "x" * 10_000}
    status, told = await preview(router, event="page.updated", payload=payload, rules=text)
    if status == 200:
        (one,) = told["deliveries"]
        assert one["reason"] == "render error"
        assert one["message_error"].startswith("message, line 1: ")
    else:
        assert (status, told["error"]) == (422, "invalid_rules")


async def test_a_preview_shows_so_many_messages_and_no_more(router: RunningRouter) -> None:
    """Thousands of rules are all judged, but only the first fifty messages are written."""
    head, rule = TEXT[: TEXT.index("  - name")], "  - {name: r%d, events: page.*, to: chat, message: hello}\n"
    text = head + "".join(rule % number for number in range(60))
    shown = await messages(router, event="page.updated", payload=PAYLOAD, rules=text)
    assert shown[:50] == [{"text": "hello"}] * 50
    assert shown[50:] == ["not written: a preview shows 50 messages at most"] * 10


LONG_TEXT = TEXT[: TEXT.index("  - name")] + "".join(
    f'  - {{name: r{number}, events: "*", to: chat, message: "{number} {{{{ page.title }}}}"}}\n'
    for number in range(1_500)
)
"""Takes seconds."""


async def test_a_long_rule_text_holds_nobody_up(router: RunningRouter, sink: Sink) -> None:
    """While a large text is read, events are taken, sent and shown; a second text waits for its turn."""
    first = asyncio.create_task(preview(router, event="page.updated", rules=LONG_TEXT))
    await until(lambda: router.app._parts.compiling.is_taken)
    second = asyncio.create_task(preview(router, event="page.updated", rules=TEXT))
    number = await router.accept("page.updated")
    await router.settle()
    assert len(await router.deliveries(event=number, state="delivered")) == 3
    assert not first.done()
    assert not second.done()
    assert [(await task)[0] for task in (first, second)] == [200, 200]


async def test_rule_texts_beyond_two_that_wait_are_refused(router: RunningRouter) -> None:
    """Callers are told to come again; who gives up makes room at once, and nothing is done for them."""
    turns = router.app._parts.compiling
    first = asyncio.create_task(preview(router, event="page.updated", rules=LONG_TEXT))
    await until(lambda: turns.is_taken)
    waiting = [asyncio.create_task(preview(router, event="page.updated", rules=TEXT)) for _ in range(2)]
    await until(lambda: turns.waiting == 2)
    answered = await router.post("/api/v1/preview", {"event": "page.updated", "rules": TEXT})
    assert (answered.status_code, answered.json()["error"]) == (503, "too_many_previews")
    assert answered.headers["Retry-After"] == "5"
    assert (await preview(router, event="page.updated"))[0] == 200
    waiting[0].cancel()
    await until(lambda: turns.waiting == 1)
    assert not first.done()
    waiting[0] = asyncio.create_task(preview(router, event="page.updated", rules=TEXT))
    assert [(await task)[0] for task in (first, *waiting)] == [200, 200, 200]
    assert not turns.is_taken


class Hurried(Clock):
    """Whoever looks at it twice finds that a second has passed."""

    def monotonic(self) -> float:
        self.advance(seconds=1)
        return super().monotonic()


def six_messages(bounds: Bounds) -> list[str]:
    """Of a preview within bounds that has six messages to write, what is wrong with each that it tells of."""
    rules = "".join(f"  - {{name: r{number}, events: page.*, to: chat, message: hello}}\n" for number in range(6))
    known = {"SPACES_TOKEN": TOKEN, "SLACK_URL": "http://127.0.0.1/"}
    by = load_text(TEXT[: TEXT.index("  - name")] + rules, "rules", known)
    event = imagine("page.updated", sample("page.updated"), None, by, number=1, at=START)
    return [draft.error for draft in judge(event, by, bounds=bounds).drafts]


def test_a_preview_has_three_seconds() -> None:
    """What would take longer is not written, and says so."""
    late = "not written: a preview writes messages for 3 s at most"
    assert six_messages(Bounds(Hurried(), lambda: True)) == ["", "", late, late, late, late]


def test_nothing_is_written_for_who_has_gone() -> None:
    """The work ends before the next message."""
    looks = iter([True, True, False])
    assert six_messages(Bounds(Clock(), lambda: next(looks))) == ["", ""]
