"""
Who and what the ids in bodies stand for: people, spaces and pages, as far as they are in memory.

Three sources, the first wins: what the rule file says (`Given`), the Spaces API, and what earlier bodies taught. The
last two are one here, as the newest version of an object is kept whichever of them brought it. Everything learned is in
the store as well, so what memory has no room for can be read again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TypeAlias

from router.payload import JSON, dump_json, parse_body

USERS, SPACES, PAGES = KINDS_OF_OBJECT = "users", "spaces", "pages"
"""Kinds of object. Source: references in the vendor's models name their type so, read 2026-11."""

Facts: TypeAlias = Mapping[str, JSON]
"""
What is known of an object. Users: `name`, `email`, `state`, `role` (`admin` or `member`); spaces: `name`, `code`,
`state`; pages: `title`, `slug`, `space` and `parent` (ids or None), `state`, `tags` (names). Untold keys are missing.
"""

Seen: TypeAlias = Mapping[str, Mapping[str, Facts | None]]
"""What was looked up, by kind and id; None for what was not known."""

_ONE_TEXT = {kind: kind for kind in KINDS_OF_OBJECT}
"""Read from the store, each kind would be a text of its own for every object."""

_MOST_BYTES = 8 * 1024 * 1024
"""Of facts, beside what it takes to keep them: titles and tags are of the sender's choice."""

_LATEST = 256
"""Changes of which it is known what they were; between judging an event and writing its messages there are few."""

MOST_REMEMBERED = 20_000
"""Objects in memory, all sources together; about 7 MB. A company of 300 touches some thousand pages a year."""


@dataclass(frozen=True, eq=False)
class Given:
    """What the rule file says of people (`name`, `email`, `slack`) and spaces (`name`, `code`), by id as text."""

    people: Mapping[str, Facts] = field(default_factory=dict)
    spaces: Mapping[str, Facts] = field(default_factory=dict)

    def find(self, kind: str, object_id: str) -> Facts | None:
        named = self.people if kind == USERS else self.spaces if kind == SPACES else {}
        return named.get(object_id)

    def says_the_same_as(self, other: Given) -> bool:
        """Whether both give the same names, which `==` does not tell: that compares who they are, and at once."""
        return (self.people, self.spaces) == (other.people, other.spaces)


NOTHING_GIVEN = Given()


def _never(_version: int) -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """
    What is known of the objects of one source at this moment.

    Attributes:
        given: By the rule file.
        learned: Looks an object up by kind and id.
        version: Grows when something was learned; what has been forgotten meanwhile still holds.
        changed_since: Lists kind and id of what was learned since a version; None where that is too long ago to say.
        directory: The memory that all this is of; versions of two of them say nothing of each other.
        recorded: What stands for what is known now; see `Directory.names`.
    """

    given: Given
    learned: Callable[[str, str], Facts | None]
    version: int = 0
    changed_since: Callable[[int], Sequence[tuple[str, str]] | None] = _never
    directory: Directory | None = None
    recorded: Seen | None = None

    def agree_with(self, earlier: Names, seen: Seen) -> bool:
        """Whether what was seen by earlier names would be seen again by these."""
        if self is earlier:
            return True
        if self.directory is not earlier.directory:
            return False
        if self.given is not earlier.given or self.recorded is not earlier.recorded:
            return False
        changed = self.changed_since(earlier.version) if self.version != earlier.version else ()
        return changed is not None and not any(object_id in seen.get(kind, ()) for kind, object_id in changed)


def _nothing(_kind: str, _object_id: str) -> None:
    return None


NO_NAMES = Names(NOTHING_GIVEN, _nothing)


