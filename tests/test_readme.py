"""What the README tells a new user to type does what it says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.config.load import load_text
from tests.process import ended
from tests.sinks import Sink

README = (Path(__file__).parent.parent / "README.md").read_text()


def _blocks(language: str, heading: str) -> list[str]:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_first_rule_file_loads_without_a_word() -> None:
    """The small rule file of the README has no problem and no warning."""
    (text,) = _blocks("yaml", "Set it up")
    environ = {"SPACES_TOKEN": "a-long-random-text", "SLACK_URL": "https://hooks.slack.com/services/T0/B0/x"}
    assert not load_text(text, "rules.yaml", environ).warnings


async def test_the_set_up(tmp_path: Path) -> None:
    """The commands of the set-up lead from an empty folder to checked rules and a test message at Slack."""
    _, begin, check, _ = _blocks("sh", "Set it up")
    async with terminals(tmp_path) as (terminal, *_), Sink() as slack:
        await terminal.type(begin)
        await terminal.read_until("every event")
        env = tmp_path / "my-router" / ".env"
        env.write_text(re.sub(r"(?m)^SLACK_URL=.*$", f"SLACK_URL={slack.url}/services/T0/B0/x", env.read_text()))
        await terminal.type(check)
        said = await terminal.read_until("took the message")
    assert "rules.yaml is fine" in said
    assert "tests passed" in said
    (message,) = slack.received
    assert "Test message" in message.json["text"]


def test_every_page_that_the_readme_names_is_there() -> None:
    """No link of the README leads nowhere."""
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("https://"):
            assert (Path(__file__).parent.parent / link).exists(), link


class Terminal:
    """A shell that stays open, as a person's terminal does."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def type(self, text: str) -> None:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                "bash",
                cwd=self._folder,
                env=self._environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        await self._process.stdin.drain()

    async def read_until(self, expected: str, seconds: float = 30) -> str:
        """Read until a line has this in it; everything read."""
        assert self._process is not None
        assert self._process.stdout is not None
        seen = ""
        try:
            async with asyncio.timeout(seconds):
                while expected not in seen:
                    line = await self._process.stdout.readline()
                    assert line, f"the terminal closed; expected {expected!r} in:\n{seen}"
                    seen += line.decode()
        except TimeoutError:
            pytest.fail(f"expected {expected!r} in:\n{seen}")
        return seen

    async def type_until(self, command: str, expected: str, times: int = 1) -> None:
        """Type a command again until its output has this in it, as a person does who waits for a change."""
        for _ in range(20):
            await self.type(f"{command.strip()}\necho that was all")
            if (await self.read_until("that was all")).count(expected) >= times:
                return
        pytest.fail(f"{command} never showed {expected!r}")

    async def interrupt(self) -> None:
        """Ctrl-C, to all that runs in it."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            await ended(self._process)
            self._process = None


@asynccontextmanager
async def terminals(folder: Path) -> AsyncIterator[list[Terminal]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPACES")}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    opened = [Terminal(folder, environ) for _ in range(3)]
    try:
        yield opened
    finally:
        for terminal in opened:
            await terminal.interrupt()


async def test_the_flow_by_hand(tmp_path: Path) -> None:
    """Sign and post with openssl and curl; see the message arrive, wait while the sink is gone, and arrive at last."""
    for tool in ("openssl", "curl", "bash"):
        if shutil.which(tool) is None:
            reason = f"{tool} is missing, so that the README's flow by hand is not run"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    sink_text, router_text, first_post, second_post, retrying, delivered = (
        _on_free_ports(block) for block in _blocks("sh", "Try it by hand")
    )
    async with terminals(tmp_path) as (sink, router, hand):
        await sink.type(sink_text)
        await router.type(router_text)
        await router.read_until("listening on")
        await hand.type(first_post)
        await hand.read_until("stored")
        assert "Release checklist" in await sink.read_until("Release checklist")
        await hand.type_until(delivered, "delivered")  # the sink prints before it answers

        await sink.interrupt()
        await hand.type(second_post)
        await hand.read_until("stored")
        await hand.type_until(retrying, "wiki-news")

        await sink.type(sink_text.rpartition("END\n")[2])
        await sink.read_until("Release checklist", seconds=60)
        await hand.type_until(delivered, "delivered", times=2)


def _on_free_ports(text: str) -> str:
    """The same text on other ports, so that whatever runs on this machine already is left alone."""
    for port, free in PORTS.items():
        text = text.replace(port, free)
    if "spaces-router serve" in text:
        return text.replace("--listen", f"--admin 127.0.0.1:{PORTS['8081']} --listen")
    return text.replace(
        "spaces-router deliveries", f"spaces-router deliveries --admin http://127.0.0.1:{PORTS['8081']}"
    )


def _free_ports() -> dict[str, str]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return dict(zip(("8080", "8081", "9000"), ports, strict=True))


PORTS = _free_ports()
