"""What templates may not do: reach out of the sandbox, or cost more than a message is worth."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from router.errors import RenderFailure
from router.events import Markup
from router.messages.limits import LONGEST_TEXT
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from tests.message_bodies import namespace_of

SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
TEXT = Style(Markup.TEXT, "text", forwards_as_is=False)
OWN = {
    "fan.j2": "{% include 'fan2.j2' %}" * 200,
    "fan2.j2": "{% include 'fan3.j2' %}" * 200,
    "fan3.j2": "x" * 1000,
    "self.j2": "{% include 'self.j2' %}",
    "there.j2": "{% from 'back.j2' import m %}",
    "back.j2": "{% macro m() %}{% endmacro %}{% include 'there.j2' %}",
    "macros.j2": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}",
    "broken.j2": "{% block x %}{% endblock %}",
}


def _nested_list(depth: int) -> JSON:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HUGE = {
    "id": 1,
    "title": "t" * 1_000_000,
    "content": "<p>x</p>" * 400_000,
    "tags": [{"name": f"n{number}"} for number in range(9_000)],
    "number": 10**4000,
    "deep": _nested_list(200),
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(OWN)


@pytest.fixture(scope="module")
def huge() -> dict[str, JSON]:
    return namespace_of("page.updated", {"page": HUGE})


def _each(body: str) -> str:
    return f"{{% for t in page.tags %}}{body}{{% endfor %}}"


def _grow(start: str, step: str, times: int = 60) -> str:
    return f"{{% set a = {start} %}}" + f"{{% set a = {step} %}}" * times


EXHAUSTING = {
    "nested loops": _each(_each(_each("x"))),
    "one loop beside another": _each("") * 2,
    "text doubled by ~": _grow("'x'", "a ~ a") + "{{ a }}",
    "text doubled by +": _grow("'x'", "a + a") + "{{ a }}",
    "text doubled in set blocks": "{% set a %}xxxxxxxx{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
    "text times a number": "{{ 'x' * 10**9 }}",
    "number times a text": "{{ 10**9 * 'x' }}",
    "text by printf": "{{ '%1000000000d' % 5 }}",
    "list doubled": _grow("[1]", "a + a") + "{{ a }}",
    "list of lists printed": _grow("[1]", "[a, a]") + "{{ a }}",
    "list of lists compared": _grow("[1]", "[a, a]") + "{{ a == [a, a] }}",
    "tuple of tuples hashed": _grow("(1, 1)", "(a, a)") + "{{ [a] | unique | join }}",
    "tuple of tuples as a key": _grow("(1, 1)", "(a, a)") + "{{ payload[a] }}" + "{{ a | tojson }}",
    "mapping of mappings": _grow("{'x': 1}", "{'x': a, 'y': a}") + "{{ a | tojson }}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "power of a fraction": "{{ 10.0 ** 400 }}",
    "root of a negative": "{{ (-8) ** 0.5 }}",
    "squares": _grow("3", "a * a") + "{{ a }}",
    "huge number squared": "{{ page.number * page.number }}",
    "replace grows": "{{ page.title[:1000] | replace('t', 'x' * 1000) }}",
    "join with a long separator": "{{ page.tags | join('x' * 1000) }}",
    "join of long texts": "{{ [page.title, page.title] | join }}",
    "excerpt without end": "{{ page.content | excerpt(10 ** 9) }}",
    "conversion in a loop": _each("{{ page.content | text | length }}"),
    "capitals in a loop": _each("{% set x = page.title[:200000] | upper %}"),
    "search in a loop": _each("{{ 'zz' in page.title }}"),
    "comparison in a loop": _each("{{ page.title == page.title }}"),
    "membership in a loop": _each("{{ 'x' in page.tags }}"),
    "sorting in a loop": _each("{% set x = page.tags | sort(attribute='name') %}"),
    "map in a loop": _each("{{ page.tags | map('name') | length }}"),
    "slices in a loop": _each("{% set x = page.tags[:] %}"),
    "long text in a loop": _each("{{ page.title[:200000] }}"),
    "long plain text in a loop": _each("x" * 20_000),
    "many names in a loop": _each("{{ t }}" * 1_000),
    "macro calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macro is given to itself": "{% macro m(f) %}{{ f(f) }}{{ f(f) }}{% endmacro %}{{ m(m) }}",
    "macros fan out": "{% macro a0() %}x{% endmacro %}"
    + "".join(f"{{% macro a{n}() %}}{f'{{{{ a{n - 1}() }}}}' * 20}{{% endmacro %}}" for n in range(1, 9))
    + "{{ a8() }}",
    "includes fan out": "{% include 'fan.j2' %}",
    "include in a loop": _each("{% include 'fan3.j2' %}"),
    "import in a loop": _each("{% import 'macros.j2' as m with context %}{{ m.twice('x') }}"),
    "include of itself": "{% include 'self.j2' %}",
    "deep value printed": "{{ page.deep }}",
    "deep value as JSON": "{{ page.deep | tojson }}",
    "deep value compared": "{{ page.deep == page.deep }}",
    "large value printed": "{{ page }}",
    "long text printed": "{{ page.title }}",
    "date with a width": "{{ '2026-01-01' | date('%1000000000d') }}",
    "deep parentheses": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "deep not": "{{ " + "not " * 5_000 + "1 }}",
    "deep attributes": "{{ page" + ".a" * 10_000 + " }}",
    "deep sums": "{{ 1" + "+1" * 10_000 + " }}",
    "deep lists": "{{ " + "[" * 5_000 + "]" * 5_000 + " }}",
    "deep filters": "{{ 1" + "|int" * 6_000 + " }}",
    "deep if": "{% if 1 %}" * 1_500 + "{% endif %}" * 1_500,
    "deep for": "{% for x in page.tags %}" * 30 + "{% endfor %}" * 30,
    "deep else": "{{ " + "1 if 0 else " * 2_000 + "1 }}",
    "many conditions": "{% if 0 %}" + "{% elif 0 %}" * 2_000 + "{% endif %}",
    "comparisons in a chain": "{{ 1" + " < 2" * 6_000 + " }}",
    "many arguments": "{% macro m() %}{% endmacro %}{{ m(" + "1," * 9_000 + "1) }}",
    "number of many digits": "{{ " + "9" * 20_000 + " }}",
    "folded while compiling": "{% if 'x' * 10**10 %}{% endif %}{{ ['x' * 10**10] }}",
    "folded in autoescape": "{% autoescape 'x' * 10**10 %}{% endautoescape %}",
    "template too long": "x" * 40_000,
}


@pytest.mark.parametrize("name", EXHAUSTING)
def test_an_exhausting_template_ends_soon(name: str, renderer: Renderer, huge: dict[str, JSON]) -> None:
    """Whatever a template tries, it is refused with a sentence, at load or while it runs, long before it hurts."""
    spec = MessageSpec(message=EXHAUSTING[name])
    started = time.process_time()
    renderer.inspection.problems(spec, SLACK)
    with pytest.raises(RenderFailure) as failure:
        renderer.render(spec, SLACK, huge)
    # Not a measurement: without its bounds, each of these runs for minutes or for ever.
    assert time.process_time() - started < 5
    assert len(str(failure.value)) < 600


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ page['__class__'].__init__ }}",
        "{{ page.__class__ }}{{ page.title.__class__ }}{{ page.tags.__len__ }}",
        "{{ page.keys }}{{ page.items }}{{ page.title.upper }}{{ page.tags.append }}",
        "{{ event.title.format }}{{ payload.get }}{{ link.encode }}",
        "{% macro m() %}{% endmacro %}{{ m._func }}{{ m.name }}{{ m.__call__ }}",
        "{% for t in [1] %}{{ loop._iterable }}{{ loop.cycle }}{{ loop.__class__ }}{{ loop.changed }}{% endfor %}",
        "{% import 'macros.j2' as m %}{{ m.__class__ }}{{ m._body_stream }}{{ m.__dict__ }}",
        "{{ (page.nope).__class__ }}{{ (1 if false).__init__ }}",
        "{{ none.__class__ }}{{ 1 .__class__ }}{{ true.real }}",
    ],
)
def test_nothing_has_attributes_but_mappings(template: str, renderer: Renderer) -> None:
    """Neither Python's attributes nor methods are there; they are like any field that is missing."""
    namespace = namespace_of("page.updated", {"page": {"id": 1, "title": "T", "tags": [1]}})
    try:
        assert renderer.render(MessageSpec(message=template), TEXT, namespace).text == ""
    except RenderFailure as failure:
        assert "only macros can be called" in str(failure)  # noqa: PT017 - either end is good


