"""What templates and conditions see of an event: one namespace of plain JSON values, whatever shape the body has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from urllib.parse import quote

from router.events import Event
from router.payload import JSON
from router.sources import SourceKind, first_model, resource_and_action

FIXED_WORDS = ("event", "payload", "actor", "page", "space", "link")
"""First words that every event has; the model stands beside them under the name of its resource."""

LONGEST_LINK = 2000
"""Every browser and mail program opens as much."""

# Source: the vendor's webhook page names the events; how they read is ours. "Access" is a request for access.
_TITLES = {
    "access.created": "Access requested",
    "comment.created": "Comment added",
    "comment.updated": "Comment updated",
    "comment.deleted": "Comment deleted",
    "page.created": "Page created",
    "page.updated": "Page updated",
    "page.deleted": "Page deleted",
    "page.updated.reverted": "Page reverted",
    "page.updated.moved": "Page moved",
    "page.updated.trashed": "Page moved to the trash",
    "page.updated.restored": "Page restored",
    "pagepermission.created": "Page permission added",
    "pagepermission.deleted": "Page permission removed",
    "pagepermissions.deleted": "Page permissions removed",
    "pluginstate.created": "Plugin state created",
    "pluginstate.updated": "Plugin state updated",
    "space.deleted": "Space deleted",
    "space.imported": "Space imported",
    "user.updated": "User updated",
    "user.enabled": "User enabled",
    "user.disabled": "User disabled",
}

# Behind a person and before what they did it to: "Ada Byrne moved Release checklist".
_VERBS = {
    "access.created": "asked for access to",
    "comment.created": "commented on",
    "comment.updated": "edited a comment on",
    "comment.deleted": "deleted a comment on",
    "page.created": "created",
    "page.updated": "updated",
    "page.deleted": "deleted",
    "page.updated.reverted": "reverted",
    "page.updated.moved": "moved",
    "page.updated.trashed": "trashed",
    "page.updated.restored": "restored",
    "pagepermission.created": "added a permission on",
    "pagepermission.deleted": "removed a permission from",
    "pagepermissions.deleted": "removed permissions from",
    "pluginstate.created": "created a plugin state in",
    "pluginstate.updated": "updated a plugin state in",
    "space.deleted": "deleted",
    "space.imported": "imported",
    "user.updated": "updated the account of",
    "user.enabled": "enabled the account of",
    "user.disabled": "disabled the account of",
}


def build_namespace(event: Event, kind: SourceKind, site: str | None) -> dict[str, JSON]:
    """
    Say what a template or a condition may ask of an event.

    Args:
        kind: Of the event's source; it knows how to unwrap the body.
        site: Host name such as `acme.teamwork.com`, or None where the source has none; it makes `link`.

    Returns:
        `event`, `payload`, `actor`, `page`, `space`, `link`, and the model under the name of its resource. What is not
        known is None. `page` and `space` are also there where the model only refers to them, then with little more
        than an `id`. Built once for each event, for judging it and for all its messages, and the payload's own objects
        stand in it: nobody may change anything of it.
    """
    key = (build_namespace, kind.name, site)
    namespace: dict[str, JSON] | None = event.derived.get(key)
    if namespace is None:
        namespace = event.derived[key] = dict(lazy_namespace(event, kind, site))
    return namespace


def lazy_namespace(event: Event, kind: SourceKind, site: str | None) -> LazyNamespace:
    """Give the same, of which what nobody asks for is not worked out: for conditions, which ask for few words."""
    key = (lazy_namespace, kind.name, site)
    known: _Known | None = event.derived.get(key)
    if known is None:
        known = event.derived[key] = _Known()
    return LazyNamespace(event, kind, site, known)


class _Known:
    """
    What was found out of an event, kept with it. It must not lead back to the event, which would then stay in memory,
    with a body of megabytes, until Python looks for rings.
    """

    __slots__ = ("found", "model", "words")

    def __init__(self) -> None:
        self.words: dict[str, JSON] = {}
        self.found: JSON = None
        self.model: Mapping[str, JSON] | None = None


class LazyNamespace(Mapping[str, JSON]):
    """The words of a namespace, each found out when it is first asked for."""

    __slots__ = ("_action", "_event", "_kind", "_known", "_resource", "_site")

    def __init__(self, event: Event, kind: SourceKind, site: str | None, known: _Known) -> None:
        self._event = event
        self._kind = kind
        self._site = site
        self._resource, self._action = resource_and_action(event.name)
        self._known = known

    def __getitem__(self, word: str) -> JSON:
        known = self._known.words
        if word not in known:
            known[word] = self._find_out(word)
        return known[word]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((self._resource, *FIXED_WORDS)))

    def __len__(self) -> int:
        return len({self._resource, *FIXED_WORDS})

    def _find_out(self, word: str) -> JSON:
        event, resource = self._event, self._resource
        if word == "payload":
            return event.payload
        if word == "event":
            return _about(event, resource, self._action)
        if word == "link":
            return (
                None if _is_gone(resource, self._action) else _link(self._site, resource, self["page"], self["space"])
            )
        if word not in (resource, *FIXED_WORDS):
            raise KeyError(word)
        known = self._known
        if known.model is None:
            known.found = self._kind.unwrap(event.name, event.payload)
            known.model = first_model(known.found)
        if word == "actor":
            user = self["user"] if resource == "user" else None
            return _actor(self._action, known.model, event.payload, user if isinstance(user, dict) else None)
        if word == resource:
            shown = _shown_model(resource, known.found, known.model, event.payload)
            return _as_page(shown) if word == "page" else _as_space(shown) if word == "space" else shown
        if word == "page":
            return _referred("page", "pages", known.model, event.payload)
        return _space_of(known.model, self["page"], event.payload)


def event_title(event_name: str) -> str:
    """
    Name an event for a reader: `Page moved`.

    An event outside the catalogue reads as its words: `ticket.customer.reply` is `Ticket customer reply`.
    """
    name = event_name.lower()
    known = _TITLES.get(name)
    if known is not None:
        return known
    words = " ".join(name.replace(".", " ").replace("-", " ").replace("_", " ").split())
    return words[:1].upper() + words[1:]


_SUMMED_UP = {"space": ("space", "name"), "access": ("space", "name"), "user": ("user", "name")}
"""What an event is about, by its resource: a word of the namespace, and its field. All others are about a page."""


def plain_summary(namespace: Mapping[str, JSON]) -> str:
    """What stands above a mail, or in a notification of a message that is blocks: `Page moved: Release checklist`."""
    event = namespace["event"]
    resource = event["resource"]
    word, field = _SUMMED_UP.get(resource, ("page", "title"))
    model = namespace.get(word)
    title = model.get(field) if isinstance(model, dict) else None
    return " ".join(f"{event['title']}: {_text(title)}".split()) if _text(title) else str(event["title"])


def _about(event: Event, resource: str, action: str) -> dict[str, JSON]:
    return {
        "id": str(event.id),
        "name": event.name,
        "resource": resource,
        "action": action,
        "title": _own_title(event) or event_title(event.name),
        "verb": _VERBS.get(event.name.lower(), ""),
        "source": event.source,
        "received_at": event.received_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _own_title(event: Event) -> str:
    """An alert's title says what the trouble is."""
    model = event.payload.get("alert") if event.is_own and isinstance(event.payload, dict) else None
    return _text(model.get("title")) if isinstance(model, dict) else ""


