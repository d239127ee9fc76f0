"""The JSON Schema of the rule file, as an editor applies it."""

from __future__ import annotations

from functools import cache

import jsonschema_rs

from router.config.nodes import plain
from router.config.schema import document
from router.config.syntax import read_yaml


@cache
def _validators() -> tuple[jsonschema_rs.Validator, ...]:
    schema = document()
    return jsonschema_rs.Draft202012Validator(schema), jsonschema_rs.Draft7Validator(schema)


def objections(text: str) -> list[str]:
    """Say what the schema has against a rule file, with the place of each; both drafts have to agree."""
    tree = read_yaml(text)[0]
    assert tree is not None, "this is no YAML, which an editor tells without any schema"
    value = plain(tree)
    newer, older = (
        sorted(f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value))
        for validator in _validators()
    )
    assert newer == older
    return newer
