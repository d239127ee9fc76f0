"""`deliveries`, `show`, `replay` and `healthcheck`: what people and scripts learn from a router or its store."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from router.cli import output
from router.secret import Secret
from tests.cli import invoke, invoked
from tests.running import RunningRouter
from tests.sinks import Sink, answer, close, garbage, refused_port


def rules(url: str) -> str:
    return f"""\
destinations:
  ops:
    type: http
    url: {url}
  spare:
    type: http
    url: {url}/spare
rules:
  - name: pages
    events: page.*
    to: ops
    message: "{{{{ event.title }}}}: {{{{ page.title }}}}"
  - name: comments
    events: comment.*
    to: ops
"""


async def ask(router: RunningRouter, *arguments: str, **env: str) -> Result:
    return await invoked(arguments[0], "--admin", router.app.admin_url, *arguments[1:], env=env)


async def listed(router: RunningRouter, *arguments: str) -> list[dict[str, Any]]:
    result = await ask(router, "deliveries", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


async def test_deliveries_are_a_readable_table(tmp_path: Path) -> None:
    """One line per delivery, newest first, within 80 columns; those that did not arrive say why below."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        await router.accept("page.created")
        await router.settle()
        sink.answer_with(answer(400, "no such channel"))
        await router.accept("comment.created")
        await router.settle()
        newest, oldest = await listed(router)
        result = await ask(router, "deliveries")
    head, first, *reason, second = result.stdout.splitlines()
    assert result.exit_code == 0
    assert result.stderr == ""
    assert head.split() == ["ID", "EVENT", "DESTINATION", "STATE", "CREATED"]
    assert first.split()[:4] == [newest["id"], "comment.created", "ops", "dead"]
    assert len(reason) <= 2
    assert "after 1 attempt: " in reason[0]
    assert "no such channel" in " ".join(" ".join(reason).split())
    assert second.split()[:4] == [oldest["id"], "page.created", "ops", "delivered"]
    assert max(map(len, result.stdout.splitlines())) <= 80


async def test_deliveries_can_be_chosen(tmp_path: Path) -> None:
    """State, destination, rule, event, age and number narrow the list; a list that was cut says so."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.created")
        for name in ("page.updated", "page.deleted", "comment.created"):
            await router.accept(name)
        await router.settle()
        assert len(await listed(router)) == 4
        assert [one["event"] for one in await listed(router, "--event", event)] == ["page.created"]
        assert [one["event"] for one in await listed(router, "--rule", "comments")] == ["comment.created"]
        assert len(await listed(router, "--destination", "ops", "--state", "DELIVERED")) == 4
        assert await listed(router, "--destination", "spare") == []
        assert len(await listed(router, "--since", "2026-03-02")) == 4
        assert await listed(router, "--since", "1m") == []
        assert [one["event"] for one in await listed(router, "--limit", "2")] == ["comment.created", "page.deleted"]
        cut = await ask(router, "deliveries", "--limit", "2")
        empty = await ask(router, "deliveries", "--state", "dead", "--rule", "pages")
    assert "These are the newest 2; --limit shows more." in cut.stdout
    assert "No delivery fits (state, rule)." in empty.stdout


async def test_long_lists_are_read_page_by_page(tmp_path: Path) -> None:
    """More than one answer of the API holds is listed all the same, from a router and from its store."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        for _ in range(220):
            await router.accept("page.created")
        await router.settle()
        found = await listed(router, "--limit", "215")
    stored = await invoked(
        "deliveries", "--admin", "127.0.0.1:1", "--data", str(router.path.parent / "data"), "--limit", "215", "--json"
    )
    assert len({one["id"] for one in found}) == 215
    assert [one["id"] for one in json.loads(stored.stdout)] == [one["id"] for one in found]


async def test_no_deliveries_yet(tmp_path: Path) -> None:
    """An empty list says what to do next; as JSON it is an empty list."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        result = await ask(router, "deliveries")
        assert "No deliveries yet. Send a sample event with `spaces-router send`" in result.stdout
        assert await listed(router) == []


async def test_show_a_delivery(tmp_path: Path) -> None:
    """Message, attempts and what comes next, in words."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        await router.accept("page.created")
        await router.settle()
        sink.answer_with(answer(503, "later, please"))
        await router.accept("page.updated")
        await router.settle()
        retrying, delivered = await listed(router)
        seen = await ask(router, "show", delivered["id"])
        waiting = await ask(router, "show", retrying["id"])
    assert seen.exit_code == 0
    assert seen.stdout.startswith(f"delivery {delivered['id']}: delivered\n")
    assert "  destination  ops (http)" in seen.stdout
    assert "  rule         pages" in seen.stdout
    assert "It arrived." in seen.stdout
    assert "Page created: Release checklist" in seen.stdout
    assert "delivered with status 200" in seen.stdout
    assert waiting.stdout.startswith(f"delivery {retrying['id']}: retrying\n")
    assert "The latest attempt failed; the next one is due" in waiting.stdout
    assert "1. 2026-03-02" in waiting.stdout
    assert "failed (temporary) with status 503" in waiting.stdout
    assert "later, please" in waiting.stdout


