"""Replaying many: which ones, what they would say, and what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from router.clock import SystemClock
from router.config.load import load
from router.config.reload import RuleSets
from router.delivery.bulk import Bulk, Place, Step, Wish
from router.delivery.replay import CannotReplay
from router.delivery.replayer import NotNow, Replayer
from router.errors import StoreUnavailable
from router.events import Cause, Delivery, DeliveryState, Message
from router.ids import IdSource
from router.store.reading import SqliteReader
from router.store.records import DeliveryFilter, Expiry, Objection
from router.store.sqlite import SqliteStore
from tests.admin_calls import PAGE, ask, failing
from tests.fakes import Clock
from tests.lane_parts import Place as Target
from tests.lane_parts import Rig, Settings, Store
from tests.mail_sinks import MailSink
from tests.process import RouterProcess
from tests.running import SOURCES, TOKEN, RunningRouter
from tests.sinks import Sink, answer
from tests.store.values import Values

DEAD, DELIVERED = DeliveryState.DEAD, DeliveryState.DELIVERED
REPLAY = "/api/v1/replay"

RULES = """\
destinations:
  wiki: {type: log, rate: 1/h}
  ops: {type: log, rate: 1/h}
  closed: {type: log, enabled: false}
rules:
  - {name: pages, events: page.*, to: wiki, message: '{{ page.title }}!'}
  - {name: moves, events: page.updated.moved, to: ops}
"""


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, RULES) as running:
        yield running


class History:
    """Deliveries of the past in a router's store."""

    def __init__(self, router: RunningRouter) -> None:
        self._router = router
        self.values = Values(router.clock)
        self.today = router.app.rulesets.current.hash

    async def add(self, *deliveries: dict[str, Any], body: bytes = PAGE) -> list[str]:
        """Store an event with deliveries, dead letters of `pages` at `wiki` unless they say otherwise; their ids."""
        event = self.values.event(body, ruleset=self.today)
        made = [
            self.values.delivery(
                event, **({"destination": "wiki", "rule": "pages", "state": DEAD, "ruleset": self.today} | fields)
            )
            for fields in deliveries or ({},)
        ]
        await self._router.app.store.accept(event, made)
        return [str(one.id) for one in made]


async def call(router: RunningRouter, **wish: Any) -> Any:
    status, told = await ask(router, REPLAY, "POST", json=wish)
    assert status == 200, told
    return told


async def call_to_the_end(router: RunningRouter, **wish: Any) -> list[str]:
    """Follow `next`; all ids."""
    told = await call(router, **wish)
    ids: list[str] = told["replayed"]
    while told["next"] is not None:
        told = await call(router, **wish, cursor=told["next"])
        ids += told["replayed"]
    return ids


async def origins(router: RunningRouter) -> list[str]:
    """Which deliveries were replayed, once for each replay."""
    replays = [one for one in await router.deliveries() if one["cause"] == "replay"]
    return [(await router.get(f"deliveries/{one['id']}"))["origin_id"] for one in replays]


# Which


