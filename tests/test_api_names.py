"""Names from the Spaces API, through a whole router: there when it answers, and waited for by nobody when not."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from router.clock import rfc3339
from router.config.load import load
from router.messages.directory import SPACES, USERS
from router.secret import Secret
from router.spaces.pages import AT_ONCE, FIND_SECONDS, MISSING_SECONDS, MOST_UNDER_WAY, PAUSE_SECONDS, RECOVERY
from router.spaces.refresh import EVERY_SECONDS, SOON_SECONDS, START_SECONDS
from tests.metrics import scrape
from tests.running import RunningRouter
from tests.spaces_api import KEY, SpacesApi, page, space, user
from tests.waiting import until

DOCS = Path(__file__).parent.parent / "docs"

TEXT = (
    "{{ actor.name or 'Someone' }} {{ event.verb }} {{ page.title or 'a page' }} in {{ space.name or 'a space' }}"
    " {{ link }}"
)

NAMED = "Ada Byrne commented on Release checklist in Engineering https://acme.teamwork.com/spaces/eng/page/5148-release-checklist"
UNNAMED = "Someone commented on a page in a space"


def rules(url: str, *, key: str = KEY, message: str | None = TEXT) -> str:
    text = f", message: {json.dumps(message)}" if message else ""
    return f"""\
    site: acme.teamwork.com
    api_key: {key}
    api: {url}
destinations: {{docs: {{type: log}}}}
rules: [{{name: everything, events: "*", to: docs{text}}}]
"""


def comment(page_id: int = 5148, by: int = 9, space_id: int = 42) -> bytes:
    told = {"id": 1, "content": "<p>Fine</p>", "page": {"id": page_id}, "space": {"id": space_id}}
    return json.dumps({"comment": {**told, "createdBy": {"id": by, "type": "users"}}}).encode()


@pytest.fixture
async def api() -> AsyncIterator[SpacesApi]:
    async with SpacesApi() as served:
        served.pages[5148] = page(5148)
        yield served


async def say(router: RunningRouter, body: bytes | None = None) -> str:
    """Receive a comment; the text that was sent of it."""
    await router.accept("comment.created", comment() if body is None else body)
    await router.settle()
    return await last_text(router)


async def last_text(router: RunningRouter) -> str:
    told = await router.get(f"deliveries/{(await router.deliveries())[-1]['id']}")
    assert told["state"] == "delivered"
    return str(told["message"]["text"]).strip()


async def start(router: RunningRouter, api: SpacesApi) -> None:
    """Start a router whose API takes requests and does not answer."""
    starting = asyncio.create_task(router.__aenter__())
    await api.until_asked(2)
    router.clock.advance(seconds=START_SECONDS)
    await starting


# When it answers


async def test_names_and_links_are_there(api: SpacesApi, tmp_path: Path) -> None:
    """People and spaces are known before the first event comes; a page is looked up when a message needs it, once."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        assert [asked.split("?")[0] for asked in sorted(api.asked)] == ["/spaces.json", "/users.json"]
        assert await say(router) == NAMED
        assert await say(router) == NAMED
        assert api.asked[2:] == ["/spaces/42/pages/5148.json"]


async def test_names_stay_over_a_restart(api: SpacesApi, tmp_path: Path) -> None:
    """What was learned is in the store, so a start without the API names all that was known."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        await say(router)
    await api.go_down()
    async with RunningRouter(tmp_path, rules(api.url), clock=router.clock) as router:
        assert await say(router) == NAMED


async def test_people_and_spaces_are_read_again_every_hour(api: SpacesApi, tmp_path: Path) -> None:
    """So a new name is there within the hour, whoever asks for it."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.users[9] = user(9, "Ada", "King", updatedAt="2026-03-02T09:00:00Z")
        api.spaces[42] = space(42, "Engines", "engines", updatedAt="2026-03-02T09:00:00Z")
        await pass_time(router, EVERY_SECONDS - 1)
        assert await say(router) == NAMED
        await pass_time(router, 1)
        assert (await say(router)).startswith("Ada King commented on Release checklist in Engines")


