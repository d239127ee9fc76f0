"""The body of an event with some of its fields changed, by the paths that conditions have for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.errors import RouterError
from router.messages.references import CREATOR, actor_fields, is_id
from router.payload import JSON
from router.sources import SourceKind, resource_and_action

_PLURALS = {"page": "pages", "space": "spaces"}


class CannotChange(RouterError):
    """A path leads to nothing that can be changed in this body."""


def change_body(payload: JSON, event_name: str, kind: SourceKind, changes: Mapping[str, JSON]) -> JSON:
    """
    Set fields of a body; it is changed itself.

    Args:
        changes: Values by path: `page.title` is where conditions find it, whatever shape the body has, and `actor.id`
            is in the reference that says who did it.

    Raises:
        CannotChange: With a sentence that names the path.
    """
    for path, value in changes.items():
        first, *words = path.split(".")
        _set(_start(first, payload, event_name, kind, path), words, value, path)
    return payload


def _start(first: str, payload: JSON, event_name: str, kind: SourceKind, path: str) -> JSON:
    """Find what the first word of a path means; `page`, `space` and `actor` are references where they are no model."""
    if first == "payload":
        return payload
    resource, action = resource_and_action(event_name)
    model = _model(payload, event_name, kind, resource)
    if model is None:
        raise CannotChange(f"{path} cannot be set: the body holds no {resource}; use payload and a path into the body")
    if first == resource:
        return model
    if first == "actor":
        if isinstance(payload, dict) and payload.get(CREATOR):
            return _reference(payload, CREATOR)
        fields = actor_fields(action)
        return _reference(model, next((field for field in fields if model.get(field)), fields[0]))
    return _reference(model, first)


def _reference(model: dict[str, JSON], field: str) -> dict[str, JSON]:
    reference = model.get(field)
    if not isinstance(reference, dict):
        found = reference if is_id(reference) else model.get(f"{field}Id")
        reference = model[field] = {"id": found, "type": _PLURALS.get(field, "users")} if is_id(found) else {}
    return reference


def _model(payload: JSON, event_name: str, kind: SourceKind, resource: str) -> dict[str, JSON] | None:
    found = kind.unwrap(event_name, payload)
    below = list(payload.values()) if isinstance(payload, dict) else payload if isinstance(payload, list) else []
    if any(each is found for each in (payload, *below)):
        several = found if isinstance(found, list) else [found]
        return next((each for each in several if isinstance(each, dict)), None)
    # Two levels that hold fields of one model: what stands in the outer one counts.
    return next((each for each in below if isinstance(each, dict) and isinstance(each.get(resource), dict)), None)


def _set(node: JSON, words: Sequence[str], value: JSON, path: str) -> None:
    word, *rest = words
    if isinstance(node, list):
        if not (word.isascii() and word.isdigit() and int(word) < len(node)):
            raise CannotChange(f"{path} cannot be set: there is a list, which has no {word}; expected a number from 0")
        if rest:
            _set(node[int(word)], rest, value, path)
        else:
            node[int(word)] = value
    elif isinstance(node, dict):
        if not rest:
            node[word] = value
            return
        below = node.get(word)
        if not isinstance(below, dict | list):
            below = node[word] = {"id": below} if is_id(below) and rest[0] != "id" else {}
        _set(below, rest, value, path)
    else:
        raise CannotChange(f"{path} cannot be set: before {word} there is no object")
