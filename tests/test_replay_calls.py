"""Replaying an event or a rejected request, and releasing what waits: a real router, real answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from router.events import DeliveryState
from tests.admin_calls import PAGE, RULES, ask, failing
from tests.mail_sinks import MailSink
from tests.running import RunningRouter
from tests.sinks import Sink, answer
from tests.store.values import Values

SEND = """\
destinations:
  wiki: {type: log}
  ops: {type: log}
  closed: {type: log, enabled: false}
rules:
"""
PAGES = "  - {name: pages, events: page.*, to: wiki, message: '{{ page.title }}!'}\n"


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, RULES) as running:
        yield running


async def reload(router: RunningRouter, rules: str) -> None:
    router.write(rules)
    status, told = await ask(router, "/-/reload", "POST")
    assert status == 200, told


# An event


async def test_event_is_judged_by_the_rules_of_today(router: RunningRouter) -> None:
    """An event that no rule wanted is sent once there is a rule for it; the event itself stays as it was."""
    event = await router.accept("space.deleted", b'{"space": {"id": 42, "name": "Engineering"}}')
    assert await router.deliveries() == []
    await reload(router, RULES + "  - {name: spaces, events: space.*, to: [wiki, ops], message: '{{ space.name }}'}\n")
    router.clock.advance(minutes=5)
    status, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
    await router.settle()
    made = await router.deliveries()
    assert (status, told) == (200, {"replayed": [one["id"] for one in made], "skipped": [], "message": None})
    assert [(one["destination"], one["rule"], one["state"], one["cause"]) for one in made] == [
        ("wiki", "spaces", "delivered", "replay"),
        ("ops", "spaces", "delivered", "replay"),
    ]
    shown = await router.get(f"deliveries/{made[0]['id']}")
    assert (shown["message"]["text"], shown["origin_id"]) == ("Engineering", None)
    assert (shown["event_id"], shown["created_at"]) == (event, "2026-03-02T09:20:00.000Z")
    assert (await router.get(f"events/{event}"))["rules"] == []


async def test_event_that_matches_nothing_says_so(router: RunningRouter) -> None:
    """Nothing is sent, nothing is wrong, and a sentence says why."""
    event = await router.accept("user.updated")
    status, told = await ask(router, f"/api/v1/events/{event}/replay", "POST", json={})
    assert (status, told["replayed"], told["skipped"]) == (200, [], [])
    assert told["message"] == "no rule of today matches this user.updated, so there was nothing to send"
    table = "  - {name: spaces, events: user.*, to: {by: user.id, table: {0: wiki}}}\n"
    await reload(router, RULES + table)
    _, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
    assert told["message"].startswith("matched by 'spaces', but no look-up table there has an entry for it")


async def test_event_replays_its_dead_letter(tmp_path: Path) -> None:
    """What went the same way before is named as the origin, so that a replay of all dead letters leaves it alone."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503), answer(200))
        event = await router.accept("page.updated", PAGE)
        await router.settle()
        (dead,) = await router.deliveries()
        _, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
        await router.settle()
        _, new = await router.deliveries()
        assert told["replayed"] == [new["id"]]
        assert (await router.get(f"deliveries/{new['id']}"))["origin_id"] == dead["id"]
        _, told = await ask(router, "/api/v1/replay", "POST", json={"state": "dead"})
        assert (told["replayed"], [one["reason"] for one in told["skipped"]]) == ([], ["replayed"])
        # And once more, for it is asked for by its id.
        assert len((await ask(router, f"/api/v1/events/{event}/replay", "POST"))[1]["replayed"]) == 1
        assert len(await router.deliveries()) == 3


async def test_event_under_way_is_not_doubled(tmp_path: Path) -> None:
    """While a delivery of the event may still arrive by itself, its replay is refused."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(503))
        event = await router.accept("page.updated", PAGE)
        await router.settle()
        (waiting,) = await router.deliveries()
        status, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
        assert (status, told["error"]) == (409, "not_final")
        assert f"delivery {waiting['id']} is retrying" in told["message"]
        assert await router.states() == ["retrying"]


async def test_event_goes_where_it_can(router: RunningRouter) -> None:
    """Of several destinations one that is switched off is skipped and named; where all are, that is the answer."""
    await reload(router, SEND + "  - {name: both, events: page.*, to: [wiki, closed]}\n")
    event = await router.accept("page.updated", PAGE)
    await router.settle()
    status, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
    await router.settle()
    assert (status, len(told["replayed"])) == (200, 1)
    (skipped,) = told["skipped"]
    assert (skipped["reason"], skipped["count"]) == ("destination_disabled", 1)
    assert "'closed' is switched off" in skipped["message"]
    assert [(one["destination"], one["state"]) for one in await router.deliveries()] == [
        ("wiki", "delivered"),
        ("closed", "dead"),
        ("wiki", "delivered"),
    ]
    await reload(router, SEND + "  - {name: one, events: page.*, to: closed}\n")
    status, told = await ask(router, f"/api/v1/events/{event}/replay", "POST")
    assert (status, told["error"]) == (422, "destination_disabled")
    assert len(await router.deliveries()) == 3


async def test_event_goes_on_from_who_has_the_mail(tmp_path: Path) -> None:
    """Replayed as an event, too, a mail goes only to those who did not get it."""
    rules = """\
