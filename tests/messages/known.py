"""Events as they are seen where people, spaces and pages have names: what a directory adds to their namespaces."""

from __future__ import annotations

import copy
from typing import Any

from router.payload import JSON
from router.samples import SAMPLES
from tests.message_bodies import namespace_of

PEOPLE = {7: "Grace Hopper", 9: "Kim Osei", 11: "Ada Byrne", 12: "Lin Tran"}
PARENT = {"id": 5100, "title": "Handbook"}
PAGE = {"id": 5148, "title": "Release checklist", "slug": "release-checklist", "parent": PARENT}
SPACE = {"id": 42, "name": "Engineering", "code": "eng"}
SPACE_LINK = "https://acme.teamwork.com/spaces/eng"
PAGE_LINK = f"{SPACE_LINK}/page/5148-release-checklist"

_TAGS = {"before": ["draft"], "after": ["urgent", "v2"], "added": ["urgent", "v2"], "removed": ["draft"]}
_FROM_SALES = {"before": {"id": 7, "name": "Sales"}, "after": SPACE}
_ARCHIVE = {"id": 5200, "title": "Archive"}
_VARIANTS: dict[str, list[tuple[str, dict[str, JSON], dict[str, Any]]]] = {
    "page.updated": [
        ("renamed", {"title": {"before": "Releases", "after": "Release checklist"}}, {}),
        ("new tags", {"tags": _TAGS}, {}),
        ("published", {"state": {"before": "draft", "after": "active"}}, {}),
    ],
    "page.updated.moved": [
        ("below another page", {"parent": {"before": PARENT, "after": _ARCHIVE}}, {"page": {"parent": _ARCHIVE}}),
        ("to the top", {"parent": {"before": PARENT, "after": None}}, {"page": {"parent": None}}),
        ("to another space", {"space": _FROM_SALES, "parent": {"before": None, "after": PARENT}}, {}),
    ],
    "user.updated": [
        ("by themselves", {}, {"actor": {"id": 11, "name": "Ada Byrne"}}),
        ("another role", {"role": {"before": "reader", "after": "admin"}}, {}),
        ("another name", {"name": {"before": "Ada King", "after": "Ada Byrne"}}, {}),
    ],
}  # fmt: skip
"""What is known to have changed, and what else is different then."""

CASES = [
    (name, variant, changes, others)
    for name in SAMPLES
    for variant, changes, others in [("", {}, {}), *_VARIANTS.get(name, [])]
]


def known_namespace(name: str, changes: JSON, others: dict[str, Any] | None = None) -> dict[str, JSON]:
    """The namespace of a sample of which everything is known that can be."""
    namespace: dict[str, Any] = copy.deepcopy(namespace_of(name))
    resource = namespace["event"]["resource"]
    if resource not in ("space", "user", "access", "pluginstate"):
        namespace["page"] = {**PAGE, **(namespace["page"] or {})}
    if resource not in ("space", "user"):
        namespace["space"] = {**(namespace["space"] or {}), **SPACE}
        if resource not in ("access", "pluginstate") and not _is_gone(name):
            namespace["link"] = PAGE_LINK
    model = namespace[resource]
    for person in (namespace["actor"], model.get("requester"), *(each["requester"] for each in model.get("items", []))):
        if person is not None and person["id"] in PEOPLE:
            person["name"] = PEOPLE[person["id"]]
    for word, fields in (others or {}).items():
        namespace[word] = {**(namespace[word] or {}), **fields}
    return {**namespace, "changes": changes}


def _is_gone(name: str) -> bool:
    return name in ("page.deleted", "page.updated.trashed", "space.deleted")
