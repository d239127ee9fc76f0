"""Rule files as a slipping hand, a helpful editor or a hostile author leaves them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from hypothesis import strategies as st

from tests.fuzz.checking import ENVIRON

Slip: TypeAlias = Callable[[st.DrawFn, str], str]

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests" / "config"
GOOD = tuple(
    path.read_text(encoding="utf-8-sig") for path in (ROOT / "rules.example.yaml", *sorted(FILES.glob("good/*.yaml")))
)
SEEDS = (*GOOD, *(path.read_text(encoding="utf-8-sig") for path in sorted(FILES.glob("bad/*.yaml"))))

HOSTILE: tuple[str, ...] = (
    # Nothing, numbers and times of every kind, and what only looks like them.
    *("", "~", "null", "''", '""', '" "', "true", "yes", "on", "0", "-0", "-1", "0.5", "1e3", "1e400", "1e-400"),
    *("0x1F", "0o17"),
    *("012", "1_000", "9" * 400, "-" + "9" * 5000, ".inf", ".nan", "10:30", "2026-13-45", "2026-11-23T25:61:61Z"),
    "0001-01-01",
    # Of the rule file's own language.
    *("0s", "-1s", "1h30m", "999999999999d", "1/s", "0/s", "999999/h", "*", "*.deleted", "page.*", '"***"'),
    *("a..b", "page*"),
    *("docs", "log", "slack", "email", "http", "[]", "{}", "[docs, log]", "{by: page.id, table: {1: log}}"),
    "{not: {not: 1}}",
    *("{matches: '(((('}", "{matches: 'a{999}{999}'}", "{above: x}", "{equals: {a: 1}}", "{any_of: []}"),
    "{exists: 1}",
    *("https://a.example/", "https://u:p@a.example:99999/", "http://[::1", "smtp://", "smtps://a.example:0"),
    *("a@b", "<a@b.c>"),
    # References.
    *("${SPACES_TOKEN}", "x${SPACES_TOKEN}y", "${SLACK_URL}", "${MAIL}", "${HOST}", "${PATH_OF_A_FILE}", "${NOPE}"),
    *("${NOPE:-x}", "${NOPE:?y}", "${A:-${SPACES_TOKEN}}", "${", "${}", "$${SPACES_TOKEN}", "${spaces_token}"),
    "$SPACES_TOKEN",
    # Templates.
    *('"{{ page.title }}"', "{{ page.title }}", '"{% for x in payload %}{{ x }}"', '"{{ 9 ** 9 ** 9 }}"'),
    *('"{{ nope( }}"', '"{%"'),
    *('"{{ page | raw }}"', "'{% include \"slack/event.j2\" %}'", '"{{ 1 / 0 }}"'),
    "{a: '{{ page }}', '{{ x }}': [1]}",
    # YAML's own corners.
    *("&a x", "*a", "&a [*a]", "&a {b: *a}", "!x y", "!!python/object:os.system x", "!!binary aGk=", "<<"),
    *("{<<: *a}", "!", "&"),
    *("|", "|\n    x", ">-\n    y\n\n    z", "|9\n x", "'it''s", '"open', '"\\ud800"', '"\\x00"', '"\\q"'),
    *("? a\n: b", "- - - x"),
    *("a: b: c", "@x", "`x`", "%x", "# x", "x #y", "---", "...", "[" * 60, "{a: " * 60, "- " * 120, "[1, [2, [3"),
    "{a: 1, a: 2}",
    # Texts that are hard to show.
    *("\x00", "\x1b[31m", "\t", "\ufeff", "\u00a0", "\u2028", "\x85", "\u202ex", "é", "日本語", "👩‍👩‍👧", "\ud800"),
    *("x" * 5000, "x, " * 2000),
)  # fmt: skip
"""What to put where a value stands."""

KEYS = (
    *("sources", "destinations", "rules", "defaults", "people", "type", "url", "url_file", "token", "token_file"),
    "sign",
    *("name", "events", "except", "when", "unless", "to", "message", "body", "blocks", "subject", "retry"),
    *("stop", "enabled", "if", "tests", "event", "payload", "with", "text"),
    *("timeout", "concurrency", "rate", "fail_fast", "kind", "site", "unsigned", "smtp", "password", "from"),
    *("evnts", "tokn"),
    *("''", "1", "null", "<<", "?", "*a", "a b", "x" * 200, "${SPACES_TOKEN}", "{{ page.title }}", "any", "all"),
    "not",
)  # fmt: skip

_SCALAR = re.compile(
    r"""(?<=: )(?:"[^"\n]*"|'[^'\n]*'|[^\s#{\[][^#\n,}\]]*)|(?<=- )[^\s#{\[][^#\n:]*|(?<=[\[,] )[^\s,\]}]+"""
)
_KEY = re.compile(r"[\w.-]+(?=:(?:\s|$))")


PIECES: tuple[str, ...] = (
    *(*HOSTILE[1:], *"{}[]:,-*&!|>'\"%@`#?\\\n ", "\n  ", "\n- ", "\n    - ", "<<: ", "a: ", "? ", "docs, "),
    "\n  x: {type: log}",
    *("${A}", "{{ a }}", "{% if a %}", "{#", "\n  - {name: a, events: x, to: docs}", "\n  x: {unsigned: true}"),
    *("*a ", "&a "),
    *("  # lint: ignore=unknown-event\n", "\n# lint: ignore=secret-in-file, unused-destination: why\n"),
    *("# lint: ignore=", "# LINT:ignore = a , b", "lint: ignore=x", "{page.title}", "{# lint: ignore=date-form #}"),
    "{{ x | date('DD') }}",
)  # fmt: skip
"""What to put in anywhere."""