async def test_dead_letters_are_healed(tmp_path: Path) -> None:
    """After the destination is mended, one call sends everything that did not arrive, in the order of the events."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(503))
        for number in range(5):
            await router.accept("page.updated", b'{"page": {"id": %d, "title": "Page %d"}}' % (number, number))
            await router.settle()
        sink.answer_with(answer(200))
        told = await call(router)
        await router.settle()
        made = (await router.deliveries())[5:]
        assert told == {
            "dry_run": False,
            "replayed": [one["id"] for one in made],
            "counts": [{"destination": "wiki", "rule": "pages", "count": 5}],
            "skipped": [],
            "examples": [],
            "next": None,
        }
        assert [(one["state"], one["cause"]) for one in made] == [("delivered", "replay")] * 5
        assert [request.body for request in sink.received[5:]] == [b"Page %d!" % number for number in range(5)]
        told = await call(router)
        assert told["replayed"] == []
        (skipped,) = told["skipped"]
        assert (skipped["reason"], skipped["count"]) == ("replayed", 5)
        assert "replayed before" in skipped["message"]
        await router.settle()
        assert len(sink.received) == 10


async def test_choice(router: RunningRouter) -> None:
    """By state, destination, rule and time of the deliveries; what is under way or arrived is never among dead ones."""
    history = History(router)
    (first,) = await history.add()
    (moved,) = await history.add({"destination": "ops", "rule": "moves"})
    router.clock.advance(minutes=60)
    (second,) = await history.add()
    (fine,) = await history.add({"state": DELIVERED})
    await history.add({"state": DeliveryState.HELD, "due_at": router.clock.now() + timedelta(hours=9)})

    async def found(**wish: Any) -> list[str]:
        return (await call(router, dry_run=True, **wish))["replayed"]  # type: ignore[no-any-return]

    assert await found() == await found(state="dead") == [first, moved, second]
    assert await found(state="delivered") == [fine]
    assert await found(state="suppressed") == []
    assert await found(destination="ops") == [moved]
    assert await found(rule="pages") == [first, second]
    assert await found(since="2026-03-02T10:00:00Z") == [second]
    assert await found(until="2026-03-02T11:00:00+01:00") == [first, moved]
    assert await found(until="9999-12-31T23:59:59Z") == [first, moved, second]
    assert await found(since="9999-12-31T23:59:59Z") == []
    assert await found(since="2026-03-02T09:15:00Z", until="2026-03-02T10:15:00Z", rule="moves") == [moved]
    assert len(await router.deliveries()) == 5


async def test_rehearsal_changes_nothing(router: RunningRouter) -> None:
    """`dry_run` tells which, how many to which destination, and what the first would say by today's rules."""
    history = History(router)
    ids = [*await history.add(), *await history.add({"destination": "ops", "rule": "moves"})]
    ids += [(await history.add(body=b'{"page": {"id": 1, "title": "<b>%d</b>"}}' % number))[0] for number in range(3)]
    told = await call(router, dry_run=True)
    assert (told["dry_run"], told["replayed"], told["next"]) == (True, ids, None)
    assert told["counts"] == [
        {"destination": "wiki", "rule": "pages", "count": 4},
        {"destination": "ops", "rule": "moves", "count": 1},
    ]
    first, moved, third = told["examples"]
    assert first == {
        "id": ids[0],
        "destination": "wiki",
        "rule": "pages",
        "message": {"text": "Release checklist!"},
        "message_error": None,
    }
    assert moved["message"]["text"].startswith("Someone updated Release checklist")
    assert third["message"] == {"text": "<b>0</b>!"}
    assert await router.states() == ["dead"] * 5
    elsewhere = await call(router, dry_run=True, to="ops")
    assert elsewhere["counts"] == [
        {"destination": "ops", "rule": "pages", "count": 4},
        {"destination": "ops", "rule": "moves", "count": 1},
    ]


async def test_rehearsal_says_what_cannot_be_written(router: RunningRouter) -> None:
    """Where a template fails, the sentence stands in the place of the message."""
    history = History(router)
    await history.add()
    router.write(RULES.replace("{{ page.title }}!", "{{ 1 // page.absent }}"))
    await router.post("/-/reload")
    (example,) = (await call(router, dry_run=True))["examples"]
    assert example["message"] is None
    assert example["message_error"]


async def test_delivered_by_its_fallback(router: RunningRouter) -> None:
    """What arrived by a stand-in is skipped, unless it is asked for `again`; one whose stand-in failed is sent."""
    history = History(router)
    kept = {}
    for state in (DELIVERED, DEAD):
        (dead,) = await history.add()
        listed = await router.app.store.delivery(int(dead))
        assert listed is not None
        event = await router.app.store.event(listed.delivery.event_id)
        assert event is not None
        stand_in = history.values.delivery(
            event, "ops", cause=Cause.FALLBACK, origin_id=int(dead), state=state, rule="pages", ruleset=history.today
        )
        await router.app.store.insert(stand_in)
        kept[state] = dead
    told = await call(router, dry_run=True, destination="wiki")
    assert told["replayed"] == [kept[DEAD]]
    assert [(one["reason"], one["count"]) for one in told["skipped"]] == [("delivered_by_fallback", 1)]
    assert "delivered by a fallback" in told["skipped"][0]["message"]
    told = await call(router)
    assert await origins(router) == [kept[DEAD]], "its failed stand-in is not sent beside it"
    assert {one["reason"]: one["count"] for one in told["skipped"]} == {"delivered_by_fallback": 1, "replayed": 1}
    assert (await call(router, again=True, destination="wiki", dry_run=True))["replayed"] == [*kept.values()]


