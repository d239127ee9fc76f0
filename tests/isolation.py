"""
One destination hangs while many wait for it; how soon do messages to another one arrive?

`scripts/isolation.py` prints the figures; `tests/test_flow.py` shows that nobody waits.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx

from router.payload import dump_json
from router.signature import sign
from tests.process import RouterProcess
from tests.sinks import Sink, answer, hang

TOKEN = "token-of-the-isolation-run"

RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}"}
destinations:
  stuck: {type: http, url: "%s"}
  healthy: {type: http, url: "%s"}
rules:
  - {name: everything, events: "*", to: [stuck, healthy]}
"""


@dataclass(frozen=True)
class Latencies:
    """Seconds from posting an event to its arrival at the healthy sink, sorted."""

    waiting: int
    seconds: list[float]

    def percentile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def __str__(self) -> str:
        p50, p99 = 1000 * self.percentile(0.5), 1000 * self.percentile(0.99)
        worst = 1000 * self.seconds[-1]
        return f"{self.waiting} waiting for the other: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms"


async def isolation_run(folder: Path, *, waiting: int, events: int, per_second: float) -> tuple[Latencies, Latencies]:
    """Measure with both sinks well, then with one hanging and so many waiting for it."""
    async with Sink() as stuck, Sink() as healthy:
        (folder / "rules.yaml").write_text(RULES % (stuck.url, healthy.url))
        router = RouterProcess(folder, {"SPACES_TOKEN": TOKEN})
        await router.start()
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                stuck.answer_with(answer(200))
                well = await _measure(client, router, healthy, events, per_second)
                stuck.answer_with(hang)
                await _measure(client, router, healthy, waiting, 1_000_000)
                stats = (await client.get(f"{router.admin}/api/v1/stats")).json()
                queued = stats["destinations"]["stuck"]["pending"]
                hanging = await _measure(client, router, healthy, events, per_second)
        finally:
            await router.kill()
    return Latencies(0, well), Latencies(queued, hanging)


async def _measure(
    client: httpx.AsyncClient, router: RouterProcess, healthy: Sink, events: int, per_second: float
) -> list[float]:
    posted: dict[str, float] = {}
    arrived: dict[str, float] = {}
    start = time.perf_counter()
    already = len(healthy.received)

    async def take(request: object, writer: asyncio.StreamWriter) -> None:
        arrived[healthy.received[-1].headers["delivery"]] = time.perf_counter()
        await answer(200)(healthy.received[-1], writer)

    healthy.answer_with(take)
    for number in range(events):
        await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
        upstream_id = str(uuid.uuid4())
        body = dump_json({"page": {"id": number, "title": "Release checklist", "content": "x" * 1500}})
        headers = {"Event": "page.updated", "Delivery": upstream_id, "Signature": sign(TOKEN, body)}
        posted[upstream_id] = time.perf_counter()
        stored = await client.post(f"{router.public}/hooks/spaces", content=body, headers=headers)
        assert stored.status_code == 200, stored.text
    await healthy.wait_for(already + events, seconds=60)
    for _ in range(1000):
        if len(arrived) >= events:
            break
        await asyncio.sleep(0.01)
    return sorted(arrived[upstream_id] - at for upstream_id, at in posted.items())
