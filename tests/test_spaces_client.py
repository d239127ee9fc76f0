"""The Spaces API is asked within bounds, and whatever it does instead of answering becomes one plain sentence."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.clients import make_http_client
from router.events import Lesson
from router.messages.directory import USERS, Directory
from router.secret import Secret
from router.spaces.client import (
    LONGEST_WAIT,
    MOST_ANSWER_BYTES,
    MOST_AT_ONCE,
    MOST_OBJECTS,
    MOST_REQUESTS,
    REQUEST_SECONDS,
    Access,
    ApiFailure,
    ApiOutcome,
    SpacesClient,
)
from router.spaces.learner import LEARNED_AT_ONCE, Learner
from router.store.records import Taught
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.sinks import Sink, cut_off, endless, garbage, refused_port
from tests.spaces_api import KEY, SpacesApi, page, space, user


class Asking:
    """A client, and what it counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counted: Counter[ApiOutcome] = Counter()
        self.http = make_http_client(most_bytes=MOST_ANSWER_BYTES)
        self.client = SpacesClient(self.http, self.clock, self._count)

    def _count(self, source: str, outcome: ApiOutcome) -> None:
        assert source == "spaces"
        self.counted[outcome] += 1

    async def listed(self, url: str, kind: str = "users", key: str = KEY) -> list[Any]:
        access = Access("spaces", url, Secret(key))
        return [model["id"] async for models in self.client.listed(access, kind) for model in models]

    async def page(self, url: str, page_id: str = "5148", space_id: str = "42") -> Any:
        return await self.client.page(Access("spaces", url, Secret(KEY)), space_id, page_id)

    async def failure(self, url: str, key: str = KEY) -> ApiFailure:
        """Ask for users in vain."""
        with pytest.raises(ApiFailure) as caught:
            await self.listed(url, key=key)
        assert self.counted == {caught.value.outcome: 1}
        assert key not in str(caught.value)
        assert caught.value.__cause__ is None
        return caught.value


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    made = Asking()
    yield made
    await made.http.aclose()


@pytest.fixture
async def api() -> AsyncIterator[SpacesApi]:
    async with SpacesApi() as served:
        yield served


async def test_lists_are_read_to_their_end(api: SpacesApi, asking: Asking) -> None:
    """People and spaces are asked for a hundred at a time, by the index of the first, until their count is reached."""
    api.users = {number: user(number) for number in range(1, 251)}
    assert await asking.listed(api.url) == [*range(1, 251)]
    assert await asking.listed(api.url, "spaces") == [42]
    assert api.asked == [
        "/users.json?pageSize=100&pageOffset=0",
        "/users.json?pageSize=100&pageOffset=100",
        "/users.json?pageSize=100&pageOffset=200",
        "/spaces.json?pageSize=100&pageOffset=0",
    ]
    assert asking.counted == {ApiOutcome.OK: 4}


async def test_a_server_that_gives_less_than_is_asked_for(api: SpacesApi, asking: Asking) -> None:
    """Where it says how many there are, its own smaller pages do not end the list."""
    api.users = {number: user(number) for number in range(1, 51)}
    api.largest_page = 20
    assert await asking.listed(api.url) == [*range(1, 51)]
    assert len(api.asked) == 3


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (99, 1), (100, 2)])
async def test_a_list_that_does_not_say_how_long_it_is(
    count: int, requests: int, api: SpacesApi, asking: Asking
) -> None:
    """Then a page that is not full is the last; and one that brings nothing new as well."""
    api.answer_with(200, json.dumps({"users": [user(1 + number) for number in range(count)]}))
    assert len(await asking.listed(api.url)) == count
    assert len(api.asked) == requests


async def test_a_page_that_comes_again_ends_a_list(api: SpacesApi, asking: Asking) -> None:
    """A server that knows no offsets is not asked for ever."""
    api.users = {number: user(number) for number in range(1, 251)}
    api.ignores_offset = True
    assert await asking.listed(api.url) == [*range(1, 101)]
    assert len(api.asked) == 2


