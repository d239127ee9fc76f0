"""From a rule's message settings to the message: which template speaks, and what structures become."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from tests.message_bodies import namespace_of

SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
SLACK_FULL = Style(Markup.SLACK, "slack", forwards_as_is=False, format="full")
LOG = Style(Markup.TEXT, "text", forwards_as_is=False)
HTTP = Style(Markup.TEXT, "text", forwards_as_is=True)
MOVED = namespace_of("page.updated.moved")


def rendered(template: str, namespace: dict[str, JSON] = MOVED, style: Style = LOG) -> str:
    return Renderer().render(MessageSpec(message=template), style, namespace).text


class TestChoosingATemplate:
    def test_a_rule_without_any_message_gets_the_built_in_one(self) -> None:
        """`events` and `to` are enough for a good message."""
        assert Renderer().render(MessageSpec(), SLACK, MOVED).text == "Someone moved *Release checklist*"
        assert Renderer().render(MessageSpec(), LOG, MOVED).text == "Someone moved Release checklist"

    def test_the_most_specific_template_wins(self) -> None:
        """`page.updated.moved.j2` before `page.updated.j2`, `page.j2` and `event.j2`; names ignore case."""
        own = {f"slack/{name}.j2": name for name in ("page.updated.moved", "page.updated", "page", "event")}
        for name in list(own)[:3]:
            namespace = namespace_of("page.updated.moved")
            assert Renderer(own).render(MessageSpec(), SLACK, namespace).text == own[name]
            namespace["event"]["name"] = "Page.Updated.MOVED"
            assert Renderer(own).render(MessageSpec(), SLACK, namespace).text == own[name]
            del own[name]
        unknown = namespace_of("tag.added", {"tag": {"id": 1, "name": "urgent"}})
        assert Renderer().render(MessageSpec(), SLACK, unknown).text == "*Tag added*: urgent"
        assert Renderer({"slack/event.j2": "mine"}).render(MessageSpec(), SLACK, unknown).text == "mine"

    def test_a_file_of_the_format_wins_over_one_of_any(self) -> None:
        """At each step of the name, `page.full` before `page`; a more specific name before any format."""
        own = {f"slack/{name}.j2": name for name in ("page.updated", "page.full", "page", "event.full")}
        for left, full, compact in (
            ([], "page.updated", "page.updated"),
            (["page.updated"], "page.full", "page"),
            (["page.full"], "page", "page"),
            (["page"], "event.full", "Someone moved *Release checklist*"),
        ):
            for name in left:
                del own[f"slack/{name}.j2"]
            assert Renderer(own).render(MessageSpec(), SLACK_FULL, MOVED).text == full
            assert Renderer(own).render(MessageSpec(), SLACK, MOVED).text == compact

    def test_an_own_file_of_any_format_wins_over_a_built_in_one(self) -> None:
        """Whoever writes `slack/event.j2` means all events in both formats, although ours are for one each."""
        for style in (SLACK, SLACK_FULL):
            message = Renderer({"slack/event.j2": "mine"}).render(MessageSpec(), style, MOVED)
            assert (message.text, message.blocks) == ("mine", None)

    def test_an_own_piece_words_every_message_anew(self) -> None:
        """`shared/sentence.j2` is part of all messages: of Slack's, of both parts of mails, and of plain text."""
        renderer = Renderer({"shared/sentence.j2": "{{ page.title | bold }} bewegte sich"})
        assert renderer.render(MessageSpec(), SLACK, MOVED).text == "*Release checklist* bewegte sich"
        assert renderer.render(MessageSpec(), LOG, MOVED).text == "Release checklist bewegte sich"
        mail = renderer.render(MessageSpec(), Style(Markup.HTML, "email", False, "full"), MOVED)
        assert "<strong>Release checklist</strong> bewegte sich" in mail.html
        assert mail.text == "Release checklist bewegte sich"

    def test_a_named_template_may_have_formats_too(self) -> None:
        """`template: note` is `slack/note.full.yaml` where everything is wanted, else `slack/note.j2`."""
        own = {"slack/note.full.yaml": "", "slack/note.j2": "short"}
        renderer = Renderer(own, {"slack/note.full.yaml": {"text": "long", "blocks": [{"type": "divider"}]}})
        spec = MessageSpec(template="note")
        assert renderer.render(spec, SLACK, MOVED).text == "short"
        assert renderer.render(spec, SLACK_FULL, MOVED) == Message(text="long", blocks=[{"type": "divider"}])
        for exact in ("note.full", "note.full.yaml"):
            assert renderer.render(MessageSpec(template=exact), SLACK, MOVED).text == "long"
        assert "note" in renderer.inspection.problems(MessageSpec(template="nte"), SLACK)[0].sentence

    def test_a_named_template_is_looked_for_in_the_folder_first(self) -> None:
        """`template: my-note` is `slack/my-note.j2`, or else `my-note.j2`."""
        own = {"slack/my-note.j2": "for Slack", "my-note.j2": "for all", "other/my-note.j2": "never"}
        spec = MessageSpec(template="my-note")
        assert Renderer(own).render(spec, SLACK, MOVED).text == "for Slack"
        assert Renderer(own).render(spec, LOG, MOVED).text == "for all"
        assert Renderer(own).render(MessageSpec(template="my-note.j2"), LOG, MOVED).text == "for all"
        assert Renderer(own).render(MessageSpec(template="event"), LOG, MOVED).text == "Someone moved Release checklist"

    def test_own_templates_include_and_import_others(self) -> None:
        """An own template may use the built-in one and own macros."""
        own = {
            "slack/note.j2": "{% from 'parts.j2' import loud %}{{ loud(page.title) }} | "
            "{% include 'slack/event.compact.j2' %}",
            "parts.j2": "{% macro loud(x) %}_{{ x }}_{% endmacro %}",
        }
        text = Renderer(own).render(MessageSpec(template="note"), SLACK, MOVED).text
        assert text == "_Release checklist_ | Someone moved *Release checklist*"

    def test_an_event_goes_out_as_it_came_where_the_type_does_so(self) -> None:
        """`http` forwards without message, template and body; a subject or blocks alone change nothing."""
        for spec in (MessageSpec(), MessageSpec(subject="x"), MessageSpec(blocks=[])):
            assert Renderer().render(spec, HTTP, MOVED).forward
        assert Renderer().render(MessageSpec(message="{{ page.id }}"), HTTP, MOVED) == Message(text="5148")
        assert Renderer().render(MessageSpec(template="event"), HTTP, MOVED).text == "Someone moved Release checklist"

    def test_what_a_type_does_not_know_gives_way_to_the_built_in_text(self) -> None:
        """A rule for several destinations may have a body or blocks: the others get their own text."""
        body, blocks = MessageSpec(body={"a": 1}, has_body=True), MessageSpec(blocks=[{"type": "divider"}])
        assert Renderer().render(body, SLACK, MOVED).text.startswith("Someone moved")
        assert Renderer().render(blocks, LOG, MOVED).text.startswith("Someone moved")

    def test_rule_and_destination_are_words_too(self) -> None:
        """The caller adds them; a renderer works without."""
        assert rendered("{{ rule.name }}|{{ destination.name }}") == "|"
        assert rendered("{{ rule.name }}", {**MOVED, "rule": {"name": "page changes"}}) == "page changes"


