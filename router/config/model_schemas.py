"""The models of the rule file as JSON Schema: pydantic tells their types, their docstrings what the keys mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from router.config.described import meanings, summary
from router.config.keys import fields_of, takes_secret
from router.durations import format_duration
from router.fields import Rate

Schema = dict[str, Any]

DEFINITIONS = "#/$defs/"
REFERENCE: Mapping[str, str] = {"$ref": f"{DEFINITIONS}reference"}
"""Stands for `${VAR}`, wherever the loader resolves it and a plain text would not do."""

# What is said about a value, as opposed to what it may be.
_REMARKS = ("title", "description", "default", "examples")
# Bounds of a duration, which no pattern can tell; `check` does.
_UNTOLD = ("gt", "ge", "lt", "le")
_OF_LISTS = {"minLength": "minItems", "maxLength": "maxItems"}


def model_schemas(models: Mapping[str, type[BaseModel]]) -> dict[str, Schema]:
    """
    Describe models, and the models in their fields.

    Args:
        models: By the names that their definitions get; a model that only stands in another has its own name.
    """
    wanted: Any = [(model, "validation") for model in models.values()]
    places, whole = models_json_schema(
        wanted, by_alias=True, schema_generator=_Writer, ref_template=f"{DEFINITIONS}{{model}}"
    )
    made: dict[str, Schema] = whole["$defs"]
    names = {places[model, "validation"]["$ref"].removeprefix(DEFINITIONS): name for name, model in models.items()}
    return {names.get(own, own): schema for own, schema in made.items()}


def title(key: str) -> str:
    """Head the description of a key: `fail_fast` becomes `Fail fast`."""
    return key.replace("_", " ").replace(".", " ").capitalize()


def remarked(key: str, description: str, schema: Mapping[str, Any], *, examples: list[Any] | None = None) -> Schema:
    """Put what is said about a key before what its value may be."""
    shown = {"examples": examples} if examples else {}
    return {"title": title(key), "description": description, **shown, **schema}


def excluding(key: str, *others: str, value: Schema | None = None) -> Schema:
    """
    Refuse keys beside another one. Said in this way, editors mark the second key and not the whole map.

    Args:
        value: Of the other one, where only that value excludes them.
    """
    given: Schema = {"required": [key]} if value is None else {"required": [key], "properties": {key: value}}
    return {"if": given, "then": {"properties": dict.fromkeys(others, False)}}


class _Writer(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        return _as_written(dft)

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002
        return value  # keys and examples in the order in which people write them

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        told = meanings(model)
        properties: Schema = {}
        for name, field in model.model_fields.items():
            key = field.alias or name
            properties[key] = _property(key, told.get(name, ""), field, made["properties"][key])
            if takes_secret(field):
                properties[f"{key}_file"] = _file(key)
        if getattr(model, "type_name", ""):
            properties["format"]["default"] = getattr(model, "usual_format", None)
        return {
            "title": title(model.__name__.removesuffix("Keys")),
            "description": summary(model),
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            **_which_keys(model, made.get("required", [])),
        }


def _file(key: str) -> Schema:
    text = f"Path of a file that holds `{key}` alone, from the folder of the rule file; excludes `{key}`."
    example = f"secrets/{key.replace('_', '-')}"
    return remarked(f"{key}_file", text, {"type": "string", "$comment": "path"}, examples=[example])


def _property(key: str, meaning: str, field: FieldInfo, made: Mapping[str, Any]) -> Schema:
    what = {word: value for word, value in made.items() if word not in (*_REMARKS, *_UNTOLD)}
    if "items" in what or "anyOf" in what:
        for of_text, of_list in _OF_LISTS.items():
            if of_text in what:
                lists = what if "items" in what else next(each for each in what["anyOf"] if "items" in each)
                lists[of_list] = what.pop(of_text)
    if made.get("default") is not None:
        what["default"] = made["default"]
    return remarked(key, meaning, what, examples=field.examples)


def _which_keys(model: type[BaseModel], required: list[str]) -> Schema:
    """A secret stands there itself or in a file, not in both ways; one that is required, in one of them."""
    secrets = [key for key, field in fields_of(model).items() if takes_secret(field)]
    rules = [excluding(key, f"{key}_file") for key in secrets]
    rules += [{"anyOf": [{"required": [key]}, {"required": [f"{key}_file"]}]} for key in secrets if key in required]
    others = [key for key in required if key not in secrets]
    return ({"required": others} if others else {}) | ({"allOf": rules} if rules else {})


def _as_written(value: Any) -> Any:
    """Write a default as the rule file would."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return [_as_written(each) for each in value]
    return str(value) if isinstance(value, Rate) else value


def referring(schema: Mapping[str, Any]) -> Schema:
    """Let `${VAR}` stand for each single value of a schema, however deep, where the value is more than any text."""
    made = dict(schema)
    for word in ("properties", "patternProperties"):
        if word in made:
            made[word] = {key: referring(below) for key, below in made[word].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(made.get(word), Mapping):
            made[word] = referring(made[word])
    if "anyOf" in made:
        branches = made["anyOf"]
        made["anyOf"] = [referring(each) if _is_list(each) or "properties" in each else each for each in branches]
        if any(map(_is_narrow, branches)) and {"type": "string"} not in branches:
            made["anyOf"].append(dict(REFERENCE))
    elif _is_narrow(made):
        remarks = {word: made.pop(word) for word in _REMARKS if word in made}
        made = {**remarks, "anyOf": [made, dict(REFERENCE)]}
    return made


def _is_list(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array"


def _is_narrow(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind in {"integer", "number", "boolean"} or (kind == "string" and not {"pattern", "enum"}.isdisjoint(schema))
