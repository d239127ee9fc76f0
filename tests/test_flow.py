"""The main job, end to end: a signed delivery in, a message out, nothing lost in between."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from router.samples import SAMPLES, sample
from router.signature import sign
from tests.fakes import Clock
from tests.running import RunningRouter
from tests.sinks import Sink, answer, hang, refused_port


def rules(url: str, *, more: str = "", kind: str = "http", rule: str = "") -> str:
    return f"""\
destinations:
  ops:
    type: {kind}
    url: {url}
{more}
rules:
  - name: everything
    events: "*"
    to: ops
{rule}
"""


async def test_an_event_goes_out_as_it_came(tmp_path: Path) -> None:
    """An HTTP destination without a message of its own gets the same bytes and headers, signed with its own token."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url, more="    sign: audit-token")) as router:
        await router.accept("page.updated.moved", Delivery="6f1c0d4e-0000-4000-8000-000000000001")
        (request,) = await sink.wait_for(1)
        await router.settle()
        (delivery,) = await router.deliveries()
    body = sample("page.updated.moved")
    assert request.body == body
    assert request.headers["event"] == "page.updated.moved"
    assert request.headers["delivery"] == "6f1c0d4e-0000-4000-8000-000000000001"
    assert request.headers["signature"] == sign("audit-token", body)
    assert request.headers["idempotency-key"] == delivery["id"]
    assert request.headers["router-hops"] == "1"
    assert delivery["state"] == "delivered"


async def test_every_event_gives_a_slack_message(tmp_path: Path) -> None:
    """A rule with only `events` and `to` gives a readable message for each of the 21 events."""
    async with (
        Sink() as sink,
        RunningRouter(tmp_path, rules(sink.url, kind="slack", more="    rate: 1000/s")) as router,
    ):
        for name in SAMPLES:
            await router.accept(name)
            await router.settle()
            await router.advance(seconds=1)
        received = await sink.wait_for(len(SAMPLES))
    texts = [request.json["text"] for request in received]
    assert len(texts) == 21
    for text in texts:
        assert text.strip()
        assert "None" not in text


async def test_a_failing_destination_is_tried_four_times(tmp_path: Path) -> None:
    """A destination that always fails is tried again after 1, 5 and 10 minutes, then the delivery is dead."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer_with(answer(503, "not now"))
        await router.accept()
        await router.settle()
        assert await router.states() == ["retrying"]
        for minutes, count in ((1, 2), (5, 3), (10, 4)):
            await router.advance(minutes=minutes, seconds=-1)
            assert len(sink.received) == count - 1, "never early"
            await router.advance(seconds=1)
            assert len(sink.received) == count
        await router.advance(minutes=60)
        (delivery,) = await router.deliveries()
        history = await router.history(delivery)
        assert len(sink.received) == 4
        assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("dead", "retries exhausted", 4)
        assert [attempt["number"] for attempt in history] == [1, 2, 3, 4]
        assert {attempt["outcome"] for attempt in history} == {"temporary"}
        assert {attempt["status"] for attempt in history} == {503}
        assert len({request.headers["idempotency-key"] for request in sink.received}) == 1
        assert len({request.body for request in sink.received}) == 1


async def test_a_mended_destination_gets_what_waited(tmp_path: Path) -> None:
    """What failed for a while arrives once the destination works again."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer_with(answer(500), answer(200))
        await router.accept()
        await router.settle()
        await router.advance(minutes=1)
        assert await router.states() == ["delivered"]


