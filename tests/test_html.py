"""Page contents on their way to plain text and to Slack."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.messages.html import MOST_TOKENS, to_line, to_mrkdwn, to_text

PAGE = """
<h1>Release</h1>
<p>Do <b>this <i>now</i></b>, see <a href="https://x.example/?a=1&amp;b=2">the <b>docs</b></a>.</p>
<ul><li>One &lt;b&gt;</li><li>Two<ul><li>deep</li></ul></li></ul>
<ol><li>first</li><li>second</li></ol>
<blockquote><p>said</p></blockquote>
<pre><code>x = `1`
  y</code></pre>
<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>
<script>alert("never")</script><style>p {}</style><!-- never -->end &amp; done
"""


def test_a_page_reads_well_as_text() -> None:
    """Paragraphs, lists, quotes, code and tables keep their shape; markup, scripts and comments go."""
    assert to_text(PAGE) == (
        "Release\n\nDo this now, see the docs.\n\n- One <b>\n- Two\n    - deep\n\n1. first\n2. second\n\n> said\n\n"
        "x = `1`\n  y\n\n1 | 2\n3 | 4\n\nend & done"
    )


def test_a_page_reads_well_in_slack() -> None:
    """Bold, italic, links, lists and code are Slack's; the text between is escaped."""
    assert to_mrkdwn(PAGE) == (
        "*Release*\n\nDo *this _now_*, see <https://x.example/?a=1&amp;b=2|the docs>.\n\n• One &lt;b&gt;\n• Two\n"
        "    • deep\n\n1. first\n2. second\n\n> said\n\n```x = `1`\n  y```\n\n1 | 2\n3 | 4\n\nend &amp; done"
    )


def test_a_page_reads_well_in_one_line() -> None:
    """An excerpt has neither line breaks nor signs."""
    assert to_line("<ul><li>One</li><li>Two</li></ul><p>and&nbsp;three</p>", 100) == "One Two and three"


@pytest.mark.parametrize(
    ("source", "mrkdwn"),
    [
        ("a<b> b </b>c", "a *b* c"),
        ("<b></b><b> </b>x", "x"),
        ("<b>one<p>two</p></b>", "*one*\n\n*two*"),
        ("<b>one<i>two</b>three</i>", "*one_two_*_three_"),
        ("<b>never closed", "*never closed*"),
        ("</b></i>x", "x"),
        ("<s>old</s> <del>gone</del>", "~old~ ~gone~"),
        ("<code>a`b</code>", "`a'b`"),
        ("<pre>a```b", "```a'''b```"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<a href="https://x.example"></a>', "<https://x.example>"),
        ('<a href="https://x.example/a|b>c">t<br>u</a>', "<https://x.example/a%7Cb&gt;c|t u>"),
        ("<a href=https://x.example>unclosed", "<https://x.example|unclosed>"),
        ("a < b and c > d & e", "a &lt; b and c &gt; d &amp; e"),
        ("&lt;!channel&gt; <!channel> <@U123> <#C123>", "&lt;!channel&gt; &lt;@U123&gt; &lt;#C123&gt;"),
        ("x <b title='a>b' id=\">\">y</b>", "x *y*"),
        ("cut off <b", "cut off"),
        ("cut off <!-- x", "cut off"),
        ("&#60;&#x3e;&#99999999;&nosuch;&#" + "9" * 5000, None),
        ("line<br/>line<BR>line", "line\nline\nline"),
        ("", ""),
    ],
)
def test_broken_and_hostile_html(source: str, mrkdwn: str | None) -> None:
    """Broken HTML reads as in a browser, and nothing of it can be a mention or a link of the writer's choice."""
    result = to_mrkdwn(source)
    if mrkdwn is not None:
        assert result == mrkdwn


@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", '<a "', "<b>", "<b>x</b>", "<ul><li>x", "&#", "&amp;", "<p>", "<pre>", '<a href="https://x">',
     "<script>", "<b><i>x</b>", "</b>", "x ", "<blockquote>x", "<table><tr><td>x"],
)  # fmt: skip
def test_a_huge_hostile_page_costs_little(piece: str) -> None:
    """However a megabyte is made, only so many tokens of it are looked at."""
    page = piece * (1_000_000 // len(piece))
    seen: list[int] = []
    for convert in (to_text, to_mrkdwn):
        convert(page, seen=seen.append)
    to_line(page, 200, seen=seen.append)
    assert max(seen) <= MOST_TOKENS


def test_an_excerpt_stops_reading_early() -> None:
    """The beginning of a large page is found without reading the rest."""
    seen: list[int] = []
    to_line("<p>some words</p>" * 10_000, 200, seen=seen.append)
    assert seen[0] < 200


PIECES = """
<b> </b> <i> </i> <code> </code> <p> </p> <ul> <li> </ul> <ol> <br> <pre> </pre> </a> <blockquote> </blockquote> <td>
<a/href='https://x.example/?a&b'> < > & <!channel> &lt;!here&gt; <@U1> &#60;!channel&#62; ``` ` | <!-- -->
"""
HTML = st.lists(st.sampled_from([*PIECES.split(), " "]) | st.text(max_size=5), max_size=30).map("".join)


@given(HTML)
def test_no_html_makes_a_mention(source: str) -> None:
    """Whatever the HTML, the only angle brackets in Slack's text are those of links to http, https or mailto."""
    converted = to_mrkdwn(source)
    rest = re.sub(r"<(https?://|mailto:)[^<>|]*(\|[^<>|]*)?>|<(https?://|mailto:)[^<>|]*\|[^<>]*>", "", converted)
    assert "<" not in rest
    assert ">" not in re.sub(r"^> ", "", rest, flags=re.MULTILINE)


@given(HTML | st.text())
def test_no_html_raises(source: str) -> None:
    """Conversion never fails, and leaves no space at the end of a line."""
    for converted in (to_text(source), to_mrkdwn(source), to_line(source, 50)):
        assert isinstance(converted, str)
    assert "\n" not in to_line(source, 50)
