"""Trees against pydantic models: each of its complaints becomes a problem in our own words, at the right place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, get_args

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from router.config.keys import fields_of, is_public, models_in, nested_metadata, not_yet, parts_of, takes_secret
from router.config.masking import is_word_alone
from router.config.nodes import Entry, Node, Place, Scalar, kind_of, plain, resolve
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Sequence as ListNode
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.durations import format_duration
from router.fields import TextOrTexts

AnyModel = TypeVar("AnyModel", bound=BaseModel)

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_EXAMPLES = {"retry": "a list such as [1m, 5m, 10m]", "fail_fast": "a list such as [404, 410]"}
_OF_SCALARS = frozenset({"string_type", "int_type", "float_type", "bool_type", "is_instance_of", "literal_error"})
_OF_MAPS = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type"})
_OF_LISTS = frozenset({"list_type", "tuple_type", "set_type"})
_NUMBERS = frozenset({"int_type", "float_type", "bool_type"})


@dataclass(frozen=True)
class Section:
    """
    What a map is called in messages, and what it may hold.

    Attributes:
        what: Such as `destination 'docs'`.
        later: Keys of later versions.
        public: Its values may all be quoted.
        further: Keys that are taken out before the model sees the map, such as `type`.
        examples: What a missing key may look like, by key.
    """

    what: str
    later: frozenset[str] = frozenset()
    public: bool = False
    further: tuple[str, ...] = ()
    examples: Mapping[str, str] | None = None


def fit(
    model: type[AnyModel], node: MapNode, at: Node | Entry | Place, section: Section, reading: Reading
) -> AnyModel | None:
    """
    Read a map as a model; None where it does not fit, and then the problems are noted.

    Args:
        at: What a missing key is reported at: the key that holds the map.
    """
    value, errors = _validated(model, node)
    if errors and _resolve_numbers(node, errors):
        value, errors = _validated(model, node)
    if errors and reading.lenient:
        return _without_unresolved(model, node, errors)
    for found in _worth_telling(_Found.of(error, node, at) for error in errors):
        sentence = _sentence(found, model, section)
        if sentence:
            reading.error(found.at_key if found.at_key is not None else found.node_or_place, sentence)
    return value


def _validated(model: type[AnyModel], node: MapNode) -> tuple[AnyModel | None, list[ErrorDetails]]:
    try:
        return model.model_validate(plain(node)), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_input=False)


def _resolve_numbers(node: MapNode, errors: Iterable[ErrorDetails]) -> bool:
    """A number that came from the environment is a text; where a number is wanted, read it as one."""
    changed = False
    for error in errors:
        if error["type"] in _NUMBERS:
            _, found = _follow(node, error["loc"])
            if isinstance(found, Scalar) and found.outside and not found.style and isinstance(found.value, str):
                number = resolve(found.value)
                changed = changed or not isinstance(number, str)
                found.value = number
    return changed


def _without_unresolved(model: type[AnyModel], node: MapNode, errors: Iterable[ErrorDetails]) -> AnyModel | None:
    """Leave out what an older rule set refers to and nobody can look up any more."""
    wrong = {error["loc"][0] for error in errors if error["loc"]}
    kept = {key: entry for key, entry in node.entries.items() if key not in wrong}
    return _validated(model, MapNode(node.place, kept))[0] if len(kept) < len(node.entries) else None


@dataclass(frozen=True)
class _Found:
    """
    One complaint of pydantic's, found in the tree.

    Attributes:
        label: The nearest key above it.
        node: What it is about; None where a key is missing.
        at_key: The key to point at, where the key itself is wrong.
        key: The key that is missing, unknown or wrong.
        path: Keys from the root, without what pydantic adds for unions.
    """

    error: ErrorDetails
    label: str
    node: Node | None
    at: Node | Entry | Place
    at_key: Entry | None
    key: str
    path: tuple[str | int, ...]

    @classmethod
    def of(cls, error: ErrorDetails, root: MapNode, at: Node | Entry | Place) -> _Found:
        loc = error["loc"]
        key = str(loc[-1]) if loc else ""
        kind = error["type"]
        if kind == "missing":
            path, _ = _follow(root, loc[:-1])
            entry = _entry(root, path)
            return cls(error, _label(path), None, entry if entry is not None else at, None, key, path)
        path, node = _follow(root, loc)
        entry = _entry(root, path)
        about_key = kind == "extra_forbidden" or "[key]" in loc
        return cls(error, _label(path), node, at, entry if about_key else None, _label(path), path)

    @property
    def type(self) -> str:
        return self.error["type"]

    @property
    def node_or_place(self) -> Node | Entry | Place:
        if self.node is None or not self.path:
            return self.at
        return self.node


def _follow(root: MapNode, loc: Iterable[int | str]) -> tuple[tuple[str | int, ...], Node]:
    """Walk along pydantic's location; what is no child of the node is a branch of a union, and skipped."""
    node: Node = root
    path: list[str | int] = []
    for step in loc:
        if isinstance(node, MapNode) and str(step) in node.entries:
            node = node.entries[str(step)].value
            path.append(str(step))
        elif isinstance(node, ListNode) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            path.append(step)
    return tuple(path), node


