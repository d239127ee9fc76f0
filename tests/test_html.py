"""Page contents on their way to plain text, to Slack and to Markdown, as a reader would judge them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from router.messages.html import MOST_TOKENS_OF_A_LINE, to_line, to_markdown, to_mrkdwn, to_text

PAGE = """
<h1>Release</h1>
<p>Do <b>this <i>now</i></b>, see <a href="https://x.example/?a=1&amp;b=2">the <b>docs</b></a>.</p>
<ul><li>One &lt;b&gt;</li><li>Two<ul><li>deep</li></ul></li></ul>
<ol><li>first</li><li>second</li></ol>
<blockquote><p>said</p></blockquote>
<pre><code class="language-python">x = `1`
  y</code></pre>
<table><tr><th>Name</th><th>Value</th></tr><tr><td>3</td><td>4|5</td></tr></table>
<script>alert("never")</script><style>p {}</style><!-- never -->end &amp; done
"""


def test_a_page_reads_well_as_text() -> None:
    """Paragraphs, lists, quotes, code and tables keep their shape, links their address; scripts and comments go."""
    assert to_text(PAGE) == (
        "Release\n\nDo this now, see the docs (https://x.example/?a=1&b=2).\n\n- One <b>\n- Two\n    - deep\n\n"
        "1. first\n2. second\n\n> said\n\nx = `1`\n  y\n\nName | Value\n3 | 4|5\n\nend & done"
    )


def test_a_page_reads_well_in_slack() -> None:
    """Bold, italic, links, lists and code are Slack's; the text between is escaped."""
    assert to_mrkdwn(PAGE) == (
        "*Release*\n\nDo *this _now_*, see <https://x.example/?a=1&amp;b=2|the docs>.\n\n• One &lt;b&gt;\n• Two\n"
        "    • deep\n\n1. first\n2. second\n\n> said\n\n```x = `1`\n  y```\n\n*Name* | *Value*\n3 | 4|5\n\n"
        "end &amp; done"
    )


def test_a_page_reads_well_as_markdown() -> None:
    """Everything has its sign, and what only looks like one is escaped."""
    assert to_markdown(PAGE) == (
        "# Release\n\nDo **this _now_**, see [the docs](https://x.example/?a=1&b=2).\n\n"
        "- One \\<b>\n- Two\n  - deep\n\n"
        "1. first\n2. second\n\n> said\n\n```python\nx = `1`\n  y\n```\n\n| Name | Value |\n| --- | --- |\n"
        "| 3 | 4\\|5 |\n\nend & done"
    )


def test_a_page_reads_well_in_one_line() -> None:
    """An excerpt has neither line breaks nor signs."""
    assert to_line("<ul><li>One</li><li>Two</li></ul><p>and&nbsp;three</p>", 100) == "One Two and three"
    assert to_line("a<img alt='picture'>b<script>x</script> <b>c</b>d<br>e", 100) == "apictureb cd e"


class Case(NamedTuple):
    """What one piece of HTML is in each markup."""

    source: str
    text: str
    mrkdwn: str
    markdown: str


