"""Whatever HTML an editor or an attacker leaves in a page, what becomes of it is harmless and says the same."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from router.messages.html import to_line, to_markdown, to_mrkdwn, to_text
from tests.fuzz.budget import examples
from tests.fuzz.pages import Page, broken_pages, plain_pages, well_formed_pages, words_of

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]*(?:\|[^<>]*)?>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:amp|lt|gt);")
CODE = re.compile(r"```.*?```", re.DOTALL)


@examples(200)
@given(broken_pages | st.text(), st.integers(1, 200))
def test_any_html_gives_a_bounded_clean_text(source: str, limit: int) -> None:
    """Conversion never fails, keeps its limit, works in proportion to its input, and lets no control character pass."""
    spent: list[int] = []
    for convert in (to_text, to_mrkdwn, to_markdown):
        for written in (convert(source, spend=spent.append), convert(source, limit)):
            assert not any(unicodedata.category(each) == "Cc" and each not in "\n\t" for each in written)
        assert len(convert(source, limit)) <= limit
    line = to_line(source, limit, spent.append)
    assert not any(unicodedata.category(each) == "Cc" for each in line)
    assert max(spent) <= len(source)


@examples(200)
@given(broken_pages | st.text())
def test_no_html_makes_a_mention(source: str) -> None:
    """Whatever the HTML, the only angles and ampersands in Slack's text are those of our links, quotes and escapes."""
    rest = ENTITY.sub("", LINK.sub("", re.sub(r"^>(?: |$)", "", to_mrkdwn(source), flags=re.MULTILINE)))
    assert not set(rest) & {"<", ">", "&"}


@examples(200)
@given(plain_pages, st.integers(1, 100) | st.just(10_000))
def test_marks_are_balanced_in_every_line(source: str, limit: int) -> None:
    """Slack's marks end with their line, so each line closes what it opens, also where the message was cut."""
    written = to_mrkdwn(source, limit)
    assert written.count("```") % 2 == 0
    for line in LINK.sub("", CODE.sub("", written)).split("\n"):
        for mark in "*_~`":
            assert line.count(mark) % 2 == 0, line


@examples(200)
@given(well_formed_pages)
def test_markdown_says_what_the_page_says(page: Page) -> None:
    """A library that renders our Markdown shows the words of the page, each of them and no more."""
    assert words_of(MARKDOWN.render(to_markdown(page.html))) == page.text.split()


@examples(100)
@given(well_formed_pages)
def test_a_line_says_what_the_page_says(page: Page) -> None:
    """One line has the words of the page, too."""
    assert to_line(page.html, 100_000).split() == page.text.split()
