"""What is said of unknown fields is true: whatever an event has is known, and a misspelt field is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from router.documented import unknown_field
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
