"""Filters that turn HTML into a message, as an author of templates meets them."""

from __future__ import annotations

import pytest

from router.errors import RenderFailure
from router.events import Markup
from router.messages.limits import LONGEST_TEXT
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from tests.message_bodies import namespace_of

TEXT = Style(Markup.TEXT, "text", forwards_as_is=False)
SLACK = Style(Markup.SLACK, "slack", forwards_as_is=False)
MAIL = Style(Markup.HTML, "email", forwards_as_is=False)
CONTENT = '<p>Ship <b>it</b> &lt;now&gt; *please*</p><ul><li><a href="https://x.example/">docs</a></li></ul>'


def shown(template: str, style: Style, content: str = CONTENT) -> str:
    namespace = namespace_of("page.updated", {"page": {"id": 1, "content": content}})
    return Renderer().render(MessageSpec(message=template), style, namespace).text


@pytest.mark.parametrize(
    ("name", "text", "slack"),
    [
        (
            "text",
            "Ship it <now> *please*\n\n- docs (https://x.example/)",
            "Ship it &lt;now&gt; *please*\n\n- docs (https://x.example/)",
        ),
        (
            "mrkdwn",
            "Ship it <now> *please*\n\n- docs (https://x.example/)",
            "Ship *it* &lt;now&gt; *please*\n\n• <https://x.example/|docs>",
        ),
        (
            "markdown",
            "Ship **it** \\<now> \\*please\\*\n\n- [docs](https://x.example/)",
            "Ship *it* &lt;now&gt; *please*\n\n• <https://x.example/|docs>",
        ),
        ("excerpt", "Ship it <now> *please* docs", "Ship it &lt;now&gt; *please* docs"),
    ],
)
def test_a_filter_writes_what_the_destination_reads(name: str, text: str, slack: str) -> None:
    """Slack gets mrkdwn, also from `markdown`; elsewhere `markdown` is Markdown and `mrkdwn` plain text."""
    assert shown(f"{{{{ page.content | {name} }}}}", TEXT) == text
    assert shown(f"{{{{ page.content | {name} }}}}", SLACK) == slack


def test_no_filter_makes_html_in_a_mail() -> None:
    """In the HTML part of a mail what the filters give is text, and escaped."""
    for name in ("text", "mrkdwn", "markdown", "excerpt"):
        renderer = Renderer({"email/note.j2": f"{{{{ page.content | {name} }}}}"})
        namespace = namespace_of("page.updated", {"page": {"id": 1, "content": CONTENT}})
        html = renderer.render(MessageSpec(template="note"), MAIL, namespace).html
        assert "&lt;now" in html
        assert "<" not in html


@pytest.mark.parametrize("name", ["text", "mrkdwn", "markdown"])
def test_a_length_is_kept(name: str) -> None:
    """With a number, there are at most so many characters, and an ellipsis for the rest."""
    for style in (TEXT, SLACK):
        cut = shown(f"{{{{ page.content | {name}(15) }}}}", style, "<p>Ship <b>it</b> now</p><p>please</p>")
        assert len(cut) <= 15
        assert cut.endswith("…")
    with pytest.raises(RenderFailure, match=f"{name} needs a whole number of characters"):
        shown(f"{{{{ page.content | {name}('a') }}}}", TEXT)


@pytest.mark.parametrize("name", ["text", "mrkdwn", "markdown", "excerpt(300000 - 100000)"])
def test_the_largest_page_makes_a_message(name: str) -> None:
    """A page of megabytes is cut, and never too long for a message."""
    for style in (TEXT, SLACK):
        assert 1_000 < len(shown(f"{{{{ page.content | {name} }}}}", style, "<p>&lt; " * 500_000)) <= LONGEST_TEXT


@pytest.mark.parametrize(
    ("value", "word"),
    [("1", "page"), ("2", "pages"), ("'1'", "page"), ("'3'", "pages"), ("'many'", "pages"), ("[4]", "page")],
)
def test_plural_counts_numbers_also_as_texts(value: str, word: str) -> None:
    """Bodies hold numbers as texts, too."""
    assert shown(f"{{{{ {value} | plural('page') }}}}", TEXT) == word
