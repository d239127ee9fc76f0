"""The language of templates: expressions and filters, on what is there and on what is missing."""

from __future__ import annotations

import pytest

from router.errors import RenderFailure
from router.events import Markup
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from tests.message_bodies import namespace_of

SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
LOG = Style(Markup.TEXT, "text", forwards_as_is=False)
HTTP = Style(Markup.TEXT, "text", forwards_as_is=True)
MOVED = namespace_of("page.updated.moved")


def rendered(template: str, namespace: dict[str, JSON] = MOVED, style: Style = LOG) -> str:
    return Renderer().render(MessageSpec(message=template), style, namespace).text


class TestText:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("{{ page.nothing }}|{{ page.a.b.c }}|{{ page.changeMessage }}|{{ nothing_set }}", None),
            ("[{{ page.nothing }}{{ page.a.b.c['d'] }}{{ page.changeMessage }}{{ none }}{{ space.name }}]", "[]"),
            ("{{ page.changeMessage ~ page.nothing ~ none ~ 1 }}", "1"),
            ("{{ page.changeMessage + 'x' }}{{ page.nope | upper }}{{ none | length }}", "x0"),
            (
                "{{ page.isPublished }} {{ page.tags }} {{ page.space }} {{ 1.5 }}",
                'true [] {"id":42,"type":"spaces"} 1.5',
            ),
            ("{{ page.nope > 3 }}{{ page.nope == none }}{{ page.changeMessage is defined }}", "falsetruefalse"),
            ("{% for x in page.nope %}x{% else %}none{% endfor %}", "none"),
            ("{% for key in page.space %}{{ key }},{% endfor %}", "id,type,"),
            ("{% if page.contentRevision >= 4 and event.action in ['updated.moved'] %}yes{% endif %}", "yes"),
            ("{{ 1 < page.contentRevision < 9 }}{{ 1 < page.contentRevision < 3 }}", "truefalse"),
            ("{{ page.title[0:7] }}{{ page.title[-4:] }}{{ page.nope[1:] }}{{ page.title[0] }}", "ReleaselistR"),
            ("{{ 'x' if page.isPrivate else 'y' }}{{ 'z' if page.isPrivate }}", "y"),
            ("{{ {'a': 'b'}['a'] }}{{ {'a': {'b': [1, 2]}}.a.b[1] }}{{ [1] + [2] }}", "b2[1,2]"),
            ("{{ 7 // 2 }}{{ 7 % 4 }}{{ 2 ** 10 }}{{ -3 }}{{ 1 / 4 }}{{ '-' * 3 }}", "331024-30.25---"),
            ("{{ page.title == 'Release checklist' }}{{ true == 1 }}{{ [1] == [1] }}", "truefalsetrue"),
            ("{% set x = 1 %}{% for i in [1, 2] %}{% set x = i %}{% endfor %}{{ x }}", "1"),
            ("one\n{% if true %}\ntwo\n{% endif %}\nthree\n", "one\ntwo\nthree"),
            ("  \n{{ page.nope }}\n ", ""),
            ("{# a comment #}x{% raw %}{{ y }}{% endraw %}", "x{{ y }}"),
            ("{{ ('a', 'b') | join }}{% for a, b in [[1, 2]] %}{{ b }}{% endfor %}", "ab2"),
        ],
    )
    def test_expressions(self, template: str, text: str | None) -> None:
        """What is missing or null is nothing: it prints as nothing, and never as `None`."""
        if text is None:
            with pytest.raises(RenderFailure, match="unknown name 'nothing_set'"):
                rendered(template)
        else:
            assert rendered(template) == text

    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("{{ '2026-03-02T09:15:00Z' | date }}", "2 Mar 2026, 09:15 UTC"),
            (
                "{{ '2016-06-06T09:14:36.426741207+01:00' | date('%Y-%m-%d %H:%M:%S %p %% %A') }}",
                "2016-06-06 08:14:36 AM % Monday",
            ),
            ("{{ 'soon' | date }}{{ none | date }}{{ 7 | date }}", "soon7"),
            ("{{ '9999-12-31T23:59:59-23:00' | date }}", "9999-12-31T23:59:59-23:00"),
            (
                "{{ 1 | plural('page') }} {{ 2 | plural('page') }} {{ 0 | plural('child', 'children') }}",
                "page pages children",
            ),
            (
                "{{ '' | default('x') }}{{ none | default('y') }}{{ 0 | default('z') }}{{ page.nope.x | default }}",
                "xy0",
            ),
            (
                "{{ 'aB c-d' | upper }} {{ 'aB' | lower }} {{ 'aB c-d' | title }} {{ ' a ' | trim }}|",
                "AB C-D ab Ab C-d a|",
            ),
            ("{{ 'abcdef' | truncate(4) }} {{ 'abcd' | truncate(4) }}", "abc… abcd"),
            ("{{ '<p>one two three</p>' | excerpt(8) }}", "one two…"),
            ("{{ 'a\n b' | oneline }}", "a b"),
            ("{{ [3, 1, 2] | sort | join(',') }} {{ ['b', 'A'] | sort(reverse=true) | join }}", "1,2,3 bA"),
            ("{{ [{'n': 2}, {'n': 1}, {}] | sort('n') | tojson }}", '[{},{"n":1},{"n":2}]'),
            ("{{ ['a', 'A', 'b'] | unique | join }} {{ [{'n': 1}, {'n': 1}] | unique('n') | length }}", "ab 1"),
            ("{{ [{'a': {'b': 1}}, 5] | map('a.b') | join('-') }}", "1-"),
            (
                "{{ [1, none, 2] | select | join }} {{ [1, 2, 3] | select('gt', 1) | join }}",
                "12 23",
            ),
            ("{{ [{'n': 'x', 'v': 1}, {'v': 2}] | selectattr('n', 'eq', 'x') | map('v') | join }}", "1"),
            ("{{ [{'n': 'x', 'v': 1}, {'v': 2}] | rejectattr('n') | map('v') | join }}", "2"),
            ("{{ [1] | plural('tag') }} {{ [1, 2] | reject('odd') | join }} {{ '2.5' | float }}", "tag 2 2.5"),
            ("{{ [1, 2] | first }}{{ [1, 2] | last }}{{ [] | first }}{{ 'ab' | last }}", "12b"),
            ("{{ 'a-b' | replace('-', '+') }}{{ [1, 2] | join('+') }}", "a+b1+2"),
            (
                "{{ 2.567 | round(1) }} {{ 2.5 | round }} {{ '3' | int + 1 }} {{ 'x' | int(7) }} {{ 2.9 | int }}",
                "2.6 2 4 7 2",
            ),
            ("{{ {'a': [none, 'é']} | tojson }} {{ 'a b/é' | urlencode }}", '{"a":[null,"é"]} a%20b%2F%C3%A9'),
            (
                "{{ 4 is even }} {{ 9 is divisibleby(3) }} {{ 'a' is in ['a'] }} {{ 1 is string }}",
                "true true true false",
            ),
        ],
    )
    def test_filters(self, template: str, text: str) -> None:
        """Each filter of the list, on what it is made for and on what is missing."""
        assert rendered(template) == text

    def test_slack_text_is_cut_at_its_limit(self) -> None:
        """Slack cuts at 40,000 characters; ours ends at a word, with an ellipsis."""
        text = rendered(
            "{{ page.title }}", namespace_of("page.updated", {"page": {"id": 1, "title": "word " * 20_000}}), SLACK
        )
        assert 39_900 < len(text) <= 40_000
        assert text.endswith("word…")

    def test_a_subject_is_one_line(self) -> None:
        """Line separators of every kind become spaces: a title cannot add a mail header."""
        title = "a\r\nBcc: x@example.com\u2028b\x85c\x0bd"
        spec = MessageSpec(message="x", subject=" {{ page.title }} ")
        message = Renderer().render(spec, LOG, namespace_of("page.updated", {"page": {"id": 1, "title": title}}))
        assert message.subject == "a Bcc: x@example.com b c d"
