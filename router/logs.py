"""
Structured logs: one line per record, as text or JSON, on standard error, with secrets masked.

A record's message is its action (`delivery.attempted`); what it is about stands in `extra`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

from router.clock import rfc3339
from router.secret import Redactor


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


LONGEST_VALUE = 4096

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"action", "message", "asctime", "taskName", "color_message"}

_PLAIN = re.compile(r"[^\s\"'=]+")

# Line separators beside the control characters: a value must not be able to begin a line of its own.
_BREAKS = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


def facts_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a record says beside its action: the `extra` of the call, without what is None."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and value is not None}


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
            "action": record.getMessage(),
        }
        line |= {key: _bounded(value) for key, value in facts_of(record).items()}
        if trouble := self._trouble(record):
            line["traceback"] = trouble
        # Strings are redacted one by one: a secret with a quote in it is written differently inside JSON.
        return json.dumps(_redacted(line, self._redactor), ensure_ascii=True, default=str)


class TextFormatter(_Formatter):
    """`time LEVEL action key=value …`; a value with white space or quotes in it is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {key: _bounded(value) for key, value in facts_of(record).items()}
        # A secret with a quote in it is written differently once it is quoted, so values are redacted before that; one
        # look at all of them tells whether any needs it.
        plain = "\n".join([str(value) for value in facts.values()])
        if self._redactor.redact(plain) != plain:
            facts = {key: _redacted(value, self._redactor) for key, value in facts.items()}
        words = [self._time(record), f"{record.levelname:<7}", self._redactor.redact(record.getMessage())]
        words += [f"{key}={_word(value)}" for key, value in facts.items()]
        line = " ".join(words)
        if not line.isprintable():
            line = line.translate(_BREAKS)
        if trouble := self._trouble(record):
            line += "\n" + trouble.rstrip()
        return line


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item, redactor) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, redactor) for item in value]
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return value[:LONGEST_VALUE] + "…"
    return value


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_word(item) for item in value) or "-"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _leave_out_what_no_line_shows() -> None:
    """
    Do not ask for the caller's frame, thread and process: that is half the cost of a record.

    Source: Python's logging how-to, "Optimization", read 2026-11.
    """
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def configure_logging(
    log_format: LogFormat, level: str, redactor: Redactor, stream: TextIO | None = None
) -> logging.Handler:
    """Send every log of the process through one handler that masks secrets; gives it back, to be taken off again."""
    _leave_out_what_no_line_shows()
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter = JsonFormatter if log_format is LogFormat.JSON else TextFormatter
    handler.setFormatter(formatter(redactor))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("asyncio", "tornado.general", "tornado.access", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    return handler
