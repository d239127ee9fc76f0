"""
Source kinds: header names, event catalogue, and how a body is unwrapped.

A kind is one entry of the table at the end; nothing else in the program knows a sender by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from types import MappingProxyType

from router.payload import JSON

HOPS_HEADER = "Router-Hops"
"""How often a router has forwarded this event already; a loop shows by it."""

OTHER = "other"
"""Stands for the names of events that no catalogue has, of which there is no end; those of a catalogue have dots."""

LONGEST_EVENT_NAME = 200
LONGEST_UPSTREAM_ID = 200
_LONGEST_KEPT_VALUE = 1024
_MOST_KEYS = 1000
"""Of a body, and elements of a list, that are searched for a model: a body may have millions."""
_EVENT_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_HOPS = re.compile(r"[0-9]{1,19}")

# Top-level keys beside the model. Sources: the vendor's pages on response structure (Spaces) and on sample payloads
# (Projects, Desk), read 2026-11.
_NOT_MODELS = frozenset({"errors", "included", "meta", "eventcreator"})


def is_event_name(text: str) -> bool:
    """Tell whether this can name an event: dotted words of letters, digits, `_` and `-`, 200 characters in all."""
    return len(text) <= LONGEST_EVENT_NAME and _EVENT_NAME.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def resource_and_action(event_name: str) -> tuple[str, str]:
    """Split `page.updated.moved` into `page` and `updated.moved`, in lower case; the action may be empty."""
    resource, _, action = event_name.lower().partition(".")
    return resource, action


def hops(headers: Mapping[str, str]) -> int:
    """
    Count the routers that an event has passed.

    A value that is no number counts as none: no router of ours wrote it, and the next one to forward writes a good one,
    so a loop still ends. Where a proxy has joined several, the greatest counts.
    """
    value = headers.get(HOPS_HEADER)
    if value is None:
        return 0
    return max((int(part) for part in value.replace(" ", "").split(",") if _HOPS.fullmatch(part)), default=0)


@dataclass(frozen=True)
class SourceKind:
    """
    What is particular to one product that sends webhooks.

    Attributes:
        name: As the rule file's `kind` spells it.
        event_header, signature_header, delivery_header: Spelled as they are stored and forwarded.
        catalogue: Names of its known events in the sender's spelling; names match without regard to case.
        models: First words of field paths that may name the model of an event of this kind, in lower case.
    """

    name: str
    event_header: str
    signature_header: str
    delivery_header: str
    catalogue: tuple[str, ...]
    models: frozenset[str]

    def counted_as(self, event_name: str) -> str:
        """The name under which an event is counted: the catalogue's spelling, or `other` for one that is not in it."""
        return self._spellings.get(event_name.lower(), OTHER)

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        return {name.lower(): name for name in self.catalogue}

    def unwrap(self, event_name: str, payload: JSON) -> JSON:
        """
        Find the model in a body.

        The vendor shows its models under a root key (`{"page": {…}}`) but promises no such key for webhooks, and some
        bodies are undocumented. So this takes, in this order: the value under the resource's name (also spelled in
        another case, with `-` or `_`, or in the other number); the body itself where it has an `id`; the only object
        in it; the body.

        Returns:
            A dict, mostly; a list where the sender gives several models (`pagepermissions.deleted`), see `first_model`;
            None where the body is a scalar or null.
        """
        resource, _ = resource_and_action(event_name)
        if isinstance(payload, list):
            return payload
        if not isinstance(payload, dict):
            return None
        wrapped = _under_its_name(resource, payload)
        if wrapped is not None:
            return wrapped
        if "id" in payload:
            return payload
        if len(payload) > _MOST_KEYS:
            return payload  # no model of anybody's
        objects = [
            value for key, value in payload.items() if isinstance(value, dict) and _plain(key) not in _NOT_MODELS
        ]
        return objects[0] if len(objects) == 1 else payload


def first_model(model: JSON) -> Mapping[str, JSON]:
    """Give the one object to speak of: the model, the first of several, or an empty one."""
    if isinstance(model, list):
        model = next((item for item in islice(model, _MOST_KEYS) if isinstance(item, dict)), None)
    return model if isinstance(model, dict) else {}


def upstream_id(kind: SourceKind, headers: Mapping[str, str]) -> str | None:
    """The sender's own id of its delivery, where it gives one that can be one: printable, of at most 200 characters."""
    value = (headers.get(kind.delivery_header) or "").strip()
    return value if value and len(value) <= LONGEST_UPSTREAM_ID and value.isprintable() else None


