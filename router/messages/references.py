"""References in bodies, `{"id": 9, "type": "users"}`, and what is known of the objects that they mean."""

from __future__ import annotations

from collections.abc import Mapping

from router.messages.directory import PAGES, SPACES, USERS, Facts, Names
from router.messages.escaping import Mention
from router.messages.learning import id_text, person_name
from router.payload import JSON

PERSONS = ("createdBy", "updatedBy", "deletedBy", "requester")
"""Fields of models that refer to people."""

_OF_PERSON = ("name", "email")
_OF_PAGE = ("title", "slug")
_OF_SPACE = ("name", "code")

Model = Mapping[str, JSON]


class References:
    """
    Follows the references of one body.

    Args:
        payload: Its `included` may tell more of an object.

    Attributes:
        seen: What was looked up by kind and id, and what was known then; the rule file's own names apart.
    """

    __slots__ = ("_names", "_payload", "seen")

    def __init__(self, names: Names, payload: JSON) -> None:
        self._names = names
        self._payload = payload
        self.seen: dict[str, dict[str, Facts | None]] = {}

    def known(self, kind: str, object_id: JSON) -> tuple[Facts, Facts]:
        """Give what was learned of an object and what the rule file says of it; the second wins over everything."""
        key = id_text(object_id)
        if key is None:
            return {}, {}
        seen = self.seen.setdefault(kind, {})
        if key not in seen:
            seen[key] = self._names.learned(kind, key)
        return seen[key] or {}, self._names.given.find(kind, key) or {}

    def look(self, kind: str, object_id: str) -> Facts:
        """Give what templates are told of an object that only an id names."""
        learned, given = self.known(kind, object_id)
        keys = _OF_PAGE if kind == PAGES else _OF_SPACE
        return {key: value for key, value in {**learned, **given}.items() if key in keys}

    # People

    def actor(self, action: str, model: Model, user: Model | None) -> JSON:
        """
        Find who did it. Sibling products name the `eventCreator`; Spaces models carry three references.

        A person who changed their own account is named by the model itself.
        """
        creator = self._payload.get("eventCreator") if isinstance(self._payload, dict) else None
        fields = ("createdBy",) if action.startswith("created") else ("updatedBy", "createdBy")
        if action.rpartition(".")[2] in ("deleted", "trashed"):
            fields = ("deletedBy", "updatedBy")
        for reference in (creator, *(model.get(field) for field in fields)):
            person = _referenced(reference, "userId")
            if person is None:
                continue
            if user is not None and str(user.get("id")) == str(person["id"]):
                own = {field: user[field] for field in ("name", "email", "mention", "slack") if user.get(field)}
                person = {**own, **person}
            return self.person(person)
        return None

    def person(self, person: Model) -> dict[str, JSON]:
        """Fill in a person: `name` where anything tells it, `email`, and `mention`."""
        told = person_name(person)
        if not told and person.get("id") is not None:
            person = {**self._included(USERS, person["id"]), **person}
            told = person_name(person)
        learned, given = self.known(USERS, person.get("id"))
        found = {key: value for key, value in person.items() if key != "name"}
        if email := given.get("email") or person.get("email") or learned.get("email"):
            found["email"] = email
        if name := given.get("name") or told or learned.get("name"):
            found["name"] = name
        if slack := given.get("slack"):
            found["slack"] = slack
            found["mention"] = Mention(name or "", slack)
        elif name:
            found["mention"] = name
        return found

    # Pages and spaces

    def filled(self, resource: str, model: Model) -> dict[str, JSON]:
        """Fill in the references of a model, and what is known of the model itself."""
        found = dict(model)
        for field in PERSONS:
            reference = _referenced(model.get(field), "userId")
            if reference is not None:
                found[field] = self.person(reference)
        if isinstance(model.get("space"), dict):
            found["space"] = self.space(self._referred("space", SPACES, model))
        if resource == "page":
            return self._filled_page(found)
        if isinstance(model.get("page"), dict):
            found["page"] = self.page(self._referred("page", PAGES, model))
        return (self.space(found) or found) if resource == "space" else found

    def page(self, page: JSON) -> dict[str, JSON] | None:
        return self._filled_page(page) if isinstance(page, dict) else None

    def _filled_page(self, page: Model) -> dict[str, JSON]:
        learned, _ = self.known(PAGES, page.get("id"))
        found = dict(page)
        for key in _OF_PAGE:
            if learned.get(key) and not _text(found.get(key)):
                found[key] = learned[key]
        parent = id_text(page.get("parentId", learned.get("parent")))
        if parent is not None:
            found["parent"] = {"id": page.get("parentId", parent), **self.look(PAGES, parent)}
        return found

    def space(self, space: JSON) -> dict[str, JSON] | None:
        """Fill in a space: its `name`, which the model calls `title`, and its `code`."""
        if not isinstance(space, dict):
            return None
        learned, given = self.known(SPACES, space.get("id"))
        name = given.get("name") or _text(space.get("name")) or _text(space.get("title")) or learned.get("name")
        code = given.get("code") or _text(space.get("code")) or learned.get("code")
        return {**space, **({"name": name} if name else {}), **({"code": code} if code else {})}

    def page_of(self, model: Model) -> dict[str, JSON] | None:
        """Find the page that a model refers to."""
        return self.page(self._referred("page", PAGES, model))

    def space_of(self, model: Model, page: JSON) -> dict[str, JSON] | None:
        """Find the space that a model refers to, or its page does, or that its page is known to be in."""
        space = self._referred("space", SPACES, model)
        if space is None and isinstance(page, dict):
            space = self._referred("space", SPACES, page)
            if space is None and (known := self.known(PAGES, page.get("id"))[0].get("space")):
                space = {"id": known}
        return self.space(space)

    def _referred(self, word: str, plural: str, model: Model) -> dict[str, JSON] | None:
        """The object that a model refers to by `word` or `wordId`, with what the body tells of it elsewhere."""
        for field in (word, f"{word}Id"):
            found = _referenced(model.get(field), f"{word}Id")
            if found is not None:
                return {**self._included(plural, found["id"]), **found}
        return None

    def _included(self, plural: str, object_id: JSON) -> Model:
        """
        Look a related object up in the body's `included`, a map of maps by type and id; empty where there is none.

        Source: the vendor's page on related entities, read 2026-11. Whether webhooks carry it is not documented.
        """
        found = self._payload.get("included") if isinstance(self._payload, dict) else None
        for key in (plural, str(object_id)):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


def _referenced(reference: JSON, older_id: str) -> dict[str, JSON] | None:
    """
    Read a reference: `{"id": 9, "type": "users"}`, or only the id.

    Args:
        older_id: The key that models of 2018 have in place of `id`.
    """
    if isinstance(reference, dict):
        found = reference.get("id")
        found = reference.get(older_id) if found is None else found
        return {**reference, "id": found} if is_id(found) else None
    return {"id": reference} if is_id(reference) and reference != 0 else None


def is_id(value: JSON) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value != "")


def _text(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else ""
