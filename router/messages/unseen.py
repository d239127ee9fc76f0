"""Characters that show nothing: they can break a word apart, turn a line around, or leave an empty place for a name."""

from __future__ import annotations

import re

# Controls, and what has no form of its own. Joiners stay: emoji and many scripts are made with them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"


def without_unseen(text: str) -> str:
    """Take out what shows nothing; white space stays."""
    return text if text.isprintable() else _UNSEEN.sub("", text)


def one_line(text: str) -> str:
    """
    Join lines by spaces, and take out what shows nothing: subjects, headings and names have one line, whatever a title
    brings. Empty where nothing would be seen.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    line = " ".join(without_unseen(text).split())
    return line if any(map(_shows, line)) else ""


def _shows(character: str) -> bool:
    return character.isprintable() and character != " " and character not in _BLANK_LETTERS
