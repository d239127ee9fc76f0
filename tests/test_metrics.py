"""`/metrics`: what it tells of a real router, who may ask, and what it never says."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from router import __version__
from router.secret import Secret
from tests.admin_calls import PAGE, RULES, ask, failing
from tests.metrics import Scrape, scrape
from tests.running import TOKEN, RunningRouter
from tests.sinks import Sink, answer

AT_THE_START = 1772442900.0

OPEN = "  other: {unsigned: true}\n"
"""One more source."""


# Reading it


async def test_a_quiet_router(tmp_path: Path) -> None:
    """From the first scrape on every series that may matter is there, with 0: what is not there cannot grow."""
    async with RunningRouter(tmp_path, RULES) as router:
        told = await scrape(router)
    assert told.value("taking_events") == told.value("store_available") == told.value("store_readable") == 1
    assert told.value("build_info", version=__version__, python=platform.python_version()) == 1
    assert told.value("ruleset_info", hash=router.app.rulesets.current.hash) == 1
    assert told.value("requests_total", source="spaces", answer="invalid_signature", status="401") == 0
    assert told.value("requests_total", source="", answer="not_found", status="404") == 0
    assert told.value("deliveries_total", destination="ops", state="dead") == 0
    assert told.value("attempts_total", destination="ops", outcome="temporary") == 0
    assert told.value("oldest_waiting_seconds", destination="ops") == 0
    assert told.value("destination_consecutive_failures", destination="ops") == 0
    assert told.value("store_deliveries_total", state="dead") == 0
    assert not told.by("source", "last_event_timestamp_seconds")
    assert not told.by("destination", "destination_last_success_timestamp_seconds")
    assert {labels["destination"] for labels, _ in told.samples("waiting_deliveries")} == {"wiki", "ops"}
    assert told.families["process_resident_memory_bytes"].samples[0].value > 1_000_000


async def test_an_admin_reads_what_is_wrong(tmp_path: Path) -> None:
    """
    The text alone says that a destination fails, how much waits, since when, and that a reload did not work.

    Afterwards it says that all is well again.
    """
    async with Sink() as sink:
        rules = failing(sink.url).replace("retry: []", "retry: [5m, 10m]")
        router = RunningRouter(tmp_path, rules)
        async with router:
            await router.post("/-/reload")  # what was loaded is known now, and not loaded again at the first looks
            await break_things(router, sink, rules)
            lines = (await scrape(router)).text.splitlines()
            assert 'spaces_router_destination_consecutive_failures{destination="wiki"} 4.0' in lines
            assert 'spaces_router_waiting_deliveries{destination="wiki",state="retrying"} 2.0' in lines
            assert 'spaces_router_oldest_waiting_seconds{destination="wiki"} 360.0' in lines
            assert 'spaces_router_destination_last_success_timestamp_seconds{destination="wiki"} 1.7724429e+09' in lines
            assert 'spaces_router_attempts_total{destination="wiki",outcome="temporary"} 4.0' in lines
            assert 'spaces_router_destination_consecutive_failures{destination="ops"} 0.0' in lines
            assert "spaces_router_reload_successful 0.0" in lines
            assert "spaces_router_reload_success_timestamp_seconds 1.7724429e+09" in lines
            assert "spaces_router_reload_failure_timestamp_seconds 1.77244296e+09" in lines
            assert 'spaces_router_reload_problems{severity="error"} 1.0' in lines

            sink.answer_with(answer(200))
            router.write(rules)
            assert (await router.post("/-/reload")).status_code == 200
            await router.advance(minutes=10)
            told = await scrape(router)
    assert told.value("destination_consecutive_failures", destination="wiki") == 0
    assert told.by("state", "waiting_deliveries") == {}
    assert told.value("oldest_waiting_seconds", destination="wiki") == 0
    assert told.by("state", "deliveries_total", destination="wiki") == {"delivered": 3}
    assert told.value("reload_successful") == 1
    assert told.value("reload_failure_timestamp_seconds") is None
    assert told.value("reload_problems", severity="error") == 0


async def break_things(router: RunningRouter, sink: Sink, rules: str) -> None:
    """Deliver one message; a minute later let two fail, and break the rule file; six more minutes pass."""
    await router.accept("page.updated", PAGE)
    await router.settle()
    sink.answer_with(answer(503, "closed for maintenance"))
    router.clock.advance(minutes=1)
    for event in ("page.created", "page.deleted"):
        await router.accept(event)
        await router.settle()
    router.write(rules.replace("to: wiki", "to: wikki"))
    assert (await router.post("/-/reload")).status_code == 422
    await router.advance(minutes=6)


async def test_dead_letters_and_pauses(tmp_path: Path) -> None:
    """What was given up, and how long a destination that asked for a pause will get nothing."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(400, "no"), answer(429, headers={"Retry-After": "600"}))
        for event in ("page.updated", "page.created"):
            await router.accept(event)
            await router.settle()
        await router.advance(minutes=4)
        told = await scrape(router)
    assert told.by("state", "deliveries_total", destination="wiki") == {"dead": 1}
    assert told.by("state", "store_deliveries_total") == {"dead": 1}
    assert told.by("outcome", "attempts_total", destination="wiki") == {"permanent": 1, "throttled": 1}
    assert told.value("destination_paused_seconds", destination="wiki") == 360
    assert told.value("oldest_waiting_seconds", destination="wiki") == 240
    assert told.value("attempt_duration_seconds_count", destination="wiki") == 2


