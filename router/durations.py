"""Lengths of time as the rule file writes them: `30s`, `5m`, `2h`, `1d`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
AS_WRITTEN = r"^\s*(?=[0-9])(?:[0-9]{1,6}d)?(?:[0-9]{1,6}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,6}s)?\s*$"
"""The same for the JSON Schema, in the regular expressions of ECMA-262."""

EXPECTED = "expected a duration such as 30s, 5m, 2h, 1d or 1h30m"


def parse_duration(text: str) -> timedelta:
    """
    Read a length of time.

    Args:
        text: Whole days, hours, minutes and seconds, each at most once and in this order, such as `1h30m`.

    Raises:
        ValueError: With a sentence that says what was expected.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(EXPECTED)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a length of time as the rule file would: `1h30m`; `0s` for nothing."""
    seconds = int(duration.total_seconds())
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
