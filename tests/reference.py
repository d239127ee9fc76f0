"""
`docs/reference.md` and `rules.schema.json`, written from the JSON Schema of the rule file.

To write both anew: `python -m tests.reference`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from router.cli.schema import schema_text
from router.cli.starter import SCHEMA as SCHEMA_NAME
from router.config.schema import document

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference.md"
SCHEMA = ROOT / SCHEMA_NAME

Schema = Mapping[str, Any]

_TOP = """\
# Rule file reference

Every key of the rule file: its values, its default, what it means, and an example. [rules.md](rules.md) explains how
they work together, [destinations.md](destinations.md) what the types of destination do, [messages.md](messages.md) how
messages are written. This page is made from the program itself, and each example is loaded by a test. Editors show the
same while you type: [commands.md](commands.md#schema) says how.

Under `sources` and `destinations`, `${NAME}` may stand for any single value, a number or `true` as well. Durations are
written `30s`, `5m`, `2h`, `1d`, `1h30m`; rates `1/s`, `30/m`, `500/h`.
"""

_HEAD = "| key | value | default | meaning | example |\n| --- | --- | --- | --- | --- |\n"

_CALLED = {
    "conditions": "conditions",
    "target": "name of a destination, list of them, or table",
    "names": "name of a destination or list of them",
    "pattern": "pattern",
    "path": "field",
    "wish": "value, list or operators",
    "rule": "rule",
    "test": "test",
    "Auth": "[`basic` or `bearer`](#auth)",
    "Basic": "[`username` and `password`](#auth-basic)",
    "Signing": "[`style` and `secret`](#sign)",
}
_TYPES = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "object": "map", "array": "list"}


def page() -> str:
    """Write the page."""
    whole = document()
    parts = whole["$defs"]
    defaults = whole["properties"]["defaults"]
    common = defaults["properties"]["destinations"]
    wish = parts["wish"]["anyOf"][-1]
    table = parts["target"]["anyOf"][-1]
    sections = [
        _section("## The file", whole),
        _section("## A source", parts["source"], "Below `sources` and the name of the source."),
        _section("## A person", parts["person"], "Below `people` and the person's id."),
        _section("## A space", parts["space"], "Below `spaces` and the space's id."),
        _section(
            "## A destination",
            _with_type(common, parts["destination"]),
            "Below `destinations` and its name: keys of every type.",
        ),
        *_types(parts, common),
        _section("## A rule", parts["rule"], "Each entry of the list `rules`."),
        _section("### A table of destinations", table, "Below `to` of a rule."),
        _section(
            "### Conditions",
            parts["conditions"],
            "Below `when` and `unless`: fields with what is wanted of them, these and all others.",
        ),
        _section("### Operators", wish, "Below a field, in the place of a value or a list of values; all must hold."),
        _section("## A test", parts["test"], "Each entry of the list `tests`."),
        _section("## Defaults", defaults, "Below `defaults`."),
        "`defaults.destinations` takes the [keys of every type](#a-destination), `defaults.rules` takes "
        + ", ".join(f"`{key}`" for key in defaults["properties"]["rules"]["properties"])
        + ".\n",
    ]
    return "\n".join([_TOP, *sections])


def _with_type(common: Schema, destination: Schema) -> Schema:
    return {"required": ["type"], "properties": {**destination["properties"], **common["properties"]}}


def _types(parts: Schema, common: Schema) -> Iterator[str]:
    for name in parts["destination"]["properties"]["type"]["anyOf"][0]["enum"]:
        kind = parts[name]
        shared = common["properties"]
        own = {
            key: each
            for key, each in kind["properties"].items()
            if key != "type" and (key not in shared or _differ(each, shared[key]))
        }
        yield _section(f"### {name}", {**kind, "properties": own}, kind["description"])
        if name == "http":
            yield _section("#### auth", parts["Auth"], parts["Auth"]["description"])
            yield _section("#### auth: basic", parts["Basic"], parts["Basic"]["description"])
            yield _section("#### sign", parts["Signing"], parts["Signing"]["description"])


def _differ(one: Schema, other: Schema) -> bool:
    told = ("default", "description") if "default" in other else ("description",)
    return any(one.get(word) != other.get(word) for word in told) or (
        one.get("default") not in (other.get("default"), "compact")
    )


def _section(heading: str, schema: Schema, text: str = "") -> str:
    needed = {*schema.get("required", []), *_needed_in_one_way(schema)}
    rows = [_row(key, each, required=key in needed) for key, each in schema["properties"].items()]
    return (
        "\n".join([heading, "", *([text, ""] if text else []), _HEAD + "\n".join(rows) + "\n" if rows else ""]).rstrip()
        + "\n"
    )


def _needed_in_one_way(schema: Schema) -> set[str]:
    """Keys of which one must be there: a secret, or the file that holds it."""
    return {each["required"][0] for part in schema.get("allOf", []) for each in part.get("anyOf", [])[:1]}


def _row(key: str, schema: Schema, *, required: bool) -> str:
    default = schema.get("default")
    shown = "required" if required else "" if default in (None, []) else f"`{as_yaml(default)}`"
    examples = "<br>".join(f"`{as_yaml({key: each})}`" for each in schema.get("examples", []))
    return f"| `{key}` | {kind(schema)} | {shown} | {_cell(schema['description'])} | {_cell(examples)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def as_yaml(value: Any) -> str:
    """Write a value in one line, as it may stand in a rule file."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        return f"{key}: {_flow(inner)}"
    return _flow(value)


def _flow(value: Any) -> str:
    text = yaml.safe_dump(
        _with_numbers(value), default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _with_numbers(value: Any) -> Any:
    """Write keys that are numbers as people do, without quotes."""
    if isinstance(value, list):
        return [_with_numbers(each) for each in value]
    if isinstance(value, dict):
        return {int(key) if key.isdigit() else key: _with_numbers(each) for key, each in value.items()}
    return value


def kind(schema: Schema) -> str:
    """Say in a few words what a value may be."""
    if "$ref" in schema:
        return _CALLED[schema["$ref"].rpartition("/")[2]]
    if "$comment" in schema:
        return str(schema["$comment"])
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each != {"type": "null"} and not _is_reference(each)]
        if "enum" in choices[0]:  # further spellings of the same words
            choices = choices[:1]
        kinds = [kind(each) for each in choices]
        return " or ".join(dict.fromkeys(kinds))
    if "allOf" in schema and "type" not in schema:
        return kind(schema["allOf"][0])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if isinstance(schema.get("type"), list):
        return "value" if "boolean" in schema["type"] else "number or time"
    if schema.get("type") == "array" and "items" in schema:
        word, comma, bounds = kind(schema["items"]).partition(",")
        plural = {"s": "", "ss": "es"}.get(word[len(word.rstrip("s")) :], "s")
        return f"list of {word}{plural}{comma}{bounds}"
    bounds = f", {schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""
    return _TYPES[schema["type"]] + bounds if "type" in schema else "any value"


def _is_reference(schema: Schema) -> bool:
    return str(schema.get("$ref")).endswith("/reference")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