destinations:
  ops: {type: email, smtp: "%s", from: wiki@example.com, to: [a@example.com, b@example.com]}
rules:
  - {name: everything, events: "*", to: ops}
"""
    async with MailSink() as sink, RunningRouter(tmp_path, rules % sink.url) as router:
        sink.refuse("b@example.com", "550 no such user", None)
        event = await router.accept()
        await router.settle()
        assert (await ask(router, f"/api/v1/events/{event}/replay", "POST"))[0] == 200
        await router.settle()
        assert await router.states() == ["dead", "delivered"]
    assert [mail.recipients for mail in sink.mails] == [["a@example.com"], ["b@example.com"]]


# A rejected request


async def rejected(router: RunningRouter, event: str, body: bytes, **headers: str) -> str:
    assert (await router.receive(event, body, **headers)).status_code == 400
    return str((await router.get("rejected"))["rejected"][0]["id"])


async def test_rejected_request_is_named_and_taken(router: RunningRouter) -> None:
    """One without a usable name is judged like any other once a person names it; it is an event from then on."""
    number = await rejected(router, "page updated?", PAGE, Delivery="u-1")
    status, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST")
    assert (status, told["error"]) == (422, "bad_event_name")
    assert "the header Event is 'page updated?'" in told["message"]
    assert "say with 'event' which one it is (on the command line: --event-name" in told["message"]
    router.clock.advance(minutes=60)
    status, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST", json={"event": "page.updated"})
    await router.settle()
    (made,) = await router.deliveries()
    assert (status, told["replayed"], told["skipped"], told["message"]) == (200, [made["id"]], [], None)
    assert (made["event_id"], made["state"], made["cause"]) == (told["event"], "delivered", "rule")
    event = await router.get(f"events/{told['event']}")
    assert (event["name"], event["upstream_id"], event["rules"]) == ("page.updated", "u-1", ["pages"])
    assert event["headers"]["Event"] == "page.updated"
    assert event["received_at"] == "2026-03-02T10:15:00.000Z"
    assert (await router.get("rejected"))["rejected"] == []
    assert (await ask(router, f"/api/v1/rejected/{number}/replay", "POST"))[0] == 404


async def test_rejected_request_that_is_stored_by_now(router: RunningRouter) -> None:
    """Where Spaces has sent it in good form meanwhile, nothing is forwarded twice."""
    number = await rejected(router, "page updated?", PAGE, Delivery="u-1")
    event = await router.accept("page.updated", PAGE, Delivery="u-1")
    await router.settle()
    path = f"/api/v1/rejected/{number}/replay"
    status, told = await ask(router, path, "POST", json={"event": "page.updated"})
    assert status == 200
    assert (told["event"], told["replayed"]) == (event, [])
    assert told["message"] == f"the same is stored already, as event {event}"
    assert (await router.get("rejected"))["rejected"] == []
    assert len(await router.deliveries()) == 1


async def test_rejected_request_that_no_rule_wants(router: RunningRouter) -> None:
    """It is stored, and a sentence says that there was nothing to send."""
    number = await rejected(router, "?", b"{}")
    status, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST", json={"event": "user.enabled"})
    assert (status, told["replayed"]) == (200, [])
    assert "no rule of today matches this user.enabled" in told["message"]
    assert (await router.get(f"events/{told['event']}"))["name"] == "user.enabled"


async def test_rejected_request_to_a_destination_that_is_switched_off(router: RunningRouter) -> None:
    """As with any event that comes in, its delivery is a dead letter; the answer says so."""
    await reload(router, SEND + "  - {name: both, events: page.*, to: [wiki, closed]}\n")
    number = await rejected(router, "?", PAGE)
    _, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST", json={"event": "page.created"})
    await router.settle()
    going, dead = await router.deliveries()
    assert (going["destination"], going["state"]) == ("wiki", "delivered")
    assert (dead["destination"], dead["state"], dead["reason"]) == ("closed", "dead", "destination removed")
    assert told["replayed"] == [going["id"]]
    assert [one["reason"] for one in told["skipped"]] == ["destination_disabled"]


async def test_what_cannot_be_read_stays_rejected(router: RunningRouter) -> None:
    """A body that is no JSON is no event under any name; the request is kept."""
    number = await rejected(router, "page.updated", b'{"page":')
    for wish in ({}, {"event": "page.created"}):
        status, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST", json=wish)
        assert (status, told["error"]) == (422, "unreadable_body")
        assert "the body is not JSON" in told["message"]
    assert len((await router.get("rejected"))["rejected"]) == 1


async def test_rejected_request_of_a_source_that_is_gone(router: RunningRouter) -> None:
    """Without its source nobody knows how to read it; the sentence says what to do."""
    number = await rejected(router, "?", PAGE)
    router.path.write_text(router.path.read_text().replace("  spaces:", "  wiki:"))
    assert (await ask(router, "/-/reload", "POST"))[0] == 200
    status, told = await ask(router, f"/api/v1/rejected/{number}/replay", "POST", json={"event": "page.updated"})
    assert (status, told["error"]) == (422, "unknown_source")
    assert "'spaces' is gone from the rule file" in told["message"]


@pytest.mark.parametrize("name", ["", "page updated", "page..updated", "x" * 201, 7])
async def test_name_that_is_none(router: RunningRouter, name: Any) -> None:
    """A name that no event can have is 400, whatever is asked for."""
    status, told = await ask(router, "/api/v1/rejected/1/replay", "POST", json={"event": name})
    assert (status, told["error"]) == (400, "bad_request")
    assert "event" in told["message"]


# Release


async def test_retry_is_released(tmp_path: Path) -> None:
    """What waits for its next attempt makes it at once; its failures still count."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1h]")) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated", PAGE)
        await router.settle()
        (waiting,) = await router.deliveries()
        status, told = await ask(router, f"/api/v1/deliveries/{waiting['id']}/release", "POST")
        assert (status, told) == (200, {"released": [waiting["id"]]})
        await router.settle()
        (dead,) = await router.deliveries()
        assert (dead["state"], dead["attempts"], dead["reason"]) == ("dead", 2, "retries exhausted")
        assert len(sink.received) == 2
        status, told = await ask(router, f"/api/v1/deliveries/{waiting['id']}/release", "POST")
        assert (status, told["error"]) == (409, "not_waiting")
        assert "is dead: it has come to its end; to send it once more, replay it" in told["message"]


