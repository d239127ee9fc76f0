"""Trees of conditions and the events that they look at, made so that they meet often."""

from __future__ import annotations

from hypothesis import strategies as st

from router.payload import JSON

FIRST_WORDS = ("page", "actor", "event", "payload", "space")

# The Kelvin sign, sharp s, dotted I and final sigma fold to other letters, or to more of them.
_WORDS = (
    *("a", "b", "Ab", "aB", "ba", "ß", "SS", "ẞ", "\u212a", "k", "İ", "i̇", "ς", "Σ", "true", "FALSE", "1", "5"),
    *("1.5", "-3", "1e3", "05"),
    *("", " ", "a\nb", "2026-03-02T09:15:00Z", "2026-03-02T10:15:00.5+01:00", "2026-03-02t09:15:00.50z"),
    *("2026-02-30T09:15:00Z", "2026-03-02 09:15:00+24:00"),
    *("0.1", "+1", "1.0", "9" * 25, "١"),
)  # fmt: skip
words = st.sampled_from(_WORDS)
numbers = st.integers(-3, 6) | st.sampled_from([1.5, 5.0, -0.0, 0.1, 10**25, -(10**299), 1e22, 1e300])
scalars: st.SearchStrategy[JSON] = words | numbers | st.booleans()
_beyond_files = st.sampled_from([10**400, -(10**400), 10**1000, 1e308])
needles = (words | numbers).filter(lambda value: value != "")
keys = st.sampled_from(["a", "b", "0", "1"])
values: st.SearchStrategy[JSON] = st.recursive(
    scalars | _beyond_files | st.none(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3),
    max_leaves=12,
)
namespaces: st.SearchStrategy[dict[str, JSON]] = st.fixed_dictionaries({"page": values, "actor": values})
_limits = numbers | st.sampled_from(
    ["2", "-2.5", "1e3", "2026-03-02T09:15:00Z", "2026-03-02T09:15:00.25Z", "2026-03-02T00:00:00-12:00"]
)
_tests = st.fixed_dictionaries(
    {},
    optional={
        "equals": scalars,
        "any_of": st.lists(scalars, min_size=1, max_size=3),
        "contains": needles,
        "contains_any": st.lists(needles, min_size=1, max_size=3),
        "starts_with": needles,
        "ends_with": needles,
        "matches": st.sampled_from(["a", "^b", "[ab]{2}$", "1|5", "^$", "(?s)a.b"]),
        "above": _limits,
        "below": _limits,
        "exists": st.booleans(),
        "match_case": st.booleans(),
    },
).filter(lambda operators: bool(operators.keys() - {"match_case"}))
wishes: st.SearchStrategy[JSON] = st.recursive(
    scalars | st.lists(scalars, min_size=1, max_size=3) | _tests,
    lambda below: st.builds(lambda operators, inner: {**operators, "not": inner}, _tests | st.just({}), below),
    max_leaves=3,
)
paths = st.builds(
    lambda first, rest: ".".join([first, *rest]), st.sampled_from(["page", "actor"]), st.lists(keys, max_size=3)
)
_maps = st.dictionaries(paths, wishes, min_size=1, max_size=2)
trees: st.SearchStrategy[dict[str, JSON]] = st.recursive(
    _maps,
    lambda below: st.builds(
        lambda tree, key, parts: {**tree, key: parts[0] if key == "not" else parts},
        _maps | st.just({}),
        st.sampled_from(["all", "any", "not"]),
        st.lists(below, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
