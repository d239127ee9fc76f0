"""What an update changed, from what was known of the object before it."""

from __future__ import annotations

from collections.abc import Callable

from router.messages.directory import PAGES, SPACES, Facts
from router.messages.learning import id_value
from router.payload import JSON

_TEXTS = ("title", "name", "state", "role")
_REFERENCES = {"parent": PAGES, "space": SPACES}

Look = Callable[[str, str], Facts]
"""Tells what templates see of an object, by kind and id; nothing where nothing is known."""


def changes_of(before: Facts, after: Facts, look: Look) -> dict[str, JSON]:
    """
    Compare what was known of an object with what its event tells.

    Only what both know is compared: a body that leaves something out has not changed it.

    Returns:
        Of `title`, `name`, `state`, `role`, `parent`, `space` and `tags` those that changed, each with `before` and
        `after`: texts; objects with an `id` and what is known of them, or None where there was none; for `tags` lists
        of names, with those `added` and `removed` beside them.
    """
    found: dict[str, JSON] = {}
    for key, new in after.items():
        if key not in before or before[key] == new:
            continue
        old = before[key]
        if key in _TEXTS:
            found[key] = {"before": old, "after": new}
        elif key in _REFERENCES:
            kind = _REFERENCES[key]
            found[key] = {"before": _object(kind, old, look), "after": _object(kind, new, look)}
        elif key == "tags":
            found[key] = {
                "before": old,
                "after": new,
                "added": [name for name in new if name not in old],
                "removed": [name for name in old if name not in new],
            }
    return found


def _object(kind: str, object_id: JSON, look: Look) -> dict[str, JSON] | None:
    return None if object_id is None else {**look(kind, object_id), "id": id_value(object_id)}
