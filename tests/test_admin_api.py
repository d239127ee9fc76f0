"""The admin side's calls: a real router, a real store, real answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from router.events import Delivery, DeliveryState, Event
from tests.admin_calls import PAGE, RULES, ask, failing
from tests.running import RunningRouter
from tests.sinks import Sink, answer


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, RULES) as running:
        yield running


# Health


async def test_the_process_says_that_it_lives(router: RunningRouter) -> None:
    """`/-/healthy` says no more than that something answers."""
    assert await ask(router, "/-/healthy") == (200, {"status": "healthy"})


async def test_a_ready_router_says_how_its_rules_stand(router: RunningRouter) -> None:
    """`/-/ready` shows the rule set in use and when it was loaded."""
    status, told = await ask(router, "/-/ready")
    assert status == 200
    assert told == {
        "status": "ready",
        "store": "available",
        "waiting": 0,
        "reload": {
            "ruleset": router.app.rulesets.current.hash,
            "loaded_at": "2026-03-02T09:15:00.000Z",
            "failed": None,
        },
    }


@pytest.mark.parametrize("stage", ["starting", "stopping"])
async def test_a_router_on_its_way_in_or_out_is_not_ready(router: RunningRouter, stage: str) -> None:
    """Who asks before the start is over, or once the stop has begun, gets 503."""
    router.app.stage = stage
    status, told = await ask(router, "/-/ready")
    assert (status, told["status"], told["error"]) == (503, stage, "not_ready")
    assert stage in told["message"]
    assert (await ask(router, "/-/healthy"))[0] == 200
    router.app.stage = "serving"


async def test_a_reload_tells_what_is_in_use_now(router: RunningRouter) -> None:
    """A reload answers with the hash, the number of rules, and what is worth a second look."""
    router.write(RULES.replace("ops: {type: log}", "ops: {type: log}\n  idle: {type: log}"))
    status, told = await ask(router, "/-/reload", "POST")
    assert status == 200
    assert told["ruleset"] == router.app.rulesets.current.hash
    assert told["rules"] == 2
    unused = [warning for warning in told["warnings"] if "idle" in warning["message"]]
    assert unused
    assert set(unused[0]) == {"file", "line", "column", "severity", "code", "message"}
    assert unused[0]["severity"] == "warning"


async def test_a_bad_file_is_422_with_every_problem(router: RunningRouter) -> None:
    """A file that cannot be used changes nothing; the answer and `/-/ready` name each problem with its place."""
    before = router.app.rulesets.current.hash
    router.write("rules:\n  - {name: a, evnts: page.*, to: nobody}\n")
    router.clock.advance(seconds=0.5)
    status, told = await ask(router, "/-/reload", "POST", json={})
    assert (status, told["error"]) == (422, "invalid_rules")
    assert "the rules loaded at 2026-03-02T09:15:00.000Z stay in use" in told["message"]
    misspelled = [problem for problem in told["problems"] if "evnts" in problem["message"]]
    assert [problem["severity"] for problem in misspelled] == ["error"]
    _, ready = await ask(router, "/-/ready")
    assert ready["status"] == "ready"
    assert ready["reload"]["ruleset"] == before
    assert ready["reload"]["failed"] == {"failed_at": "2026-03-02T09:15:00.500Z", "problems": told["problems"]}


# Events


async def test_events_are_listed_newest_first(router: RunningRouter) -> None:
    """Each entry says what came, when, which rules matched, and whether its body was seen before."""
    first = await router.accept("page.updated", PAGE, Delivery="one")
    router.clock.advance(seconds=1)
    second = await router.accept("page.created", PAGE, Delivery="two")
    listed = await router.get("events")
    assert [event["id"] for event in listed["events"]] == [second, first]
    assert listed["next"] is None
    assert listed["events"][0] == {
        "id": second,
        "source": "spaces",
        "name": "page.created",
        "upstream_id": "two",
        "received_at": "2026-03-02T09:15:01.000Z",
        "rules": ["pages"],
        "repeated_body": True,
        "size": len(PAGE),
    }


async def test_events_can_be_chosen(router: RunningRouter) -> None:
    """By name, source, rule and time, and by several of these at once."""
    updated = await router.accept("page.updated", PAGE)
    router.clock.advance(minutes=1)
    comment = await router.accept("comment.created")

    async def found(**query: str) -> list[str]:
        return [event["id"] for event in (await router.get("events", **query))["events"]]

    assert await found(name="page.updated") == [updated]
    assert await found(name="PAGE.UPDATED") == [updated]
    assert await found(rule="pages") == [updated]
    assert await found(rule="comments") == []
    assert await found(source="spaces", name="comment.created") == [comment]
    assert await found(source="other") == []
    assert await found(since="2026-03-02T09:15:30Z") == [comment]
    assert await found(since="2026-03-02T10:15:30+01:00") == [comment]
    assert await found(since="0001-01-01T00:00:00Z") == [comment, updated]
    assert await found(since="", name="", limit="") == [comment, updated]


async def test_long_lists_come_in_pages(router: RunningRouter) -> None:
    """Following `next` shows everything once; at the end it is null, whatever the size of a page."""
    ids = [await router.accept("page.updated", b'{"n":%d}' % number) for number in range(23)]
    await router.settle()
    for path, key in (("events", "id"), ("deliveries", "event_id")):
        for limit in (1, 10, 11, 22, 23, 500):
            seen: list[str] = []
            query: dict[str, Any] = {"limit": limit}
            for _ in range(30):
                page = await router.get(path, **query)
                seen += [entry[key] for entry in page[path]]
                assert len(page[path]) <= limit
                if page["next"] is None:
                    break
                query["cursor"] = page["next"]
            assert seen == ids[::-1]


async def test_one_event_shows_what_every_rule_made_of_it(router: RunningRouter) -> None:
    """The event with headers, the raw body, the parsed one, and per rule why it matched or did not."""
    number = await router.accept("comment.created", b' {"comment": {"id": 7}}\n', Delivery="one")
    told = await router.get(f"events/{number}")
    listed = (await router.get("events"))["events"][0]
    assert listed.items() <= told.items()
    more = {"ruleset", "ruleset_in_use", "headers", "body", "payload", "names", "before", "verdicts"}
    assert set(told) == {*listed, *more}
    assert told["body"] == ' {"comment": {"id": 7}}\n'
    assert told["payload"] == {"comment": {"id": 7}}
    assert told["headers"]["Event"] == "comment.created"
    assert "Signature" not in told["headers"]
    pages, comments = told["verdicts"]
    assert pages == {
        "rule": "pages",
        "matched": False,
        "reason": "events: comment.created is not matched by page.*",
        "destinations": [],
        "key": "events",
        "field": "event.name",
        "saw": "comment.created",
        "wanted": "page.*",
        "line": pages["line"],
    }
    lines = router.path.read_text().split("\n")
    assert [lines[verdict["line"] - 1].partition("name: ")[2][:5] for verdict in told["verdicts"]] == ["pages", "comme"]
    assert (comments["rule"], comments["matched"]) == ("comments", False)
    assert "comment.id" in comments["reason"]


async def test_verdicts_are_those_of_the_rules_of_that_time(router: RunningRouter) -> None:
    """An old event is explained by the rule set that judged it, also after the file has changed."""
    number = await router.accept("page.updated", PAGE)
    router.write(RULES.replace("name: pages", "name: renamed"))
    assert (await ask(router, "/-/reload", "POST"))[0] == 200
    told = await router.get(f"events/{number}")
    assert told["rules"] == ["pages"]
    assert [(verdict["rule"], verdict["matched"]) for verdict in told["verdicts"]] == [
        ("pages", True),
        ("comments", False),
    ]
    assert told["ruleset"] != router.app.rulesets.current.hash
    assert told["ruleset_in_use"] is False


BODIES = [b"null", b"[]", b'"text"', b"1" + 40 * b"0", b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', '{"ü":"\u2028"}'.encode()]


async def test_every_body_that_is_stored_can_be_shown(router: RunningRouter) -> None:
    """Whatever JSON a sender signed, its event can be looked at."""
    for body in BODIES:
        number = await router.accept("space.imported", body)
        told = await router.get(f"events/{number}")
        assert told["body"] == body.decode()


async def test_a_deeply_nested_body_is_shown_as_text(router: RunningRouter) -> None:
    """Where a body is nested deeper than programs can read, its text is whole and its parsed form is cut."""
    body = b"[" * 900 + b"]" * 900
    number = await router.accept("space.imported", body)
    told = await router.get(f"events/{number}")
    assert told["body"] == body.decode()
    assert "nested too deeply" in json.dumps(told["payload"])


# Deliveries


async def test_a_delivery_is_listed_with_its_fate(tmp_path: Path) -> None:
    """Each entry names its event, its rule, where it goes, how it stands, and what went wrong."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503, "closed for today"))
        event = await router.accept("page.updated", PAGE, Delivery="one")
        await router.settle()
        (delivery,) = await router.deliveries()
        assert "closed for today" in delivery.pop("last_error")
        assert delivery == {
            "id": delivery["id"],
            "event_id": event,
            "event": "page.updated",
            "upstream_id": "one",
            "rule": "pages",
            "destination": "wiki",
            "type": "http",
            "state": "dead",
            "reason": "failed, and no retry is set",
            "cause": "rule",
            "attempts": 1,
            "due_at": None,
            "created_at": "2026-03-02T09:15:00.000Z",
            "updated_at": "2026-03-02T09:15:00.000Z",
            "handled": False,
            "origin_id": None,
            "merged_into": None,
        }


