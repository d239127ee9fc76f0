"""Bodies that the tests of messages share: every event in every shape that a sender may choose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from router.events import Event
from router.messages.context import build_namespace
from router.payload import JSON, dump_json, parse_body
from router.samples import SAMPLES, sample
from router.sources import KINDS
from tests.fakes import START

SPACES = KINDS["teamwork-spaces"]
SITE = "acme.teamwork.com"
NAMED_PAGE: dict[str, Any] = {
    "id": 5148,
    "title": "Release checklist",
    "slug": "release-checklist",
    "changeMessage": "Add rollback step",
    "space": {"id": 42, "title": "Engineering", "code": "eng"},
    "updatedBy": {"id": 9, "firstname": "Ada", "lastname": "Byrne"},
}
"""A page whose body brings every name along, and so its link."""
_SAMPLE = object()


def make_event(name: str, payload: JSON) -> Event:
    body = dump_json(payload)
    return Event(1234567890123, "spaces", name, None, body, b"", {}, START, "ruleset")


def namespace_of(name: str, payload: JSON = _SAMPLE, site: str | None = SITE) -> dict[str, JSON]:
    """The namespace of an event; of its sample body, where none is given."""
    return build_namespace(make_event(name, parse_body(sample(name)) if payload is _SAMPLE else payload), SPACES, site)


def body_shapes(name: str) -> Iterator[tuple[str, JSON]]:
    """The sample of an event wrapped, bare, with an id only, with nulls only, and as nothing at all."""
    wrapped = json.loads(sample(name))
    ((root, model),) = wrapped.items()
    first: dict[str, Any] = model[0] if isinstance(model, list) else model
    nulls: JSON = dict.fromkeys(first)
    yield "full", wrapped
    yield "bare", model
    yield "id only", {"id": first["id"]}
    yield "nulls", {root: [nulls] if isinstance(model, list) else nulls}
    yield "empty", {}


EVERY_SHAPE = [(name, shape, body) for name in SAMPLES for shape, body in body_shapes(name)]