async def test_a_list_without_an_end(api: SpacesApi, asking: Asking) -> None:
    """At most twenty thousand objects of a list are read, in at most four hundred requests."""
    api.is_endless = True
    assert len(await asking.listed(api.url)) == MOST_OBJECTS
    api.asked.clear()
    api.largest_page = 1
    assert len(await asking.listed(api.url)) == len(api.asked) == MOST_REQUESTS


async def test_what_is_no_object_is_left_out(api: SpacesApi, asking: Asking) -> None:
    """Whatever else stands in a list or beside it, the people in it are read; each once, and none without an id."""
    strange: list[Any] = [None, 7, "x", [], {"id": None}, {"id": "x" * 101}, {"id": [9]}]
    told = {"users": [*strange, user(9), user(9)], "included": 5, "meta": [], "errors": None}
    api.answer_with(200, json.dumps(told))
    assert await asking.listed(api.url) == [9]


async def test_more_than_was_asked_for(api: SpacesApi, asking: Asking) -> None:
    """Of one answer a thousand objects are taken; the next request goes on after them."""
    api.answer_with(200, json.dumps({"users": [{"id": number} for number in range(1, 5001)]}))
    assert await asking.listed(api.url) == [*range(1, MOST_AT_ONCE + 1)]
    assert [asked.split("pageOffset=")[1] for asked in api.asked] == ["0", "1000"]


async def test_what_comes_again_counts_too(api: SpacesApi, asking: Asking) -> None:
    """A server that sends one new object among a thousand known ones is not read four hundred times."""
    known = [{"id": number} for number in range(2, MOST_AT_ONCE + 1)]
    told: list[Any] = []
    async for models in asking.client.listed(Access("spaces", api.url, Secret(KEY)), "users"):
        told += models
        api.answer_with(200, json.dumps({"users": [{"id": 10_000 + len(api.asked)}, *known]}))
    assert len(api.asked) <= 1 + MOST_OBJECTS // MOST_AT_ONCE
    assert len({model["id"] for model in told}) == len(told)


async def test_a_single_page(api: SpacesApi, asking: Asking) -> None:
    """A page is asked for in its space; one that is not there is no failure of the API."""
    api.pages[5148] = page(5148)
    assert (await asking.page(api.url))["title"] == "Release checklist"
    for page_id, space_id in (("5149", "42"), ("5148", "43")):
        with pytest.raises(ApiFailure) as caught:
            await asking.page(api.url, page_id, space_id)
        assert caught.value.outcome is ApiOutcome.NOT_FOUND
    assert api.asked == [f"/spaces/{ids}.json" for ids in ("42/pages/5148", "42/pages/5149", "43/pages/5148")]
    assert asking.counted == {ApiOutcome.OK: 1, ApiOutcome.NOT_FOUND: 2}


@pytest.mark.parametrize("strange", ["..", "../../users", "1?x=1", "0", "", "1" * 20, "①", "abc", "-1"])
async def test_an_id_that_is_none_is_not_asked_for(strange: str, api: SpacesApi, asking: Asking) -> None:
    """Ids come from bodies; nothing in them leads to another address."""
    for page_id, space_id in ((strange, "42"), ("5148", strange)):
        with pytest.raises(ApiFailure) as caught:
            await asking.page(api.url, page_id, space_id)
        assert caught.value.outcome is ApiOutcome.NOT_FOUND
    assert api.asked == []


async def test_another_page_than_the_one_asked_for(api: SpacesApi, asking: Asking) -> None:
    """It is not taken for the one that was meant."""
    api.answer_with(200, json.dumps({"page": page(1)}))
    with pytest.raises(ApiFailure) as caught:
        await asking.page(api.url)
    assert caught.value.outcome is ApiOutcome.NOT_FOUND


OURS = "the Spaces API of source spaces, 127.0.0.1:{port},"

KEY_OF = "the API key of source spaces"
CHECK = "check the site, or api"