async def test_somebody_unknown_is_asked_for_within_five_minutes(api: SpacesApi, tmp_path: Path) -> None:
    """The message does not wait; a later one has the name. Asking often does not mean reading often."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.users[10] = user(10, "Bob", "Hart")
        for _ in range(3):
            assert (await say(router, comment(by=10))).startswith("Someone commented on Release checklist")
        await pass_time(router, SOON_SECONDS - 1)
        assert reads(api) == 1
        await pass_time(router, 1)
        assert (await say(router, comment(by=10))).startswith("Bob Hart commented on Release checklist")
        await pass_time(router, SOON_SECONDS * 2)
        assert reads(api) == 2


async def test_who_is_not_there_is_not_asked_for_again(api: SpacesApi, tmp_path: Path) -> None:
    """A deleted account in every body: one read shows that it is gone, and the next one comes with the hour."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        for _ in range(6):
            router.app.names.ask_soon("spaces", [(USERS, "66"), (USERS, "66")])
            await pass_time(router, SOON_SECONDS)
        assert reads(api) == 2
        api.users[10] = user(10, "Bob", "Hart")
        router.app.names.ask_soon("spaces", [(USERS, "66"), (USERS, "10")])
        await pass_time(router, SOON_SECONDS)
        assert reads(api) == 3
        api.users[66] = user(66, "Cleo", "Nye")
        await pass_time(router, EVERY_SECONDS)
        assert (await say(router, comment(by=66))).startswith("Cleo Nye commented")


async def test_who_was_met_while_lists_cannot_be_read_is_asked_for_again(api: SpacesApi, tmp_path: Path) -> None:
    """Only a list that was read to its end shows that somebody is missing."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.answer_with(500)
        for times in range(3):
            router.app.names.ask_soon("spaces", [(USERS, "10"), (SPACES, "43")])
            await pass_time(router, SOON_SECONDS)
            assert reads(api) == 2 + times
        api.go_well()
        api.users[10] = user(10, "Bob", "Hart")
        router.app.names.ask_soon("spaces", [(USERS, "10"), (SPACES, "43")])
        await pass_time(router, SOON_SECONDS)
        assert (await say(router, comment(by=10))).startswith("Bob Hart commented")


async def test_a_person_of_the_rule_file_is_not_asked_for(api: SpacesApi, tmp_path: Path) -> None:
    """Whom the rule file names is known, whether the API has them or not."""
    named = rules(api.url).replace("destinations:", "people: {11: {name: Cleo}}\ndestinations:", 1)
    async with RunningRouter(tmp_path, named) as router:
        assert (await say(router, comment(by=11))).startswith("Cleo commented on")
        await pass_time(router, SOON_SECONDS)
        assert reads(api) == 1


async def test_a_thousand_people_are_learned_as_they_come(api: SpacesApi, tmp_path: Path) -> None:
    """Page by page, in the store and in memory."""
    api.users = {number: user(number, "Number", str(number)) for number in range(1, 1001)}
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        assert (await say(router, comment(by=1000))).startswith("Number 1000 commented")
        assert len(await router.app.store.newest_objects("spaces", 5000)) == 1000 + 1 + 1


async def test_what_the_api_told_counts_as_known_before(api: SpacesApi, tmp_path: Path) -> None:
    """A page that was looked up and then renamed: the message says what it was called."""
    text = "{{ changes.title.before }} → {{ changes.title.after }}"
    async with RunningRouter(tmp_path, rules(api.url, message=text)) as router:
        await say(router)
        renamed = page(5148, "Launch checklist", updatedAt="2026-03-02T09:00:00Z")
        await router.accept("page.updated", json.dumps({"page": renamed}).encode())
        await router.settle()
        assert await last_text(router) == "Release checklist → Launch checklist"


async def test_an_older_version_from_the_api_replaces_nothing(api: SpacesApi, tmp_path: Path) -> None:
    """A body told of a newer name than the API has; the newer one stays."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        newer = user(9, "Ada", "Lovelace", updatedAt="2026-03-02T09:00:00Z")
        await router.accept("user.updated", json.dumps({"user": newer}).encode())
        await pass_time(router, EVERY_SECONDS)
        assert (await say(router)).startswith("Ada Lovelace commented")


# When it does not