WELL_FORMED = {
    "styles": Case(
        "<b>b</b> <em>i</em> <s>s</s> <code>c</code> <u>u</u>",
        "b i s c u",
        "*b* _i_ ~s~ `c` u",
        "**b** _i_ ~~s~~ `c` u",
    ),
    "styles in each other": Case("<i>a <b>b <s>c</s></b> d</i>.", "a b c d.", "_a *b ~c~* d_.", "_a **b ~~c~~** d_."),
    "styles over several lines": Case(
        "<b>one<br>two</b> three", "one\ntwo three", "*one*\n*two* three", "**one**  \n**two** three"
    ),
    "spaces beside marks": Case("a<b> b </b>c", "a b c", "a *b* c", "a **b** c"),
    "a mark inside a word": Case("un<b>believ</b>able", "unbelievable", "unbelievable", "unbelievable"),
    "styles by style": Case(
        '<span style="font-weight: 700; font-style:italic">x</span> <b style="font-weight:normal">y</b>',
        "x y",
        "*_x_* y",
        "**_x_** y",
    ),
    "line breaks": Case("a<br>b<br><br>c", "a\nb\n\nc", "a\nb\n\nc", "a  \nb\n\nc"),
    "lines of an editor": Case("<div>a</div><div>b</div>", "a\nb", "a\nb", "a  \nb"),
    "headings": Case("<h2>A <b>b</b></h2><p>c</p>", "A b\n\nc", "*A b*\n\nc", "## A **b**\n\nc"),
    "a rule": Case("a<hr>b", "a\n\n---\n\nb", "a\n\n———\n\nb", "a\n\n---\n\nb"),
    "a nested list": Case(
        "<ol start=9><li>a<ul><li>b</li></ul></li><li>c</li></ol>",
        "9. a\n    - b\n10. c",
        "9. a\n    • b\n10. c",
        "9. a\n   - b\n10. c",
    ),
    "a list of two paragraphs": Case(
        "<ul><li><p>a</p><p>b</p></li><li>c</li></ul>", "- a\n  b\n- c", "• a\n  b\n• c", "- a  \n  b\n- c"
    ),
    "numbers of their own": Case('<ol><li value="4">a</li><li>b</li></ol>', "4. a\n5. b", "4. a\n5. b", "4. a\n5. b"),
    "two lists": Case("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n- b", "• a\n\n• b", "- a\n\n* b"),
    "a list right inside a list": Case(
        "<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n    - b", "• a\n    • b", "- a\n  - b"
    ),
    "tasks": Case(
        '<ul><li><input type="checkbox" checked> a</li><li data-checked="false">b</li></ul>',
        "- [x] a\n- [ ] b",
        "☑ a\n☐ b",
        "- [x] a\n- [ ] b",
    ),
    "a box in a text": Case("<p><input type=checkbox> a</p>", "☐ a", "☐ a", "☐ a"),
    "quotations": Case(
        "<blockquote>a<p>b</p><blockquote>c</blockquote></blockquote>d",
        "> a\n>\n> b\n>\n> > c\n\nd",
        "> a\n>\n> b\n>\n> c\n\nd",
        "> a\n>\n> b\n>\n> > c\n\nd",
    ),
    "a quotation in a list": Case(
        "<ul><li>a<blockquote>b</blockquote></li></ul>", "- a\n  > b", "• a\n>   b", "- a\n\n  > b"
    ),
    "a list in a quotation": Case(
        "<blockquote><ul><li>a</li><li>b</li></ul></blockquote>", "> - a\n> - b", "> • a\n> • b", "> - a\n> - b"
    ),
    "code": Case("<pre>a\n\n  b < c</pre>", "a\n\n  b < c", "```a\n\n  b &lt; c```", "```\na\n\n  b < c\n```"),
    "code of lines": Case("<pre><div>a</div><div>b</div></pre>", "a\nb", "```a\nb```", "```\na\nb\n```"),
    "code in a list": Case(
        "<ul><li>a<pre>b\nc</pre></li></ul>", "- a\n  b\n  c", "• a\n```b\nc```", "- a\n\n  ```\n  b\n  c\n  ```"
    ),
    "signs in code": Case("<code>a`b</code>", "a`b", "`a'b`", "``a`b``"),
    "fences in code": Case("<pre>a```b</pre>", "a```b", "```a'''b```", "````\na```b\n````"),
    "links": Case(
        '<a href="https://x.example/a_(b)">t <b>u</b></a> <a href="mailto:a@x.example">a@x.example</a>',
        "t u (https://x.example/a_(b)) a@x.example",
        "<https://x.example/a_(b)|t u> <mailto:a@x.example|a@x.example>",
        "[t u](https://x.example/a_%28b%29) [a@x.example](mailto:a@x.example)",
    ),
    "a link in a style": Case(
        '<b><a href="https://x.example">t</a></b>',
        "t (https://x.example)",
        "*<https://x.example|t>*",
        "**[t](https://x.example)**",
    ),
    "a link around paragraphs": Case(
        '<a href="https://x.example"><p>a</p><p>b</p></a>',
        "a (https://x.example)\n\nb (https://x.example)",
        "<https://x.example|a>\n\n<https://x.example|b>",
        "[a](https://x.example)\n\n[b](https://x.example)",
    ),
    "a bare link": Case(
        '<a href="https://x.example/">https://x.example/</a> <a href="https://x.example/">x.example</a>',
        "https://x.example/ x.example",
        "<https://x.example/> <https://x.example/|x.example>",
        "<https://x.example/> [x.example](https://x.example/)",
    ),
    "a link that is none": Case('<a href="javascript:x">a</a> <a href="#b">b</a>', "a b", "a b", "a b"),
    "pictures": Case(
        'a <img alt="the &lt;plan&gt;" src="x.png"> b<img src="y">',
        "a the <plan> b",
        "a the &lt;plan&gt; b",
        "a the \\<plan> b",
    ),
    "a table": Case(
        "<table><caption>T</caption><tr><td>a</td></tr><tr><td>b<br>c</td><td><ul><li>d</li></ul></td></tr></table>e",
        "T\n\na\nb c | d\n\ne",
        "T\n\na\nb c | d\n\ne",
        "T\n\n| a |  |\n| --- | --- |\n| b c | d |\n\ne",
    ),
    "a table inside a table": Case(
        "<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr></table>",
        "a b | c",
        "a b | c",
        "| a b | c |\n| --- | --- |",
    ),
    "a box": Case("<table><tr><td>a</td></tr></table>b", "a\n\nb", "a\n\nb", "a\n\nb"),
    "definitions": Case("<dl><dt>a</dt><dd>b</dd></dl>", "a\nb", "a\nb", "a  \nb"),
    "quotation marks": Case("<q>a</q>", "“a”", "“a”", "“a”"),
    "entities": Case(
        "&lt;&auml;&#8364;&#x41;&nbsp;&notit; &nosuch;",
        "<ä€A ¬it; &nosuch;",
        "&lt;ä€A ¬it; &amp;nosuch;",
        "\\<ä€A ¬it; \\&nosuch;",
    ),
    "what shows nothing": Case("a&shy;b&#8203;c\u202ed&#1;", "abcd", "abcd", "abcd"),
}