ANSWERS = [
    (401, ApiOutcome.REFUSED, f"{KEY_OF} is refused (HTTP 401); make a new one in Spaces under Settings > API Keys"),
    (
        402,
        ApiOutcome.REFUSED,
        "the subscription behind source spaces has no Spaces API (HTTP 402); check it in Spaces, or remove api_key",
    ),
    (403, ApiOutcome.REFUSED, f"{KEY_OF} may not read users (HTTP 403); let somebody who sees all users make one"),
    (
        404,
        ApiOutcome.NOT_FOUND,
        f"nothing of the Spaces API is at 127.0.0.1:{{port}} (HTTP 404); {CHECK}, of source spaces",
    ),
    (
        429,
        ApiOutcome.THROTTLED,
        "the Spaces API of source spaces was asked too often (HTTP 429); it is left alone for a while",
    ),
    (500, ApiOutcome.FAILED, f"{OURS} has trouble of its own (HTTP 500); it is asked again later"),
    (503, ApiOutcome.FAILED, f"{OURS} has trouble of its own (HTTP 503); it is asked again later"),
    (302, ApiOutcome.FAILED, f"{OURS} redirects (HTTP 302), which is not followed"),
    (202, ApiOutcome.FAILED, f"{OURS} answers HTTP 202, which it should not; {CHECK}"),
    (400, ApiOutcome.FAILED, f"{OURS} answers HTTP 400, which it should not; {CHECK}"),
]


@pytest.mark.parametrize(("status", "outcome", "says"), ANSWERS)
async def test_every_refusal_says_what_to_mend(
    status: int, outcome: ApiOutcome, says: str, api: SpacesApi, asking: Asking
) -> None:
    """A status other than 200 becomes a sentence for an admin, which names the source and what to do."""
    api.answer_with(status)
    failure = await asking.failure(api.url)
    port = api.url.split(":")[2].split("/")[0]
    assert (failure.outcome, failure.problem, failure.status) == (outcome, says.format(port=port), status)


async def test_a_redirect_names_the_host_alone(api: SpacesApi, asking: Asking) -> None:
    """A site that has moved is named; the path of the new address is not, as it may be a secret."""
    api.answer_with(301, Location="https://acme.eu.teamwork.com/secret/users.json?key=1")
    failure = await asking.failure(api.url)
    assert "redirects to acme.eu.teamwork.com (HTTP 301)" in failure.problem
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("told", "wait"), [("120", 120.0), ("86000", LONGEST_WAIT), ("0", None), ("soon", None), ("999999999", None)]
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_wish_to_be_left_alone(
    status: int, told: str, wait: float | None, api: SpacesApi, asking: Asking
) -> None:
    """`Retry-After` is believed up to an hour."""
    api.answer_with(status, Retry_After=told)
    assert (await asking.failure(api.url)).wait == wait


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!doctype html><title>Log in</title>", "not JSON; check that the site, or api, leads to Spaces"),
        (b"", "not JSON"),
        (b"\xff\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "not JSON"),
        (b"[]", "JSON that has no users; check that the site, or api, leads to Spaces"),
        (b"{}", "JSON that has no users"),
        (b'{"users": null}', "JSON that has no users"),
        (b'{"users": {"9": {}}}', "JSON that has no users"),
        (b'{"spaces": []}', "JSON that has no users"),
        (json.dumps({"users": [user(n, email="x" * 500) for n in range(2000)]}).encode(), "more than 1 MiB"),
    ],
)
async def test_answers_that_are_none(body: bytes, says: str, api: SpacesApi, asking: Asking) -> None:
    """A login page, JSON of another kind, or far too much: each is called what it is."""
    api.answer_with(200, body)
    failure = await asking.failure(api.url)
    assert failure.outcome is ApiOutcome.FAILED
    assert says in failure.problem


async def test_an_answer_larger_than_that_of_a_destination_is_read(api: SpacesApi, asking: Asking) -> None:
    """A hundred people with long names take more than the 64 KiB that are read of a destination's answer."""
    api.users = {number: user(number, avatar="x" * 5_000) for number in range(1, 101)}
    assert len(await asking.listed(api.url)) == 100


