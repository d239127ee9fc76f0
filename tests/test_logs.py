"""When and how lines of the log are written."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.logs import LONGEST_VALUE, LogFormat, configure_logging, formatter_of
from router.secret import Redactor, Secret

log = logging.getLogger("router.test")


class Stream(io.StringIO):
    """Remembers what it was given, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.trouble: Exception | None = None

    def write(self, text: str) -> int:
        if self.trouble is not None:
            raise self.trouble
        self.writes.append(text)
        return len(text)

    @property
    def actions(self) -> list[list[str]]:
        """The actions of the lines of each write."""
        return [[line.split()[2] for line in text.splitlines()] for text in self.writes]

    @property
    def all_actions(self) -> list[str]:
        return [action for actions in self.actions for action in actions]


@pytest.fixture
def stream() -> Iterator[Stream]:
    """Where the whole log goes, as text."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = Stream()
    configure_logging(LogFormat.TEXT, "info", Redactor([Secret("a secret = here"), Secret("plain-secret")]), stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)


async def test_lines_of_one_turn_are_written_together(stream: Stream) -> None:
    """In their order, and before anything that happens later."""
    for action in ("first", "second", "third"):
        log.info(action)
    assert stream.writes == []
    await asyncio.sleep(0)
    assert stream.actions == [["first", "second", "third"]]
    log.info("fourth")
    await asyncio.sleep(0)
    assert stream.actions == [["first", "second", "third"], ["fourth"]]


async def test_an_error_is_written_at_once_with_what_stands_before_it(stream: Stream) -> None:
    """It may be the last line."""
    log.info("first")
    log.error("second")
    assert stream.actions == [["first", "second"]]
    log.info("third")
    await asyncio.sleep(0)
    assert stream.actions == [["first", "second"], ["third"]]


def test_outside_of_a_loop_nothing_waits(stream: Stream) -> None:
    """There is no later turn."""
    log.info("first")
    assert stream.actions == [["first"]]


async def test_a_line_of_another_thread_is_written_at_once(stream: Stream) -> None:
    """Behind those that came before, also while the loop turns."""

    def elsewhere() -> list[str]:
        log.info("second")
        return stream.all_actions

    log.info("first")
    assert await asyncio.get_running_loop().run_in_executor(None, elsewhere) == ["first", "second"]


async def test_a_line_tells_what_was_when_it_was_logged(stream: Stream) -> None:
    """Libraries log what they close or change in the same turn."""
    told = ["open"]
    log.info("it.is.%s", told)
    told[0] = "closed"
    await asyncio.sleep(0)
    assert "it.is.['open']" in stream.writes[0]


def test_a_loop_that_ends_takes_no_line_with_it(stream: Stream) -> None:
    """What was logged in its last turn is written with the next line, or at the end of the program."""
    loop = asyncio.new_event_loop()
    loop.call_soon(log.info, "first")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    asyncio.run(_log("second"))
    assert stream.all_actions == ["first", "second"]
    loop = asyncio.new_event_loop()
    loop.call_soon(log.info, "third")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    logging.getLogger().handlers[0].flush()
    assert stream.all_actions == ["first", "second", "third"]


async def _log(action: str) -> None:
    log.info(action)
    await asyncio.sleep(0)


async def test_a_log_that_cannot_be_written_stops_nothing(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk under the log is no reason to stop forwarding."""
    stream.trouble = OSError("no space left")
    log.info("first")
    await asyncio.sleep(0)
    log.error("second")
    assert "no space left" in capsys.readouterr().err
    stream.trouble = None
    log.error("third")
    assert stream.actions[-1] == ["third"]


class Unspeakable:
    """Cannot be made a text."""

    def __str__(self) -> str:
        raise ValueError("no words for this")


async def test_a_line_that_cannot_be_made_takes_no_other_along(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug in what one line tells must not cost those of the same turn."""
    log.info("first")
    log.info("second", extra={"value": Unspeakable()})
    log.info("third")
    await asyncio.sleep(0)
    assert stream.actions == [["first", "third"]]
    assert "no words for this" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("page.updated", "page.updated"),
        (5, "5"),
        (["a", "b"], "a,b"),
        ([], "-"),
        ("", '""'),
        ("two words", '"two words"'),
        (["page changes", "b"], '"page changes",b'),
        ("a other=forged", '"a other=forged"'),
        ("a=b", '"a=b"'),
        ('a"b', '"a\\"b"'),
        ("a\nb", '"a\\nb"'),
        ("a\u2028b", '"a\\u2028b"'),
        ("a\x1bb", "a\\u001bb"),
        ("x plain-secret", '"x ***"'),
        ("plain-secret", "***"),
        ("a secret = here", "***"),
        (["a secret = here"], "***"),
        ("x" * 5000, "x" * 4096 + "…"),
    ],
)
def test_how_a_value_stands_in_a_line(stream: Stream, value: Any, written: str) -> None:
    """Quoted where it could be read as something else, and never as more than one field of one line."""
    log.info("thing.happened", extra={"before": 1, "value": value, "after": None, "last": "x"})
    [text] = stream.writes
    assert text.endswith(f" INFO    thing.happened before=1 value={written} last=x\n")


@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize(
    "value",
    [
        ValueError("refused: plain-secret"),
        Path("/run/plain-secret"),
        b"plain-secret",
        {"plain-secret": 1},
        12345678,
        "x" * (LONGEST_VALUE - 9) + "plain-secret",
    ],
    ids=["exception", "path", "bytes", "key", "number", "cut"],
)
def test_no_value_brings_a_secret_into_the_log(log_format: LogFormat, value: Any) -> None:
    """Whatever its type, and no half of one where a long value is cut."""
    formatter = formatter_of(log_format, Redactor(["plain-secret", "12345678"]))
    line = formatter.format(logging.makeLogRecord({"msg": "said", "name": "test", "what": value}))
    assert "***" in line
    assert "plain-se" not in line
    assert "12345678" not in line


def test_no_line_of_a_traceback_looks_like_a_record(stream: Stream) -> None:
    """What an exception says may come from outside: its lines are set off, and steer no terminal."""
    log.error("failed", exc_info=ValueError("boom\n2026-01-01T00:00:00.000Z INFO    event.accepted \x1b[31m"))
    first, *others = "".join(stream.writes).splitlines()
    assert first.endswith("failed")
    assert any("event.accepted \\u001b[31m" in line for line in others)
    assert all(line.startswith("  ") for line in others)
