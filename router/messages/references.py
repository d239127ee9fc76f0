"""References in bodies, `{"id": 9, "type": "users"}`, and what is known of the objects that they mean."""

from __future__ import annotations

from collections.abc import Mapping

from router.messages.directory import PAGES, SPACES, USERS, Facts, Names
from router.messages.escaping import Mention
from router.messages.learning import id_text, id_value, person_name
from router.payload import JSON

PERSONS = ("createdBy", "updatedBy", "deletedBy", "requester")
"""Fields of models that refer to people."""

CREATOR = "eventCreator"
"""Where bodies of sibling products name who did it."""

_OF_PERSON = ("name", "email")
_OF_PAGE = ("title", "slug")
_OF_SPACE = ("name", "code")

_BARE = frozenset({"id", "type", "meta"})
"""What references have; whatever has nothing else tells nothing more of its object."""
_IN_A_PAGE = frozenset({*PERSONS, "space"})
"""References that are followed; what a page has as its own `page` is not, or a body could lead on without end."""
_FOLLOWED = _IN_A_PAGE | {"page"}
_PARENT, _PARENT_ID = "parent", "parentId"
_KNOWN = {PAGES: frozenset({*_OF_PAGE, _PARENT_ID}), SPACES: frozenset(_OF_SPACE)}
"""Fields of pages and spaces that may be known where a body does not tell them."""
_KINDS = {"page": PAGES, "space": SPACES}
_OURS = frozenset({"name", "slack", "mention"})
"""What a body does not say of a person: it cannot call anybody. And the name, which is worked out."""
_NOTHING: Facts = {}

Model = Mapping[str, JSON]


class References:
    """
    Follows the references of one body.

    Args:
        payload: Its `included` may tell more of an object.

    Attributes:
        seen: What was looked up by kind and id, and what was known then; the rule file's own names apart.
    """

    __slots__ = ("_creator", "_included", "_names", "_people", "seen")

    def __init__(self, names: Names, payload: JSON) -> None:
        told = payload if isinstance(payload, dict) else {}
        included = told.get("included")
        self._names = names
        self._included: Model | None = included if isinstance(included, dict) else None
        self._creator = told.get(CREATOR)
        self._people: dict[str, dict[str, JSON]] = {}
        self.seen: dict[str, dict[str, Facts | None]] = {}

    def known(self, kind: str, object_id: JSON) -> tuple[Facts, Facts]:
        """Give what was learned of an object and what the rule file says of it; the second wins over everything."""
        key = id_text(object_id)
        if key is None:
            return _NOTHING, _NOTHING
        seen = self.seen.get(kind)
        if seen is None:
            seen = self.seen[kind] = {}
        if key not in seen:
            seen[key] = self._names.learned(kind, key)
        return seen[key] or _NOTHING, self._names.given.find(kind, key) or _NOTHING

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
        for reference in (self._creator, *(model.get(field) for field in actor_fields(action))):
            person = _referenced(reference, "userId")
            if person is None:
                continue
            if user is not None and str(user.get("id")) == str(person["id"]):
                own = {field: user[field] for field in ("name", "email") if user.get(field)}
                person = {**own, **person}
            return self.person(person)
        return None

    def person(self, person: Model) -> dict[str, JSON]:
        """Fill in a person: `name` where anything tells it, `email`, and `mention`."""
        object_id = person.get("id")
        if self._included is None and person.keys() <= _BARE:
            # Who made a page mostly changed it as well: one person is referred to three times.
            key = id_text(object_id) or ""
            facts = self._people.get(key)
            if facts is None:
                facts = self._people[key] = self._known_of({}, *self.known(USERS, object_id))
            return {**person, **facts}
        learned, given = self.known(USERS, object_id)
        if object_id is not None and not person_name(person):
            person = {**self._more(USERS, object_id), **person}
        rest = {key: value for key, value in person.items() if key not in _OURS}
        return {**rest, **self._known_of(person, learned, given)}

    @staticmethod
    def _known_of(person: Model, learned: Facts, given: Facts) -> dict[str, JSON]:
        """Say what a person is called, by whoever says it first."""
        found: dict[str, JSON] = {}
        if email := given.get("email") or person.get("email") or learned.get("email"):
            found["email"] = email
        if name := given.get("name") or person_name(person) or learned.get("name"):
            found["name"] = name
        if slack := given.get("slack"):
            found["slack"] = slack
            found["mention"] = Mention(name or email or "someone", slack)
        elif name:
            found["mention"] = name
        return found

    # Pages and spaces

    def filled(self, resource: str, model: Model) -> Referring:
        """Give the model of an event."""
        return Referring(self, _KINDS.get(resource), model, _FOLLOWED)

    def page(self, page: JSON) -> Referring | None:
        """Give a page that has a `title`, a `slug` and a `parent`, if anything tells them."""
        return Referring(self, PAGES, page, _IN_A_PAGE) if isinstance(page, dict) else None

    def space(self, space: JSON) -> Referring | None:
        """Give a space that has a `name`, which its model calls `title`, and a `code`, if anything tells them."""
        return Referring(self, SPACES, space) if isinstance(space, dict) else None

    def page_of(self, model: Model) -> Referring | None:
        """Find the page that a model refers to."""
        return self.page(self._referred("page", PAGES, model))

    def space_of(self, model: Model, page: JSON) -> Referring | None:
        """Find the space that a model refers to, or its page does, or that its page is known to be in."""
        space = self._referred("space", SPACES, model)
        if space is None and isinstance(page, dict):
            space = self._referred("space", SPACES, page)
            if space is None and (known := self.known(PAGES, page.get("id"))[0].get("space")):
                space = {"id": id_value(known)}
        return self.space(space)

    def known_of(self, kind: str, model: Model) -> dict[str, JSON]:
        """Give the fields of a page or a space that its body does not tell, as far as they are known."""
        learned, given = self.known(kind, model.get("id"))
        if kind == SPACES:
            name = given.get("name") or _text(model.get("name")) or _text(model.get("title")) or learned.get("name")
            code = given.get("code") or _text(model.get("code")) or learned.get("code")
            return {**({"name": name} if name else {}), **({"code": code} if code else {})}
        found = {field: learned[field] for field in _OF_PAGE if learned.get(field) and not _text(model.get(field))}
        if _PARENT in learned and _PARENT_ID not in model:
            found[_PARENT_ID] = id_value(learned[_PARENT])
        return found

    def followed(self, field: str, model: Model) -> JSON:
        """Give what a field of a model refers to; None where it refers to nothing."""
        if field in PERSONS:
            reference = _referenced(model.get(field), "userId")
            return None if reference is None else self.person(reference)
        if field == _PARENT:
            parent = id_text(model.get(_PARENT_ID))
            return None if parent is None else {**self.look(PAGES, parent), "id": model.get(_PARENT_ID)}
        if not isinstance(model.get(field), dict):
            return None
        return self.space_of(model, None) if field == "space" else self.page_of(model)

    def _referred(self, word: str, plural: str, model: Model) -> dict[str, JSON] | None:
        """The object that a model refers to by `word` or `wordId`, with what the body tells of it elsewhere."""
        for field in (word, f"{word}Id"):
            found = _referenced(model.get(field), f"{word}Id")
            if found is not None:
                return found if self._included is None else {**self._more(plural, found["id"]), **found}
        return None

    def _more(self, plural: str, object_id: JSON) -> Model:
        """
        Look a related object up in the body's `included`, a map of maps by type and id; empty where there is none.

        Source: the vendor's page on related entities, read 2026-11. Whether webhooks carry it is not documented.
        """
        found: JSON = self._included
        for key in (plural, str(object_id)):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


