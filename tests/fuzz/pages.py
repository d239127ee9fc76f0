"""HTML of pages: broken as can be, and well-formed together with the words that a reader sees."""

from __future__ import annotations

import html
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import NamedTuple

from hypothesis import strategies as st

_ODDS_AND_ENDS = """
<b> </b> <i> </i> <s> </s> <code> </code> <p> </p> <div> <ul> <li> </li> </ul> <ol> </ol> <ol/start=7> <br> <pre> </pre>
<blockquote> </blockquote> <table> <tr> <td> <th> </td> </table> <h1> </h2> <hr> </a> <q> <img/alt='*x*'> <span> </span>
<a/href='https://x.example/?a&b'> <a/href=mailto:x> <input/type=checkbox> <li/data-checked=true> <script> </script>
<svg> < > & <!channel> &lt;!here&gt; <@U1> &#60;!channel&#62; ``` ` | <!-- --> <![CDATA[ <b/style='font-style:italic'>
&amp;lt; &#7;
"""
broken_pages: st.SearchStrategy[str] = st.lists(
    st.sampled_from([*_ODDS_AND_ENDS.split(), " ", "\n", "word", "\u2028", "\x1b", "\u202e"]) | st.text(max_size=5),
    max_size=40,
).map("".join)
plain_pages: st.SearchStrategy[str] = st.lists(
    st.sampled_from(
        [*(each for each in _ODDS_AND_ENDS.split() if each.startswith("<") and "*" not in each), " ", "ab", "."]
    ),
    max_size=40,
).map("".join)
"""Broken HTML without any text that looks like a mark."""


class Page(NamedTuple):
    """A piece of well-formed HTML, and its text with white space between words."""

    html: str
    text: str


def _joined(pages: Sequence[Page], between: str = "") -> Page:
    return Page("".join(page.html for page in pages), between.join(page.text for page in pages))


def _in_tag(tag: str, page: Page) -> Page:
    return Page(f"<{tag}>{page.html}</{tag.split(maxsplit=1)[0]}>", page.text)


_SIGNS = "*_`~[]()<>&#-+=|\\!.1:\"'/@^ "
_texts = st.text(st.sampled_from(f"{_SIGNS}{_SIGNS}abcé。✅\n\u00a0"), max_size=12)
_plain = _texts.map(lambda text: Page(html.escape(text), text))
_phrases = st.lists(st.sampled_from(["a", "word", "&lt;b&gt;", "2*3", "snake_case", "1.", "- x", " "]), max_size=4).map(
    lambda words: Page(" ".join(words), html.unescape(" ".join(words)))
)
_leaves = _plain | _phrases
_unlinked = st.recursive(
    _leaves | st.builds(_in_tag, st.just("code"), _leaves),
    lambda inner: st.builds(
        _in_tag, st.sampled_from(["b", "i", "s", "em", "strong", "span"]), st.lists(inner, max_size=3).map(_joined)
    ),
    max_leaves=4,
)
_links = st.builds(_in_tag, st.just('a href="https://x.example/a_(b)?c=*&amp;amp;d"'), _unlinked).filter(
    lambda page: bool(page.text.strip())
)
_inline = st.lists(_unlinked | _links | st.just(Page("<br>", " ")), min_size=1, max_size=4).map(_joined)
_simple = st.builds(_in_tag, st.sampled_from(["p", "div", "h1", "h3"]), _inline) | st.builds(
    _in_tag, st.just("pre"), _leaves
)


def _with_blocks(inner: st.SearchStrategy[Page]) -> st.SearchStrategy[Page]:
    several = st.lists(inner, min_size=1, max_size=3).map(lambda pages: _joined(pages, " "))
    items = st.lists(st.builds(_in_tag, st.just("li"), several | _inline), min_size=1, max_size=3)
    lists = st.builds(
        lambda tag, pages: _in_tag(tag, _joined(pages, " ")), st.sampled_from(["ul", "ol", "ol start=5"]), items
    )
    rows = st.lists(
        st.lists(st.builds(_in_tag, st.sampled_from(["td", "th"]), _inline), min_size=1, max_size=3).map(
            lambda cells: _in_tag("tr", _joined(cells, " "))
        ),
        min_size=1,
        max_size=3,
    )
    tables = rows.map(lambda pages: _in_tag("table", _joined(pages, " ")))
    return lists | tables | st.builds(_in_tag, st.just("blockquote"), several)


well_formed_pages: st.SearchStrategy[Page] = st.lists(
    st.recursive(_simple, _with_blocks, max_leaves=5), min_size=1, max_size=4
).map(lambda pages: _joined(pages, " "))


class _Words(HTMLParser):
    """Gathers the words of well-formed HTML with a parser that is not ours."""

    _PARTING = frozenset(
        [
            "p",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "blockquote",
            "pre",
            "table",
            "thead",
            "tbody",
            "tr",
            "td",
            "th",
            "br",
            "hr",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self._PARTING:
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.handle_starttag(tag, None)

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def words_of(rendered: str) -> list[str]:
    """List the words of HTML that a library rendered."""
    reader = _Words()
    reader.feed(rendered)
    reader.close()
    return "".join(reader.pieces).split()