class Directory:
    """
    What was learned, as far as it is in memory: the most recently used objects, and which ones nobody knows.

    Attributes:
        version: Grows whenever something that is known has changed.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        # As JSON text: an object of Python's takes five times the memory, and few are looked up often.
        self._facts: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._unknown: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._names: dict[str, Names] = {}
        self._latest: deque[tuple[str, str, str]] = deque(maxlen=_LATEST)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._complete: set[str] = set()
        self._size = 0
        self.version = 0

    def names(self, source: str, given: Given = NOTHING_GIVEN, recorded: Seen | None = None) -> Names:
        """
        Give what is known of the objects of a source.

        Args:
            recorded: What was seen when an event was judged; it stands for what is known now.
        """
        names = self._names.get(source)
        if names is None or names.given is not given or names.version != self.version:
            learned = partial(self.find, source)
            names = Names(given, learned, self.version, partial(self._changed_since, source), self)
            self._names[source] = names
        if recorded is not None:
            return replace(names, learned=partial(_recalled, recorded, names.learned), recorded=recorded)
        return names

    def _changed_since(self, source: str, version: int) -> Sequence[tuple[str, str]] | None:
        count = self.version - version
        if count > len(self._latest):
            return None
        latest = islice(reversed(self._latest), count)
        return [(kind, object_id) for changed, kind, object_id in latest if changed == source]

    def find(self, source: str, kind: str, object_id: str) -> Facts | None:
        key = (source, kind, object_id)
        text = self._facts.get(key)
        if text is None:
            return None
        self._facts.move_to_end(key)
        facts: Facts = parse_body(text)
        return facts

    def learn(self, source: str, kind: str, object_id: str, facts: Facts) -> None:
        """Remember what is known of an object now."""
        self._put((source, kind, object_id), dump_json(facts))

    def recall(self, source: str, known: Iterable[tuple[str, str, bytes]], *, is_all: bool = False) -> None:
        """
        Remember what the store knows: kind, id, facts as JSON.

        Args:
            is_all: The store knows nothing else of this source: what is not here need not be looked up there.
        """
        if is_all:
            self._complete.add(source)
        for kind, object_id, text in known:
            self._put((source, _ONE_TEXT.get(kind, kind), object_id), text)

    def _put(self, key: tuple[str, str, str], text: bytes) -> None:
        before = self._facts.get(key)
        if before != text:
            self.version += 1
            self._latest.append(key)
        if before is None:
            self._counts[key[:2]] += 1
        self._facts[key] = text
        self._facts.move_to_end(key)
        self._unknown.pop(key, None)
        self._size += len(text) - len(before or b"")
        while len(self._facts) > self._most or self._size > _MOST_BYTES:
            (source, kind, _), forgotten = self._facts.popitem(last=False)
            self._size -= len(forgotten)
            self._counts[source, kind] -= 1
            self._complete.discard(source)

    def learn_all(self, source: str, known: Iterable[tuple[str, str, Facts]]) -> None:
        """Remember several objects: kind, id, facts."""
        for kind, object_id, facts in known:
            self.learn(source, kind, object_id, facts)

    def miss(self, source: str, kind: str, object_id: str) -> None:
        """Remember that nothing is stored of an object, until something is learned of it."""
        key = (source, kind, object_id)
        if key not in self._facts:
            self._unknown[key] = None
            if len(self._unknown) > self._most:
                self._unknown.popitem(last=False)

    def counts(self) -> Counter[tuple[str, str]]:
        """Count the objects in memory, by source and kind."""
        return Counter(self._counts)

    def has_all(self, source: str) -> bool:
        """Whether memory has all that the store knows of a source."""
        return source in self._complete

    def is_unread(self, source: str, kind: str, object_id: str) -> bool:
        """Whether the store may know more of an object than memory does."""
        key = (source, kind, object_id)
        return source not in self._complete and key not in self._facts and key not in self._unknown


def _recalled(recorded: Seen, learned: Callable[[str, str], Facts | None], kind: str, object_id: str) -> Facts | None:
    found = recorded.get(kind)
    return found[object_id] if found is not None and object_id in found else learned(kind, object_id)
