"""Rule files as a whole: the index, the sieve and the memory of a rule set, against judging rule by rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from router.config.load import load_text
from router.payload import JSON
from router.rules.ruleset import Route, RuleSet
from tests.fuzz.budget import examples
from tests.fuzz.reference import judge

_SOURCES = ["spaces", "desk"]
_words = ["page", "user", "updated", "moved"]
_names = st.lists(st.sampled_from([*_words, "Updated", "PAGE"]), min_size=1, max_size=3).map(".".join)
_patterns = st.lists(st.sampled_from([*_words, "*", "**", "p*", "*d"]), min_size=1, max_size=3).map(".".join)


def _one_or_many(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[JSON]:
    return strategy | st.lists(strategy, min_size=1, max_size=2)


# About few values, so that they hold as often as not.
_conditions = st.sampled_from(
    [
        {"page.id": 1},
        {"page.id": "2"},
        {"page.tags": {"contains": "x"}},
        {"not": {"page.id": 2}},
        {"page.id": {"exists": False}},
        {"page.tags": ["X", 1]},
        {"page.tags": {"equals": "x", "match_case": True}, "page.id": {"any_of": [1, 2, "x"], "above": 1}},
        {"any": [{"page.id": 1}, {"page.tags": 2}]},
        {"all": [{"page.id": [1, 2]}, {"page.tags": {"any_of": ["x"]}}]},
        {"page.id": {"not": 1}},
    ]
)
_destinations = st.sampled_from(["a", "b", "c"])
_tables = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["page.id", "page.tags", "actor.a"]),
        "table": st.dictionaries(
            st.sampled_from(["1", "2", "x", "X", "true"]),
            _destinations | st.lists(_destinations, max_size=2),
            min_size=1,
        ),
    },
    optional={"otherwise": _destinations | st.lists(_destinations, max_size=2)},
)
_flags = st.integers(0, 3).map(lambda roll: roll == 0)
_rules = st.fixed_dictionaries(
    {"events": _one_or_many(_patterns), "to": _one_or_many(_destinations) | _tables},
    optional={
        "except": _patterns,
        "sources": _one_or_many(st.sampled_from(_SOURCES)),
        "when": _conditions,
        "unless": _conditions,
        "stop": _flags,
        "unmatched": _flags,
        "enabled": _flags.map(lambda flag: not flag),
    },
)
rule_lists = st.lists(_rules, min_size=1, max_size=6).map(
    lambda rules: [{"name": f"rule {place}"} | one for place, one in enumerate(rules)]
)
_few = st.sampled_from([1, 2, "1", "x", "X", None, True, 5.0])
namespaces = st.fixed_dictionaries(
    {
        "page": st.none() | st.fixed_dictionaries({}, optional={"id": _few, "tags": _few | st.lists(_few, max_size=3)}),
        "actor": st.none() | st.dictionaries(st.sampled_from(["a", "b"]), _few),
    }
)


class Came(NamedTuple):
    """What of an event rules can see."""

    name: str
    source: str
    namespace: Mapping[str, JSON]


events = st.builds(Came, _names, st.sampled_from(_SOURCES), namespaces)


def loaded(rules: list[dict[str, Any]]) -> RuleSet:
    """The rule set of a file with these rules."""
    file = {
        "sources": {name: {"unsigned": True} for name in _SOURCES},
        "destinations": {name: {"type": "log"} for name in "abc"},
        "rules": rules,
    }
    return load_text(json.dumps(file), "rules.yaml", {}).rules


@examples(200)
@given(rule_lists, st.lists(events, min_size=1, max_size=4))
def test_judging_agrees_with_a_plain_reading_and_with_its_explanation(
    rules: list[dict[str, Any]], came: list[Came]
) -> None:
    """The indexes and their memory change nothing, and `explain` never contradicts what was done."""
    as_loaded = loaded(rules)
    sieving = RuleSet(as_loaded.rules, sieve_from=0)
    forgetful = RuleSet(as_loaded.rules, remembered_names=2, remembered_rules=4, sieve_from=2)
    for one in [*came, *came]:
        look = partial(getattr, one, "namespace")
        expected = judge(rules, *one)
        routes = [
            Route(rule["name"], destination)
            for rule, verdict in zip(rules, expected, strict=True)
            for destination in verdict.destinations
        ]
        in_order = sorted(routes, key=lambda route: [rule["name"] for rule in rules].index(route.rule))
        for compiled in (as_loaded, sieving, forgetful):
            judged = compiled.judge(one.name, one.source, look)
            assert judged.matched == tuple(
                rule["name"] for rule, verdict in zip(rules, expected, strict=True) if verdict.matched
            )
            assert list(judged.routes) == in_order
        verdicts = as_loaded.explain(one.name, one.source, look)
        assert [verdict.rule for verdict in verdicts] == [rule["name"] for rule in rules]
        for verdict, meant in zip(verdicts, expected, strict=True):
            assert (verdict.matched, verdict.destinations) == (meant.matched, meant.destinations)
            assert verdict.reason.startswith(meant.why)
            assert verdict.reason.strip() != meant.why.strip() or not meant.why.endswith(": ")


@examples(50)
@given(rule_lists, events)
def test_the_event_is_never_looked_into_twice(rules: list[dict[str, Any]], came: Came) -> None:
    """Whatever the rules are, what they look at is built once at most, and only if one of them asks."""
    calls: list[int] = []

    def look() -> Mapping[str, JSON]:
        calls.append(1)
        return came.namespace

    build: Callable[[], Mapping[str, JSON]] = look
    loaded(rules).judge(came.name, came.source, build)
    assert len(calls) <= 1
    asks = any(rule.keys() & {"when", "unless"} or isinstance(rule["to"], dict) for rule in rules)
    assert asks or not calls
