"""What is said about a template: problems when the rule file is read, failures when a message is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import RenderFailure
from router.events import Markup
from router.messages.problems import TemplateProblem
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


class TestProblems:
    def problems(self, own: dict[str, str] | None = None, style: Style = SLACK, **spec: Any) -> list[TemplateProblem]:
        return Renderer(own or {}).inspection.problems(MessageSpec(**spec), style)

    def test_a_good_rule_has_none(self) -> None:
        """Every known word, filter and test passes, also inside own names."""
        good = (
            "{% set n = page.title %}{{ n | upper }}{% for t in page.tags %}{{ loop.index }}{{ t.name }}{% endfor %}"
            "{% macro m(a, b=1) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(n) }}{{ comment.content | excerpt }}"
            "{{ task.name }}{{ rule.name }}{{ destination.name }}{{ link }}"
            "{{ actor.name }}{{ space.code }}{{ payload.x }}{{ event.id }}"
        )
        assert self.problems(message=good, subject="{{ event.title }}") == []
        assert self.problems() == []
        assert self.problems(template="event") == []
        assert self.problems(blocks=[{"type": "section", "text": "{{ page.title }}"}]) == []

    @pytest.mark.parametrize(
        ("template", "line", "column", "words"),
        [
            ("a\n{{ pge.title }}", 2, 4, ["unknown name 'pge'", "did you mean 'page'?"]),
            ("{{ page.title | uper }}", 1, 17, ["unknown filter 'uper'", "did you mean 'upper'?", "excerpt"]),
            ("{{ page is mappin }}", 1, 12, ["unknown test 'mappin'", "did you mean 'mapping'?"]),
            ("{% if x | nope %}{% endif %}", 1, 11, ["unknown filter 'nope'"]),
            ("{{ page.tags | select('gtt', 1) }}", 1, 24, ["unknown test 'gtt'", "did you mean 'gt'?"]),
            ("\n\n{{ page.title", 3, None, ["{{ is not closed", "}}"]),
            ("{% if page.title %}", 1, None, ["{% endif %}"]),
            ("{% if page %}", 1, None, ["if"]),
            ("{{ page..title }}", 1, None, ["expected"]),
            ("{{ page.title | excerpt('a', 1, 2) }}", 1, 17, ["the filter 'excerpt' takes limit"]),
            ("{{ page.title | upper(1) }}", 1, 17, ["the filter 'upper' takes no arguments"]),
            ("{{ page.title | excerpt(lenght=3) }}", 1, 17, ["the filter 'excerpt' takes limit"]),
            ("{% include 'nope.j2' %}", 1, 13, ["no template is named 'nope.j2'"]),
            ("{{ page.title.upper() }}", 1, 15, ["only macros can be called", "{{ value | upper }}"]),
        ],
    )
    def test_a_problem_tells_its_place_and_its_mend(
        self, template: str, line: int, column: int | None, words: list[str]
    ) -> None:
        """Line, column where it can be known, what was found, and the nearest good word."""
        found = self.problems(message=template)[0]
        assert (found.path, found.line, found.column, found.template) == (("message",), line, column, None)
        assert all(word in found.sentence for word in words), found.sentence

    def test_all_problems_are_told_at_once(self) -> None:
        """Not one after another, over all texts of the rule."""
        spec: dict[str, Any] = {
            "subject": "{{ evnt.title }}",
            "blocks": [{"text": {"text": "{{ page.x | nope }}\n{{ usr }}"}}],
        }
        found = self.problems(**spec)
        assert [(problem.path, problem.line) for problem in found] == [
            (("subject",), 1),
            (("blocks", 0, "text", "text"), 1),
            (("blocks", 0, "text", "text"), 2),
        ]
        assert [p.path for p in self.problems(body={"a": ["{{ x }}"]}, has_body=True)] == [("body", "a", 0)]

    def test_an_unknown_template_names_those_there_are(self) -> None:
        """The choice depends on the destination's folder; a near miss is offered."""
        (problem,) = self.problems({"slack/my-note.j2": "x", "text/other.j2": "x"}, template="my-not")
        assert problem.path == ("template",)
        assert "my-note" in problem.sentence
        assert "did you mean 'my-note'?" in problem.sentence
        assert "other" not in problem.sentence

    def test_problems_in_files_name_the_file(self) -> None:
        """A named template, what it includes, and an own file in place of a built-in one."""
        own = {"note.j2": "{% include 'part.j2' %}", "part.j2": "\n{{ pge }}", "slack/page.j2": "{{ x | nope }}"}
        (problem,) = self.problems(own, template="note")
        assert (problem.template, problem.line, problem.path) == ("part.j2", 2, ("template",))
        assert self.problems(own)[0].template == "slack/page.j2"
        assert self.problems(own, style=LOG) == []
        assert self.problems(own, style=HTTP) == []
        assert {problem.template for problem in Renderer(own).inspection.own_problems()} == {"part.j2", "slack/page.j2"}

    def test_blocks_that_are_no_list_are_a_problem(self) -> None:
        """Said when the file is loaded, not by Slack."""
        assert "list" in self.problems(blocks={"type": "section"})[0].sentence

    def test_settings_of_destinations_are_checked_too(self) -> None:
        """The path of a URL is a template like others."""
        (problem,) = Renderer().inspection.text_problems("/x/{{ pge.id }}", ("url",))
        assert problem.path == ("url",)


