"""Built-in messages beyond what `messages/golden/` shows: names from bodies, hostile and endless texts, odd bodies."""

from __future__ import annotations

import pytest

from router.events import FORMATS, Format, Markup, Message
from router.messages.context import build_namespace
from router.messages.environment import _OUR_CODES
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON, dump_json
from router.samples import SAMPLES
from router.sources import KINDS
from tests.message_bodies import NAMED_PAGE, make_event, namespace_of

MARKUPS = {"slack": Markup.SLACK, "text": Markup.TEXT, "email": Markup.HTML}
RENDERER = Renderer()
ADDRESS = "https://acme.teamwork.com/spaces/eng/page/5148-release-checklist"


def message(folder: str, name: str, body: JSON, wanted: Format = "compact") -> Message:
    style = Style(MARKUPS[folder], folder, forwards_as_is=False, format=wanted)
    return RENDERER.render(MessageSpec(), style, namespace_of(name, body))


def test_names_are_used_where_the_body_has_them() -> None:
    """Person, space and link, as soon as they are known."""
    assert message("slack", "page.updated", {"page": NAMED_PAGE}).text == (
        f"*Ada Byrne* updated <{ADDRESS}|Release checklist> in Engineering: Add rollback step"
    )
    assert message("text", "page.updated", {"page": NAMED_PAGE}).text == (
        f"Ada Byrne updated Release checklist in Engineering: Add rollback step · {ADDRESS}"
    )
    comment = {"id": 1, "content": "<p>Fine &amp; good</p>", "page": NAMED_PAGE, "createdBy": NAMED_PAGE["updatedBy"]}
    assert message("slack", "comment.created", {"comment": comment}).text == (
        f"*Ada Byrne* commented on <{ADDRESS}|Release checklist> in Engineering: Fine &amp; good"
    )


def test_the_format_of_the_rule_comes_before_that_of_the_destination() -> None:
    """A rule asks for all there is to say although its destination mostly gets one line, and the other way round."""
    namespace = namespace_of("page.updated", {"page": NAMED_PAGE})
    for ruled, destined in (("full", "compact"), ("compact", "full")):
        style = Style(Markup.SLACK, "slack", forwards_as_is=False, format=destined)  # type: ignore[arg-type]
        found = RENDERER.render(MessageSpec(format=ruled), style, namespace)  # type: ignore[arg-type]
        assert (found.blocks is not None) == (ruled == "full")


def test_a_person_who_changes_their_own_account_is_named_once() -> None:
    """Not "Ada Byrne updated the account of Ada Byrne"; the body of such an event names the person only once."""
    user = {"id": 9, "firstname": "Ada", "lastname": "Byrne", "updatedBy": {"id": "9", "type": "users"}}
    assert message("text", "user.updated", {"user": user}).text == "Ada Byrne updated their own account"


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("folder", MARKUPS)
def test_a_removal_of_thousands_of_permissions(folder: str, wanted: Format) -> None:
    """Ten people are named, and the rest is counted, however many there are."""
    people = [{"requester": {"id": number, "name": f"Person {number}"}, "role": "edit"} for number in range(1, 15)]
    removed = [{"id": 1}, *people, *({"id": number} for number in range(60_000))]
    told = message(folder, "pagepermissions.deleted", {"pagepermissions": removed}, wanted)
    shown = told.blocks[2]["text"]["text"] if told.blocks else told.text
    assert "removed 60015 permissions on a page" in (told.blocks[1]["text"]["text"] if told.blocks else told.text)
    if wanted == "full":
        assert "Person 10: edit\nand 60005 more" in shown
        assert "Person 11" not in shown


@pytest.mark.parametrize("items", [5, "x" * 200, {"a": 1}, None])
def test_permissions_that_are_none(items: JSON) -> None:
    """A body may have anything in the place of the list."""
    body = {"pagepermissions": {"items": items}}
    assert message("text", "pagepermissions.deleted", body, "full").text == "Someone removed permissions on a page"