async def test_window_is_released(router: RunningRouter) -> None:
    """A held delivery goes out at once."""
    values = Values(router.clock)
    event = values.event(PAGE, ruleset=router.app.rulesets.current.hash)
    held = values.delivery(
        event,
        "wiki",
        state=DeliveryState.HELD,
        due_at=router.clock.now() + timedelta(hours=8),
        reason="hours",
        rule="pages",
        ruleset=event.ruleset,
    )
    await router.app.store.accept(event, [held])
    assert (await ask(router, f"/api/v1/deliveries/{held.id}/release", "POST"))[0] == 200
    await router.settle()
    (sent,) = await router.deliveries()
    assert (sent["state"], sent["reason"]) == ("delivered", None)
    assert (await router.get(f"deliveries/{held.id}"))["message"] == {"text": "Release checklist!"}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("pending", "is pending: it is due already"), ("sending", "is sending: it is being sent at this moment")],
)
async def test_what_is_on_its_way_is_not_released(tmp_path: Path, state: str, sentence: str) -> None:
    """There is nothing to hurry; the sentence says how it stands."""
    rules = "destinations:\n  wiki: {type: log, rate: 1/h}\nrules:\n" + PAGES
    async with RunningRouter(tmp_path, rules) as router:
        await router.accept("page.updated", PAGE)
        await router.accept("page.created", PAGE)
        await router.settle()
        (waiting,) = await router.deliveries(state="pending")
        if state == "sending":
            lane = (await router.app.store.stats()).destinations["wiki"].lane
            assert lane is not None
            await router.app.store.claim(int(waiting["id"]), lane.epoch, router.clock.now())
        status, told = await ask(router, f"/api/v1/deliveries/{waiting['id']}/release", "POST")
        assert (status, told["error"]) == (409, "not_waiting")
        assert sentence in told["message"]


# Nothing more may be stored


async def test_full_queue_takes_no_replays(tmp_path: Path) -> None:
    """Where events are refused because too much waits, replays are refused as well, in the same words."""
    rules = "destinations:\n  wiki: {type: log, rate: 1/h}\nrules:\n" + PAGES
    async with RunningRouter(tmp_path, rules, queue_limit=2) as router:
        first = await router.accept("page.updated", PAGE)
        await router.settle()
        (done,) = await router.deliveries()
        for _ in range(2):
            await router.accept("page.created")
        for path in (f"deliveries/{done['id']}/replay", f"events/{first}/replay", "rejected/1/replay", "replay"):
            status, told = await ask(router, f"/api/v1/{path}", "POST")
            assert (status, told["error"]) == (503, "queue_full"), path
            assert told["message"] == "2 deliveries are waiting already"
        status, told = await ask(router, "/api/v1/replay", "POST", json={"state": "delivered", "dry_run": True})
        assert (status, told["replayed"]) == (200, [done["id"]])
        assert len(await router.deliveries()) == 3
