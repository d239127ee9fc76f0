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
from collections import Counter
from pathlib import Path

import httpx

from router.samples import SAMPLES, sample
from router.signature import sign
from tests.crash_receivers import Receiver, every_kind
from tests.crash_report import Report, Row
from tests.process import RouterProcess
from tests.waiting import Count

TOKEN = "token-of-the-crash-run"
BROKEN = "rules:\n  - {name: broken, evnts: nothing"


async def crash_run(folder: Path, *, events: int, kills: int, seed: int, senders: int = 8) -> Report:
    """Send events while killing the router, wait for the last delivery, and judge what arrived."""
    dice = random.Random(seed)
    router = RouterProcess(folder, {"SPACES_TOKEN": TOKEN})
    async with contextlib.AsyncExitStack() as stack:
        receivers = every_kind(dice)
        for receiver in receivers:
            await stack.enter_async_context(receiver.serving())
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        stack.push_async_callback(router.kill)
        run = _Run(client, router, receivers, dice, events, kills)
        run.write_rules()
        await run.start()
        changing = asyncio.create_task(run.change_rules_often())
        await asyncio.gather(run.kill_often(), *(run.send() for _ in range(senders)))
        run.over.set()
        await changing
        await run.settle_rules()
        await router.until_final(client, seconds=60 + events)
        await run.judge()
    return run.report


class _Run:
    def __init__(
        self,
        client: httpx.AsyncClient,
        router: RouterProcess,
        receivers: list[Receiver],
        dice: random.Random,
        *sizes: int,
    ) -> None:
        self._client = client
        self._router = router
        self._receivers = receivers
        self._dice = dice
        self._events, self._kills = sizes
        self._queue = [(str(uuid.UUID(int=dice.getrandbits(128))), dice.choice(SAMPLES)) for _ in range(self._events)]
        self._acknowledged: set[str] = set()
        self._answers, self._arrivals = Count(), Count()
        for receiver in receivers:
            receiver.arrived = self._arrivals.add
        self._version = 0
        self._starting = asyncio.Lock()
        self._running = asyncio.Event()
        self.over = asyncio.Event()
        self.report = Report(rows={receiver.name: Row(receiver) for receiver in receivers})

    async def start(self) -> None:
        await self._router.start()
        self._running.set()

    async def send(self) -> None:
        """Post event after event, each again until it is acknowledged: as Spaces would, only sooner."""
        while self._queue:
            upstream_id, name = self._queue.pop()
            body = sample(name).replace(b"5148", str(5148 + len(self._queue)).encode())
            headers = {"Event": name, "Delivery": upstream_id, "Signature": sign(TOKEN, body)}
            while not await self._post(body, headers):
                await self._running.wait()
            self._acknowledged.add(upstream_id)
            self._answers.add()

    async def _post(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            answer = await self._client.post(f"{self._router.public}/hooks/spaces", content=body, headers=headers)
        except httpx.TransportError:
            return False
        assert answer.status_code == 200, answer.text
        return True

    def write_rules(self) -> None:
        """Write the next version of the rule file: the rule is renamed, and a destination comes or goes."""
        self._version += 1
        here = [receiver for receiver in self._receivers if receiver.name != "passing" or self._version % 2 == 1]
        described = "".join(f"  {receiver.name}: {receiver.settings}\n" for receiver in here)
        names = ", ".join(receiver.name for receiver in here)
        (self._router.folder / "rules.yaml").write_text(
            "sources:\n  spaces: {token: '${SPACES_TOKEN}'}\n"
            f"destinations:\n{described}"
            f'rules:\n  - {{name: version {self._version}, events: "*", to: [{names}]}}\n'
        )

    async def change_rules_often(self) -> None:
        """Let every third version be a broken one, and ask for a reload each time, until it is over."""
        for number in itertools.count(1):
            async with self._starting:  # nobody starts on a broken file
                if number % 3:
                    self.write_rules()
                else:
                    (self._router.folder / "rules.yaml").write_text(BROKEN)
                await self._reload(expected=200 if number % 3 else 422)
            if await self._is_over_before(self._answers, self._dice.randint(0, max(2, self._events // 30))):
                return

    async def _is_over_before(self, count: Count, more: int) -> bool:
        """Wait for so many more, or the end of the run."""
        waiting = {
            asyncio.create_task(count.reaches(count.value + more, seconds=3600)),
            asyncio.create_task(self.over.wait()),
        }
        _, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        return self.over.is_set()

    async def settle_rules(self) -> None:
        """End on a version without the passing destination: what waits for it becomes dead letters."""
        self.write_rules()
        if self._version % 2:
            self.write_rules()
        await self._reload(expected=200)

    async def _reload(self, expected: int) -> None:
        with contextlib.suppress(httpx.TransportError):  # it is being killed at this moment
            status = await self._router.reload(self._client)
            # 422 is fair for a good version too, where the file was broken again before it was read.
            assert status in (expected, 422)
            self.report.reloads += status == 200

    async def kill_often(self) -> None:
        """Most kills fall while events come in, the last ones while only retries are left."""
        for number in range(self._kills):
            target = self._events * (number + 1) / (self._kills + 1) * 1.15
            await self._answers.reaches(min(self._events, int(target)), seconds=600)
            # In the middle of something: while a receiver's answer is under way. Late in the run nothing may be.
            with contextlib.suppress(TimeoutError):
                await self._arrivals.reaches(self._arrivals.value + self._dice.randint(1, 60), seconds=2)
            self._running.clear()
            await self._router.kill()
            self.report.kills += 1
            async with self._starting:
                self.write_rules()
                await self.start()

    async def judge(self) -> None:
        """Compare what the receivers took with what was acknowledged and what the router says of it."""
        self.report.events = len(self._acknowledged)
        seen: Counter[tuple[str, str]] = Counter()
        async for delivery in self._router.listed(self._client, "deliveries"):
            seen[delivery["upstream_id"], delivery["destination"]] += 1
            told = await self._router.ask(self._client, f"deliveries/{delivery['id']}")
            self.report.faults += self.report.rows[delivery["destination"]].judge(told)
        for upstream_id in self._acknowledged:
            for receiver in self._receivers:
                count = seen[upstream_id, receiver.name]
                if count > 1 or (count == 0 and receiver.name != "passing"):
                    self.report.faults.append(f"{upstream_id} has {count} deliveries to {receiver.name}")
        versions = set()
        async for event in self._router.listed(self._client, "events"):
            versions.update(event["rules"])
            if len(event["rules"]) != 1:
                self.report.faults.append(f"event {event['id']} was judged by {event['rules']}")
        self.report.versions = len(versions)
        for receiver in self._receivers:
            self.report.faults += receiver.faults()