async def test_again(router: RunningRouter) -> None:
    """`again` sends once more what was replayed before."""
    (dead,) = await History(router).add()
    assert len((await call(router))["replayed"]) == 1
    assert (await call(router))["replayed"] == []
    assert len((await call(router, again=True))["replayed"]) == 1
    assert await origins(router) == [dead, dead]


async def test_another_destination(router: RunningRouter) -> None:
    """`to` sends everything there, also what has lost its own destination."""
    history = History(router)
    await history.add({"destination": "taken out"}, {"destination": "closed"}, {})
    told = await call(router)
    assert len(told["replayed"]) == 1
    assert {one["reason"] for one in told["skipped"]} == {"unknown_destination", "destination_disabled"}
    sentences = " ".join(one["message"] for one in told["skipped"])
    assert "'taken out' is gone from the rule file; give it back to the rule file, or name another as 'to'" in sentences
    assert "'closed' is switched off" in sentences
    assert len((await call(router, to="ops"))["replayed"]) == 2
    assert len(await router.deliveries(destination="ops")) == 2


async def test_rule_set_that_is_not_kept(router: RunningRouter) -> None:
    """What nobody can write any more is skipped, and the sentence names its rule."""
    await History(router).add({"rule": "lost", "ruleset": "lost"}, {})
    told = await call(router)
    assert len(told["replayed"]) == 1
    (skipped,) = told["skipped"]
    assert (skipped["reason"], skipped["count"]) == ("ruleset_gone", 1)
    assert "the rule 'lost' is not in the rule file" in skipped["message"]


async def test_who_has_a_mail_gets_no_second_copy(tmp_path: Path) -> None:
    """In bulk, too, a mail goes on to those who did not get it."""
    rules = """\
destinations:
  ops: {type: email, smtp: "%s", from: wiki@example.com, to: [a@example.com, b@example.com]}
rules:
  - {name: everything, events: "*", to: ops}
"""
    async with MailSink() as sink, RunningRouter(tmp_path, rules % sink.url) as router:
        sink.refuse("b@example.com", "550 no such user", None)
        await router.accept()
        await router.settle()
        assert len((await call(router))["replayed"]) == 1
        await router.settle()
    assert [mail.recipients for mail in sink.mails] == [["a@example.com"], ["b@example.com"]]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"state": "pending"}, "state is 'pending', which is not the end of anything"),
        ({"state": "deaf"}, "(did you mean 'dead'?)"),
        ({"state": ["dead"]}, "state is not a text"),
        ({"since": "1d"}, "since is '1d'; expected a time with its offset"),
        ({"until": "yesterday"}, "until is 'yesterday'"),
        ({"since": "2026-03-02T09:15:00Z", "until": "2026-03-02T10:15:00+01:00"}, "until is not after since"),
        ({"again": "yes"}, "again is neither true nor false"),
        ({"dry_run": 1}, "dry_run is neither true nor false"),
        ({"cursor": "x"}, "cursor is 'x'; expected the text of 'next'"),
        ({"cursor": "cmVwbGF5OjU="}, "cursor is"),  # with one number
        ({"cursor": "cHVyZ2U6NTo2"}, "cursor is"),  # of another call
        ({"destinaton": "wiki"}, "(did you mean 'destination'?)"),
        ({"limit": 5}, "unknown key 'limit' in the body"),
    ],
)
async def test_wish_that_cannot_be_meant(router: RunningRouter, wish: dict[str, Any], said: str) -> None:
    """A mistake sends nothing: the answer is 400 and says what is expected."""
    await History(router).add()
    status, told = await ask(router, REPLAY, "POST", json=wish)
    assert (status, told["error"]) == (400, "bad_request")
    assert said in told["message"]
    assert len(await router.deliveries()) == 1


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        ({"to": "opps"}, "unknown_destination", "did you mean 'ops'?"),
        ({"to": "closed"}, "destination_disabled", "'closed' is switched off"),
        ({"destination": "wikki"}, "unknown_destination", "'wikki' is gone from the rule file"),
        ({"destination": "wikki"}, "unknown_destination", "did you mean 'wiki'?"),
        ({"destination": "closed", "dry_run": True}, "destination_disabled", "or name another as 'to'"),
    ],
)
async def test_destination_that_takes_nothing(
    router: RunningRouter, wish: dict[str, Any], code: str, said: str
) -> None:
    """Where all of it would go to a destination that takes nothing, the answer says so before anything is looked at."""
    status, told = await ask(router, REPLAY, "POST", json=wish)
    assert (status, told["error"]) == (422, code)
    assert said in told["message"]


