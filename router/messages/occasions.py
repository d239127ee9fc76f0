"""Events to try templates on: the samples, each once with nobody's name known and once with everything known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from router.events import BEFORE
from router.incoming import make_event
from router.messages.context import build_namespace
from router.messages.directory import NO_NAMES, PAGES, SPACES, USERS, Facts, Given, Names
from router.payload import JSON
from router.samples import sample
from router.sources import DEFAULT_KIND, resource_and_action

Knowing: TypeAlias = Literal["nothing", "everything"]

_AT = datetime(2026, 3, 2, 10, 40, 16, tzinfo=UTC)
_SITE = "acme.teamwork.com"
_PEOPLE = {"7": "Grace Hopper", "9": "Ada Byrne", "11": "Alan Kay", "12": "Barbara Liskov"}
_GIVEN = Given(
    people={key: {"name": name, "slack": f"U0{key}", "email": f"{key}@example.com"} for key, name in _PEOPLE.items()},
    spaces={"42": {"name": "Engineering", "code": "eng"}, "41": {"name": "Handbook", "code": "handbook"}},
)
_LEARNED: Mapping[str, Mapping[str, Facts]] = {
    USERS: {},
    SPACES: {},
    PAGES: {
        "5148": {"title": "Release checklist", "slug": "release-checklist", "space": "42", "parent": "5100"},
        "5100": {"title": "Releases", "slug": "releases", "space": "42"},
        "5200": {"title": "Archive", "slug": "archive", "space": "42"},
        "5000": {"title": "Home", "slug": "home", "space": "42"},
    },
}
_BEFORE = {
    "title": "Checklist",
    "name": "Somebody Else",
    "state": "draft",
    "role": "admin",
    "parent": "5000",
    "space": "41",
    "tags": ["draft"],
}


def _learned(kind: str, object_id: str) -> Facts | None:
    return _LEARNED[kind].get(object_id)


@dataclass(frozen=True)
class Occasion:
    """One event, and what templates see of it."""

    event: str
    knowing: Knowing
    namespace: Mapping[str, JSON]


def occasion(event_name: str, knowing: Knowing) -> Occasion:
    """
    Give the sample of an event.

    Raises:
        KeyError: It has none.
    """
    everything = knowing == "everything"
    event = make_event(
        "spaces",
        DEFAULT_KIND,
        {DEFAULT_KIND.event_header: event_name},
        sample(event_name),
        event_id=1,
        received_at=_AT,
        ruleset="",
        facts={BEFORE: _BEFORE} if everything else {},
    )
    names = Names(_GIVEN, _learned) if everything else NO_NAMES
    namespace = build_namespace(event, DEFAULT_KIND, _SITE if everything else None, names)
    return Occasion(event_name, knowing, namespace)


def most_different_first(event_names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part events into one for each resource and kind of action, and the rest, whose bodies look much like those."""
    chosen: dict[tuple[str, str], str] = {}
    rest = []
    for name in event_names:
        resource, action = resource_and_action(name)
        if chosen.setdefault((resource, action.partition(".")[0]), name) != name:
            rest.append(name)
    return list(chosen.values()), rest
