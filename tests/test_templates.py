"""The built-in messages: all 21 events, in every shape of body, read as a person in the channel would."""

from __future__ import annotations

import re

import pytest

from router.events import Markup
from router.messages.library import built_in_templates
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from router.samples import SAMPLES
from tests.message_bodies import EVERY_SHAPE, namespace_of

STYLES = {"slack": Style(Markup.SLACK, "slack", False), "text": Style(Markup.TEXT, "text", False)}
RENDERER = Renderer()


def message(folder: str, name: str, body: JSON, site: str | None = "acme.teamwork.com") -> str:
    return RENDERER.render(MessageSpec(), STYLES[folder], namespace_of(name, body, site)).text


@pytest.mark.parametrize("folder", STYLES)
@pytest.mark.parametrize(("name", "shape", "body"), EVERY_SHAPE)
def test_every_event_reads_well_in_every_shape(folder: str, name: str, shape: str, body: JSON) -> None:
    """No `None`, no bare ids, no dangling mark, no double or trailing space; it says at least what happened."""
    text = message(folder, name, body)
    assert re.match(r"\*?(Access|Comment|Page|Plugin|Space|User|2 page permissions)\b", text)
    for unwanted in (
        r"\bNone\b",
        r"null",
        r"  ",
        r" $",
        r"\n\n",
        r"[:—–-]\*?$",
        r"\*\*",
        r"\* \*",
        r"<\|",
        r"\(\)",
        r"^>\s*$",
    ):
        assert not re.search(unwanted, text, re.MULTILINE), unwanted
    for number in ("5148", "42", "9", "7", "11", "301", "88", "61"):
        assert not re.search(rf"(?<![\d-]){number}\b", text), "an id is shown where a name belongs"
    assert "Someone" not in text or name == "access.created"


@pytest.mark.parametrize("folder", STYLES)
def test_every_template_is_without_problems(folder: str) -> None:
    """What we ship passes our own linter."""
    for name in built_in_templates():
        if name.startswith(folder):
            assert RENDERER.inspection.file_problems(name) == []


@pytest.mark.parametrize(
    ("name", "slack", "text"),
    [
        ("page.created", "*Page created*: Release checklist\n> Ship it.", "Page created: Release checklist\nShip it."),
        ("page.updated", "*Page updated*: Release checklist\n> Add rollback step", None),
        ("page.updated.moved", "*Page moved*: Release checklist", "Page moved: Release checklist"),
        ("page.updated.trashed", "*Page moved to the trash*: Release checklist", None),
        ("comment.created", "*Comment added*\n> Looks good", "Comment added\nLooks good"),
        ("access.created", "*Access requested*: Someone asks for read access\n> Need the runbooks", None),
        ("pagepermission.created", "*Page permission added*: edit", None),
        ("pagepermissions.deleted", "*2 page permissions removed*", "2 page permissions removed"),
        ("pluginstate.updated", "*Plugin state updated*", None),
        ("space.deleted", "*Space deleted*: Engineering", None),
        (
            "space.imported",
            "*Space imported*: <https://acme.teamwork.com/spaces/wiki|Imported wiki>\n> How we build",
            "Space imported: Imported wiki\nHow we build\nhttps://acme.teamwork.com/spaces/wiki",
        ),
        ("user.disabled", "*User disabled*: Ada Byrne", "User disabled: Ada Byrne"),
    ],
)
def test_samples(name: str, slack: str, text: str | None) -> None:
    """What the sample bodies look like in a channel."""
    body = namespace_of(name)["payload"]
    assert message("slack", name, body) == slack
    if text is not None:
        assert message("text", name, body) == text


def test_names_are_used_where_the_body_has_them() -> None:
    """Person, space and link, as soon as they are known."""
    page = {
        "id": 5148,
        "title": "Release checklist",
        "slug": "release-checklist",
        "changeMessage": "Add rollback step",
        "space": {"id": 42, "title": "Engineering", "code": "eng"},
        "updatedBy": {"id": 9, "firstname": "Ada", "lastname": "Byrne"},
    }
    address = "https://acme.teamwork.com/spaces/eng/page/5148-release-checklist"
    assert message("slack", "page.updated", {"page": page}) == (
        f"*Page updated*: <{address}|Release checklist> in Engineering by Ada Byrne\n> Add rollback step"
    )
    assert message("text", "page.updated", {"page": page}) == (
        f"Page updated: Release checklist in Engineering by Ada Byrne\nAdd rollback step\n{address}"
    )
    # What is gone has no address any more.
    assert address not in message("slack", "page.deleted", {"page": page})
    comment = {"id": 1, "content": "<p>Fine &amp; good</p>", "page": page, "createdBy": page["updatedBy"]}
    assert message("slack", "comment.created", {"comment": comment}) == (
        f"*Comment added* on <{address}|Release checklist> in Engineering by Ada Byrne\n> Fine &amp; good"
    )


@pytest.mark.parametrize("folder", STYLES)
def test_hostile_titles_stay_in_their_place(folder: str) -> None:
    """A title with line breaks, markup or a novel in it changes neither the lines of a message nor its markup."""
    title = "<!channel>\n\n> *x*   " + "y" * 1_000
    for name, model in [("page.updated", "page"), ("space.imported", "space"), ("tag.added", "tag")]:
        text = message(folder, name, {model: {"id": 1, "title": title, "changeMessage": title, "purpose": title}})
        assert text.count("\n") <= 1
        assert len(text) < 700
        assert folder == "text" or "<" not in text


@pytest.mark.parametrize("folder", STYLES)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_novel_as_a_name_makes_no_novel(folder: str, name: str) -> None:
    """However long the names and titles of a body, its message stays short enough to be sent and read."""
    long = "y" * 100_000
    person = {"id": 9, "firstname": long, "lastname": long}
    space = {"id": 42, "title": long, "code": "eng", "purpose": long}
    page = {"id": 5, "title": long, "slug": long, "space": space, "changeMessage": long}
    shared = {"id": 1, "page": page, "space": space, "createdBy": person, "updatedBy": person, "deletedBy": person}
    models = {"page": page | shared | {"id": 5}, "space": space | shared, "user": person | {"id": 8} | shared}
    resource = name.partition(".")[0]
    model = models.get(resource, shared | {"requester": {"name": long}, "role": long, "level": long, "details": long})
    assert len(message(folder, name, {resource: model})) < 1_500


@pytest.mark.parametrize(
    "body", [[], "text", 7, None, {"page": []}, {"page": "x"}, {"page": {"title": {"a": [1]}, "space": []}}]
)
@pytest.mark.parametrize("folder", STYLES)
def test_bodies_of_no_known_shape_still_give_a_message(folder: str, body: JSON) -> None:
    """Whatever was signed, the channel hears that something happened."""
    assert "Page updated" in message(folder, "page.updated", body)
    assert "Tag added" in message(folder, "tag.added", body)
