"""Patterns of event names, such as `page.updated.*`: compiled once, then linear in the length of a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from router.errors import RouterError

MAX_CHARACTERS = 200
EXPECTED = "expected segments joined by dots, such as page.updated, page.* or *.deleted"

_ALLOWED = re.compile(r"[A-Za-z0-9_*.-]+")
_ANY_NUMBER = "**"


class PatternError(RouterError):
    """A text is no pattern; the sentence says what was found, what is expected, and how to mend it."""


@dataclass(frozen=True)
class Pattern:
    """
    Event names, described by dotted segments and without regard to case.

    `*` as a whole segment is one segment, and as the last segment one or more; `**` is zero or more segments; inside a
    segment `*` is any number of characters. So `page.*` is every page event, `page.updated.*` is not `page.updated`,
    and `page*` is only names of a single segment.

    Attributes:
        text: As the rule file writes it.
        literal: The one name it matches, in lower case; None where it has a wildcard.
        first: Its first segment in lower case where that is free of wildcards: every name it matches begins with it.
        last: The same for its last segment.
    """

    text: str
    literal: str | None
    first: str | None
    last: str | None
    _matches: Callable[[str], bool] = field(repr=False, compare=False)

    def matches(self, name: str) -> bool:
        """Say whether an event name is one of those described."""
        return self._matches(name.lower())


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """
    Read one pattern. Thousands of rules share a few.

    Raises:
        PatternError: With a sentence for the author of the rule file.
    """
    if (problem := _problem(text)) is not None:
        raise PatternError(problem)
    lowered = text.lower()
    segments = lowered.split(".")
    literal = lowered if "*" not in lowered else None
    return Pattern(
        text=text,
        literal=literal,
        first=segments[0] if "*" not in segments[0] else None,
        last=segments[-1] if "*" not in segments[-1] else None,
        _matches=_name_matcher(segments) if literal is None else literal.__eq__,
    )


def _problem(text: str) -> str | None:
    if not text.strip():
        return f"the pattern is empty; {EXPECTED}"
    if len(text) > MAX_CHARACTERS:
        return f"the pattern has {len(text)} characters; expected at most {MAX_CHARACTERS}"
    if "," in text:
        each = [f'"{part}"' if part.startswith("*") else part for part in text.replace(",", " ").split()]
        return f"pattern '{_printable(text)}' has ',' in it; write several as a list: [{_printable(', '.join(each))}]"
    if any(character.isspace() for character in text):
        advice = "write one pattern per entry of the list, without spaces"
        return f"pattern '{_printable(text)}' has white space in it; {advice}"
    if not _ALLOWED.fullmatch(text):
        found = next(character for character in text if not _ALLOWED.fullmatch(character))
        allowed = "expected letters, digits, _ and - in segments joined by dots, and * as a wildcard"
        return f"pattern '{_printable(text)}' has '{_printable(found)}' in it; {allowed}"
    return _dot_problem(text) or _star_problem(text)


def _dot_problem(text: str) -> str | None:
    if ".." in text:
        return f"pattern '{text}' has an empty segment; expected one dot between two segments"
    if text.startswith("."):
        return f"pattern '{text}' begins with a dot; expected '{text.lstrip('.') or '*'}'"
    if text.endswith("."):
        return f"pattern '{text}' ends with a dot; expected '{text}*' for everything below, or no dot"
    return None


def _star_problem(text: str) -> str | None:
    for segment in text.split("."):
        if "***" in segment:
            return f"pattern '{text}' has '***' in it; expected * for one segment or ** for any number of them"
        if _ANY_NUMBER in segment and segment != _ANY_NUMBER:
            return f"pattern '{text}' has ** inside the segment '{segment}'; expected ** between dots, or a single *"
    return None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)


def _name_matcher(segments: list[str]) -> Callable[[str], bool]:
    if segments[-1] == "*":
        segments = [*segments, _ANY_NUMBER]
    tests = [None if segment == _ANY_NUMBER else _segment_matcher(segment) for segment in segments]
    end = len(tests)

    def skip(place: int, places: set[int]) -> None:
        # A ** may stand for nothing, so the place behind it is reached as well.
        places.add(place)
        while place < end and tests[place] is None:
            place += 1
            places.add(place)

    starts: set[int] = set()
    skip(0, starts)

    def matches(name: str) -> bool:
        # All places in the pattern that the name read so far can have led to: no backtracking, whatever the stars.
        places = starts
        for segment in name.split("."):
            reached: set[int] = set()
            for place in places:
                if place == end:
                    continue
                test = tests[place]
                if test is None:
                    skip(place, reached)
                elif test(segment):
                    skip(place + 1, reached)
            if not reached:
                return False
            places = reached
        return end in places

    return matches


def _segment_matcher(segment: str) -> Callable[[str], bool]:
    if segment == "*":
        return lambda _: True
    if "*" not in segment:
        return segment.__eq__
    head, *middle, tail = segment.split("*")

    def matches(text: str) -> bool:
        if len(text) < len(head) + len(tail) or not text.startswith(head) or not text.endswith(tail):
            return False
        place, end = len(head), len(text) - len(tail)
        for piece in middle:  # the leftmost place is always good enough, so each is looked for once
            place = text.find(piece, place, end)
            if place < 0:
                return False
            place += len(piece)
        return True

    return matches
