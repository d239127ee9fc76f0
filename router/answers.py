"""What a sender may be told: every answer of the public listener, in a word and with its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from router.payload import JSON

RETRY_AFTER = {"Retry-After": "60"}

ANSWERS: Mapping[str, int] = MappingProxyType(
    {
        "stored": 200,
        "repeat": 200,
        "unreadable_body": 400,
        "bad_event_name": 400,
        "too_many_hops": 400,
        "malformed": 400,
        "invalid_signature": 401,
        "not_found": 404,
        "method_not_allowed": 405,
        "too_slow": 408,
        "too_large": 413,
        "too_much_at_once": 503,
        "too_many_connections": 503,
        "queue_full": 503,
        "disk_full": 503,
        "store_unavailable": 503,
        "stopping": 503,
        "failed": 503,
    }
)
"""Everything that a sender may be told, in a word, and the status that goes with it."""

WITHOUT_SOURCE = frozenset({"malformed", "not_found", "too_many_connections"})
"""Answers that are given before it is known whom a request is for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told; the body is written as JSON."""

    status: int
    body: Mapping[str, JSON]
    headers: Mapping[str, str] = field(default_factory=dict)


def error_answer(code: str, sentence: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Make the answer to what was not stored; its code is a word of `ANSWERS`."""
    return Answer(ANSWERS[code], {"error": code, "message": sentence}, headers or {})
