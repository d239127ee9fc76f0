"""Retention as the router runs it: over months of traffic neither rows nor the file grow, and nothing is lost early."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from router.config.settings import DEFAULT_RETENTION
from router.delivery.retention import Retention
from router.events import DeliveryState
from router.store.queries import single
from router.store.records import EventFilter
from router.store.sqlite import SqliteStore
from tests.admin_calls import failing
from tests.cli import invoke
from tests.fakes import Clock
from tests.running import RunningRouter
from tests.sinks import Sink, answer
from tests.store.disks import FailingDisk
from tests.store.values import Values
from tests.waiting import until

KEEP = timedelta(days=10)
PER_DAY = 30

RULES = """\
destinations:
  wiki: {type: log}
rules:
  - {name: pages, events: page.*, to: wiki}
"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "router.db", clock)
    await store.open()
    yield store
    await store.close()


async def done(retention: Retention, clock: Clock) -> None:
    """Let a run come to its end."""
    await until(lambda: not retention.is_running, meanwhile=lambda: clock.advance(seconds=0.05))


async def pass_hours(retention: Retention, clock: Clock, hours: int) -> None:
    for _ in range(hours):
        clock.advance(minutes=60)
        await done(retention, clock)


def rows(path: Path) -> dict[str, int]:
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
    try:
        tables = ("events", "deliveries", "attempts", "rejected", "rulesets")
        return {table: int(single(connection, f"SELECT count(*) FROM {table}")) for table in tables}  # noqa: S608 - ours
    finally:
        connection.close()


async def one_day(store: SqliteStore, values: Values, epoch: int, day: int) -> None:
    """Accept, send and record; one in thirty is given up, one request is rejected; the rule file changes every day."""
    await store.save_ruleset(values.ruleset(f"rules of day {day}"))
    events = [
        values.event(
            body=b'{"page": {"id": %d, "text": "%s"}}' % (values.ids.next(), b"x" * 3000), ruleset=f"rules of day {day}"
        )
        for _ in range(PER_DAY)
    ]
    deliveries = [
        values.delivery(event, state=DeliveryState.SENDING, epoch=epoch, ruleset=event.ruleset) for event in events
    ]
    await asyncio.gather(*(store.accept(event, [one]) for event, one in zip(events, deliveries, strict=True)))
    ends = [DeliveryState.DELIVERED] * (PER_DAY - 1) + [DeliveryState.DEAD]
    written = await asyncio.gather(
        *(store.record(values.outcome(one, epoch, end)) for one, end in zip(deliveries, ends, strict=True))
    )
    assert all(written)
    await store.reject(values.rejection())


async def test_hundred_days_of_traffic(store: SqliteStore, clock: Clock, tmp_path: Path) -> None:
    """Once what comes and what goes are even, neither the rows nor the file grow; the totals tell of everything."""
    values = Values(clock)
    epoch = (await store.own(["docs"], clock.now()))["docs"].epoch
    retention = Retention(KEEP, store=store, in_use=lambda: "none", clock=clock)
    retention.start()
    sizes, counts = [], []
    for day in range(100):
        await one_day(store, values, epoch, day)
        clock.advance(minutes=60 * 24)
        await done(retention, clock)
        sizes.append((tmp_path / "router.db").stat().st_size)
        counts.append(rows(tmp_path / "router.db"))
    await retention.stop()
    # Measured at the end of a day, when its oldest is a moment older than the day is long.
    kept_days, unhandled_days = KEEP.days - 1, 3 * KEEP.days - 1
    everything = kept_days * (PER_DAY - 1) + unhandled_days
    assert (
        counts[-1]
        == counts[50]
        == {
            "events": everything,
            "deliveries": everything,
            "attempts": everything,
            "rejected": kept_days,
            "rulesets": unhandled_days,
        }
    )
    assert max(sizes[50:]) <= 1.05 * max(sizes[30:50])
    stats = await store.stats()
    assert (stats.events, stats.rejected) == (100 * PER_DAY, 100)
    assert stats.deliveries[DeliveryState.DELIVERED] == 100 * (PER_DAY - 1)
    assert stats.deliveries[DeliveryState.DEAD] == 100


async def test_events_are_taken_meanwhile(store: SqliteStore, clock: Clock) -> None:
    """A long run goes in many small commits, with pauses in which others write; a stop ends it after one of them."""
    values = Values(clock)
    for _ in range(10):
        await asyncio.gather(*(store.accept(values.event(body=b"[%d]" % values.ids.next()), []) for _ in range(100)))
    clock.advance(minutes=60 * 24 * 30)
    fresh = values.event(body=b'"fresh"')
    retention = Retention(timedelta(days=1), store=store, in_use=lambda: "", clock=clock)
    retention.start()
    await store.accept(fresh, [])

    async def left() -> int:
        return len(await store.events(EventFilter(limit=2000)))

    async def has_begun() -> bool:
        return await left() < 1001

    await until(has_begun)
    assert 900 <= await left() <= 901
    await retention.stop()
    await retention.stop()
    assert not retention.is_running
    again = Retention(timedelta(days=1), store=store, in_use=lambda: "", clock=clock)
    again.start()
    await done(again, clock)
    assert [event.id for event in await store.events(EventFilter())] == [fresh.id]
    await again.stop()