@pytest.mark.parametrize(
    "template",
    ["{{ page.items() }}", "{{ page.title.upper() }}", "{{ link('x') }}", "{{ payload.get('page')() }}",
     "{% for t in [1] %}{{ loop.cycle(1, 2) }}{% endfor %}", "{{ 'x'() }}", "{{ loop() }}", "{{ range(3) }}",
     "{{ lipsum() }}", "{{ dict() }}", "{{ namespace() }}", "{{ cycler(1) }}", "{{ joiner() }}",
     "{{ self.x() }}", "{{ super() }}"],
)  # fmt: skip
def test_nothing_can_be_called_but_macros(template: str, renderer: Renderer) -> None:
    """There are no functions and no methods."""
    with pytest.raises(RenderFailure):
        renderer.render(MessageSpec(message=template), TEXT, namespace_of("page.updated"))


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("{% block x %}{% endblock %}", "{% block %} is not available"),
        ("{% extends 'macros.j2' %}", "{% extends %} is not available"),
        ("{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}", "is not available"),
        ("{% filter upper %}x{% endfilter %}", "{% filter %} is not available"),
        ("{% autoescape false %}{{ page.title }}{% endautoescape %}", "{% autoescape %} is not available"),
        ("{% set x | upper %}x{% endset %}", "{% set %} with a filter"),
        ("{% set page.title = 1 %}", "a field cannot be set"),
        ("{% for x in payload recursive %}{{ loop(x) }}{% endfor %}", "recursive loop"),
        ("{% include event.name %}", "must be a text in quotes"),
        ("{% include ['macros.j2', 'x.j2'] %}", "must be a text in quotes"),
        ("{% include 'macros.j2' without context %}", "without context"),
        ("{{ page.tags | join(*page.tags) }}", "in front of an argument"),
        ("{{ {page.id: 1} }}", "keys of a mapping"),
        ("{{ {1: 1} }}", "keys of a mapping"),
        ("{% do page.x %}", "there is no tag {% do %}"),
        ("{% debug %}", "there is no tag {% debug %}"),
        ('{{ "\\ud800" }}', "lone surrogate"),
        ("{{ 1e999 }}", "too large"),
        ("{% from 'macros.j2' import __class__ %}", "underline"),
        ("{% include 'broken.j2' %}", "{% block %} is not available"),
        ("{% include 'self.j2' %}", "in a circle: self.j2 → self.j2"),
        ("{% include 'there.j2' %}", "in a circle: there.j2 → back.j2 → there.j2"),
    ],
)
def test_what_the_language_leaves_out_is_found_at_load(template: str, word: str, renderer: Renderer) -> None:
    """Unbounded parts of Jinja are refused by name when the rule file is read, and if not read, when rendered."""
    spec = MessageSpec(message=template)
    assert any(word in problem.sentence for problem in renderer.inspection.problems(spec, TEXT))
    with pytest.raises(RenderFailure):
        renderer.render(spec, TEXT, namespace_of("page.updated"))