@pytest.mark.parametrize(("status", "reason"), [(400, "rejected"), (302, "redirect"), (404, "HTTP 404")])
async def test_hopeless_answers_end_at_once(tmp_path: Path, status: int, reason: str) -> None:
    """400 and redirects are dead at once by Teamwork's rule, and so are the statuses of `fail_fast`."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url, more="    fail_fast: [404]")) as router:
        sink.answer_with(answer(status, "no such thing"))
        await router.accept()
        await router.settle()
        (delivery,) = await router.deliveries()
        assert delivery["state"] == "dead"
        assert reason in delivery["reason"]
        assert "no such thing" in delivery["last_error"]


async def test_a_throttled_lane_rests_and_keeps_its_order(tmp_path: Path) -> None:
    """After a Retry-After nothing is sent before its end, no failure is counted, and the order stays."""
    async with (
        Sink() as sink,
        RunningRouter(tmp_path, rules(sink.url, more="    concurrency: 1")) as router,
    ):
        sink.answer_with(answer(429, "slow down", {"Retry-After": "90"}), answer(200))
        for number in range(3):
            await router.accept("page.updated", json.dumps({"page": {"id": number}}).encode())
        await router.settle()
        assert len(sink.received) == 1
        await router.advance(seconds=89)
        assert len(sink.received) == 1
        await router.advance(seconds=1)
        assert [request.json["page"]["id"] for request in sink.received] == [0, 0, 1, 2]
        (first, *_) = await router.deliveries()
        assert [attempt["outcome"] for attempt in await router.history(first)] == ["throttled", "delivered"]


async def test_a_lane_sends_in_the_order_of_events(tmp_path: Path) -> None:
    """With one at a time, messages arrive in the order in which events came in."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url, more="    concurrency: 1")) as router:
        for number in range(50):
            await router.accept("page.updated", json.dumps({"page": {"id": number}}).encode())
        await sink.wait_for(50)
        assert [request.json["page"]["id"] for request in sink.received] == list(range(50))


async def test_a_rate_spaces_messages(tmp_path: Path) -> None:
    """A destination with `rate: 1/s` gets one message a second, whatever comes in."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url, more="    rate: 1/s")) as router:
        for _ in range(5):
            await router.accept()
        await router.settle()
        for count in range(1, 6):
            assert len(sink.received) == count
            await router.advance(seconds=0.999)
            assert len(sink.received) == count
            await router.advance(seconds=0.001)


async def test_destinations_on_one_url_share_pace_and_order(tmp_path: Path) -> None:
    """Two names for one Slack channel are one lane: together they keep to its rate."""
    async with Sink() as sink:
        both = f"""\
destinations:
  one: {{type: slack, url: "{sink.url}"}}
  other: {{type: slack, url: "{sink.url}"}}
rules:
  - {{name: a, events: "*", to: [one, other]}}
"""
        async with RunningRouter(tmp_path, both) as router:
            await router.accept()
            await router.settle()
            assert len(sink.received) == 1
            await router.advance(seconds=1)
            assert len(sink.received) == 2


async def test_a_hanging_destination_delays_nobody_else(tmp_path: Path) -> None:
    """While one destination answers nothing and a hundred wait for it, another gets its messages at once."""
    async with Sink() as stuck, Sink() as healthy:
        stuck.answer_with(hang)
        two = f"""\
destinations:
  stuck: {{type: http, url: "{stuck.url}"}}
  healthy: {{type: http, url: "{healthy.url}"}}
rules:
  - {{name: a, events: "*", to: [stuck, healthy]}}
"""
        async with RunningRouter(tmp_path, two, drain=timedelta(0)) as router:  # what hangs is cut off at the end
            for _ in range(100):
                await router.accept()
            await healthy.wait_for(100)
            assert len(stuck.received) == 4
            stats = await router.get("stats")
            assert stats["destinations"]["stuck"]["pending"] == 100


async def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    """Deliveries that wait for a destination are sent by the next process, at their time."""
    clock = Clock()
    async with Sink() as sink:
        sink.answer_with(answer(503))
        async with RunningRouter(tmp_path, rules(sink.url), clock=clock) as router:
            for _ in range(3):
                await router.accept()
            await router.settle()
            assert await router.states() == ["retrying"] * 3
        sink.answer_with(answer(200))
        clock.advance(seconds=30)
        async with RunningRouter(tmp_path, clock=clock) as router:
            await router.settle()
            assert await router.states() == ["retrying"] * 3
            await router.advance(seconds=30)
            assert await router.states() == ["delivered"] * 3


async def test_a_repeat_forwards_nothing(tmp_path: Path) -> None:
    """Spaces may send a delivery again; it is answered 200 with the id of the first, and forwarded once."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        first = await router.accept(Delivery="same")
        assert await router.accept(Delivery="same") == first
        await router.settle()
        assert len(await router.deliveries()) == 1
        assert len(sink.received) == 1


