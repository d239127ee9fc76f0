"""A title can never become a mention: escaping in Slack's markup, through every operator and filter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Markup
from router.messages.context import build_namespace
from router.messages.directory import Directory, Given
from router.messages.escaping import cut, cut_slack, escape_slack, read_slack, slack_length
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from tests.message_bodies import SPACES, make_event, namespace_of

SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
TEXT = Style(Markup.TEXT, "text", forwards_as_is=False)
HTTP = Style(Markup.TEXT, "text", forwards_as_is=True)
TITLE = "<!channel> & <https://evil.example|x>"
ESCAPED = "&lt;!channel&gt; &amp; &lt;https://evil.example|x&gt;"
OWN = {"m.j2": "{% macro show(x) %}{{ x }}{% endmacro %}", "inc.j2": "{{ page.title }}"}
RENDERER = Renderer(OWN)


def slack(message: str, title: str = TITLE, content: str = "") -> str:
    body = {"page": {"id": 1, "title": title, "content": content, "tags": [title, {"name": title}]}}
    return RENDERER.render(MessageSpec(message=message), SLACK, namespace_of("page.updated", body)).text


@pytest.mark.parametrize(
    "template",
    [
        "{{ page.title }}",
        "{{ page.title | escape }}",
        "{{ page.title | escape | escape }}",
        "{{ page.title | trim }}",
        "{{ page.title | escape | trim }}",
        "{{ page.title | oneline }}",
        "{{ page.title | escape | oneline }}",
        "{{ page.title ~ '' }}",
        "{{ '' ~ page.title | escape }}",
        "{{ page.title + '' }}",
        "{{ page.title | escape + '' }}",
        "{{ '' + page.title | escape }}",
        "{{ page.title * 1 }}",
        "{{ (page.title | escape) * 1 }}",
        "{{ page.title[:] }}",
        "{{ (page.title | escape)[:] }}",
        "{{ page.title | default('x') }}",
        "{{ nothing | default(page.title) }}".replace("nothing", "page.nothing"),
        "{{ page.title | replace('zzz', '') }}",
        "{{ page.title | escape | replace('zzz', '') }}",
        "{{ page.title | truncate(1000) }}",
        "{{ page.title | escape | truncate(1000) }}",
        "{{ page.title | escape | excerpt(1000) }}",
        "{{ [page.title] | join }}",
        "{{ [page.title | escape] | join }}",
        "{{ page.tags | map('name') | join }}",
        "{{ page.tags | first }}",
        "{{ page.tags | select('string') | join }}",
        "{{ page.title | link(none) }}",
        "{{ page.title | escape | link('javascript:x') }}",
        "{% set a = page.title %}{{ a }}",
        "{% set a %}{{ page.title }}{% endset %}{{ a }}",
        "{% set a %}{{ page.title }}{% endset %}{{ a ~ '' }}",
        "{% set a %}{{ page.title }}{% endset %}{{ [a, a] | first }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(page.title) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(m(page.title)) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(page.title) | escape | trim }}",
        "{% import 'm.j2' as m %}{{ m.show(m.show(page.title)) }}",
        "{% from 'm.j2' import show %}{{ show(page.title) ~ '' }}",
        "{% include 'inc.j2' %}",
        "{% for t in [page.title] %}{{ t }}{% endfor %}",
        "{% with t = page.title %}{{ t }}{% endwith %}",
        "{{ page.title if true else '' }}",
        "{{ page.nothing or page.title }}",
    ],
)
def test_a_value_is_escaped_exactly_once(template: str) -> None:
    """However a value comes into the message, `&`, `<` and `>` are escaped once."""
    assert slack(template) == ESCAPED


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ page.title | upper }}", escape_slack(TITLE.upper())),
        ("{{ page.title | escape | lower }}", ESCAPED),
        ("{{ page.title | replace('!channel', '!here') }}", ESCAPED.replace("channel", "here")),
        ("{{ page.title | replace('&', '<!here>') }}", ESCAPED.replace("&amp;", "&lt;!here&gt;")),
        ("{{ page.title | escape | replace('lt;', '') }}", ESCAPED),
        ("{{ page.title | truncate(5) }}", "&lt;!ch…"),
        ("{{ (page.title | escape)[:3] }}", "&lt;!c"),
        ("{{ (page.title | escape)[::-1] }}", escape_slack(TITLE[::-1])),
        ("{{ page.title | escape | first }}", "&lt;"),
        ("{{ page.title | escape | length }}", str(len(TITLE))),
        ("{{ [page.title, '<b>' | raw] | join(' & ') }}", f"{ESCAPED} &amp; <b>"),
        ("{{ '<b>' | raw ~ page.title }}", f"<b>{ESCAPED}"),
        ("{{ '<b>' | raw + page.title }}", f"<b>{ESCAPED}"),
        ("{{ page.title ~ ('<b>' | raw) ~ '<i>' }}", f"{ESCAPED}<b>&lt;i&gt;"),
        ("{{ '<b>' }}", "&lt;b&gt;"),
        ("<b> {{ 1 }}", "<b> 1"),
        ("{{ page.title | tojson }}", f'"{ESCAPED}"'),
        ("{{ {'t': page.title | escape} }}", f'{{"t":"{ESCAPED}"}}'),
        ("{{ {'t': '&'} | tojson | raw }}", '{"t":"&"}'),
        ("{{ page.title | raw }}", TITLE),
        ("{{ page.title | urlencode }}", "%3C%21channel%3E%20%26%20%3Chttps%3A%2F%2Fevil.example%7Cx%3E"),
        ("{{ page.title | link('https://a.example/?x=1&y=<|>') }}", f"<https://a.example/?x=1&amp;y=&lt;%7C&gt;|{ESCAPED}>"),
        ("{{ page.title | escape | link('https://a.example') }}", f"<https://a.example|{ESCAPED}>"),
        ("{{ page.title | link('https://a.example') | upper }}", escape_slack(TITLE.upper())),
        ("{{ 'a\nb' | link('https://a.example') }}", "<https://a.example|a b>"),
        ("{{ 'x' | link('https://a.example') | link('https://b.example') }}", "<https://b.example|x>"),
        ("{{ page.title | link(page.title) }}", ESCAPED),
        ("{{ page.title == page.title | escape }}", "true"),
        ("{{ '!channel' in page.title | escape }}", "true"),
    ],
)  # fmt: skip
def test_filters_and_operators_neither_lose_nor_double_an_escape(template: str, result: str) -> None:
    """What is markup stays markup where it can; what cuts or changes text sees what the reader sees."""
    assert slack(template) == result


def test_converted_html_is_markup() -> None:
    """`mrkdwn` brings Slack's marks; the text in it is escaped."""
    assert (
        slack("{{ page.content | mrkdwn }}", content="<b>a &lt;!channel&gt; &amp;</b>") == "*a &lt;!channel&gt; &amp;*"
    )
    assert slack("{{ page.content | mrkdwn | excerpt }}", content="<i>a &lt;b&gt;</i>") == "_a &lt;b&gt;_"
    assert slack("{{ page.content | text }}", content="<b>a &lt;!here&gt;</b>") == "a &lt;!here&gt;"
    assert slack("{{ page.content | excerpt(40) }}", content="<p>a &lt;!here&gt;</p>") == "a &lt;!here&gt;"