def test_payload_keys_win_over_python(renderer: Renderer) -> None:
    """`page.items`, `page.keys`, `page.get` are keys of the body."""
    body = {"page": {"id": 1, "items": "I", "keys": "K", "get": "G", "__class__": "C"}}
    spec = MessageSpec(message="{{ page.items }}{{ page.keys }}{{ page.get }}{{ page['items'] }}{{ page.__class__ }}")
    assert renderer.render(spec, TEXT, namespace_of("page.updated", body)).text == "IKGIC"


def test_an_honest_loop_over_much_is_fine(renderer: Renderer, huge: dict[str, JSON]) -> None:
    """Nine thousand tags are not too many for one loop."""
    spec = MessageSpec(message=_each("{{ loop.index if loop.last }}"))
    assert renderer.render(spec, TEXT, huge).text == "9000"


def test_a_large_page_gives_its_excerpt(renderer: Renderer, huge: dict[str, JSON]) -> None:
    """Megabytes of content are no reason to fail for a message that shows 200 characters."""
    text = renderer.render(MessageSpec(message="{{ page.content | excerpt(200) }}"), TEXT, huge).text
    assert len(text) <= 200
    assert text.endswith("x…")
    whole = renderer.render(MessageSpec(message="{{ page.content | text }}"), TEXT, huge).text
    assert 1_000 < len(whole) <= LONGEST_TEXT


def test_limits_count_anew_for_each_message(renderer: Renderer, huge: dict[str, JSON]) -> None:
    """One message's loops are not charged to the next, also not after a failure."""
    spec, failing = MessageSpec(message=_each("")), MessageSpec(message=_each(_each("")))
    for _ in range(5):
        assert renderer.render(spec, TEXT, huge).text == ""
        with pytest.raises(RenderFailure, match="more than 10,000 loop steps"):
            renderer.render(failing, TEXT, huge)


def test_limits_hold_over_all_parts_of_a_body(renderer: Renderer, huge: dict[str, JSON]) -> None:
    """A structure of many templates has one budget, not one for each."""
    http = Style(Markup.TEXT, "text", forwards_as_is=True)
    spec = MessageSpec(body=[_each("")] * 2, has_body=True)
    with pytest.raises(RenderFailure, match=r"body\.1, line 1: the template takes more than 10,000 loop steps"):
        renderer.render(spec, http, huge)


def test_the_first_message_reads_nothing_from_disk() -> None:
    """Rendering needs no open file, so a process that has run out of them gives up no message."""
    script = """
import resource
from router.events import Markup
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
renderer, style = Renderer(), Style(Markup.SLACK, "slack", False)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
spec = MessageSpec(message="{{ 'a' }}{{ page.title | excerpt }}")
print(renderer.render(spec, style, {"page": {"title": "<p>b"}}).text)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ab\n", "")
