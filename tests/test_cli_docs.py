"""
The page of commands tells the truth: its examples are run, one after the other, on a real router.

In a block marked `console`, a line that starts with `$` is run, and the lines below are what it prints; `…` stands for
anything, and as a line of its own for any number of lines. Long numbers are ids: the same number is the same id
wherever it stands. Commands in blocks marked `sh` are not run, but their options must exist.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import invoke, invoked, run
from tests.process import RouterProcess
from tests.waiting import until

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
TOKEN = "a-token-for-the-tests"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"\b6\d{16}\b")


def blocks(language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(PAGE.read_text()) if name == language]


def examples() -> Iterator[tuple[str, str]]:
    """Each command of the page with what it prints."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed


class Ids:
    """Real ids by the numbers that stand for them on the page."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def fill_in(self, text: str) -> str:
        return _ID.sub(lambda found: self._real.get(found[0], found[0]), text)

    def pattern(self, printed: str) -> re.Pattern[str]:
        """What the page says, as a pattern whose groups are the ids that are still unknown."""
        pattern = re.escape(self.fill_in(printed)).replace("…\\\n", "…\n")
        pattern = re.sub(r"^…\n", "(?:.*\n)*?", pattern, flags=re.MULTILINE).replace("…", ".*")
        known: set[str] = set()

        def group(found: re.Match[str]) -> str:
            if found[0] in self._real.values():
                return found[0]
            if found[0] in known:
                return f"(?P=id{found[0]})"
            known.add(found[0])
            return f"(?P<id{found[0]}>\\d+)"

        return re.compile(_ID.sub(group, pattern).replace("\\ ", " +"))

    def learn(self, match: re.Match[str]) -> None:
        self._real |= {name.removeprefix("id"): real for name, real in match.groupdict().items()}


async def test_examples_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of the page works as it stands there."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(("rules.yaml", "pages.yaml", "changed.yaml"), blocks("yaml"), strict=True):
        (tmp_path / name).write_text(text)
    router = RouterProcess(tmp_path, {"SPACES_TOKEN": TOKEN})
    await router.start()
    try:
        real = {"http://127.0.0.1:8080": router.public, "http://127.0.0.1:8081": router.admin}
        env = {"SPACES_TOKEN": TOKEN, "SPACES_ROUTER_ADMIN": router.admin}
        ids = Ids()
        for command, printed in examples():
            line = ids.fill_in(command)
            for ours, theirs in real.items():
                line = line.replace(ours, theirs)
            name, *arguments = shlex.split(line)
            assert name == "spaces-router"
            output = await _output(arguments, env)
            for ours, theirs in real.items():
                output = output.replace(theirs, ours)
            match = ids.pattern(printed).fullmatch(output)
            assert match, f"$ {command}\n{output}\nThe page says:\n{printed}"
            ids.learn(match)
            if arguments[0] == "send":
                await _settled(router)
    finally:
        assert await router.stop() == 0


async def _output(arguments: list[str], env: dict[str, str]) -> str:
    if arguments[0] == "demo":  # it takes signals, and so the main thread of a process
        done = await asyncio.to_thread(run, *arguments, env=env)
        return done.stdout + done.stderr
    return (await invoked(*arguments, env=env)).output


async def _settled(router: RouterProcess) -> None:
    """Wait until the router has sent what it was given."""

    async def nothing_waits() -> bool:
        waiting = [
            (await invoked("deliveries", "--state", state, "--json", "--admin", router.admin)).stdout
            for state in ("pending", "sending")
        ]
        return waiting == ["[]\n", "[]\n"]

    await until(nothing_waits)


def test_other_commands_of_the_page_exist() -> None:
    """Commands that the page only names have the options that it gives them."""
    for block in blocks("sh"):
        for line in block.splitlines():
            name, *arguments = shlex.split(line)
            assert name == "spaces-router"
            assert invoke(*arguments, "--help").exit_code == 0, line


def test_the_page_knows_every_option_of_serve() -> None:
    """The table of `serve` has each of its options with the right variable."""
    from router.cli.serve import command  # noqa: PLC0415 - not needed by the other tests

    page = PAGE.read_text()
    for parameter in command.params:
        assert f"`{parameter.opts[0]}" in page, parameter.opts
        assert f"`{parameter.envvar}`" in page, parameter.envvar
