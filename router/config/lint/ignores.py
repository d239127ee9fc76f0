"""Comments that silence a warning: `# lint: ignore=CODE`, behind a line or on a line of its own above it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from router.config.lint.codes import CODES, UNUSED_IGNORE
from router.config.lint.texts import tags
from router.config.nodes import LINE_BREAK, LOADER, Place
from router.config.problems import did_you_mean, named
from router.config.reading import Reading
from router.messages.library import SUFFIX

_HINT = re.compile(r"lint\s*:", re.IGNORECASE)
"""Nearly all files have nothing like it, and need no second look."""

_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n\r\x85\u2028\u2029]*", re.MULTILINE)
_TEMPLATE_COMMENT = re.compile(r"\{#-?\s*(?=lint\s*:)", re.IGNORECASE)
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[ \t]+(?=#)")
_IGNORE = re.compile(
    r"#?\s*lint\s*:\s*(?P<what>ignore\b)?(?P<equals>\s*=\s*(?P<codes>[\w-]+(?:\s*,\s*[\w-]+)*))?", re.IGNORECASE
)
_CODE = re.compile(r"[\w-]+")
_MOST_CODES = 50
"""In one comment; there are fewer."""
_EXAMPLE = f"# lint: ignore={next(iter(CODES))}"


class _Line(NamedTuple):
    """A comment: where it stands, and the lines that it speaks of; its own is always among them."""

    start: int
    text: str
    first: int
    last: int


@dataclass
class _Span:
    """Lines for which a code is ignored, from a first one on."""

    last: int
    is_used: bool = False


@dataclass(frozen=True)
class _Ignore:
    """One code of one comment."""

    file: str | None
    place: Place
    shown: str | None
    code: str
    span: _Span


class Ignores:
    """
    The comments of a rule file and of its own templates.

    Args:
        files: Own templates by name.
        folder: Where they lie.
    """

    def __init__(self, files: Mapping[str, str], folder: Path, reading: Reading) -> None:
        self._reading = reading
        self._found: list[_Ignore] = []
        self._spans: dict[tuple[str | None, str], dict[int, _Span]] = {}
        self._firsts: dict[tuple[str | None, str], list[int]] = {}
        if _HINT.search(reading.text):
            self._read(reading.text, _in_yaml(reading.text), None)
        for name, text in files.items():
            if _HINT.search(text):
                comments = _in_template(text) if name.endswith(SUFFIX) else _in_yaml(text)
                self._read(text, comments, str(folder / name))

    def apply(self, unjudged: Collection[str]) -> None:
        """
        Drop the warnings that are to be ignored, and tell of comments that silence nothing.

        Args:
            unjudged: Codes of which nobody can say whether they would be told, as not all was looked at.
        """
        if self._found:
            self._reading.ignore(self._is_ignored)
        for ignore in self._found:
            if not ignore.span.is_used and ignore.code not in unjudged:
                self._warn(ignore.place, _sentence(ignore.code), ignore.file, ignore.shown)

    def _is_ignored(self, file: str | None, line: int, code: str) -> bool:
        spans = self._spans.get((file, code), {})
        firsts = self._firsts.get((file, code))
        if firsts is None:
            firsts = self._firsts[file, code] = sorted(spans)
        before = bisect_right(firsts, line) - 1
        span = spans[firsts[before]] if before >= 0 else None
        if span is None or span.last < line:
            return False
        span.is_used = True
        return True

    def _read(self, text: str, comments: Iterator[_Line], file: str | None) -> None:
        lines = _Lines(text)
        for comment in comments:
            found = _IGNORE.match(comment.text)
            if found is None:
                continue
            line = lines.number(comment.start)
            column = comment.start - lines.starts[line - 1] + 1
            shown = None if file is None else lines.text(line)
            if not found["what"] or not found["codes"]:
                sentence = f"this comment silences nothing; expected the codes of warnings in it, as in {_EXAMPLE}"
                self._warn(Place(line, column, len(found[0].rstrip())), sentence, file, shown)
                continue
            told: set[str] = set()
            for code in _CODE.finditer(comment.text, found.start("codes"), found.end("codes")):
                if code[0] in told or len(told) >= _MOST_CODES:
                    continue
                told.add(code[0])
                place = Place(line, column + code.start(), len(code[0]))
                spans = self._spans.setdefault((file, code[0]), {})
                span = spans.setdefault(comment.first, _Span(comment.last))
                self._found.append(_Ignore(file, place, shown, code[0], span))

    def _warn(self, place: Place, sentence: str, file: str | None, shown: str | None) -> None:
        if file is None:
            self._reading.warn(place, UNUSED_IGNORE, sentence)
        else:
            self._reading.warn(place, UNUSED_IGNORE, sentence, file=file, line=shown)


def _sentence(code: str) -> str:
    if code in CODES:
        return f"there is no {code} here to ignore; remove it from this comment"
    return (
        f"{named(code)} is no code of a warning, and only warnings can be ignored, no errors; the code stands in"
        f" brackets behind the warning{did_you_mean(code, CODES)}"
    )


def _in_yaml(text: str) -> Iterator[_Line]:
    """Find the comments between the parser's tokens: a # in a text, in quotes or in a block, is none."""
    lines = _Lines(text)
    reaching: dict[int, int] = {}  # the last line of a value of several lines, by its first
    gaps: list[tuple[int, int]] = []
    done = 0
    try:
        for token in yaml.scan(text, Loader=LOADER):
            begin, end = token.start_mark.index, token.end_mark.index
            if begin > done:
                gaps.append((done, begin))
            if isinstance(token, yaml.ScalarToken) and "\n" in text[begin:end]:
                first = lines.number(begin)
                reaching[first] = lines.number(max(begin, end - 1))
                header = _BLOCK_HEADER.match(text, begin)
                if header is not None and token.style in ("|", ">"):
                    gaps.append((header.end(), lines.end(first)))
            done = max(done, end)
    except (yaml.YAMLError, ValueError):
        return  # a structure that cannot be read; it is told of by whoever reads it
    gaps.append((done, len(text)))
    for begin, end in gaps:
        for found in _COMMENT.finditer(text, begin, end):
            if _HINT.search(found[0]):
                own = lines.number(found.start())
                about = lines.about(own, "#")
                yield _Line(found.start(), found[0], own, reaching.get(about, about))