async def test_deliveries_can_be_chosen(router: RunningRouter) -> None:
    """By state, destination, rule, event and time."""
    event = await router.accept("page.updated", PAGE)
    router.clock.advance(minutes=1)
    await router.accept("page.created", PAGE)
    await router.settle()
    assert len(await router.deliveries(state="delivered", destination="wiki", rule="pages")) == 2
    assert [found["event_id"] for found in await router.deliveries(event=event)] == [event]
    assert [found["event"] for found in await router.deliveries(since="2026-03-02T09:15:30Z")] == ["page.created"]
    for nothing in ({"state": "dead"}, {"destination": "ops"}, {"rule": "comments"}, {"event": "1"}):
        assert await router.deliveries(**nothing) == []


async def test_one_delivery_shows_what_was_sent_and_every_attempt(tmp_path: Path) -> None:
    """The message and the history of a delivery."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(503, "not now"), answer(200))
        await router.accept("page.updated", PAGE)
        await router.settle()
        (listed,) = await router.deliveries()
        assert (listed["state"], listed["due_at"]) == ("retrying", "2026-03-02T09:16:00.000Z")
        await router.advance(minutes=1)
        (listed,) = await router.deliveries()
        told = await router.get(f"deliveries/{listed['id']}")
        assert listed.items() <= told.items()
        assert set(told) == {*listed, "origin_id", "ruleset", "message", "message_error", "history", "follow_ups"}
        assert told["message"] == {"text": "Release checklist!"}
        assert (told["message_error"], told["origin_id"]) == (None, None)
        first, second = told["history"]
        assert "not now" in first.pop("detail")
        assert first == {
            "number": 1,
            "started_at": "2026-03-02T09:15:00.000Z",
            "duration_ms": first["duration_ms"],
            "outcome": "temporary",
            "status": 503,
        }
        assert (second["number"], second["outcome"], second["status"]) == (2, "delivered", 200)


async def test_what_would_be_sent_is_shown_before_the_first_attempt(tmp_path: Path) -> None:
    """A delivery that still waits shows the message it will carry; nothing is stored or sent by looking."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "rate: 1/h")) as router:
        await router.accept("page.updated", PAGE)
        await router.accept("page.created", b'{"page":{"title":"Another"}}')
        await router.settle()
        (waiting,) = await router.deliveries(state="pending")
        told = await router.get(f"deliveries/{waiting['id']}")
        assert (told["message"], told["history"], told["attempts"]) == ({"text": "Another!"}, [], 0)
        assert len(sink.received) == 1