class TestStructures:
    @pytest.mark.parametrize(
        ("leaf", "value"),
        [
            ("{{ page.id }}", 5148),
            ("{{page.tags}}", []),
            ("{{ page.isPublished }}", True),
            ("{{ page.changeMessage }}", None),
            ("{{ page.nope.nope }}", None),
            ("{{ page.space }}", {"id": 42, "type": "spaces"}),
            ("{{ page.id + 1 }}", 5149),
            ("{{ page.title | upper }}", "RELEASE CHECKLIST"),
            ("{{ [page.nope, page.id] }}", [None, 5148]),
            ("{{ page.id }}\n", 5148),
            (" {{ page.id }}", " 5148"),
            ("{{ page.id }}{{ page.id }}", "51485148"),
            ("{% if true %}{{ page.id }}{% endif %}", "5148"),
            ("{{ page.content | mrkdwn }}", "Ship it."),
            ("no template", "no template"),
            ("{ curly }", "{ curly }"),
            (7, 7),
            (None, None),
            (True, True),
        ],
    )
    def test_one_expression_keeps_its_type(self, leaf: JSON, value: JSON) -> None:
        """A text that is one expression gives its value; any other gives text; what is no text stays."""
        spec = MessageSpec(body={"a": [leaf], "{{ page.id }}": 1}, has_body=True)
        assert Renderer().render(spec, HTTP, MOVED) == Message(body={"a": [value], "{{ page.id }}": 1}, has_body=True)

    @pytest.mark.parametrize("body", [None, "{{ page.id }}", [], 0])
    def test_a_body_is_any_json(self, body: JSON) -> None:
        """Also null, a single text or an empty list is a body."""
        message = Renderer().render(MessageSpec(body=body, has_body=True), HTTP, MOVED)
        assert message.has_body
        assert message.body == (5148 if body else body)

    def test_a_whole_payload_can_be_passed_on(self) -> None:
        """`{{ payload }}` is the parsed body itself."""
        spec = MessageSpec(body={"event": "{{ event.name }}", "payload": "{{ payload }}"}, has_body=True)
        assert Renderer().render(spec, HTTP, MOVED).body == {"event": "page.updated.moved", "payload": MOVED["payload"]}

    def test_a_body_has_a_limit(self) -> None:
        """Text of 256 KiB in all is the limit, also over many parts."""
        namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "x" * 100_000}})
        with pytest.raises(RenderFailure, match="body: the message is longer than 256 KiB"):
            Renderer().render(MessageSpec(body=["{{ page.title }}"] * 3, has_body=True), HTTP, namespace)

    def test_blocks_are_escaped_where_slack_reads_markup(self) -> None:
        """Text objects are escaped; addresses and ids are not; a rich text element is literal."""
        title = "<!channel> & co"
        blocks = [
            {"type": "section", "text": {"type": "mrkdwn", "text": "*{{ page.title }}*"}},
            {"type": "section", "fields": [{"type": "plain_text", "text": "{{ page.title }}"}]},
            {"type": "image", "image_url": "https://x.example/?a={{ page.id }}&b=1", "alt_text": "{{ page.title }}"},
            {"type": "rich_text", "elements": [{"type": "text", "text": "{{ page.title }}"}]},
            {"type": "context", "elements": "{{ page.elements }}"},
        ]
        page = {"id": 1, "title": title, "elements": [{"type": "mrkdwn", "text": title}]}
        message = Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace_of("page.updated", {"page": page}))
        escaped = "&lt;!channel&gt; &amp; co"
        assert message.blocks == [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{escaped}*", "verbatim": True}},
            {"type": "section", "fields": [{"type": "plain_text", "text": escaped}]},
            {"type": "image", "image_url": "https://x.example/?a=1&b=1", "alt_text": title},
            {"type": "rich_text", "elements": [{"type": "text", "text": title}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped, "verbatim": True}]},
        ]
        assert message.text == f"Page updated: {escaped}"

    def test_blocks_have_a_fallback_for_notifications(self) -> None:
        """The subject, or else title of event and page, escaped for Slack."""
        spec = MessageSpec(blocks=[{"type": "divider"}], subject="{{ page.title }} <b>")
        assert Renderer().render(spec, SLACK, MOVED).text == "Release checklist <b>"
        spec = MessageSpec(blocks=[{"type": "divider"}])
        assert Renderer().render(spec, SLACK, namespace_of("page.updated", {})).text == "Page updated"

    def test_blocks_fit_slacks_limits(self) -> None:
        """Long texts are cut at words, an empty section or header is left out, and 50 blocks are the most."""
        long = "{{ page.title }}"
        blocks: list[Any] = [
            {"type": "header", "text": {"type": "plain_text", "text": long}},
            {"type": "section", "text": {"type": "mrkdwn", "text": long}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "{{ page.nope }} "}},
            {"type": "header", "text": {"type": "plain_text", "text": ""}},
            *[{"type": "divider"}] * 60,
        ]
        namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "wörd & " * 2_000}})
        found = Renderer().render(MessageSpec(blocks=blocks), SLACK, namespace).blocks
        assert len(found) == 50
        header, section = found[0]["text"]["text"], found[1]["text"]["text"]
        assert 130 < len(header) <= 150
        assert 2_980 < len(section) <= 3_000
        assert header.endswith("…")
        assert found[2] == {"type": "divider"}

    @pytest.mark.parametrize("blocks", ["{{ page.title }}", ["{{ page.title }}"], {"type": "divider"}])
    def test_blocks_must_be_a_list_of_mappings(self, blocks: JSON) -> None:
        """Anything else Slack would refuse; it fails with a sentence."""
        with pytest.raises(RenderFailure, match="blocks must be a list of mappings"):
            Renderer().render(MessageSpec(blocks=blocks), SLACK, MOVED)


PATHS = ["page.id", "page.title", "page.space", "page.nope", "page.nope.more", "page.title.more", "link", "payload"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_worth_what_the_same_expression_is(path: str) -> None:
    """A text that is only a path takes a shorter way to the same value, present or not."""
    spec = MessageSpec(body={"path": f"{{{{ {path} }}}}", "expression": f"{{{{ {path} or {path} }}}}"}, has_body=True)
    body = Renderer().render(spec, HTTP, MOVED).body
    assert body["path"] == body["expression"]


def test_a_template_is_compiled_once() -> None:
    """The second message of a rule costs no compiling: the namespace is all that changes."""
    renderer = Renderer()
    first = renderer.render(MessageSpec(message="{{ page.id }}"), LOG, MOVED)
    compiled = dict(renderer._compiled)
    assert renderer.render(MessageSpec(message="{{ page.id }}"), LOG, namespace_of("page.created")) == first
    assert renderer._compiled == compiled


def test_the_namespace_is_left_as_it_was() -> None:
    """Templates set names of their own; the next template does not see them."""
    namespace = namespace_of("page.updated")
    before = dict(namespace)
    rendered("{% set page = 1 %}{% set mine = 2 %}{{ page }}{{ mine }}", namespace)
    assert namespace == before
