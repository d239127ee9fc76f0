"""What a destination did not take goes to its fallback: one hop, worded anew, and the dead letter counts as handled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.delivery.fallback import fallback_to
from router.destinations.log import Log
from router.events import Cause, Delivery, DeliveryState
from tests.fakes import START
from tests.running import RunningRouter
from tests.sinks import Sink, answer
from tests.store.disks import FailingDisk
from tests.waiting import until

BROKEN = answer(503, "we are closed")


def rules(docs: Sink, ops: Sink, *, docs_more: str = "", ops_more: str = "", rule: str = "") -> str:
    return f"""\
destinations:
  docs: {{type: http, url: {docs.url}, retry: [], fallback: ops{docs_more}}}
  ops: {{type: slack, url: {ops.url}, retry: []{ops_more}}}
rules:
  - {{name: everything, events: "*", to: docs{rule}}}
"""


def told(deliveries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["destination"], one["cause"], one["state"]) for one in deliveries]


async def test_what_died_goes_to_the_fallback_worded_for_its_type(tmp_path: Path) -> None:
    """The event that was forwarded as it came becomes a Slack message; the first delivery stays dead, as its origin."""
    async with Sink() as docs, Sink() as ops, RunningRouter(tmp_path, rules(docs, ops)) as router:
        docs.answer_with(BROKEN)
        await router.accept("page.updated.moved")
        (request,) = await ops.wait_for(1)
        await router.settle()
        dead, instead = await router.deliveries()
        assert told([dead, instead]) == [("docs", "rule", "dead"), ("ops", "fallback", "delivered")]
        assert "Someone moved *Release checklist*" in request.json["text"]
        assert (await router.get(f"deliveries/{instead['id']}"))["origin_id"] == dead["id"]
        assert instead["rule"] == "everything"
        assert (dead["handled"], instead["handled"]) == (True, False)
        assert (await router.get(f"deliveries/{dead['id']}"))["follow_ups"] == [
            {"id": instead["id"], "cause": "fallback", "destination": "ops", "state": "delivered"}
        ]


async def test_a_rule_that_words_its_message_words_the_fallback_too(tmp_path: Path) -> None:
    """The rule that judged the event says what is sent, wherever it goes."""

    async with Sink() as docs, Sink() as ops:
        text = rules(docs, ops, rule=', message: "{{ page.title }} for {{ destination.name }}"')
        async with RunningRouter(tmp_path, text) as router:
            docs.answer_with(BROKEN)
            await router.accept("page.updated.moved")
            (request,) = await ops.wait_for(1)
        assert docs.received[0].body.decode().endswith(" for docs")
        assert request.json["text"].endswith(" for ops")


async def test_a_fallback_has_no_fallback(tmp_path: Path) -> None:
    """One hop: two destinations may stand in for each other, and nothing goes round."""
    async with (
        Sink() as docs,
        Sink() as ops,
        RunningRouter(tmp_path, rules(docs, ops, ops_more=", fallback: docs")) as router,
    ):
        docs.answer_with(BROKEN)
        ops.answer_with(BROKEN)
        await router.accept()
        await ops.wait_for(1)
        await router.settle()
        await router.advance(minutes=30)
        assert told(await router.deliveries()) == [("docs", "rule", "dead"), ("ops", "fallback", "dead")]
        assert [one["handled"] for one in await router.deliveries()] == [False, False]
        assert (len(docs.received), len(ops.received)) == (1, 1)


async def test_the_fallback_waits_for_the_last_attempt(tmp_path: Path) -> None:
    """While the destination may still take the message, nobody else gets it."""
    async with Sink() as docs, Sink() as ops:
        text = rules(docs, ops).replace("retry: [], fallback", "fallback")
        async with RunningRouter(tmp_path, text) as router:
            docs.answer_with(BROKEN)
            await router.accept()
            for minutes in (1, 5, 10):
                await router.settle()
                assert ops.received == []
                await router.advance(minutes=minutes)
            await ops.wait_for(1)
            assert len(docs.received) == 4


async def test_a_fallback_that_is_switched_off_gets_nothing(tmp_path: Path) -> None:
    """The dead letter is there all the same, and can be replayed."""
    async with (
        Sink() as docs,
        Sink() as ops,
        RunningRouter(tmp_path, rules(docs, ops, ops_more=", enabled: false")) as router,
    ):
        docs.answer_with(BROKEN)
        await router.accept()
        await router.settle()
        assert told(await router.deliveries()) == [("docs", "rule", "dead")]
        assert ops.received == []


async def test_a_death_and_its_fallback_are_one_commit(tmp_path: Path) -> None:
    """The disk fails with the outcome still unwritten: once it works, both stand there, and one message goes out."""
    disk = FailingDisk()
    async with Sink() as docs, Sink() as ops, RunningRouter(tmp_path, rules(docs, ops), vfs=disk.name) as router:

        async def break_the_disk(request: Any, writer: Any) -> None:
            disk.fail()
            await BROKEN(request, writer)

        docs.answer_with(break_the_disk)
        assert (await router.receive("page.updated")).status_code == 200
        await until(lambda: not router.app.store.available)
        assert ops.received == []
        disk.heal()

        def healed() -> bool:
            router.clock.advance(seconds=1)  # the store looks again in its own time
            return router.app.store.available

        await until(healed)
        await ops.wait_for(1)
        await router.settle()
        assert told(await router.deliveries()) == [("docs", "rule", "dead"), ("ops", "fallback", "delivered")]
        assert len(ops.received) == 1


async def test_a_fallback_that_waits_survives_a_restart(tmp_path: Path) -> None:
    """It is a delivery like others: what is not sent at the end is sent after the next start."""
    async with Sink() as docs, Sink() as ops:
        text = rules(docs, ops).replace(f"url: {ops.url}, retry: []", f"url: {ops.url}, retry: [1m]")
        docs.answer_with(BROKEN)
        ops.answer_with(BROKEN, answer(200))
        async with RunningRouter(tmp_path, text) as router:
            await router.accept()
            await ops.wait_for(1)
            await router.settle()
        async with RunningRouter(tmp_path, text, clock=router.clock) as router:
            await router.advance(minutes=2)
            await ops.wait_for(2)
            await router.settle()
            assert told(await router.deliveries()) == [("docs", "rule", "dead"), ("ops", "fallback", "delivered")]


@pytest.mark.parametrize(
    ("cause", "goes_to"),
    [
        (Cause.RULE, "ops"),
        (Cause.REPLAY, "ops"),
        (Cause.FALLBACK, None),
        (Cause.ALERT, None),
        (Cause.TEST, None),
    ],
)
def test_what_falls_back(cause: Cause, goes_to: str | None) -> None:
    """What a rule or a person sent; not what stands in for something already, nor what tells of trouble."""
    dead = Delivery(1, 1, "rule", "docs", "", DeliveryState.DEAD, START, START, START, cause=cause)
    assert fallback_to(Log(fallback="ops"), dead, {"docs", "ops"}) == goes_to
    assert fallback_to(Log(fallback="ops"), dead, {"docs"}) is None
    assert fallback_to(Log(), dead, {"docs", "ops"}) is None
