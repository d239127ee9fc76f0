"""The router as a real process, as an admin's server runs it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import until

_LISTENING = re.compile(rb"listening on (\S+), admin on (\S+)")


class RouterProcess:
    """
    `spaces-router serve` on loopback, to be killed and started again.

    Args:
        folder: Holds `rules.yaml`; the store goes to `data` in it and the log to `router.log`.
        wrapper: A command to run it under, such as strace.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str] | None = None, *flags: str, wrapper: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self.environ = dict(os.environ) | {"SPACES_ROUTER_LOG_LEVEL": "info"} | dict(environ or {})
        self.flags = flags
        self.wrapper = wrapper
        self.process: asyncio.subprocess.Process | None = None
        self.public = ""
        self.admin = ""
        self._ports: tuple[str, str] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "router.log"
        return path.read_text() if path.exists() else ""

    async def start(self) -> None:
        """Start and wait for the line that says where it listens; later starts listen on the same ports."""
        listen, admin = self._ports or ("127.0.0.1:0", "127.0.0.1:0")
        command = [
            *self.wrapper,
            str(Path(sys.executable).parent / "spaces-router"),
            "serve",
            *("--rules", str(self.folder / "rules.yaml")),
            *("--data", str(self.folder / "data")),
            *("--listen", listen),
            *("--admin", admin),
            *self.flags,
        ]
        with (self.folder / "router.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, env=self.environ, start_new_session=True
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        found = _LISTENING.search(line)
        assert found, f"the router did not start: {line!r}\n{self.log[-2000:]}"
        self.public, self.admin = found[1].decode(), found[2].decode()
        self._ports = (self.public.rpartition("/")[2], self.admin.rpartition("/")[2])

    async def kill(self) -> None:
        """SIGKILL, to the process and whatever runs it."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        return await self._end(signal.SIGTERM)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the process and whatever runs it."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    async def ask(self, client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
        """Ask the admin API."""
        answer = await client.get(f"{self.admin}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def listed(self, client: httpx.AsyncClient, what: str) -> AsyncIterator[dict[str, Any]]:
        """Go through all `events` or `deliveries`, newest first."""
        cursor: dict[str, str] = {}
        while True:
            page = await self.ask(client, what, limit=500, **cursor)
            for one in page[what]:
                yield one
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    async def until_final(self, client: httpx.AsyncClient, seconds: float) -> None:
        """Wait until no delivery is under way any more."""

        async def final() -> bool:
            states = (await self.ask(client, "stats"))["deliveries"]
            return not any(states.get(state) for state in ("held", "pending", "sending", "retrying"))

        await until(final, every=0.2, seconds=seconds)

    async def reload(self, client: httpx.AsyncClient) -> int:
        """Ask for the rule file to be taken over; the status of the answer."""
        return (await client.post(f"{self.admin}/-/reload")).status_code

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.tell(number)
        return await ended(self.process)


async def ended(process: asyncio.subprocess.Process, seconds: float = 60) -> int:
    """Wait for the end of a process and of its output, which what it started may hold open longer; the exit code."""
    async with asyncio.timeout(seconds):
        code = await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if process.stdout is not None:
            await process.stdout.read()
    return code
