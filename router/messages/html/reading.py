"""From tags and texts to blocks: what the writer of a page meant, also where its HTML is broken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

from router.messages.html.document import (
    BOLD,
    BREAK,
    CODE,
    ITALIC,
    STRUCK,
    Block,
    Kind,
    Link,
    List,
    Quote,
    Row,
    Run,
)
from router.messages.html.nesting import Nesting, Styles
from router.messages.html.tokens import attributes, code_language, picture_words, plain, tokens, value

MOST_TOKENS = 10_000
"""Tags and texts that are looked at: some 150,000 characters of a usual page, more than any message holds."""
LONGEST_ADDRESS = 2_000
"""Every browser opens as much; a longer address makes no link."""

_PARAGRAPHS = ("p", "article", "section", "header", "footer", "main", "aside", "nav", "figure", "dl", "caption")
_LINES = ("div", "dt", "dd", "figcaption", "address", "details", "summary", "form", "fieldset", "center", "body")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_OTHERS = ("ul", "ol", "li", "blockquote", "pre", "table", "tr", "td", "th", "br", "hr")
BREAKING = frozenset(name for tag in _PARAGRAPHS + _LINES + _HEADINGS + _OTHERS for name in (tag, f"/{tag}"))
"""Tags that part words."""

_STYLES_OF_TAGS = (
    dict.fromkeys(("b", "strong"), BOLD)
    | dict.fromkeys(("i", "em", "cite", "dfn"), ITALIC)
    | dict.fromkeys(("s", "strike", "del"), STRUCK)
    | dict.fromkeys(("code", "kbd", "samp", "tt"), CODE)
    | dict.fromkeys(("span", "font", "u", "ins", "mark"), 0)
)
"""The last ones have a style only where their attribute `style` says so."""

_LINK_SCHEMES = ("http://", "https://", "mailto:")
_SPACE = re.compile(r"\s+")
_LINE_END = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
_NONE, _LINE, _SPACED = range(3)

_Handler: TypeAlias = Callable[[str, str], None]


class Reader:
    """
    Reads one page.

    A block ends where the next tag says so; until then its runs are gathered. What a tag asks for (some space, a line
    break) waits until a text follows, so that nothing begins or ends with it.

    Attributes:
        cost: Tags and entities that were looked at so far.
    """

    def __init__(self) -> None:
        self.cost = 0
        self._ready: list[Block] = []
        self._runs: list[tuple[int, Link | None, list[str]]] = []
        self._gap = _NONE
        self._blank = False
        self._breaks = 0
        self._level = 0
        self._link: Link | None = None
        self._styles = Styles()
        self._nesting = Nesting()
        self._code: list[str] | None = None
        self._language = ""
        self._rows: list[Row] | None = None
        self._inner_tables = 0
        self._in_cell = False
        self._has_head = False

    def blocks(self, source: str) -> Iterator[Block]:
        """Read HTML, and give each block as soon as it is complete."""
        handlers = self._handlers()
        for name, written in tokens(source, MOST_TOKENS):
            self.cost += 1
            if name:
                handle = handlers.get(name)
                if handle is not None:
                    handle(name, written)
            else:
                self.cost += written.count("&") // 4
                self._read_text(written)
            if self._ready:
                yield from self._ready
                self._ready.clear()
        self._end_link()
        self._end_code()
        self._end_table()
        self._end_block()
        yield from self._ready

    # Texts

    def _read_text(self, written: str) -> None:
        text = plain(written)
        if self._code is not None:
            self._code.append(_LINE_END.sub("\n", text))
            return
        words = _SPACE.sub(" ", text)
        stripped = words.strip(" ")
        self._blank = self._blank or words[:1] == " "
        if stripped:
            self._add(stripped)
            self._blank = words[-1:] == " "

    def _add(self, text: str) -> None:
        """Gather a text, and what was asked for before it."""
        style, link = self._styles.current, self._link
        if link is not None:
            link.has_text = True
        if self._breaks > 1:
            self._end_block()
            self._gap = _SPACED
        if self._runs:
            last_style, last_link, pieces = self._runs[-1]
            if self._breaks:
                self._runs += [(0, None, ["\n"]), (style, link, [text])]
            elif last_style == style and last_link is link:
                pieces += (" ", text) if self._blank else (text,)
            else:
                if self._blank:
                    self._runs.append((last_style & style & ~CODE, link if last_link is link else None, [" "]))
                self._runs.append((style, link, [text]))
        else:
            self._runs.append((style, link, [text]))
        self._breaks = 0
        self._blank = False

    def _taken(self) -> list[Run]:
        """Take what was gathered."""
        runs = [BREAK if pieces == ["\n"] else Run("".join(pieces), style, link) for style, link, pieces in self._runs]
        self._runs = []
        self._breaks = 0
        self._blank = False
        return runs

    # Blocks

    def _part(self, gap: int, _name: str = "", _written: str = "") -> None:
        """End what is being written: something else comes on a line of its own, or after some space."""
        if self._in_cell:
            self._blank = True
        elif self._code is not None:
            if self._code and not self._code[-1].endswith("\n"):
                self._code.append("\n")
        else:
            self._end_block()
            if gap > self._gap:
                self._gap = _LINE if gap == _SPACED and self._nesting.is_in_list else gap

    def _end_block(self) -> None:
        if self._runs and not self._in_cell:
            self._put(Block(Kind.HEADING if self._level else Kind.PARAGRAPH, self._taken(), level=self._level))

    def _put(self, block: Block) -> None:
        block.containers = self._nesting.containers()
        block.is_apart = self._gap == _SPACED
        self._gap = _NONE
        self._ready.append(block)

    def _break(self, _name: str, _written: str) -> None:
        if self._code is not None:
            self._code.append("\n")
        elif self._in_cell or not self._runs:
            self._part(_LINE)
        else:
            self._breaks += 1
            self._blank = False

    def _rule(self, _name: str, _written: str) -> None:
        self._part(_SPACED)
        if not self._in_cell and self._code is None:
            self._put(Block(Kind.RULE))
            self._gap = _SPACED

    def _heading(self, name: str, _written: str) -> None:
        self._part(_SPACED)
        self._level = 0 if name[0] == "/" or self._in_cell else int(name[1])

    # Styles, links and pictures

    def _open_style(self, style: int, name: str, written: str) -> None:
        self._styles.open(name, style, written)
        if name == "code" and self._code is not None and not self._language:
            self._language = code_language(written)

    def _close_style(self, name: str, _written: str) -> None:
        self._styles.close(name[1:])

    def _open_link(self, _name: str, written: str) -> None:
        self._end_link()
        address = _SPACE.sub("%20", value(attributes(written).get("href", "")[: 2 * LONGEST_ADDRESS]).strip())
        if address.lower().startswith(_LINK_SCHEMES) and len(address) <= LONGEST_ADDRESS and self._code is None:
            self._link = Link(address)

    def _end_link(self, _name: str = "", _written: str = "") -> None:
        """End the link that is open; one without a text shows its address."""
        if self._link is not None and not self._link.has_text:
            self._add(self._link.address)
        self._link = None

    def _picture(self, _name: str, written: str) -> None:
        words = picture_words(written)
        if words and self._code is None:
            self._add(words)

    def _quotation_mark(self, sign: str, _name: str, _written: str) -> None:
        self._read_text(sign)

    # Lists and quotations

    def _open_list(self, name: str, written: str) -> None:
        self._end_code()
        self._part(_SPACED)
        if not self._in_cell:
            self._nesting.open_list(name == "ol", written)

    def _open_quote(self, _name: str, _written: str) -> None:
        self._end_code()
        self._part(_SPACED)
        if not self._in_cell:
            self._nesting.open_quote()

    def _close(self, kind: type[List | Quote], _name: str, _written: str) -> None:
        self._end_code()
        self._part(_SPACED)
        if not self._in_cell:
            self._nesting.close(kind)
            self._part(_SPACED)

    def _open_item(self, _name: str, written: str) -> None:
        self._end_code()
        self._part(_LINE)
        if not self._in_cell:
            self._nesting.open_item(written)

    def _input(self, _name: str, written: str) -> None:
        """A box to tick makes its item a task; anywhere else it is a sign."""
        found = attributes(written)
        if found.get("type", "").lower() != "checkbox" or self._code is not None:
            return
        checked = "checked" in found
        item = self._nesting.innermost_item()
        if item is not None and not self._runs and not self._in_cell:
            item.checked = checked
        else:
            self._read_text(" ☑ " if checked else " ☐ ")

    def _close_item(self, _name: str, _written: str) -> None:
        self._end_code()
        self._part(_LINE)

    # Code

    def _open_code(self, _name: str, written: str) -> None:
        if self._in_cell:
            self._blank = True
            return
        self._end_link()
        self._end_code()
        self._part(_SPACED)
        self._code = []
        self._language = code_language(written)

    def _end_code(self, _name: str = "", _written: str = "") -> None:
        if self._code is None:
            return
        text = "".join(self._code).removeprefix("\n").rstrip()
        self._code = None
        if text:
            self._put(Block(Kind.CODE, [Run(text, CODE)], language=self._language))
        self._part(_SPACED)

    # Tables

    def _open_table(self, _name: str, _written: str) -> None:
        self._end_code()
        self._part(_SPACED)
        if self._rows is not None:
            self._inner_tables += 1
            return
        self._rows = []
        self._has_head = False

    def _open_row(self, _name: str, _written: str) -> None:
        if self._rows is None or self._inner_tables:
            self._part(_LINE)
            return
        self._end_cell()
        self._part(_LINE)
        self._rows.append([])

    def _open_cell(self, name: str, _written: str) -> None:
        if self._rows is None or self._inner_tables:
            self._blank = True
            return
        self._end_cell()
        self._part(_LINE)
        if not self._rows:
            self._rows.append([])
        self._has_head = self._has_head or (name == "th" and len(self._rows) == 1)
        self._in_cell = True

    def _close_cell(self, _name: str, _written: str) -> None:
        if self._inner_tables or self._rows is None:
            self._blank = True
        else:
            self._end_cell()

    def _end_cell(self) -> None:
        if self._in_cell and self._rows is not None:
            self._end_link()
            self._rows[-1].append(self._taken())
            self._in_cell = False

    def _close_table(self, _name: str, _written: str) -> None:
        if self._inner_tables:
            self._inner_tables -= 1
            self._blank = True
        else:
            self._end_table()

    def _end_table(self) -> None:
        """Write the table that is open; one with a single column is a box around paragraphs."""
        if self._rows is None:
            return
        self._end_cell()
        self._inner_tables = 0
        self._part(_SPACED)
        rows = [row for row in self._rows if any(row)]
        self._rows = None
        if rows and max(map(len, rows)) > 1:
            self._put(Block(Kind.TABLE, rows=rows, has_head=self._has_head))
        else:
            for row in rows:
                self._put(Block(Kind.PARAGRAPH, row[0]))
        self._part(_SPACED)

    def _handlers(self) -> Mapping[str, _Handler]:
        """What each tag does; all others do nothing."""
        line, spaced = partial(self._part, _LINE), partial(self._part, _SPACED)
        found: dict[str, _Handler] = {name: line for tag in _LINES for name in (tag, f"/{tag}")}
        found |= {name: spaced for tag in _PARAGRAPHS for name in (tag, f"/{tag}")}
        for tag, style in _STYLES_OF_TAGS.items():
            found |= {tag: partial(self._open_style, style), f"/{tag}": self._close_style}
        for tag in _HEADINGS:
            found |= {tag: self._heading, f"/{tag}": self._heading}
        for tag in ("ul", "ol"):
            found |= {tag: self._open_list, f"/{tag}": partial(self._close, List)}
        for tag in ("td", "th"):
            found |= {tag: self._open_cell, f"/{tag}": self._close_cell}
        return found | {
            "br": self._break,
            "hr": self._rule,
            "a": self._open_link,
            "/a": self._end_link,
            "img": self._picture,
            "q": partial(self._quotation_mark, "“"),
            "/q": partial(self._quotation_mark, "”"),
            "li": self._open_item,
            "/li": self._close_item,
            "input": self._input,
            "blockquote": self._open_quote,
            "/blockquote": partial(self._close, Quote),
            "pre": self._open_code,
            "/pre": self._end_code,
            "table": self._open_table,
            "/table": self._close_table,
            "tr": self._open_row,
            "/tr": self._close_cell,
        }
