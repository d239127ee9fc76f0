"""Templates made of odds and ends: whatever an author types, there is a message or a sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.filters import FILTERS
from router.messages.limits import LONGEST_TEXT
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.messages.template_tests import TESTING_FILTERS, TESTS
from router.payload import dump_json
from tests.message_bodies import namespace_of

NAMESPACE = namespace_of(
    "page.updated",
    {
        "page": {
            "id": 1,
            "title": "<T & t>",
            "content": "<b>x</b>",
            "tags": [{"name": "a"}, 5, None],
            "n": 2.5,
            "no": None,
        }
    },
)
RENDERER = Renderer({"parts.j2": "{% macro m(x='d') %}[{{ x }}]{% endmacro %}", "slack/part.j2": "{{ page.title }}"})
STYLES = [Style(Markup.SLACK, "slack", False), Style(Markup.TEXT, "text", True)]

OPERANDS = [
    "page.title",
    "page.tags",
    "page.n",
    "page.no",
    "page.nope.x",
    "page",
    "event.title",
    "1",
    "-2",
    "2.5",
    "'a'",
    "''",
]
OPERANDS += [
    "none",
    "true",
    "[1, 'b', page.no]",
    "{'k': page.tags}",
    "page.tags[0]",
    "page['title']",
    "loop.index",
    "m",
    "m('x')",
]
SIGNS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
STATEMENTS = [
    "{% for x in page.tags %}",
    "{% endfor %}",
    "{% if page %}",
    "{% else %}",
    "{% endif %}",
    "{% set q %}",
    "{% endset %}",
]
STATEMENTS += [
    "{% include 'slack/part.j2' %}",
    "{% from 'parts.j2' import m %}",
    "{% import 'parts.j2' as p %}",
    "{{ p.m(1) }}",
]
STATEMENTS += [
    "{% macro m(a, b=2) %}",
    "{% endmacro %}",
    "{% with a = 1 %}",
    "{% endwith %}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "\n",
    "text",
]

expressions = st.recursive(
    st.sampled_from(OPERANDS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(SIGNS), inner),
        st.builds("({} | {})".format, inner, st.sampled_from([*FILTERS, *TESTING_FILTERS])),
        st.builds("({} | {}({}))".format, inner, st.sampled_from([*FILTERS, *TESTING_FILTERS]), inner),
        st.builds("({} is {})".format, inner, st.sampled_from(sorted(TESTS))),
        st.builds("({} is {}({}))".format, inner, st.sampled_from(sorted(TESTS)), inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=6,
)
pieces = st.builds("{{{{ {} }}}}".format, expressions) | st.builds("{{% set q = {} %}}{{{{ q }}}}".format, expressions)
pieces |= st.builds("{{% for x in {0} %}}{{{{ x }}}}{{% endfor %}}".format, expressions)


def _outcome(spec: MessageSpec, style: Style) -> tuple[str, Message | None]:
    try:
        return "", RENDERER.render(spec, style, NAMESPACE)
    except RenderFailure as failure:
        return failure.detail, None


@given(st.lists(pieces | st.sampled_from(STATEMENTS), max_size=6).map("".join))
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
