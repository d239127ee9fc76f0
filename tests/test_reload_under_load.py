"""The rule file changes many times while hundreds of events a second come in."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import urlsplit

from router.config.load import restore
from router.config.model import Configuration
from router.delivery.judging import judge
from router.signature import sign
from tests.running import SOURCES, TOKEN, RunningRouter

EVENTS = 1_200
SENDERS = 16


def version(number: int) -> str:
    """
    Rules that differ from the last ones in their names, in what they match, and in where they send it.

    What they send waits: only the judging is looked at here.
    """
    other = "abc"[number % 3]
    return f"""\
destinations:
  a: {{type: log, rate: 1/h}}
  b: {{type: log, rate: 1/h}}
  c: {{type: log, rate: 1/h}}
rules:
  - {{name: all of {number}, events: "*", to: {other}}}
  - name: some of {number}
    events: page.updated
    when: {{page.id: {{above: {100 * (number % 12)}}}}}
    to: [a, b]
    {"stop: true" if number % 2 else "enabled: true"}
  - {{name: rest of {number}, events: page.*, to: c}}
"""


async def test_each_event_is_judged_by_exactly_one_rule_set(tmp_path: Path) -> None:
    """
    While rules change under hundreds of events a second, each event is recorded with one rule set, and its deliveries
    are those that this rule set makes of it: all of them, none of another, none twice.
    """
    async with RunningRouter(tmp_path, version(0)) as router:
        versions = {router.app.rulesets.current.hash: 0}
        accepted = await _post_while_rules_change(router, versions)
        await router.settle()
        made: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for delivery in await router.all("deliveries"):
            made[delivery["event_id"]][delivery["rule"], delivery["destination"]] += 1
        rulesets: dict[str, Configuration] = {}
        for event_id, number in accepted.items():
            event = await router.app.store.event(int(event_id))
            assert event is not None
            assert event.payload == {"page": {"id": number}}
            if event.ruleset not in rulesets:
                rulesets[event.ruleset] = await _kept(router, event.ruleset, version(versions[event.ruleset]))
            judgement = judge(event, rulesets[event.ruleset])
            assert judgement.matched
            assert event.facts["rules"] == list(judgement.matched)
            assert made[event_id] == Counter((route.rule, route.destination) for route in judgement.routes)
    assert len(accepted) == EVENTS
    assert len(rulesets) >= 5, "events came in under many rule sets"


async def _post_while_rules_change(router: RunningRouter, versions: dict[str, int]) -> dict[str, int]:
    """Post as fast as the router takes it; the number of the page by the id of the event."""
    accepted: dict[str, int] = {}
    numbers = iter(range(EVENTS))
    has_begun = asyncio.Event()

    async def send() -> None:
        address = urlsplit(router.app.public_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for number in numbers:
            body = json.dumps({"page": {"id": number}}).encode()
            writer.write(_request(body))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("HTTP/1.1 200 "), head
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            accepted[json.loads(await reader.readexactly(length))["event"]] = number
            has_begun.set()
        writer.close()

    async def change() -> None:
        await has_begun.wait()
        while len(accepted) < EVENTS:
            router.write(version(len(versions)))
            answered = await router.post("/-/reload")
            assert answered.status_code == 200, answered.text
            versions[answered.json()["ruleset"]] = len(versions)

    await asyncio.gather(change(), *(send() for _ in range(SENDERS)))
    return accepted


def _request(body: bytes) -> bytes:
    """A signed delivery, as bytes: a client in this process would take more time than the router."""
    head = f"POST /hooks/spaces HTTP/1.1\r\nHost: router\r\nEvent: page.updated\r\nDelivery: {uuid.uuid4()}\r\n"
    return f"{head}Signature: {sign(TOKEN, body)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _kept(router: RunningRouter, ruleset: str, expected: str) -> Configuration:
    """The rule set as the store has it, which is one that was written."""
    kept = await router.app.store.ruleset(ruleset)
    assert kept is not None
    assert kept.text == SOURCES + expected
    return restore(kept.text, kept.files)