async def test_a_message_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """Where a template fails, or the destination is gone, a sentence stands in the place of the message."""
    rules = RULES.replace("{{ page.title }}!", "{{ 1 // page.absent }}")
    async with RunningRouter(tmp_path, rules) as router:
        await router.accept("page.updated", PAGE)
        await router.settle()
        (dead,) = await router.deliveries()
        told = await router.get(f"deliveries/{dead['id']}")
        assert (told["reason"], told["message"]) == ("render error", None)
        assert told["message_error"]
        router.write(rules.replace("wiki", "elsewhere"))
        await ask(router, "/-/reload", "POST")
        told = await router.get(f"deliveries/{dead['id']}")
        assert (told["type"], told["message"]) == (None, None)
        assert "'wiki' is gone" in told["message_error"]


async def test_a_rule_set_that_is_not_kept_is_missed_with_grace(router: RunningRouter) -> None:
    """Without the rule set that judged an event there are no verdicts, no message, and no replay under it."""
    now = router.clock.now()
    lost = 64 * "0"
    event = Event(5, "spaces", "page.updated", None, PAGE, sha256(PAGE).digest(), {}, now, lost, {"rules": ["lost"]})
    old = Delivery(7, 5, "lost", "wiki", lost, DeliveryState.DEAD, now, now, now, reason="render error")
    await router.app.store.accept(event, [old])
    assert (await router.get("events/5"))["verdicts"] is None
    told = await router.get("deliveries/7")
    assert (told["message"], told["state"]) == (None, "dead")
    assert "not kept any more" in told["message_error"]
    status, refused = await ask(router, "/api/v1/deliveries/7/replay", "POST")
    assert (status, refused["error"]) == (422, "ruleset_gone")
    assert "'lost'" in refused["message"]
    assert len(await router.deliveries()) == 1


