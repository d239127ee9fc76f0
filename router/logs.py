"""
Structured logs: one line per record, as text or JSON, on standard error, with secrets masked.

A record's message is its action (`delivery.attempted`); what it is about stands in `extra`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from threading import get_ident
from typing import Any, TextIO

from router.clock import rfc3339
from router.secret import Redactor


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


LONGEST_VALUE = 4096

_COMMON = len(vars(logging.makeLogRecord({})))
"""How many attributes every record has; what a call gives in `extra` stands behind them."""

_OF_OTHERS = frozenset({"message", "asctime"})
"""Attributes that formatters of other handlers leave on a record."""

_PLAIN_TYPES = (int, float, type(None))
"""Kept as they are in JSON."""

_PLAIN = re.compile(r"[^\s\"'=]+")

# Line separators beside the control characters: a value must not be able to begin a line of its own.
_BREAKS = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}

_BLANK = vars(logging.makeLogRecord({"filename": "-", "module": "-", "pathname": "-", "processName": None}))
"""What a record has that no line shows; the formatters of others may ask for it."""


def _make_record(
    name: str, level: int, _pathname: str, _line: int, message: object, args: Any, trouble: Any, *_: Any
) -> logging.LogRecord:
    """
    Make a record with what lines show, and nothing found out for the rest: that is a third of the time of a line.

    Source: `setLogRecordFactory` in Python's documentation of logging, read 2026-11.
    """
    record = object.__new__(logging.LogRecord)
    told = vars(record)
    told.update(_BLANK)
    if args and len(args) == 1 and args[0] and isinstance(args[0], Mapping):
        args = args[0]  # for a text that asks for values by their names
    told["name"], told["msg"], told["args"], told["exc_info"] = name, message, args, trouble
    told["levelno"], told["levelname"] = level, logging.getLevelName(level)
    told["created"] = now = time.time()
    told["msecs"] = now % 1 * 1000
    return record


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says beside its action: the `extra` of the call, without what is None."""
    said = islice(vars(record).items(), _COMMON, None)
    return {key: value for key, value in said if value is not None and key not in _OF_OTHERS}


class _Formatter(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._second = -1
        self._until_second = ""

    def _trouble(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[1] is None:
            return ""
        return self._redactor.redact("".join(traceback.format_exception(record.exc_info[1])))

    def _masked(self, value: Any) -> Any:
        """Mask the secrets in a value, whatever its type, and only then cut it: half of a secret is one still."""
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        if isinstance(value, Mapping):
            return {self._redactor.redact(str(key)): self._masked(item) for key, item in value.items()}
        text = str(value)
        masked = self._redactor.redact(text)
        return value if masked == text and isinstance(value, _PLAIN_TYPES) else _bounded(masked)

    def _time(self, record: logging.LogRecord) -> str:
        """RFC 3339 to the millisecond; all but the fraction is written once a second."""
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._until_second = rfc3339(datetime.fromtimestamp(second, UTC))[:-4]
        return f"{self._until_second}{int(1000 * (record.created - second)):03d}Z"


class JsonFormatter(_Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `action`, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self._time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "action": self._redactor.redact(record.getMessage()),
        }
        line |= {key: self._masked(value) for key, value in facts_of(record).items()}
        if trouble := self._trouble(record):
            line["traceback"] = trouble
        return json.dumps(line, ensure_ascii=True)


class TextFormatter(_Formatter):
    """`time LEVEL action key=value …`; a value with white space or quotes in it is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = [
            f" {key}={value if value.__class__ is str else _plain_word(value)}"
            for key, value in islice(vars(record).items(), _COMMON, None)
            if value is not None and key not in _OF_OTHERS
        ]
        action, said = record.getMessage(), "".join(pairs)
        if not self._is_harmless(action, said, len(pairs)):
            facts = facts_of(record).items()
            said = "".join([f" {key}={_word(self._masked(value))}" for key, value in facts]).translate(_BREAKS)
            action = self._redactor.redact(action).translate(_BREAKS)
        line = f"{self._time(record)} {record.levelname:<7} {action}{said}"
        if trouble := self._trouble(record):
            # What an exception says may come from outside: none of its lines may look like a record.
            line += "".join(f"\n  {each.translate(_BREAKS)}" for each in trouble.rstrip().split("\n"))
        return line

    def _is_harmless(self, action: str, said: str, count: int) -> bool:
        """
        Whether an action and so many pairs can stand in a line as they are. Most can, and one look at all of them
        together shows it.
        """
        line = action + said
        return (
            len(said) <= LONGEST_VALUE
            and line.isprintable()
            # Neither a name nor a value has one of these in it, or is empty.
            and said.count(" ") == count == said.count("=")
            and "= " not in said
            and not said.endswith("=")
            and '"' not in said
            and "'" not in said
            and self._redactor.redact(line) == line
        )


class _LineHandler(logging.StreamHandler[TextIO]):
    """
    Writes the lines of one turn of the event loop in one go.

    Requests that share a commit are logged in the same turn. Their lines are also made one right after the other, while
    what that needs stays in the processor's cache: this alone saves 7 % of the time of a request. Errors are written at
    once, and so is what is logged in another thread or outside the loop; what still waits at the end,
    `logging.shutdown` writes.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._records: list[logging.LogRecord] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if record.args:  # others give what they close or change a moment later
                record.msg, record.args = record.getMessage(), None
        except Exception:  # noqa: BLE001 - as every handler does: a line that cannot be made must not stop the program
            self.handleError(record)
            return
        self._records.append(record)
        if record.levelno >= logging.ERROR or not self._is_written_later():
            self._write()

    def _is_written_later(self) -> bool:
        """Whether a turn of the loop is still to come that writes what waits; not in another thread."""
        if self._loop is not None and self._loop.is_running():
            # To ask for the running loop is a system call in Python 3.11: once a turn is enough.
            return self._thread == get_ident()
        loop = _running_loop()
        if loop is None:
            return False
        self._loop, self._thread = loop, get_ident()
        loop.call_soon(self._write)
        return True

    def _write(self) -> None:
        try:
            self.flush()
        except Exception:  # noqa: BLE001 - as every handler does: a log that cannot be written must not stop the program
            self.handleError(logging.makeLogRecord({"msg": "lines of the log could not be written"}))

    def flush(self) -> None:
        with self.lock or nullcontext():
            self._loop = None
            records, self._records = self._records, []
            if records:
                self.stream.write("".join([self._line(record) for record in records]))
                super().flush()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - a line that cannot be made takes no other with it
            self.handleError(record)
            return ""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _plain_word(value: Any) -> str:
    """Write a value as it stands in a line if nothing in it needs care."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "-"
    return str(value)


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_word(item) for item in value) or "-"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _leave_out_what_no_line_shows() -> None:
    """
    Do not ask for the caller's frame, file, thread and process: that is most of the cost of a record.

    Source: Python's logging how-to, "Optimization", read 2026-11.
    """
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.setLogRecordFactory(_make_record)


def formatter_of(log_format: LogFormat, redactor: Redactor) -> logging.Formatter:
    """Make what writes the lines of a log."""
    return (JsonFormatter if log_format is LogFormat.JSON else TextFormatter)(redactor)


def configure_logging(
    log_format: LogFormat, level: str, redactor: Redactor, stream: TextIO | None = None
) -> logging.Handler:
    """Send every log of the process through one handler that masks secrets; gives it back, to be taken off again."""
    _leave_out_what_no_line_shows()
    handler = _LineHandler(stream or sys.stderr)
    handler.setFormatter(formatter_of(log_format, redactor))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("asyncio", "tornado.general", "tornado.access", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    return handler