async def test_one_line_a_run_where_something_went(
    store: SqliteStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what was removed, once for each run, and nothing of runs that found nothing."""
    caplog.set_level(logging.INFO, "router.retention")
    values = Values(clock)
    event = values.event()
    await store.accept(event, [values.delivery(event, state=DeliveryState.DEAD)])
    await store.reject(values.rejection())
    retention = Retention(timedelta(days=1), store=store, in_use=lambda: "", clock=clock)
    retention.start()
    await pass_hours(retention, clock, 23)
    assert not caplog.records
    await pass_hours(retention, clock, 60)
    await retention.stop()
    told = [(record.getMessage(), vars(record)) for record in caplog.records]
    assert [message for message, _ in told] == ["retention.removed", "retention.removed"]
    assert (told[0][1]["events"], told[0][1]["rejected"], told[0][1]["older_than"]) == (0, 1, "1d")
    assert (told[1][1]["events"], told[1][1]["deliveries"], told[1][1]["unhandled_dead_letters"]) == (1, 1, 1)


async def test_failing_disk(tmp_path: Path, clock: Clock) -> None:
    """While the store cannot write nothing is removed and nothing breaks; an hour later it is made up for."""
    disk = FailingDisk()
    store = SqliteStore(tmp_path / "router.db", clock, vfs=disk.name)
    await store.open()
    values = Values(clock)
    await store.accept(values.event(), [])
    clock.advance(minutes=60 * 24 * 2)
    disk.fail()
    retention = Retention(timedelta(days=1), store=store, in_use=lambda: "", clock=clock)
    retention.start()
    await done(retention, clock)
    assert len(await store.events(EventFilter())) == 1
    disk.heal()
    await until(lambda: store.available, meanwhile=lambda: clock.advance(seconds=1))
    await pass_hours(retention, clock, 1)
    assert await store.events(EventFilter()) == []
    await retention.stop()
    await store.close()


async def test_running_router_forgets_and_goes_on(tmp_path: Path) -> None:
    """The router itself removes at its start and every hour; a repeat within a day is still a repeat."""
    async with RunningRouter(tmp_path, RULES, retention=timedelta(days=1)) as router:
        router.app.reloader.stop()  # it would look at the rule file every second of these days
        first = await router.accept("page.created", Delivery="u-1")
        await router.settle()
        await done(router.app.retention, router.clock)
        await pass_hours(router.app.retention, router.clock, 23)
        assert await router.accept("page.created", Delivery="u-1") == first
        await pass_hours(router.app.retention, router.clock, 2)
        answered = await router.client.get(f"{router.app.admin_url}/api/v1/events/{first}")
        assert answered.status_code == 404
        assert "was removed after its retention" in answered.json()["message"]
        second = await router.accept("page.created", Delivery="u-1")
        assert second != first
        await router.settle()
        assert (await router.get("stats"))["events"] == 2
    later = Clock(router.clock.now() + timedelta(days=2))
    async with RunningRouter(tmp_path, clock=later, retention=timedelta(days=1)) as router:
        router.app.reloader.stop()  # it would look at the rule file every second of these days
        await done(router.app.retention, router.clock)
        assert (await router.get("events"))["events"] == []
        assert (await router.get("stats"))["deliveries"]["delivered"] == 2


async def test_rule_set_in_use_is_kept(tmp_path: Path) -> None:
    """However long ago it was loaded, the rule set in use stays; what it judged long after can still be explained."""
    async with RunningRouter(tmp_path, RULES, retention=timedelta(days=1)) as router:
        router.app.reloader.stop()  # it would look at the rule file every second of these days
        for _ in range(4):
            router.clock.advance(minutes=60 * 24)
            await done(router.app.retention, router.clock)
        kept = await router.app.store.ruleset(router.app.rulesets.current.hash)
        assert kept is not None


async def test_dead_letter_waits_for_a_person(tmp_path: Path) -> None:
    """What could not be delivered is there, and can be replayed, long after the rest of its day is forgotten."""
    async with Sink() as sink:
        sink.answer_with(answer(500))
        async with RunningRouter(tmp_path, failing(sink.url), retention=timedelta(days=10)) as router:
            router.app.reloader.stop()
            await router.accept("page.created")
            await router.settle()
            for _ in range(29):
                await router.advance(minutes=60 * 24)
                await done(router.app.retention, router.clock)
            (dead,) = await router.deliveries(state="dead")
            sink.answer_with(answer(200))
            assert (await router.post(f"/api/v1/deliveries/{dead['id']}/replay")).status_code == 200
            await router.settle()
            assert await router.states() == ["dead", "delivered"]
            for _ in range(9):
                await router.advance(minutes=60 * 24)
                await done(router.app.retention, router.clock)
            assert await router.states() == ["dead", "delivered"]
            await router.advance(minutes=60 * 25)
            await done(router.app.retention, router.clock)
            assert await router.states() == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("23h", "expected at least 1d and at most 3650d, found '23h'"),
        ("99999d", "expected at least 1d and at most 3650d"),
        ("30", "expected a duration such as 30s, 5m, 2h, 1d or 1h30m, found '30'"),
        ("0s", "expected at least 1d"),
    ],
)
def test_setting_is_checked(value: str, said: str) -> None:
    """A retention of less than a day would forget repeats too early; a wrong one is told in a sentence."""
    result: Any = invoke("serve", "--retention", value)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    by_variable: Any = invoke("serve", env={"SPACES_ROUTER_RETENTION": value})
    assert by_variable.exit_code == 2


def test_default_is_a_month() -> None:
    """Without the setting it is 30 days."""
    assert timedelta(days=30) == DEFAULT_RETENTION
