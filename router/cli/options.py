"""
Options that several commands share, and the types of their values.

Process settings have one environment variable each, whatever the command (`SPACES_ROUTER_LISTEN`). An option of one
command alone has its name in the variable (`SPACES_ROUTER_CHECKFORMAT`), so that one which was left behind in the
environment changes nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from router.durations import format_duration, parse_duration

F = TypeVar("F", bound=Callable[..., Any])

_LARGEST_ID = 2**63 - 1
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SIZE = re.compile(r"(\d{1,15})\s*([a-z]*)", re.ASCII)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """An option of one command; its variable is `SPACES_ROUTER_<COMMAND>_<OPTION>`."""
    return click.option(*names, show_envvar=True, **settings)


def setting(*names: str, **settings: Any) -> Callable[[F], F]:
    """A process setting; its variable is `SPACES_ROUTER_<OPTION>` in every command."""
    variable = "SPACES_ROUTER_" + names[0].lstrip("-").upper().replace("-", "_")
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


class SizeType(click.ParamType[int]):
    """A number of bytes, such as `5MiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(str(value).strip().lower())
        if match is None or match[2] not in _UNITS or not int(match[1]):
            self.fail(f"expected a size such as 5MiB, 512KiB or 1000000, found {value!r}.", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class DurationType(click.ParamType[timedelta]):
    """A length of time within bounds, such as `30d`."""

    name = "duration"

    def __init__(self, least: timedelta, most: timedelta) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}, found {value!r}.", param, ctx)
        if not self._least <= duration <= self._most:
            least, most = format_duration(self._least), format_duration(self._most)
            self.fail(f"expected at least {least} and at most {most}, found {value!r}.", param, ctx)
        return duration


class IdType(click.ParamType[str]):
    """The id of an event or a delivery: digits, as lists show it."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and 0 < int(text[:30]) <= _LARGEST_ID):
            self.fail(
                f"{value!r} is not an id. Ids are long numbers; `spaces-router deliveries` lists them.", param, ctx
            )
        return str(int(text))


class SinceType(click.ParamType[datetime]):
    """A moment in the past: how long ago (`2h`, `7d`), a day, or a time; without an offset it is local time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.now(UTC) - parse_duration(value)
        except (ValueError, OverflowError):
            pass
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"expected 30m, 2h, 7d, 2026-03-02 or 2026-03-02T09:15, found {value!r}.", param, ctx)


def rules_file(default: str) -> Callable[[F], F]:
    return setting(
        "--rules",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        metavar="FILE",
        help="The rule file.",
    )


def subject_options(command: F) -> F:
    """`--event`, `--payload` and `--source`, for commands that take an event which did not come; see `subject.py`."""
    event = option("--event", metavar="NAME", help="The event that FILE is the body of, unless its name says it.")
    payload = option(
        "--payload",
        type=click.Path(allow_dash=True, path_type=Path),
        metavar="FILE",
        help="The body of EVENT (- for standard input), in the place of its sample.",
    )
    source = option("--source", metavar="NAME", help="The source that it counts as one of; the first that fits.")
    return event(payload(source(command)))


def data_folder(help_text: str) -> Callable[[F], F]:
    """`--data`: without it, the folder that systemd gives to the service, else `./data`."""
    return setting(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: default_folder(os.environ),
        show_default="$STATE_DIRECTORY, else ./data",
        metavar="DIR",
        help=help_text,
    )


def default_folder(environ: Mapping[str, str]) -> Path:
    """
    The folder of the store where nobody names one.

    Source: systemd.exec(5), `StateDirectory=`: the variable holds absolute paths with colons between them.
    """
    return Path(environ.get("STATE_DIRECTORY", "").split(":")[0] or "data")


LOG_LEVELS = ("debug", "info", "warning", "error")
