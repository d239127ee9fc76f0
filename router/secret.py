"""Values that must never reach a log, a page, an error or a metric."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "***"

# Shorter values would mask ordinary words of a log line.
_SHORTEST_REDACTED = 6

# Keys of the Spaces API carry this prefix (seen in public code, read 2026-11).
_SPACES_API_KEY = re.compile(r"tkn\.v1_[A-Za-z0-9._=+/-]+")


class Secret:
    """
    A text that prints as `***`; only `reveal()` gives it out.

    A type of its own and no subclass of `str`: joining or formatting a subclass would give out the text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


class Redactor:
    """
    Replaces known secrets in text.

    It learns and never forgets: a secret of an earlier rule set may still stand in a text written later.
    """

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret | str]) -> None:
        """Mask these from now on; texts of fewer than six characters are left alone."""
        values = (secret.reveal() if isinstance(secret, Secret) else secret for secret in secrets)
        known = self._known | {value for value in values if len(value) >= _SHORTEST_REDACTED}
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._known = known  # as a whole: other threads may be looking

    def redact(self, text: str) -> str:
        """Give the text back with `***` in the place of each known secret."""
        # Looking for each of a handful of texts takes a fifth of the time that an expression of them all does.
        if self._pattern is not None and any(map(text.__contains__, self._known)):
            text = self._pattern.sub(MASK, text)
        if "tkn.v1_" in text:
            text = _SPACES_API_KEY.sub(MASK, text)
        return text

    def redact_values(self, value: Any) -> Any:
        """
        Give plain values back, masked wherever text stands in them; keys stay.

        Before they are written as JSON or in quotes: there a secret with a quote in it is spelled differently.
        """
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {key: self.redact_values(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_values(item) for item in value]
        return value