@pytest.mark.parametrize("case", WELL_FORMED.values(), ids=WELL_FORMED)
def test_well_formed_html(case: Case) -> None:
    """Each thing that an editor makes reads as it should, in each markup."""
    assert to_text(case.source) == case.text
    assert to_mrkdwn(case.source) == case.mrkdwn
    assert to_markdown(case.source) == case.markdown


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("*a* _b_ `c` ~d~ [e](f) \\g", r"\*a\* \_b\_ \`c\` \~d\~ \[e\](f) \\g"),
        ("snake_case and __init__", r"snake_case and \_\_init\_\_"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("-5 and 3.14", "-5 and 3.14"),
        ("1. a", r"1\. a"),
        ("12) a", r"12\) a"),
        ("&gt; a", r"\> a"),
        ("a<br>===", "a  \n\\==="),
        ("a | b<br>--|--", "a | b  \n\\--|--"),
        ("a &lt; b &amp; c", "a < b & c"),
        ("&amp;amp; &lt;b&gt; &lt;@1&gt;", r"\&amp; \<b> \<@1>"),
        ("<h1>C#</h1>", "# C\\#"),
        ('!<a href="https://x.example">a</a>', r"\![a](https://x.example)"),
        ('<a href="https://x.example/a b?c=&amp;amp;d">]</a>', r"[\]](https://x.example/a%20b?c=&amp;amp;d)"),
        ("<code>`</code>", "`` ` ``"),
        ("<b>“a”</b>b", "“a”b"),
    ],
)
def test_what_would_be_markup_is_escaped(source: str, markdown: str) -> None:
    """A text is read as what it is, whatever signs of Markdown it holds, and no more is escaped than must be."""
    assert to_markdown(source) == markdown


