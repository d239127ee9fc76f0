"""What `when` and `unless` ask of an event, and how they say what they saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from router.payload import JSON
from router.rules.conditions import ConditionErrors, compile_conditions

FIRST_WORDS = frozenset({"event", "payload", "actor", "page", "space"})

NAMESPACE: Mapping[str, JSON] = {
    "event": {"name": "page.updated.moved", "received_at": "2026-03-02T10:40:15Z"},
    "actor": {"id": 9, "email": "Ada@Bots.example.com", "admin": True},
    "page": {
        "id": 5148,
        "title": "Release Checklist — Straße",
        "summary": None,
        "empty": "",
        "rating": 4.5,
        "whole": 5.0,
        "revision": "17",
        "tags": ["Draft", "team-docs", None],
        "none": [],
        "editors": [{"id": 7, "name": "Bo"}, {"id": 9, "name": "Cy"}, {"name": None}],
        "matrix": [[1, 2], [30, 40]],
        "space": {"id": 42},
        "updatedAt": "2026-03-02T10:40:15.250+01:00",
        "0": {"1": "by key"},
    },
    "space": None,
    "payload": [{"page": {"id": 1}}],
}


def holds(tree: JSON, namespace: Mapping[str, JSON] = NAMESPACE) -> bool:
    condition = compile_conditions(tree, FIRST_WORDS)
    unmet = condition.first_unmet(namespace)
    assert condition.holds(namespace) is (unmet is None)
    return unmet is None


def why(tree: JSON) -> str:
    unmet = compile_conditions(tree, FIRST_WORDS).first_unmet(NAMESPACE)
    assert unmet is not None
    return unmet.sentence


def errors(tree: JSON) -> list[tuple[tuple[str | int, ...], str, bool]]:
    with pytest.raises(ConditionErrors) as refusal:
        compile_conditions(tree, FIRST_WORDS)
    return [(error.path, error.sentence, error.at_key) for error in refusal.value.errors]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        # A value is compared as text, without regard to case.
        ({"page.id": 5148}, True),
        ({"page.id": "5148"}, True),
        ({"page.id": 5148.0}, True),
        ({"page.id": "5148.0"}, False),
        ({"page.whole": 5}, True),
        ({"page.whole": "5"}, True),
        ({"page.rating": 4.5}, True),
        ({"page.rating": "4.5"}, True),
        ({"page.revision": 17}, True),
        ({"actor.admin": True}, True),
        ({"actor.admin": "TRUE"}, True),
        ({"actor.admin": 1}, False),
        ({"actor.email": "ADA@bots.example.COM"}, True),
        ({"actor.email": {"equals": "ADA@bots.example.COM", "match_case": True}}, False),
        ({"actor.email": {"equals": "Ada@Bots.example.com", "match_case": True}}, True),
        ({"page.title": "release checklist — STRASSE"}, True),
        ({"page.empty": ""}, True),
        ({"page.summary": ""}, False),
        ({"page.space": "42"}, False),
        # Lists of choices.
        ({"page.space.id": [7, 42]}, True),
        ({"page.space.id": [7, 9]}, False),
        ({"page.space.id": {"any_of": ["7", "42"]}}, True),
        ({"page.tags": {"any_of": ["DRAFT"], "match_case": True}}, False),
        # Paths through lists.
        ({"page.tags": "draft"}, True),
        ({"page.tags": "docs"}, False),
        ({"page.editors.id": 9}, True),
        ({"page.editors.id": 8}, False),
        ({"page.editors.0.id": 7}, True),
        ({"page.editors.1.id": 7}, False),
        ({"page.editors.9.id": {"exists": True}}, False),
        ({"page.tags.0": "draft"}, True),
        ({"page.matrix": 40}, True),
        ({"page.matrix.1": 40}, True),
        ({"page.matrix.0": 40}, False),
        ({"page.matrix.1.0": 30}, True),
        ({"page.0.1": "by key"}, True),
        ({"payload.page.id": 1}, True),
        # Text operators.
        ({"page.title": {"contains": "CHECK"}}, True),
        ({"page.title": {"contains": "CHECK", "match_case": True}}, False),
        ({"page.title": {"contains_any": ["nothing", "list"]}}, True),
        ({"page.title": {"contains_any": ["nothing", "none"]}}, False),
        ({"page.title": {"starts_with": "RELEASE"}}, True),
        ({"page.title": {"ends_with": "STRASSE"}}, True),
        ({"page.title": {"ends_with": "SSE"}}, True),
        ({"page.title": {"ends_with": "Strasse", "match_case": True}}, False),
        ({"page.id": {"starts_with": 51}}, True),
        ({"page.title": {"matches": "^release.*list"}}, True),
        ({"page.title": {"matches": "^release", "match_case": True}}, False),
        ({"page.title": {"matches": "^checklist"}}, False),
        ({"page.id": {"matches": r"^\d{4}$"}}, True),
        # On a list, contains asks for an element.
        ({"page.tags": {"contains": "draft"}}, True),
        ({"page.tags": {"contains": "dra"}}, False),
        ({"page.tags": {"contains_any": ["dra", "team-docs"]}}, True),
        ({"page.editors.name": {"contains": "o"}}, True),
        ({"page.matrix": {"contains": 30}}, True),
        ({"page.tags": {"contains": "draft", "starts_with": "team-"}}, True),
        ({"page.tags": {"contains": "other", "starts_with": "team-"}}, False),
        ({"page.tags": {"starts_with": "team-", "ends_with": "docs"}}, True),
        ({"page.tags": {"starts_with": "draft", "ends_with": "docs"}}, False),
        # Sizes and times.
        ({"page.id": {"above": 5147}}, True),
        ({"page.id": {"above": 5148}}, False),
        ({"page.id": {"above": "5000", "below": 6000.5}}, True),
        ({"page.revision": {"above": 9}}, True),
        ({"page.rating": {"below": 4.6}}, True),
        ({"page.title": {"above": 1}}, False),
        ({"actor.admin": {"above": 0}}, False),
        ({"page.matrix": {"above": 2, "below": 30}}, False),
        ({"page.matrix": {"above": 2, "below": 31}}, True),
        ({"page.updatedAt": {"above": "2026-03-02T09:40:15Z"}}, True),
        ({"page.updatedAt": {"above": "2026-03-02T09:40:15.25Z"}}, False),
        ({"page.updatedAt": {"below": "2026-03-02T09:40:15.2500001Z"}}, True),
        ({"page.updatedAt": {"above": 2026}}, False),
        ({"page.revision": {"below": "2026-03-02T09:40:15Z"}}, False),
        # Missing, null and empty.
        ({"page.absent": "x"}, False),
        ({"page.absent": {"exists": False}}, True),
        ({"page.absent": {"exists": True}}, False),
        ({"page.summary": {"exists": False}}, True),
        ({"page.empty": {"exists": True}}, True),
        ({"page.none": {"exists": True}}, True),
        ({"page.none": {"contains": "x"}}, False),
        ({"page.space": {"exists": True}}, True),
        ({"space": {"exists": False}}, True),
        ({"space.id": {"exists": False}}, True),
        ({"page.title.deeper": {"exists": False}}, True),
        ({"page.editors.mail": {"exists": False}}, True),
        ({"page.absent": {"below": 5}}, False),
        # not is the opposite of what stands behind it.
        ({"page.absent": {"not": "x"}}, True),
        ({"page.summary": {"not": "x"}}, True),
        ({"page.tags": {"not": "draft"}}, False),
        ({"page.tags": {"not": "final"}}, True),
        ({"page.tags": {"not": ["final", "draft"]}}, False),
        ({"page.tags": {"not": {"contains": "final"}}}, True),
        ({"page.tags": {"contains": "draft", "not": {"contains": "final"}}}, True),
        ({"page.tags": {"starts_with": "team-", "not": "draft"}}, False),
        ({"page.absent": {"not": {"exists": True}}}, True),
        ({"page.title": {"not": {"not": {"contains": "check"}}}}, True),
        ({"page.title": {"match_case": True, "not": {"contains": "CHECK"}}}, True),
        ({"page.title": {"match_case": True, "not": {"contains": "CHECK", "match_case": False}}}, False),
        ({"page.id": {"not": {"above": 5000, "below": 5100}}}, True),
        # Trees.
        ({"page.id": 5148, "page.space.id": 42}, True),
        ({"page.id": 5148, "page.space.id": 43}, False),
        ({"any": [{"page.id": 1}, {"page.space.id": 42}]}, True),
        ({"any": [{"page.id": 1}, {"page.space.id": 43}]}, False),
        ({"any": [{"page.id": 5148, "page.space.id": 43}]}, False),
        ({"all": [{"page.id": 5148}, {"page.space.id": 42}]}, True),
        ({"all": [{"page.id": 5148}, {"page.space.id": 43}]}, False),
        ({"not": {"page.id": 5148}}, False),
        ({"not": {"page.id": 5148, "page.space.id": 43}}, True),
        ({"page.id": 5148, "not": {"any": [{"page.space.id": 43}, {"actor.id": 10}]}}, True),
        ({"any": [{"all": [{"not": {"page.absent": "x"}}]}]}, True),
    ],
)
def test_conditions(wish: JSON, expected: bool) -> None:
    """Each kind of condition holds for what its reader would expect, and for nothing else."""
    assert holds(wish) is expected


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"page.space.id": [7, 9]}, "page.space.id is 42, wanted one of 7, 9"),
        (
            {"actor.mail": {"ends_with": "@bots.example.com"}},
            'actor.mail is missing, wanted to end with "@bots.example.com"',
        ),
        ({"page.id": 5148, "page.title": "x"}, 'page.title is "Release Checklist — Straße", wanted "x"'),
        ({"page.tags": {"not": "draft"}}, 'page.tags is ["Draft", "team-docs", null], wanted not "draft"'),
        ({"page.editors.id": 8}, "page.editors.id is 7, 9, wanted 8"),
        ({"page.title": {"exists": False}}, 'page.title is "Release Checklist — Straße", wanted no value'),
        ({"page.absent": {"exists": True}}, "page.absent is missing, wanted a value"),
        ({"page.absent": {"not": {"exists": False}}}, "page.absent is missing, wanted a value"),
        ({"page.id": {"above": 1, "below": 2}}, "page.id is 5148, wanted below 2"),
        (
            {"page.matrix": {"above": 2, "below": 30}},
            "page.matrix is [[1, 2], [30, 40]], wanted one value (above 2 and below 30)",
        ),
        (
            {"page.title": {"contains": "CHECK", "match_case": True}},
            'page.title is "Release Checklist — Straße", wanted to contain "CHECK" (match_case)',
        ),
        (
            {"any": [{"page.id": 1}, {"page.space.id": 43}]},
            "none of these holds: page.id is 5148, wanted 1; page.space.id is 42, wanted 43",
        ),
        (
            {"not": {"page.id": 5148, "actor.id": [9]}},
            "excluded by not: page.id is 5148 and actor.id is one of 9 (saw 9)",
        ),
        ({"page.id": {"not": {"above": 5, "below": 6000}}}, "page.id is 5148, wanted not (above 5 and below 6000)"),
    ],
)
def test_the_first_failure_is_told_in_a_sentence(tree: JSON, sentence: str) -> None:
    """An admin reads which field failed, what it holds and what the rule wants."""
    assert why(tree) == sentence


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        (
            {"actor.email": {"ends_with": "@bots.example.com"}},
            'actor.email ends with "@bots.example.com" (saw "Ada@Bots.example.com")',
        ),
        ({"page.id": 5148}, "page.id is 5148"),
        ({"page.absent": {"exists": False}}, "page.absent is missing"),
        ({"page.absent": {"not": "x"}}, 'page.absent is not "x"'),
        ({"page.id": {"not": {"matches": "x"}}}, 'page.id does not match "x" (saw 5148)'),
        ({"page.id": 5148, "actor.id": [9, 10]}, "page.id is 5148 and actor.id is one of 9, 10 (saw 9)"),
        ({"any": [{"page.id": 1}, {"page.space.id": 42}]}, "page.space.id is 42"),
        ({"not": {"page.id": 1}}, "not: page.id is 5148, wanted 1"),
        ({"page.id": {"above": 5, "below": 6000}}, "page.id is above 5 and is below 6000 (saw 5148)"),
    ],
)
def test_what_held_is_told_for_unless(tree: JSON, told: str) -> None:
    """An admin reads what an `unless` excluded, and by which value."""
    condition = compile_conditions(tree, FIRST_WORDS)
    assert condition.holds(NAMESPACE)
    assert condition.met(NAMESPACE).sentence == told


@pytest.mark.parametrize(
    ("tree", "path", "says", "at_key"),
    [
        (None, (), "found null; expected a map", False),
        ([], (), "found a list; expected a map", False),
        ("page.id", (), 'found "page.id"; expected a map', False),
        ({}, (), "empty", False),
        ({"pge.id": 1}, ("pge.id",), "did you mean 'page'?", True),
        ({"Page.id": 1}, ("Page.id",), "did you mean 'page'?", True),
        ({"an": [{"page.id": 1}]}, ("an",), "did you mean 'any'?", True),
        ({"link": 1}, ("link",), "begins with one of: actor, event, page, payload, space", True),
        ({"page..id": 1}, ("page..id",), "empty word", True),
        ({"page. id": 1}, ("page. id",), "space beside a dot", True),
        ({"": 1}, ("",), "no field", True),
        ({42: 1}, (42,), "no field", True),
        ({"page." + "a" * 200: 1}, ("page." + "a" * 200,), "at most 200", True),
        ({"page" + ".a" * 20: 1}, ("page" + ".a" * 20,), "20 words", True),
        ({"page.id": None}, ("page.id",), "exists: false", False),
        ({"page.id": [1, None]}, ("page.id", 1), "exists: false", False),
        ({"page.id": []}, ("page.id",), "list is empty", False),
        ({"page.id": [[1]]}, ("page.id", 0), "found a list", False),
        ({"page.id": {}}, ("page.id",), "no operator", False),
        ({"page.id": {"match_case": True}}, ("page.id",), "no operator", False),
        ({"page.id": {"start_with": 1}}, ("page.id", "start_with"), "did you mean 'starts_with'?", True),
        ({"page.id": {"Equals": 1}}, ("page.id", "Equals"), "did you mean 'equals'?", True),
        ({"page": {"space": {"id": 42}}}, ("page", "space"), "unknown operator 'space'", True),
        ({"page.id": {"equals": [1]}}, ("page.id", "equals"), "any_of", False),
        ({"page.id": {"equals": {"a": 1}}}, ("page.id", "equals"), "found a map", False),
        ({"page.id": {"equals": None}}, ("page.id", "equals"), "exists: false", False),
        ({"page.id": {"equals": float("nan")}}, ("page.id", "equals"), "nan", False),
        ({"page.id": {"equals": "x" * 10_001}}, ("page.id", "equals"), "at most 10000", False),
        ({"page.id": {"any_of": 1}}, ("page.id", "any_of"), "found 1", False),
        ({"page.id": {"any_of": ["x"] * 10_001}}, ("page.id", "any_of"), "at most 10000", False),
        ({"page.id": {"contains": ["a"]}}, ("page.id", "contains"), "contains_any", False),
        ({"page.id": {"contains": ""}}, ("page.id", "contains"), "empty text", False),
        ({"page.id": {"contains_any": ["a", ""]}}, ("page.id", "contains_any", 1), "empty text", False),
        ({"page.id": {"contains_any": ["a"] * 101}}, ("page.id", "contains_any"), "at most 100", False),
        ({"page.id": {"starts_with": ""}}, ("page.id", "starts_with"), "empty text", False),
        ({"page.id": {"ends_with": None}}, ("page.id", "ends_with"), "exists: false", False),
        ({"page.id": {"matches": "("}}, ("page.id", "matches"), "missing )", False),
        ({"page.id": {"matches": "(?=x)"}}, ("page.id", "matches"), "RE2", False),
        ({"page.id": {"matches": 5}}, ("page.id", "matches"), "found 5", False),
        ({"page.id": {"matches": ""}}, ("page.id", "matches"), "regular expression", False),
        ({"page.id": {"matches": "a" * 1_001}}, ("page.id", "matches"), "at most 1000", False),
        ({"page.id": {"matches": r"(?:(?:\pL\pN){20}){20}"}}, ("page.id", "matches"), "too large", False),
        (
            {"page.id": {"matches": "((a{10}){10}){10}((a{10}){10}){9}bbbbbb((a{10}){10}){10}"}},
            ("page.id", "matches"),
            "instructions",
            False,
        ),
        ({"page.id": {"above": "soon"}}, ("page.id", "above"), "a number, or a time", False),
        ({"page.id": {"above": True}}, ("page.id", "above"), "found true", False),
        ({"page.id": {"below": None}}, ("page.id", "below"), "exists: false", False),
        ({"page.id": {"below": "2026-02-30T00:00:00Z"}}, ("page.id", "below"), "a time such as", False),
        ({"page.id": {"below": "2026-02-03"}}, ("page.id", "below"), "a time such as", False),
        ({"page.id": {"below": float("inf")}}, ("page.id", "below"), "a number", False),
        ({"page.id": {"exists": "no"}}, ("page.id", "exists"), 'found "no"; exists takes true or false', False),
        ({"page.id": {"not": None}}, ("page.id", "not"), "exists: false", False),
        ({"page.id": {"not": {"is": 1}}}, ("page.id", "not", "is"), "unknown operator", True),
        ({"page.id": {"equals": 1, "match_case": "yes"}}, ("page.id", "match_case"), "true or false", False),
        ({"any": {"page.id": 1}}, ("any",), "found a map; any takes a list", False),
        ({"any": []}, ("any",), "list is empty", False),
        ({"all": [{}]}, ("all", 0), "empty", False),
        ({"any": [{"page.id": 1}, 5]}, ("any", 1), "found 5", False),
        ({"not": [{"page.id": 1}]}, ("not",), "found a list", False),
        ({"any": [{"not": {"pagee.id": 1}}]}, ("any", 0, "not", "pagee.id"), "did you mean 'page'?", True),
    ],
)
def test_a_mistake_is_told_with_its_place(tree: JSON, path: tuple[str | int, ...], says: str, at_key: bool) -> None:
    """What cannot be meant is an error at its own place in the tree, in words that say how to mend it."""
    (found,) = errors(tree)
    assert (found[0], found[2]) == (path, at_key)
    assert says in found[1]


def test_all_mistakes_are_told_at_once() -> None:
    """One run shows everything that is wrong with a tree."""
    tree = {
        "pgae.id": {"start_with": 1, "equals": None},
        "any": [{"page.id": []}, {"page.id": {"matches": "(", "above": "x"}}],
        "not": {"actor.id": [None, 1, {}]},
    }
    assert [path for path, _, _ in errors(tree)] == [
        ("pgae.id",),
        ("pgae.id", "start_with"),
        ("pgae.id", "equals"),
        ("any", 0, "page.id"),
        ("any", 1, "page.id", "matches"),
        ("any", 1, "page.id", "above"),
        ("not", "actor.id", 0),
    ]


@pytest.mark.parametrize("wrap", [lambda tree: {"not": tree}, lambda tree: {"any": [tree]}])
def test_nesting_is_bounded(wrap: Any) -> None:
    """Conditions nested without end are refused, and never overflow a stack."""
    tree: JSON = {"page.id": 1}
    for _ in range(20):
        tree = wrap(tree)
    compile_conditions(tree, FIRST_WORDS)
    for _ in range(5_000):
        tree = wrap(tree)
    (found,) = errors(tree)
    assert "nested deeper than 20 levels" in found[1]


def test_nesting_of_not_within_a_field_is_bounded() -> None:
    """The same for `not` behind a field."""
    wish: JSON = 1
    for _ in range(5_000):
        wish = {"not": wish}
    assert "nested deeper" in errors({"page.id": wish})[0][1]


def test_large_and_hostile_values_are_cut_and_quick() -> None:
    """Five megabytes of page are judged without delay, and only 80 characters of them are ever shown."""
    text = "é\n" * 2_500_000 + "x" * 2_500_000
    namespace = {"page": {"content": text, "many": [text] * 3}}
    trees: list[JSON] = [
        {"page.content": {"matches": "(x+x+)+y"}},
        {"page.content": {"matches": "(é?\n?){40}z"}},
        {"page.many": {"matches": "(x+x+)+y"}},
        {"page.content": {"contains": "y" * 100}},
        {"page.content": "short"},
        {"page.content": {"above": 5}},
        {"page.many": {"ends_with": "xy"}},
    ]
    for tree in trees:
        unmet = compile_conditions(tree, FIRST_WORDS).first_unmet(namespace)
        assert unmet is not None
        assert len(unmet.saw) <= 80
        assert unmet.saw.endswith("…")
        assert "\n" not in unmet.sentence


def test_deep_bodies_neither_fail_nor_fill_the_page() -> None:
    """A body nested thousands of levels deep is judged and told like any other."""
    deep: JSON = "leaf"
    for _ in range(5_000):
        deep = [deep]
    objects: JSON = None
    for _ in range(5_000):
        objects = {"a": objects}
    namespace = {"page": {"deep": deep, "objects": objects}}
    assert holds({"page.deep": "leaf"}, namespace)
    for path in ("page.deep", "page.objects"):
        unmet = compile_conditions({path: "x"}, FIRST_WORDS).first_unmet(namespace)
        assert unmet is not None
        assert len(unmet.saw) <= 80


def test_a_lone_surrogate_is_no_obstacle() -> None:
    """Text that is not quite Unicode is judged, and told in text that can be written anywhere."""
    namespace = {"page": {"title": "a\ud800b"}}
    assert holds({"page.title": {"matches": "^a.b$"}}, namespace)
    unmet = compile_conditions({"page.title": "x"}, FIRST_WORDS).first_unmet(namespace)
    assert unmet is not None
    unmet.sentence.encode()


def test_numbers_of_any_size_are_compared() -> None:
    """Numbers too large for a float, or for text, are no obstacle."""
    namespace: Mapping[str, JSON] = {"page": {"big": 10**400, "vast": 10**5_000, "nan": float("nan")}}
    assert holds({"page.big": 10**400}, namespace)
    assert holds({"page.big": {"above": 1e300}}, namespace)
    assert holds({"page.vast": {"above": 5}}, namespace)
    assert not holds({"page.vast": 5}, namespace)
    assert not holds({"page.nan": {"above": 0}}, namespace)
