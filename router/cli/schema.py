"""`schema`: what editors need to complete and check rule files."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> int:
    """
    Print what editors need to complete and check rule files: their JSON Schema.

    Save it beside the rule file, and name it in the first line of that. Editors with the language server for YAML, such
    as VS Code with its YAML extension, then offer keys, events and values, explain them, and mark mistakes while you
    type. `init` has done both for the file that it writes; do it again after an update of the router. What only the
    whole can tell, such as the name of a destination that is not there, `spaces-router check` says.

    \b
    Examples:
      spaces-router schema > rules.schema.json
      and as the first line of rules.yaml: # yaml-language-server: $schema=rules.schema.json
    """
    click.echo(schema_text(), nl=False)
    return 0


def schema_text() -> str:
    """Write the schema as it stands in a file."""
    from router.config.schema import document  # noqa: PLC0415 - half of the program, which `--help` need not wait for

    return json.dumps(document(), indent=2) + "\n"