async def test_show_an_event(tmp_path: Path) -> None:
    """Headers, what each rule made of it, its deliveries, and its body."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.created", Delivery="an-id-of-the-sender")
        await router.settle()
        (delivery,) = await listed(router)
        result = await ask(router, "show", event)
        exact = json.loads((await ask(router, "show", event, "--json")).stdout)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"event {event}: page.created\n")
    assert "  Delivery: an-id-of-the-sender" in result.stdout
    assert "  pages: matched → ops" in result.stdout
    assert "  comments: not matched: " in result.stdout
    assert f"  {delivery['id']}" in result.stdout
    assert '"title": "Release checklist"' in result.stdout
    assert exact["payload"]["page"]["title"] == "Release checklist"
    assert [one["id"] for one in exact["deliveries"]] == [delivery["id"]]


async def test_why_a_delivery_of_an_event_failed_is_set_off_from_the_table(tmp_path: Path) -> None:
    """Each line of a long reason begins in the same column."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer_with(answer(503, "the wiki is closed for repairs " * 5))
        event = await router.accept("page.created")
        await router.settle()
        result = await ask(router, "show", event)
    _, table = result.stdout.split("1 delivery\n")
    _, _, why, more, *_ = table.splitlines()
    assert why.startswith("      after 1 attempt")
    assert more.startswith("      ")
    assert not more.startswith("       ")


async def test_an_event_that_nothing_matches_says_so(tmp_path: Path) -> None:
    """An event without deliveries explains why there are none."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("space.deleted")
        result = await ask(router, "show", event)
    assert "no deliveries" in result.stdout
    assert "No rule matched, so there was nothing to send." in result.stdout


async def test_a_body_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters and changes of direction in an event are shown as marks, in text and in JSON."""
    body = json.dumps({"page": {"id": 1, "title": "a\x1b[2Jb\u202ec\u009bd"}}).encode()
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.created", body)
        await router.settle()
        (delivery,) = await listed(router)
        texts = [
            (await ask(router, "show", number, *more)).stdout
            for number in (event, delivery["id"])
            for more in ((), ("--json",))
        ]
    for text in texts:
        assert not {"\x1b", "\u202e", "\u009b"} & set(text)


async def test_an_unknown_id(tmp_path: Path) -> None:
    """An id that is neither an event nor a delivery is told as such."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        for command in ("show", "replay"):
            result = await ask(router, command, "4711")
            assert result.exit_code == 1
            assert "delivery 4711" in result.stderr


async def test_the_store_answers_when_no_router_runs(tmp_path: Path) -> None:
    """With the router stopped, the same commands give the same answers from its store, and say where from."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.created")
        await router.settle()
        sink.answer_with(answer(400, "no"))
        await router.accept("comment.created")
        await router.settle()
        deliveries = await listed(router)
        numbers = [event, *(one["id"] for one in deliveries)]
        running = [json.loads((await ask(router, "show", number, "--json")).stdout) for number in numbers]
    stopped = ["--admin", f"127.0.0.1:{refused_port()}", "--data", str(tmp_path / "data")]
    for number, expected in zip(numbers, running, strict=True):
        result = await invoked("show", number, "--json", *stopped)
        assert result.exit_code == 0
        assert "Note: nothing answers at http://127.0.0.1:" in result.stderr
        assert f"this is what stands in {tmp_path / 'data' / 'router.db'}." in result.stderr
        stored = json.loads(result.stdout)
        if "verdicts" in stored:  # which rules would judge now only a running router knows
            assert (stored.pop("ruleset_in_use"), expected.pop("ruleset_in_use")) == (None, True)
        assert _without_types(stored) == _without_types(expected)
    result = await invoked("deliveries", "--state", "dead", *stopped)
    assert result.stdout.splitlines()[1].split()[:4] == [deliveries[0]["id"], "comment.created", "ops", "dead"]


def _without_types(shown: Any) -> Any:
    """Lists from the store do not say the type of a destination: no rule file is loaded."""
    if isinstance(shown, dict):
        return {key: _without_types(value) for key, value in shown.items() if key != "type"}
    return [_without_types(one) for one in shown] if isinstance(shown, list) else shown