def kept_headers(kind: SourceKind, headers: Mapping[str, str]) -> dict[str, str]:
    """
    Choose the headers that are stored with an event: the kind's own but the signature, and three more.

    Values are cut at 1,024 characters; a hop count that is no number is left out.

    Args:
        headers: Looked up by the names as they are spelled here; pass a mapping that does not regard case.
    """
    kept = {}
    for name in (kind.event_header, kind.delivery_header, "User-Agent", "Content-Type"):
        value = headers.get(name)
        if value is not None:
            kept[name] = value[:_LONGEST_KEPT_VALUE]
    if passed := hops(headers):
        kept[HOPS_HEADER] = str(passed)
    return kept


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _under_its_name(resource: str, payload: Mapping[str, JSON]) -> JSON:
    """The dict or list under the key that names the resource, or None."""
    if isinstance(exactly := payload.get(resource), dict | list):
        return _merge_inner(resource, exactly)
    wanted = _plain(resource)
    other_number = wanted[:-1] if wanted.endswith("s") else wanted + "s"
    # A body may have half a million keys; only those that can be it are looked at closely.
    longest = 2 * len(resource) + 2
    objects = [
        (_plain(key), key) for key, value in payload.items() if len(key) <= longest and isinstance(value, dict | list)
    ]
    for spelling in (wanted, other_number):
        for plain, key in objects:
            if plain == spelling:
                return _merge_inner(key, payload[key])
    return None


def _merge_inner(key: str, model: JSON) -> JSON:
    """
    Flatten `{"access": {…}, "createdAt": …}` found under `access`: both levels hold fields of one model.

    Source: the vendor's reference page of access requests, where the sample is nested twice, read 2026-11.
    """
    inner = model.get(key) if isinstance(model, dict) else None
    if not isinstance(inner, dict):
        return model
    outer = {name: value for name, value in model.items() if name != key}
    return {**outer, **{name: value for name, value in inner.items() if outer.get(name) is None}}


def _kind(name: str, prefix: str, catalogue: tuple[str, ...]) -> SourceKind:
    return SourceKind(
        name=name,
        event_header=f"{prefix}Event",
        signature_header=f"{prefix}Signature",
        delivery_header=f"{prefix}Delivery",
        catalogue=catalogue,
        models=frozenset(resource_and_action(event_name)[0] for event_name in catalogue),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Source: the vendor's webhook page for Spaces, read 2026-11.
_SPACES = (
    "access.created",
    "comment.created",
    "comment.updated",
    "comment.deleted",
    "page.created",
    "page.updated",
    "page.deleted",
    "page.updated.reverted",
    "page.updated.moved",
    "page.updated.trashed",
    "page.updated.restored",
    "pagepermission.created",
    "pagepermission.deleted",
    "pagepermissions.deleted",
    "pluginstate.created",
    "pluginstate.updated",
    "space.deleted",
    "space.imported",
    "user.updated",
    "user.enabled",
    "user.disabled",
)

# Source: a third party's note on the vendor's event page, read 2026-11. The page itself says more per resource than is
# known here; a pattern with wildcards needs none of it. `CALENDEREVENT` is the vendor's own spelling.
_PROJECTS_RESOURCES = _words(
    "BUDGET CALENDEREVENT CARD COLUMN COMMENT COMPANY EXPENSE FILE FORM GOOGLEDRIVE INVOICE LINK MESSAGE MESSAGEREPLY "
    "MILESTONE NOTEBOOK PORTFOLIOBOARD PORTFOLIOCARD PORTFOLIOCOLUMN PROJECT PROJECTRATE PROJECTUPDATE RISK ROLE STAGE "
    "STATUS TASK TASKLIST TEAM TIME TIMER USER"
)
_PROJECTS_FURTHER = _words(
    "CARD.MOVED FILE.DOWNLOADED FILE.TAGGED FILE.UNTAGGED FORM.PUBLISHED FORM.SUBMITTED MILESTONE.COMPLETED "
    "MILESTONE.REMINDER MILESTONE.REOPENED PROJECT.ARCHIVED PROJECT.COMPLETED PROJECT.COPIED PROJECT.REOPENED "
    "PROJECT.TAGGED PROJECT.UNTAGGED TASK.COMPLETED TASK.MOVED TASK.REMINDER TASK.REOPENED TASK.TAGGED TASK.UNTAGGED"
)
_PROJECTS = (
    *(f"{resource}.{action}" for resource in _PROJECTS_RESOURCES for action in ("CREATED", "UPDATED", "DELETED")),
    *_PROJECTS_FURTHER,
)

# Source: the vendor's support pages on Desk webhooks, which disagree on some names, so both spellings stand here;
# read 2026-11.
_DESK = (
    "agent.added",
    "agent.created",
    "agent.updated",
    "agent.deleted",
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "inbox.created",
    "inbox.updated",
    "inbox.deleted",
    "note.added",
    "ticket.created",
    "ticket.updated",
    "ticket.deleted",
    "ticket.note",
    "ticket.customer.reply",
    "ticket.agent.reply",
    "ticket.tag.added",
    "ticket.tag.removed",
)

KINDS: Mapping[str, SourceKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _kind("teamwork-spaces", "", _SPACES),
            _kind("teamwork-projects", "X-Projects-", _PROJECTS),
            _kind("teamwork-desk", "X-Desk-", _DESK),
        )
    }
)
"""Source kinds by name."""

DEFAULT_KIND = KINDS["teamwork-spaces"]
