"""What is said of unknown fields is true: whatever an event has is known, and a misspelt field is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from router.documented import Kind, kind_of_field, telling_fields, unknown_field
from router.messages.environment import TemplateReader
from router.messages.library import built_in_templates
from router.messages.occasions import Knowing, occasion
from router.messages.render import FIRST_WORDS
from router.messages.used_fields import used_fields
from router.payload import JSON
from router.samples import SAMPLES

Step = str | int


def paths_in(value: JSON, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """All paths that lead to something."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from paths_in(below, (*path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from paths_in(below, (*path, number))


@pytest.mark.parametrize("knowing", ["everything", "nothing"])
@pytest.mark.parametrize("event", SAMPLES)
def test_whatever_an_event_has_is_a_known_field(event: str, knowing: Knowing) -> None:
    """No field of a sample, nor one that a known name adds, is ever called unknown."""
    paths = list(paths_in(dict(occasion(event, knowing).namespace)))
    assert len(paths) > 20
    assert [path for path in paths if unknown_field(path, in_template=True)] == []
    texts = [[str(step) for step in path] for path in paths]
    assert [path for path in texts if unknown_field(path, in_template=False)] == []


@pytest.mark.parametrize("name", built_in_templates())
def test_our_own_templates_ask_for_known_fields(name: str) -> None:
    """The built-in messages hold no misspelt field."""
    reader = TemplateReader(FIRST_WORDS, lambda _name: True)
    fields = used_fields(reader.parse(built_in_templates()[name]), FIRST_WORDS)
    assert [field for field in fields if unknown_field(field.path, in_template=True)] == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("page.titel", "unknown field 'page.titel' (did you mean 'title'?)"),
        ("page.Title", "unknown field 'page.Title' (did you mean 'title'?)"),
        ("page.title.length", "unknown field 'page.title.length': page.title is a single value and has no fields"),
        ("actor.firstname", "unknown field 'actor.firstname'; actor has: id, name, email, mention, slack"),
        ("comment.page.space.cod", "unknown field 'comment.page.space.cod' (did you mean 'code'?)"),
        ("pagepermission.requester.nam", "unknown field 'pagepermission.requester.nam' (did you mean 'name'?)"),
        ("access.levl", "unknown field 'access.levl' (did you mean 'level'?)"),
        ("user.fistname", "unknown field 'user.fistname' (did you mean 'firstname'?)"),
        ("changes.title.befor", "unknown field 'changes.title.befor' (did you mean 'before'?)"),
    ],
)
def test_a_misspelt_field_is_told(path: str, told: str) -> None:
    """The sentence names the field and what was probably meant, or what there is."""
    assert unknown_field(path.split("."), in_template=True) == told


@pytest.mark.parametrize(
    "path",
    [
        "payload.page.titel",
        "pluginstate.anything",
        "pagepermissions.items",
        "task.name",
        "page.meta.wordCount",
        "page.breadcrumb.trash.0.slug",
        "page.titel.more",  # `page.titel` is told, where that is asked for
        "page",
    ],
)
def test_what_nobody_documents_is_left_alone(path: str) -> None:
    """Bodies may hold anything there, so nothing is said."""
    assert unknown_field(path.split("."), in_template=True) is None


def test_a_condition_looks_into_lists_and_a_template_does_not() -> None:
    """`page.tags.name` is any tag's name in a condition; in a template it is nothing, and the way out is named."""
    assert unknown_field(["page", "tags", "name"], in_template=False) is None
    told = unknown_field(["page", "tags", "name"], in_template=True) or ""
    assert 'page.tags | map("name")' in told


_RIGHT = {
    Kind.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Kind.FLAG: lambda value: isinstance(value, bool),
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.TIME: lambda value: isinstance(value, str) and datetime.fromisoformat(value).year > 2000,
}


@pytest.mark.parametrize("knowing", ["everything", "nothing"])
@pytest.mark.parametrize("event", SAMPLES)
def test_what_is_said_of_values_is_true_of_every_sample(event: str, knowing: Knowing) -> None:
    """A field that is called a number holds one in each event, or nothing; what is no number is never warned of."""
    namespace = occasion(event, knowing).namespace
    judged = 0
    for path in paths_in(dict(namespace)):
        kind = kind_of_field([str(step) for step in path])
        value: JSON = namespace
        for step in path:
            value = value[step]
        if kind is not None and value is not None:
            judged += 1
            assert _RIGHT[kind](value), (path, kind, value)
    assert judged > 3


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("space.id", Kind.NUMBER),
        ("page.isPrivate", Kind.FLAG),
        ("comment.page.space.code", Kind.TEXT),
        ("event.received_at", Kind.TIME),
        ("event.id", None),
        ("payload.space.id", None),
        ("page.tags.id", None),
        ("page.state", None),
        ("page", None),
        ("nothing.id", None),
    ],
)
def test_only_what_is_beyond_doubt_has_a_kind(path: str, kind: Kind | None) -> None:
    """What nobody documents may hold anything, and so may what the sender calls as it likes."""
    assert kind_of_field(path.split(".")) is kind


def test_fields_that_say_it_in_words() -> None:
    """Whoever compares an id with a name is led to the field that holds names."""
    assert telling_fields(["space", "id"]) == ["space.code", "space.name"]
    assert telling_fields(["comment", "createdBy", "id"]) == ["comment.createdBy.name", "comment.createdBy.email"]
    assert telling_fields(["page", "parentId"]) == []