# Many, and meanwhile


async def test_many_go_in_steps(router: RunningRouter) -> None:
    """However many there are, each call is short; following `next`, everything is replayed exactly once."""
    history = History(router)
    dead = [one for ids in await asyncio.gather(*(history.add() for _ in range(1250))) for one in ids]
    rehearsed = await call(router, dry_run=True)
    assert (len(rehearsed["replayed"]), rehearsed["next"] is None) == (1000, False)
    told = await call(router)
    assert len(told["replayed"]) == 1000
    rest = await call(router, cursor=told["next"])
    assert (len(rest["replayed"]), rest["next"]) == (250, None)
    page = await router.get("deliveries", state="dead", limit=1)
    assert page["deliveries"][0]["id"] == max(dead, key=int), "they are still there, as history"
    assert (await router.get("stats"))["destinations"]["wiki"]["pending"] == 1249  # its rate lets one go


async def test_two_who_ask_at_once_make_no_doubles(router: RunningRouter) -> None:
    """Whoever comes second is told that it was replayed."""
    history = History(router)
    dead = [one for ids in await asyncio.gather(*(history.add() for _ in range(250))) for one in ids]
    several = await asyncio.gather(*(call_to_the_end(router) for _ in range(3)), call_to_the_end(router, to="ops"))
    made = [one for ids in several for one in ids]
    assert len(made) == len(set(made)) == 250
    stored = [one for one in await router.deliveries() if one["cause"] == "replay"]
    assert {one["id"] for one in stored} == set(made)
    assert sorted(await origins(router)) == sorted(dead)


async def test_what_fails_again_at_once_is_not_replayed_again(tmp_path: Path) -> None:
    """A run looks at nothing that was made after it began, so it comes to its end however quickly its replays fail."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url)) as router:
        sink.answer_with(answer(400))
        history = History(router)
        for _ in range(3):
            await history.add()
        told = await call(router, again=True)
        await router.settle()
        assert await router.states() == ["dead"] * 6
        bulk = Bulk(router.app._parts.replayer)
        began = Place(0, int(min(told["replayed"], key=int)) - 1)
        for wish in (Wish(), Wish(again=True)):
            step = await bulk.replay(wish, began)
            assert (step.replayed, step.next) == ([], None)
            assert [skipped.reason for skipped in step.skipped] == ["replayed"]
        assert len((await call(router))["replayed"]) == 3, "the next run takes what failed again"


class Watched(Store):
    """
    The real store, beside which something happens before each insertion.

    Attributes:
        meanwhile: Told how many insertions there were.
    """

    meanwhile: Callable[[int], Awaitable[object]] | None = None
    inserted = 0

    async def insert_unless(self, deliveries: Sequence[Delivery], objection: Objection) -> Sequence[str | None]:
        if self.meanwhile is not None:
            await self.meanwhile(self.inserted)
        self.inserted += 1
        return await super().insert_unless(deliveries, objection)


class Stage:
    """Lanes on a store with dead letters, and a replayer whose surroundings a test changes."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.target = Target()
        self.rig = Rig(folder, {"wiki": Settings(self.target)}, clock=self.clock, store=Watched)
        self.store = self.rig.store
        assert isinstance(self.store, Watched)
        self.watched = self.store
        self.trouble: tuple[str, str] | None = None
        self.values = Values(self.clock)
        self.replayer = Replayer(
            store=self.store,
            rulesets=RuleSets(self.rig.configuration, self.store),
            lanes=self.rig.lanes,
            ids=IdSource(self.clock),
            clock=self.clock,
            trouble=lambda: self.trouble,
        )
        self.bulk = Bulk(self.replayer)

    async def __aenter__(self) -> Self:
        await self.rig.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rig.__aexit__()

    async def dead_letters(self, count: int) -> list[int]:
        return [await self.dead_letter(number) for number in range(count)]

    async def dead_letter(self, number: int) -> int:
        today = self.rig.configuration.hash
        event = self.values.event(b'{"n": %d}' % number, ruleset=today)
        delivery = self.values.delivery(event, "wiki", rule="everything", ruleset=today, state=DEAD)
        await self.store.accept(event, [delivery])
        return delivery.id

    async def replayed(self) -> Counter[int | None]:
        """How often each was replayed."""
        listed = await self.store.deliveries(DeliveryFilter(limit=10_000))
        return Counter(one.delivery.origin_id for one in listed if one.delivery.cause is Cause.REPLAY)

    async def to_the_end(self, wish: Wish, step: Step) -> Step:
        while step.next is not None:
            step = await self.bulk.replay(wish, step.next)
        return step


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("again", [False, True])
async def test_store_that_fails_in_the_middle(stage: Stage, again: bool) -> None:
    """What was inserted is told; going on from there, or anew, inserts the rest and no doubles."""
    dead = await stage.dead_letters(250)

    async def meanwhile(inserted: int) -> None:
        if inserted == 1:
            stage.rig.disk.fail()

    stage.watched.meanwhile = meanwhile
    wish = Wish(again=again)
    step = await stage.bulk.replay(wish, None)
    assert len(step.replayed) == 100
    assert step.next is not None
    with pytest.raises(StoreUnavailable):
        await stage.bulk.replay(wish, step.next)
    stage.watched.meanwhile = None
    stage.rig.disk.heal()
    while not stage.store.available:
        await asyncio.sleep(0)
        stage.clock.advance(seconds=0.1)
    await stage.to_the_end(wish, step)
    assert await stage.replayed() == dict.fromkeys(dead, 1)
    if not again:
        assert (await stage.bulk.replay(wish, None)).replayed == []
    await stage.rig.lanes.quiet()
    assert Counter(stage.target.received) == dict.fromkeys(range(250), 1)


