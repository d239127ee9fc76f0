"""What templates and conditions see of an event: one namespace of plain JSON values, whatever shape the body has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from types import MappingProxyType
from urllib.parse import quote

from router.events import BEFORE, Event
from router.messages.changes import changes_of
from router.messages.directory import NO_NAMES, Names, Seen
from router.messages.learning import lesson_of
from router.messages.references import References, is_id, whole
from router.messages.verbs import TITLES, VERBS
from router.payload import JSON
from router.sources import SourceKind, first_model, resource_and_action

FIXED_WORDS = ("event", "payload", "actor", "page", "space", "link")
"""First words that every event has; the model stands beside them under the name of its resource."""

CHANGES = "changes"
"""A word of templates alone: what has changed is found out when the event is stored, after it was judged."""

LONGEST_LINK = 2000
"""Every browser and mail program opens as much."""

_MOST_FILLED = 100
"""Models of a list whose references are filled in; a body may hold many thousands."""


def build_namespace(event: Event, kind: SourceKind, site: str | None, names: Names = NO_NAMES) -> dict[str, JSON]:
    """
    Say what a template may ask of an event.

    Args:
        kind: Of the event's source; it knows how to unwrap the body.
        site: Host name such as `acme.teamwork.com`, or None where the source has none; it makes `link`.
        names: What is known of the people, spaces and pages that the body refers to.

    Returns:
        `event`, `payload`, `actor`, `page`, `space`, `link`, `changes`, and the model under the name of its resource.
        What is not known is None. `page` and `space` are also there where the model only refers to them, then with what
        `names` tell. Built once for each event, for judging it and for all its messages, and the payload's own objects
        stand in it: nobody may change anything of it.
    """
    return dict(words_of(event, kind, site, names))


def words_of(
    event: Event,
    kind: SourceKind,
    site: str | None,
    names: Names,
    more: Mapping[str, JSON] = MappingProxyType({}),
) -> Mapping[str, JSON]:
    """
    Give the same, of which what nobody asks for is not worked out: for templates, which see each word whole.

    Args:
        more: Further words.
    """
    known = _known(event, kind, site, names)
    return Words(LazyNamespace(event, kind, site, known), known.whole, more)


def lazy_namespace(event: Event, kind: SourceKind, site: str | None, names: Names = NO_NAMES) -> LazyNamespace:
    """Give the same for conditions, which ask for few fields of few words: no other is found out."""
    return LazyNamespace(event, kind, site, _known(event, kind, site, names))


def model_of(event: Event, kind: SourceKind) -> tuple[JSON, Mapping[str, JSON]]:
    """Give what stands in a body in the place of its model, mostly that itself; and the one model to speak of."""
    key = (model_of, kind.name)
    found: tuple[JSON, Mapping[str, JSON]] | None = event.derived.get(key)
    if found is None:
        model = kind.unwrap(event.name, event.payload)
        found = event.derived[key] = model, first_model(model)
    return found


def _known(event: Event, kind: SourceKind, site: str | None, names: Names) -> _Known:
    """Give what was found out of an event, as long as what was looked up for it still holds."""
    key = (kind.name, site)
    known: _Known | None = event.derived.get(key)
    if known is None or not names.agree_with(known.names, known.references.seen):
        known = event.derived[key] = _Known(names, event.payload)
    known.names = names
    return known


class _Known:
    """
    What was found out of an event, kept with it. It must not lead back to the event, which would then stay in memory,
    with a body of megabytes, until Python looks for rings.
    """

    __slots__ = ("found", "model", "names", "references", "whole", "words")

    def __init__(self, names: Names, payload: JSON) -> None:
        self.names = names
        self.references = References(names, payload)
        self.words: dict[str, JSON] = {}
        self.whole: dict[str, JSON] = {}
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

    @property
    def seen(self) -> Seen:
        """What was looked up for the words that were asked for."""
        return self._known.references.seen

    def __getitem__(self, word: str) -> JSON:
        known = self._known.words
        if word not in known:
            known[word] = self._find_out(word)
        return known[word]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((self._resource, *FIXED_WORDS)))

    def __contains__(self, word: object) -> bool:
        return word == self._resource or word in FIXED_WORDS

    def __len__(self) -> int:
        return len({self._resource, *FIXED_WORDS})

    def whole(self, word: str) -> JSON:
        """Find out all that there is of a word, `changes` among them."""
        if word == CHANGES:
            return self._changes()
        found = whole(self[word])
        if word == self._resource and isinstance(self._known.found, list):
            found["items"] = [whole(item) for item in found["items"]]
        return found

    def _changes(self) -> dict[str, JSON]:
        """Say what the event changed; see `changes.py`."""
        before = self._event.facts.get(BEFORE)
        if not before:
            return {}
        told = lesson_of(self._event.name, model_of(self._event, self._kind)[1])
        return changes_of(before, told.facts, self._known.references.look) if told is not None else {}

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
        references = known.references
        if known.model is None:
            known.found, known.model = model_of(event, self._kind)
        if word == "actor":
            user = self["user"] if resource == "user" else None
            return references.actor(self._action, known.model, user if isinstance(user, dict) else None)
        if word == resource:
            return _shown_model(resource, known.found, known.model, references)
        if word == "page":
            return references.page_of(known.model)
        return references.space_of(known.model, self["page"])


class Words(Mapping[str, JSON]):
    """
    The words that templates see.

    Args:
        found: Those that were found out already; all that follow are kept there.
        more: Further words, which go before others.
    """

    __slots__ = ("_found", "_lazy", "_more")

    def __init__(self, lazy: LazyNamespace, found: dict[str, JSON], more: Mapping[str, JSON]) -> None:
        self._lazy = lazy
        self._found = found
        self._more = more

    def __getitem__(self, word: str) -> JSON:
        if word in self._more:
            return self._more[word]
        if word not in self._found:
            self._found[word] = self._lazy.whole(word)
        return self._found[word]

    def __contains__(self, word: object) -> bool:
        return word in self._more or word in self._lazy or word == CHANGES

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._lazy, CHANGES, *self._more)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def event_title(event_name: str) -> str:
    """
    Name an event for a reader: `Page moved`.

    An event outside the catalogue reads as its words: `ticket.customer.reply` is `Ticket customer reply`.
    """
    name = event_name.lower()
    known = TITLES.get(name)
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
        "verb": VERBS.get(event.name.lower(), ""),
        "source": event.source,
        "received_at": event.received_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _own_title(event: Event) -> str:
    """An alert's title says what the trouble is."""
    model = event.payload.get("alert") if event.is_own and isinstance(event.payload, dict) else None
    return _text(model.get("title")) if isinstance(model, dict) else ""


