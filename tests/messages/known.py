"""Events as they are seen where people, spaces and pages have names, and where it is known what was before."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from router.events import BEFORE
from router.messages.context import build_namespace
from router.messages.directory import PAGES, SPACES, USERS, Directory, Facts
from router.payload import JSON
from router.samples import SAMPLES, sample
from tests.message_bodies import SITE, make_event
from tests.message_bodies import SPACES as KIND

SPACE_LINK = "https://acme.teamwork.com/spaces/eng"
PAGE_LINK = f"{SPACE_LINK}/page/5148-release-checklist"


def _directory() -> Directory:
    known: list[tuple[str, str, Facts]] = [
        (USERS, "7", {"name": "Grace Hopper"}),
        (USERS, "9", {"name": "Kim Osei"}),
        (USERS, "11", {"name": "Ada Byrne"}),
        (USERS, "12", {"name": "Lin Tran"}),
        (SPACES, "42", {"name": "Engineering", "code": "eng"}),
        (SPACES, "7", {"name": "Sales", "code": "sales"}),
        (PAGES, "5100", {"title": "Handbook"}),
        (PAGES, "5200", {"title": "Archive"}),
        (PAGES, "5148", {"title": "Release checklist", "slug": "release-checklist", "parent": "5100", "space": "42"}),
    ]
    directory = Directory()
    directory.learn_all("spaces", known)
    return directory


_DIRECTORY = _directory()

_VARIANTS: dict[str, list[tuple[str, Facts, dict[str, JSON]]]] = {
    "page.updated": [
        ("renamed", {"title": "Releases"}, {}),
        ("new tags", {"tags": ["draft"]}, {"tags": [{"name": "urgent"}, {"name": "v2"}]}),
        ("published", {"state": "draft"}, {}),
    ],
    "page.updated.moved": [
        ("below another page", {"parent": "5100"}, {}),
        ("to the top", {"parent": "5100"}, {"parentId": None}),
        ("to another space", {"space": "7", "parent": None}, {"parentId": 5100}),
    ],
    "user.updated": [
        ("by themselves", {}, {"updatedBy": {"id": 11, "type": "users"}}),
        ("another role", {"role": "member"}, {"isAdmin": True}),
        ("another name", {"name": "Ada King"}, {}),
    ],
}
"""What was known before, and what is different in the body."""

CASES = [
    (name, variant, before, fields)
    for name in SAMPLES
    for variant, before, fields in [("", {}, {}), *_VARIANTS.get(name, [])]
]


def known_namespace(name: str, before: Facts, fields: dict[str, JSON] | None = None) -> dict[str, Any]:
    """
    The namespace of a sample of which everything is known that can be; a copy, to do with as one likes.

    Args:
        before: What was known of the event's object.
        fields: Of its model, in the place of those of the sample.
    """
    body = json.loads(sample(name))
    ((root, model),) = body.items()
    event = make_event(name, {root: model | fields} if fields else body)
    event = replace(event, facts={BEFORE: before} if before else {})
    return copy.deepcopy(build_namespace(event, KIND, SITE, _DIRECTORY.names("spaces")))