async def test_stop_in_the_middle(stage: Stage) -> None:
    """While the router stops, a step ends with what it has done; the rest is refused, and not lost."""
    dead = await stage.dead_letters(250)

    async def meanwhile(inserted: int) -> None:
        if inserted == 0:
            stage.trouble = ("stopping", "the router is stopping")

    stage.watched.meanwhile = meanwhile
    step = await stage.bulk.replay(Wish(), None)
    assert (len(step.replayed), step.next is None) == (100, False)
    with pytest.raises(NotNow, match="stopping"):
        await stage.bulk.replay(Wish(), step.next)
    stage.trouble = None
    await stage.to_the_end(Wish(), await stage.bulk.replay(Wish(), None))
    assert await stage.replayed() == dict.fromkeys(dead, 1)


async def test_retention_in_the_middle(stage: Stage) -> None:
    """What is removed between looking and inserting is skipped, and the others are replayed."""
    (old,) = await stage.dead_letters(1)
    stage.clock.advance(minutes=60 * 24 * 2)
    young = await stage.dead_letter(1)

    async def meanwhile(_: int) -> None:
        before = stage.clock.now() - timedelta(days=1)
        assert (await stage.store.forget(Expiry(before, before), 0, 10)).events == 1

    stage.watched.meanwhile = meanwhile
    step = await stage.bulk.replay(Wish(), None)
    assert [(skipped.reason, count) for skipped, count in step.skipped.items()] == [("event_gone", 1)]
    assert await stage.replayed() == {young: 1}
    assert await stage.store.delivery(old) is None


async def test_retention_before_a_single_replay(stage: Stage) -> None:
    """A delivery that is removed while it is replayed is not there, and that is the answer."""
    (old,) = await stage.dead_letters(1)
    stage.clock.advance(minutes=60 * 24 * 2)
    listed = await stage.store.delivery(old)
    assert listed is not None

    async def meanwhile(_: int) -> None:
        before = stage.clock.now() - timedelta(days=1)
        await stage.store.forget(Expiry(before, before), 0, 10)

    stage.watched.meanwhile = meanwhile
    assert await stage.replayer.delivery(old, None) is None
    other = await stage.dead_letter(2)
    stage.clock.advance(minutes=60 * 24 * 2)
    found = await stage.store.delivery(other)
    assert found is not None
    assert await stage.replayer.event(found.delivery.event_id) is None


