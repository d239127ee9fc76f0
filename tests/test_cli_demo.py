"""`demo`: what `make run` shows, on any machine, without any set-up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.samples import SAMPLES
from tests.cli import COMMAND, invoked, run
from tests.process import ended

# The demonstration must use none of these.
LURES = {"SLACK_URL": "http://127.0.0.1:9/never", "AUDIT_URL": "http://127.0.0.1:9/never", "SPACES_TOKEN": "mine"}


def test_all_events_are_shown_and_arrive(tmp_path: Path) -> None:
    """Each of the 21 events is sent and forwarded; the summary says so, and nothing is left behind."""
    done = run("demo", "--once", cwd=tmp_path, env=LURES | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for name in SAMPLES:
        assert re.search(rf"^{re.escape(name)}\n  → ", done.stdout, re.MULTILINE), name
    assert re.search(r"^21 events, (2[1-9]|[3-9]\d) messages, all delivered\.$", done.stdout, re.MULTILINE)
    assert "as it came" in done.stdout
    assert "its new signature is right" in done.stdout
    assert "None" not in done.stdout
    assert "  no rule matches it" not in done.stdout
    assert _content(tmp_path) == []


@asynccontextmanager
async def demonstration(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A demonstration that keeps running, and what it has said until it waits."""
    process = await asyncio.create_subprocess_exec(
        str(COMMAND), "demo", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=dict(os.environ) | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C ends it.\n"), 60)
        yield process, said.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await ended(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_keeps_running_until_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """What is suggested works: an event that is sent meanwhile is shown; a signal ends it with 0."""
    async with demonstration(tmp_path) as (process, said):
        assert process.stdout is not None
        found = re.search(r"export SPACES_ROUTER_ADMIN=(\S+) SPACES_TOKEN=(\S+)\n  .*(send page\S+) --to (\S+)", said)
        assert found, said
        admin, token, _, hook = found.groups()
        result = await invoked("send", "page.updated.moved", "--to", hook, env={"SPACES_TOKEN": token})
        assert result.exit_code == 0, result.output
        shown = await asyncio.wait_for(process.stdout.readuntil(b"\xe2\x86\x92"), 30)
        assert b"page.updated.moved" in shown
        listed = await invoked("deliveries", env={"SPACES_ROUTER_ADMIN": admin})
        assert listed.exit_code == 0
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    assert _content(tmp_path) == []


def _content(folder: Path) -> list[Path]:
    return list(folder.iterdir())