def _entry(root: MapNode, path: tuple[str | int, ...]) -> Entry | None:
    node: Node = root
    entry: Entry | None = None
    for step in path:
        if isinstance(node, MapNode):
            entry = node.entries[str(step)]
            node = entry.value
        elif isinstance(node, ListNode) and isinstance(step, int):
            entry, node = None, node.items[step]
    return entry


def _label(path: tuple[str | int, ...]) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _worth_telling(found: Iterable[_Found]) -> list[_Found]:
    """Of the complaints about one value that may be of several types, keep those about the type that it has."""
    by_path: dict[tuple[str | int, ...], list[_Found]] = {}
    for each in found:
        by_path.setdefault((*each.path, each.key if each.type == "missing" else ""), []).append(each)
    kept = []
    for path, group in by_path.items():
        deeper = any(other[: len(path) - 1] == path[:-1] and other != path for other in by_path)
        fitting = [each for each in group if not _is_of_other_kind(each)]
        if fitting or not deeper:
            kept += _one_each(fitting or group)
    return kept


def _is_of_other_kind(found: _Found) -> bool:
    if isinstance(found.node, MapNode):
        return found.type in _OF_SCALARS | _OF_LISTS
    if isinstance(found.node, ListNode):
        return found.type in _OF_SCALARS | _OF_MAPS
    return found.type in _OF_MAPS | _OF_LISTS | {"is_instance_of"}


def _one_each(group: list[_Found]) -> list[_Found]:
    told = [each for each in group if each.type != "is_instance_of"] or group[:1]
    return list({(each.type, each.error["msg"]): each for each in told}.values())


def _sentence(found: _Found, model: type[BaseModel], section: Section) -> str:
    kind = found.type
    if kind == "missing":
        return _missing(found, section)
    if kind == "extra_forbidden":
        return _unknown(found, model, section)
    if kind in {"value_error", "assertion_error"}:
        return _own_sentence(found, section)
    shown = _shown(found, section)
    if kind in _EXPECTED:
        expected = _EXAMPLES.get(found.label, _EXPECTED[kind]) if kind in _OF_LISTS else _EXPECTED[kind]
        if kind in _OF_LISTS and _takes_one(_field(model, found.path)):
            expected = "a text or a list of texts"
        return f"{shown}; expected {expected}{_about_quotes(found, expected, section)}"
    context = found.error.get("ctx", {})
    if kind == "literal_error":
        choices = _choices(model, found) or str(context.get("expected", "")).replace("'", "").split(", ")
        word = str(found.node.text) if isinstance(found.node, Scalar) and _may_quote(found, section) else ""
        return f"{shown}; expected one of: {', '.join(choices)}{did_you_mean(word, choices)}"
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        return f"{shown}; expected {_bounds(model, found)}"
    if kind == "too_long":
        entries, most = context.get("actual_length"), context.get("max_length")
        return f"{_name(found, section)} has {entries} entries; expected at most {most}"
    if kind == "too_short":
        return f"{_name(found, section)} has too few entries; expected at least {context.get('min_length')}"
    return f"{_name(found, section)} cannot be used: {found.error['msg'][:200]}"


def _missing(found: _Found, section: Section) -> str:
    where = f"'{_name(found, section)}'" if found.label else section.what
    example = (section.examples or {}).get(found.key)
    return f"{where} lacks the key '{found.key}'" + (f"; expected {example}" if example else "; add it")