BAD: dict[str, Callable[[SpacesApi], Any]] = {
    "down": lambda api: api.go_down(),
    "key refused": lambda api: api.answer_with(401),
    "no subscription": lambda api: api.answer_with(402),
    "not allowed": lambda api: api.answer_with(403),
    "not found": lambda api: api.answer_with(404),
    "asked too often": lambda api: api.answer_with(429, Retry_After="30"),
    "broken": lambda api: api.answer_with(500, "<h1>Oops</h1>"),
    "garbage": lambda api: api.answer_with(200, b"\x00\xff<html>"),
    "other JSON": lambda api: api.answer_with(200, '{"users": {}, "spaces": 7, "page": []}'),
    "odd models": lambda api: api.answer_with(
        200, json.dumps({"users": [{"id": 9}, {"id": None}], "spaces": [[], {"id": {}}], "page": {"id": 5148}})
    ),
    "huge": lambda api: api.answer_with(200, b'{"users": [' + b" " * 5_000_000 + b"]}"),
    "elsewhere": lambda api: api.answer_with(302, Location="http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("trouble", BAD)
async def test_messages_leave_and_read_naturally(trouble: str, api: SpacesApi, tmp_path: Path) -> None:
    """Whatever the API does, the built-in message goes out at once, and has no `None` and no bare id in it."""
    done = BAD[trouble](api)
    if done is not None:
        await done
    async with RunningRouter(tmp_path, rules(api.url, message=None)) as router:
        text = await say(router)
        assert "omment" in text
        assert not any(wrong in text for wrong in ("None", "null", "5148", "user 9", "{", "  "))
        assert router.clock.monotonic() == 0  # nobody waited for anything


async def test_a_start_waits_five_seconds_at_most(api: SpacesApi, tmp_path: Path) -> None:
    """What is not there by then comes in the background, and names the messages after it."""
    api.hold()
    router = RunningRouter(tmp_path, rules(api.url))
    starting = asyncio.create_task(router.__aenter__())
    await api.until_asked(2)
    router.clock.advance(seconds=START_SECONDS - 1)
    assert router.app.stage == "starting"
    assert not starting.done()
    router.clock.advance(seconds=1)
    await starting
    assert router.app.stage == "serving"
    api.release()
    await router.app.names.quiet()
    assert await say(router) == NAMED
    await router.__aexit__()


async def test_one_slow_source_does_not_hold_up_another(api: SpacesApi, tmp_path: Path) -> None:
    """Five seconds are for all sources together, and those that answer are known by then."""
    async with SpacesApi() as slow:
        slow.hold()
        other = f"  other: {{unsigned: true, api_key: {KEY}, api: '{slow.url}'}}\n"
        router = RunningRouter(tmp_path, rules(api.url).replace("destinations:", other + "destinations:", 1))
        await start(router, slow)
        assert router.clock.monotonic() == START_SECONDS
        assert await say(router) == NAMED
        await router.__aexit__()


async def test_a_message_waits_two_seconds_at_most(api: SpacesApi, tmp_path: Path) -> None:
    """Then it goes without the title. The messages after it do not wait; the page is named as soon as it came."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.hold()
        await router.accept("comment.created", comment())
        await api.until_asked(3)
        assert await router.states() == ["sending"]
        router.clock.advance(seconds=FIND_SECONDS)
        await router.settle()
        assert await last_text(router) == "Ada Byrne commented on a page in Engineering"
        for page_id in range(1, 20):
            assert await say(router, comment(page_id)) == "Ada Byrne commented on a page in Engineering"
        assert len(api.asked) == 3
        api.release()
        await router.app.names.quiet()
        assert await say(router) == NAMED


@pytest.mark.parametrize("trouble", ["down", "key refused", "broken", "garbage", "elsewhere"])
async def test_after_a_failure_no_page_is_asked_for_for_a_minute(trouble: str, api: SpacesApi, tmp_path: Path) -> None:
    """A thousand messages that wait ask once and not a thousand times; after the minute names are back."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        done = BAD[trouble](api)
        if done is not None:
            await done
        for _ in range(5):
            assert await say(router) == "Ada Byrne commented on a page in Engineering"
        assert (await stats(router))["requests"]["ok"] == 2
        assert sum((await stats(router))["requests"].values()) == 3
        api.go_well()
        if trouble == "down":
            api.come_up()
        await pass_time(router, PAUSE_SECONDS - 1)
        assert await say(router) == "Ada Byrne commented on a page in Engineering"
        await pass_time(router, 1)
        assert await say(router) == NAMED


async def test_an_api_that_wants_to_be_left_alone_is(api: SpacesApi, tmp_path: Path) -> None:
    """`Retry-After` says for how long, for pages and for people and spaces."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.answer_with(429, Retry_After="1800")
        await say(router, comment(by=10))
        await pass_time(router, SOON_SECONDS)  # reads people and spaces, in vain
        asked = len(api.asked)
        await say(router, comment(by=10))
        await pass_time(router, 1400)
        await say(router, comment(by=10))
        assert len(api.asked) == asked
        api.go_well()
        api.users[10] = user(10, "Bob", "Hart")
        await pass_time(router, 400)
        assert (await say(router, comment(by=10))).startswith("Bob Hart commented on Release checklist")


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_a_page_that_is_not_to_be_had_is_not_asked_for_again(status: int, api: SpacesApi, tmp_path: Path) -> None:
    """For ten minutes; other pages are, since the API works."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.answer_with(status)
        for _ in range(3):
            assert await say(router) == "Ada Byrne commented on a page in Engineering"
        assert len(api.asked) == 3
        await say(router, comment(5149))
        assert len(api.asked) == 4
        api.go_well()
        await pass_time(router, MISSING_SECONDS)
        assert await say(router) == NAMED
        assert (await stats(router))["failing"] == []


async def test_a_page_without_a_title_is_not_asked_for_again(api: SpacesApi, tmp_path: Path) -> None:
    """An answer that tells nothing is like none."""
    api.pages[5148] = {"id": 5148, "space": {"id": 42}, "title": None}
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        for _ in range(3):
            assert await say(router) == "Ada Byrne commented on a page in Engineering"
        assert len(api.asked) == 3


async def test_a_page_is_asked_for_once_at_a_time(api: SpacesApi, tmp_path: Path) -> None:
    """Many messages that need one page ask for it together; of different pages four are asked for at a time."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.hold()
        names = router.app.names
        same = [asyncio.create_task(names.find_pages("spaces", [("5148", "42")] * 2)) for _ in range(10)]
        others = [asyncio.create_task(names.find_pages("spaces", [(str(1 + n), "42")])) for n in range(20)]
        await api.until_asked(2 + AT_ONCE)
        assert len(api.asked) == 2 + AT_ONCE
        api.release()
        await asyncio.gather(*same, *others)
        assert sorted(api.asked[2:]) == sorted({f"/spaces/42/pages/{n}.json" for n in (5148, *range(1, 21))})
        assert router.app.directory.find("spaces", "pages", "5148") is not None


async def test_a_burst_of_messages_waits_two_seconds_in_all(api: SpacesApi, tmp_path: Path) -> None:
    """Comments on eight pages, of an API that takes 1.9 s: one is named, none is late, and all pages are known soon."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.pages = {number: page(number) for number in range(1, 9)}
        api.take(1.9, router.clock)
        for number in range(1, 9):
            await router.accept("comment.created", comment(number))
        await api.until_asked(2 + 1)
        router.clock.advance(seconds=1.9)
        await api.until_asked(2 + 2)
        router.clock.advance(seconds=0.1)
        await router.settle()
        assert router.clock.monotonic() == FIND_SECONDS
        assert await router.states() == ["delivered"] * 8
        told = [(await router.get(f"deliveries/{each['id']}"))["message"]["text"] for each in await router.deliveries()]
        assert [("Release checklist" in text) for text in told] == [True] + [False] * 7
        await api.until_asked(2 + 1 + AT_ONCE)
        router.clock.advance(seconds=1.8)
        await api.until_asked(2 + 6)
        router.clock.advance(seconds=0.1)
        await api.until_asked(2 + 8)
        await until(lambda: len(list(router.app.names._pages._background)) == 3)  # a page may be known a turn before
        router.clock.advance(seconds=1.8)
        await until(lambda: len(list(router.app.names._pages._background)) == 2)
        await pass_time(router, 0.1)
        for number in range(1, 9):
            assert "Release checklist" in await say(router, comment(number))
        assert len(api.asked) == 2 + 8
        assert (await stats(router))["failing"] == []


async def test_messages_wait_again_after_a_while(api: SpacesApi, tmp_path: Path) -> None:
    """Twenty quiet seconds are worth one of waiting, so an API that is slow names all messages that come singly."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.pages = {number: page(number) for number in range(1, 6)}
        api.take(0.9, router.clock)
        for number in range(1, 6):
            await router.accept("comment.created", comment(number))
            await api.until_asked(2 + number)
            await pass_time(router, 0.9)
            assert "Release checklist" in await last_text(router)
            await pass_time(router, 0.9 * RECOVERY)


async def test_waiting_for_its_turn_is_no_slowness_of_the_api(api: SpacesApi, tmp_path: Path) -> None:
    """Only four pages are asked for at once; that others wait for these is no trouble, and no reason for a pause."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.take(1.5, router.clock)
        pages = [(str(number), "42") for number in range(1, 9)]
        asking = asyncio.create_task(router.app.names.find_pages("spaces", pages))
        await api.until_asked(2 + AT_ONCE)
        router.clock.advance(seconds=1.5)
        await api.until_asked(2 + 2 * AT_ONCE)
        await pass_time(router, 1.5)
        await asking
        assert (await stats(router))["failing"] == []
        assert (await stats(router))["requests"]["not_found"] == 8


async def test_of_a_thousand_messages_most_look_nothing_up(api: SpacesApi, tmp_path: Path) -> None:
    """Look-ups that nobody waits for do not pile up."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.hold()
        pages = [(str(number), "42") for number in range(1, 1001)]
        asking = asyncio.create_task(router.app.names.find_pages("spaces", pages))
        await api.until_asked(2 + AT_ONCE)
        api.release()
        await asking
        await router.app.names.quiet()
        assert len(api.asked) == 2 + MOST_UNDER_WAY


async def test_how_long_names_took_is_no_part_of_an_attempt(api: SpacesApi, tmp_path: Path) -> None:
    """An attempt lasts as long as its destination takes, in what is shown of it and in the metrics."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.take(1.5, router.clock)
        await router.accept("comment.created", comment())
        await api.until_asked(3)
        await pass_time(router, 1.5)
        (delivery,) = await router.deliveries()
        (attempt,) = [each for each in await router.history(delivery) if "duration_ms" in each]
        assert (attempt["duration_ms"], attempt["started_at"]) == (0, rfc3339(router.clock.now()))
        assert (await scrape(router)).value("attempt_duration_seconds_sum", destination="docs") == 0


async def test_asking_for_what_cannot_be_asked(api: SpacesApi, tmp_path: Path) -> None:
    """A source that is gone, one without an API, and ids that are none are no error."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        for source, found in [("gone", [("1", "2")]), ("spaces", []), ("spaces", [("..", "42"), ("1", "../users")])]:
            await router.app.names.find_pages(source, found)
            router.app.names.ask_soon(source)
        assert len(api.asked) == 2


async def test_a_stop_ends_what_is_asked(api: SpacesApi, tmp_path: Path) -> None:
    """A router stops at once, whatever the API is doing; after that nobody is asked."""
    api.hold()
    router = RunningRouter(tmp_path, rules(api.url))
    await start(router, api)
    asking = asyncio.create_task(router.app.names.find_pages("spaces", [("5148", "42")]))
    await api.until_asked(3)
    await router.__aexit__()
    await asking
    assert router.clock.monotonic() == START_SECONDS
    await router.app.names.find_pages("spaces", [("5149", "42")])
    router.app.names.adopt()
    router.clock.advance(seconds=2 * EVERY_SECONDS)
    assert len(api.asked) == 3


# Changes of the rule file


async def test_a_new_key_is_used_at_once(api: SpacesApi, tmp_path: Path) -> None:
    """Mending the key in the rule file is enough: people and spaces are read, and pages are asked for again."""
    async with RunningRouter(tmp_path, rules(api.url, key="tkn.v1_an-old-key")) as router:
        assert await say(router) == UNNAMED
        assert len((await stats(router))["failing"]) == 1
        router.write(rules(api.url))
        assert (await router.post("/-/reload")).status_code == 200
        await router.app.names.quiet()
        assert (await stats(router))["failing"] == []
        assert await say(router) == NAMED


async def test_a_late_answer_to_the_old_key_is_no_trouble_of_the_new_one(api: SpacesApi, tmp_path: Path) -> None:
    """A page that was asked for before the reload, and is refused after it, says nothing of the key of today."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        api.take(1.5, router.clock)
        await router.accept("comment.created", comment())
        await api.until_asked(3)
        api.take(0, router.clock)
        router.write(rules(api.url, key="tkn.v1_the-next-key"))
        api.key = "tkn.v1_the-next-key"
        router.clock.advance(seconds=1)
        assert (await router.post("/-/reload")).status_code == 200
        await until(lambda: router.app.names.figures()["spaces"].refreshed_at == router.clock.now())
        await pass_time(router, 0.5)
        told = await stats(router)
        assert told["requests"]["refused"] == 1
        assert told["failing"] == []


async def test_an_unchanged_source_is_not_read_again(api: SpacesApi, tmp_path: Path) -> None:
    """A reload that changes something else asks the API nothing."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        router.write(rules(api.url).replace("name: everything", "name: all of it"))
        assert (await router.post("/-/reload")).status_code == 200
        await router.app.names.quiet()
        assert len(api.asked) == 2


async def test_sources_come_and_go(api: SpacesApi, tmp_path: Path) -> None:
    """A key that is taken out of the rule file is not used any more; one that is put in is."""
    with_key = rules(api.url)
    without = with_key.replace(f"    api_key: {KEY}\n    api: {api.url}\n", "")
    async with RunningRouter(tmp_path, without) as router:
        assert await say(router) == UNNAMED
        router.write(with_key)
        assert (await router.post("/-/reload")).status_code == 200
        await router.app.names.quiet()
        assert await say(router) == NAMED
        router.write(without)
        assert (await router.post("/-/reload")).status_code == 200
        await pass_time(router, 2 * EVERY_SECONDS)
        await say(router, comment(5149, by=12))
        assert len(api.asked) == 3
        assert "apis" not in await router.get("stats")


# What is said of it


def test_the_rule_file_of_the_page_on_names(tmp_path: Path) -> None:
    """What an admin is told to write asks the API of the site."""
    (example,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "names.md").read_text(), re.DOTALL)
    path = tmp_path / "rules.yaml"
    path.write_text(example + "destinations: {docs: {type: log}}\nrules: [{name: all, events: '*', to: docs}]\n")
    source = load(path, {"SPACES_TOKEN": "a-token", "SPACES_API_KEY": KEY}).sources["spaces"]
    assert source.api == "https://acme.teamwork.com/spaces/api/v1"
    assert source.api_key == Secret(KEY)


async def test_what_the_page_on_names_shows(api: SpacesApi, tmp_path: Path) -> None:
    """An hour after a good start the key is refused: the page, and the sentence in it, are what an admin reads."""
    (example,) = re.findall(r"```json\n(.*?)```", (DOCS / "names.md").read_text(), re.DOTALL)
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        await say(router)
        api.answer_with(401)
        await pass_time(router, EVERY_SECONDS)
        assert (await router.get("stats"))["apis"] == json.loads(example)


async def test_metrics_count_what_requests_came_to(api: SpacesApi, tmp_path: Path) -> None:
    """From the first scrape on, by source; and how many names are known."""
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        told = await scrape(router)
        assert told.by("outcome", "api_requests_total", source="spaces") == {"ok": 2}
        assert told.value("api_requests_total", source="spaces", outcome="refused") == 0
        assert told.by("kind", "known_objects", source="spaces") == {"users": 1, "spaces": 1}
        assert told.value("api_failing", source="spaces") == 0
        await say(router, comment(5149))
        api.answer_with(429)
        await say(router)
        told = await scrape(router)
        assert told.by("outcome", "api_requests_total", source="spaces") == {"ok": 2, "not_found": 1, "throttled": 1}
        assert told.value("api_failing", source="spaces") == 1


async def test_the_log_hears_of_a_trouble_once(
    api: SpacesApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins, when it becomes another one, and when it is over; not every hour."""
    caplog.set_level(logging.INFO, "router.spaces")
    api.answer_with(401)
    async with RunningRouter(tmp_path, rules(api.url)) as router:
        for _ in range(3):
            await pass_time(router, EVERY_SECONDS)
            await say(router)
        await api.go_down()
        for _ in range(3):
            await pass_time(router, EVERY_SECONDS)
        api.come_up()
        api.go_well()
        for _ in range(3):
            await pass_time(router, EVERY_SECONDS)
            await say(router)
    said = [
        (record.message, getattr(record, "problem", "")[:42])
        for record in caplog.records
        if record.name == "router.spaces"
    ]
    assert said == [
        ("api.failing", "the API key of source spaces is refused (H"),
        ("api.failing", "the Spaces API of source spaces, 127.0.0.1"),
        ("api.recovered", ""),
    ]
    assert KEY not in caplog.text


def reads(api: SpacesApi) -> int:
    """How often all people were read."""
    return api.asked.count("/users.json?pageSize=100&pageOffset=0")


async def stats(router: RunningRouter) -> Any:
    return (await router.get("stats"))["apis"]["spaces"]


async def pass_time(router: RunningRouter, seconds: float) -> None:
    """Let time pass, and wait for what that set off."""
    router.clock.advance(seconds=seconds)
    await router.app.names.quiet()
    await router.settle()
