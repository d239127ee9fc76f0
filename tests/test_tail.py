"""`GET /api/v1/tail`: who follows sees what happens, when it happens, and is in nobody's way."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from router.admin.tails import MOST_READERS, MOST_RECORDS
from router.secret import Secret
from router.store.records import EventFilter
from tests.admin_calls import PAGE, RULES, ask, failing
from tests.running import RunningRouter
from tests.sinks import Sink, answer
from tests.tailing import check, tail
from tests.waiting import until


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, RULES) as running:
        yield running


def readers(router: RunningRouter) -> int:
    return len(router.app.tails.readers)


def brief(records: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """`event page.updated`, `delivery sending`."""
    return [f"{kind} {record['name'] if kind == 'event' else record['state']}" for kind, record in records]


async def test_events_and_deliveries_as_they_happen(router: RunningRouter) -> None:
    """An event is told when it is stored, and each delivery when it is made and whenever it changes."""
    async with tail(router) as stream:
        event = await router.accept("page.updated", PAGE)
        told = await stream.take(3)
        assert brief(told) == ["event page.updated", "delivery sending", "delivery delivered"]
        assert {told[0][1]["id"], *(record["event_id"] for _, record in told[1:])} == {event}


async def test_records_are_those_of_the_lists(router: RunningRouter) -> None:
    """Key by key and value by value, a record is what the list shows of the same thing."""
    async with tail(router) as stream:
        await router.accept("page.updated", PAGE)
        (_, event), _, (_, delivery) = await stream.take(3)
        await router.settle()
        assert [event] == (await router.get("events"))["events"]
        assert [delivery] == (await router.get("deliveries"))["deliveries"]


async def test_the_page_shows_what_is_told(tmp_path: Path) -> None:
    """The stream that `docs/api.md` shows is the one that comes, but for ids and the name of the sender's delivery."""
    async with Sink() as sink:
        rules = failing(sink.url).replace("wiki", "docs").replace("pages", "page changes")
        async with RunningRouter(tmp_path, rules) as router, tail(router) as stream:
            await router.accept("page.updated", PAGE)
            told = await stream.take(2)
    page = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
    first, *shown = page.partition("```text stream\n")[2].partition("```")[0].strip().split("\n\n")
    assert first.splitlines() == ["retry: 2000", ": following"]
    invented = {"id", "event_id", "upstream_id", "type"}
    for block, (kind, record) in zip(shown, told, strict=True):
        event, _, data = block.partition("\n")
        assert event == f"event: {kind}"
        example = json.loads(data.removeprefix("data: "))
        check(kind, example)
        assert list(example) == list(record)
        assert {key for key, value in record.items() if example[key] != value} <= invented


