"""
Page contents are HTML from an editor: here they become plain text, Slack's mrkdwn or Markdown.

`tokens.py` cuts the HTML, `reading.py` makes blocks of it (`document.py`), and one writer for each markup writes them.
Everything is bounded: input, depth, output, and the work is linear in the input.
"""

from __future__ import annotations

from collections.abc import Callable

from router.messages.html.markdown import MarkdownWriter
from router.messages.html.mrkdwn import MrkdwnWriter
from router.messages.html.reading import BREAKING, MOST_TOKENS, Reader
from router.messages.html.tokens import LONGEST_HTML, picture_words, plain, tokens
from router.messages.html.writing import Writer

__all__ = ["LONGEST_HTML", "MOST_TOKENS", "MOST_TOKENS_OF_A_LINE", "to_line", "to_markdown", "to_mrkdwn", "to_text"]

MOST_TOKENS_OF_A_LINE = 20_000
"""Tags and texts that are looked at for the first words of a page; twice as many as otherwise, since they cost less."""


def _free(_work: int) -> None:
    pass


def to_text(source: str, limit: int = LONGEST_HTML, spend: Callable[[int], None] = _free) -> str:
    """
    Turn HTML into plain text with its paragraphs, lists, quotes and addresses.

    Args:
        limit: The text has at most so many characters; what is cut off shows as an ellipsis.
        spend: Is told how many tags, texts and entities were looked at.
    """
    return _written(Writer(), source, limit, spend)


def to_mrkdwn(source: str, limit: int = LONGEST_HTML, spend: Callable[[int], None] = _free) -> str:
    """Turn HTML into Slack's mrkdwn, its text escaped; arguments as in `to_text`."""
    return _written(MrkdwnWriter(), source, limit, spend)


def to_markdown(source: str, limit: int = LONGEST_HTML, spend: Callable[[int], None] = _free) -> str:
    """Turn HTML into Markdown, its text escaped; arguments as in `to_text`."""
    return _written(MarkdownWriter(), source, limit, spend)


def to_line(source: str, limit: int, spend: Callable[[int], None] = _free) -> str:
    """
    Turn HTML into one line of its words, without any sign.

    Args:
        limit: The line ends soon after so many characters; the rest is not even read.
        spend: As in `to_text`.
    """
    pieces: list[str] = []
    cost = length = 0
    parts = False
    for name, written in tokens(source, MOST_TOKENS_OF_A_LINE):
        cost += 1
        if name and name != "img":
            parts = parts or name in BREAKING
            continue
        cost += written.count("&") // 4
        words = picture_words(written) if name else plain(written)
        pieces.append(f" {words}" if parts else words)
        parts = False
        length += len("".join(words.split()))
        if length > limit:
            break
    spend(cost)
    return " ".join("".join(pieces).split())


def _written(writer: Writer, source: str, limit: int, spend: Callable[[int], None]) -> str:
    reader = Reader()
    text = writer.write(reader.blocks(source), limit)
    spend(reader.cost)
    return text
