"""What is wrong with a text that is no YAML, in words for somebody who writes YAML once a year."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import Any

import yaml

from router.config.nodes import (
    BRACES,
    DISCREET_ALIAS,
    DISCREET_TAG,
    LINE_BREAK,
    LOADER,
    NO_CHARACTER,
    REFERENCE_IN_BRACES,
    Node,
    Place,
    SyntaxTrouble,
    read_tree,
    tag_trouble,
)
from router.config.problems import named

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAB_INDENT = re.compile(r" *\t")
_ALIAS = re.compile(r"\*[^\s,\]}]*")
_OTHER_SPACE = re.compile("[\u00a0\u2000-\u200b\u202f\u3000\ufeff]")
_OTHER_INDENT = re.compile(rf"(?<=[\n\r]){_OTHER_SPACE.pattern}")
_KEY_BEFORE = re.compile(r"[ ]*(?:-[ ]+)*[\w.-]+[ ]*")
_TAG = re.compile(r"![^\s,\]}]*")
_NO_SPACE = re.compile(r"[\w.-]+:(?!//)\S")
_BLOCK_BEGINS = re.compile(r":[ ]+[|>][-+0-9]*[ ]*(?:#.*)?$")
_BEYOND_UNICODE = re.compile(r"\\U(?!0010|000)[0-9a-fA-F]{8}")

_NO_COLON = "there is no ':' behind the key in this line; expected 'key: value'"
_SPACE_BEHIND_COLON = "a ':' behind a key needs a space behind it"


def read_yaml(text: str, loader: Any = LOADER) -> tuple[Node | None, list[SyntaxTrouble]]:
    """Read a text as one YAML document; the tree is None where it cannot be read to the end."""
    try:
        _refuse_control_characters(text)
        return read_tree(text, loader)
    except SyntaxTrouble as trouble:
        return None, [trouble]
    except yaml.MarkedYAMLError as error:
        return None, [_in_our_words(error, text)]
    except ValueError:  # of the parser that is in Python, for an escape beyond the last character there is
        found = _BEYOND_UNICODE.search(text)
        return None, [SyntaxTrouble(Place(*position(text, found.start() if found else 0)), NO_CHARACTER)]


def _refuse_control_characters(text: str) -> None:
    if (indent := _OTHER_INDENT.search(text)) is not None:
        raise SyntaxTrouble(Place(*position(text, indent.start())), other_space(indent[0]))
    found = _NOT_YAML.search(text)
    if found is None:
        return
    line, column = position(text, found.start())
    character = f"U+{ord(found[0]):04X}"
    raise SyntaxTrouble(
        Place(line, column),
        f"the character {character} is not allowed in YAML; remove it, or save the file as UTF-8 text",
    )


def position(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset into a text."""
    starts = _line_starts(text)
    line = bisect_right(starts, index)
    return line, index - starts[line - 1] + 1


@lru_cache(maxsize=2)
def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in LINE_BREAK.finditer(text))]


def _in_our_words(error: yaml.MarkedYAMLError, text: str) -> SyntaxTrouble:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return SyntaxTrouble(Place(1, 1), f"this is not YAML: {error.problem}")
    index = min(mark.index, len(text))
    place = Place(*position(text, index))
    context, problem = str(error.context or ""), str(error.problem or "")
    if "unexpected end of stream" in problem and error.context_mark is not None:
        opening = Place(error.context_mark.line + 1, error.context_mark.column + 1)
        return SyntaxTrouble(opening, "the quote that opens here is never closed; end the text with the same quote")
    found = (
        _at_start(error, text)
        or _other_space(error, text, place)
        or _no_colon(error, text)
        or _by_surroundings(text, index, place)
    )
    if found is not None:
        return found
    return SyntaxTrouble(place, _sentence(context, problem, text, index, error))


def _at_start(error: yaml.MarkedYAMLError, text: str) -> SyntaxTrouble | None:
    """Aliases and tags: the trouble is where they begin, not where the parser gave up."""
    mark = error.context_mark or error.problem_mark
    if mark is None or mark.index >= len(text):
        return None
    place = Place(*position(text, mark.index))
    if alias := _ALIAS.match(text, mark.index):
        place = Place(place.line, place.column, len(alias[0]))
        return SyntaxTrouble(
            place,
            f"{named(alias[0])} is read as a YAML alias because it begins with *; if it is a pattern, put it in quotes:"
            f' "{named(alias[0])[1:-1]}"',
            DISCREET_ALIAS,
        )
    if tag := _TAG.match(text, mark.index):
        return SyntaxTrouble(Place(place.line, place.column, len(tag[0])), tag_trouble(tag[0]), DISCREET_TAG)
    return None


def _other_space(error: yaml.MarkedYAMLError, text: str, place: Place) -> SyntaxTrouble | None:
    """Find a space that only looks like one, as word processors and web pages give, outside of what is a text."""
    lines = LINE_BREAK.split(text)
    for line in (place.line, error.context_mark.line + 1 if error.context_mark is not None else place.line):
        if line <= len(lines) and (found := _OTHER_SPACE.search(lines[line - 1])) is not None:
            return SyntaxTrouble(Place(line, found.start() + 1), other_space(found[0]))
    return None


def other_space(character: str) -> str:
    """Name a character that cannot be told from a space by eye."""
    return f"the character U+{ord(character):04X} stands here, which looks like a space; put a plain space in its place"


