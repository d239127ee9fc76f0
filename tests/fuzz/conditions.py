"""Trees of conditions, and events on which they are about as likely to hold as not."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from router.payload import JSON
from tests.fuzz.reference import field, flat, text_of

FIRST_WORDS = ("page", "actor", "event", "payload", "space")

_TIMES = ("2026-03-02T09:15:00Z", "2026-03-02T09:15:00.25Z", "2026-03-02T00:00:00-12:00")

# The Kelvin sign, sharp s, dotted I and final sigma fold to other letters, or to more of them.
_TEXTS = (
    *("a", "b", "Ab", "aBa", "bab", "ß", "SS", "ẞ", "\u212a", "k", "İ", "i̇", "ς", "Σ", "true", "FALSE", "1", "5"),
    *("1.5", "-3", "1e3", "05", "", " ", "a\nb", "0.1", "+1", "1.0", "9" * 25, "١"),
    *("2026-03-02T09:15:00Z", "2026-03-02T10:15:00.5+01:00", "2026-03-02t09:15:00.50z", "2026-02-30T09:15:00Z"),
    "2026-03-02 09:15:00+24:00",
    *_TIMES[1:],
)  # fmt: skip
_NUMBERS = (0, 1, 2, 5, -3, 1.5, 5.0, -0.0, 0.1, 10**25, -(10**299), 1e22, 1e300)
_BEYOND_FILES = (10**400, -(10**400), 10**1000, 1e308)
_LIMITS = (*_NUMBERS, "2", "-2.5", "1e3", *_TIMES)
_EXPRESSIONS = ("a", "^b", "[ab]{2}$", "1|5", "^$", "(?s)a.b", "true")

scalars: st.SearchStrategy[JSON] = st.sampled_from([*_TEXTS, *_NUMBERS, True, False])
_needles = st.sampled_from([*filter(None, _TEXTS), *_NUMBERS])
_limits = st.sampled_from(_LIMITS)
_keys = st.sampled_from(["a", "b", "0", "1"])
_values: st.SearchStrategy[JSON] = st.recursive(
    scalars | st.sampled_from([None, *_BEYOND_FILES]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_keys, below, max_size=3),
    max_leaves=10,
)
namespaces: st.SearchStrategy[dict[str, JSON]] = st.fixed_dictionaries({"page": _values, "actor": _values})

_operators = st.sampled_from(
    [
        *("equals", "any_of", "contains", "contains_any", "starts_with", "ends_with", "matches", "above", "below"),
        *("exists", "not", "match_case"),
    ]
)
_roll = st.integers(0, 5)
_few = st.integers(1, 3)
_flag = st.booleans()


def _paths(value: JSON, above: str) -> Iterator[str]:
    """All paths that lead somewhere, through lists by place and through their elements."""
    yield above
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in below:
        yield from _paths(inner, f"{above}.{step}")
        if isinstance(value, list) and isinstance(inner, dict):
            yield from (path for key, one in inner.items() for path in _paths(one, f"{above}.{key}"))


def _cut(draw: st.DrawFn, text: str) -> tuple[int, int]:
    begin = draw(st.integers(0, max(0, len(text) - 1)))
    return begin, begin + draw(_few)


def _near(draw: st.DrawFn, value: JSON) -> JSON:
    """A scalar that equals a value, or would in another case, or is another one."""
    text = text_of(value)
    if text is None or len(text) > 100:
        return draw(scalars)
    return draw(st.sampled_from([text, text.swapcase(), text.upper()])) if draw(_flag) else value


def _needle(draw: st.DrawFn, value: JSON) -> JSON:
    text = text_of(value)
    if not text or draw(_roll) == 0:
        return draw(_needles)
    begin, end = _cut(draw, text)
    return text[begin:end]


def _operand(draw: st.DrawFn, operator: str, value: JSON) -> JSON:
    """What to put behind an operator so that a value may pass it."""
    text = text_of(value) or "a"
    if operator == "equals":
        return _near(draw, value)
    if operator in {"any_of", "contains_any"}:
        make = _near if operator == "any_of" else _needle
        return [make(draw, value) if draw(_flag) else draw(_needles) for _ in range(draw(_few))]
    if operator == "contains":
        return _near(draw, value) or "a" if draw(_flag) else _needle(draw, value)
    if operator in {"starts_with", "ends_with"}:
        length = draw(_few)
        end = text[:length] if operator == "starts_with" else text[-length:]
        return end.swapcase() if draw(_roll) == 0 else end
    if operator == "matches":
        is_plain = len(text) < 50 and text.isascii() and text.isalnum()
        return text if is_plain and draw(_flag) else draw(st.sampled_from(_EXPRESSIONS))
    if operator in {"above", "below"}:
        return draw(_limits)
    return draw(_flag)


def _wish(draw: st.DrawFn, value: JSON, depth: int) -> JSON:
    roll = draw(_roll)
    if roll == 0:
        return _near(draw, value)
    if roll == 1:
        return _operand(draw, "any_of", value)
    made: dict[str, JSON] = {}
    for operator in draw(st.lists(_operators, min_size=1, max_size=3)):
        if operator != "not":
            made[operator] = _operand(draw, operator, value)
        elif depth:
            made["not"] = _wish(draw, value, depth - 1)
    return made if made.keys() - {"match_case"} else {**made, "equals": _near(draw, value)}


def _tree(draw: st.DrawFn, namespace: dict[str, JSON], depth: int) -> dict[str, JSON]:
    tree: dict[str, JSON] = {}
    paths = [path for word, value in namespace.items() for path in _paths(value, word)]
    for _ in range(draw(_few) % 3 + (depth == 0)):
        path = draw(st.sampled_from(paths))
        if draw(_roll) == 0:
            path += f".{draw(_keys)}"
        found = list(flat(list(field(namespace, path.split(".")))))
        tree[path] = _wish(draw, draw(st.sampled_from(found)) if found else draw(scalars), 1)
    if depth and (not tree or draw(_flag)):
        key = draw(st.sampled_from(["all", "any", "not"]))
        parts = [_tree(draw, namespace, depth - 1) for _ in range(draw(_few))]
        tree[key] = parts[0] if key == "not" else parts
    return tree


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """A tree, and an event that it may well be about."""
    namespace = draw(namespaces)
    return _tree(draw, namespace, 2), namespace


trees: st.SearchStrategy[dict[str, JSON]] = cases().map(lambda case: case[0])