def _unknown(found: _Found, model: type[BaseModel], section: Section) -> str:
    fields = _fields_around(model, found.path)
    top = len(found.path) == 1
    if top and found.key in section.later:
        return not_yet(found.key)
    keys = [*section.further, *fields] if top else list(fields)
    if not section.public and found.at_key is not None and is_word_alone(found.at_key):
        return f"this key has no value; expected one of: {listed(keys)}, with ': ' and a value behind it"
    words = found.key.split()
    if not section.public and len(words) > 1:  # `{password abc}`: a colon is missing, and what follows is a secret
        return f"unknown key {named(words[0] + ' …')}; expected one of: {listed(keys)}, with a ':' behind it"
    bare = found.key.removesuffix("_file")
    if bare != found.key and bare in fields:
        return f"unknown key {named(found.key)}; only secrets can stand in files of their own, and {bare} is none"
    files = [f"{key}_file" for key, field in fields.items() if takes_secret(field)]
    choices = [*keys, *files]
    return f"unknown key {named(found.key)}; expected one of: {listed(choices)}{did_you_mean(found.key, choices)}"


def _own_sentence(found: _Found, section: Section) -> str:
    error = found.error.get("ctx", {}).get("error")
    sentence = str(error) if error is not None else found.error["msg"]
    if not sentence.startswith("expected"):
        return f"{section.what}: {sentence}" if not found.path else sentence
    if isinstance(found.node, Scalar) and (found.node.value is None or _may_quote(found, section)):
        return f"{_shown(found, section)}; {sentence}"
    return f"{_name(found, section)} cannot be used; {sentence}"


def _name(found: _Found, section: Section) -> str:
    """What a value is called: its key, unless that is no word and may hold what should stand behind it."""
    if not section.public and not found.label.replace("_", "").replace("-", "").isalnum():
        return "a value here" if found.label else section.what
    return found.label or section.what


def _shown(found: _Found, section: Section) -> str:
    """`timeout is 90s`; of what may be a secret only its kind is said."""
    node, label = found.node, _name(found, section)
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return f"{label} is empty"
    if not isinstance(node, Scalar) or not _may_quote(found, section):
        return f"{label} is {kind_of(node)}"
    return f"{label} is {named(node.text) if isinstance(node.value, str) else named(node.text)[1:-1]}"


def _may_quote(found: _Found, section: Section) -> bool:
    if isinstance(found.node, Scalar) and found.node.outside:
        return False
    text = found.node.text if isinstance(found.node, Scalar) else ""
    return section.public or is_public(found.label, text)


def _takes_one(field: Any) -> bool:
    """Whether one text may stand in the place of a list."""
    one_or_many = get_args(TextOrTexts)[1]
    return field is not None and (one_or_many in field.metadata or one_or_many in nested_metadata(field.annotation))


def _about_quotes(found: _Found, expected: str, section: Section) -> str:
    node = found.node
    if _is_bare(node) and (found.type == "string_type" or (not section.public and expected.startswith("a text"))):
        return "; put it in quotes"
    if found.type == "bool_type" and isinstance(node, Scalar) and node.style and node.text in ("true", "false"):
        return ", without quotes"
    return ""


def _is_bare(node: Node | None) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, bool | int | float)


def _fields_around(model: type[BaseModel], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The fields that may stand beside the last key of a path."""
    models = [model]
    for step in path[:-1]:
        if isinstance(step, str):
            models = [
                inner
                for each in models
                if step in fields_of(each)
                for inner in models_in(fields_of(each)[step].annotation)
            ]
    return {key: field for each in models for key, field in fields_of(each).items()}


def _field(model: type[BaseModel], path: tuple[str | int, ...]) -> Any:
    keys = tuple(step for step in path if isinstance(step, str))
    return _fields_around(model, keys).get(keys[-1]) if keys else None


def _choices(model: type[BaseModel], found: _Found) -> list[str]:
    field = _field(model, found.path)
    if field is None:
        return []
    return [str(choice) for part in parts_of(field.annotation) for choice in getattr(part, "__args__", ())]


_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (annotated_types.Gt, "gt", "more than"),
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Lt, "lt", "less than"),
    (annotated_types.Le, "le", "at most"),
)


def _bounds(model: type[BaseModel], found: _Found) -> str:
    """Both ends of what is allowed: `more than 0s and at most 5m`."""
    field = _field(model, found.path)
    told = []
    for metadata in (*field.metadata, *nested_metadata(field.annotation)) if field is not None else ():
        for kind, attribute, words in _BOUNDS:
            if isinstance(metadata, kind):
                told.append(f"{words} {_written(getattr(metadata, attribute))}")
    context = found.error.get("ctx", {})
    return " and ".join(told) or " and ".join(
        f"{words} {_written(context[name])}" for _, name, words in _BOUNDS if name in context
    )


def _written(value: Any) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)
