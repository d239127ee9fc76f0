"""
A run in which mail destinations change while events come in: recipients, servers, and whether they are there at all.

`tests/test_live_reload.py` does a small one, `scripts/reload.py` a large one.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from router.samples import sample
from router.signature import sign
from tests.mail_sinks import Mail, MailSink
from tests.process import RouterProcess
from tests.waiting import Count

TOKEN = "token-of-the-reload-run"
TEAMS = (("ann@example.com", "bob@example.com"), ("bob@example.com", "cy@example.com"), ("dee@example.com",))
GUESTS = ("guest@example.com", "other@example.com")
REFUSED = 0.2
"""The share of recipients that a server asks to come back."""


@dataclass
class Report:
    """
    What a reload run came to; `faults` is empty when every promise was kept.

    Attributes:
        versions: Rule sets that judged events.
        mails: By server.
        moved: Deliveries whose recipients are of more than one version: the file changed between their attempts.
        exhausted: Dead letters after the full schedule.
    """

    events: int = 0
    reloads: int = 0
    broken: int = 0
    versions: int = 0
    mails: list[int] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    removed: int = 0
    exhausted: int = 0
    copies: int = 0
    again: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        servers = " and ".join(map(str, self.mails))
        lines = [
            f"{self.events} events under {self.versions} rule sets; {self.reloads} reloads, {self.broken} broken files",
            f"mails taken by the two servers: {servers}; copies: {self.copies}, second ones: {self.again}",
            f"delivered: {dict(self.delivered)}; to recipients of several versions: {self.moved}",
            f"dead letters: {self.removed} of a removed destination, {self.exhausted} after the full schedule",
            f"{len(self.faults)} faults",
            *(f"  {fault}" for fault in self.faults[:50]),
        ]
        return "\n".join(lines)


async def reload_run(folder: Path, *, versions: int, seed: int, senders: int = 4) -> Report:
    """Send events while the file changes so often, wait for the last delivery, and judge what arrived."""
    dice = random.Random(seed)
    async with MailSink() as one, MailSink() as other, httpx.AsyncClient(timeout=30) as client:
        router = RouterProcess(folder, {"SPACES_TOKEN": TOKEN})
        run = _Run(client, router, (one, other), dice)
        run.write_rules()
        await router.start()
        try:
            sending = [asyncio.create_task(run.send()) for _ in range(senders)]
            await run.change_rules(versions)
            for task in sending:
                task.cancel()
            await router.until_final(client, seconds=60 + versions)
            await run.judge()
        finally:
            await router.kill()
    return run.report


class _Run:
    def __init__(
        self, client: httpx.AsyncClient, router: RouterProcess, servers: tuple[MailSink, MailSink], dice: random.Random
    ) -> None:
        self._client, self._router, self._servers, self._dice = client, router, servers, dice
        self._copies: dict[str, Counter[str]] = {}
        self._answers, self._mails = Count(), Count()
        self._wanted = asyncio.Semaphore(0)
        self._version = self._events = 0
        self.report = Report()
        for server in servers:
            server.when_taken = self._take
            for address in {*GUESTS, *(address for team in TEAMS for address in team)}:
                server.refuse(address, partial(self._come_back, dice))

    @staticmethod
    def _come_back(dice: random.Random) -> str | None:
        return "451 4.7.1 come back later" if dice.random() < REFUSED else None

    def _take(self, mail: Mail) -> None:
        key = mail.message["Message-ID"].strip("<>").partition(".")[0]
        self._copies.setdefault(key, Counter()).update(mail.recipients)
        self._mails.add()

    def write_rules(self) -> None:
        """Write the next version: another team at another server; the guests come or go, and the rule is renamed."""
        self._version += 1
        server, other = self._dice.sample(self._servers, 2)
        team = TEAMS[self._version % len(TEAMS)]
        common = "type: email, from: wiki@example.com, retry: [1s, 1s, 2s]"
        described = f"  team: {{{common}, smtp: {server.url}, to: [{', '.join(team)}]}}\n"
        if self._version % 2:
            described += f"  guests: {{{common}, smtp: {other.url}, to: [{', '.join(GUESTS)}]}}\n"
        (self._router.folder / "rules.yaml").write_text(
            "sources:\n  spaces: {token: '${SPACES_TOKEN}'}\n"
            f"destinations:\n{described}rules:\n"
            f'  - {{name: version {self._version}, events: "*", to: [team{", guests" if self._version % 2 else ""}]}}\n'
        )

    async def change_rules(self, versions: int) -> None:
        for number in range(1, versions + 1):
            if number % 3 == 0:
                (self._router.folder / "rules.yaml").write_text("destinations: {team: {type: email, smtp: 7}}")
                self.report.broken += await self._router.reload(self._client) == 422
            self.write_rules()
            events = self._dice.randint(2, 10)
            for _ in range(events):  # some of them meet the reload
                self._wanted.release()
            self.report.reloads += await self._router.reload(self._client) == 200
            self._events += events
            await self._answers.reaches(self._events)
            # Let some mails go out under this version; the file must not outrun them all the time.
            await self._mails.reaches(min(self._mails.value + self._dice.randint(0, 12), self._events * 9 // 10))

    async def send(self) -> None:
        """Post an event for each that is wanted."""
        body = sample("page.updated")
        while True:
            await self._wanted.acquire()
            headers = {"Event": "page.updated", "Delivery": str(uuid.uuid4()), "Signature": sign(TOKEN, body)}
            answer = await self._client.post(f"{self._router.public}/hooks/spaces", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            self._answers.add()

    async def judge(self) -> None:
        """Compare who got what with what the router says of it."""
        report = self.report
        report.events = self._answers.value
        report.mails = [len(server.mails) for server in self._servers]
        rules: dict[str, list[str]] = {
            event["id"]: event["rules"] async for event in self._router.listed(self._client, "events")
        }
        report.faults += [f"event {event} was judged by {names}" for event, names in rules.items() if len(names) != 1]
        report.versions = len({names[0] for names in rules.values()})
        to_team: Counter[str] = Counter()
        async for listed in self._router.listed(self._client, "deliveries"):
            to_team[listed["event_id"]] += listed["destination"] == "team"
            told = await self._router.ask(self._client, f"deliveries/{listed['id']}")
            report.faults += [f"{told['id']} to {told['destination']}: {fault}" for fault in self._judge(told)]
        report.faults += [f"event {event} has {to_team[event]} to the team" for event in rules if to_team[event] != 1]

    def _judge(self, told: Mapping[str, Any]) -> list[str]:
        report = self.report
        copies = self._copies.get(told["id"], Counter())
        report.copies += copies.total()
        report.again += copies.total() - len(copies)
        wrong = [f"{who} has {count} copies" for who, count in copies.items() if count > 1]
        accepted = set((told["message"] or {}).get("accepted", ()))
        if accepted != set(copies):
            wrong.append(f"{sorted(accepted)} are said to have it, {sorted(copies)} have it")
        if told["state"] == "delivered":
            report.delivered[told["destination"]] += 1
            meant = [set(team) for team in TEAMS] if told["destination"] == "team" else [set(GUESTS)]
            report.moved += accepted not in meant
            if not any(team <= accepted for team in meant):
                wrong.append(f"it was delivered to {sorted(accepted)}, which is no version's list")
        elif told["reason"] == "destination removed" and told["destination"] == "guests":
            report.removed += 1
        elif told["reason"] == "retries exhausted" and len(told["history"]) >= 4:
            report.exhausted += 1
        else:
            wrong.append(f"it ended as {told['state']} ({told['reason']})")
        return wrong
