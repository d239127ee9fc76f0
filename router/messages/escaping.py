"""
Escaping belongs to the markup: what a template inserts is plain text unless it is `Finished`.

Each environment has one `Escaping`. Whatever a template prints goes through it exactly once: plain text is quoted,
finished text is inserted as it is. Operators and filters that put texts together (`~`, `+`, `join`) quote their plain
parts as soon as one part is finished, and their result is finished; all others read a finished text back to what its
reader would see, and their result is plain again. So nothing can lose its escaping, and nothing is escaped twice.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from router.events import Markup
from router.messages.entities import resolve_entities
from router.messages.unseen import one_line


class Finished(str):
    """Text that is markup already: the output of a macro, of `mrkdwn` and `link`, or what an author calls `raw`."""

    __slots__ = ()


class Mention(str):
    """
    The name of a person who can be called in Slack; elsewhere it is the name.

    Attributes:
        slack: The person's member id, checked when the rule file was read.
    """

    __slots__ = ("slack",)
    slack: str

    def __new__(cls, name: str, slack: str) -> Self:
        made = super().__new__(cls, name)
        made.slack = slack
        return made


@dataclass(frozen=True)
class Escaping:
    """
    How plain text becomes markup.

    Attributes:
        quote: Plain text to markup.
        read: Markup to the plain text that a reader sees; the other way round, where markup can be taken away.
    """

    quote: Callable[[str], str]
    read: Callable[[str], str]

    def finish(self, text: str) -> Finished:
        return text if isinstance(text, Finished) else Finished(self.quote(text))

    def plain(self, text: str) -> str:
        return self.read(text) if isinstance(text, Finished) else text

    def join(self, parts: Iterable[str], separator: str = "") -> str:
        """Put texts together; the result is finished as soon as one of them is, or is a mention."""
        texts = list(parts)
        if isinstance(separator, Finished) or any(isinstance(text, Finished | Mention) for text in texts):
            return Finished(self.finish(separator).join(self.finish(text) for text in texts))
        return separator.join(texts)


_SLACK_ESCAPES = {code: None for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n\r"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}


def escape_slack(text: str) -> str:
    """
    Escape the three characters that make Slack's links and mentions; control characters, which show nothing, go.

    A `Mention` becomes one, and nothing else does.

    Source: Slack's page on formatting text, "escaping text", read 2026-11.
    """
    return f"<@{text.slack}>" if isinstance(text, Mention) else text.translate(_SLACK_ESCAPES)


_SLACK_ANGLE = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_SLACK_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_SLACK_ENTITY = re.compile("|".join(_SLACK_ENTITIES))


def read_slack(markup: str) -> str:
    """Take Slack's links apart and its escapes away: what is left is plain text."""
    text = _SLACK_ANGLE.sub(lambda match: match[2] or match[1], markup)
    return _SLACK_ENTITY.sub(lambda match: _SLACK_ENTITIES[match[0]], text)


def slack_link(text: str, url: str) -> Finished:
    """Make Slack's link. A `|` would end the address early; a line break would break the link."""
    label = escape_slack(one_line(text))
    address = escape_slack(url).replace("|", "%7C")
    return Finished(f"<{address}|{label}>" if label else f"<{address}>")


_NO_ASTERISK = "\N{ASTERISK OPERATOR}"


def slack_bold(text: str) -> Finished:
    """Make Slack's bold. A `*` inside would end it, and has no escape: a sign that looks like it takes its place."""
    return Finished(f"*{escape_slack(text).replace('*', _NO_ASTERISK)}*")


def escape_html(text: str) -> str:
    """Escape for HTML, also inside of attributes."""
    return html.escape(text, quote=True)


_HTML_TAG = re.compile(r"<[^<>]*>")


def read_html(markup: str) -> str:
    """Take tags and escapes away: what is left is plain text."""
    return resolve_entities(_HTML_TAG.sub("", markup))


def html_link(text: str, url: str) -> Finished:
    """Make a link of HTML; without a text, the address is the text."""
    label = one_line(text) or url
    return Finished(f'<a href="{escape_html(url)}">{escape_html(label)}</a>')


def html_bold(text: str) -> Finished:
    return Finished(f"<strong>{escape_html(text)}</strong>")


_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_BEHIND_ADDRESS = ".,;:!?'*_)]}"


def html_of_text(text: str) -> str:
    """Write a plain text as HTML: paragraphs and lines as they are, and web addresses as links."""
    paragraphs = (part for part in re.split(r"\n[ \t]*\n", text.strip()) if part.strip())
    return "\n".join(
        "<p>{}</p>".format("<br>\n".join(map(_html_line, paragraph.strip("\n").split("\n"))))
        for paragraph in paragraphs
    )


def _html_line(line: str) -> str:
    pieces, done = [], 0
    for found in _WEB_ADDRESS.finditer(line):
        url = found[0].rstrip(_BEHIND_ADDRESS)
        pieces += [escape_html(line[done : found.start()]), html_link(url, url)]
        done = found.start() + len(url)
    return "".join([*pieces, escape_html(line[done:])])


def text_link(text: str, url: str) -> Finished:
    label = one_line(text)
    return Finished(f"{label} ({url})" if label else url)


def cut(text: str, limit: int) -> str:
    """Cut a text at a word border so that it and its ellipsis have at most so many characters."""
    if len(text) <= limit:
        return text
    if limit < 1:
        return ""
    short = text[: limit - 1]
    if not text[limit - 1].isspace():
        border = max(short.rfind(" "), short.rfind("\n"))
        # A single endless word is cut inside; anywhere else, most of the allowed length stays.
        short = short[:border] if border > limit // 2 else short
    return f"{short.rstrip()}…"


_BROKEN_ENTITY = re.compile(r"&[a-z]{0,3}\Z")


_JOINERS = "\u200d\ufe0f"


def slack_length(text: str) -> int:
    """How long Slack counts a text: characters beyond the first plane, such as most emoji, as two."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def cut_slack(markup: str, limit: int, more: str = "") -> str:
    """
    Cut Slack's markup at a word border, never inside a link or an escape.

    Args:
        more: Finished markup that stands behind what is cut, such as a link to the rest.
    """
    if slack_length(markup) <= limit:
        return markup
    tail = f"… {more}" if more and slack_length(more) < limit // 2 else "…"
    room = _fitting(markup, limit - slack_length(tail))
    # With a character more than the markup has, so that also one whose last character does not fit is cut at a word.
    short = cut(f"{markup} …", room + 1).removesuffix("…")
    opened = short.rfind("<")
    if opened > short.rfind(">"):
        short = short[:opened]
    return f"{_BROKEN_ENTITY.sub('', short.rstrip(_JOINERS)).rstrip()}{tail}"


def _fitting(text: str, limit: int) -> int:
    """How many characters of a text are at most so long to Slack."""
    length = 0
    for count, character in enumerate(text):
        length += 1 + (character > "\uffff")
        if length > limit:
            return count
    return len(text)


def _same(text: Any) -> Any:
    return text


ESCAPINGS = {
    Markup.TEXT: Escaping(quote=_same, read=_same),
    Markup.SLACK: Escaping(quote=escape_slack, read=read_slack),
    Markup.HTML: Escaping(quote=escape_html, read=read_html),
}
