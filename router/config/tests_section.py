"""The section `tests`: events, and what the rules are expected to make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from router.config.nodes import Entry, Node, Scalar, kind_of, plain
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Sequence as ListNode
from router.config.problems import did_you_mean, listed, named, nearest
from router.config.reading import Reading
from router.config.references import literal
from router.config.rule_tests import NOTHING, Fragment, RuleTest
from router.config.targets import unknown_destination
from router.config.validate import Section, fit
from router.fields import Model, TextOrTexts
from router.messages.context import FIXED_WORDS
from router.payload import JSON
from router.rules.paths import path_problem
from router.samples import SAMPLES
from router.sources import KINDS, is_event_name, resource_and_action

EXAMPLE = "tests: [{name: pages are told, event: page.created, to: docs}]"

_LONGEST_NAME = 200
EXPECTATIONS = ("to", "rules", "not_rules", "text", "not_text", "subject")
_WORKED_OUT = frozenset({"event", "link"})
_LIKE_NOTHING = frozenset({"none", "nobody", "nowhere"})
_LIKE_NOTHING = frozenset({"none", "nobody", "nowhere", "no one"})


class RuleTestKeys(Model):
    """
    What a file says about one test.

    Attributes:
        name: A sentence on what is expected; no two tests have the same.
        event: Name of the event; its sample is the body, unless `payload` or `payload_file` gives another.
        source: The source that it comes from, where there are several.
        payload: The body, in the place of the sample.
        payload_file: Path of a file that holds the body, from the folder of this file; excludes `payload`.
        with_: Fields of the body that are set to other values.
        to: The destination or destinations that get a message, and no others; `nothing` where none does.
        rules: The rule or rules that match, maybe among others.
        not_rules: The rule or rules that do not match.
        text: A piece of text, or several, that all messages hold; or a map of destinations with these.
        not_text: The same, of what no message holds.
        subject: The same as `text`, of the subjects.
    """

    name: Annotated[str, Field(examples=["drafts stay silent"])]
    event: Annotated[str, Field(examples=["page.updated"])]
    source: Annotated[str | None, Field(examples=["spaces"])] = None
    payload: Annotated[JSON, Field(examples=[{"page": {"id": 5148, "title": "Release checklist"}}])] = None
    payload_file: Annotated[str | None, Field(examples=["payloads/page.json"])] = None
    with_: JSON = Field(default=None, alias="with", examples=[{"page.title": "Draft of the plan"}])
    to: Annotated[JSON, Field(examples=["docs", ["docs", "log"], "nothing"])] = None
    rules: Annotated[TextOrTexts, Field(examples=["pages"])] = ()
    not_rules: Annotated[TextOrTexts, Field(examples=["pages"])] = ()
    text: Annotated[JSON, Field(examples=["Release checklist", {"docs": ["Release", "checklist"]}])] = None
    not_text: Annotated[JSON, Field(examples=["Draft"])] = None
    subject: Annotated[JSON, Field(examples=["Page updated"])] = None


@dataclass(frozen=True)
class Known:
    """What tests may name: kinds of sources by name, destinations, and rules."""

    sources: Mapping[str, str | None]
    destinations: Collection[str]
    rules: Collection[str]


def read_tests(entry: Entry | None, known: Known, reading: Reading) -> tuple[RuleTest, ...]:
    """Read all tests; those with problems are left out, and the problems noted."""
    if entry is None:
        return ()
    if not isinstance(entry.value, ListNode):
        expected = f"expected a list, each test beginning with '- name: …', such as {EXAMPLE}"
        reading.error(entry, f"tests is {kind_of(entry.value)}; {expected}")
        return ()
    seen: dict[str, int] = {}
    found = []
    for number, node in enumerate(entry.value.items, 1):
        if not isinstance(node, MapNode):
            reading.error(node, "this test has no keys; expected at least name, event and to")
            continue
        own = literal(node, reading)
        assert isinstance(own, MapNode)  # noqa: S101 - a map stays one
        test = _TestReader(own, known, reading).read(number, seen)
        if test is not None:
            found.append(test)
    return tuple(found)


class _TestReader:
    """Reads one test."""

    def __init__(self, node: MapNode, known: Known, reading: Reading) -> None:
        self._node = node
        self._known = known
        self._reading = reading
        self._failed = False

    def read(self, number: int, seen: dict[str, int]) -> RuleTest | None:
        node = self._node
        name = self._name(seen)
        what = f"test {named(name)}" if name else f"test {number}"
        examples = {
            "name": "a sentence of its own, such as name: drafts stay silent",
            "event": "the name of an event, such as event: page.updated",
        }
        at = node.entries.get("name") or node
        section = Section(what, public=True, examples=examples)
        keys = fit(RuleTestKeys, node, at.value if isinstance(at, Entry) else at, section, self._reading)
        to = self._to()
        test = RuleTest(
            name=name,
            file=self._reading.file,
            line=node.place.line,
            event=self._event(),
            source=self._source(),
            payload=plain(node.entries["payload"].value) if "payload" in node.entries else None,
            payload_file=self._payload_file(),
            changed=self._changed(),
            to=to,
            rules=self._rules("rules"),
            not_rules=self._rules("not_rules"),
            text=self._fragments("text", to),
            not_text=self._fragments("not_text", to),
            subject=self._fragments("subject", to),
            lines={key: entry.place.line for key, entry in node.entries.items()},
        )
        meant = {nearest(key, RuleTestKeys.model_fields) for key in node.entries}  # a misspelt key is told of already
        if not meant & set(EXPECTATIONS):
            self._error(
                at.value if isinstance(at, Entry) else at,
                f"{what} expects nothing; give it at least one of: {listed(EXPECTATIONS)}",
            )
        return None if keys is None or self._failed else test

    def _error(self, at: Node | Entry, sentence: str) -> None:
        self._failed = True
        self._reading.error(at, sentence)

    def _text(self, key: str) -> Scalar | None:
        """The text under a key; what is none has been told of by the model."""
        entry = self._node.entries.get(key)
        value = entry.value if entry is not None else None
        return value if isinstance(value, Scalar) and isinstance(value.value, str) else None

    def _name(self, seen: dict[str, int]) -> str:
        scalar = self._text("name")
        if scalar is None:
            return ""
        name = str(scalar.value)
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            self._error(scalar, f"the name of a test is one line of at most {_LONGEST_NAME} characters")
        if name in seen:
            self._error(scalar, f"test name {named(name)} is already taken by the test at line {seen[name]}")
        seen.setdefault(name, scalar.place.line)
        return name

    # The event

    def _event(self) -> str:
        scalar = self._text("event")
        if scalar is None:
            return ""
        name = str(scalar.value)
        if not is_event_name(name):
            self._error(scalar, f"{named(name)} names no single event; expected one such as page.updated")
        elif name.lower() not in SAMPLES:
            kinds = [kind for kind in self._known.sources.values() if kind is not None] or list(KINDS)
            catalogue = [event for kind in dict.fromkeys(kinds) for event in KINDS[kind].catalogue]
            guess = did_you_mean(name, catalogue)
            if not self._node.entries.keys() & {"payload", "payload_file"}:
                self._error(scalar, f"there is no sample of {named(name)}; give its body under payload{guess}")
            elif name.lower() not in map(str.lower, catalogue):
                told = f"{named(name)} is none of the known events of {' or '.join(dict.fromkeys(kinds))}{guess}"
                self._reading.warn(scalar, "unknown-event", told)
        return name

    def _source(self) -> str | None:
        scalar = self._text("source")
        if scalar is None:
            return None
        name = str(scalar.value)
        if name not in self._known.sources:
            defined = listed(self._known.sources) or "none"
            guess = did_you_mean(name, self._known.sources)
            self._error(scalar, f"no source is named {named(name)}; the rule file defines: {defined}{guess}")
        return name

    def _payload_file(self) -> Path | None:
        scalar, entry = self._text("payload_file"), self._node.entries.get("payload_file")
        if entry is not None and "payload" in self._node.entries:
            self._error(entry, "payload and payload_file exclude each other; remove one of them")
        return Path(str(scalar.value)) if scalar is not None else None

    def _changed(self) -> Mapping[str, JSON]:
        entry = self._node.entries.get("with")
        if entry is None:
            return {}
        if not isinstance(entry.value, MapNode) or not entry.value.entries:
            self._error(entry, "with holds no fields; expected paths and values, such as with: {page.title: Roadmap}")
            return {}
        event = self._text("event")
        resource = resource_and_action(str(event.value))[0] if event is not None else "page"
        words = ({"payload", resource} | set(FIXED_WORDS)) - _WORKED_OUT
        for path, each in entry.value.entries.items():
            if path.split(".")[0] in _WORKED_OUT:
                told = (
                    f"{named(path)} cannot be set: it is worked out from the rest; expected a path such as page.title"
                )
                self._error(each, told)
            elif (problem := path_problem(path, words)) is not None:
                self._error(each, problem)
            elif "." not in path:
                self._error(each, f"{named(path)} is no field; expected a path such as page.title")
        return {path: plain(each.value) for path, each in entry.value.entries.items()}

    # What is expected

    def _to(self) -> tuple[str, ...] | None:
        entry = self._node.entries.get("to")
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, Scalar) and value.value == NOTHING:
            return ()
        items = value.items if isinstance(value, ListNode) else [value]
        for item in items:
            self._destination(item, entry)
        return tuple(str(item.value) for item in items if isinstance(item, Scalar))

    def _destination(self, node: Node, entry: Entry) -> None:
        if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool | float):
            expected = f"expected the name of a destination, a list of names, or {NOTHING}"
            is_empty = isinstance(node, Scalar) and node.value is None
            self._error(entry if is_empty else node, f"to is {'empty' if is_empty else kind_of(node)}; {expected}")
        elif str(node.value) not in self._known.destinations:
            told = unknown_destination(str(node.value), self._known.destinations)
            is_nobody = str(node.value).lower() in _LIKE_NOTHING
            self._error(node, f"{told}; if nobody is to get it, write {NOTHING}" if is_nobody else told)

    def _rules(self, key: str) -> tuple[str, ...]:
        entry = self._node.entries.get(key)
        if entry is None:
            return ()
        items = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        scalars = [item for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]
        if not items:
            self._error(entry, f"{key} is empty; name at least one rule, or remove the key")
        for scalar in scalars:
            name = str(scalar.value)
            if name not in self._known.rules:
                defined = f"the rule file has: {listed(self._known.rules)}{did_you_mean(name, self._known.rules)}"
                self._error(scalar, f"no rule is named {named(name)}; {defined}")
            elif key == "not_rules" and name in self._rules_named("rules"):
                self._error(scalar, f"rule {named(name)} stands under rules as well; it cannot match and not match")
        return tuple(str(scalar.value) for scalar in scalars)

    def _rules_named(self, key: str) -> Collection[Any]:
        told = plain(self._node.entries[key].value) if key in self._node.entries else ()
        return told if isinstance(told, list) else [told]

    def _fragments(self, key: str, to: tuple[str, ...] | None) -> tuple[Fragment, ...]:
        entry = self._node.entries.get(key)
        if entry is None:
            return ()
        if to == () and key != "not_text":
            self._error(entry, f"{key} is about messages, and by to: {NOTHING} there are none; remove one of them")
        if not isinstance(entry.value, MapNode):
            return self._pieces(key, entry, None)
        found: list[Fragment] = []
        for name, each in entry.value.entries.items():
            if name not in self._known.destinations:
                self._error(each, unknown_destination(name, self._known.destinations))
            elif to and name not in to and key != "not_text":
                self._error(each, f"{key} is about destination {named(name)}, which to does not name: {listed(to)}")
            found += self._pieces(key, each, name)
        return tuple(found)

    def _pieces(self, key: str, entry: Entry, destination: str | None) -> tuple[Fragment, ...]:
        items = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        pieces = [
            each.text for each in items if isinstance(each, Scalar) and each.value is not None and each.text.strip()
        ]
        if not items or len(pieces) < len(items):
            expected = "expected a piece of text, a list of them, or a map of destinations with these"
            self._error(entry, f"{key} holds what is no text, or nothing; {expected}")
        return tuple(Fragment(piece, destination) for piece in pieces)
