"""What mails say: both parts of all 21 events in every shape of body, and of a rule's own words."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from router.events import Markup
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from tests.message_bodies import NAMED_PAGE, namespace_of

EMAIL = Style(Markup.HTML, "email", forwards_as_is=False, format="full")
OWN = {"email/mine.j2": "<b>{{ page.title }}</b>", "note.j2": "note: {{ page.title }}", "email/silent.j2": " "}
RENDERER = Renderer(OWN)
TITLE = '<script>alert(\'x\')</script> & "co" <a href="javascript:x">'


class Seen(HTMLParser):
    """What a reader sees of HTML, and the tags in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def mail(name: str, body: JSON, spec: MessageSpec | None = None) -> tuple[str, str, Seen]:
    message = RENDERER.render(spec or MessageSpec(), EMAIL, namespace_of(name, body))
    seen = Seen(message.html)
    assert seen.open == []
    return message.subject, message.text, seen


def test_names_and_links_are_shown() -> None:
    """Person, space, page and link, as soon as they are known."""
    subject, text, seen = mail("page.updated", {"page": NAMED_PAGE})
    address = "https://acme.teamwork.com/spaces/eng/page/5148-release-checklist"
    assert subject == "Page updated: Release checklist"
    assert text == f"Ada Byrne updated Release checklist in Engineering\n\n> Add rollback step\n\n{address}"
    assert seen.text == [
        *("Page updated", "Ada Byrne", "updated", "Release checklist", "in Engineering"),
        *("Add rollback step", "Open the page"),
    ]
    assert seen.links == [address, address]
    assert mail("page.deleted", {"page": NAMED_PAGE})[2].links == []


def test_subjects() -> None:
    """The subject names what the event is about; a rule's own one is taken, as plain text."""
    assert mail("space.imported", {"space": {"id": 1, "title": "Wiki"}})[0] == "Space imported: Wiki"
    assert mail("user.disabled", {"user": {"id": 1, "firstname": "Ada"}})[0] == "User disabled: Ada"
    assert mail("page.updated", {})[0] == "Page updated"
    own = MessageSpec(subject="{{ page.title }}\n!")
    assert mail("page.updated", {"page": {"id": 1, "title": "R&D <x>"}}, own)[0] == "R&D <x> !"


@pytest.mark.parametrize("name", ["page.updated", "comment.created", "space.imported", "user.updated", "tag.added"])
def test_hostile_titles_stay_text(name: str) -> None:
    """Nothing in a body becomes a tag, a link or an attribute."""
    model = name.partition(".")[0]
    fields = dict.fromkeys(("title", "name", "changeMessage", "purpose", "email"), TITLE)
    body = {model: {"id": 1, "page": {"id": 2, "title": TITLE}, "updatedBy": {"id": 3, "name": TITLE}, **fields}}
    _, text, seen = mail(name, body)
    assert seen.tags <= {"p", "h1", "strong", "blockquote"}
    assert seen.links == []
    assert "<script>" in text


def test_own_message_is_both_parts() -> None:
    """A rule's message is the text part, and escaped, with its lines and web addresses, the HTML part."""
    spec = MessageSpec(message="{{ page.title }}\nsecond\n\n\nSee https://x.example/a?b=1&c=2.")
    _, text, seen = mail("page.updated", {"page": {"id": 1, "title": "a <b> & c"}}, spec)
    assert text == "a <b> & c\nsecond\n\n\nSee https://x.example/a?b=1&c=2."
    assert seen.text == ["a <b> & c", "second", "See", "https://x.example/a?b=1&c=2", "."]
    assert seen.links == ["https://x.example/a?b=1&c=2"]
    assert seen.tags == {"p", "br", "a"}


def test_own_templates() -> None:
    """One in `email/` is HTML, and its text is read from it; one beside the folders is text; white space is silence."""
    body = {"page": {"id": 1, "title": "a <b>"}}
    message = RENDERER.render(MessageSpec(template="mine"), EMAIL, namespace_of("page.updated", body))
    assert (message.html, message.text) == ("<b>a &lt;b&gt;</b>", "a <b>")
    message = RENDERER.render(MessageSpec(template="note"), EMAIL, namespace_of("page.updated", body))
    assert (message.html, message.text) == ("<p>note: a &lt;b&gt;</p>", "note: a <b>")
    assert RENDERER.render(MessageSpec(template="silent"), EMAIL, namespace_of("page.updated", body)).is_empty
    named = RENDERER.render(MessageSpec(template="event", format="compact"), EMAIL, namespace_of("page.updated", body))
    assert named.html.endswith("Someone updated <strong>a &lt;b&gt;</strong></p>")


def test_problems_of_both_parts_are_found() -> None:
    """What is wrong in a template of either part is told before anything is sent."""
    renderer = Renderer({"email/page.j2": "{{ pag.title }}", "text/page.j2": "{{ page.title | nope }}"})
    found = [problem.template for problem in renderer.inspection.problems(MessageSpec(), EMAIL)]
    assert found == ["email/page.j2", "text/page.j2"]
    (problem,) = renderer.inspection.problems(MessageSpec(template="pages"), EMAIL)
    assert problem.sentence.startswith(
        "no template is named 'pages' in email/ or beside it; there are: alert, event, page (did you mean 'page'?)"
    )


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ("{{ page.title }}", "&lt;b&gt; &amp; c"),
        ("{{ page.title | escape | escape }}", "&lt;b&gt; &amp; c"),
        ("{{ page.title | escape | upper }}", "&lt;B&gt; &amp; C"),
        ("{{ '<i>' | raw ~ page.title }}", "<i>&lt;b&gt; &amp; c"),
        (
            "{{ page.title | link('https://x.example/?a=1&b=\"') }}",
            '<a href="https://x.example/?a=1&amp;b=&quot;">&lt;b&gt; &amp; c</a>',
        ),
        ("{{ page.title | link('javascript:alert(1)') }}", "&lt;b&gt; &amp; c"),
        ("{{ page.title | link('https://x.example') | truncate(3) }}", "&lt;b…"),
        ("{{ page.title | escape | excerpt }}", "&lt;b&gt; &amp; c"),
    ],
)
def test_escaping_of_html(template: str, html: str) -> None:
    """Values are escaped exactly once, through every filter."""
    renderer = Renderer({"email/t.j2": template})
    namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "<b> & c"}})
    assert renderer.render(MessageSpec(template="t"), EMAIL, namespace).html == html


def test_the_text_part_of_an_own_template_has_its_addresses() -> None:
    """Who reads without HTML can still follow the links."""
    renderer = Renderer({"email/t.j2": "<p>See {{ page.title | link('https://x.example/1') }}.</p>"})
    namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "Plan"}})
    assert renderer.render(MessageSpec(template="t"), EMAIL, namespace).text == "See Plan (https://x.example/1)."
