"""What JSON Schema can say of a rule: patterns of events, conditions, and where messages go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.config.described import summary
from router.config.keys import NAME
from router.config.model_schemas import DEFINITIONS, Schema, excluding, remarked
from router.config.rule_section import COMMON_WORDS, MESSAGES, NOT_EMPTY
from router.config.tests_section import EXPECTATIONS
from router.events import FORMATS
from router.fields import shape, whole
from router.rules.operators import MAX_EXPRESSION, TESTS
from router.rules.patterns import EXPECTED, MAX_CHARACTERS
from router.sources import DEFAULT_KIND, KINDS

_ONE: Schema = {"type": ["string", "number", "boolean"]}
_SEVERAL: Schema = {"type": "array", "minItems": 1, "items": _ONE}
_TEXT: Schema = {"type": ["string", "number", "boolean"], "minLength": 1}
_MEASURE: Schema = {"type": ["string", "number"]}

_OPERANDS: Mapping[str, tuple[Schema, Any]] = {
    "equals": (_ONE, 42),
    "any_of": (_SEVERAL, [42, 7]),
    "contains": (_TEXT, "release"),
    "contains_any": (_SEVERAL, ["release", "launch"]),
    "starts_with": (_TEXT, "draft"),
    "ends_with": (_TEXT, "@bots.example.com"),
    "matches": ({"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION}, "^v[0-9]+"),
    "above": (_MEASURE, 3),
    "below": (_MEASURE, "2026-03-02T09:15:00Z"),
}
"""What may stand behind each operator, and an example."""

_OTHER_OPERATORS: Mapping[str, tuple[str, Schema, Any]] = {
    "exists": ("`true`: the field is there and not null; `false`: it is not.", {"type": "boolean"}, False),
    "not": (
        "What follows does not hold; so it is with a missing field too.",
        {"$ref": f"{DEFINITIONS}wish"},
        {"starts_with": "draft"},
    ),
    "match_case": (
        "`true` beside other operators makes them regard upper and lower case.",
        {"type": "boolean", "default": False},
        True,
    ),
}

_COMBINATORS: Mapping[str, tuple[str, Any]] = {
    "all": ("All of these maps of conditions hold.", [{"space.id": 42}, {"page.title": {"contains": "release"}}]),
    "any": ("At least one of these maps of conditions holds.", [{"space.id": 42}, {"actor.id": 9}]),
    "not": ("This map of conditions does not hold.", {"page.title": {"starts_with": "draft"}}),
}

_FIELDS: Mapping[str, tuple[str, Any]] = {
    "event.name": ("Name of the event.", ["page.created", "page.updated"]),
    "actor.id": ("Id of whoever did it.", [9, 12]),
    "actor.name": ("Name of whoever did it.", "Ada Byrne"),
    "actor.email": ("E-mail address of whoever did it.", {"ends_with": "@bots.example.com"}),
    "page.id": ("Id of the page.", 5148),
    "page.title": ("Title of the page.", {"contains": "release"}),
    "space.id": ("Id of the space.", [42, 7]),
    "space.code": ("Code of the space, as it stands in its address.", "eng"),
    "space.name": ("Name of the space.", "Engineering"),
}
"""Fields that are asked for most; editors offer them, and take all others."""

_WILDCARDS = ("*", "page.*", "page.updated.*", "*.deleted", "pagepermission*.*")


def rule_definitions(rule: Schema) -> dict[str, Schema]:
    """
    Complete what the model knows of a rule, where the loader reads more than a model can say.

    Args:
        rule: As the model describes it.
    """
    own = rule["properties"]
    properties = {key: without_null(each) if key in NOT_EMPTY else each for key, each in own.items()}
    ways: dict[str, Schema] = {
        "name": {"type": "string", "pattern": whole(NAME)},
        "events": _one_or_several("pattern", minItems=1),
        "except": _one_or_several("pattern"),
        "when": {"$ref": f"{DEFINITIONS}conditions"},
        "unless": {"$ref": f"{DEFINITIONS}conditions"},
        "if": {"type": "string", "pattern": r"\S", "$comment": "expression"},
        "to": {"$ref": f"{DEFINITIONS}target"},
        "body": {"type": ["object", "array", "string", "number", "boolean"], "$comment": "any value"},
        "blocks": {"type": "array"},
        "format": {"type": "string", "enum": list(FORMATS)},
    }
    for key, way in ways.items():
        properties[key] = _remarks(properties[key]) | (way if "$ref" not in way else {"allOf": [way]})
    properties["sources"] = _with_items(properties["sources"])
    ways_to_say = [excluding(key, *(other for other in MESSAGES if other != key)) for key in MESSAGES]
    return {
        "rule": {**rule, "properties": properties, "allOf": ways_to_say},
        "pattern": _pattern(),
        "conditions": _conditions(),
        "wish": _wish(),
        "target": _target(),
        "names": names(),
        "path": {"type": "string", "pattern": _PATH, "maxLength": 200, "$comment": "field"},
    }


def names(**bounds: int) -> Schema:
    """One destination, or a list of them; a name may look like a number."""
    one: Schema = {"type": ["string", "integer"], "pattern": whole(NAME), "$comment": "name of a destination"}
    return {"anyOf": [one, {"type": "array", **bounds, "items": one}]}


def without_null(schema: Schema) -> Schema:
    """Do not let a key stand there without a value."""
    branches = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    rest = {word: value for word, value in schema.items() if word != "anyOf"}
    return {**rest, **(branches[0] if len(branches) == 1 else {"anyOf": branches})} if branches else schema


def _remarks(schema: Schema) -> Schema:
    return {word: schema[word] for word in ("title", "description", "examples", "default") if word in schema}


def _with_items(schema: Schema) -> Schema:
    return {**schema, "anyOf": [{**each, "minItems": 1} if "items" in each else each for each in schema["anyOf"]]}


def _one_or_several(definition: str, **bounds: int) -> Schema:
    one = {"$ref": f"{DEFINITIONS}{definition}"}
    return {"anyOf": [one, {"type": "array", **bounds, "items": one}]}


def _pattern() -> Schema:
    """The names that are known, for completion, and whatever else may be a pattern."""
    segment = r"(?:\*\*|(?!\*\*)(?:(?!\*\*)[A-Za-z0-9_*-])+)"
    return {
        "anyOf": [
            {**shape("pattern", rf"^{segment}(?:\.{segment})*$", EXPECTED), "maxLength": MAX_CHARACTERS},
            {"enum": [*DEFAULT_KIND.catalogue, *_WILDCARDS]},
        ],
    }


_WORDS = sorted(COMMON_WORDS.union(*(kind.models for kind in KINDS.values())))
_PATH = rf"^(?:{'|'.join(map(re.escape, _WORDS))})(?:\.[^.\s](?:[^.]*[^.\s])?)*$"


def _conditions() -> Schema:
    wish: Schema = {"allOf": [{"$ref": f"{DEFINITIONS}wish"}]}
    fields = {key: remarked(key, text, wish, examples=[example]) for key, (text, example) in _FIELDS.items()}
    several: Schema = {"type": "array", "minItems": 1, "items": {"$ref": f"{DEFINITIONS}conditions"}}
    one: Schema = {"allOf": [{"$ref": f"{DEFINITIONS}conditions"}]}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": fields
        | {
            key: remarked(key, text, one if key == "not" else several, examples=[example])
            for key, (text, example) in _COMBINATORS.items()
        },
        "patternProperties": {_PATH: {"$ref": f"{DEFINITIONS}wish"}},
        "additionalProperties": False,
    }


def _wish() -> Schema:
    operators = {
        key: remarked(key, summary(TESTS[key]), operand, examples=[example])
        for key, (operand, example) in _OPERANDS.items()
    }
    for key, (text, operand, example) in _OTHER_OPERATORS.items():
        operators[key] = remarked(
            key, text, operand if "$ref" not in operand else {"allOf": [operand]}, examples=[example]
        )
    return {
        "anyOf": [
            _ONE,
            _SEVERAL,
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": operators,
                "if": {"required": ["match_case"]},
                "then": {"minProperties": 2},
            },
        ],
    }


def _target() -> Schema:
    some = {"$ref": f"{DEFINITIONS}names"}
    table = {
        "type": "object",
        "required": ["by", "table"],
        "additionalProperties": False,
        "properties": {
            "by": remarked(
                "by", "The field that is looked up.", {"allOf": [{"$ref": f"{DEFINITIONS}path"}]}, examples=["space.id"]
            ),
            "table": remarked(
                "table",
                "Values of the field, each with a destination or a list of them; an empty list is nobody.",
                {"type": "object", "minProperties": 1, "additionalProperties": some},
                examples=[{"42": "docs", "7": ["docs", "log"]}],
            ),
            "otherwise": remarked(
                "otherwise",
                "For all other values; without it, nothing is sent then.",
                {"allOf": [some]},
                examples=["log"],
            ),
        },
    }
    return {"anyOf": [*names(minItems=1)["anyOf"], table]}


def definition_of_test(test: Schema) -> Schema:
    """
    Complete what the model knows of a test.

    Args:
        test: As the model describes it.
    """
    text: Schema = {"type": ["string", "number", "boolean"]}
    some: Schema = {"anyOf": [text, {"type": "array", "minItems": 1, "items": text}]}
    pieces: Schema = {"anyOf": [*some["anyOf"], {"type": "object", "additionalProperties": some}]}
    event: Schema = {"anyOf": [{"type": "string"}, {"enum": list(DEFAULT_KIND.catalogue)}]}
    ways: dict[str, Schema] = {
        "event": {**event, "$comment": "name of an event"},
        "to": {"$ref": f"{DEFINITIONS}names"},
        "with": {"type": "object", "minProperties": 1},
        "text": pieces,
        "not_text": pieces,
        "subject": pieces,
    }
    properties = dict(test["properties"])
    for key, way in ways.items():
        properties[key] = _remarks(properties[key]) | (way if "$ref" not in way else {"allOf": [way]})
    expected = [{"required": [key]} for key in EXPECTATIONS]
    return {**test, "properties": properties, "anyOf": expected, "allOf": [excluding("payload", "payload_file")]}