async def test_what_becomes_of_a_delivery_that_fails(tmp_path: Path) -> None:
    """A failed attempt, the release of its retry, the next attempt, its death and its replay are told in order."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(503, "later"), answer(400, "no such hook"), answer(200))
        async with tail(router, only="deliveries") as stream:
            await router.accept("page.updated", PAGE)
            sending, retrying = await stream.take(2)
            assert [sending[1]["state"], retrying[1]["state"]] == ["sending", "retrying"]
            assert "503" in retrying[1]["last_error"]
            await router.settle()
            await router.post(f"/api/v1/deliveries/{retrying[1]['id']}/release", {})
            told = await stream.take(3)
            assert brief(told) == ["delivery pending", "delivery sending", "delivery dead"]
            assert told[2][1]["attempts"] == 2
            await router.post(f"/api/v1/deliveries/{retrying[1]['id']}/replay", {})
            told = await stream.take(3)
            assert [record["cause"] for _, record in told] == ["replay"] * 3
            assert brief(told) == ["delivery pending", "delivery sending", "delivery delivered"]


async def test_alerts_are_told_as_lists_tell_them(tmp_path: Path) -> None:
    """The delivery of an alert is told; its event, which the router made itself, only to who asks for its source."""
    rules = "defaults: {alerts: ops}\n" + failing("http://127.0.0.1:9")
    async with (
        RunningRouter(tmp_path, rules) as router,
        tail(router) as all_of_it,
        tail(router, source="router") as own,
    ):
        await router.accept("page.updated", PAGE)
        await router.settle()
        await router.advance(seconds=1)
        told = await all_of_it.take(5)
        causes = [(kind, record.get("cause"), record.get("state")) for kind, record in told]
        assert causes[1:3] == [("delivery", "rule", "sending"), ("delivery", "rule", "dead")]
        assert causes[3:] == [("delivery", "alert", "pending"), ("delivery", "alert", "sending")]
        event, *others = await own.take(4)
        assert (event[0], event[1]["source"]) == ("event", "router")
        assert brief(others) == ["delivery pending", "delivery sending", "delivery delivered"]


async def test_deliveries_of_a_destination_that_is_taken_away(tmp_path: Path) -> None:
    """What a reload ends is told like everything else."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated", PAGE)
        await router.settle()
        async with tail(router) as stream:
            router.write(RULES.replace("wiki", "wiki2"))
            assert (await router.post("/-/reload", {})).status_code == 200
            ((kind, record),) = await stream.take(1)
        assert (kind, record["state"], record["reason"]) == ("delivery", "dead", "destination removed")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"name": "page.*"}, ["event page.updated", "delivery sending", "delivery delivered"]),
        ({"name": "COMMENT.created"}, ["event comment.created"]),
        ({"source": "spaces", "only": "events"}, ["event page.updated", "event comment.created"]),
        ({"source": "desk"}, []),
        ({"rule": "pages", "only": "events"}, ["event page.updated"]),
        ({"rule": "comments"}, []),
        ({"destination": "wiki"}, ["delivery sending", "delivery delivered"]),
        ({"destination": "ops"}, []),
        ({"state": "delivered"}, ["delivery delivered"]),
        ({"only": "deliveries"}, ["delivery sending", "delivery delivered"]),
        ({"only": ""}, ["event page.updated", "delivery sending", "delivery delivered", "event comment.created"]),
    ],
)
async def test_filters(router: RunningRouter, query: dict[str, str], told: list[str]) -> None:
    """Each filter leaves what it names; a delivery has the name and the source of its event."""
    async with tail(router, **query) as stream:
        await router.accept("page.updated", PAGE)
        await router.settle()
        await router.accept("comment.created", b'{"comment":{"id":1}}')
        await router.app.stop()
        assert brief(await stream.take(5)) == told


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"name": "page..created"}, "name: pattern 'page..created' has an empty segment"),
        ({"state": "deaf"}, "did you mean 'dead'?"),
        ({"only": "delivery"}, "expected one of: events, deliveries (did you mean 'deliveries'?)"),
        ({"only": "events", "state": "dead"}, "events have no state; leave out 'state' or 'only'"),
        ({"only": "events", "destination": "wiki"}, "events have no destination"),
    ],
)
async def test_filters_that_cannot_be_meant(router: RunningRouter, query: dict[str, str], sentence: str) -> None:
    """A filter that cannot be meant is refused with a sentence, before anything is streamed."""
    status, told = await ask(router, "/api/v1/tail", params=query)
    assert status == 400
    assert sentence in told["message"]
    assert readers(router) == 0