@pytest.mark.parametrize(
    ("source", "mrkdwn"),
    [
        ("<b></b><b> </b>x", "x"),
        ("<b>one<p>two</p></b>", "*one*\n\n*two*"),
        ("<b>one <i>two</b> three</i>", "*one _two_* _three_"),
        ("<b>one<i>two</b>three</i>", "onetwothree"),
        ("<b>never closed", "*never closed*"),
        ("</b></i></ul></ol></li></table></td></pre></a>x", "x"),
        ("<b>2*3</b>", "2*3"),
        ("<li>a<li>b", "• a\n• b"),
        ("<ul><li>a<ul><li>b</ol></li>c", "• a\n    • b\n  c"),
        ("<table><tr><td>a<td>b<tr><td>c", "a | b\nc"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<pre>a<li>b", "```a```\n\n• b"),
        ("<pre>a", "```a```"),
        ("<script>if (a<b) '<!--'</script>b", "b"),
        ("<title>a</title><svg><text>b</text></svg>c", "c"),
        ('<a href="https://x.example"></a>', "<https://x.example>"),
        ('<a href="https://x.example/a|b>c">t<br>u</a>', "<https://x.example/a%7Cb&gt;c|t>\n<https://x.example/a%7Cb&gt;c|u>"),
        ("<a href=https://x.example>unclosed", "<https://x.example|unclosed>"),
        ('<a title="href=\'https://evil.example\'" data-href="https://b" href="https://a.example?a=1&copy=2">x</a>', "<https://a.example?a=1&amp;copy=2|x>"),
        (f'<a href="https://x.example/{"a" * 2000}">long</a>', "long"),
        ("a < b and c > d & e", "a &lt; b and c &gt; d &amp; e"),
        ("&lt;!channel&gt; <!channel> <@U123> <#C123>", "&lt;!channel&gt; &lt;@U123&gt; &lt;#C123&gt;"),
        ("x <b title='a>b' id=\">\">y</b>", "x *y*"),
        ("x <b title=it's>y</b> z", "x *y* z"),
        ("cut off <b", "cut off"),
        ("cut off <!-- x", "cut off"),
        ("<p>&#60;&#x3e;&#99999999;&#" + "9" * 50, "&lt;&gt;&amp;#99999999;&amp;#" + "9" * 50),
        ("line<br/>line<BR>line", "line\nline\nline"),
        ("", ""),
    ],
)  # fmt: skip
def test_broken_and_hostile_html(source: str, mrkdwn: str) -> None:
    """Broken HTML reads as in a browser, and nothing of it can be a mention or a link of the writer's choice."""
    assert to_mrkdwn(source) == mrkdwn


@pytest.mark.parametrize(
    ("limit", "mrkdwn"),
    [
        (23, "*Bold words* and a…"),
        (60, "*Bold words* and a link\n\n• <https://x.example|some label>"),
        (56, "*Bold words* and a link\n\n• <https://x.example|some…>"),
        (40, "*Bold words* and a link…"),
        (14, "*Bold words*…"),
        (9, "*Bold…*"),
        (1, "…"),
    ],
)
def test_what_is_too_long_is_cut_within_its_markup(limit: int, mrkdwn: str) -> None:
    """A limit leaves no mark and no link open."""
    source = '<p><b>Bold words</b> and a link</p><ul><li><a href="https://x.example">some label</a></li></ul>'
    shown = to_mrkdwn(source, limit)
    assert len(shown) <= limit
    assert shown == mrkdwn


HOSTILE = [
    *("<", "<!--", "<a ", '<a "', "<b>", "<b>x</b>", "<b></b>", "<p></p>", "<ul><li>x", "&#", "&amp;", "&ab", "<p>"),
    *("<pre>", '<a href="https://x">', '<a href="https://x">x</a>', "<script>", "<script></script>", "<b><i>x</b>"),
    *("</b>", "x ", "<blockquote>x", "<table><tr><td>x", "<td>x", "</ul>", "<br>x", "<i>x<b>y</i>z</b> ", "<h1>"),
    *("<b style='text-decoration:", "<img alt=", "<li value=1>x", "<table>", "<pre>x</pre>", "<input type=checkbox>"),
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_huge_hostile_page_costs_little(piece: str) -> None:
    """However a huge page is made, only so many tags and texts are looked at, and a message stays within its limit."""
    page = piece * (300_000 // len(piece))
    spent: list[int] = []
    for convert in (to_text, to_mrkdwn, to_markdown):
        assert len(convert(page, 100_000, spent.append)) <= 100_000
    to_line(page, 200, spent.append)
    assert max(spent) <= 2 * MOST_TOKENS_OF_A_LINE


@pytest.mark.parametrize("page", ["<p>some words</p>" * 10_000, "&amp; x " * 30_000, "word " * 50_000])
def test_an_excerpt_stops_reading_early(page: str) -> None:
    """The beginning of a large page is found without reading the rest, whether that is tags, entities or words."""
    spent: list[int] = []
    assert len(to_line(page, 200, spent.append)) >= 200
    assert spent[0] < 300


def test_a_page_of_empty_tags_has_an_excerpt() -> None:
    """Words that stand behind thousands of empty tags are found."""
    assert to_line("<p></p>" * 9_999 + "found", 200) == "found"