@pytest.mark.parametrize("behaviour", [garbage, cut_off, endless()])
async def test_a_server_that_does_not_speak_http(behaviour: Any, asking: Asking) -> None:
    """What breaks off, has no end, or is another protocol, fails like everything else."""
    async with Sink() as sink:
        sink.answer_with(behaviour)
        failure = await asking.failure(f"{sink.url}/api")
        assert failure.problem.startswith(OURS.format(port=sink.port))


async def test_a_server_that_is_down(asking: Asking) -> None:
    """The sentence says what to check."""
    port = refused_port()
    failure = await asking.failure(f"http://127.0.0.1:{port}/api")
    assert failure.outcome is ApiOutcome.FAILED
    assert failure.problem == (
        f"{OURS.format(port=port)} cannot be reached: 127.0.0.1:{port} refused the connection; check that the service"
        " runs there, and the port"
    )


async def test_a_server_that_takes_too_long(api: SpacesApi, asking: Asking) -> None:
    """A request that is not answered within ten seconds is given up, and its connection closed."""
    api.hold()
    asked = asyncio.create_task(asking.failure(api.url))
    await api.until_asked(1)
    asking.clock.advance(seconds=REQUEST_SECONDS - 1)
    assert not asked.done()
    asking.clock.advance(seconds=1)
    assert "gives no answer within 10 s" in (await asked).problem


@pytest.mark.parametrize("key", ["schlüssel", "two words", "a\r\nHost: x", " \n", "\0"])
async def test_a_key_that_cannot_be_one(key: str, api: SpacesApi, asking: Asking) -> None:
    """It is not sent, and its text is not shown."""
    failure = await asking.failure(api.url, key)
    assert failure.outcome is ApiOutcome.REFUSED
    assert "holds white space or letters that no key has" in failure.problem
    assert api.asked == []


async def test_white_space_around_a_key_does_no_harm(api: SpacesApi, asking: Asking) -> None:
    """Files end with a line feed."""
    assert await asking.listed(api.url, key=f"{KEY}\n") == [9]


async def test_spaces_have_their_own_words(api: SpacesApi, asking: Asking) -> None:
    """What a space is called comes as `title` and `code`."""
    api.spaces = {7: space(7, "Sales", "sales")}
    assert await asking.listed(api.url, "spaces") == [7]


async def test_a_page_may_be_larger_than_a_list(api: SpacesApi, asking: Asking) -> None:
    """Its whole text comes with it."""
    api.pages[5148] = page(5148, content="x" * 2_000_000)
    assert (await asking.page(api.url))["id"] == 5148


# What is learned of it


async def test_what_an_api_tells_is_known_some_at_a_time(tmp_path: Path) -> None:
    """Each commit is known before the next is begun, so what an event tells in between is not undone by it."""
    clock, directory = Clock(), Directory()
    store = SqliteStore(tmp_path / "router.db", clock=clock)
    await store.open()
    models = [user(number) for number in range(1, 3 * LEARNED_AT_ONCE)]
    learner, access = Learner(store, directory, clock), Access("spaces", "http://127.0.0.1/", Secret(KEY))
    learning = asyncio.create_task(learner.learn(access, USERS, models))
    while directory.find("spaces", USERS, "1") is None:  # noqa: ASYNC110 - nobody is told of the first of three commits
        await asyncio.sleep(0)
    assert directory.find("spaces", USERS, str(len(models))) is None
    newer = Taught("spaces", Lesson(USERS, "1", clock.now(), {"name": "Ada King"}), clock.now())
    for known in await store.learn([newer]):
        directory.learn(known.source, known.kind, known.object_id, known.facts)
    assert await learning == len(models)
    assert (directory.find("spaces", USERS, "1") or {})["name"] == "Ada King"
    assert directory.counts() == {("spaces", USERS): len(models)}
    await store.close()
