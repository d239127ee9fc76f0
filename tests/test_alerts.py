"""Who is named in `defaults.alerts` hears of trouble: once, with what it stands for, and never of itself."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from router.delivery.silence import GRACE, silent_at
from tests.fakes import START
from tests.running import RunningRouter
from tests.sinks import Received, Sink, answer
from tests.store.disks import FailingDisk
from tests.waiting import until

BROKEN = answer(503, "we are closed")


def rules(docs: Sink, admins: Sink, *, docs_more: str = "", admins_more: str = "", source: str = "") -> str:
    return f"""\
{source}
destinations:
  docs: {{type: http, url: {docs.url}{docs_more}}}
  admins: {{type: http, url: {admins.url}{admins_more}}}
rules:
  - {{name: everything, events: "*", to: docs}}
defaults:
  alerts: admins
"""


def alert(request: Received) -> dict[str, Any]:
    told: dict[str, Any] = request.json["alert"]
    return told


async def die(router: RunningRouter, count: int = 1) -> None:
    """Let events come in that their destination, without retries, does not take."""
    for _ in range(count):
        await router.accept("page.updated.moved")
    await router.settle()


NO_RETRY = ", retry: []"


class TestDeadLetters:
    async def test_a_destination_down_for_twenty_minutes_is_told_of_and_healed(self, tmp_path: Path) -> None:
        """After the last attempt an alert says what, where and how to mend it; a replay then heals it."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            docs.answer_with(BROKEN)
            await router.accept("page.updated.moved")
            for minutes in (1, 5, 10):
                await router.settle()
                assert admins.received == []
                await router.advance(minutes=minutes)
            await router.advance(minutes=4)
            (request,) = await admins.wait_for(1)
            told = alert(request)
            (dead,) = await router.deliveries(state="dead")
            assert request.headers["event"] == "alert.dead"
            assert told["title"] == "1 message to docs could not be delivered"
            (point,) = told["points"]
            assert point == (
                "Page moved, 2026-03-02 09:31 UTC: retries exhausted"
                f" (HTTP 503 (Service Unavailable): we are closed). spaces-router show {dead['id']}"
            )
            assert "spaces-router replay --state dead --destination docs" in told["advice"]
            assert told["deliveries"] == [dead["id"]]
            docs.answer_with(answer(200))
            assert (await router.post(f"/api/v1/deliveries/{dead['id']}/replay")).status_code == 200
            await router.settle()
            assert await router.states(destination="docs") == ["dead", "delivered"]

    async def test_a_flood_of_dead_letters_is_one_alert_and_one_summary(self, tmp_path: Path) -> None:
        """What dies within ten minutes of an alert is told once, together, when they are over."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, docs_more=NO_RETRY)) as router,
        ):
            docs.answer_with(BROKEN)
            await die(router, 2)
            await router.advance(seconds=1)
            for _ in range(20):
                await die(router)
                await router.advance(seconds=20)
            assert [alert(request)["count"] for request in admins.received] == [2]
            await router.advance(minutes=4)
            assert [alert(request)["count"] for request in admins.received] == [2, 20]
            assert len(alert(admins.received[1])["points"]) == 5
            await router.advance(minutes=60)
            assert len(admins.received) == 2

    async def test_each_destination_is_told_of_by_itself(self, tmp_path: Path) -> None:
        """Ten minutes of rest for one destination keep nothing from being told of another."""
        async with Sink() as docs, Sink() as admins:
            text = rules(docs, admins, docs_more=NO_RETRY).replace(
                "rules:", f"  wiki: {{type: http, url: {docs.url}/wiki, retry: []}}\nrules:"
            )
            async with RunningRouter(tmp_path, text.replace("to: docs", "to: [docs, wiki]")) as router:
                docs.answer_with(BROKEN)
                await die(router)
                await router.advance(seconds=1)
                assert {alert(request)["destination"] for request in admins.received} == {"docs", "wiki"}

    async def test_the_death_of_an_alert_is_told_to_nobody(self, tmp_path: Path) -> None:
        """An alert that cannot be delivered is a dead letter, and makes no other one: nothing loops."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, docs_more=NO_RETRY, admins_more=NO_RETRY)) as router,
        ):
            docs.answer_with(BROKEN)
            admins.answer_with(BROKEN)
            await die(router)
            for _ in range(6):
                await router.advance(minutes=10)
            assert len(admins.received) == 1
            assert [(one["destination"], one["cause"]) for one in await router.deliveries(state="dead")] == [
                ("docs", "rule"),
                ("admins", "alert"),
            ]

    async def test_a_replay_of_many_leaves_alerts_out(self, tmp_path: Path) -> None:
        """What they told of has changed since. One by its id is sent again, and its death is told to nobody either."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, docs_more=NO_RETRY, admins_more=NO_RETRY)) as router,
        ):
            docs.answer_with(BROKEN, answer(200))
            admins.answer_with(BROKEN)
            await die(router)
            await router.advance(minutes=1)
            many = (await router.post("/api/v1/replay", {})).json()
            assert [(one["reason"], one["count"]) for one in many["skipped"]] == [("alert", 1)]
            assert len(many["replayed"]) == 1
            (told,) = await router.deliveries(destination="admins")
            assert (await router.post(f"/api/v1/deliveries/{told['id']}/replay")).status_code == 200
            await router.settle()
            await router.advance(minutes=60)
            assert [one["cause"] for one in await router.deliveries(destination="admins")] == ["alert", "alert"]
            assert len(admins.received) == 2

    async def test_what_died_before_a_restart_is_told_after_it(self, tmp_path: Path) -> None:
        """The count of untold dead letters is on disk with the deaths, and so is the time of the last alert."""
        async with Sink() as docs, Sink() as admins:
            docs.answer_with(BROKEN)
            text = rules(docs, admins, docs_more=NO_RETRY)
            async with RunningRouter(tmp_path, text) as router:
                await die(router)
                await router.advance(seconds=1)
                await die(router, 2)
            assert [alert(request)["count"] for request in admins.received] == [1]
            async with RunningRouter(tmp_path, text, clock=router.clock) as router:
                await router.advance(minutes=9)
                assert len(admins.received) == 1
                await router.advance(minutes=1)
                assert [alert(request)["count"] for request in admins.received] == [1, 2]

    async def test_a_restart_makes_no_alert_come_sooner(self, tmp_path: Path) -> None:
        """What dies after a restart waits for the end of the ten minutes that began with an alert before it."""
        async with Sink() as docs, Sink() as admins:
            docs.answer_with(BROKEN)
            text = rules(docs, admins, docs_more=NO_RETRY)
            async with RunningRouter(tmp_path, text) as router:
                await die(router)
                await router.advance(seconds=1)
            assert len(admins.received) == 1
            async with RunningRouter(tmp_path, text, clock=router.clock) as router:
                await die(router)
                await router.advance(minutes=9)
                assert len(admins.received) == 1
                await router.advance(minutes=1)
                assert [alert(request)["count"] for request in admins.received] == [1, 1]

    async def test_a_destination_that_was_removed_is_told_of(self, tmp_path: Path) -> None:
        """What waited for it is dead now, and its admin may not have meant that."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            docs.answer_with(BROKEN)
            await die(router, 3)
            router.write(rules(docs, admins, docs_more=", enabled: false"))
            await router.app.reloader.reload("test")
            await router.advance(seconds=1)
            (request,) = await admins.wait_for(1)
            assert alert(request)["count"] == 3
            assert "destination removed" in alert(request)["points"][0]

    async def test_an_alert_that_waited_for_a_removed_destination_is_told_to_nobody(self, tmp_path: Path) -> None:
        """Whoever is named instead hears of the messages that were lost, not of alerts among them."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            docs.answer_with(answer(400))
            admins.answer_with(BROKEN)
            await die(router)
            await router.advance(seconds=1)
            await admins.wait_for(1)
            await router.settle()
            router.write(rules(docs, docs).replace("admins", "others"))
            await router.app.reloader.reload("test")
            await router.advance(minutes=11)
            assert [(one["destination"], one["cause"], one["state"]) for one in await router.deliveries()] == [
                ("docs", "rule", "dead"),
                ("admins", "alert", "dead"),
            ]

    async def test_without_a_name_in_alerts_nobody_is_told_later_either(self, tmp_path: Path) -> None:
        """Naming somebody is no reason to tell of what happened before."""
        async with Sink() as docs, Sink() as admins:
            docs.answer_with(BROKEN)
            text = rules(docs, admins, docs_more=NO_RETRY)
            silent = text.replace("defaults:\n  alerts: admins\n", "")
            async with RunningRouter(tmp_path, silent) as router:
                await die(router, 2)
                await router.advance(minutes=20)
                router.write(text)
                await router.app.reloader.reload("test")
                await router.advance(minutes=20)
                assert admins.received == []
                await die(router)
                await router.advance(seconds=1)
                assert [alert(request)["count"] for request in admins.received] == [1]

    async def test_a_dry_run_tells_nobody_and_forgets_nothing(self, tmp_path: Path) -> None:
        """What is to be told waits for a router that sends."""
        async with Sink() as docs, Sink() as admins:
            docs.answer_with(BROKEN)
            text = rules(docs, admins, docs_more=NO_RETRY)
            async with RunningRouter(tmp_path, text) as router:
                await die(router)
            async with RunningRouter(tmp_path, text, clock=router.clock, dry_run=True) as router:
                await router.advance(minutes=30)
                assert [one.deaths for one in await router.app.store.untold()] == [1]
            async with RunningRouter(tmp_path, text, clock=router.clock) as router:
                await router.settle()
                await router.advance(seconds=2)
            assert [alert(request)["count"] for request in admins.received] == [1]


class TestAlertsAsDeliveries:
    async def test_an_alert_is_a_delivery_of_an_event_of_the_routers_own(self, tmp_path: Path) -> None:
        """It can be looked at and replayed like others; it counts as no event that came, and no rule judged it."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, docs_more=NO_RETRY)) as router,
        ):
            docs.answer_with(BROKEN)
            await die(router)
            await router.advance(seconds=1)
            (told,) = await router.deliveries(destination="admins")
            assert (told["cause"], told["event"], told["rule"], told["state"]) == (
                "alert",
                "alert.dead",
                None,
                "delivered",
            )
            assert [event["name"] for event in (await router.get("events"))["events"]] == ["page.updated.moved"]
            (own,) = (await router.get("events", source="router"))["events"]
            assert own["id"] == told["event_id"]
            assert (await router.get(f"events/{own['id']}"))["verdicts"] == []
            refused = await router.post(f"/api/v1/events/{own['id']}/replay")
            assert (refused.status_code, refused.json()["error"]) == (422, "own_event")
            assert (await router.post(f"/api/v1/deliveries/{told['id']}/replay")).status_code == 200
            await router.settle()
            assert admins.received[0].body == admins.received[1].body
            assert (await router.get("stats"))["events"] == 1

    @pytest.mark.parametrize("kind", ["slack", "log", "http"])
    async def test_every_type_of_destination_can_be_told(self, tmp_path: Path, kind: str) -> None:
        """The built-in message says what happened and what to do; a destination's own words are used if they say so."""
        async with Sink() as docs, Sink() as admins:
            more = ', message: "{{ page.title }}"' if kind == "http" else ""
            text = rules(docs, admins, docs_more=NO_RETRY, admins_more=more)
            if kind == "log":
                text = text.replace(f"type: http, url: {admins.url}", "type: log")
            elif kind == "slack":
                text = text.replace(f"type: http, url: {admins.url}", f"type: slack, url: {admins.url}")
            async with RunningRouter(tmp_path, text) as router:
                docs.answer_with(BROKEN)
                await die(router)
                await router.advance(seconds=1)
                (told,) = await router.deliveries(destination="admins")
                message = (await router.get(f"deliveries/{told['id']}"))["message"]
        assert told["state"] == "delivered"
        said = json.dumps(message) if kind != "http" else admins.received[0].body.decode()
        assert "1 message to docs could not be delivered" in said
        assert "spaces-router replay --state dead --destination docs" in said

    async def test_a_hostile_answer_cannot_speak_in_an_alert(self, tmp_path: Path) -> None:
        """What a destination answers is quoted, so it can neither call a channel nor begin a line."""
        async with Sink() as docs, Sink() as admins:
            text = rules(docs, admins, docs_more=NO_RETRY).replace(
                f"type: http, url: {admins.url}", f"type: slack, url: {admins.url}"
            )
            async with RunningRouter(tmp_path, text) as router:
                docs.answer_with(answer(500, "<!channel>\n\n*all is well* & more"))
                await die(router)
                await router.advance(seconds=1)
            said = admins.received[0].json["text"]
        assert "<!channel>" not in said
        assert "&lt;!channel&gt; *all is well* &amp; more" in said

    async def test_no_secret_stands_in_an_alert(self, tmp_path: Path) -> None:
        """Not even where a destination answers with one."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(
                tmp_path, rules(docs, admins, docs_more=', retry: [], auth: {bearer: "canary-of-docs"}')
            ) as router,
        ):
            docs.answer_with(answer(500, "bad token canary-of-docs"))
            await die(router)
            await router.advance(seconds=1)
        assert b"bad token ***" in admins.received[0].body
        assert b"canary-of-docs" not in admins.received[0].body

    @pytest.mark.parametrize("secret", ['a"canary"of-docs', "destination"])
    async def test_secrets_of_any_letters_are_masked_and_nothing_else_is(self, tmp_path: Path, secret: str) -> None:
        """One with quotes in it, and one that looks like a key of the alert."""
        more = f", retry: [], auth: {{bearer: '{secret}'}}"
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, docs_more=more)) as router,
        ):
            docs.answer_with(answer(500, f"bad token {secret}"))
            await die(router)
            await router.advance(seconds=1)
        told = alert(admins.received[0])
        assert "bad token ***" in told["points"][0]
        assert secret not in told["points"][0]
        assert told["destination"] == "docs"


class TestWrongSignatures:
    @pytest.mark.parametrize("signature", ["0" * 64, ""])
    async def test_a_burst_is_told_once_in_ten_minutes(self, tmp_path: Path, signature: str) -> None:
        """A stale token, or none, shows within the first event that Spaces tries again."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            for minutes in (1, 5, 0):
                assert (await router.receive("page.created", Signature=signature)).status_code == 401
                await router.advance(minutes=minutes)
            await router.advance(seconds=1)
            (request,) = await admins.wait_for(1)
            assert alert(request)["title"] == "3 requests to source spaces were refused: wrong signature"
            for _ in range(50):
                await router.receive("page.created", Signature=signature)
            await router.advance(minutes=9)
            assert len(admins.received) == 1
            await router.advance(minutes=1)
            assert [alert(request)["count"] for request in admins.received] == [3, 50]
            await router.advance(minutes=60)
            assert len(admins.received) == 2

    async def test_what_is_refused_while_an_alert_is_stored_counts_for_the_next(self, tmp_path: Path) -> None:
        """Also where storing it took a while: none is told twice, and none is taken off those to come."""
        disk = FailingDisk()
        async with Sink() as docs, Sink() as admins:
            async with RunningRouter(tmp_path, rules(docs, admins), vfs=disk.name) as router:
                for _ in range(3):
                    await router.receive("page.created", Signature="0" * 64)
                await router.advance(seconds=1)
                for _ in range(3):
                    await router.receive("page.created", Signature="0" * 64)
                disk.fail()
                await router.advance(minutes=10)
                disk.heal()
                await until(lambda: router.app.store.available, meanwhile=lambda: router.clock.advance(seconds=0.1))
                router.clock.advance(seconds=10)
                await asyncio.sleep(0)  # the alert is on its way to the disk
                router.app.alerts.refused("spaces")
                await router.settle()
                for _ in range(3):
                    await router.receive("page.created", Signature="0" * 64)
                await router.advance(minutes=10)
            assert [alert(request)["count"] for request in admins.received] == [3, 3, 4]

    async def test_who_only_looks_around_alarms_nobody(self, tmp_path: Path) -> None:
        """A scanner that names no event, or two strays in an hour, are no burst."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            for _ in range(20):
                await router.client.post(f"{router.app.public_url}/hooks/spaces", content=b"{}")
            for _ in range(6):
                await router.receive("page.created", Signature="0" * 64)
                await router.advance(minutes=6)
            await router.advance(minutes=20)
            assert admins.received == []


EXPECTING = "    expect_every: 4h\n"


class TestSilence:
    async def test_a_source_that_falls_silent_is_told_of_once_in_its_time(self, tmp_path: Path) -> None:
        """With the time of its last event; an event ends the silence."""
        async with (
            Sink() as docs,
            Sink() as admins,
            RunningRouter(tmp_path, rules(docs, admins, source=EXPECTING)) as router,
        ):
            await router.settle()
            await router.advance(minutes=60)
            await router.accept()
            await router.advance(minutes=239)
            assert admins.received == []
            await router.advance(minutes=1)
            (request,) = await admins.wait_for(1)
            assert alert(request)["title"] == "No event from source spaces for 4h"
            assert alert(request)["text"] == "The last one came at 2026-03-02 10:15 UTC."
            await router.advance(minutes=230)
            assert len(admins.received) == 1
            await router.accept()
            await router.advance(minutes=200)
            assert len(admins.received) == 1

    async def test_a_restart_repeats_no_alert(self, tmp_path: Path) -> None:
        """When the last event came, and when its silence was told of, is known from the store."""
        async with Sink() as docs, Sink() as admins:
            text = rules(docs, admins, source=EXPECTING)
            async with RunningRouter(tmp_path, text) as router:
                await router.accept()
                await router.settle()
                await router.advance(minutes=240)
                assert len(admins.received) == 1
            async with RunningRouter(tmp_path, text, clock=router.clock) as router:
                await router.settle()
                await router.advance(minutes=230)
                assert len(admins.received) == 1
                await router.advance(minutes=10)
                assert [alert(request)["last_event_at"] for request in admins.received] == [
                    "2026-03-02T09:15:00.000Z"
                ] * 2

    async def test_alerts_are_no_sign_of_life_of_a_source_named_router(self, tmp_path: Path) -> None:
        """A source may have the name under which the router's own events stand."""
        async with Sink() as docs, Sink() as admins:
            text = rules(docs, admins, docs_more=NO_RETRY, source="  router: {unsigned: true, expect_every: 1h}\n")
            async with RunningRouter(tmp_path, text) as router:
                docs.answer_with(BROKEN)
                await die(router)
                await router.advance(seconds=1)
                assert [alert(request)["kind"] for request in admins.received] == ["dead"]
            async with RunningRouter(tmp_path, text, clock=router.clock) as router:
                await router.settle()
                await router.advance(minutes=61)
            assert alert(admins.received[-1])["kind"] == "silence"
            assert alert(admins.received[-1])["last_event_at"] is None

    @pytest.mark.parametrize(
        ("last", "told", "due"),
        [
            (None, None, timedelta(days=1)),
            (timedelta(hours=-3), None, timedelta(hours=21)),
            (timedelta(days=-9), None, GRACE),
            (timedelta(days=-9), timedelta(hours=-4), timedelta(hours=20)),
            (timedelta(hours=2), timedelta(days=-5), timedelta(hours=26)),
        ],
    )
    def test_when_a_source_counts_as_silent(
        self, last: timedelta | None, told: timedelta | None, due: timedelta
    ) -> None:
        """From its last event on; after a start Spaces is given the time of its own attempts first."""
        found = silent_at(
            timedelta(days=1),
            last_event_at=None if last is None else START + last,
            told_at=None if told is None else START + told,
            started_at=START,
        )
        assert found == START + due