async def test_requests_are_counted_by_what_they_were_answered(tmp_path: Path) -> None:
    """Each source has its own counts, refusals have a word and a status, and what is nobody's is counted too."""
    rules = OPEN + RULES
    async with RunningRouter(tmp_path, rules, queue_limit=100, max_body=1000) as router:
        await router.accept("page.updated", PAGE, Delivery="one")
        await router.receive("page.updated", PAGE, Delivery="one")
        await router.receive("page.updated", PAGE, Delivery="two")
        await router.receive("page.updated", b"{")
        await router.receive("page.updated", Event="not a name")
        await router.receive("page.updated", Signature="0" * 64)
        await router.receive("page.updated", b" " * 1001)
        await router.receive("page.updated", None, **{"Router-Hops": "4"})
        await router.client.get(f"{router.app.public_url}/hooks/spaces")
        await router.client.get(f"{router.app.public_url}/nowhere")
        await router.client.post(f"{router.app.public_url}/hooks/other", headers={"Event": "mine"}, content=b"1")
        told = await scrape(router)
    assert told.by("answer", "requests_total", source="spaces") == {
        "stored": 2,
        "repeat": 1,
        "unreadable_body": 1,
        "bad_event_name": 1,
        "invalid_signature": 1,
        "too_large": 1,
        "too_many_hops": 1,
        "method_not_allowed": 1,
    }
    assert told.by("status", "requests_total", source="") == {"404": 1}
    assert told.by("answer", "requests_total", source="other") == {"stored": 1}
    assert told.by("event", "events_total", source="spaces") == {"page.updated": 2}
    assert told.by("event", "events_total", source="other") == {"other": 1}
    assert told.by("source", "repeated_bodies_total") == {"spaces": 1}
    assert told.by("source", "last_event_timestamp_seconds") == {"spaces": AT_THE_START, "other": AT_THE_START}
    assert (told.value("store_events_total"), told.value("store_rejected_total")) == (3, 2)
    assert told.value("queue_limit_deliveries") == 100


async def test_labels_are_bounded(tmp_path: Path) -> None:
    """Whatever names and paths strangers invent, no series is added."""
    async with RunningRouter(tmp_path, OPEN + RULES) as router:

        async def invent(number: int) -> None:
            headers = {"Event": f"invented.name{number}", "Delivery": f"d{number}"}
            await router.client.post(f"{router.app.public_url}/hooks/other", headers=headers, content=b"%d" % number)
            await router.client.get(f"{router.app.public_url}/hooks/nobody{number}")

        await invent(0)
        before = {line.rpartition(" ")[0] for line in (await scrape(router)).text.splitlines()}
        for number in range(1, 20):
            await invent(number)
        told = await scrape(router)
    assert {line.rpartition(" ")[0] for line in told.text.splitlines()} == before
    assert told.by("event", "events_total", source="other") == {"other": 20}
    assert told.by("answer", "requests_total", source="") == {"not_found": 20}


# What comes and goes


