"""Which rules match an event, where it goes, and the reason for every rule that did not match."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from router.payload import JSON
from router.rules import ruleset
from router.rules.conditions import Condition, compile_conditions
from router.rules.paths import MOST_ELEMENTS
from router.rules.patterns import compile_pattern
from router.rules.ruleset import FixedTarget, Judgement, Route, Rule, RuleSet, TableTarget, Target, Verdict

FIRST_WORDS = frozenset({"event", "payload", "actor", "page", "space"})
NAMESPACE: Mapping[str, JSON] = {
    "page": {"id": 5148, "space": {"id": 42}, "tags": ["Ops", "wiki", "ops"]},
    "actor": {"email": "x@bots.example.com"},
}


def conditions(tree: JSON) -> Condition | None:
    return None if tree is None else compile_conditions(tree, FIRST_WORDS)


def rule(
    name: str,
    *events: str,
    to: Target | str = "docs",
    excluded: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    when: JSON = None,
    unless: JSON = None,
    stop: bool = False,
    unmatched: bool = False,
    enabled: bool = True,
) -> Rule:
    return Rule(
        name=name,
        events=tuple(map(compile_pattern, events or ("*",))),
        to=FixedTarget((to,)) if isinstance(to, str) else to,
        excluded=tuple(map(compile_pattern, excluded)),
        sources=frozenset(sources),
        when=conditions(when),
        unless=conditions(unless),
        stop=stop,
        unmatched=unmatched,
        enabled=enabled,
    )


def judge(*rules: Rule, name: str = "page.updated", source: str = "spaces") -> Judgement:
    return RuleSet(rules).judge(name, source, lambda: NAMESPACE)


def explain(*rules: Rule, name: str = "page.updated", source: str = "spaces") -> tuple[Verdict, ...]:
    return RuleSet(rules).explain(name, source, lambda: NAMESPACE)


def reasons(*rules: Rule, name: str = "page.updated", source: str = "spaces") -> list[str]:
    return [verdict.reason for verdict in explain(*rules, name=name, source=source)]


def refuse() -> Mapping[str, JSON]:
    raise AssertionError("the event was looked into")


def test_rules_match_in_the_order_of_the_file() -> None:
    """Every rule that matches sends the event, in the order in which they were written."""
    judged = judge(
        rule("second.deleted", "*.deleted"),
        rule("all", "*", to="audit"),
        rule("pages", "page.*"),
        rule("exact", "PAGE.updated"),
    )
    assert judged.matched == ("all", "pages", "exact")
    assert judged.routes == (Route("all", "audit"), Route("pages", "docs"), Route("exact", "docs"))


def test_a_rule_sends_an_event_to_a_destination_once() -> None:
    """A destination named twice by one rule gets the event once; two rules may both send it there."""
    both = FixedTarget(("docs", "ops", "docs"))
    judged = judge(rule("a", to=both), rule("b", to="docs"), rule("c", "page.*", "*.updated", "page.updated"))
    assert judged.routes == (Route("a", "docs"), Route("a", "ops"), Route("b", "docs"), Route("c", "docs"))
    assert judged.matched == ("a", "b", "c")


def test_the_name_is_compared_without_regard_to_case() -> None:
    """Spaces may spell a name as it likes, before and after it was first seen."""
    rules = RuleSet([rule("pages", "page.updated")])
    for name in ("page.updated", "Page.Updated", "PAGE.UPDATED", "page.updated"):
        assert rules.judge(name, "spaces", refuse).matched == ("pages",)


def test_an_event_without_any_rule_goes_nowhere() -> None:
    """No rules, or none that match, is an empty judgement."""
    assert judge() == Judgement()
    assert judge(rule("people", "user.*")) == Judgement()
    assert explain() == ()


def test_the_event_is_looked_into_once_and_only_if_a_rule_asks() -> None:
    """Rules by name alone never build what conditions look at; any number of conditions builds it once."""
    plain = RuleSet([rule("pages", "page.*"), rule("people", "user.*", when={"page.id": 1})])
    assert plain.judge("page.updated", "spaces", refuse).matched == ("pages",)
    hidden = RuleSet([rule("all", stop=True), rule("asks", when={"page.id": 1})])
    assert hidden.judge("page.updated", "spaces", refuse).matched == ("all",)
    covered = RuleSet([rule("all"), rule("rest", unmatched=True, when={"page.id": 1})])
    assert covered.judge("page.updated", "spaces", refuse).matched == ("all",)
    calls: list[int] = []

    def look() -> Mapping[str, JSON]:
        calls.append(1)
        return NAMESPACE

    asking = RuleSet([rule("a", when={"page.id": 1}), rule("b", unless={"page.id": 1}, to=TableTarget("page.id", {}))])
    assert asking.judge("page.updated", "spaces", look).matched == ("b",)
    assert calls == [1]


@pytest.mark.parametrize(
    ("judged", "matched", "reason"),
    [
        (rule("r", enabled=False), False, "disabled"),
        (rule("r", sources=("projects", "desk")), False, "sources: spaces is not one of desk, projects"),
        (rule("r", sources=("spaces", "desk")), True, "matched"),
        (
            rule("r", "page.created", "user.*"),
            False,
            "events: page.updated is not matched by page.created, user.*",
        ),
        (
            rule("r", *(f"e{number}" for number in range(8))),
            False,
            "events: page.updated is not matched by e0, e1, e2, e3, e4 and 3 more",
        ),
        (
            rule("r", "page.*", excluded=("*.created", "*.UPDATED")),
            False,
            "except: page.updated is matched by *.UPDATED",
        ),
        (rule("r", when={"page.space.id": [7, 9]}), False, "when: page.space.id is 42, wanted one of 7, 9"),
        (
            rule("r", unless={"actor.email": {"ends_with": "@bots.example.com"}}),
            False,
            'excluded by unless: actor.email ends with "@bots.example.com" (saw "x@bots.example.com")',
        ),
        (rule("r", unless={"page.id": 5148, "page.space.id": 7}), True, "matched"),
        (rule("r", unless={"page.absent": 1}), True, "matched"),
        (
            rule("r", to=TableTarget("page.space.id", {"7": ("docs",)})),
            True,
            "to: no entry for page.space.id 42 and no otherwise",
        ),
        (
            rule("r", to=TableTarget("page.space.code", {"7": ("docs",)})),
            True,
            "to: page.space.code is missing and there is no otherwise",
        ),
        (rule("r", to=TableTarget("page.space.id", {}, ("docs",))), True, "matched"),
    ],
)
def test_each_verdict_has_a_reason(judged: Rule, matched: bool, reason: str) -> None:
    """An admin reads why one rule did or did not match."""
    (verdict,) = explain(judged)
    assert (verdict.matched, verdict.reason) == (matched, reason)
    assert judge(judged).matched == (("r",) if matched else ())


def test_stop_hides_the_event_from_later_rules_only() -> None:
    """Rules before a `stop` still match; those behind it do not see the event."""
    rules = (
        rule("before"),
        rule("other name", "user.*", stop=True),
        rule("unmet", when={"page.id": 1}, stop=True),
        rule("stops", when={"page.id": 5148}, stop=True),
        rule("behind"),
        rule("not about it", "user.*"),
        rule("rest", unmatched=True),
    )
    assert judge(*rules).matched == ("before", "stops")
    assert reasons(*rules) == [
        "matched",
        "events: page.updated is not matched by user.*",
        "when: page.id is 5148, wanted 1",
        "matched",
        'hidden by stop of rule "stops"',
        "events: page.updated is not matched by user.*",
        "unmatched: another rule matched",
    ]


def test_a_disabled_rule_stops_nothing() -> None:
    """`enabled: false` takes a rule out altogether."""
    assert judge(rule("off", stop=True, enabled=False), rule("on")).matched == ("on",)


def test_unmatched_rules_fire_if_no_other_rule_did() -> None:
    """They wait for all others, wherever they stand, keep their own conditions, and several may fire in their order."""
    rest = (
        rule("rest 1", unmatched=True),
        rule("rest of users", "user.*", unmatched=True),
        rule("rest elsewhere", unmatched=True, when={"page.space.id": 7}),
    )
    others = (rule("asks", when={"page.id": 1}), rule("rest 2", unmatched=True, to="ops"))
    assert judge(*rest, *others).matched == ("rest 1", "rest 2")
    assert judge(*rest, *others, rule("late")).matched == ("late",)
    assert judge(*rest, *others, rule("late", when={"page.id": 5148})).matched == ("late",)
    assert reasons(*rest, rule("late"))[0] == "unmatched: another rule matched"


def test_stop_on_an_unmatched_rule_hides_later_unmatched_rules() -> None:
    """The other rules were judged before, so only those of its kind can be hidden."""
    rules = (rule("asks", when={"page.id": 1}), rule("a", unmatched=True, stop=True), rule("b", unmatched=True))
    assert judge(*rules).matched == ("a",)
    assert reasons(*rules)[2] == 'hidden by stop of rule "a"'


def test_a_rule_without_an_entry_for_the_event_has_matched_it() -> None:
    """A table that knows no destination is the rule's decision: nothing is sent, and no `unmatched` rule fires."""
    table = TableTarget("page.space.id", {"7": ("ops",)})
    judged = judge(rule("table", to=table, stop=True), rule("behind"), rule("rest", unmatched=True))
    assert judged == Judgement(("table",), ())