def _shown_model(resource: str, found: JSON, model: Mapping[str, JSON], payload: JSON) -> JSON:
    """The model as templates see it: several models give the fields of the first, and all of them as `items`."""
    if isinstance(found, list):
        return {**model, "items": found}
    if not isinstance(found, dict):
        return None
    return _as_person(found, payload) if resource == "user" else found


def _actor(action: str, model: Mapping[str, JSON], payload: JSON, user: Mapping[str, JSON] | None) -> JSON:
    """
    Find who did it. Sibling products name the `eventCreator`; Spaces models carry three references.

    A person who changed their own account is named by the model itself.
    """
    creator = payload.get("eventCreator") if isinstance(payload, dict) else None
    fields = ("createdBy",) if action.startswith("created") else ("updatedBy", "createdBy")
    if action.rpartition(".")[2] in ("deleted", "trashed"):
        fields = ("deletedBy", "updatedBy")
    for reference in (creator, *(model.get(field) for field in fields)):
        person = _referenced(reference, "userId")
        if person is None:
            continue
        person = {**_included(payload, "users", person["id"]), **person}
        if user is not None and str(user.get("id")) == str(person["id"]):
            person = {**{field: user[field] for field in ("name", "email") if user.get(field)}, **person}
        return _as_person(person, payload)
    return None