async def test_secrets_are_masked(tmp_path: Path) -> None:
    """What a destination said of its own secret is masked in the stream, too."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        router.redactor.learn(["a-secret-of-somebody"])
        sink.answer_with(answer(400, "a-secret-of-somebody is wrong"))
        async with tail(router, state="dead") as stream:
            await router.accept("page.updated", PAGE)
            ((_, record),) = await stream.take(1)
    assert "*** is wrong" in record["last_error"]


async def test_keep_alive(router: RunningRouter) -> None:
    """While nothing happens, a comment comes every 15 seconds, and not sooner."""
    async with tail(router) as stream:
        for _ in range(3):
            since = router.clock.monotonic()
            reading = asyncio.ensure_future(stream.comment())
            await until(reading.done, meanwhile=lambda: router.clock.advance(seconds=1))
            assert await reading == ": keep-alive"
            assert router.clock.monotonic() - since >= 14


@contextmanager
def lazy_reader(router: RunningRouter) -> Iterator[socket.socket]:
    """Somebody who asks, and reads nothing."""
    host, _, port = router.app.admin_url.removeprefix("http://").partition(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(f"GET /api/v1/tail HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        yield connection


async def flood(router: RunningRouter) -> None:
    """Let more happen than the connections of those who do not read can take, so that their queues are full."""
    await router.accept("page.updated", PAGE)
    await router.settle()
    happened = 100 * [*await router.app.store.events(EventFilter())]
    for _ in range(200):
        router.app.store.feed.publish(happened)
        await asyncio.sleep(0)


async def test_a_slow_reader_slows_nobody(router: RunningRouter) -> None:
    """
    While a reader takes nothing, events are accepted and forwarded as ever, another reader gets each record, and no
    more is kept than fits; the slow one is told how many were left out.
    """
    with lazy_reader(router) as slow:
        await until(lambda: readers(router) == 1)
        (reader,) = router.app.tails.readers
        await flood(router)
        assert reader.waiting == MOST_RECORDS
        async with tail(router, only="deliveries", state="delivered") as quick:
            events = [await router.accept("page.updated", b'{"page":{"id":%d}}' % number) for number in range(100)]
            assert [record["event_id"] for _, record in await quick.take(100)] == events
        assert reader.waiting == MOST_RECORDS
        slow.settimeout(20)
        received = await asyncio.to_thread(read_until, slow, b"event: left_out")
    told = json.loads(received.partition(b"event: left_out\ndata: ")[2].partition(b"\n")[0])
    assert told["left_out"] >= 300
    assert told["message"] == f"{told['left_out']} records were left out: more came than this reader took"


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    received = b""
    while b"\n\n" not in received.partition(mark)[2]:
        some = connection.recv(65536)
        assert some, "the stream ended"
        received += some
    return received


async def test_a_reader_that_takes_nothing_is_sent_away(router: RunningRouter) -> None:
    """Who takes nothing for a minute makes room for others."""
    with lazy_reader(router):
        await until(lambda: readers(router) == 1)
        await flood(router)
        await router.advance(seconds=59)
        assert readers(router) == 1
        await router.advance(seconds=1)
        await until(lambda: readers(router) == 0)


async def test_a_reader_that_goes_away_is_forgotten(router: RunningRouter) -> None:
    """Nothing is kept for who has closed the connection, and nothing gathered while nobody is left."""
    watched = [router.app.store.feed.is_watched]
    async with tail(router):
        assert readers(router) == 1
        watched.append(router.app.store.feed.is_watched)
    await until(lambda: readers(router) == 0)
    watched.append(router.app.store.feed.is_watched)
    assert watched == [False, True, False]


async def test_only_so_many_may_follow(router: RunningRouter) -> None:
    """One too many is told so, and finds room as soon as another has gone."""
    async with AsyncExitStack() as open_ones:
        for _ in range(MOST_READERS - 1):
            await open_ones.enter_async_context(tail(router))
        async with tail(router):
            status, told = await ask(router, "/api/v1/tail")
            assert (status, told["error"]) == (503, "too_many_readers")
            assert f"{MOST_READERS} readers follow already" in told["message"]
        await until(lambda: readers(router) == MOST_READERS - 1)
        async with tail(router):
            pass


async def test_the_end_of_the_router_ends_the_stream(router: RunningRouter) -> None:
    """A stop ends each stream in order, after what happened until then."""
    async with tail(router) as stream:
        await router.accept("page.updated", PAGE)
        await router.app.stop()
        assert brief(await stream.take(4)) == ["event page.updated", "delivery sending", "delivery delivered"]


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(router: RunningRouter) -> None:
    """A stop of the router waits for such a reader for a moment only."""
    with lazy_reader(router):
        await until(lambda: readers(router) == 1)
        await flood(router)
        async with asyncio.timeout(10):
            await router.app.stop()


async def test_asking_for_the_head_alone(router: RunningRouter) -> None:
    """HEAD tells what would come, and does not follow."""
    answered = await router.client.head(f"{router.app.admin_url}/api/v1/tail")
    assert answered.status_code == 200
    assert answered.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert readers(router) == 0


async def test_who_may_follow(tmp_path: Path) -> None:
    """The token is asked for, and a foreign name refused, as of every call."""
    async with RunningRouter(tmp_path, RULES, admin_token=Secret("a-token-for-the-admin")) as router:
        url = f"{router.app.admin_url}/api/v1/tail"
        assert (await router.client.get(url)).status_code == 401
        known = {"Authorization": "Bearer a-token-for-the-admin"}
        assert (await router.client.get(url, headers=known | {"Host": "evil.example"})).status_code == 403
        async with router.client.stream("GET", url, headers=known) as response:
            assert response.status_code == 200
