"""Query parameters and bodies of the API: text to values, or a sentence that names the parameter."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from router.admin.refusal import bad_request, unknown
from router.config.problems import did_you_mean
from router.errors import UnreadableBody
from router.events import DeliveryState
from router.payload import JSON, parse_body

DEFAULT_LIMIT = 50
MOST = 500

ID_DIGITS = 19
_HIGHEST_ID = (1 << 63) - 1
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Nothing lies before or behind them, and nobody who looks a little further than asked leaves the calendar."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Query:
    """
    The query of one request. A parameter without a value counts as not given.

    Args:
        text: What follows the question mark.
        known: Names of the parameters that this call takes.

    Raises:
        Refused: With 400: an unknown parameter, one given twice, or text that is not UTF-8.
    """

    def __init__(self, text: str, known: Sequence[str] = ()) -> None:
        try:
            pairs = parse_qsl(text, errors="strict", max_num_fields=100)
        except ValueError:
            raise bad_request("the query cannot be read; expected at most 100 parameters in UTF-8") from None
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise bad_request(f"unknown query parameter {_shown(name)}{_expected(name, known)}")
            if name in self._values:
                raise bad_request(f"{name} is given twice; expected once")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def limit(self) -> int:
        """How many to list: 1 to 500."""
        given = self._values.get("limit")
        if given is None:
            return DEFAULT_LIMIT
        number = int(given) if given.isascii() and given.isdigit() and len(given) <= 9 else 0
        if not 1 <= number <= MOST:
            raise bad_request(f"limit is {_shown(given)}; expected a whole number from 1 to {MOST}")
        return number

    def since(self) -> datetime | None:
        """The time after which to list; aware, UTC."""
        given = self._values.get("since")
        return None if given is None else read_moment("since", given)

    def state(self) -> DeliveryState | None:
        given = self._values.get("state")
        return None if given is None else read_state("state", given)

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        """One of a few words."""
        given = self._values.get(name)
        if given is not None and given not in among:
            raise bad_request(f"{name} is {_shown(given)}{_expected(given, among)}")
        return given

    def event(self) -> int | None:
        given = self._values.get("event")
        if given is None:
            return None
        number = read_id(given)
        if number is None:
            raise bad_request(f"event is {_shown(given)}; expected the id of an event: digits only")
        return number

    def cursor(self, listed: str) -> int | None:
        """
        The id before which to go on.

        Args:
            listed: What is listed; a cursor of another list does not fit.
        """
        given = self._values.get("cursor")
        return None if given is None else read_cursor(listed, given)


def read_moment(name: str, given: str) -> datetime:
    """
    Read a time with its offset; aware, UTC.

    Raises:
        Refused: With 400: it is none.
    """
    # A plus sign that was not written %2B arrives as a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", given) if given.count(":") > 2 else given
    if _MOMENT.fullmatch(text):
        try:
            return min(max(datetime.fromisoformat(text.upper()).astimezone(UTC), _EARLIEST), _LATEST)
        except (ValueError, OverflowError):
            pass  # a 30th of February, or a time before the year 1
    raise bad_request(f"{name} is {_shown(given)}; expected a time with its offset, such as 2026-03-02T09:15:00Z")


def read_state(name: str, given: str) -> DeliveryState:
    """
    Read the name of a state.

    Raises:
        Refused: With 400: there is no such state.
    """
    try:
        return DeliveryState(given)
    except ValueError:
        raise bad_request(f"{name} is {_shown(given)}{_expected(given, list(DeliveryState))}") from None


def read_cursor(listed: str, given: str) -> int:
    """
    Read what `write_cursor` made.

    Raises:
        Refused: With 400: it is none, or one of another list.
    """
    (number,) = read_cursors(listed, given, 1)
    return number


def read_cursors(listed: str, given: str, count: int) -> Sequence[int]:
    """
    Read what `write_cursor` made of so many ids.

    Raises:
        Refused: With 400: it is none, or one of another list.
    """
    try:
        name, *parts = base64.urlsafe_b64decode(given.encode()).decode().split(":")
    except (binascii.Error, ValueError):
        name, parts = "", []
    numbers = [number for number in map(read_id, parts) if number is not None]
    if name != listed or len(numbers) != len(parts) or len(numbers) != count:
        raise bad_request(f"cursor is {_shown(given)}; expected the text of 'next' from an earlier answer to this call")
    return numbers


def write_cursor(listed: str, *ids: int) -> str:
    """Make the text at which a list goes on."""
    return base64.urlsafe_b64encode(":".join([listed, *map(str, ids)]).encode()).decode()


def read_id(text: str) -> int | None:
    """Read an id as the API writes it; None where it is none."""
    if not (text.isascii() and text.isdigit()) or len(text) > ID_DIGITS:
        return None
    number = int(text)
    return number if number <= _HIGHEST_ID else None


def path_id(text: str, what: str) -> int:
    """
    Read the id in the path of a call.

    Raises:
        Refused: With 404: nothing can have it.
    """
    number = read_id(text)
    if number is None:
        raise unknown(what, text)
    return number


def read_object(body: bytes, known: Sequence[str] = ()) -> Mapping[str, JSON]:
    """
    Read the body of a request: a JSON object, or nothing at all for an empty one.

    Whatever `Content-Type` says: the usual tools label every body a form unless told otherwise.

    Raises:
        Refused: With 400.
    """
    if not body:
        return {}
    try:
        given = parse_body(body)
    except UnreadableBody as error:
        raise bad_request(str(error)) from None
    if not isinstance(given, dict):
        raise bad_request("the body is JSON but no object; expected one such as {}")
    for name in given:
        if name not in known:
            raise bad_request(f"unknown key {_shown(name)} in the body{_expected(name, known)}")
    return given


def read_text(given: Mapping[str, JSON], name: str) -> str | None:
    """
    Take a text from the body of a request; None where it is absent or null.

    Raises:
        Refused: With 400: it is something else.
    """
    value = given.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise bad_request(f"{name} is not a text; expected a name, or leave {name!r} out")


def read_flag(given: Mapping[str, JSON], name: str) -> bool:
    """
    Take a yes or no from the body of a request; absent or null is no.

    Raises:
        Refused: With 400: it is something else.
    """
    value = given.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f"{name} is neither true nor false; expected one of them, or leave {name!r} out")


def _expected(word: str, known: Sequence[str]) -> str:
    if not known:
        return "; expected none"
    return f"; expected one of: {', '.join(known)}{did_you_mean(word, known)}"


def _shown(text: str) -> str:
    short = text if len(text) <= 80 else text[:79] + "…"
    return repr(short) if short.isprintable() else ascii(short)
