"""Kinds of value that the rule file shares among its parts, for pydantic models. Errors are sentences for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from router.durations import parse_duration


class Model(BaseModel):
    """Base of everything read from the rule file: frozen, strict, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a duration such as 30s, 5m, 2h, 1d or 1h30m")
    return parse_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""Written `30s`, `5m`, `2h`, `1d`, `1h30m`."""


@dataclass(frozen=True)
class Rate:
    """So many starts per so many seconds."""

    count: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds between two starts."""
        return self.seconds / self.count


_RATE = re.compile(r"([1-9]\d{0,5})/(s|m|h)", re.ASCII)
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _rate(value: Any) -> Rate:
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a rate such as 1/s, 30/m or 500/h")
    return Rate(int(match[1]), _UNIT_SECONDS[match[2]])


PerTime = Annotated[Rate, BeforeValidator(_rate)]
"""Written `1/s`, `30/m`, `500/h`."""


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, Sequence) else value


TextOrTexts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
"""One text or a list of texts; always a tuple once read."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Schedule = Annotated[tuple[Duration, ...], BeforeValidator(_as_tuple)]
"""Waiting times before the second, third, … attempt; empty for a single attempt."""

Statuses = Annotated[tuple[int, ...], BeforeValidator(_as_tuple)]
"""A list of HTTP statuses."""
