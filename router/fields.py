"""Kinds of value that the rule file shares among its parts, for pydantic models. Errors are sentences for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from router.durations import AS_WRITTEN, EXPECTED, parse_duration


class Model(BaseModel):
    """Base of everything read from the rule file: frozen, strict, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


def shape(kind: str, pattern: str, expected: str) -> dict[str, str]:
    """
    Describe a text that is read as something else, for the JSON Schema.

    Args:
        kind: What people call it.
        pattern: A regular expression of ECMA-262 that finds all texts which can be one.
        expected: What editors say of others; `patternErrorMessage` is their own word, which validators pass over.
    """
    return {"type": "string", "$comment": kind, "pattern": pattern, "patternErrorMessage": expected}


def whole(form: re.Pattern[str]) -> str:
    """Write the pattern of texts that a regular expression matches from end to end, for the JSON Schema."""
    return f"^(?:{form.pattern})$"


def in_any_case(*words: str) -> str:
    """Write the pattern of words whose case makes no difference; ECMA-262 has no flag for it within a pattern."""
    return "|".join(
        "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else re.escape(c) for c in word) for word in words
    )


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(EXPECTED)
    return parse_duration(value)


_DurationAsWritten = Annotated[str, WithJsonSchema(shape("duration", AS_WRITTEN, EXPECTED))]
Duration = Annotated[timedelta, BeforeValidator(_duration, json_schema_input_type=_DurationAsWritten)]
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

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in _UNIT_SECONDS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


_RATE = re.compile(r"([1-9]\d{0,5})/(s|m|h)", re.ASCII)
_EXPECTED_RATE = "expected a rate such as 1/s, 30/m or 500/h"
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _rate(value: Any) -> Rate:
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_EXPECTED_RATE)
    return Rate(int(match[1]), _UNIT_SECONDS[match[2]])


_RateAsWritten = Annotated[str, WithJsonSchema(shape("rate", r"^ *[1-9](?: *[0-9]){0,5} */ *[smh] *$", _EXPECTED_RATE))]
PerTime = Annotated[Rate, BeforeValidator(_rate, json_schema_input_type=_RateAsWritten)]
"""Written `1/s`, `30/m`, `500/h`."""


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, Sequence) else value


TextOrTexts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])]
"""One text or a list of texts; always a tuple once read."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Schedule = Annotated[tuple[Duration, ...], BeforeValidator(_as_tuple)]
"""Waiting times before the second, third, … attempt; empty for a single attempt."""

Statuses = Annotated[tuple[int, ...], BeforeValidator(_as_tuple)]
"""A list of HTTP statuses."""
