"""`docs/messages.md` tells the truth: its examples run, and its tables list what there is."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml

from router.events import Markup
from router.messages import blocks, limits
from router.messages.filters import FILTERS
from router.messages.html import MOST_TOKENS, MOST_TOKENS_OF_A_LINE
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.messages.template_tests import TESTING_FILTERS, TESTS
from tests.message_bodies import namespace_of

PAGE = Path(__file__).parents[1] / "docs" / "messages.md"
EXAMPLE = re.compile(r"```(jinja|jinja slack|yaml body|yaml slack)\n(.*?)```\n\n```(?:text|json)\n(.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


def filter_table() -> str:
    rows = "| filter | gives |\n| --- | --- |\n"
    for name, call in {**FILTERS, **TESTING_FILTERS}.items():
        taken = [parameter.name for parameter in list(inspect.signature(call).parameters.values())[2:]]
        usage = f"{name}({', '.join(taken)})" if taken else name
        rows += f"| `{usage}` | {(call.__doc__ or '').replace('|', chr(92) + '|')} |\n"
    return rows


def list_of_tests() -> str:
    return ", ".join(f"`{name}`" for name in TESTS) + ". `defined` is true of what is neither missing nor null.\n"


def limit_table() -> str:
    figures = [
        ("text of a rendered message, and any text that an expression makes", f"{limits.LONGEST_TEXT // 1024} KiB"),
        ("loop steps, macro calls and includes of one message, all together", f"{limits.MOST_STEPS:,}"),
        ("macros inside each other", str(limits.DEEPEST_CALL)),
        ("items of a list or mapping that an expression makes, prints or compares", f"{limits.MOST_ITEMS:,}"),
        ("characters of one template's text", f"{limits.LONGEST_SOURCE:,}"),
        ("HTML of a page that `text`, `mrkdwn` and `markdown` read", f"{MOST_TOKENS:,} tags and texts"),
        ("HTML of a page that `excerpt` reads", f"{MOST_TOKENS_OF_A_LINE:,} tags and texts"),
        ("size of a number that a calculation makes", f"{limits.MOST_BITS} bits"),
    ]
    return "| what | at most |\n| --- | --- |\n" + "".join(f"| {what} | {most} |\n" for what, most in figures)


def slack_table() -> str:
    figures = [
        ("message as text", f"{blocks.LONGEST_SLACK_TEXT:,} characters"),
        ("blocks of a message", f"{blocks.MOST_BLOCKS}, and {blocks.LONGEST_BLOCKS:,} bytes as JSON"),
        ("text of a section", f"{blocks.LONGEST_SECTION:,} characters"),
        ("fields of a section", f"{blocks.MOST_FIELDS}, each of {blocks.LONGEST_FIELD:,} characters"),
        ("text of a header", f"{blocks.LONGEST_HEADER} characters"),
        ("elements of a context", f"{blocks.MOST_CONTEXTS}, each of {blocks.LONGEST_CONTEXT:,} characters"),
        ("buttons in a row", f"{blocks.MOST_BUTTONS}, each of {blocks.LONGEST_BUTTON} characters"),
    ]
    return "| what | at most |\n| --- | --- |\n" + "".join(f"| {what} | {most} |\n" for what, most in figures)


def test_there_are_examples() -> None:
    """The page is found and its examples are recognised."""
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize(("language", "source", "shown"), EXAMPLES)
def test_examples(language: str, source: str, shown: str) -> None:
    """Every example on the page gives what the page shows, on the sample of `page.updated`."""
    namespace = namespace_of("page.updated")
    if language == "yaml body":
        spec = MessageSpec(body=yaml.safe_load(source), has_body=True)
        assert Renderer().render(spec, Style(Markup.TEXT, "text", True), namespace).body == json.loads(shown)
        return
    if language == "yaml slack":
        own = {"slack/page.updated.yaml": source}
        renderer = Renderer(own, {name: yaml.safe_load(text) for name, text in own.items()})
        message = renderer.render(MessageSpec(), Style(Markup.SLACK, "slack", forwards_as_is=False), namespace)
        assert {"text": message.text, "blocks": message.blocks} == json.loads(shown)
        return
    folder = "slack" if language.endswith("slack") else "text"
    spec, style = MessageSpec(message=source), Style(Markup(folder), folder, False)
    assert Renderer().inspection.problems(spec, style) == []
    assert Renderer().render(spec, style, namespace).text == shown.strip()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("filters", filter_table()),
        ("tests", list_of_tests()),
        ("limits", limit_table()),
        ("slack limits", slack_table()),
    ],
)
def test_tables_list_what_there_is(name: str, content: str) -> None:
    """Filters, tests and limits on the page are those of the program."""
    assert f"<!-- {name} -->\n{content}<!-- end -->" in PAGE.read_text(encoding="utf-8")
