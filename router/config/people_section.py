"""The sections `people` and `spaces`: names that the rule file gives to ids. They win over everything learned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from router.config.nodes import Entry, Node, has_unresolved, kind_of, plain
from router.config.nodes import Mapping as MapNode
from router.config.problems import listed, named
from router.config.reading import Reading
from router.config.references import literal
from router.config.validate import Section, fit
from router.fields import Model, whole
from router.messages.directory import Facts, Given

PEOPLE, SPACES = "people", "spaces"
_EXAMPLES = {PEOPLE: "9: {name: Ada Byrne, slack: U024BE7LH}", SPACES: "42: {name: Engineering, code: eng}"}
_ONE = {PEOPLE: "person", SPACES: "space"}

ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,20}", re.ASCII)
_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_CODE = re.compile(r"[^\s/?#]+")


def _matching(form: re.Pattern[str], expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _shape(form: re.Pattern[str]) -> Any:
    return Field(json_schema_extra={"pattern": whole(form)})


def _one_line(text: str) -> str:
    if not text.strip() or len(text) > 200 or not text.isprintable():
        raise ValueError("expected a name of one line, of at most 200 characters")
    return text.strip()


Name = Annotated[str, AfterValidator(_one_line)]


class PersonKeys(Model):
    """
    What the rule file says of one person.

    Attributes:
        name: As messages and conditions see it.
        slack: The member's id, as their profile in Slack shows it: `{{ actor.mention }}` calls them there.
        email: Their address, as conditions see it.
    """

    name: Annotated[Name | None, Field(examples=["Ada Byrne"])] = None
    slack: Annotated[
        Annotated[str, _matching(_SLACK_ID, "a member id such as U024BE7LH"), _shape(_SLACK_ID)] | None,
        Field(examples=["U024BE7LH"]),
    ] = None
    email: Annotated[
        Annotated[str, _matching(_EMAIL, "an address such as ada@example.com"), _shape(_EMAIL)] | None,
        Field(examples=["ada@example.com"]),
    ] = None


class SpaceKeys(Model):
    """
    What the rule file says of one space.

    Attributes:
        name: As messages and conditions see it.
        code: As it stands in the space's address `…/spaces/eng`; links need it.
    """

    name: Annotated[Name | None, Field(examples=["Engineering"])] = None
    code: Annotated[
        Annotated[str, _matching(_CODE, "the space's part of its address, such as eng"), _shape(_CODE)] | None,
        Field(examples=["eng"]),
    ] = None


def read_given(people: Entry | None, spaces: Entry | None, reading: Reading, *, of_source: bool) -> Given:
    """
    Read both sections of one place; what has problems is left out, and the problems noted.

    Args:
        of_source: They stand under a source, where references have been resolved already.
    """
    return Given(
        people=_objects(PEOPLE, PersonKeys, people, reading, of_source),
        spaces=_objects(SPACES, SpaceKeys, spaces, reading, of_source),
    )


def joined(under_source: Given, at_top: Given) -> Given:
    """Put what stands under the only source over what stands at the top of the file."""
    return Given({**at_top.people, **under_source.people}, {**at_top.spaces, **under_source.spaces})


def completed(older: Given, today: Given) -> Given:
    """Give what an older rule set says, and of what it leaves open, what today's says."""

    def both(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> Mapping[str, Facts]:
        return {each: {**new.get(each, {}), **old.get(each, {})} for each in {**new, **old}}

    return Given(both(older.people, today.people), both(older.spaces, today.spaces))


def check_single(top: MapNode, sources: int, reading: Reading) -> None:
    """Note sections at the top of a file with several sources: nobody could tell whose ids they are."""
    for key in (PEOPLE, SPACES):
        if key in top.entries and sources > 1:
            reading.error(
                top.entries[key],
                f"{key} stands at the top of a file with {sources} sources, whose ids may differ;"
                f" move it under the source that it belongs to",
            )


def _objects(
    key: str, model: type[PersonKeys | SpaceKeys], entry: Entry | None, reading: Reading, of_source: bool
) -> Mapping[str, Facts]:
    if entry is None:
        return {}
    if not isinstance(entry.value, MapNode):
        what = f"is {kind_of(entry.value)}" if plain(entry.value) is not None else "is empty"
        reading.error(entry, f"{key} {what}; expected ids with what they stand for, such as {_EXAMPLES[key]}")
        return {}
    found = {}
    for object_id, each in entry.value.entries.items():
        facts = _object(key, model, each, reading, of_source)
        if facts is not None:
            found[object_id] = facts
    return found


def _object(
    key: str, model: type[PersonKeys | SpaceKeys], entry: Entry, reading: Reading, of_source: bool
) -> Facts | None:
    one = _ONE[key]
    if not ID.fullmatch(entry.key):
        reading.error(entry, f"{named(entry.key)} is no id of a {one}; expected a number, such as {_EXAMPLES[key]}")
        return None
    node: Node = entry.value if of_source else literal(entry.value, reading)
    if not isinstance(node, MapNode):
        keys = listed(model.model_fields)
        reading.error(
            entry, f"{one} {entry.key} is {kind_of(node)}; expected keys out of {keys}, such as {_EXAMPLES[key]}"
        )
        return None
    # A name that nobody could look up is not known, and must not stand in a message.
    known = MapNode(node.place, {name: each for name, each in node.entries.items() if not has_unresolved(each.value)})
    read: Model | None = fit(model, known, entry, Section(f"{one} {entry.key}", public=True), reading)
    if read is None:
        return None
    told: dict[str, Any] = read.model_dump(exclude_none=True)
    if not told and not node.entries:
        reading.error(entry, f"{one} {entry.key} has no keys; expected one of: {listed(model.model_fields)}")
    return told
