"""What a rule made of an event, in words; `preview`, `show` and `explain` share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import click

from router.cli.output import plain
from router.rules.ruleset import nearness

Verdict: TypeAlias = Mapping[str, Any]
"""One verdict, as the admin API tells it; a router that was not restarted since an update may tell less."""


def distance(verdict: Verdict) -> int:
    """How far a rule is from matching; see `nearness`."""
    return nearness(verdict["matched"], verdict.get("key"))


def nearest_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """First what matches, then what nearly did, then the rest; each in the order of the file."""
    return sorted(verdicts, key=distance)


def outcome(verdict: Verdict, *, past: bool) -> str:
    """
    Say whether a rule matches, and where it sends the event or why not.

    Args:
        past: The event came; otherwise it is only imagined.
    """
    reason = plain(verdict["reason"])
    if not verdict["matched"]:
        return f"{'not matched' if past else 'does not match'}: {reason}"
    matched = "matched" if past else "matches"
    if verdict["destinations"]:
        return f"{matched} → {', '.join(map(plain, verdict['destinations']))}"
    return f"{matched}, but goes nowhere: {reason}"


def set_off(text: str, word: str, **style: Any) -> str:
    """Style the first occurrence of a word, after the lines are cut: what colours take is no width."""
    return text.replace(word, click.style(word, **style), 1)