FILTERS = [
    "escape",
    "trim",
    "oneline",
    "upper",
    "lower",
    "title",
    "truncate(7)",
    "excerpt(9)",
    "text",
    "mrkdwn",
    "replace('a', '<')",
]
FILTERS += ["link('https://a.example')", "default('<')", "first", "last", "tojson", "urlencode"]
OPERATIONS = [
    *(f"({{0}} | {name})" for name in FILTERS),
    "({0} ~ {1})",
    "({1} ~ {0})",
    "({0} + {1})",
    "({0} * 2)",
    "({0}[1:])",
]
OPERATIONS += ["([{0}, {1}] | join('<'))", "([{0}] | first)", "({0} or {1})"]


@given(
    st.lists(st.sampled_from(OPERATIONS), max_size=6),
    st.text(st.sampled_from("<>&|!@#a ;lgtmp\n'\"*_"), max_size=12),
    st.sampled_from(["<!channel>", "&lt;!channel&gt;", "<@U123>", "&amp;lt;"]),
)
def test_no_chain_of_operations_opens_a_bracket(operations: list[str], title: str, payload: str) -> None:
    """Whatever is done to a value without `raw`, the only brackets are those of links to addresses."""
    expression = "page.title"
    for operation in operations:
        expression = operation.format(expression, "page.title")
    result = slack(f"{{{{ {expression} }}}}", title + payload, title)
    assert "<" not in re.sub(r"<https://a\.example(\|[^<>]*)?>", "", re.sub(r"(?m)^> ", "", result))
    assert not re.search(r"&(?!amp;|lt;|gt;)", result), "an ampersand is not escaped"