class Referring(dict[str, JSON]):
    """
    A model of which everything that its body does not tell is found out when it is first asked for by `get`: conditions
    ask for little.

    `whole` has it all; templates see that.
    """

    __slots__ = ("_kind", "_references", "_unfollowed")

    def __init__(
        self, references: References, kind: str | None, model: Model, followed: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(model)
        self._references = references
        self._kind = kind  # None also where all is known that will be
        self._unfollowed = {field for field in followed if field in model}
        if kind == PAGES:
            self._unfollowed.add(_PARENT)

    def get(self, key: str, default: JSON = None) -> JSON:
        if key in self._unfollowed:
            self._follow(key)
        elif self._kind is not None and key in _KNOWN[self._kind] and not self._is_told(key):
            self._ask()
        return super().get(key, default)

    def _is_told(self, key: str) -> bool:
        """Whether the body says it; of a space, the rule file goes before the body."""
        own = super().get(key)
        return self._kind == PAGES and (bool(_text(own)) or is_id(own))

    def whole(self) -> dict[str, JSON]:
        self._ask()
        for key in sorted(self._unfollowed):  # always in the same order: so are then the keys that are new
            self._follow(key)
        return {key: value.whole() if isinstance(value, Referring) else value for key, value in self.items()}

    def _ask(self) -> None:
        kind, self._kind = self._kind, None
        if kind is not None:
            self.update(self._references.known_of(kind, self))

    def _follow(self, key: str) -> None:
        self._unfollowed.discard(key)
        followed = self._references.followed(key, self)
        if followed is not None:
            self[key] = followed


def whole(value: JSON) -> JSON:
    """Give a model with all its references filled in."""
    return value.whole() if isinstance(value, Referring) else value


def actor_fields(action: str) -> tuple[str, ...]:
    """Name the fields of a model that may say who did it; the first that refers to anybody counts."""
    if action.rpartition(".")[2] in ("deleted", "trashed"):
        return ("deletedBy", "updatedBy")
    return ("createdBy",) if action.startswith("created") else ("updatedBy", "createdBy")


def _referenced(reference: JSON, older_id: str) -> dict[str, JSON] | None:
    """
    Read a reference: `{"id": 9, "type": "users"}`, or only the id.

    Args:
        older_id: The key that models of 2018 have in place of `id`.
    """
    if isinstance(reference, dict):
        found = reference.get("id")
        if found is None:
            found = reference.get(older_id)
            return {**reference, "id": found} if is_id(found) else None
        return reference if is_id(found) else None
    return {"id": reference} if is_id(reference) and reference != 0 else None


def is_id(value: JSON) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value != "")


def _text(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else ""
