"""`if`: one expression for what `when` and `unless` cannot say."""

from __future__ import annotations

from collections.abc import Collection

from router.config.nodes import Entry, Place, Scalar, kind_of
from router.config.places import locate_offset
from router.config.problems import printable
from router.config.reading import Reading
from router.messages.expressions import Expression, Expressions, Faulty
from router.rules.conditions import Condition, Met, Unmet
from router.rules.paths import Namespace
from router.rules.wording import MAX_SHOWN, shown

EXAMPLE = "page.contentRevision > 10"
_MOST_TOLD = 5


def read_expression(
    entry: Entry | None, words: Collection[str], expressions: Expressions, reading: Reading
) -> Expression | None:
    """
    Read the key `if`; None where it is missing or has problems.

    Args:
        words: The names that it may use.
    """
    if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
        return None  # that it is empty is told with other keys
    scalar = entry.value
    text = scalar.value if isinstance(scalar, Scalar) else None
    if not isinstance(scalar, Scalar) or not isinstance(text, str):
        found = scalar.text if isinstance(scalar, Scalar) else kind_of(scalar)
        reading.error(scalar, f"if is {printable(found)[:60]}; expected an expression, such as {EXAMPLE}")
        return None
    try:
        return expressions.compile(text, words)
    except Faulty as faulty:
        for offset, width, sentence in faulty.faults:
            place = locate_offset(scalar, reading.text, offset)
            exact = place != scalar.place or offset == 0
            reading.error(Place(place.line, place.column, width if exact else 1), f"if: {sentence}")
        return None


def as_condition(expression: Expression) -> Condition:
    """Make of an expression what a rule asks, with words for why it holds or not."""
    text = " ".join(expression.text.split())
    told = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"

    def unmet(namespace: Namespace) -> Unmet:
        saw = _values(expression, namespace)
        trouble = expression.judge(namespace).trouble
        found = f"could not be worked out: {trouble}" if trouble else "is false"
        return Unmet(told, "true", found, f"{told} {found}{saw}")

    return Condition(
        holds=lambda namespace: expression.judge(namespace).holds,
        unmet=unmet,
        met=lambda namespace: Met(told, "false", "is true", f"{told} is true{_values(expression, namespace)}"),
    )


def _values(expression: Expression, namespace: Namespace) -> str:
    """What the fields that it names have, as the end of a sentence."""
    values = [f"{path} is {_shown(value)}" for path, value in expression.values(namespace)]
    more = len(values) - _MOST_TOLD
    listed = ", ".join(values[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
    return f" ({listed})" if values else ""


def _shown(value: object) -> str:
    return "missing" if value is None else shown(value)