@pytest.mark.parametrize("many", [True, False])
async def test_reload_takes_the_destination_away_in_the_middle(stage: Stage, many: bool) -> None:
    """What is made for a destination that is gone when it is stored becomes a dead letter, as all that waits for it."""
    (dead,) = await stage.dead_letters(1)
    other = Target()

    async def meanwhile(_: int) -> None:
        await stage.rig.reload({"ops": Settings(other)})

    stage.watched.meanwhile = meanwhile
    if many:
        assert len((await stage.bulk.replay(Wish(), None)).replayed) == 1
    else:
        assert await stage.replayer.delivery(dead, None) is not None
    await stage.rig.lanes.quiet()
    listed = [one.delivery for one in await stage.store.deliveries(DeliveryFilter())]
    made = [(one.state, one.reason) for one in listed if one.cause is Cause.REPLAY]
    assert made == [(DEAD, "destination removed")]
    assert stage.target.received == other.received == []


async def test_killed_in_the_middle(tmp_path: Path) -> None:
    """A router that is killed during a replay of many has stored whole steps: the same call after the start goes on."""
    (tmp_path / "rules.yaml").write_text(SOURCES + RULES)
    environ = {"SPACES_TOKEN": TOKEN}
    dead = await two_thousand_dead_letters(tmp_path, load(tmp_path / "rules.yaml", environ).hash)
    router = RouterProcess(tmp_path, environ)
    async with httpx.AsyncClient(timeout=30) as client:

        async def replay() -> None:
            wish: dict[str, Any] = {}
            while True:
                told = (await client.post(f"{router.admin}{REPLAY}", json=wish)).json()
                if told["next"] is None:
                    return
                wish["cursor"] = told["next"]

        async def pending() -> int:
            stats = (await client.get(f"{router.admin}/api/v1/stats")).json()
            return int(stats["destinations"]["wiki"]["pending"])

        for enough in (300, 1200):
            await router.start()
            run = asyncio.create_task(replay())
            while await pending() < enough and not run.done():
                pass
            await router.kill()
            await asyncio.wait([run])
            assert isinstance(run.exception(), httpx.TransportError | None)
        await router.start()
        await replay()
        await replay()
        assert await router.stop() == 0
    reader = SqliteReader(tmp_path / "data" / "router.db")
    await reader.open()
    listed = await reader.deliveries(DeliveryFilter(limit=10_000))
    await reader.close()
    replays = Counter(one.delivery.origin_id for one in listed if one.delivery.cause is Cause.REPLAY)
    assert replays == dict.fromkeys(dead, 1)


async def two_thousand_dead_letters(folder: Path, today: str) -> list[int]:
    store = SqliteStore(folder / "data" / "router.db", SystemClock())
    values = Values(Clock(SystemClock().now()))
    await store.open()
    events = [values.event(b"[%d]" % number, ruleset=today) for number in range(2000)]
    made = [values.delivery(event, "wiki", rule="pages", ruleset=today, state=DEAD) for event in events]
    await asyncio.gather(*(store.accept(event, [one]) for event, one in zip(events, made, strict=True)))
    await store.close()
    return [one.id for one in made]


async def test_events_come_in_meanwhile(stage: Stage) -> None:
    """A replay of many keeps no event waiting: those that come in are taken between its commits."""
    await stage.dead_letters(250)
    taken = 0

    async def meanwhile(_: int) -> None:
        nonlocal taken
        assert await stage.rig.accept(1000 + taken) == 200
        taken += 1

    stage.watched.meanwhile = meanwhile
    await stage.bulk.replay(Wish(), None)
    await stage.rig.lanes.quiet()
    assert taken == 3
    assert Counter(stage.target.received) == dict.fromkeys([*range(250), *range(1000, 1003)], 1)


async def test_message_of_a_rule_that_is_gone_is_rehearsed_as_it_was(stage: Stage) -> None:
    """Without its rule, a replay says what the dead letter said; so does the rehearsal."""
    today = stage.rig.configuration.hash
    event = stage.values.event(b'{"n": 1}', ruleset=today)
    said = Message(text="as it was")
    dead = stage.values.delivery(event, "wiki", rule="renamed", ruleset=today, state=DEAD, message=said)
    await stage.store.accept(event, [dead])
    (example,) = (await stage.bulk.rehearse(Wish(), None)).examples
    assert (example.origin_id, example.message) == (dead.id, said)
    with pytest.raises(CannotReplay):
        stage.bulk.check(Wish(to="nobody"))