@pytest.mark.parametrize(
    ("by", "table", "otherwise", "expected"),
    [
        ("page.space.id", {"42": ("docs",), "7": ("ops",)}, None, ("docs",)),
        ("page.space.id", {"7": ("ops",)}, ("general", "general"), ("general",)),
        ("page.absent", {"": ("ops",)}, ("general",), ("general",)),
        ("page.tags", {"OPS": ("a", "b"), "wiki": ("b", "c")}, ("general",), ("a", "b", "c")),
        ("page.tags", {"wiki": ("c",), "ops": ("a",)}, None, ("a", "c")),
        ("page.tags", {"Ops": ("a",), "ops": ("b", "a")}, None, ("a", "b")),
        ("page.tags.1", {"wiki": ("c",)}, None, ("c",)),
        ("page.space", {"42": ("c",)}, None, ()),
        ("page.space.id", {"42": ()}, ("general",), ()),
    ],
)
def test_a_table_routes_by_the_value_of_a_field(
    by: str, table: Mapping[str, tuple[str, ...]], otherwise: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    """Values are found as text in any case; of a list every element counts; `otherwise` is for the rest."""
    judged = rule("table", to=TableTarget(by, table, otherwise))
    assert tuple(route.destination for route in judge(judged).routes) == expected
    assert explain(judged)[0].destinations == expected


def test_ever_new_names_do_not_fill_the_memory() -> None:
    """A sender that makes up names is judged rightly, and only so many of them are remembered."""
    rules = RuleSet([rule(f"rule {number}", f"family{number % 50}.*") for number in range(500)])
    for number in range(2 * ruleset.MAX_REMEMBERED_NAMES + 1):
        judged = rules.judge(f"family{number % 60}.event{number}", "spaces", refuse)
        assert len(judged.matched) == (10 if number % 60 < 50 else 0)
        assert len(rules._plans) <= ruleset.MAX_REMEMBERED_NAMES
    wide = RuleSet([rule(f"rule {number}", "*.a", f"*.*{number}*.*") for number in range(50)], remembered_rules=500)
    for number in range(300):
        assert wide.judge(f"a.{number}.b", "spaces", refuse).matched
        assert sum(len(plan.rules.rules) for plan in wide._shared.values()) <= 500
    assert len({id(wide._plan("spaces", f"{number}.a")) for number in range(20)}) == 1


def test_rules_that_want_another_value_are_not_even_tried() -> None:
    """Of ten thousand rules for one space each, an event tries only those of its own space, and in their order."""
    tried: list[str] = []

    def counted(name: str, space: int) -> Rule:
        condition = compile_conditions({"page.space.id": space}, FIRST_WORDS)

        def holds(namespace: Mapping[str, JSON]) -> bool:
            tried.append(name)
            return condition.holds(namespace)

        watched = Condition(holds, condition.unmet, condition.met, condition.requires)
        return Rule(name, (compile_pattern("page.*"),), FixedTarget(("docs",)), when=watched)

    rules = [counted(f"rule {number}", number % 5_000) for number in range(10_000)]
    judged = judge(rule("first"), *rules, rule("last", unless={"page.id": 1}))
    assert judged.matched == ("first", "rule 42", "rule 5042", "last")
    assert tried == ["rule 42", "rule 5042"]


@pytest.mark.parametrize(
    "page",
    [
        {"tags": ["y"] * (MOST_ELEMENTS - 1) + ["x"]},
        [{"tags": ["y"] * (MOST_ELEMENTS - 2)}, {"tags": ["y", "y", "x"]}],
    ],
    ids=["the last element", "in the second list"],
)
def test_rules_that_are_found_by_a_value_see_as_far_as_their_conditions(page: JSON) -> None:
    """However long a list is, many rules and few rules judge alike, and a table finds what a condition finds."""
    namespace = {"page": page}
    asks = rule("asks", when={"page.tags": "x"})
    for sieve_from in (0, 100):
        assert RuleSet([asks], sieve_from=sieve_from).judge("page.updated", "spaces", lambda: namespace).matched
    assert TableTarget("page.tags", {"x": ("docs",)}).look_up(namespace) == ("docs",)
