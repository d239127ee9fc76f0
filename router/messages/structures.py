"""`body:` and `blocks:` are structures whose texts are templates, so that JSON stays valid whatever a title holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any

from jinja2 import nodes

from router.messages.limits import TemplateRefused
from router.payload import JSON, dump_json

Path = tuple[str | int, ...]
DEEPEST_STRUCTURE = 60

CALLING = ("broadcast", "user", "usergroup", "channel")
"""Types of elements in Slack's rich text that call somebody. Source: its reference of rich text, read 2026-11."""


def is_template(text: str) -> bool:
    """Tell whether a text has anything to fill in."""
    return "{{" in text or "{%" in text or "{#" in text


def leaves(structure: JSON, path: Path) -> Iterator[tuple[Path, str]]:
    """List the templates in a structure, with the path to each."""
    if isinstance(structure, str):
        if is_template(structure):
            yield path, structure
    elif isinstance(structure, dict) and len(path) <= DEEPEST_STRUCTURE:
        for key, value in structure.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(structure, list | tuple) and len(path) <= DEEPEST_STRUCTURE:
        for index, value in enumerate(structure):
            yield from leaves(value, (*path, index))


class Reader(Enum):
    """
    Who reads what stands at a place of a structure.

    Attributes:
        PROGRAM: Takes it literally; a value keeps its type.
        MARKUP: Slack, with its links and mentions.
        PLAIN: Slack in `plain_text`, where it reads escapes, and mentions stay as they are.
    """

    PROGRAM = auto()
    MARKUP = auto()
    PLAIN = auto()


def fill_structure(
    structure: JSON, path: Path, fill: Callable[[str, Path, Reader], JSON], reader: Reader = Reader.PROGRAM
) -> JSON:
    """
    Fill in every template of a structure; keys and everything else stay as they are.

    Args:
        fill: Gives the value of one template; its arguments are the text, the path, and who reads it.
        reader: Of this place.
    """
    if len(path) > DEEPEST_STRUCTURE:
        raise TemplateRefused(f"the structure is nested more than {DEEPEST_STRUCTURE} deep")
    if isinstance(structure, str):
        return fill(structure, path, reader) if is_template(structure) else structure
    if isinstance(structure, dict):
        reads_text = _READERS.get(str(structure.get("type")), Reader.MARKUP)
        return {
            key: fill_structure(value, (*path, str(key)), fill, reads_text if key == "text" else Reader.PROGRAM)
            for key, value in structure.items()
        }
    if isinstance(structure, list | tuple):
        return [fill_structure(value, (*path, index), fill) for index, value in enumerate(structure)]
    return structure


_READERS = {"text": Reader.PROGRAM, "plain_text": Reader.PLAIN}
"""Of the `text` of an element, by its type: that of rich text is taken literally, any other one may be markup."""


def single_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Give the expression of a template that is exactly one `{{ expression }}`: its value keeps its type."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        return None
    only = tree.body[0].nodes[0]
    return None if isinstance(only, nodes.TemplateData) else only


def plain_path(expression: nodes.Expr) -> tuple[str, ...]:
    """Give the words of an expression that is only a path, such as `page.title`; empty for any other."""
    words: list[str] = []
    while isinstance(expression, nodes.Getattr):
        words.insert(0, expression.attr)
        expression = expression.node
    return (expression.name, *words) if isinstance(expression, nodes.Name) else ()


def quote_all(value: Any, quote: Callable[[str], str]) -> JSON:
    """
    Quote every text in a JSON value that becomes a part of Slack's blocks. Its depth has been checked.

    What would call people, or a channel, without being markup is written as JSON text: only the author may do that.
    """
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        quoted = {quote(key): quote_all(item, quote) for key, item in value.items()}
        return dump_json(quoted).decode() if quoted.get("type") in CALLING else quoted
    if isinstance(value, list):
        return [quote_all(item, quote) for item in value]
    return value
