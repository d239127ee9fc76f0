"""
A run in which the router is killed and its rules change again and again while deliveries come in.

`tests/test_crash.py` does a small one, `scripts/crash.py` a large one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders as Headers
from tornado.httputil import HTTPServerRequest, ResponseStartLine
from tornado.netutil import bind_sockets

from router.samples import SAMPLES, sample
from router.signature import sign
from tests.process import RouterProcess

TOKEN = "token-of-the-crash-run"
CONCURRENCY = {"steady": 4, "shaky": 4, "chat": 1, "passing": 4}

RULES = """\
sources:
  spaces:
    token: ${SPACES_TOKEN}
destinations:
  steady: {type: http, url: "http://127.0.0.1:%(steady)d/steady"}
  shaky:
    type: http
    url: http://127.0.0.1:%(shaky)d/shaky
    retry: [1s, 1s, 2s]
  chat: {type: slack, url: "http://127.0.0.1:%(chat)d/chat", rate: 500/s, retry: [1s, 1s, 2s]}
%(passing)s
rules:
  - name: version %(version)d
    events: "*"
    to: [%(to)s]
"""

PASSING = '  passing: {type: http, url: "http://127.0.0.1:%d/passing", retry: [1s, 1s, 2s]}'
BROKEN = "rules:\n  - {name: broken, evnts: nothing"


class Sink:
    """An HTTP server that remembers under which idempotency key each message came, and what it answered."""

    def __init__(self, failing: float, dice: random.Random) -> None:
        self.answers: dict[str, list[int]] = defaultdict(list)
        self._failing = failing
        self._dice = dice
        self._server = HTTPServer(self._take)
        sockets = bind_sockets(0, "127.0.0.1")
        self.port: int = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)

    def _take(self, request: HTTPServerRequest) -> None:
        status = 503 if self._dice.random() < self._failing else 200
        self.answers[request.headers["Idempotency-Key"]].append(status)
        body = b"ok" if status == 200 else b"not now"
        assert request.connection is not None
        request.connection.write_headers(
            ResponseStartLine("HTTP/1.1", status, ""), Headers({"Content-Length": str(len(body))}), body
        )
        request.connection.finish()

    async def close(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()


@dataclass
class Report:
    """What a crash run came to; `faults` is empty when every promise was kept."""

    acknowledged: int = 0
    kills: int = 0
    versions: int = 0  # that judged events
    reloads: int = 0
    removed: int = 0
    delivered: int = 0
    dead: int = 0
    duplicates: int = 0
    most_duplicates: int = 0
    interrupted: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} events acknowledged, {self.kills} kills, {self.reloads} reloads; "
            f"{self.delivered} deliveries arrived, {self.dead} dead letters after the full schedule, "
            f"{self.removed} of a removed destination, {self.interrupted} interruptions, "
            f"{self.duplicates} duplicates (at most {self.most_duplicates}); "
            f"{len(self.faults)} faults"
        )


async def crash_run(folder: Path, *, events: int, kills: int, seed: int, senders: int = 8) -> Report:
    """Send events while killing the router, wait for the last delivery, and judge what arrived."""
    dice = random.Random(seed)
    failing = {"steady": 0.0, "shaky": 0.5, "chat": 0.0, "passing": 0.5}
    sinks = {name: Sink(share, dice) for name, share in failing.items()}
    router = RouterProcess(folder, {"SPACES_TOKEN": TOKEN})
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            run = _Run(client, router, sinks, dice, events, kills)
            run.write_rules()
            await router.start()
            changing = asyncio.create_task(run.change_rules_often())
            await asyncio.gather(run.kill_often(), *(run.send() for _ in range(senders)))
            run.over.set()
            await changing
            await run.settle_rules()
            await run.wait_until_final()
            await run.judge()
            return run.report
    finally:
        if router.process is not None:
            await router.kill()
        for sink in sinks.values():
            await sink.close()


class _Run:
    def __init__(
        self,
        client: httpx.AsyncClient,
        router: RouterProcess,
        sinks: dict[str, Sink],
        dice: random.Random,
        *sizes: int,
    ) -> None:
        self._client = client
        self._router = router
        self._sinks = sinks
        self._dice = dice
        self._events, self._kills = sizes
        self._queue = [(str(uuid.UUID(int=dice.getrandbits(128))), dice.choice(SAMPLES)) for _ in range(self._events)]
        self._acknowledged: set[str] = set()
        self._version = 0
        self._starting = asyncio.Lock()
        self.over = asyncio.Event()
        self.report = Report(most_duplicates=self._kills * sum(CONCURRENCY.values()))

    async def send(self) -> None:
        """Post event after event, each again until it is acknowledged: as Spaces would, only sooner."""
        while self._queue:
            upstream_id, name = self._queue.pop()
            body = sample(name).replace(b"5148", str(5148 + len(self._queue)).encode())
            headers = {"Event": name, "Delivery": upstream_id, "Signature": sign(TOKEN, body)}
            for _ in range(600):
                if await self._post(body, headers):
                    self._acknowledged.add(upstream_id)
                    break
                await asyncio.sleep(0.05)

    async def _post(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            answer = await self._client.post(f"{self._router.public}/hooks/spaces", content=body, headers=headers)
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    def write_rules(self) -> None:
        """Write the next version of the rule file: the rule is renamed, and a destination comes or goes."""
        self._version += 1
        self.report.versions = self._version
        passes = self._version % 2 == 1
        ports = {name: sink.port for name, sink in self._sinks.items()}
        text = RULES % {
            **ports,
            "version": self._version,
            "passing": PASSING % ports["passing"] if passes else "",
            "to": "steady, shaky, chat, passing" if passes else "steady, shaky, chat",
        }
        (self._router.folder / "rules.yaml").write_text(text)

    async def change_rules_often(self) -> None:
        """Let every third version be a broken one, and ask for a reload each time, until it is over."""
        for number in itertools.count(1):
            if self.over.is_set():
                return
            async with self._starting:  # nobody starts on a broken file
                if number % 3:
                    self.write_rules()
                else:
                    (self._router.folder / "rules.yaml").write_text(BROKEN)
                await self._reload(expected=200 if number % 3 else 422)
            await asyncio.sleep(self._dice.uniform(0, 0.5))

    async def settle_rules(self) -> None:
        """End on a version without the passing destination: what waits for it becomes dead letters."""
        self.write_rules()
        if self._version % 2:
            self.write_rules()
        await self._reload(expected=200)

    async def _reload(self, expected: int) -> None:
        with contextlib.suppress(httpx.TransportError):  # it is being killed at this moment
            answer = await self._client.post(f"{self._router.admin}/-/reload")
            # 422 is fair for a good version too, where the file was broken again before it was read.
            assert answer.status_code in (expected, 422), answer.text
            if answer.status_code == 200:
                self.report.reloads += 1

    async def kill_often(self) -> None:
        """Most kills fall while events come in, the last ones while only retries are left."""
        for number in range(self._kills):
            target = min(self._events, self._events * (number + 1) / (self._kills + 1) * 1.15)
            for _ in range(2000):
                if len(self._acknowledged) >= target:
                    break
                await asyncio.sleep(0.005)
            await asyncio.sleep(self._dice.uniform(0, 0.4))
            await self._router.kill()
            self.report.kills += 1
            async with self._starting:
                self.write_rules()
                await self._router.start()

    async def wait_until_final(self) -> None:
        states: dict[str, int] = {}
        for _ in range(600):
            states = (await self._ask("stats"))["deliveries"]
            if not any(states.get(state) for state in ("held", "pending", "sending", "retrying")):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"deliveries are still under way: {states}\n{self._router.log[-2000:]}")

    async def judge(self) -> None:
        """Compare what the sinks saw with what was acknowledged and what the router says of it."""
        self.report.acknowledged = len(self._acknowledged)
        seen: Counter[tuple[str, str]] = Counter()
        query: dict[str, str | int] = {"limit": 500}
        while True:
            page = await self._ask("deliveries", query)
            for delivery in page["deliveries"]:
                seen[delivery["upstream_id"], delivery["destination"]] += 1
                await self._judge_delivery(delivery)
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        for upstream_id in self._acknowledged:
            for destination in self._sinks:
                count = seen[upstream_id, destination]
                if count > 1 or (count == 0 and destination != "passing"):
                    self.report.faults.append(f"{upstream_id} has {count} deliveries to {destination}")
        await self._judge_events()
        if self.report.duplicates > self.report.most_duplicates:
            self.report.faults.append(f"{self.report.duplicates} duplicates are more than kills × concurrency")

    async def _judge_events(self) -> None:
        query: dict[str, str | int] = {"limit": 500}
        versions = set()
        while True:
            page = await self._ask("events", query)
            for event in page["events"]:
                versions.update(event["rules"])
                if len(event["rules"]) != 1:
                    self.report.faults.append(f"event {event['id']} was judged by {event['rules']}")
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        self.report.versions = len(versions)

    async def _judge_delivery(self, delivery: dict[str, Any]) -> None:
        report = self.report
        arrived = self._sinks[delivery["destination"]].answers.get(delivery["id"], []).count(200)
        report.duplicates += max(0, arrived - 1)
        history: list[str] = []
        if delivery["state"] == "dead" or delivery["attempts"] > 1:
            told = await self._ask(f"deliveries/{delivery['id']}")
            history = [attempt["outcome"] for attempt in told["history"]]
            report.interrupted += history.count("interrupted")
        if delivery["state"] == "delivered":
            report.delivered += 1
            if not arrived:
                report.faults.append(f"{delivery['id']} is called delivered and never arrived")
        elif delivery["state"] == "dead" and history.count("temporary") == 4:
            report.dead += 1
        elif delivery["reason"] == "destination removed" and delivery["destination"] == "passing":
            report.removed += 1
        else:
            report.faults.append(f"{delivery['id']} ended as {delivery['state']} ({delivery['reason']}): {history}")

    async def _ask(self, path: str, query: dict[str, str | int] | None = None) -> dict[str, Any]:
        answer = await self._client.get(f"{self._router.admin}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told
