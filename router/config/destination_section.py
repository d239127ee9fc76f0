"""The section `destinations`: named places, each checked by its type's own model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from router.config.keys import LATER, NAME, fields_of, is_public
from router.config.nodes import Entry, Mapping, Node, Place, Scalar, kind_of, plain
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.config.references import Outside, expand, read_files
from router.config.validate import Section, fit
from router.destinations.base import Destination, destination_types

EXAMPLE = 'destinations: {docs: {type: slack, url: "${SLACK_URL}"}}'

_EXAMPLES = {
    "url": "the URL that the service shows, such as url: ${SLACK_URL}, or url_file",
    "smtp": "the mail server, such as smtp: smtp://mail.example.com:587",
    "from": "the sender, such as from: wiki@example.com",
}
COMMON_KEYS = tuple(fields_of(Destination))


@dataclass
class Types:
    """
    The destinations of a file by name.

    Attributes:
        by_name: The type of each, also of one whose settings have problems; None where the type is unknown.
        built: Those without problems.
        nodes: The tree of each, with the defaults beneath it.
    """

    by_name: dict[str, type[Destination] | None] = field(default_factory=dict)
    built: dict[str, Destination] = field(default_factory=dict)
    nodes: dict[str, Mapping] = field(default_factory=dict)


def check_name(name: str, what: str, at: Node | Entry | Place, reading: Reading) -> None:
    """Note a name that is not made of lower-case letters, digits and `_.- `."""
    if NAME.fullmatch(name):
        return
    guess = re.sub(r"[^a-z0-9_. -]+", "-", name.lower()).strip("-_. ")
    hint = f" (did you mean '{guess}'?)" if guess and NAME.fullmatch(guess) else ""
    expected = "expected lower-case letters, digits, spaces, '_', '.' and '-', beginning with a letter or digit"
    length = ", at most 100 characters" if len(name) > 100 else ""
    reading.error(at, f"{what} name {named(name)} cannot be used; {expected}{length}{hint}")


def read_destinations(entry: Entry | None, shared: Mapping | None, reading: Reading, outside: Outside) -> Types:
    """
    Read all destinations.

    Args:
        shared: `defaults.destinations`, whose keys stand beneath those of each destination.
    """
    types = Types()
    if entry is None:
        return types
    if not isinstance(entry.value, Mapping) or not entry.value.entries:
        what = f"is {kind_of(entry.value)}" if plain(entry.value) else "holds no destination"
        reading.error(entry, f"destinations {what}; expected at least one by its name, such as {EXAMPLE}")
        return types
    beneath = {} if shared is None else {key: each for key, each in shared.entries.items() if key in COMMON_KEYS}
    for name, each in entry.value.entries.items():
        check_name(name, "destination", each, reading)
        types.by_name[name] = None
        if not isinstance(each.value, Mapping):
            if name in ("type", "url"):
                where = "write the name above it and its keys further right below that"
                reading.error(each, f"the key '{name}' stands where the name of a destination is expected; {where}")
            else:
                reading.error(each, f"destination {named(name)} has no keys; expected at least its type")
            continue
        node = expand(each.value, reading, outside)
        assert isinstance(node, Mapping)  # noqa: S101 - a map stays one
        model = types.by_name[name] = _type(name, each, node, reading)
        if model is not None:
            own = {key: below for key, below in node.entries.items() if key != "type"}
            shared_by_it = {key: below for key, below in beneath.items() if not _is_own_name(key, below, name)}
            types.nodes[name] = read_files(Mapping(node.place, {**shared_by_it, **own}), model, reading, outside)
            _build(name, model, each, types, reading)
    return types


def _is_own_name(key: str, entry: Entry, name: str) -> bool:
    """A fallback that all destinations share is none for itself."""
    return key == "fallback" and isinstance(entry.value, Scalar) and entry.value.value == name


def _build(name: str, model: type[Destination], entry: Entry, types: Types, reading: Reading) -> None:
    later = LATER["destination"] - set(fields_of(model))
    section = Section(f"destination {named(name)}", later, further=("type",), examples=_EXAMPLES)
    built = fit(model, types.nodes[name], entry, section, reading)
    if built is not None:
        types.built[name] = built


def _type(name: str, entry: Entry, node: Mapping, reading: Reading) -> type[Destination] | None:
    known = destination_types()
    given = node.entries.get("type")
    expected = f"expected one of: {listed(known)}"
    if given is None:
        reading.error(entry, f"destination {named(name)} lacks the key 'type'; {expected}")
        return None
    value = given.value
    if not isinstance(value, Scalar) or not isinstance(value.value, str) or not value.value:
        reading.error(value, f"type is no text; {expected}")
        return None
    if value.value in known:
        return known[value.value]
    if value.value.lower() in LATER["type"]:
        reading.error(
            value, f"the destination type '{value.value.lower()}' is not available in this version yet; {expected}"
        )
    else:
        shown = (
            "destination type"
            if value.outside or not is_public("type", value.text)
            else f"destination type {named(value.value)}"
        )
        reading.error(value, f"unknown {shown}; {expected}{did_you_mean(value.value, known)}")
    return None
