"""`when` and `unless`, against a plain reading of what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from router.payload import JSON
from router.rules.conditions import ConditionErrors, Unmet, compile_conditions
from tests.fuzz.budget import examples
from tests.fuzz.conditions import FIRST_WORDS, cases, scalars, trees
from tests.fuzz.reference import entry_holds, field, flat, text_of, tree_holds

Tree = dict[str, JSON]
Namespace = Mapping[str, JSON]

_json_values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda below: st.lists(below) | st.dictionaries(st.text(max_size=5) | st.sampled_from("ab01"), below),
    max_leaves=20,
)
_keys = st.sampled_from(["any", "all", "not", "page.id", "page", "equals", "any_of", "above", "exists", "matches", "x"])
_odd_trees: st.SearchStrategy[JSON] = st.recursive(
    scalars | _json_values,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_keys, below, max_size=3),
    max_leaves=10,
)


@examples(300)
@given(cases())
def test_the_compiled_tree_agrees_with_a_plain_reading(case: tuple[Tree, Namespace]) -> None:
    """Compiled conditions decide as the slow evaluator does, tell what failed, and require no more than they must."""
    tree, namespace = case
    condition = compile_conditions(tree, FIRST_WORDS)
    assert condition.holds(namespace) is tree_holds(tree, namespace)
    unmet = condition.first_unmet(namespace)
    if unmet is not None:
        assert not tree_holds(tree, namespace)
        _check_told(tree, unmet, namespace)
        return
    assert condition.met(namespace).sentence
    if condition.requires is not None:
        path, texts = condition.requires
        seen = [text_of(value) for value in flat(list(field(namespace, path.split("."))))]
        assert any(text is not None and text.casefold() in texts for text in seen)


def _check_told(tree: Tree, unmet: Unmet, namespace: Namespace) -> None:
    """`explain` names the first line of the map that does not hold, and what the event has there."""
    assert unmet.sentence
    key = next(key for key, value in tree.items() if not entry_holds(key, value, namespace))
    if key not in {"all", "any", "not"}:
        _check_field(key, unmet, namespace)
    elif key == "not":
        assert unmet.sentence.startswith("excluded by not: ")


def _check_field(path: str, unmet: Unmet, namespace: Namespace) -> None:
    assert unmet.field == path
    assert (unmet.saw == "missing") is (not list(field(namespace, path.split("."))))
    assert unmet.sentence == f"{path} is {unmet.saw}, wanted {unmet.wanted}"


@examples(60)
@given(trees, st.dictionaries(st.sampled_from(["page", "actor"]), _json_values))
def test_no_event_makes_a_condition_fail(tree: Tree, namespace: Namespace) -> None:
    """Whatever a body holds, conditions decide, and what they say can be written."""
    condition = compile_conditions(tree, FIRST_WORDS)
    unmet = condition.first_unmet(namespace)
    told = condition.met(namespace).sentence if unmet is None else unmet.sentence
    assert told.encode()


@examples(150)
@given(_odd_trees)
def test_any_tree_compiles_or_is_refused_with_places_that_exist(tree: JSON) -> None:
    """No tree makes the compiler fail in another way, and each error leads to something in the tree."""
    try:
        compile_conditions(tree, FIRST_WORDS)
    except ConditionErrors as refusal:
        found = refusal.errors
    else:
        return
    assert found
    for error in found:
        value = tree
        for step in error.path:
            value = value[step]
        assert error.sentence