def test_text_is_not_escaped() -> None:
    """Plain text has nothing to escape, and `raw` and `escape` do nothing."""
    namespace = namespace_of("page.updated", {"page": {"id": 1, "title": TITLE}})
    for template in (
        "{{ page.title }}",
        "{{ page.title | escape }}",
        "{{ page.title | raw }}",
        "{{ page.title | raw ~ '' }}",
    ):
        assert RENDERER.render(MessageSpec(message=template), TEXT, namespace).text == TITLE
    message = MessageSpec(message="{{ page.title | link('https://a.example') }}")
    assert RENDERER.render(message, TEXT, namespace).text == f"{TITLE} (https://a.example)"


def test_json_bodies_are_not_escaped_and_stay_json() -> None:
    """In `body`, a title with quotes and brackets is the same text."""
    title = '"}], <!channel> \n\\'
    spec = MessageSpec(body={"a": "{{ page.title }}", "b": "x {{ page.title }}"}, has_body=True)
    body = RENDERER.render(spec, HTTP, namespace_of("page.updated", {"page": {"id": 1, "title": title}})).body
    assert body == {"a": title, "b": f"x {title}"}


def test_filled_settings_are_quoted_value_by_value() -> None:
    """A destination's own template quotes what is inserted, not what its author wrote."""
    namespace = namespace_of("page.updated", {"page": {"id": 5, "title": "a/b ?"}})
    fill = RENDERER.fill
    quote = "<{}>".format
    assert fill("/x/{{ page.title }}/{{ page.id }}", namespace, quote) == "/x/<a/b ?>/<5>"
    assert fill("{% set a %}{{ page.title }}{% endset %}{{ a }}", namespace, quote) == "<a/b ?>"
    assert fill("{{ page.nothing }}", namespace, quote) == "<>"
    assert fill("/{{ page.title | upper }}", namespace, str.lower) == "/a/b ?"


@given(st.text(st.sampled_from("<>&abc |!"), max_size=30))
def test_reading_undoes_escaping(text: str) -> None:
    """What the reader sees of an escaped text is the text."""
    assert read_slack(escape_slack(text)) == text


@given(st.text(st.sampled_from("ab <>&\n😀"), max_size=40), st.integers(1, 45))
def test_cutting_keeps_to_its_limit_and_to_whole_escapes(text: str, limit: int) -> None:
    """A cut text fits, ends in an ellipsis where something is left out, and never in half an escape or link."""
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short.endswith("…")
    link = "<https://a.example/b|c d e>"
    for markup in (escape_slack(text), f"{escape_slack(text)}{link}{escape_slack(text)}", f"{escape_slack(text)}😀"):
        shown = cut_slack(markup, limit)
        assert slack_length(shown) <= limit
        assert shown == markup if slack_length(markup) <= limit else shown.endswith("…")
        assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
        assert shown.count("<") == shown.count(">")


