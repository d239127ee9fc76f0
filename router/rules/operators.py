"""The tests that a condition makes on the values of one field: `equals`, `contains`, `above`, …"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

import re2

from router.payload import JSON
from router.rules.paths import leaves, text_of
from router.rules.wording import choices, shown

MAX_CHOICES = 10_000
MAX_NEEDLES = 100
MAX_TEXT = 10_000
MAX_EXPRESSION = 1_000
_MAX_PROGRAM = 2_000
_EXPRESSION_MEMORY = 1 << 20
_SEARCH_STEPS = 250_000_000
"""Bytes of text times instructions of the expression: RE2's worst case, some two seconds."""
_MAX_MEASURED = 64


class WrongOperand(Exception):
    """
    An operator cannot work with what stands behind it.

    Args:
        sentence: What was found and what is expected.
        index: The element of a list that it is about, or None for the whole.
    """

    def __init__(self, sentence: str, index: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.index = index


@dataclass(frozen=True)
class Test:
    """
    What one operator asks of a value.

    Attributes:
        holds: For one value that is neither null nor a list. Never raises.
        wanted: Goes on after "wanted": `to end with "x"`.
        positive: Goes on after the field when it holds: `ends with "x"`.
        negative: Goes on after the field when it does not: `does not end with "x"`.
        holds_for_list: For a whole list, where the operator is about lists themselves; otherwise an element decides.
        reach: How many bytes of text the operator looks at in all; None for no limit.
        texts: The only texts, case folded, that a value can have for it to hold; None where others can do as well.
    """

    holds: Callable[[JSON], bool]
    wanted: str
    positive: str
    negative: str
    holds_for_list: Callable[[list[JSON]], bool] | None = None
    reach: int | None = None
    texts: frozenset[str] | None = None


def equals(operand: JSON, match_case: bool) -> Test:
    """The value's text is this one."""
    text = _scalar(operand, "equals takes one value; for several write any_of: [first, second]")
    wanted = shown(operand) + _remark(match_case)
    texts = frozenset([text.casefold()])
    return Test(_is_among([text], match_case), wanted, f"is {wanted}", f"is not {wanted}", texts=texts)


def any_of(operand: JSON, match_case: bool) -> Test:
    """The value's text is one of these."""
    texts = _scalars(operand, "any_of", MAX_CHOICES)
    wanted = f"one of {choices(operand)}" + _remark(match_case)
    folded = frozenset(map(str.casefold, texts))
    return Test(_is_among(texts, match_case), wanted, f"is {wanted}", f"is not {wanted}", texts=folded)


def contains(operand: JSON, match_case: bool) -> Test:
    """The value's text has this one in it; a list has it as an element."""
    text = _needle(operand, "contains takes one value; for several write contains_any: [first, second]")
    return _contains([text], shown(operand) + _remark(match_case), match_case)


def contains_any(operand: JSON, match_case: bool) -> Test:
    """The value's text has one of these in it; a list has one as an element."""
    texts = _scalars(operand, "contains_any", MAX_NEEDLES)
    for index, text in enumerate(texts):
        if not text:
            raise WrongOperand(f"an empty text is in every text; {_NON_EMPTY}", index)
    return _contains(texts, f"one of {choices(operand)}" + _remark(match_case), match_case)


def starts_with(operand: JSON, match_case: bool) -> Test:
    """The value's text begins with this one."""
    start = _folded(_needle(operand, "starts_with takes one text"), match_case)
    size = len(start)

    def holds(value: JSON) -> bool:
        # Folding makes no text shorter, so the first `size` characters decide.
        text = text_of(value)
        return text is not None and _folded(text[:size], match_case).startswith(start)

    what = shown(operand) + _remark(match_case)
    return Test(holds, f"to start with {what}", f"starts with {what}", f"does not start with {what}")


def ends_with(operand: JSON, match_case: bool) -> Test:
    """The value's text ends with this one."""
    end = _folded(_needle(operand, "ends_with takes one text"), match_case)
    size = len(end)

    def holds(value: JSON) -> bool:
        text = text_of(value)
        return text is not None and _folded(text[-size:], match_case).endswith(end)

    what = shown(operand) + _remark(match_case)
    return Test(holds, f"to end with {what}", f"ends with {what}", f"does not end with {what}")


def matches(operand: JSON, match_case: bool) -> Test:
    """
    The regular expression is found in the value's text.

    RE2 takes time in proportion to the text and to the size of the expression. So that a hostile page cannot hold up
    the router, an expression reads so much of the text as two seconds allow at worst: 5 MB with an ordinary one.
    """
    expression, reach = _expression(operand, match_case)

    def holds(value: JSON) -> bool:
        text = text_of(value)
        return text is not None and expression.search(text[:reach].encode("utf-8", "replace")[:reach]) is not None

    what = shown(operand) + _remark(match_case)
    return Test(holds, f"to match {what}", f"matches {what}", f"does not match {what}", reach=reach)


def above(operand: JSON, _: bool) -> Test:
    """The value is a larger number, or a later time."""
    kind, limit = _limit(operand, "above")

    def holds(value: JSON) -> bool:
        measured = measure(value)
        return measured is not None and measured[0] == kind and measured[1] > limit

    what = f"above {shown(operand)}"
    return Test(holds, what, f"is {what}", f"is not {what}")


def below(operand: JSON, _: bool) -> Test:
    """The value is a smaller number, or an earlier time."""
    kind, limit = _limit(operand, "below")

    def holds(value: JSON) -> bool:
        measured = measure(value)
        return measured is not None and measured[0] == kind and measured[1] < limit

    what = f"below {shown(operand)}"
    return Test(holds, what, f"is {what}", f"is not {what}")


TESTS: Mapping[str, Callable[[JSON, bool], Test]] = MappingProxyType(
    {
        "equals": equals,
        "any_of": any_of,
        "contains": contains,
        "contains_any": contains_any,
        "starts_with": starts_with,
        "ends_with": ends_with,
        "matches": matches,
        "above": above,
        "below": below,
    }
)
"""Operators by their name in the rule file. Each takes what stands behind it and whether case counts."""

_NON_EMPTY = "expected at least one character, or `exists: true` where any value will do"
_NULL = "null equals nothing; write `exists: false` to ask for a missing or null field"


def _remark(match_case: bool) -> str:
    return " (match_case)" if match_case else ""


def _folded(text: str, match_case: bool) -> str:
    return text if match_case else text.casefold()


def _is_among(texts: Sequence[str], match_case: bool) -> Callable[[JSON], bool]:
    wanted = frozenset(_folded(text, match_case) for text in texts)
    longest = max(map(len, wanted))

    def holds(value: JSON) -> bool:
        # Folding makes no text shorter, so a longer one need not be folded at all.
        text = text_of(value)
        return text is not None and len(text) <= longest and _folded(text, match_case) in wanted

    return holds


def _contains(texts: Sequence[str], what: str, match_case: bool) -> Test:
    needles = [_folded(text, match_case) for text in texts]
    is_element = _is_among(texts, match_case)

    def holds(value: JSON) -> bool:
        text = text_of(value)
        if text is None:
            return False
        folded = _folded(text, match_case)
        return any(needle in folded for needle in needles)

    return Test(
        holds,
        wanted=f"to contain {what}",
        positive=f"contains {what}",
        negative=f"does not contain {what}",
        holds_for_list=lambda values: any(map(is_element, leaves(values))),
    )


def _scalar(operand: JSON, rule: str, index: int | None = None) -> str:
    if operand is None:
        raise WrongOperand(_NULL, index)
    text = text_of(operand)
    if text is None:
        found = "a list" if isinstance(operand, list) else "a map" if isinstance(operand, dict) else shown(operand)
        raise WrongOperand(f"found {found}; {rule}", index)
    if isinstance(operand, float) and not math.isfinite(operand):
        raise WrongOperand(f"{text} is no number that JSON knows; {rule}", index)
    if len(text) > MAX_TEXT:
        raise WrongOperand(f"the text has {len(text)} characters; expected at most {MAX_TEXT}", index)
    return text


def _needle(operand: JSON, rule: str) -> str:
    text = _scalar(operand, rule)
    if not text:
        raise WrongOperand(f"every text has an empty text in it; {_NON_EMPTY}")
    return text


def _scalars(operand: JSON, operator: str, at_most: int) -> list[str]:
    rule = f"{operator} takes a list of texts, numbers or booleans"
    if operand is None:
        raise WrongOperand(_NULL)
    if not isinstance(operand, list):
        found = "a map" if isinstance(operand, dict) else shown(operand)
        raise WrongOperand(f"found {found}; {rule}, such as {operator}: [first, second]")
    if not operand:
        raise WrongOperand(f"the list is empty and would never hold; {rule}")
    if len(operand) > at_most:
        raise WrongOperand(f"the list has {len(operand)} entries; {operator} takes at most {at_most}")
    return [_scalar(entry, rule, index) for index, entry in enumerate(operand)]


def _expression(operand: JSON, match_case: bool) -> tuple[re2._Regexp, int]:
    if operand is None:
        raise WrongOperand(_NULL)
    if not isinstance(operand, str) or not operand:
        raise WrongOperand(f"found {shown(operand)}; matches takes a regular expression as a text")
    if len(operand) > MAX_EXPRESSION:
        raise WrongOperand(f"the expression has {len(operand)} characters; expected at most {MAX_EXPRESSION}")
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = match_case
    options.max_mem = _EXPRESSION_MEMORY
    try:
        compiled = re2.compile(operand.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "it cannot be read"
        advice = "expected a regular expression as RE2 reads it, without look-around or back-references"
        raise WrongOperand(f"{shown(operand)} is no regular expression: {reason}; {advice}") from None
    size = int(compiled.programsize)
    if size > _MAX_PROGRAM:
        raise WrongOperand(f"the expression compiles to {size} instructions; expected at most {_MAX_PROGRAM}")
    return compiled, _SEARCH_STEPS // max(size, 1)


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)

Measure = tuple[str, Any]
"""The kind, `number` or `time`, and something to compare within that kind."""


def measure(value: JSON) -> Measure | None:
    """Read a number, a text that is a number, or an RFC 3339 time."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return "number", value
    if not isinstance(value, str) or len(value) > _MAX_MEASURED:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return "number", float(text) if not text.lstrip("+-").isdigit() else int(text)
    moment = _moment(text)
    return None if moment is None else ("time", moment)


def _moment(text: str) -> tuple[int, str] | None:
    """Seconds since year 1 in UTC, and the digits of the fraction, which compare like the fraction itself."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    ahead_hours, ahead_minutes = int(match[7] or 0), int(match[8] or 0)
    if hour > 23 or minute > 59 or second > 60 or ahead_hours > 23 or ahead_minutes > 59:  # 60 is a leap second
        return None
    try:
        day = date.fromisoformat(match[1]).toordinal()
    except ValueError:
        return None
    ahead = (ahead_hours * 60 + ahead_minutes) * (-60 if match[6] == "-" else 60)
    return ((day * 24 + hour) * 60 + minute) * 60 + second - ahead, (match[5] or "").rstrip("0")


def _limit(operand: JSON, operator: str) -> Measure:
    rule = f"{operator} takes a number, or a time such as 2026-03-02T09:15:00Z"
    if operand is None:
        raise WrongOperand(_NULL)
    limit = measure(operand)
    if limit is None or (isinstance(operand, float) and not math.isfinite(operand)):
        raise WrongOperand(f"found {shown(operand)}; {rule}")
    return limit
