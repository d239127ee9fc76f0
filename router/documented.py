"""
Fields of the models of Spaces, as far as they are documented, and what we add to them: so a misspelt field can be told.

Source: the vendor's API reference, its Go SDK and public schemas of the same API, read 2026-11. Bodies may hold more;
what is not here is worth a hint and never more than that. `payload`, and models that nobody documents, hold anything.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Leaf(Enum):
    """What has no known fields: a text, number or the like, which has none at all; or what may hold anything."""

    VALUE = "value"
    OPEN = "open"


@dataclass(frozen=True)
class Many:
    """A list."""

    of: Shape


Fields: TypeAlias = Mapping[str, "Shape"]
Shape: TypeAlias = "Fields | Many | Leaf"
Step: TypeAlias = "str | int"
"""A field, or the number of an item."""

_LONGEST_GUESSED = 100
_LIKENESS = 0.75
"""Of a guess to what was written: a field that is not there at all shall not be taken for some other."""

_MOST_LISTED = 16
_NOT_SHOWN = frozenset({"type", "meta", "userId", "spaceId", "pageId", "homePageId", "parentID", "category"})


def _values(names: str) -> dict[str, Shape]:
    return dict.fromkeys(names.split(), Leaf.VALUE)


_REFERENCE: dict[str, Shape] = {**_values("id type userId spaceId pageId"), "meta": Leaf.OPEN}
_PERSON: Fields = {**_REFERENCE, **_values("name email mention slack")}
_COMMON: dict[str, Shape] = {
    **_REFERENCE,
    **dict.fromkeys(("createdBy", "updatedBy", "deletedBy"), _PERSON),
    **_values("createdAt updatedAt deletedAt"),
    **dict.fromkeys(("LinkedInstallation", "installation", "LinkedCategory", "category"), Leaf.OPEN),
}

_SPACE: Fields = {
    **_values("id name title code purpose state icon spaceColor banner bannerX bannerY projectId collaboratorsCount"),
    "homepage": Leaf.OPEN,
    "collaborators": Many(Leaf.OPEN),
    **_COMMON,
    **_values("homePageId isHomepageHeaderEnabled"),
}
_PARENT: Fields = _values("id title slug")
_PAGE: Fields = {
    **_values("id title slug content summary state changeMessage"),
    "space": _SPACE,
    "parent": _PARENT,
    "tags": Many(Leaf.OPEN),
    **_COMMON,
    **_values("parentId contentRevision draftVersion order isHomePage isPublished isPrivate isRequiredReading"),
    **_values("isFullWidth readerInlineCommentsEnabled"),
    "banner": _values("url x y"),
    **dict.fromkeys(("publicShare", "breadcrumb", "meta", "reactions"), Leaf.OPEN),
}
_COMMENT: Fields = {
    **_values("id content state"),
    "page": _PAGE,
    "space": _SPACE,
    **_COMMON,
    **_values("parentId parentID identifier selection isPrivate"),
    "parent": Leaf.OPEN,
}
_USER: Fields = {
    **_PERSON,
    **_values("firstname lastname firstName lastName state isAdmin isOnboarded userType avatar"),
    **_COMMON,
    **dict.fromkeys(("preferences", "LinkedCompany", "company"), Leaf.OPEN),
}
_ACCESS: Fields = {**_values("id details level state"), "space": _SPACE, "access": Leaf.OPEN, **_COMMON}
_PAGE_PERMISSION: Fields = {**_values("id role"), "page": _PAGE, "requester": _PERSON, **_COMMON}

_CHANGE: Fields = _values("before after")
_CHANGES: Fields = {
    **dict.fromkeys(("title", "name", "state", "role"), _CHANGE),
    "parent": dict.fromkeys(("before", "after"), _PARENT),
    "space": dict.fromkeys(("before", "after"), _values("id name code")),
    "tags": dict.fromkeys(("before", "after", "added", "removed"), Many(Leaf.VALUE)),
}

_WORDS: Fields = {
    "event": _values("id name resource action title verb source received_at"),
    "actor": _PERSON,
    "page": _PAGE,
    "space": _SPACE,
    "comment": _COMMENT,
    "user": _USER,
    "access": _ACCESS,
    "pagepermission": _PAGE_PERMISSION,
    "changes": _CHANGES,
    "link": Leaf.VALUE,
    "rule": _values("name"),
    "destination": _values("name type"),
}
"""What the first words of a path lead to, for events of Spaces."""


class Kind(Enum):
    """What the value of a field is, where that is beyond doubt."""

    NUMBER = "a number"
    FLAG = "true or false"
    TEXT = "a text"
    TIME = "a time"


_KINDS: Mapping[str, Kind] = {
    word: kind
    for kind, words in {
        Kind.NUMBER: "id projectId collaboratorsCount contentRevision",
        Kind.FLAG: "isHomePage isPublished isPrivate isRequiredReading isFullWidth isAdmin isOnboarded"
        " isHomepageHeaderEnabled readerInlineCommentsEnabled",
        Kind.TEXT: "title name slug code email content summary changeMessage firstname lastname",
        Kind.TIME: "createdAt updatedAt deletedAt received_at",
    }.items()
    for word in words.split()
}
_OF_THE_ROUTER = frozenset({"event", "rule", "destination"})
"""First words below which an `id` is a text."""
_TELLING = ("code", "name", "email", "title")


def kind_of_field(path: Sequence[Step]) -> Kind | None:
    """Say what a field holds, a list of them each; None where nothing says so."""
    kind = _KINDS.get(str(path[-1])) if _shape_at(path) is Leaf.VALUE and len(path) > 1 else None
    return None if kind is Kind.NUMBER and path[0] in _OF_THE_ROUTER else kind


def fields_below(path: Sequence[str], *, as_number: bool) -> list[str]:
    """
    List the fields to ask for in the place of an object, which is equal to nothing; none where a path leads elsewhere.

    Args:
        as_number: Those that hold a number, not a text.
    """
    shape = _shape_at(path)
    fields = shape if isinstance(shape, Mapping) else {}
    return [".".join((*path, word)) for word in (("id",) if as_number else _TELLING) if word in fields][:2]


def _shape_at(path: Sequence[Step]) -> Shape:
    """What a path leads to; what nobody documents may hold anything."""
    shape: Shape = _WORDS.get(str(path[0]), Leaf.OPEN)
    for step in path[1:]:
        while isinstance(shape, Many) and not _is_number(step):
            shape = shape.of
        below = _below(shape, step)
        if below is None:
            return Leaf.OPEN
        shape = below
    return shape


def telling_fields(path: Sequence[str]) -> list[str]:
    """List the fields beside one that say in words what it says in a number: of `space.id` code and name."""
    shape: Shape = _WORDS.get(path[0], Leaf.OPEN)
    for step in path[1:-1]:
        shape = shape.of if isinstance(shape, Many) else shape
        shape = shape.get(step, Leaf.OPEN) if isinstance(shape, Mapping) else Leaf.OPEN
    fields = shape if isinstance(shape, Mapping) and path[-1] == "id" else {}
    return [".".join((*path[:-1], word)) for word in _TELLING if word in fields][:2]


def unknown_field(path: Sequence[Step], *, in_template: bool) -> str | None:
    """
    Say what is wrong with a path whose last step leads to a field that nothing documents; None where all is well.

    A path that goes wrong earlier is for whoever asks about that part of it.

    Args:
        in_template: Lists have no fields of their own there; a condition looks into each of their elements.
    """
    shape: Shape = _WORDS.get(str(path[0]), Leaf.OPEN)
    for position, step in enumerate(path[1:], 1):
        if shape is Leaf.OPEN:
            return None
        while isinstance(shape, Many) and not _is_number(step) and not in_template:
            shape = shape.of
        below = _below(shape, step)
        if below is None:
            return _sentence(path, shape) if position == len(path) - 1 else None
        shape = below
    return None


def _below(shape: Shape, step: Step) -> Shape | None:
    """What a step leads to; None where it leads nowhere."""
    if isinstance(shape, Many):
        return shape.of if _is_number(step) else None
    if isinstance(shape, Leaf):
        return None if shape is Leaf.VALUE and isinstance(step, str) else shape
    return shape.get(step) if isinstance(step, str) else Leaf.OPEN


def _is_number(step: Step) -> bool:
    return isinstance(step, int) or (step.isascii() and step.isdigit())


def _sentence(path: Sequence[Step], above: Shape) -> str:
    whole, container = _written(path), _written(path[:-1])
    if isinstance(above, Many):
        write = f'write {container} | map("{path[-1]}"), or go over it with for'
        return f"unknown field '{whole}': {container} is a list; {write}"
    if not isinstance(above, Mapping):
        return f"unknown field '{whole}': {container} is a single value and has no fields"
    word = str(path[-1])[:_LONGEST_GUESSED]
    folded = {name.casefold(): name for name in reversed(list(above))}  # of two spellings the first
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=_LIKENESS)
    if close:
        return f"unknown field '{whole}' (did you mean '{folded[close[0]]}'?)"
    return f"unknown field '{whole}'; {container} has: {_listed(above)}"


def _listed(fields: Fields) -> str:
    """The fields that people use: neither older spellings nor what only the vendor's code needs."""
    shown = [name for name in fields if name not in _NOT_SHOWN and name[0].islower()]
    more = len(shown) - _MOST_LISTED
    return ", ".join(shown[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _written(path: Sequence[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