def test_bold_ends_where_it_should() -> None:
    """An asterisk in a title cannot end the bold around it, nor begin one."""
    text = message("slack", "page.created", {"page": {"id": 1, "title": "a *b* c*"}}).text
    assert text == "Someone created *a ∗b∗ c∗*"


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("folder", MARKUPS)
def test_hostile_titles_stay_in_their_place(folder: str, wanted: Format) -> None:
    """A title with line breaks, markup or a novel in it changes neither the lines of a message nor its markup."""
    title = "<!channel>\n\n> *x*   " + "y" * 1_000
    for name, model in [("page.updated", "page"), ("space.imported", "space"), ("tag.added", "tag")]:
        fields = {"id": 1, "title": title, "changeMessage": title, "purpose": title}
        found, usual = (message(folder, name, {model: {**fields, "title": each}}, wanted) for each in (title, "Title"))
        assert found.text.count("\n") == usual.text.count("\n")
        assert found.html.count("\n") == usual.html.count("\n")
        assert len(found.text) < 700
        assert "<!channel>" not in found.html
        assert folder != "slack" or "<" not in found.text + dump_json(found.blocks).decode()


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("folder", MARKUPS)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_novel_as_a_name_makes_no_novel(folder: str, name: str, wanted: Format) -> None:
    """However long the names and titles of a body, its message stays short enough to be sent and read."""
    long = "y" * 100_000
    person = {"id": 9, "firstname": long, "lastname": long}
    space = {"id": 42, "title": long, "code": "eng", "purpose": long}
    page = {"id": 5, "title": long, "slug": long, "space": space, "changeMessage": long}
    shared = {"id": 1, "page": page, "space": space, "createdBy": person, "updatedBy": person, "deletedBy": person}
    models = {"page": page | shared | {"id": 5}, "space": space | shared, "user": person | {"id": 8} | shared}
    resource = name.partition(".")[0]
    model = models.get(resource, shared | {"requester": {"name": long}, "role": long, "level": long, "details": long})
    found = message(folder, name, {resource: model}, wanted)
    assert len(found.text) < 1_500
    assert len(found.html) < 3_000


@pytest.mark.parametrize(
    "body", [[], "text", 7, None, {"page": []}, {"page": "x"}, {"page": {"title": {"a": [1]}, "space": []}}]
)
@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("folder", MARKUPS)
def test_bodies_of_no_known_shape_still_give_a_message(folder: str, wanted: Format, body: JSON) -> None:
    """Whatever was signed, the channel hears that something happened."""
    assert "Someone updated" in message(folder, "page.updated", body, wanted).text
    assert "Tag added" in message(folder, "tag.added", body, wanted).text


def test_a_comment_in_another_product_is_not_said_to_stand_on_a_page() -> None:
    """Teamwork Projects has events of the same names, about comments on tasks and files."""
    body = {"comment": {"id": 3, "content": "Fine"}, "eventCreator": {"id": 9, "firstName": "Kim", "lastName": "Osei"}}
    namespace = build_namespace(make_event("COMMENT.CREATED", body), KINDS["teamwork-projects"], None)
    style = Style(Markup.TEXT, "text", forwards_as_is=False)
    assert RENDERER.render(MessageSpec(), style, namespace).text == "Kim Osei commented: Fine"


def test_a_reload_does_not_compile_our_templates_again() -> None:
    """They are the same under every rule set; compiling takes a tenth of a second in which nothing else happens."""
    message("slack", "page.updated", {"page": NAMED_PAGE})
    compiled = dict(_OUR_CODES)
    assert compiled
    Renderer().render(MessageSpec(), Style(Markup.SLACK, "slack", forwards_as_is=False), namespace_of("page.updated"))
    assert compiled == _OUR_CODES


@pytest.mark.parametrize("folder", MARKUPS)
def test_an_event_outside_the_catalogue_reads_as_its_words(folder: str) -> None:
    """What it is about, and by whom, where the body says it."""
    tag = {"id": 1, "name": "urgent", "createdBy": {"id": 9, "name": "Kim Osei"}}
    text = message(folder, "tag.created", {"tag": tag}).text.replace("*", "")
    assert text == "Tag created: urgent by Kim Osei"
