"""Bodies: raw bytes to JSON values and back, within bounds."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn, TypeAlias

import orjson

from router.errors import UnreadableBody

JSON: TypeAlias = Any
"""A parsed JSON value: None, bool, int, float, str, list or dict with text keys."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_DIGITS = 4300
# Pairs of surrogates, and behind `lone` halves without their other half; an even number of backslashes before is text.
_SURROGATES = re.compile(
    rb"(?<!\\)(?P<before>(?:\\\\)*)(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")
_NUMBERS = frozenset({int, float, bool, type(None)})


def parse_body(body: bytes) -> JSON:
    """
    Read a JSON text in UTF-8.

    What the fast parser refuses although the grammar of JSON allows it is read a second time, more patiently: numbers
    of hundreds of digits stay exact (of more than 4,300 they become the largest float), and a lone surrogate becomes
    U+FFFD, because it could be neither stored nor sent.

    Raises:
        UnreadableBody: It is not UTF-8, not JSON (`NaN` is not), or nested deeper than some hundred levels.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    whole = _SURROGATES.sub(_without_lone, body)
    if whole != body:
        try:
            return orjson.loads(whole)
        except orjson.JSONDecodeError:
            pass
    return _parse_patiently(body)


def _without_lone(found: re.Match[bytes]) -> bytes:
    return found[0] if found["lone"] is None else found["before"] + b"\\ufffd"


def _parse_patiently(body: bytes) -> JSON:
    try:
        text = body.decode("utf-8")
        value = _loads(text)
        return _without_lone_surrogates(value) if _SURROGATE_ESCAPE.search(text) else value
    except UnicodeDecodeError:
        raise UnreadableBody("the body is not UTF-8 text") from None
    except RecursionError:
        raise UnreadableBody("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:
        raise UnreadableBody(f"the body is not JSON that can be read: {error}") from None


def _loads(text: str) -> JSON:
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # `NaN`; or a whole number of more digits than Python reads. A parser of our own for those takes its time.
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float, parse_int=_readable_integer)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _readable_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else _finite_float(digits)


def _finite_float(digits: str) -> float:
    # 1e400 is JSON, but infinity could not be written as JSON again.
    return max(-sys.float_info.max, min(sys.float_info.max, float(digits)))


def _without_lone_surrogates(value: JSON) -> JSON:
    # A body may have millions of values, most of which need no look: hence the loops without a call for each.
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _LONE.search(value) else value
    if isinstance(value, list):
        return [item if type(item) in _NUMBERS else _without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _without_lone_surrogates(key): item if type(item) in _NUMBERS else _without_lone_surrogates(item)
            for key, item in value.items()
        }
    return value


def dump_json(value: JSON) -> bytes:
    """Write a JSON value as compact UTF-8. Whole numbers of any size stay exact."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or nested deeper than 254 levels
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def same_json(one: JSON, other: JSON) -> bool:
    """Whether two values are the same JSON, whatever the order of keys; for Python, 1, 1.0 and true are equal too."""
    if one is other:
        return True
    try:
        return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
