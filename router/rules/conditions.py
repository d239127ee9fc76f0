"""`when` and `unless`: a tree of conditions, checked whole and compiled once into closures that never raise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from router.errors import RouterError
from router.payload import JSON
from router.rules.operators import TESTS, WrongOperand
from router.rules.paths import Namespace, compile_path, named, path_problem, suggestion
from router.rules.wishes import Part, Wish, existence, negation, of_test
from router.rules.wording import shown, shown_all

MAX_DEPTH = 20
_MAX_TOLD = 3

_COMBINATORS = ("all", "any", "not")
_OPERATORS = (*TESTS, "exists", "not")
_TOO_DEEP = f"conditions are nested deeper than {MAX_DEPTH} levels; write a flatter rule"

Place = tuple[str | int, ...]
"""Keys and indexes that lead into the tree as it was given."""


class ConditionError(NamedTuple):
    """
    One thing that is wrong with a tree.

    Attributes:
        path: Where, as keys and indexes from the root of the tree.
        sentence: What was found and what is expected.
        at_key: It is about the last key of the path, not about the value behind it.
    """

    path: Place
    sentence: str
    at_key: bool = False


class ConditionErrors(RouterError):
    """A tree of conditions cannot be compiled; `errors` has everything that is wrong with it."""

    def __init__(self, errors: Sequence[ConditionError]) -> None:
        super().__init__("; ".join(error.sentence for error in errors))
        self.errors = list(errors)


@dataclass(frozen=True)
class Unmet:
    """
    Why a condition did not hold.

    Attributes:
        field: Path of the field it is about; the first one where alternatives failed together.
        wanted: What the rule asks for.
        saw: What the event has, at most 80 characters of it; `missing` for a missing or null field.
        told: The whole as a sentence where the three do not make one.
    """

    field: str
    wanted: str
    saw: str
    told: str = ""

    @property
    def sentence(self) -> str:
        """For the admin: `page.space.id is 42, wanted one of 7, 9`."""
        return self.told or f"{self.field} is {self.saw}, wanted {self.wanted}"


@dataclass(frozen=True)
class Met:
    """
    Why a condition held.

    Attributes:
        field: Path of the field it is about; the first one where several held together.
        unwanted: What would have to be for it not to hold.
        saw: What the event has, as `Unmet` tells it.
        sentence: For the admin: `actor.email ends with "x" (saw "y@x")`.
    """

    field: str
    unwanted: str
    saw: str
    sentence: str


class Requirement(NamedTuple):
    """
    Something without which a tree cannot hold, so that rules can be found by it instead of being tried.

    Attributes:
        path: Of the field.
        texts: One of its values has one of these texts, case folded.
    """

    path: str
    texts: frozenset[str]


@dataclass(frozen=True)
class Condition:
    """
    A compiled tree. Nothing here raises, whatever the event holds.

    Attributes:
        holds: Whether the tree holds for a namespace.
        unmet: What failed first, in the order of the file. Only where it does not hold.
        met: Why it holds, for `unless`. Only where it does.
        requires: What must be so at the least, or None where no single field says.
    """

    holds: Callable[[Namespace], bool]
    unmet: Callable[[Namespace], Unmet]
    met: Callable[[Namespace], Met]
    requires: Requirement | None = None

    def first_unmet(self, namespace: Namespace) -> Unmet | None:
        """Tell the first condition that fails, or None where all hold."""
        return None if self.holds(namespace) else self.unmet(namespace)


def compile_conditions(tree: JSON, first_words: Collection[str]) -> Condition:
    """
    Check a tree and compile it.

    Args:
        tree: A map from field path to what is wanted, with `all:`, `any:` and `not:` beside the paths; all must hold.
        first_words: What a path may begin with.

    Raises:
        ConditionErrors: With everything that is wrong, each with its place.
    """
    compiler = _Compiler(first_words)
    condition = compiler.conditions(tree, ())
    if condition is None or compiler.errors:
        raise ConditionErrors(compiler.errors)
    return condition


class _Compiler:
    """One pass over a tree. A part with an error compiles to None, and the pass goes on."""

    def __init__(self, first_words: Collection[str]) -> None:
        self.errors: list[ConditionError] = []
        self._first_words = first_words

    def _has_problem(self, place: Place, sentence: str | None, *, at_key: bool = False) -> bool:
        if sentence is not None:
            self.errors.append(ConditionError(place, sentence, at_key))
        return sentence is not None

    def conditions(self, tree: JSON, place: Place, depth: int = 0) -> Condition | None:
        """Compile a map of conditions that must all hold."""
        if self._has_problem(place, _tree_problem(tree, depth)):
            return None
        return _all([self._entry(key, value, (*place, key), depth) for key, value in tree.items()])

    def _entry(self, key: JSON, value: JSON, place: Place, depth: int) -> Condition | None:
        if key == "not":
            return _not(self.conditions(value, place, depth + 1))
        if key in _COMBINATORS:
            return self._alternatives(key, value, place, depth)
        misnamed = self._has_problem(place, path_problem(key, self._first_words, _COMBINATORS), at_key=True)
        if misnamed and "." not in str(key):
            return None  # perhaps a misspelt `any`: what stands behind it need not be a wish
        wish = self._wish(value, place, match_case=False, depth=depth)
        return None if wish is None or misnamed else _field(key, wish)

    def _alternatives(self, key: str, value: JSON, place: Place, depth: int) -> Condition | None:
        if self._has_problem(place, _alternatives_problem(key, value)):
            return None
        compiled = [self.conditions(below, (*place, index), depth + 1) for index, below in enumerate(value)]
        return _all(compiled) if key == "all" else _any(compiled)

    def _wish(self, value: JSON, place: Place, *, match_case: bool, depth: int) -> Wish | None:
        """Compile what stands behind a field: a value, a list, or a map of operators."""
        if isinstance(value, dict):
            return self._operators(value, place, match_case=match_case, depth=depth)
        part = self._test("any_of" if isinstance(value, list) else "equals", value, place, match_case)
        return None if part is None else Wish([part])

    def _operators(self, operators: dict[str, JSON], place: Place, *, match_case: bool, depth: int) -> Wish | None:
        if self._has_problem(place, _operators_problem(operators, depth)):
            return None
        case = operators.get("match_case", match_case)
        self._has_problem((*place, "match_case"), _boolean_problem("match_case", case))
        parts = [
            self._part(key, value, (*place, key), match_case=case is True, depth=depth)
            for key, value in operators.items()
            if key != "match_case"
        ]
        complete = [part for part in parts if part is not None]
        return Wish(complete) if len(complete) == len(parts) else None

    def _part(self, operator: JSON, operand: JSON, place: Place, *, match_case: bool, depth: int) -> Part | None:
        if operator == "exists":
            return None if self._has_problem(place, _boolean_problem("exists", operand)) else existence(operand)
        if operator == "not":
            wish = self._wish(operand, place, match_case=match_case, depth=depth + 1)
            return None if wish is None else negation(wish)
        if self._has_problem(place, _operator_problem(operator, place[-2]), at_key=True):
            return None
        return self._test(operator, operand, place, match_case)

    def _test(self, operator: str, operand: JSON, place: Place, match_case: bool) -> Part | None:
        try:
            return of_test(TESTS[operator](operand, match_case))
        except WrongOperand as error:
            self._has_problem(place if error.index is None else (*place, error.index), error.sentence)
            return None


def _tree_problem(tree: JSON, depth: int) -> str | None:
    if not isinstance(tree, dict):
        dashes = ", without '-' before them" if isinstance(tree, list) else ""
        return f"found {_kind(tree)}; expected a map from field paths to values, such as space.id: 42{dashes}"
    if not tree:
        return "the map of conditions is empty; expected at least one condition, or leave the key out"
    return _TOO_DEEP if depth > MAX_DEPTH else None


def _alternatives_problem(key: str, value: JSON) -> str | None:
    if not isinstance(value, list):
        return f"found {_kind(value)}; {key} takes a list of maps of conditions"
    return None if value else f"the list is empty; {key} takes a list of maps of conditions"


def _operators_problem(operators: dict[str, JSON], depth: int) -> str | None:
    if not operators.keys() - {"match_case"}:
        return f"there is no operator; expected at least one of: {', '.join(_OPERATORS)}"
    return _TOO_DEEP if depth > MAX_DEPTH else None


def _operator_problem(operator: JSON, field: str | int) -> str | None:
    if operator in TESTS:
        return None
    guess = suggestion(str(operator), (*_OPERATORS, "match_case"))
    if not guess and field not in _COMBINATORS and str(operator).replace(".", "_").isidentifier():
        guess = f"; a field below {field} is written {field}.{operator}"
    return f"unknown operator {named(operator)}; expected one of: {', '.join(_OPERATORS)}, match_case{guess}"


def _boolean_problem(operator: str, operand: JSON) -> str | None:
    return None if isinstance(operand, bool) else f"found {_kind(operand)}; {operator} takes true or false"


def _kind(value: JSON) -> str:
    return "a list" if isinstance(value, list) else "a map" if isinstance(value, dict) else shown(value)


def _field(path: str, wish: Wish) -> Condition:
    find = compile_path(path)
    holds_for = wish.holds

    def unmet(namespace: Namespace) -> Unmet:
        found = find(namespace)
        return Unmet(path, wish.first_failing(found), shown_all(found))

    def met(namespace: Namespace) -> Met:
        found = find(namespace)
        saw = shown_all(found)
        told = f"{path} {wish.positive}"
        sentence = told if not found or told == f"{path} is {saw}" else f"{told} (saw {saw})"
        return Met(path, wish.unwanted, saw, sentence)

    texts = wish.required_texts
    requires = None if texts is None else Requirement(path, texts)
    return Condition(lambda namespace: holds_for(find(namespace)), unmet, met, requires)


def _complete(conditions: Sequence[Condition | None]) -> list[Condition] | None:
    complete = [condition for condition in conditions if condition is not None]
    return complete if len(complete) == len(conditions) else None


def _all(conditions: Sequence[Condition | None]) -> Condition | None:
    parts = _complete(conditions)
    if parts is None or len(parts) == 1:
        return None if parts is None else parts[0]

    def met(namespace: Namespace) -> Met:
        reasons = [part.met(namespace) for part in parts[:_MAX_TOLD]]
        return replace(reasons[0], sentence=_listed([reason.sentence for reason in reasons], len(parts), " and "))

    return Condition(
        holds=lambda namespace: all(part.holds(namespace) for part in parts),
        unmet=lambda namespace: next(part for part in parts if not part.holds(namespace)).unmet(namespace),
        met=met,
        requires=min(
            (part.requires for part in parts if part.requires is not None),
            key=lambda requirement: len(requirement.texts),
            default=None,
        ),
    )


def _any(conditions: Sequence[Condition | None]) -> Condition | None:
    parts = _complete(conditions)
    if parts is None or len(parts) == 1:
        return None if parts is None else parts[0]

    def unmet(namespace: Namespace) -> Unmet:
        reasons = [part.unmet(namespace) for part in parts[:_MAX_TOLD]]
        told = _listed([reason.sentence for reason in reasons], len(parts), "; ")
        return replace(reasons[0], told=f"none of these holds: {told}")

    return Condition(
        holds=lambda namespace: any(part.holds(namespace) for part in parts),
        unmet=unmet,
        met=lambda namespace: next(part for part in parts if part.holds(namespace)).met(namespace),
    )


def _not(condition: Condition | None) -> Condition | None:
    if condition is None:
        return None

    def unmet(namespace: Namespace) -> Unmet:
        met = condition.met(namespace)
        return Unmet(met.field, met.unwanted, met.saw, f"excluded by not: {met.sentence}")

    def met(namespace: Namespace) -> Met:
        unmet = condition.unmet(namespace)
        return Met(unmet.field, unmet.wanted, unmet.saw, f"not: {unmet.sentence}")

    return Condition(lambda namespace: not condition.holds(namespace), unmet, met)


def _listed(sentences: Sequence[str], total: int, between: str) -> str:
    more = total - len(sentences)
    return between.join(sentences) + (f"{between}{more} more" if more else "")