def _shown_model(resource: str, found: JSON, model: Mapping[str, JSON], references: References) -> JSON:
    """The model as templates see it: several models give the fields of the first, and all of them as `items`."""
    if isinstance(found, list):
        items = [references.filled(resource, item) if isinstance(item, dict) else item for item in found[:_MOST_FILLED]]
        return references.filled(resource, {**model, "items": [*items, *found[_MOST_FILLED:]]})
    if not isinstance(found, dict):
        return None
    return references.filled(resource, references.person(found) if resource == "user" else found)


def _link(site: str | None, resource: str, page: JSON, space: JSON) -> str | None:
    """
    Make the address of the page or space; None unless every part of it is known, and it is short enough to open.

    Source: links found in public pages of several organisations, read 2026-11; the vendor documents no form.
    """
    code = _text(space.get("code")) if isinstance(space, dict) else ""
    if not site or not code or len(code) > LONGEST_LINK:
        return None
    address = f"https://{site}/spaces/{quote(code, safe='')}"
    if resource != "space":
        slug = _text(page.get("slug")) if isinstance(page, dict) else ""
        if not slug or not is_id(page.get("id")) or len(slug) + len(str(page["id"])) > LONGEST_LINK:
            return None
        address += f"/page/{quote(str(page['id']), safe='')}-{quote(slug, safe='')}"
    return address if len(address) <= LONGEST_LINK else None


def _is_gone(resource: str, action: str) -> bool:
    """Whether the event says that its page or space is not there any more: a link would lead nowhere."""
    return resource in ("page", "space") and action in ("deleted", "updated.trashed")


def _text(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else ""
