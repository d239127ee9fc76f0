"""
One destination hangs while many wait for it; how soon do messages to another one arrive?

`scripts/isolation.py` prints the figures; `tests/test_flow.py` and `tests/test_mail_flow.py` show that nobody waits.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from router.payload import dump_json
from router.signature import sign
from tests.mail_sinks import Mail, MailSink
from tests.process import RouterProcess
from tests.sinks import Received, Sink, answer, hang
from tests.waiting import Count

TOKEN = "token-of-the-isolation-run"

RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}"}
destinations:
  stuck: %s
  healthy: %s
rules:
  - {name: everything, events: "*", to: [stuck, healthy]}
"""


class Place(Protocol):
    """A server that messages go to; it calls `arrived` with the title of each one's page, and can be let hang."""

    arrived: Callable[[str], object]

    @property
    def settings(self) -> str: ...

    def serving(self) -> AbstractAsyncContextManager[object]: ...

    def hang(self) -> None:
        """From now on take connections, and answer nothing."""
        ...


class WebPlace:
    def __init__(self) -> None:
        self.arrived: Callable[[str], object] = bool
        self._sink = Sink()
        self._sink.answer_with(self._take)

    @property
    def settings(self) -> str:
        return f'{{type: http, url: "{self._sink.url}"}}'

    def serving(self) -> AbstractAsyncContextManager[object]:
        return self._sink

    def hang(self) -> None:
        self._sink.answer_with(hang)

    async def _take(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.arrived(request.json["page"]["title"])
        await answer(200)(request, writer)


class MailPlace:
    def __init__(self) -> None:
        self.arrived: Callable[[str], object] = bool
        self._sink = MailSink()
        self._sink.when_taken = self._take

    @property
    def settings(self) -> str:
        return f'{{type: email, smtp: "{self._sink.url}", from: wiki@example.com, to: ops@example.com}}'

    def serving(self) -> AbstractAsyncContextManager[object]:
        return self._sink

    def hang(self) -> None:
        self._sink.is_silent = True

    def _take(self, mail: Mail) -> None:
        self.arrived(mail.message["Subject"].rpartition(": ")[2])


@dataclass(frozen=True)
class Latencies:
    """Seconds from posting an event to its arrival at the healthy place, sorted."""

    waiting: int
    seconds: list[float]

    def percentile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


@dataclass
class _Watch:
    """When each event was posted, and when it arrived."""

    posted: dict[str, float] = field(default_factory=dict)
    arrivals: dict[str, float] = field(default_factory=dict)
    count: Count = field(default_factory=Count)

    def arrived(self, title: str) -> None:
        self.arrivals[title] = time.perf_counter()
        self.count.add()

    def latencies(self) -> list[float]:
        return sorted(self.arrivals[title] - at for title, at in self.posted.items())


async def isolation_run(
    folder: Path, stuck: Place, healthy: Place, *, waiting: int, events: int, per_second: float
) -> tuple[Latencies, Latencies]:
    """Measure with both well, then with one hanging and so many waiting for it."""
    async with stuck.serving(), healthy.serving():
        (folder / "rules.yaml").write_text(RULES % (stuck.settings, healthy.settings))
        router = RouterProcess(folder, {"SPACES_TOKEN": TOKEN})
        await router.start()
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                to_stuck = Count()
                stuck.arrived = lambda _: to_stuck.add()
                well = await _measure(client, router, healthy, events, per_second)
                await to_stuck.reaches(events, seconds=120)
                stuck.hang()
                await _measure(client, router, healthy, waiting, 1_000_000)
                stats = (await client.get(f"{router.admin}/api/v1/stats")).json()
                queued = stats["destinations"]["stuck"]["pending"]
                hanging = await _measure(client, router, healthy, events, per_second)
        finally:
            await router.kill()
    return Latencies(0, well), Latencies(queued, hanging)


async def _measure(
    client: httpx.AsyncClient, router: RouterProcess, healthy: Place, events: int, per_second: float
) -> list[float]:
    watch = _Watch()
    healthy.arrived = watch.arrived
    start = time.perf_counter()
    for number in range(events):
        # This is no waiting for anything: events come at their own rate, however the router fares.
        await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
        title = str(uuid.uuid4())
        body = dump_json({"page": {"id": number, "title": title, "content": "x" * 1500}})
        headers = {"Event": "page.updated", "Delivery": title, "Signature": sign(TOKEN, body)}
        watch.posted[title] = time.perf_counter()
        stored = await client.post(f"{router.public}/hooks/spaces", content=body, headers=headers)
        assert stored.status_code == 200, stored.text
    await watch.count.reaches(events, seconds=120)
    return watch.latencies()