def test_neither_router_nor_store(tmp_path: Path) -> None:
    """Where there is nothing at all, the sentence names both places and the options for them."""
    result = invoke("deliveries", "--admin", f"127.0.0.1:{refused_port()}", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "nothing answers at http://127.0.0.1:" in result.stderr
    assert f"there is no store at {tmp_path / 'router.db'}" in result.stderr
    assert "--admin" in result.stderr
    assert "--data" in result.stderr


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    """A file that is no store is refused with its name, not with a traceback."""
    (tmp_path / "router.db").write_bytes(b"no database" * 100)
    result = invoke("deliveries", "--admin", f"127.0.0.1:{refused_port()}", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert str(tmp_path / "router.db") in result.stderr
    assert "Something unexpected" not in result.stderr


async def test_replay(tmp_path: Path) -> None:
    """A dead letter is sent again, to its own destination or to another; what is under way is not."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer_with(answer(400, "no"))
        event = await router.accept("page.created")
        await router.settle()
        (dead,) = await listed(router)
        sink.answer_with(answer())
        once = await ask(router, "replay", dead["id"])
        await router.settle()
        other = await ask(router, "replay", dead["id"], "--to", "spare")
        await router.settle()
        newest, second, _ = await listed(router)
        unknown = await ask(router, "replay", dead["id"], "--to", "spair")
        sink.answer_with(answer(500))
        await router.accept("page.updated")
        await router.settle()
        busy = await ask(router, "replay", (await listed(router))[0]["id"])
        whole = await ask(router, "replay", event)
    assert once.exit_code == 0
    assert (
        once.stdout
        == f"Replayed as delivery {second['id']}; see what became of it: spaces-router show {second['id']}\n"
    )
    assert (second["state"], second["destination"], second["cause"]) == ("delivered", "ops", "replay")
    assert other.exit_code == 0
    assert (newest["state"], newest["destination"]) == ("delivered", "spare")
    assert unknown.exit_code == 1
    assert "did you mean 'spare'?" in unknown.stderr
    assert busy.exit_code == 1
    assert "is retrying" in busy.stderr
    assert whole.exit_code == 1
    assert f"spaces-router replay --event {event}" in whole.stderr


async def test_the_admin_token(tmp_path: Path) -> None:
    """The token comes from the environment or a file; without it, or with another, the command says so."""
    token = tmp_path / "token"
    token.write_text("a-token-of-the-admin\n")
    secret = Secret("a-token-of-the-admin")
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url), admin_token=secret) as router:
        without = await ask(router, "deliveries")
        wrong = await ask(router, "deliveries", SPACES_ROUTER_ADMIN_TOKEN="another")
        empty = await ask(router, "deliveries", SPACES_ROUTER_ADMIN_TOKEN=" ")
        missing = await ask(router, "deliveries", "--admin-token-file", str(tmp_path / "none"))
        right = await ask(router, "deliveries", SPACES_ROUTER_ADMIN_TOKEN="a-token-of-the-admin")
        by_file = await ask(router, "deliveries", "--admin-token-file", str(token))
        health = await ask(router, "healthcheck")
    assert "asks for a token. Set SPACES_ROUTER_ADMIN_TOKEN" in without.stderr
    assert "does not take this token" in wrong.stderr
    assert [without.exit_code, wrong.exit_code, empty.exit_code, missing.exit_code] == [1, 1, 1, 1]
    assert "SPACES_ROUTER_ADMIN_TOKEN is set but empty" in empty.stderr
    assert "cannot be read" in missing.stderr
    assert (right.exit_code, by_file.exit_code, health.exit_code) == (0, 0, 0)


async def test_something_else_at_the_admin_address(tmp_path: Path) -> None:
    """The port for webhooks, another program and a broken one are told apart from a router's admin side."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        for command in (["deliveries"], ["show", "1"], ["healthcheck"]):
            result = await invoked(*command, "--admin", router.app.public_url)
            assert result.exit_code == 1, command
            assert "--admin" in result.stderr
        for behaviour in (answer(200, "hello"), answer(500, "oh"), close, garbage):
            sink.answer_with(behaviour)
            result = await invoked("deliveries", "--admin", sink.url)
            assert result.exit_code == 1
            assert "unexpected" not in result.stderr


async def test_healthcheck(tmp_path: Path) -> None:
    """0 for a router that takes deliveries; 1 for one that is stopping, and where there is none."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        ready = await ask(router, "healthcheck")
        by_variable = await invoked(
            "healthcheck", env={"SPACES_ROUTER_ADMIN": router.app.admin_url.partition("://")[2]}
        )
        router.app.stage = "stopping"
        stopping = await ask(router, "healthcheck")
        router.app.stage = "serving"
    gone = await ask(router, "healthcheck")
    assert (ready.exit_code, ready.stdout) == (0, f"ready: {router.app.admin_url}\n")
    assert by_variable.exit_code == 0
    assert (stopping.exit_code, stopping.stderr) == (1, "not ready: the router is stopping\n")
    assert gone.exit_code == 1
    assert "nothing answers" in gone.stderr


# How lines look

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "just now"),
        (0.9, "just now"),
        (-5, "just now"),
        (1, "1 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86400 * 2, "2 d ago"),
    ],
)
def test_how_long_ago(seconds: float, told: str) -> None:
    """Ages are rough, and a clock that runs ahead makes no nonsense."""
    assert output.ago(NOW - timedelta(seconds=seconds), NOW) == told


def test_local_times_carry_their_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are those of the reader's clock, and say which."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert output.local(NOW) == "2026-03-02 14:45:00 +05:30"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("", 3, ""),
    ],
)
def test_texts_are_cut_by_what_they_take_on_screen(text: str, columns: int, shown: str) -> None:
    """Wide letters count twice, so that columns stay straight."""
    assert output.shorten(text, columns) == shown
    assert output.display_width(shown) <= columns
