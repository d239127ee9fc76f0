"""What a message has to know of people, spaces and pages, looked up before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from router.config.model import Source
from router.errors import StoreUnavailable
from router.events import BEFORE, NAMES, Event
from router.messages.context import build_namespace, lazy_namespace, model_of, words_of
from router.messages.directory import NO_NAMES, PAGES, Directory, Names, Seen
from router.messages.learning import id_text, lesson_of
from router.payload import JSON
from router.sources import DEFAULT_KIND
from router.spaces.names import ApiNames
from router.store.records import Accepted, KnownObject, Taught

_MOST_PAGES = 4
"""That are looked up for one message: its own, its parent, and where it was before. A list may refer to hundreds."""


class KnowsObjects(Protocol):
    """What is asked for objects that are not in memory: a store, or its reading half."""

    async def objects(self, keys: Sequence[tuple[str, str, str]]) -> Sequence[KnownObject]: ...


class Naming:
    """
    Gives events the words that templates and conditions use, names included.

    Args:
        directory: What is known, as far as it is in memory.
        store: Knows the rest.
        api: Is asked for what is nowhere else; None to ask nobody.
    """

    def __init__(self, directory: Directory, store: KnowsObjects, api: ApiNames | None = None) -> None:
        self.directory = directory
        self._store = store
        self._api = api

    async def prepare(self, event: Event, source: Source | None) -> None:
        """
        Read what is known of the objects of an event, and not in memory; then ask the API.

        Never raises, is mostly over at once, and always soon.
        """
        asks = self._api is not None and source is not None and source.api is not None
        if source is None or (not asks and self.directory.has_all(event.source)):
            return
        unknown = _unknown(event, source, names_of(event.source, source, self.directory))
        if missing := [key for key in unknown if self.directory.is_unread(*key)]:
            await self._read(missing)
        if self._api is not None and asks and unknown:
            await self._ask(self._api, event, source)

    async def _ask(self, api: ApiNames, event: Event, source: Source) -> None:
        names = names_of(event.source, source, self.directory)
        unknown = _unknown(event, source, names)
        met = [(kind, each) for _, kind, each in unknown if kind != PAGES and not source.given.find(kind, each)]
        if met:
            api.ask_soon(event.source, met)
        words = build_namespace(event, source.kind, source.site, names)
        pages = [(page_id, _space_of(page_id, words)) for _, kind, page_id in unknown if kind == PAGES]
        wanted = [(page_id, space_id) for page_id, space_id in pages if space_id is not None]
        await api.find_pages(event.source, wanted[:_MOST_PAGES])

    async def as_if_stored(self, event: Event, source: Source | None) -> Event:
        """Give an event that is not stored what it would be stored with: what it changes. Never raises."""
        taught = None if source is None else taught_by(event, source)
        if taught is None or not taught.keeps_before:
            return event
        if self.directory.is_unread(*taught.key):
            await self._read([taught.key])
        known = self.directory.find(*taught.key)
        if known is None or {**known, **taught.lesson.facts} == known:
            return event
        return replace(event, facts={**event.facts, BEFORE: known})

    async def _read(self, keys: Sequence[tuple[str, str, str]]) -> None:
        try:
            found = await self._store.objects(keys)
        except StoreUnavailable:
            return  # the message reads naturally without, and is not to wait
        for known in found:
            # What an event taught in the meantime is newer.
            if self.directory.is_unread(known.source, known.kind, known.object_id):
                self.directory.learn(known.source, known.kind, known.object_id, known.facts)
        for key in keys:
            self.directory.miss(*key)


def names_of(name: str, source: Source, directory: Directory) -> Names:
    """Give what is known now of the objects of a source."""
    return directory.names(name, source.given)


def copy_known(event: Event, source: Source | None, directory: Directory) -> Directory:
    """Copy what is known of the objects of an event, for a thread of its own."""
    seen = {} if source is None else _seen(event, source, names_of(event.source, source, directory))
    return directory_of(event.source, seen)


def directory_of(source_name: str, known: Seen) -> Directory:
    """Make a memory of its own that knows this and nothing else."""
    directory = Directory()
    for kind, found in known.items():
        directory.learn_all(source_name, [(kind, each, facts) for each, facts in found.items() if facts is not None])
    return directory


def words_for(
    event: Event, source: Source | None, directory: Directory, more: Mapping[str, JSON] = MappingProxyType({})
) -> Mapping[str, JSON]:
    """Give what templates see of an event; `more` has `rule` and `destination`, from whoever knows them."""
    if source is None:
        return words_of(event, DEFAULT_KIND, None, NO_NAMES, more)
    return words_of(event, source.kind, source.site, names_of(event.source, source, directory), more)


def names_when_judged(event: Event, source: Source, directory: Directory | None) -> Names:
    """Give what was known when an event was judged; what was not looked up then, as it is known now."""
    known_now = directory if directory is not None else Directory(0)
    return known_now.names(event.source, source.given, event.facts.get(NAMES))


def names_in(event: Event, source: Source, directory: Directory) -> Seen:
    """List what is known of the objects of an event: as it was where judging asked for it, else as it is now."""
    return _seen(event, source, names_when_judged(event, source, directory))


def taught_by(event: Event, source: Source) -> Taught | None:
    """Say what an event teaches of the object that it is about; None where that is nothing."""
    lesson = lesson_of(event.name, model_of(event, source.kind)[1])
    if lesson is None:
        return None
    return Taught(event.source, lesson, event.received_at, keeps_before=source.changes)


def remember(directory: Directory, taught: Taught | None, accepted: Accepted, facts: dict[str, Any]) -> None:
    """Take note of what a stored event taught, and of what was known before, for its messages."""
    if taught is not None and accepted.taught is not None:
        directory.learn(*taught.key, accepted.taught)
    if accepted.before is not None:
        facts[BEFORE] = accepted.before


def _unknown(event: Event, source: Source, names: Names) -> list[tuple[str, str, str]]:
    """List what the words of an event look up in vain."""
    return [
        (event.source, kind, object_id)
        for kind, found in _seen(event, source, names).items()
        for object_id, facts in found.items()
        if facts is None
    ]


def _space_of(page_id: str, words: Mapping[str, JSON]) -> str | None:
    """Say in which space a page is that an event speaks of: the parent that a page had may be in another one."""
    changes = words["changes"]
    parent, space = (changes.get(word, {}).get("before") or {} for word in ("parent", "space"))
    where = space if space and id_text(parent.get("id")) == page_id else words["space"]
    return id_text(where.get("id")) if isinstance(where, dict) else None


def _seen(event: Event, source: Source, names: Names) -> Seen:
    """List what the words of an event look up, also in what changed."""
    build_namespace(event, source.kind, source.site, names)
    return lazy_namespace(event, source.kind, source.site, names).seen
