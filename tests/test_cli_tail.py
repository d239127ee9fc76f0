"""`tail`: what somebody sees who follows a router from a terminal or a script."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.cli.output import display_width
from router.signature import sign
from tests.admin_calls import PAGE, RULES, failing
from tests.cli import COMMAND, invoked
from tests.process import RouterProcess, ended
from tests.running import SOURCES, TOKEN, RunningRouter
from tests.sinks import Sink, answer, refused_port
from tests.waiting import until


class Tail:
    """`spaces-router tail` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def note(self) -> str:
        """The next line on standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def record(self) -> tuple[str, dict[str, Any]]:
        ((kind, record),) = json.loads(await self.line()).items()
        return kind, record

    async def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await ended(self.process)


@asynccontextmanager
async def tail(admin: str, *options: str, **pipes: Any) -> AsyncIterator[Tail]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")}
    process = await asyncio.create_subprocess_exec(
        *(str(COMMAND), "tail", "--admin", admin, *options),
        env=environ | {"TZ": "UTC", "COLUMNS": "100", "SPACES_ROUTER_LOG_LEVEL": "debug"},
        **{"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE} | pipes,
    )
    try:
        yield Tail(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def followed(router: RunningRouter) -> None:
    await router.settle()
    await until(lambda: len(router.app.tails.readers) == 1)


async def test_lines_for_people(tmp_path: Path) -> None:
    """One line per record: when, what, how it stands, and between whom; errors and what comes next stand behind."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(503, "later"))
        async with tail(router.app.admin_url, "--format", "text") as shown:
            await followed(router)
            event = await router.accept("page.updated", PAGE)
            await router.accept("comment.created", b'{"comment":{"id":1}}')
            lines = [await shown.line() for _ in range(4)]
            (delivery,) = await router.deliveries()
            assert await shown.interrupt() == 0
    assert f"09:15:00  {event}  page.updated             received    from spaces; 1 rule: pages" in lines
    start = f"09:15:00  {delivery['id']}  page.updated             "
    assert f"{start}sending     pages → wiki" in lines
    assert any(
        line.startswith(f"{start}retrying    pages → wiki: HTTP 503") and line.endswith("; next at 09:16:00")
        for line in lines
    ), lines
    assert any("comment.created          received    from spaces; no rule matched" in line for line in lines)


async def test_lines_for_programs(tmp_path: Path) -> None:
    """Where no terminal is, each line is one JSON object: the record as the lists have it, under what it is."""
    async with RunningRouter(tmp_path, RULES) as router, tail(router.app.admin_url) as shown:
        await followed(router)
        await router.accept("page.updated", PAGE)
        records = [await shown.record() for _ in range(3)]
        await router.settle()
        assert records[0] == ("event", (await router.get("events"))["events"][0])
        assert records[2] == ("delivery", (await router.get("deliveries"))["deliveries"][0])
        assert await shown.interrupt() == 0
        assert shown.process.stderr is not None
        assert await shown.process.stderr.read() == b""


async def test_filters(tmp_path: Path) -> None:
    """The options are those of the API."""
    async with RunningRouter(tmp_path, RULES) as router:
        async with tail(router.app.admin_url, "--state", "DELIVERED", "--name", "page.*", "--rule", "pages") as shown:
            await followed(router)
            await router.accept("page.updated", PAGE)
            kind, record = await shown.record()
            assert (kind, record["state"]) == ("delivery", "delivered")
        refused = await invoked("tail", "--admin", router.app.admin_url, "--name", "page..x")
        senseless = await invoked("tail", "--admin", router.app.admin_url, "--only", "events", "--state", "dead")
    assert refused.exit_code == senseless.exit_code == 1
    assert "name: pattern 'page..x' has an empty segment" in refused.output
    assert "events have no state" in senseless.output


async def test_colours_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal lines are for people, states have colours, and no line is wider than it."""
    rules = RULES.replace("name: pages", f"name: {'long ' * 15}name")
    ours, theirs = pty.openpty()
    async with RunningRouter(tmp_path, rules) as router, tail(router.app.admin_url, stdout=theirs) as shown:
        os.close(theirs)
        await followed(router)
        await router.accept("page.updated", PAGE)
        seen = await asyncio.to_thread(read_lines, ours, 3)
        assert await shown.interrupt() == 0
    os.close(ours)
    assert "\x1b[32mdelivered\x1b[0m" in seen
    plain = re.sub(r"\x1b\[\d+m", "", seen)
    assert all(display_width(line) <= 100 for line in plain.splitlines())
    assert "…" in plain


def read_lines(terminal: int, count: int) -> str:
    seen = b""
    while seen.count(b"\n") < count:
        seen += os.read(terminal, 4096)
    return seen.decode()


async def test_a_restart_of_the_router(tmp_path: Path) -> None:
    """When the router goes away that is said once, and so is its return; then everything goes on."""
    (tmp_path / "rules.yaml").write_text(SOURCES + RULES)
    router = RouterProcess(tmp_path, {"SPACES_TOKEN": TOKEN})
    await router.start()
    async with tail(router.admin, "--only", "events") as shown:
        await first_record(router, shown)
        for end in (router.stop, router.kill):
            await end()
            assert "went away; waiting for it to come back" in await shown.note()
            await router.start()
            assert (await shown.note()).startswith("It is back. What happened meanwhile is not shown here")
            await send(router, "page.deleted")
            kind, record = await shown.record()
            assert (kind, record["name"]) == ("event", "page.deleted")
        assert await shown.interrupt() == 0
    await router.stop()


async def first_record(router: RouterProcess, shown: Tail) -> None:
    """Send events until one is shown: only then it is certain that somebody follows."""
    reading = asyncio.ensure_future(shown.record())
    while not reading.done():
        await send(router, "page.created")
        await asyncio.wait([reading], timeout=0.2)
    sent = (await reading)[1]["name"]
    assert sent == "page.created"


async def send(router: RouterProcess, event: str) -> None:
    body = b'{"page":{"id":1}}'
    headers = {"Event": event, "Signature": sign(TOKEN, body), "Delivery": os.urandom(8).hex()}
    async with httpx.AsyncClient() as client:
        answered = await client.post(f"{router.public}/hooks/spaces", content=body, headers=headers)
    assert answered.status_code == 200


async def test_ctrl_c_while_waiting(tmp_path: Path) -> None:
    """Ctrl-C ends it with 0, also while it waits for a router that is gone."""
    async with RunningRouter(tmp_path, RULES) as router, tail(router.app.admin_url) as shown:
        await followed(router)
        await router.app.stop()
        assert "went away" in await shown.note()
        assert await shown.interrupt() == 0


@pytest.mark.parametrize("status", [200, 404])
async def test_something_else_answers(status: int) -> None:
    """What is no router is told apart from one."""
    async with Sink() as sink:
        sink.answer_with(answer(status, "hello"))
        result = await invoked("tail", "--admin", sink.url)
    assert result.exit_code == 1
    assert "is not a router's admin side. Is --admin right?" in result.output


async def test_no_router() -> None:
    """Without a running router it ends with 1, and says what to do."""
    result = await invoked("tail", "--admin", f"127.0.0.1:{refused_port()}")
    assert result.exit_code == 1
    assert "nothing answers at" in result.output
    assert "start it with `spaces-router serve`" in result.output
