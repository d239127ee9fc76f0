"""Whatever an author types as a template, there is a message or a sentence."""

from __future__ import annotations

from hypothesis import given

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.limits import LONGEST_TEXT
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import dump_json
from tests.fuzz.budget import examples
from tests.fuzz.templates import templates
from tests.message_bodies import namespace_of

TITLE = "<T & t>"
TAGS = [{"name": "a"}, 5, None]
NAMESPACE = namespace_of(
    "page.updated",
    {"page": {"id": 1, "title": TITLE, "content": "<b>x</b>", "tags": TAGS, "n": 2.5, "no": None}},
)
RENDERER = Renderer({"parts.j2": "{% macro m(x='d') %}[{{ x }}]{% endmacro %}", "slack/part.j2": "{{ page.title }}"})
STYLES = [Style(Markup.SLACK, "slack", False), Style(Markup.TEXT, "text", True)]


def _outcome(spec: MessageSpec, style: Style) -> tuple[str, Message | None]:
    try:
        return "", RENDERER.render(spec, style, NAMESPACE)
    except RenderFailure as failure:
        return failure.detail, None


@examples(100)
@given(templates)
def test_any_template_gives_a_message_or_a_sentence(template: str) -> None:
    """Nothing but a RenderFailure leaves the renderer, and what passes is within bounds, as text and as JSON."""
    for style in STYLES:
        for spec in (
            MessageSpec(message=template),
            MessageSpec(body=[template], has_body=True),
            MessageSpec(blocks=[{"a": template}]),
        ):
            problems = RENDERER.inspection.problems(spec, style)
            failure, message = _outcome(spec, style)
            if message is None:
                assert failure
                assert "could not be rendered" not in failure, "a failure that nobody thought of"
                continue
            assert len(dump_json(message.as_json())) <= 2 * LONGEST_TEXT
            if template and spec.message is not None:
                assert problems == []
                assert style.markup is Markup.TEXT or "<T" not in message.text or "raw" in template