def _no_colon(error: yaml.MarkedYAMLError, text: str) -> SyntaxTrouble | None:
    """A line that is no key is found at its end, or at the next one; what is wrong stands in the line itself."""
    if "could not find expected ':'" not in str(error.problem) or error.context_mark is None:
        return None
    line, column = position(text, error.context_mark.index)
    lines = LINE_BREAK.split(text)
    key = lines[line - 1][column - 1 :]
    if without_space := _NO_SPACE.match(key):
        return SyntaxTrouble(Place(line, column + without_space.end() - 2), _SPACE_BEHIND_COLON)
    above = next((each for each in reversed(lines[: line - 1]) if each.strip()), "")
    if _BLOCK_BEGINS.search(above):
        return SyntaxTrouble(
            Place(line, column),
            "this seems to be a part of the text above; indent it further than the key of that text",
        )
    return SyntaxTrouble(Place(line, column), _NO_COLON)


def _by_surroundings(text: str, index: int, place: Place) -> SyntaxTrouble | None:
    line_start = index - (place.column - 1)
    line = LINE_BREAK.split(text[line_start:], maxsplit=1)[0]
    if tab := _TAB_INDENT.match(line):
        return SyntaxTrouble(Place(place.line, tab.end()), "a tab stands in the indentation; YAML wants spaces there")
    if text[max(0, index - 1) : index + 1] == "${":
        return SyntaxTrouble(Place(place.line, max(1, place.column - 1), 2), REFERENCE_IN_BRACES)
    before = line[: place.column - 1]
    if (braces := re.search(r"(?:^|[:,\[-]\s+|\[)(\{\{)", before)) is not None:
        return SyntaxTrouble(Place(place.line, braces.start(1) + 1, 2), BRACES)
    if text[index : index + 1] == "!":
        return SyntaxTrouble(place, tag_trouble("!"))
    if text[index : index + 1] == ":" and _KEY_BEFORE.fullmatch(before):
        return _line_above(text, line_start, place, before)
    return None


def _line_above(text: str, line_start: int, place: Place, before: str) -> SyntaxTrouble | None:
    """Where the ':' of an ordinary key is not expected, what stands above it is wrong, or where the key begins."""
    lines = LINE_BREAK.split(text[:line_start])[:-1]
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    if not lines:
        return None
    above, number = lines[-1], len(lines)
    key = re.match(r"[ ]*(?:-[ ]+)*", above)
    assert key is not None  # noqa: S101 - it matches the empty text as well
    column, rest = key.end() + 1, above[key.end() :]
    own_column = len(before) - len(before.lstrip(" -")) + 1
    if re.match(r"-[\w]", rest):
        return SyntaxTrouble(Place(number, column), "a '-' that begins an entry of a list needs a space behind it")
    if without_space := _NO_SPACE.match(rest):
        return SyntaxTrouble(Place(number, column + without_space.end() - 2), _SPACE_BEHIND_COLON)
    if own_column > column and re.match(r"[\w.-]+:\s", rest):
        return SyntaxTrouble(
            Place(place.line, own_column),
            f"this key stands further right than the one above it, which has a value already; begin it in column"
            f" {column}, or put that value in quotes if it goes on here",
        )
    if ":" not in above:
        return SyntaxTrouble(Place(number, column), _NO_COLON)
    return None


_NO_ESCAPE = "a \\ in double quotes begins an escape, and this is none; use single quotes, or write \\\\"


def _sentence(context: str, problem: str, text: str, index: int, error: yaml.MarkedYAMLError) -> str:
    character = text[index : index + 1]
    opened = f" at line {error.context_mark.line + 1}" if error.context_mark is not None else ""
    if "mapping values are not allowed" in problem:
        return _colon(text[text.rfind("\n", 0, index) + 1 : index])
    if "sequence entries are not allowed" in problem:
        return "a '-' is not expected here; begin each entry of a list on a line of its own, below its key"
    if "cannot start any token" in problem:
        return f"a value cannot begin with {named(character)}; put it in quotes"
    if "escape" in problem:
        return NO_CHARACTER if "invalid Unicode character" in problem else _NO_ESCAPE
    before = text[text.rfind("\n", 0, index) + 1 : index]
    if character == ":" and ("node content" in problem or not before.strip(" -,{")):
        return "there is no key before this ':'; expected a name"
    if "node content" in problem:
        return "a value is missing here"
    if "flow mapping" in context or "flow sequence" in context:
        end = "}" if "mapping" in context else "]"
        return f"the {'{' if end == '}' else '['} that opens{opened} needs a ',' or '{end}' here"
    if "block mapping" in context or "block collection" in context:
        return _indentation(context, text, index, opened)
    if "block scalar" in context:
        return "only an indentation number, + or - can stand behind | or >; the text begins on the next line"
    if "directive" in context or "YAML document" in problem or "directive" in problem:
        return "this is a YAML directive that is not read here; remove the line"
    if "<document start>" in problem or "document start" in problem:
        return "this does not belong to what stands above; check that the keys of the file begin in the first column"
    return f"this cannot be read as YAML: {problem}"


def _colon(before: str) -> str:
    if ": " in before:
        return "a text that holds ': ' needs quotes; put the whole value in quotes"
    return (
        "a ':' is not expected here; put a text that holds ': ' in quotes, and check that the keys of this map"
        " begin in the same column, each with a ':' behind it"
    )


def _indentation(context: str, text: str, index: int, opened: str) -> str:
    line, column = position(text, index)
    before = LINE_BREAK.split(text)[line - 1][: column - 1]
    if before.rstrip().endswith(("'", '"')):
        return "something stands behind the closing quote; put the whole value in quotes, or remove it"
    what = "list" if "collection" in context else "map"
    return (
        f"this stands in a column that fits nothing above it (a {what} begins{opened}); begin it in the same column as"
        " what it belongs with"
    )