@pytest.mark.parametrize("more", ["", "<https://a.example|more>"])
def test_a_last_character_that_counts_twice_is_cut_as_well(more: str) -> None:
    """Slack counts an emoji as two, and refuses a header that is longer by one for ever."""
    for title in ("a" * 149 + "😀", "a " * 74 + "a😀", "😀" * 76, "a" * 148 + "😀😀"):
        assert 140 <= slack_length(cut_slack(title, 150, more)) <= 150
    assert cut_slack("a" * 148 + "😀", 150, more) == "a" * 148 + "😀"


def test_cutting_prefers_a_word_border() -> None:
    """Words stay whole unless there is hardly a word to keep."""
    assert cut("one two three four", 12) == "one two…"
    assert cut("one two three four", 14) == "one two three…"
    assert cut("onetwothreefour", 6) == "onetw…"
    assert cut("one", 3) == "one"
    assert cut("one two", 4) == "one…"


def test_control_characters_do_not_reach_slack() -> None:
    """Slack may refuse a message with a NUL in it; a title must not be able to keep a message from arriving."""
    assert escape_slack("a\x00b\x1b[31mc\x7f\td\ne") == "ab[31mc\td\ne"


class TestMentions:
    """People whose Slack id the rule file gives."""

    NAMES = Directory().names("spaces", Given({"9": {"name": "Ada & <Byrne>", "slack": "U024BE7LH"}}))

    def shown(self, message: str, style: Style = SLACK) -> str:
        namespace = build_namespace(
            make_event("page.updated", {"page": {"updatedBy": {"id": 9}}}), SPACES, None, self.NAMES
        )
        return RENDERER.render(MessageSpec(message=message), style, namespace).text

    @pytest.mark.parametrize(
        ("message", "slack", "text"),
        [
            ("{{ actor.mention }}", "<@U024BE7LH>", "Ada & <Byrne>"),
            ("{{ actor.mention or 'Someone' }}", "<@U024BE7LH>", "Ada & <Byrne>"),
            ("{{ 'by ' ~ actor.mention }}", "by <@U024BE7LH>", "by Ada & <Byrne>"),
            ("{{ [actor.mention, 'x'] | join(' ') }}", "<@U024BE7LH> x", "Ada & <Byrne> x"),
            ("{{ actor.mention | upper }}", "ADA &amp; &lt;BYRNE&gt;", "ADA & <BYRNE>"),
            ("{{ actor.name }}", "Ada &amp; &lt;Byrne&gt;", "Ada & <Byrne>"),
            ("{% set who = actor.mention %}{{ who }}", "<@U024BE7LH>", "Ada & <Byrne>"),
        ],
    )
    def test_a_mention_calls_in_slack_and_names_elsewhere(self, message: str, slack: str, text: str) -> None:
        """However a template handles it, short of making another text of it."""
        assert self.shown(message) == slack
        assert self.shown(message, Style(Markup.TEXT, "text", False)) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("{{ actor.mention }}", "Ada &amp; &lt;Byrne&gt;"),
            ("by {{ actor.mention or 'Someone' }}", "by Ada &amp; &lt;Byrne&gt;"),
            ("{{ 'by ' ~ actor.mention }}", "by Ada &amp; &lt;Byrne&gt;"),
        ],
    )
    def test_a_mention_names_where_slack_calls_nobody(self, text: str, shown: str) -> None:
        """Headers and buttons are plain text to Slack: a mention would stand there as the id of the person."""
        header = {"type": "header", "text": {"type": "plain_text", "text": text}}
        section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
        namespace = build_namespace(
            make_event("page.updated", {"page": {"updatedBy": {"id": 9}}}), SPACES, None, self.NAMES
        )
        plain, markup = RENDERER.render(MessageSpec(blocks=[header, section]), SLACK, namespace).blocks
        assert plain["text"]["text"] == shown
        assert "<@U024BE7LH>" in markup["text"]["text"]

    def test_a_mention_in_json_is_the_name(self) -> None:
        """Also inside of what `tojson` writes."""
        assert '"mention":"Ada & <Byrne>"' in self.shown("{{ actor | tojson }}", Style(Markup.TEXT, "text", False))
