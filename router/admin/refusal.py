"""Answers that are no: what a handler raises instead of going on."""

from __future__ import annotations

from collections.abc import Mapping

from router.errors import RouterError
from router.payload import JSON


class Refused(RouterError):
    """
    A request is answered with this status, as `{"error": code, "message": sentence}`.

    Args:
        code: For programs; stays the same when the sentence is worded better.
        message: For people: what was found, what is expected, how to mend it.
        more: Further keys of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.more = more or {}


def bad_request(message: str) -> Refused:
    """The request is not one that this call takes."""
    return Refused(400, "bad_request", message)


def not_found(message: str) -> Refused:
    """What was asked for is not here."""
    return Refused(404, "not_found", message)


def unknown(what: str, number: str) -> Refused:
    """There is no event or delivery of this id."""
    return not_found(f"there is no {what} {number}; it never was, or was removed after its retention")
