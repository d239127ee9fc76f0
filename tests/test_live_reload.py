"""The rule file changes while events come in."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli import invoked
from tests.reload import reload_run
from tests.running import RunningRouter
from tests.sinks import Sink, answer


def version(number: int, kept: str, removed: str | None) -> str:
    extra = f'  gone: {{type: http, url: "{removed}", retry: [1m]}}\n' if removed else ""
    to = "[kept, gone]" if removed else "kept"
    return f"""\
destinations:
  kept: {{type: http, url: "{kept}"}}
{extra}rules:
  - {{name: rule of version {number}, events: "*", to: {to}}}
"""


async def test_every_event_is_judged_by_exactly_one_rule_set(tmp_path: Path) -> None:
    """While rules are renamed, broken and a destination comes and goes, no event is lost or judged twice."""
    async with (
        Sink() as kept,
        Sink() as failing,
        RunningRouter(tmp_path, version(0, kept.url, failing.url)) as router,
    ):
        failing.answer_with(answer(503))
        done = asyncio.Event()
        accepted: list[str] = []

        async def send() -> None:
            while not done.is_set():
                number = len(accepted)
                accepted.append("")
                accepted[number] = await router.accept("page.updated", json.dumps({"page": {"id": number}}).encode())

        async def change() -> None:
            for number in range(1, 25):
                if number % 3 == 0:
                    router.path.write_text("rules: [")
                    answered = await router.post("/-/reload")
                    assert answered.status_code == 422
                    assert answered.json()["problems"]
                router.write(version(number, kept.url, failing.url if number % 2 else None))
                answered = await router.post("/-/reload")
                assert answered.status_code == 200, answered.text
            done.set()

        await asyncio.gather(change(), *(send() for _ in range(4)))
        await router.settle()
        await kept.wait_for(len(accepted))
        events = await router.all("events")
        deliveries = await router.all("deliveries")

    assert {event["id"] for event in events} == set(accepted)
    judged = {event["id"]: event["rules"] for event in events}
    assert all(len(rules) == 1 for rules in judged.values())
    assert len({rules[0] for rules in judged.values()}) > 5, "events came in under many versions"
    arrived = Counter(request.json["page"]["id"] for request in kept.received)
    assert arrived == dict.fromkeys(range(len(accepted)), 1)
    for delivery in deliveries:
        assert [delivery["rule"]] == judged[delivery["event_id"]]
        if delivery["destination"] == "kept":
            assert delivery["state"] == "delivered"
        else:
            assert (delivery["state"], delivery["reason"]) == ("dead", "destination removed")
    of_kept = Counter(delivery["event_id"] for delivery in deliveries if delivery["destination"] == "kept")
    assert of_kept == dict.fromkeys(accepted, 1)


async def test_a_renamed_rule_still_writes_what_waits(tmp_path: Path) -> None:
    """What waits is written by the rule set that judged it, also after its rule is gone and the router restarted."""
    async with Sink() as sink:
        one = f"""\
destinations:
  ops: {{type: http, url: "{sink.url}", rate: 1/h}}
rules:
  - {{name: old name, events: "*", to: ops, message: "old words about {{{{ page.title }}}}"}}
"""
        async with RunningRouter(tmp_path, one) as router:
            await router.accept()
            await router.accept()
            await router.settle()
            router.write(one.replace("old", "new"))
            assert (await router.post("/-/reload")).status_code == 200
            await router.accept()
            clock = router.clock
        async with RunningRouter(tmp_path, clock=clock) as router:
            for _ in range(3):
                await router.advance(minutes=60)
            words = [request.body.decode().partition(" ")[0] for request in await sink.wait_for(3)]
            assert words == ["old", "old", "new"]


async def test_a_mended_address_serves_what_waits(tmp_path: Path) -> None:
    """Settings of a destination are those of today, so a corrected URL heals what waits for it."""
    async with Sink() as wrong, Sink() as right, RunningRouter(tmp_path, version(1, wrong.url, None)) as router:
        wrong.answer_with(answer(500))
        await router.accept()
        await router.settle()
        router.write(version(2, right.url, None))
        assert (await router.post("/-/reload")).status_code == 200
        await router.settle()
        await router.advance(minutes=1)
        assert len(right.received) == 1
        assert await router.states() == ["delivered"]


async def test_a_saved_file_is_taken_over_by_itself(tmp_path: Path) -> None:
    """Saving the rule file is enough: it is read once it has not changed for two looks, a second apart."""
    async with Sink() as sink, RunningRouter(tmp_path, version(1, sink.url, None)) as router:
        for _ in range(3):  # the looks that follow a start
            router.clock.advance(seconds=1)
            await router.app.reloader.finish()
        before = router.app.rulesets.current.hash
        router.write(version(2, sink.url, None))
        router.clock.advance(seconds=1)
        await router.app.reloader.finish()
        assert router.app.rulesets.current.hash == before
        router.clock.advance(seconds=1)
        await router.app.reloader.finish()
        assert router.app.rulesets.current.hash != before


async def test_a_broken_file_is_said_and_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file with mistakes leaves the running rules in use, and the readiness page says what is wrong with it."""
    async with Sink() as sink, RunningRouter(tmp_path, version(1, sink.url, None)) as router:
        written_out = (
            "destinations:\n  x: {type: http, url: 'http://127.0.0.1:9/', sign: a-secret}\n"  # a warning beside them
        )
        router.write(f"{written_out}rules:\n  - {{name: x, evnts: page.created, to: nobody}}\n")
        answered = await router.post("/-/reload")
        (refused,) = (record for record in caplog.records if record.message == "ruleset.refused")
        told = [record for record in caplog.records if record.message == "ruleset.problem"]
        errors = [each for each in answered.json()["problems"] if each["severity"] == "error"]
        assert (vars(refused)["problems"], len(told)) == (len(errors), len(errors))
        assert len(errors) < len(answered.json()["problems"])
        assert answered.status_code == 422
        text = answered.text
        assert "evnts" in text
        assert "did you mean 'events'" in text
        await router.accept()
        await sink.wait_for(1)
        ready = await router.client.get(f"{router.app.admin_url}/-/ready")
        assert ready.status_code == 200
        assert "evnts" in ready.text