def _in_template(text: str) -> Iterator[_Line]:
    lines = _Lines(text)
    for start, end in tags(text):
        if text.startswith("{#", start) and (found := _TEMPLATE_COMMENT.match(text, start, end)) is not None:
            own = lines.number(start)
            yield _Line(found.end(), text[found.end() : end - 2].rstrip("-"), own, lines.about(own, "{#"))


class _Lines:
    """The lines of a text, numbered from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]
        self._about: dict[int, int] = {}

    def number(self, offset: int) -> int:
        """The line of an offset."""
        return bisect_right(self.starts, offset)

    def end(self, number: int) -> int:
        """Where a line ends, its line break included."""
        return self.starts[number] if number < len(self.starts) else len(self._text)

    def text(self, number: int) -> str:
        """A line, without its line break."""
        return LINE_BREAK.split(self._text[self.starts[number - 1] : self.end(number)])[0]

    def about(self, number: int, opening: str) -> int:
        """The line that a comment speaks of: its own, or where it stands alone the next one that is no comment."""
        passed = []
        while number not in self._about and number < len(self.starts) and self._is_comment(number, opening):
            passed.append(number)
            number += 1
        about = self._about.get(number, number)
        self._about.update(dict.fromkeys(passed, about))
        return about

    def _is_comment(self, number: int, opening: str) -> bool:
        return self._text[self.starts[number - 1] : self.end(number)].lstrip().startswith(opening)
