"""
Page contents are HTML from an editor: here they become plain text or Slack's mrkdwn.

The reader is our own, because the standard library's looks at unclosed tags and comments again and again (its time
grows with the square of their number) and raises on some entities. This one goes over the text once, as browsers do:
what opens and never closes swallows the rest. Everything is bounded: input, depth, output.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from router.messages.escaping import escape_slack, slack_link

LONGEST_HTML = 262_144
"""Characters of HTML that are looked at; what follows is left out."""
MOST_TOKENS = 20_000
"""Tags and texts between them that are looked at; what follows is left out."""

_MOST_LIST_DEPTH = 8
_LONGEST_LABEL = 500
_HIDDEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = _HEADINGS | {"p", "section", "article", "header", "footer", "main", "aside", "table", "dl", "figure"}
_LINES = frozenset({"br", "hr", "div", "tr", "dt", "dd", "figcaption", "address"})
_CELLS = frozenset({"td", "th"})
_MARKS = {"b": "*", "strong": "*", "i": "_", "em": "_", "s": "~", "strike": "~", "del": "~", "code": "`", "kbd": "`"}

_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9:-]*")
_TAG_PART = re.compile(r"[\"'>]")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_SPACE = re.compile(r"[ \t\r\n\f\v\u00a0\u200b]+")
_LINK_SCHEMES = ("http://", "https://", "mailto:")
_NOTHING, _BLANK, _NEW_LINE, _EMPTY_LINE = range(4)
_GAPS = ("", " ", "\n", "\n\n")


@dataclass(frozen=True)
class Tag:
    """A start or end tag: its name in lower case, and the address of a link."""

    name: str
    closes: bool
    href: str = ""


def tokens(source: str) -> Iterator[Tag | str]:
    """Cut HTML into tags and texts, entities resolved. Never raises; the time is linear in the length."""
    position = 0
    end = min(len(source), LONGEST_HTML)
    while position < end:
        opened = source.find("<", position, end)
        if opened < 0:
            opened = end
        if opened > position:
            yield _unescaped(source[position:opened])
        if opened >= end:
            return
        token, position = _tag_at(source, opened, end)
        if token is not None:
            yield token


def _tag_at(source: str, opened: int, end: int) -> tuple[Tag | str | None, int]:
    """Read what begins with `<`, and say where the next token starts."""
    following = source[opened + 1 : opened + 4]
    if following.startswith("!--"):
        closed = source.find("-->", opened + 4, end)
        return None, closed + 3 if closed >= 0 else end
    if following[:1] in ("!", "?"):
        closed = source.find(">", opened, end)
        return None, closed + 1 if closed >= 0 else end
    name = _NAME.match(source, opened + 1, end)
    if name is None:
        return "<", opened + 1
    closed = _end_of_tag(source, name.end(), end)
    word = name[0].lower()
    if word.startswith("/"):
        return Tag(word[1:], closes=True), closed
    href = _HREF.search(source, name.end(), closed) if word == "a" else None
    address = next((group for group in href.groups() if group), "") if href else ""
    return Tag(word, closes=False, href=_unescaped(address).strip()), closed


def _end_of_tag(source: str, position: int, end: int) -> int:
    """Find the end of a tag: the next `>` outside of quotes, or else the end of everything."""
    while True:
        part = _TAG_PART.search(source, position, end)
        if part is None:
            return end
        if part[0] == ">":
            return part.end()
        closing = source.find(part[0], part.end(), end)
        if closing < 0:
            return end
        position = closing + 1


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


@dataclass
class _Converter:
    """
    Writes tokens down as text.

    White space is never written at once: it waits as a gap until something follows, so that marks touch their words
    (Slack wants `*this*`, not `* this *`) and no line ends in a space.

    Attributes:
        mrkdwn: Slack's marks, links and escapes; otherwise plain text.
        lines: Keep paragraphs, bullets and quotes; otherwise all is one line.
        limit: Characters after which the rest is left out.
    """

    mrkdwn: bool
    lines: bool
    limit: int
    length: int = 0
    seen: int = 0
    pieces: list[str] = field(default_factory=list)
    gap: int = _NOTHING
    lead: str = ""
    hidden_by: str = ""
    hidden_depth: int = 0
    marks: list[str] = field(default_factory=list)
    waiting_marks: list[str] = field(default_factory=list)
    lists: list[int | None] = field(default_factory=list)
    quotes: int = 0
    preformatted: int = 0
    href: str = ""
    label: list[str] = field(default_factory=list)
    row_has_text: bool = False

    def convert(self, source: str) -> str:
        for token in islice(tokens(source), MOST_TOKENS):
            self.seen += 1
            if isinstance(token, Tag):
                self.tag(token)
            elif not self.hidden_by:
                self.text(token)
            if self.length > self.limit:
                break
        self.end_link()
        for mark in reversed(self.marks):
            self.pieces.append(mark)
        if self.preformatted and self.mrkdwn:
            self.pieces.append("```")
        return "".join(self.pieces)

    def tag(self, tag: Tag) -> None:
        name = tag.name
        if self.hidden_by or name in _HIDDEN:
            self.hide(tag)
        elif name in _MARKS:
            self.mark(_MARKS[name], tag.closes)
        elif name == "a":
            self.end_link()
            self.href = "" if tag.closes or not tag.href.lower().startswith(_LINK_SCHEMES) else tag.href
        elif name in ("ul", "ol"):
            self.list(tag)
        elif name == "li" and not tag.closes:
            self.item()
        elif name in _CELLS:
            self.ask(_BLANK)
            self.lead = "| " if not tag.closes and self.row_has_text and self.lines else self.lead
        elif name in ("blockquote", "pre"):
            self.block(tag)
        elif name in _PARAGRAPHS:
            self.ask(_EMPTY_LINE if not self.lists else _NEW_LINE)
            if name in _HEADINGS:
                self.mark("*", tag.closes)
        elif name in _LINES:
            self.ask(_NEW_LINE)
            self.row_has_text = False

    def hide(self, tag: Tag) -> None:
        """Skip what no reader sees, up to the end tag of the same name."""
        if not self.hidden_by:
            self.hidden_by, self.hidden_depth = ("", 0) if tag.closes else (tag.name, 1)
        elif tag.name == self.hidden_by:
            self.hidden_depth += -1 if tag.closes else 1
            self.hidden_by = self.hidden_by if self.hidden_depth else ""

    def ask(self, gap: int) -> None:
        """Ask for a separation before whatever comes next; the widest wins."""
        if self.href:
            self.label.append(" ")
        self.gap = max(self.gap, gap if self.lines else min(gap, _BLANK))

    def mark(self, mark: str, closes: bool) -> None:
        """Open or close bold and its like; a mark waits for its first word, and one without any is dropped."""
        if not self.mrkdwn or (mark == "`" and self.preformatted):
            return
        if not closes:
            if mark not in self.marks and mark not in self.waiting_marks:
                self.waiting_marks.append(mark)
        elif mark in self.waiting_marks:
            self.waiting_marks.remove(mark)
        elif mark in self.marks:
            self.end_link()
            # Marks that were opened later end here too, and begin again after it: Slack wants them nested.
            while (inner := self.marks.pop()) != mark:
                self.append(inner)
                self.waiting_marks.append(inner)
            self.append(mark)

    def list(self, tag: Tag) -> None:
        self.ask(_NEW_LINE if self.lists else _EMPTY_LINE)
        if tag.closes:
            if self.lists:
                self.lists.pop()
                self.ask(_NEW_LINE if self.lists else _EMPTY_LINE)
        elif len(self.lists) < _MOST_LIST_DEPTH:
            self.lists.append(1 if tag.name == "ol" else None)

    def item(self) -> None:
        self.ask(_NEW_LINE)
        if not self.lines:
            return
        number = self.lists[-1] if self.lists else None
        if self.lists and number is not None:
            self.lists[-1] = number + 1
        bullet = "• " if self.mrkdwn else "- "
        self.lead = "    " * (len(self.lists) - 1) + (bullet if number is None else f"{number}. ")

    def block(self, tag: Tag) -> None:
        self.end_link()
        self.ask(_EMPTY_LINE)
        step = -1 if tag.closes else 1
        if tag.name == "blockquote":
            self.quotes = min(max(self.quotes + step, 0), _MOST_LIST_DEPTH)
            return
        before, self.preformatted = self.preformatted, max(self.preformatted + step, 0)
        if self.mrkdwn and (before == 0) != (self.preformatted == 0):
            if self.preformatted:
                self.write("```")
            else:
                self.gap = _NOTHING
                self.append("```")
            self.ask(_NOTHING if self.preformatted else _EMPTY_LINE)

    def text(self, text: str) -> None:
        if self.href:
            self.label.append(text[:_LONGEST_LABEL])
            return
        if self.preformatted and self.lines:
            self.write(self.escaped(text.replace("```", "'''")), spaced=True)
            return
        words = _SPACE.sub(" ", text)
        stripped = words.strip(" ")
        if words[:1] == " ":
            self.ask(_BLANK)
        if stripped:
            self.write(self.escaped(stripped))
            if words[-1:] == " ":
                self.ask(_BLANK)

    def end_link(self) -> None:
        """Write the link that is open; a link without a text shows its address."""
        href, label = self.href, " ".join("".join(self.label).split())[:_LONGEST_LABEL]
        self.href, self.label = "", []
        if href and self.mrkdwn:
            self.write(slack_link(label, href))
        elif href and label:
            self.write(label)

    def escaped(self, text: str) -> str:
        if not self.mrkdwn:
            return text
        return escape_slack(text.replace("`", "'") if "`" in self.marks + self.waiting_marks else text)

    def write(self, piece: str, spaced: bool = False) -> None:
        """Write a piece after its gap, with the signs of a new line, inside the marks that are open."""
        if self.gap >= _NEW_LINE:
            # Slack's marks end with their line.
            self.waiting_marks = self.marks + self.waiting_marks
            for mark in reversed(self.marks):
                self.append(mark)
            self.marks = []
        quote = "> " * min(self.quotes, 1) if self.lines else ""
        if not self.pieces:
            self.append(quote)
        elif self.gap:
            self.append(_GAPS[self.gap] + (quote if self.gap >= _NEW_LINE else ""))
        self.gap = _NOTHING
        self.append(self.lead)
        self.lead = ""
        for mark in self.waiting_marks:
            self.append(mark)
        self.marks += self.waiting_marks
        self.waiting_marks = []
        self.append(piece if not spaced or not quote else piece.replace("\n", f"\n{quote}"))
        self.row_has_text = True

    def append(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.length += len(piece)


def _free(_tokens: int) -> None:
    pass


def to_text(source: str, limit: int = LONGEST_HTML, seen: Callable[[int], None] = _free) -> str:
    """
    Turn HTML into plain text with its paragraphs, lists and quotes.

    Args:
        limit: The text ends soon after so many characters.
        seen: Is told how many tokens were looked at; that is what it costs.
    """
    return _converted(_Converter(mrkdwn=False, lines=True, limit=limit), source, seen)


def to_line(source: str, limit: int, seen: Callable[[int], None] = _free) -> str:
    """Turn HTML into one line of plain text without any sign; arguments as in `to_text`."""
    return " ".join(_converted(_Converter(mrkdwn=False, lines=False, limit=limit), source, seen).split())


def to_mrkdwn(source: str, limit: int = LONGEST_HTML, seen: Callable[[int], None] = _free) -> str:
    """
    Turn HTML into Slack's mrkdwn: bold, italic, struck out, code, lists, quotes and links. Its text is escaped.

    Source: Slack's page on formatting text, read 2026-11.
    """
    return _converted(_Converter(mrkdwn=True, lines=True, limit=limit), source, seen)


def _converted(converter: _Converter, source: str, seen: Callable[[int], None]) -> str:
    text = converter.convert(source)
    seen(converter.seen)
    return text