class TestFailures:
    @pytest.mark.parametrize(
        ("template", "sentence"),
        [
            ("a\n{{ 1 / 0 }}", "message, line 2: a calculation divides by zero"),
            (
                "{{ page.title + 1 }}",
                "message, line 1: + needs two numbers, not a text and a number; texts are put together by ~",
            ),
            ("{% for x in page.title %}{% endfor %}", "message, line 1: 'for' needs a list or a mapping, not a text"),
            ("{{ page.title > 3 }}", "message, line 1: a text and a number have no order"),
            (
                "{{ page.title | excerpt('a') }}",
                "message, line 1: excerpt needs a whole number of characters from 1 to 262144",
            ),
            (
                "{% macro m(a) %}{% endmacro %}{{ m }}",
                "message, line 1: a macro or an imported template is printed; call it with ( )",
            ),
            (
                "{% macro m(a) %}{% endmacro %}\n{{ m(1, 2) }}",
                "message, line 2: a filter, test or macro got arguments that it does not take",
            ),
            ("{% set a, b = page.tags %}", "message, line 1: a value does not have the form that is needed here"),
            ("{{ -page.title }}", "message, line 1: - needs a number, not a text"),
            ("{% include 'bad.j2' %}", "bad.j2, line 3: a calculation divides by zero"),
        ],
    )
    def test_a_failure_is_one_plain_sentence(self, template: str, sentence: str) -> None:
        """What failed, where, without a word of Python."""
        renderer = Renderer({"bad.j2": "\n\n{{ 1 / 0 }}"})
        with pytest.raises(RenderFailure) as failure:
            renderer.render(
                MessageSpec(message=template),
                LOG,
                namespace_of("page.updated", {"page": {"title": "T", "tags": [], "id": 1}}),
            )
        assert str(failure.value) == failure.value.detail
        assert str(failure.value) == sentence
        assert failure.value.reason == "render error"

    def test_a_failure_names_its_key_or_file(self) -> None:
        """The path in a structure, the subject, or the template's file."""
        failing = "{{ 1 / 0 }}"
        for spec, style, place in [
            (MessageSpec(body={"a": [failing]}, has_body=True), HTTP, "body.a.0, line 1"),
            (MessageSpec(blocks=[{"text": failing}]), SLACK, "blocks.0.text, line 1"),
            (MessageSpec(message="x", subject=failing), LOG, "subject, line 1"),
            (MessageSpec(template="bad"), LOG, "bad.j2, line 1"),
            (MessageSpec(template="nope"), LOG, "no template is named 'nope'"),
        ]:
            with pytest.raises(RenderFailure) as failure:
                Renderer({"bad.j2": failing}).render(spec, style, MOVED)
            assert str(failure.value).startswith(place)

    def test_a_failure_quotes_no_value(self) -> None:
        """What the body holds stays out of the sentence: it may be private."""
        namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "hunter2"}})
        for template in ("{{ page.title + 1 }}", "{{ page.title() }}", "{{ page.title | replace('', 'x') }}"):
            with pytest.raises(RenderFailure) as failure:
                Renderer().render(MessageSpec(message=template), LOG, namespace)
            assert "hunter2" not in str(failure.value)

    def test_filling_a_setting_fails_the_same_way(self) -> None:
        """A URL's template is part of the message."""
        with pytest.raises(RenderFailure, match="divides by zero"):
            Renderer().fill("/{{ 1 / 0 }}", MOVED, str)
