"""The whole router inside a test: real listeners, a real SQLite file, and a clock in the test's hand."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from router.app import App
from router.config.load import load
from router.config.settings import Address, Settings
from router.samples import sample
from router.secret import Redactor
from router.signature import sign
from router.store.sqlite import SqliteStore
from tests.described import check
from tests.fakes import Clock

TOKEN = "a-token-for-the-tests"

SOURCES = """\
sources:
  spaces:
    token: ${SPACES_TOKEN}
"""


class RunningRouter:
    """
    A router on free ports of loopback.

    Args:
        folder: Where the rule file and the store are; a second router on it finds what the first one left.
        rules: The rule file without `sources`.
        vfs: Of a disk that fails on demand.
    """

    def __init__(
        self,
        folder: Path,
        rules: str | None = None,
        *,
        clock: Clock | None = None,
        vfs: str | None = None,
        **settings: Any,
    ) -> None:
        self._vfs = vfs
        self.path = folder / "rules.yaml"
        if rules is not None:
            self.write(rules)
        self.clock = clock or Clock()
        self.environ: Mapping[str, str] = {"SPACES_TOKEN": TOKEN}
        loopback = Address("127.0.0.1", 0)
        self._settings = Settings(rules=self.path, data=folder / "data", listen=loopback, admin=loopback, **settings)
        self.client = httpx.AsyncClient(timeout=30)

    def write(self, rules: str) -> None:
        self.path.write_text(SOURCES + rules)

    async def __aenter__(self) -> Self:
        self.redactor = Redactor()
        configuration = load(self.path, self.environ, trial_seconds=0)  # as `serve` does
        store = SqliteStore(self._settings.database, clock=self.clock, vfs=self._vfs)
        self.app = App(
            self._settings, configuration, self.environ, redactor=self.redactor, clock=self.clock, store=store
        )
        await self.app.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self.app.stop()

    async def receive(
        self, event: str, body: bytes | None = None, *, source: str = "spaces", **headers: str
    ) -> httpx.Response:
        """Post a signed delivery as Spaces does; the sample body of the event unless one is given."""
        content = sample(event) if body is None else body
        signed = {"Event": event, "Delivery": str(uuid.uuid4()), "Signature": sign(TOKEN, content)} | headers
        return await self.client.post(f"{self.app.public_url}/hooks/{source}", content=content, headers=signed)

    async def accept(
        self, event: str = "page.updated", body: bytes | None = None, *, source: str = "spaces", **headers: str
    ) -> str:
        """Post a delivery that must be stored; the event's id."""
        answer = await self.receive(event, body, source=source, **headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["event"])

    async def settle(self) -> None:
        """Wait until nothing is under way: what remains waits for the clock."""
        await self.app.lanes.quiet()
        await self.app.alerts.quiet()
        await self.app.lanes.quiet()

    async def advance(self, **duration: float) -> None:
        """Let time pass, and wait for what that set off."""
        self.clock.advance(**duration)
        await self.settle()

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(f"{self.app.admin_url}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        check(answer)
        return answer.json()

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        answer = await self.client.post(f"{self.app.admin_url}{path}", json=body)
        check(answer)
        return answer

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """Deliveries, oldest first."""
        listed: list[dict[str, Any]] = (await self.get("deliveries", limit=500, **query))["deliveries"]
        return listed[::-1]

    async def all(self, what: str) -> list[dict[str, Any]]:
        """Every `events` or `deliveries` there is, newest first, page after page."""
        page = await self.get(what, limit=500)
        listed: list[dict[str, Any]] = page[what]
        while page["next"] is not None:
            page = await self.get(what, limit=500, cursor=page["next"])
            listed += page[what]
        return listed

    async def states(self, **query: Any) -> list[str]:
        return [delivery["state"] for delivery in await self.deliveries(**query)]

    async def history(self, delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = (await self.get(f"deliveries/{delivery['id']}"))["history"]
        return told