async def test_what_only_a_trial_shows_is_told_after_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The start waits for no trial of templates; the first look at the files tells the log, once."""
    rules = version(1, "http://127.0.0.1:9/", None).replace("to: kept", "to: kept, message: '{{ event.tittle }}'")
    async with RunningRouter(tmp_path, rules) as router:
        assert "unknown-field" not in {warning.code for warning in router.app.rulesets.current.warnings}
        for _ in range(2):
            assert (await router.post("/-/reload")).status_code == 200
        told = [vars(each) for each in caplog.records if each.message == "ruleset.warning"]
        assert [each["code"] for each in told] == ["unknown-field"]
        assert "did you mean 'title'" in told[0]["problem"]
        assert [each.code for each in router.app.rulesets.current.warnings] == ["unknown-field"]


async def test_a_removed_destinations_dead_letters_go_elsewhere(tmp_path: Path) -> None:
    """What waited for a destination that was taken out is a dead letter, and can be replayed to another."""
    async with Sink() as failing, Sink() as sink:
        failing.answer_with(answer(503))
        rules = version(1, sink.url, failing.url)
        async with RunningRouter(tmp_path, rules, drain=timedelta(seconds=1)) as router:
            await router.accept()
            await router.settle()
            router.write(version(2, sink.url, None))
            assert (await router.post("/-/reload")).status_code == 200
            (dead,) = await router.deliveries(state="dead")
            assert dead["reason"] == "destination removed"
            shown = await invoked("show", "--admin", router.app.admin_url, dead["id"])
            assert f"replay {dead['id']} --to NAME" in shown.stdout
            refused = await router.post(f"/api/v1/deliveries/{dead['id']}/replay")
            assert refused.status_code == 422
            replayed = await router.post(f"/api/v1/deliveries/{dead['id']}/replay", {"to": "kept"})
            assert replayed.status_code == 200, replayed.text
            await sink.wait_for(2)


async def test_a_file_saved_during_the_start_is_not_missed(tmp_path: Path) -> None:
    """The first looks read the file once more, so that a save between loading and watching is taken over."""
    async with Sink() as sink, RunningRouter(tmp_path, version(1, sink.url, None)) as router:
        loaded = router.app.reloader.state.loaded_at
        for _ in range(3):
            router.clock.advance(seconds=1)
            await router.app.reloader.finish()
        assert router.app.reloader.state.loaded_at > loaded
        again = router.app.reloader.state.loaded_at
        for _ in range(10):
            router.clock.advance(seconds=1)
            await router.app.reloader.finish()
        assert router.app.reloader.state.loaded_at == again, "a file that does not change is not read again"


async def test_a_file_that_changes_back_clears_the_failure(tmp_path: Path) -> None:
    """Taking a mistake back is enough: readiness shows no problem any more."""
    async with Sink() as sink, RunningRouter(tmp_path, version(1, sink.url, None)) as router:
        router.write("rules: [")
        assert (await router.post("/-/reload")).status_code == 422
        assert router.app.reloader.state.failed_at is not None
        router.write(version(1, sink.url, None))
        assert (await router.post("/-/reload")).status_code == 200
        assert router.app.reloader.state.failed_at is None


async def test_mail_destinations_change_while_events_come_in(tmp_path: Path) -> None:
    """While recipients and servers change and a destination comes and goes, each mail reaches each person once."""
    report = await reload_run(tmp_path, versions=16, seed=5)
    assert not report.faults, str(report)
    assert report.again == 0
    assert (report.reloads, report.broken) == (16, 5)
    assert report.versions > 5
    assert min(report.mails) > 5
    assert report.delivered["team"] > report.events / 2