async def test_a_destination_that_is_removed_is_not_told_of(tmp_path: Path) -> None:
    """Its series end, so that no alert goes on for ever; its dead letters stay in the total."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1h]")) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated", PAGE)
        await router.settle()
        assert (await scrape(router)).value("destination_consecutive_failures", destination="wiki") == 1
        router.write(RULES.replace("wiki", "elsewhere"))
        assert (await router.post("/-/reload")).status_code == 200
        await router.settle()
        told = await scrape(router)
        assert 'destination="wiki"' not in told.text
        assert told.value("waiting_deliveries", destination="elsewhere", state="pending") == 0
        assert told.value("store_deliveries_total", state="dead") == 1
        router.write(RULES)
        await router.post("/-/reload")
        assert (await scrape(router)).value("deliveries_total", destination="wiki", state="dead") == 1


async def test_what_still_waits_is_told_of(tmp_path: Path) -> None:
    """In a dry run nothing is buried: what waits for a destination that is gone, or off, stays in sight."""
    async with Sink() as sink:
        async with RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1h]")) as router:
            sink.answer_with(answer(503))
            await router.accept("page.updated", PAGE)
            await router.settle()
        rules = RULES.replace("wiki", "elsewhere")
        async with RunningRouter(tmp_path, rules, dry_run=True) as router:
            told = await scrape(router)
    assert told.by("destination", "waiting_deliveries") == {"wiki": 1}


async def test_a_restart(tmp_path: Path) -> None:
    """Counters begin anew; totals of the store, the last success and the last event do not."""
    async with RunningRouter(tmp_path, RULES) as router:
        await router.accept("page.updated", PAGE)
        await router.settle()
    async with RunningRouter(tmp_path, clock=router.clock) as router:
        router.clock.advance(minutes=5)
        told = await scrape(router)
        assert told.by("state", "deliveries_total") == told.by("answer", "requests_total") == {}
        assert told.by("state", "store_deliveries_total") == {"delivered": 1}
        assert told.value("store_events_total") == 1
        assert told.by("source", "last_event_timestamp_seconds") == {"spaces": AT_THE_START}
        assert told.by("destination", "destination_last_success_timestamp_seconds") == {"wiki": AT_THE_START}


# When things fail


async def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    """The page says so, and everything else too."""
    async with RunningRouter(tmp_path, RULES) as router:
        await router.accept("page.updated", PAGE)
        await router.settle()
        database = tmp_path / "data" / "router.db"
        database.rename(tmp_path / "away.db")
        assert (await router.receive("page.created")).status_code == 503
        told = await scrape(router)
        assert told.value("store_available") == told.value("taking_events") == 0
        assert told.by("answer", "requests_total") == {"stored": 1, "store_unavailable": 1}
        assert told.by("event", "events_total") == {"page.updated": 1}
        assert told.value("store_commit_failures_total") == 1
        (tmp_path / "away.db").rename(database)


async def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    """What is read from it is left out; the rest is there, and so is the reason."""
    async with RunningRouter(tmp_path, RULES) as router:
        data = tmp_path / "data"
        data.rename(tmp_path / "away")  # nobody has read anything yet, so the file is to be opened now
        told = await scrape(router)
        (tmp_path / "away").rename(data)
    assert told.value("store_readable") == 0
    assert told.value("store_free_bytes") is None
    assert not [*told.samples("waiting_deliveries"), *told.samples("store_events_total")]
    assert told.value("deliveries_total", destination="ops", state="dead") == 0
    assert told.value("queue_deliveries") == 0


async def test_the_free_bytes_are_those_of_the_disk(tmp_path: Path) -> None:
    """As `df` tells them to somebody who is not root."""
    async with RunningRouter(tmp_path, RULES) as router:
        told = (await scrape(router)).value("store_free_bytes")
    disk = os.statvfs(tmp_path)
    assert told == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.1)


async def test_a_router_on_its_way_out_takes_no_events(tmp_path: Path) -> None:
    """As `/-/ready` says too."""
    async with RunningRouter(tmp_path, RULES) as router:
        router.app.stage = "stopping"
        assert (await scrape(router)).value("taking_events") == 0
        router.app.stage = "serving"


# Who may ask, and what is never told


async def test_the_guard_of_the_admin_side_guards_it(tmp_path: Path) -> None:
    """Without the token, or by a foreign name, nothing is told; a mistake in the request is told as elsewhere."""
    known = {"Authorization": "Bearer a-token-for-the-admin"}
    async with RunningRouter(tmp_path, RULES, admin_token=Secret("a-token-for-the-admin")) as router:
        assert (await ask(router, "/metrics"))[0] == 401
        assert (await ask(router, "/metrics", headers=known | {"Host": "evil.example"}))[0] == 403
        assert (await ask(router, "/metrics", "POST", headers=known))[0] == 405
        assert (await ask(router, "/metrics?name[]=up", headers=known))[0] == 400
        answered = await router.client.get(f"{router.app.admin_url}/metrics", headers=known)
        assert (answered.status_code, answered.headers["Cache-Control"]) == (200, "no-store")
        head = await router.client.head(f"{router.app.admin_url}/metrics", headers=known)
        assert (head.status_code, head.content) == (200, b"")


async def test_no_secret_is_told(tmp_path: Path) -> None:
    """Neither one of the rule file, nor one that came from outside or that a broken file has in its problems."""
    async with Sink() as sink:
        rules = failing(sink.url, "/T0PS3CRET").replace("retry: []", 'retry: [], headers: {X-Key: "k3y-of-wiki"}')
        async with RunningRouter(tmp_path, rules, admin_token=Secret("admin-t0ken")) as router:
            sink.answer_with(answer(400, "T0PS3CRET k3y-of-wiki"))
            await router.accept("page.updated", b'{"page":{"title":"T0PS3CRET"}}', Delivery="T0PS3CRET")
            await router.receive("page.updated", Event="T0PS3CRET")
            await router.settle()
            router.write(rules.replace("method", "k3y-of-wiki") + "k3y-of-wiki: 1\n")
            known = {"Authorization": "Bearer admin-t0ken"}
            assert (await router.client.post(f"{router.app.admin_url}/-/reload", headers=known)).status_code == 422
            text = (await router.client.get(f"{router.app.admin_url}/metrics", headers=known)).text
    assert Scrape(text).value("reload_problems", severity="error") == 1
    for secret in ("T0PS3CRET", "k3y-of-wiki", "admin-t0ken", TOKEN):
        assert secret not in text