def _as_person(person: Mapping[str, JSON], payload: JSON) -> dict[str, JSON]:
    """A person with a `name` where the body gives one. Spaces spells `firstname`, its siblings `firstName`."""
    if not _text(person.get("name")) and person.get("id") is not None:
        person = {**_included(payload, "users", person["id"]), **person}
    parts = [
        _text(person.get(lower)) or _text(person.get(camel))
        for lower, camel in (("firstname", "firstName"), ("lastname", "lastName"))
    ]
    name = _text(person.get("name")) or " ".join(part for part in parts if part)
    named = {key: value for key, value in person.items() if key != "name"}
    return {**named, "name": name} if name else named


def _as_page(model: JSON) -> dict[str, JSON] | None:
    return model if isinstance(model, dict) else None


def _as_space(model: JSON) -> dict[str, JSON] | None:
    """A space with a `name`: the model calls it `title`."""
    if not isinstance(model, dict):
        return None
    name = _text(model.get("name")) or _text(model.get("title"))
    return {**model, "name": name} if name else model


def _space_of(model: Mapping[str, JSON], page: JSON, payload: JSON) -> dict[str, JSON] | None:
    space = _referred("space", "spaces", model, payload)
    if space is None and isinstance(page, dict) and page is not model:
        space = _referred("space", "spaces", page, payload)
    return _as_space(space)


def _referred(word: str, plural: str, model: Mapping[str, JSON], payload: JSON) -> dict[str, JSON] | None:
    """The object that a model refers to by `word` or `wordId`, with what the body tells of it elsewhere."""
    for field in (word, f"{word}Id"):
        found = _referenced(model.get(field), f"{word}Id")
        if found is not None:
            return {**_included(payload, plural, found["id"]), **found}
    return None


def _referenced(reference: JSON, older_id: str) -> dict[str, JSON] | None:
    """
    Read a reference: `{"id": 9, "type": "users"}`, or only the id.

    Args:
        older_id: The key that models of 2018 have in place of `id`.
    """
    if isinstance(reference, dict):
        found = reference.get("id")
        found = reference.get(older_id) if found is None else found
        return {**reference, "id": found} if _is_id(found) else None
    return {"id": reference} if _is_id(reference) and reference != 0 else None


def _included(payload: JSON, plural: str, object_id: JSON) -> Mapping[str, JSON]:
    """
    Look a related object up in the body's `included`, a map of maps by type and id; empty where there is none.

    Source: the vendor's page on related entities, read 2026-11. Whether webhooks carry it is not documented.
    """
    found = payload.get("included") if isinstance(payload, dict) else None
    for key in (plural, str(object_id)):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _link(site: str | None, resource: str, page: JSON, space: JSON) -> str | None:
    """
    Make the address of the page or space; None unless every part of it is known, and it is short enough to open.

    Source: links found in public pages of several organisations, read 2026-11; the vendor documents no form.
    """
    code = _text(space.get("code")) if isinstance(space, dict) else ""
    if not site or not code:
        return None
    address = f"https://{site}/spaces/{quote(code, safe='')}"
    if resource != "space":
        slug = _text(page.get("slug")) if isinstance(page, dict) else ""
        if not slug or not _is_id(page.get("id")):
            return None
        address += f"/page/{quote(str(page['id']), safe='')}-{quote(slug, safe='')}"
    return address if len(address) <= LONGEST_LINK else None


def _is_gone(resource: str, action: str) -> bool:
    """Whether the event says that its page or space is not there any more: a link would lead nowhere."""
    return resource in ("page", "space") and action in ("deleted", "updated.trashed")


def _text(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else ""


def _is_id(value: JSON) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value != "")