async def test_a_silent_template_sends_nothing(tmp_path: Path) -> None:
    """A message of nothing but white space is suppressed, with the reason."""
    silent = rules("http://127.0.0.1:9/", rule="    message: '{% if false %}never{% endif %} '")
    async with RunningRouter(tmp_path, silent) as router:
        await router.accept()
        await router.settle()
        (delivery,) = await router.deliveries()
        assert (delivery["state"], delivery["reason"]) == ("suppressed", "empty message")
        assert delivery["attempts"] == 0


_ROUNDS = "".join(f"{{% for {name} in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] %}}" for name in "abcde")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (
            "{{ page.title / 2 }}",
            "/ needs two numbers, not a text and a number; texts are put together by ~",
        ),
        (f"{_ROUNDS}x{'{% endfor %}' * 5}", "the template takes more than 10,000 loop steps"),
        ('{{ "x" * 1000000000 }}', "an expression makes a text longer than 256 KiB"),
    ],
)
async def test_a_failing_template_is_a_dead_letter_that_replay_heals(tmp_path: Path, template: str, told: str) -> None:
    """A template error loses no event: the delivery is dead with a plain sentence, and replayed after the mend."""
    async with Sink() as sink:
        broken = rules(sink.url, rule=f"    message: '{template}'")
        async with RunningRouter(tmp_path, broken) as router:
            await router.accept()
            await router.settle()
            (delivery,) = await router.deliveries()
            assert (delivery["state"], delivery["reason"]) == ("dead", "render error")
            assert delivery["last_error"] == f"message, line 1: {told}"
            # What could only ever fail is refused; the sum may yet go well on some event of some rule.
            again = await router.post("/-/reload")
            assert again.status_code == (200 if "page" in template else 422)
            assert again.status_code == 200 or told in again.json()["problems"][0]["message"]
            router.write(rules(sink.url, rule="    message: '{{ page.title }}!'"))
            assert (await router.post("/-/reload")).status_code == 200
            answered = await router.post(f"/api/v1/deliveries/{delivery['id']}/replay")
            assert answered.status_code == 200, answered.text
            await router.settle()
            (request,) = await sink.wait_for(1)
            assert request.body == b"Release checklist!"
            assert await router.states() == ["dead", "delivered"]


async def test_a_dry_run_sends_nothing_and_shows_what_it_would(tmp_path: Path) -> None:
    """With --dry-run deliveries end as suppressed, with the message that would have been sent."""
    async with (
        Sink() as sink,
        RunningRouter(tmp_path, rules(sink.url, rule="    message: 'Hello {{ page.title }}'"), dry_run=True) as router,
    ):
        await router.accept()
        await router.settle()
        (delivery,) = await router.deliveries()
        told = await router.get(f"deliveries/{delivery['id']}")
        assert (delivery["state"], delivery["reason"]) == ("suppressed", "dry run")
        assert told["message"]["text"] == "Hello Release checklist"
        assert not sink.received


async def test_a_dry_run_leaves_alone_what_waited(tmp_path: Path) -> None:
    """Deliveries of an earlier run go on waiting during a dry run, and are sent after it."""
    clock = Clock()
    async with Sink() as sink:
        sink.answer_with(answer(503), answer(200))
        async with RunningRouter(tmp_path, rules(sink.url), clock=clock) as router:
            await router.accept()
            await router.settle()
        async with RunningRouter(tmp_path, clock=clock, dry_run=True) as router:
            await router.advance(minutes=2)
            assert await router.states() == ["retrying"]
        async with RunningRouter(tmp_path, clock=clock) as router:
            await router.settle()
            assert await router.states() == ["delivered"]


async def test_a_refused_connection_is_tried_again(tmp_path: Path) -> None:
    """A destination that is not there yet fails like any other, with a sentence that says where nobody listens."""
    port = refused_port()
    async with RunningRouter(tmp_path, rules(f"http://127.0.0.1:{port}/secret-path")) as router:
        await router.accept()
        await router.settle()
        (delivery,) = await router.deliveries()
        assert delivery["state"] == "retrying"
        assert f"127.0.0.1:{port}" in delivery["last_error"]
        assert "secret-path" not in delivery["last_error"]