def _place(draw: st.DrawFn, text: str) -> int:
    return int(draw(st.integers(0, len(text))))


def _lines(draw: st.DrawFn, lines: Sequence[str], most: int = 6) -> tuple[int, int]:
    """The first line of some, and the one behind the last."""
    first = draw(st.integers(0, max(0, len(lines) - 1)))
    return first, min(len(lines), first + draw(st.integers(1, most)))


def _put_in(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + draw(st.sampled_from(PIECES)) + text[at:]


def _lose(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + text[at + draw(st.integers(1, 12)) :]


def _other_character(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + draw(st.characters()) + text[at + 1 :]


def _lose_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    first, end = _lines(draw, lines)
    return "\n".join(lines[:first] + lines[end:])


def _double_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    first, end = _lines(draw, lines)
    return "\n".join(lines[:end] + lines[first:end] * draw(st.integers(1, 3)) + lines[end:])


def _swap_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _move_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    first, end = _lines(draw, lines)
    rest = lines[:first] + lines[end:]
    at = draw(st.integers(0, len(rest)))
    return "\n".join(rest[:at] + lines[first:end] + rest[at:])


def _indent(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    first, end = _lines(draw, lines, most=20)
    by = draw(st.sampled_from([" ", "  ", "    ", "\t", "\u00a0", "-", ""]))
    for number in range(first, end):
        lines[number] = by + (lines[number] if by else lines[number].lstrip(" "))
    return "\n".join(lines)


def _other_value(draw: st.DrawFn, text: str) -> str:
    found = list(_SCALAR.finditer(text))
    if not found:
        return text
    scalar = draw(st.sampled_from(found))
    return text[: scalar.start()] + draw(st.sampled_from(HOSTILE)) + text[scalar.end() :]


def _referring_value(draw: st.DrawFn, text: str) -> str:
    """What stood there comes from the environment now, as a whole or in part."""
    found = list(_SCALAR.finditer(text))
    if not found:
        return text
    scalar = draw(st.sampled_from(found))
    reference = f"${{{draw(st.sampled_from(sorted(ENVIRON)))}}}"
    form = draw(
        st.sampled_from(["{}", '"{}"', "{old}{}", "{}{old}", '"{{{{ {} }}}}"', '"{{% {} %}}"', '["{}"]', '{{x: "{}"}}'])
    )
    return text[: scalar.start()] + form.format(reference, old=scalar[0]) + text[scalar.end() :]


def _dressed_value(draw: st.DrawFn, text: str) -> str:
    found = list(_SCALAR.finditer(text))
    if not found:
        return text
    scalar = draw(st.sampled_from(found))
    dress = draw(
        st.sampled_from(
            ["&a {}", "&b {}", "*a{}", "!x {}", "!!str {}", "'{}'", '"{}"', "[{}]", "{{x: {}}}", "{}: {}", "|\n  {}"]
        )
    )
    return text[: scalar.start()] + dress.format(*[scalar[0]] * 2) + text[scalar.end() :]


def _other_key(draw: st.DrawFn, text: str) -> str:
    found = list(_KEY.finditer(text))
    if not found:
        return text
    key = draw(st.sampled_from(found))
    return text[: key.start()] + draw(st.sampled_from(KEYS)) + text[key.end() :]


def _other_ends(draw: st.DrawFn, text: str) -> str:
    return text.replace("\n", draw(st.sampled_from(["\r\n", "\r", "\x85", "\u2028", "\n\n", "\n\r"])))


def _graft(draw: st.DrawFn, text: str) -> str:
    """Lines of another file."""
    lines, others = text.split("\n"), draw(st.sampled_from(SEEDS)).split("\n")
    first, end = _lines(draw, others, most=12)
    at = draw(st.integers(0, len(lines)))
    return "\n".join(lines[:at] + others[first:end] + lines[at:])


def _cut_off(draw: st.DrawFn, text: str) -> str:
    return text[: _place(draw, text)]


SLIPS: tuple[Slip, ...] = (
    *(_put_in, _lose, _other_character, _lose_lines, _double_lines, _swap_lines, _move_lines, _indent, _other_value),
    *(_other_value, _referring_value, _dressed_value, _other_key, _other_ends, _graft, _cut_off),
)  # fmt: skip


@st.composite
def slipped(draw: st.DrawFn, seeds: Sequence[str] = SEEDS, slips: Sequence[Slip] = SLIPS, most: int = 4) -> str:
    """A rule file in which up to so many things went wrong."""
    text: str = draw(st.sampled_from(seeds))
    for slip in draw(st.lists(st.sampled_from(slips), min_size=1, max_size=most)):
        text = slip(draw, text)
    return text


def referring() -> st.SearchStrategy[str]:
    """A rule file that refers to the environment where nobody thought of it."""
    return slipped(GOOD, [_referring_value], most=6)


@st.composite
def encoded(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """The bytes of a text as editors save it, good ones and bad."""
    text: str = draw(texts)
    codec = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    content = text.encode(codec, "surrogatepass" if codec.startswith("utf") else "replace")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at:]
    return content