# Replay


async def test_a_dead_letter_is_replayed(tmp_path: Path) -> None:
    """The replay is a delivery of its own that names its origin, and it is sent at once under today's rule."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503), answer(200))
        await router.accept("page.updated", PAGE)
        await router.settle()
        (dead,) = await router.deliveries()
        router.write(failing(sink.url).replace("}}!", "}}, at last"))
        await ask(router, "/-/reload", "POST")
        router.clock.advance(minutes=5)
        status, told = await ask(router, f"/api/v1/deliveries/{dead['id']}/replay", "POST")
        assert status == 200
        await router.settle()
        _, new = await router.deliveries()
        assert told == {"replayed": [new["id"]]}
        assert (new["state"], new["cause"], new["attempts"]) == ("delivered", "replay", 1)
        assert (new["event_id"], new["rule"], new["destination"]) == (dead["event_id"], "pages", "wiki")
        assert new["created_at"] == "2026-03-02T09:20:00.000Z"
        assert (await router.get(f"deliveries/{new['id']}"))["origin_id"] == dead["id"]
        assert (await router.get(f"deliveries/{dead['id']}"))["state"] == "dead"
        assert sink.received[-1].body == b"Release checklist, at last"


async def test_a_replay_may_go_elsewhere(tmp_path: Path) -> None:
    """With `to`, whatever the tool says of its body's type."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated", PAGE)
        await router.settle()
        (dead,) = await router.deliveries()
        for headers in ({"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            path = f"/api/v1/deliveries/{dead['id']}/replay"
            assert (await ask(router, path, "POST", content=b'{"to": "ops"}', headers=headers))[0] == 200
        await router.settle()
        replayed = await router.deliveries(destination="ops")
        assert [(each["state"], each["type"]) for each in replayed] == [("delivered", "log")] * 2


async def test_a_replay_that_cannot_work_is_refused(tmp_path: Path) -> None:
    """What is still under way is 409; a destination that takes nothing is 422 and the sentence says what to do."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated", PAGE)
        await router.settle()
        (dead,) = await router.deliveries()
        path = f"/api/v1/deliveries/{dead['id']}/replay"
        refused = {
            "opps": ("unknown_destination", "did you mean 'ops'?"),
            "closed": ("destination_disabled", "'closed' is switched off"),
        }
        for to, (code, sentence) in refused.items():
            status, told = await ask(router, path, "POST", json={"to": to})
            assert (status, told["error"]) == (422, code)
            assert sentence in told["message"]
        router.write(failing(sink.url).replace("retry: []", "retry: [1m]"))
        await ask(router, "/-/reload", "POST")
        await router.accept("page.created", PAGE)
        await router.settle()
        (waiting,) = await router.deliveries(state="retrying")
        status, told = await ask(router, f"/api/v1/deliveries/{waiting['id']}/replay", "POST")
        assert (status, told["error"]) == (409, "not_final")
        assert "is retrying" in told["message"]
        assert len(await router.deliveries()) == 2
