"""`when` and `unless`, against a plain reading of what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from router.payload import JSON
from router.rules.conditions import ConditionErrors, Unmet, compile_conditions
from tests.fuzz.budget import examples
from tests.fuzz.conditions import FIRST_WORDS, keys, namespaces, trees, wishes
from tests.fuzz.reference import entry_holds, field, flat, text_of, tree_holds

_json_values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda below: st.lists(below) | st.dictionaries(st.text(max_size=5) | keys, below),
    max_leaves=20,
)


@examples(500)
@given(trees, namespaces)
def test_the_compiled_tree_agrees_with_a_plain_reading(tree: dict[str, JSON], namespace: Mapping[str, JSON]) -> None:
    """Compiled conditions decide as the slow evaluator does, and require no more than it."""
    condition = compile_conditions(tree, FIRST_WORDS)
    assert condition.holds(namespace) is tree_holds(tree, namespace)
    if condition.requires is not None and condition.holds(namespace):
        path, texts = condition.requires
        seen = [text_of(value) for value in flat(list(field(namespace, path.split("."))))]
        assert any(text is not None and text.casefold() in texts for text in seen)


@examples(300)
@given(trees, namespaces)
def test_what_is_told_is_what_failed(tree: dict[str, JSON], namespace: Mapping[str, JSON]) -> None:
    """`explain` names the first line of the map that does not hold, and what the event has there."""
    condition = compile_conditions(tree, FIRST_WORDS)
    unmet = condition.first_unmet(namespace)
    assert (unmet is None) is tree_holds(tree, namespace)
    if unmet is None:
        assert condition.met(namespace)
        return
    assert unmet.sentence
    key = next(key for key, value in tree.items() if not entry_holds(key, value, namespace))
    if key not in {"all", "any", "not"}:
        _check_field(key, unmet, namespace)
    elif key == "not":
        assert unmet.sentence.startswith("excluded by not: ")


def _check_field(path: str, unmet: Unmet, namespace: Mapping[str, JSON]) -> None:
    assert unmet.field == path
    assert (unmet.saw == "missing") is (not list(field(namespace, path.split("."))))
    assert unmet.sentence == f"{path} is {unmet.saw}, wanted {unmet.wanted}"


@examples(100)
@given(trees, st.dictionaries(st.sampled_from(["page", "actor"]), _json_values))
def test_no_event_makes_a_condition_fail(tree: dict[str, JSON], namespace: Mapping[str, JSON]) -> None:
    """Whatever a body holds, conditions decide, and what they say can be written."""
    condition = compile_conditions(tree, FIRST_WORDS)
    unmet = condition.first_unmet(namespace)
    told = condition.met(namespace) if unmet is None else unmet.sentence
    told.encode()


@examples(150)
@given(_json_values | st.dictionaries(st.sampled_from(["any", "all", "not", "page.id", "page"]), _json_values | wishes))
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