class TestReload:
    async def test_a_changed_file_with_problems_is_told_of(self, tmp_path: Path) -> None:
        """With its problems, and since when the rules that stay in use are in use."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            router.write(rules(docs, admins).replace("to: docs", "to: dcos"))
            router.app.reloader.reload_soon("test")
            await router.app.reloader.finish()
            await router.advance(seconds=1)
            (request,) = await admins.wait_for(1)
            assert alert(request)["title"] == "The changed rule file is not in use: 1 problem"
            assert "no destination is named 'dcos'" in alert(request)["points"][0]
            assert alert(request)["text"] == "The rules loaded at 2026-03-02 09:15 UTC stay in use."

    async def test_a_file_mended_at_once_is_not_told_of(self, tmp_path: Path) -> None:
        """Who saves twice while editing needs no alert, nor who mends it within ten minutes of the first one."""
        async with Sink() as docs, Sink() as admins, RunningRouter(tmp_path, rules(docs, admins)) as router:
            for _ in range(3):
                router.write("not rules")
                router.app.reloader.reload_soon("test")
                await router.app.reloader.finish()
                router.write(rules(docs, admins))
                router.app.reloader.reload_soon("test")
                await router.app.reloader.finish()
                await router.advance(minutes=3)
            assert admins.received == []


async def test_alerts_wait_for_a_store_that_fails(tmp_path: Path) -> None:
    """What is to be told while the disk is full is told, once, when there is room again."""
    disk = FailingDisk()
    async with Sink() as docs, Sink() as admins:
        text = rules(docs, admins, docs_more=NO_RETRY)
        async with RunningRouter(tmp_path, text, vfs=disk.name) as router:
            docs.answer_with(BROKEN)
            await die(router)
            disk.fail()
            await router.advance(seconds=1)
            assert admins.received == []
            disk.heal()
            async with asyncio.timeout(20):  # the file is reopened in a thread, which takes as long as it takes
                while not admins.received:
                    await router.advance(seconds=10)
            await router.advance(minutes=30)
            assert [alert(request)["count"] for request in admins.received] == [1]


@pytest.mark.parametrize("name", ["alert.dead", "Alert", "alert.j2", "alert.compact"])
async def test_no_sender_puts_words_into_the_mouth_of_the_router(name: str, tmp_path: Path) -> None:
    """An event from outside that is called like an alert reads like any other event, whatever its body says."""
    text = """
destinations: {docs: {type: log}}
rules: [{name: everything, events: "**", to: docs}]
"""
    forged = {
        "title": "The router is broken",
        "text": "Log in anew.",
        "points": ["a"],
        "advice": "https://evil.example",
    }
    async with RunningRouter(tmp_path, text) as router:
        await router.accept(name, json.dumps({"alert": forged}).encode())
        await router.settle()
        (delivery,) = await router.deliveries()
        sent = (await router.get(f"deliveries/{delivery['id']}"))["message"]["text"]
        assert sent.startswith("Alert")
        assert "evil.example" not in sent
