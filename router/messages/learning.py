"""What a verified body teaches of the object that it is about, and what has changed since the body before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from router.events import Lesson
from router.messages.directory import PAGES, SPACES, USERS
from router.messages.unseen import one_line
from router.payload import JSON
from router.sources import resource_and_action

_LONGEST_FACT = 500
"""Characters of a name, title or address that are kept."""
_LONGEST_TAG = 100
_MOST_TAGS = 50
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_KINDS = {"page": PAGES, "space": SPACES, "user": USERS}


def lesson_of(event_name: str, model: Mapping[str, JSON]) -> Lesson | None:
    """Say what the model of an event teaches of its object; None where that is nothing."""
    object_kind = _KINDS.get(resource_and_action(event_name)[0])
    return None if object_kind is None else lesson(object_kind, model)


def lesson(object_kind: str, model: Mapping[str, JSON]) -> Lesson | None:
    """Say what a model teaches of its object, whether a body or the API brought it."""
    object_id = id_text(model.get("id"))
    if object_id is None:
        return None
    read = {PAGES: _page_facts, SPACES: _space_facts, USERS: _user_facts}[object_kind]
    facts = dict(read(model))
    if not facts:
        return None
    return Lesson(object_kind, object_id, _moment(model.get("updatedAt")), facts)


def id_text(value: JSON) -> str | None:
    """Write an id as text, the same for 42 and "42"; None for what is no id."""
    if type(value) is int:  # a boolean is none
        return str(value) if 0 < value < 2**63 else None
    return value if isinstance(value, str) and 0 < len(value) <= 100 else None


def id_value(text: str | None) -> JSON:
    """
    Write a kept id as bodies have it, which is the inverse of `id_text`.

    Ids of Spaces are numbers, and to `space.id == 42` in an expression a text is something else.
    """
    return int(text) if text is not None and _WHOLE_NUMBER.fullmatch(text) else text


def person_name(model: Mapping[str, JSON]) -> str:
    """Name a person; Spaces spells `firstname`, its siblings `firstName`. Empty where no name is told."""
    if name := _text(model.get("name")):
        return name
    first = _text(model.get("firstname")) or _text(model.get("firstName"))
    last = _text(model.get("lastname")) or _text(model.get("lastName"))
    return f"{first} {last}".strip()


def tag_names(tags: JSON) -> list[str]:
    """
    Name the tags of a page.

    Source: the official Go SDK has them as `{name}`, a public schema of the same API as `{tag: {name}}`; read 2026-11.
    """
    found = []
    for tag in tags[:_MOST_TAGS] if isinstance(tags, list) else ():
        inner = tag.get("tag", tag) if isinstance(tag, dict) else tag
        name = _text(inner.get("name") if isinstance(inner, dict) else inner)
        if name:
            found.append(_cut(name, _LONGEST_TAG))
    return found


def _page_facts(model: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    for key in ("title", "slug", "state"):
        if text := _text(model.get(key)):
            yield key, _cut(text)
    if "parentId" in model:
        yield "parent", id_text(model["parentId"])
    reference = model.get("space")
    space = id_text(reference.get("id") if isinstance(reference, dict) else model.get("spaceId"))
    if space is not None:
        yield "space", space
    if isinstance(model.get("tags"), list):
        yield "tags", tag_names(model["tags"])


def _space_facts(model: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    if name := _text(model.get("title")) or _text(model.get("name")):
        yield "name", _cut(name)
    for key in ("code", "state"):
        if text := _text(model.get(key)):
            yield key, _cut(text)


def _user_facts(model: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    if name := person_name(model):
        yield "name", _cut(name)
    for key in ("email", "state"):
        if text := _text(model.get(key)):
            yield key, _cut(text)
    if isinstance(model.get("isAdmin"), bool):
        yield "role", "admin" if model["isAdmin"] else "member"


def _moment(value: JSON) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        # The year 1 of a zero time: a clock that was never set.
        if moment is None or not 1971 < moment.year < 9999:
            return None
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: JSON) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _cut(text: str, longest: int = _LONGEST_FACT) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
