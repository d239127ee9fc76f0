"""`purge`, by the running router and in the store of one that does not run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from router.clock import rfc3339
from router.delivery.purge import Purged, purge
from router.events import DeliveryState
from router.store.records import EventFilter, Expiry
from router.store.sqlite import SqliteStore
from tests.admin_calls import ask
from tests.cli import invoked
from tests.fakes import Clock
from tests.running import RunningRouter
from tests.store.values import Values

RULES = """\
destinations:
  docs: {type: log}
rules:
  - {name: pages, events: page.*, to: docs}
"""
DELIVERED, DEAD = DeliveryState.DELIVERED, DeliveryState.DEAD
NOWHERE = "http://127.0.0.1:9"


async def fill(path: Path) -> None:
    """Store three delivered events, two dead letters and a rejected request of 100 days ago, and an event of now."""
    clock = Clock(datetime.now(UTC) - timedelta(days=100))
    store, values = SqliteStore(path, clock), Values(clock)
    await store.open()
    for number, state in enumerate([DELIVERED, DELIVERED, DELIVERED, DEAD, DEAD]):
        event = values.event(body=b"[%d]" % number)
        destination = "docs" if number % 2 else "ops"
        await store.accept(event, [values.delivery(event, destination, state=state, reason="x")])
    await store.reject(values.rejection())
    clock.advance(minutes=60 * 24 * 100)
    await store.accept(values.event(body=b'"now"'), [])
    await store.close()


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    await fill(tmp_path / "data" / "router.db")
    return tmp_path / "data"


@pytest.fixture
async def router(tmp_path: Path, data: Path) -> AsyncIterator[RunningRouter]:
    assert data == tmp_path / "data"
    clock = Clock(datetime.now(UTC))
    async with RunningRouter(tmp_path, RULES, clock=clock, retention=timedelta(days=3650)) as router:
        yield router


async def run(where: str, data: Path, *arguments: str) -> tuple[int, str]:
    result = await invoked("purge", *arguments, "--admin", where, "--data", str(data))
    return result.exit_code, " ".join(result.output.split())


async def walk_through(where: str, data: Path) -> None:
    """The same on a running router and on a store: look, decline, remove a part, remove the rest."""
    code, said = await run(where, data, "--before", "90d", "--dry-run")
    assert code == 0
    everything = "5 events with 5 deliveries (2 dead letters that nobody has dealt with among them), 1 rejected request"
    assert everything in said
    assert said.endswith("Nothing was removed: this was a dry run.")
    code, said = await run(where, data, "--before", "90d")  # there is nobody who answers
    assert (code, "Remove this for good?" in said) == (1, True)
    assert "Traceback" not in said
    assert (await run(where, data, "--before", "120d", "--yes"))[1].startswith("Nothing to remove: nothing that fits")
    code, said = await run(where, data, "--before", "90d", "--state", "dead", "--destination", "docs", "--yes")
    assert (code, said.rpartition(". ")[2]) == (
        0,
        "Removed 1 event with 1 delivery (1 dead letter that nobody has dealt with among them).",
    )
    code, said = await run(where, data, "--before", "90d", "--state", "delivered", "--yes")
    assert (code, said.rpartition(". ")[2]) == (0, "Removed 3 events with 3 deliveries.")
    code, said = await run(where, data, "--before", "90d", "--yes")
    assert "Removed 1 event with 1 delivery (1 dead letter that nobody has dealt with among them), 1 rejected" in said
    assert (await run(where, data, "--before", "1d", "--yes"))[1].startswith("Nothing to remove")


async def test_by_the_running_router(router: RunningRouter, data: Path) -> None:
    """While a router runs it does the work, and goes on working."""
    await walk_through(router.app.admin_url, data)
    assert len((await router.get("events"))["events"]) == 1
    await router.accept("page.created")
    await router.settle()
    assert (await router.get("stats"))["events"] == 7


async def test_in_the_store(data: Path) -> None:
    """While nothing runs the store itself is worked on, and a router can be started on it afterwards."""
    await walk_through(NOWHERE, data)
    store = SqliteStore(data / "router.db", Clock())
    await store.open()
    assert len(await store.events(EventFilter())) == 1
    await store.close()


async def test_never_beside_a_router(router: RunningRouter, data: Path) -> None:
    """A router that listens elsewhere has its file to itself: the command says who has it and what to name."""
    code, said = await run(NOWHERE, data, "--before", "90d", "--yes")
    assert code == 1
    assert "is in use by another router" in said
    assert "name its admin side with --admin." in said
    assert len((await router.get("events"))["events"]) == 6


async def test_where_nothing_is(tmp_path: Path) -> None:
    """Without a router and without a store nothing is made."""
    code, said = await run(NOWHERE, tmp_path / "none", "--before", "90d")
    assert (code, (tmp_path / "none").exists()) == (1, False)
    assert "there is no store at" in said


async def test_the_last_day_stays(data: Path) -> None:
    """What is younger than a day is needed to know repeats, and cannot be purged."""
    code, said = await run(NOWHERE, data, "--before", "5h", "--yes")
    assert code == 2
    assert "at least a day ago" in said
    code, said = await run(NOWHERE, data)
    assert (code, "--before" in said) == (2, True)


async def test_answers_of_the_call(router: RunningRouter) -> None:
    """The call takes states, a destination and a dry run; a step that was not the last gives a cursor."""
    before = rfc3339(router.clock.now() - timedelta(days=90))
    path = "/api/v1/purge"
    status, told = await ask(router, path, "POST", json={"before": before, "dry_run": True})
    assert status == 200
    cursor = told.pop("next")
    assert told == {"events": 5, "deliveries": 5, "unhandled": 2, "rejected": 0}
    status, told = await ask(router, path, "POST", json={"before": before, "dry_run": True, "cursor": cursor})
    assert told == {"events": 0, "deliveries": 0, "unhandled": 0, "rejected": 1, "next": None}
    wish: dict[str, Any] = {"before": before, "state": "dead", "destination": "docs"}
    assert (await ask(router, path, "POST", json=wish))[1]["events"] == 1
    wish = {"before": before, "state": ["dead", "delivered"]}
    assert (await ask(router, path, "POST", json=wish))[1] | {"next": None} == {
        "events": 4,
        "deliveries": 4,
        "unhandled": 1,
        "rejected": 0,
        "next": None,
    }


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, "before is missing; expected the time"),
        ({"before": 5}, "before is not a text"),
        ({"before": "90d"}, "before is '90d'; expected a time with its offset"),
        ({"before": "2999-01-01T00:00:00Z"}, "expected a time at least a day ago"),
        ({"before": "2020-01-01T00:00:00Z", "state": "deaf"}, "(did you mean 'dead'?)"),
        ({"before": "2020-01-01T00:00:00Z", "state": "pending"}, "'pending', which is not the end of anything"),
        ({"before": "2020-01-01T00:00:00Z", "state": [7]}, "state is neither a text nor a list of texts"),
        ({"before": "2020-01-01T00:00:00Z", "dry_run": "no"}, "dry_run is neither true nor false"),
        ({"before": "2020-01-01T00:00:00Z", "cursor": "x"}, "cursor is 'x'; expected the text of 'next'"),
        ({"before": "2020-01-01T00:00:00Z", "states": []}, "unknown key 'states' in the body"),
    ],
)
async def test_call_that_cannot_be_meant(router: RunningRouter, wish: dict[str, Any], said: str) -> None:
    """A mistake removes nothing: the answer is 400 and says what is expected."""
    status, told = await ask(router, "/api/v1/purge", "POST", json=wish)
    assert (status, told["error"]) == (400, "bad_request")
    assert said in told["message"]
    assert (await ask(router, "/api/v1/purge"))[0] == 405
    assert len((await router.get("events"))["events"]) == 6


async def test_large_purge_goes_in_steps(tmp_path: Path) -> None:
    """However much there is, each step is short, and together they leave nothing."""
    clock = Clock()
    store, values = SqliteStore(tmp_path / "router.db", clock), Values(clock)
    await store.open()
    await asyncio.gather(*(store.accept(values.event(body=b"[%d]" % number), []) for number in range(2100)))
    await asyncio.gather(*(store.reject(values.rejection()) for _ in range(1500)))
    clock.advance(minutes=60 * 24 * 2)
    before = clock.now() - timedelta(days=1)
    steps, following = [], 0
    while True:
        step = await purge(store, Expiry(before, before), following, dry_run=False)
        steps.append((step.events, step.rejected))
        if step.next is None:
            break
        following = step.next
    assert steps == [(1000, 0), (1000, 0), (100, 0), (0, 1000), (0, 500)]
    assert await purge(store, Expiry(before, before), following, dry_run=False) == Purged()
    await store.close()
