"""
The rule file as JSON Schema, for editors: made of the models that read it, and of what the loader says beside them.

It is of draft 2020-12, in words that draft 7 has as well, since the language server for YAML knows no later one
(its README, read 2026-11). It judges the form of a file; what names refer to, templates and much else only `check` can
tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from router.config.keys import NAME, SOURCE_NAME
from router.config.model_schemas import DEFINITIONS, Schema, excluding, model_schemas, referring, remarked
from router.config.people_section import ID, PEOPLE, SPACES, PersonKeys, SpaceKeys
from router.config.rule_schema import definition_of_test, rule_definitions
from router.config.rule_section import RULE_DEFAULTS, RuleKeys
from router.config.source_section import SourceKeys
from router.config.tests_section import RuleTestKeys
from router.config.zone import zone_names
from router.destinations.base import Destination, destination_types
from router.events import FORMATS
from router.fields import whole
from router.payload import JSON

_WITHIN_DESTINATIONS = ("Auth", "Basic", "Signing")

_PEOPLE = {"9": {"name": "Ada Byrne", "slack": "U024BE7LH", "email": "ada@example.com"}}
_SPACES = {"42": {"name": "Engineering", "code": "eng"}}

_SECTIONS: Mapping[str, tuple[str, JSON]] = {
    "sources": (
        "Who sends, by name; each has an address of its own, `POST /hooks/<name>`.",
        {"spaces": {"token": "${SPACES_TOKEN}", "site": "acme.teamwork.com"}},
    ),
    PEOPLE: ("Names of people by their ids, where there is one source.", _PEOPLE),
    SPACES: ("Names of spaces by their ids, where there is one source.", _SPACES),
    "destinations": ("Where messages go, by name.", {"docs": {"type": "slack", "url": "${SLACK_URL}"}}),
    "rules": (
        "Which events go where. Rules are read from top to bottom, and every rule that matches sends.",
        [{"name": "page changes", "events": "page.*", "to": "docs"}],
    ),
    "tests": (
        "Events, and what the rules are expected to make of them; `spaces-router test` runs them.",
        [{"name": "pages are told", "event": "page.created", "rules": "pages"}],
    ),
    "defaults": (
        "What destinations and rules share. A rule beats its destination, a destination beats the defaults.",
        {"zone": "Europe/Dublin"},
    ),
}
"""What each top-level key is for, and an example."""


def document() -> Schema:
    """Give the whole schema."""
    types = destination_types()
    models: dict[str, type[BaseModel]] = {"source": SourceKeys, "person": PersonKeys, "space": SpaceKeys}
    made = model_schemas(
        {**models, "rule": RuleKeys, "test": RuleTestKeys, "destination of any type": Destination, **types}
    )
    rule = rule_definitions(made.pop("rule"))
    common = made.pop("destination of any type")
    settings = {name: _typed(name, referring(made[name])) for name in types}
    within = {name: referring(made[name]) for name in _WITHIN_DESTINATIONS}
    within["Auth"] |= {"minProperties": 1, "maxProperties": 1}
    sections: Mapping[str, Schema] = {
        "sources": _by_name(whole(SOURCE_NAME), "source"),
        PEOPLE: _by_id(_ref("person")),
        SPACES: _by_id(_ref("space")),
        "destinations": _by_name(whole(NAME), "destination"),
        "rules": {"type": "array", "minItems": 1, "items": _ref("rule")},
        "tests": {"type": "array", "items": _ref("test")},
        "defaults": _defaults(common, rule["rule"]),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The rule file of Spaces Router",
        "description": "Who sends, where messages go, and which events go where.",
        "type": "object",
        "required": ["sources", "destinations", "rules"],
        "additionalProperties": False,
        "properties": {
            key: remarked(key, text, sections[key], examples=[example]) for key, (text, example) in _SECTIONS.items()
        },
        "$defs": {
            "source": _source(made["source"], made["person"], made["space"]),
            "person": made["person"],
            "space": made["space"],
            "destination": _destination(types),
            **settings,
            **within,
            **rule,
            "test": definition_of_test(made["test"]),
            "reference": _reference(),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"{DEFINITIONS}{name}"}


def _by_name(pattern: str, definition: str) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": pattern},
        "additionalProperties": _ref(definition),
    }


def _by_id(one: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": whole(ID), "maxLength": 100}, "additionalProperties": one}


def _reference() -> Schema:
    return {
        "title": "Reference",
        "description": "The value of an environment variable: `${NAME}`, `${NAME:-default}` or `${NAME:?message}`.",
        "type": "string",
        "pattern": r"\$\{",
    }


def _source(source: Schema, person: Schema, space: Schema) -> Schema:
    """A token or none: without one, everything must be wanted on purpose."""
    token = {"type": "string", "pattern": r"\S"}
    properties = {
        **source["properties"],
        "token": source["properties"]["token"] | {"anyOf": [token, {"type": "array", "minItems": 1, "items": token}]},
        PEOPLE: remarked(PEOPLE, "Names of people by their ids.", _by_id(person), examples=[_PEOPLE]),
        SPACES: remarked(SPACES, "Names of spaces by their ids.", _by_id(space), examples=[_SPACES]),
    }
    made = referring({**source, "properties": properties})
    no_token = {"required": ["unsigned"], "properties": {"unsigned": {"not": {"const": False}}}}
    some_token = [{"required": ["token"]}, {"required": ["token_file"]}]
    made["allOf"].append(excluding("unsigned", "token", "token_file", value={"const": True}))
    return made | {"anyOf": [*some_token, no_token]}


def _destination(types: Mapping[str, type[Destination]]) -> Schema:
    """The type decides which keys there are; while it stands in a variable, nobody can tell."""
    named = {"type": "string", "enum": list(types)}
    return {
        "title": "Destination",
        "description": "A named place that messages go to.",
        "type": "object",
        "required": ["type"],
        "properties": {"type": {**_type(), "anyOf": [named, _ref("reference")]}},
        "allOf": [
            {"if": {"required": ["type"], "properties": {"type": {"const": name}}}, "then": _ref(name)}
            for name in types
        ],
    }


def _typed(name: str, settings: Schema) -> Schema:
    return {**settings, "properties": {"type": {**_type(name), "const": name}, **settings["properties"]}}


def _type(name: str = "slack") -> Schema:
    return remarked("type", "What kind of place it is; it decides which other keys there are.", {}, examples=[name])


def _defaults(common: Schema, rule: Schema) -> Schema:
    shared = {key: rule["properties"][key] for key in RULE_DEFAULTS}
    parts = {
        "alerts": (
            "The destination that is told of trouble: dead letters, wrong signatures, silence, mistakes in this file.",
            {"type": ["string", "integer"], "pattern": whole(NAME), "$comment": "name of a destination"},
            "log",
        ),
        "format": (
            "How much the built-in messages say, where neither rule nor destination sets it: one line, or everything.",
            {"type": "string", "enum": list(FORMATS)},
            "full",
        ),
        "zone": (
            "The time zone of the times in messages, by its name in the IANA database.",
            {"type": "string", "enum": sorted(zone_names()), "default": "UTC", "$comment": "name of a time zone"},
            "Europe/Dublin",
        ),
        "destinations": (
            "Keys that all types of destination have, for those which do not set them.",
            {"type": "object", "additionalProperties": False, "properties": common["properties"]},
            {"timeout": "20s"},
        ),
        "rules": (
            "Keys of rules, for those which do not set them.",
            {"type": "object", "additionalProperties": False, "properties": shared},
            {"retry": ["1m", "5m"]},
        ),
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: remarked(key, text, schema, examples=[example]) for key, (text, schema, example) in parts.items()
        },
    }
