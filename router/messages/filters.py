"""
The filters of templates: all of them ours, so that each is bounded and none loses or doubles an escape.

A filter's docstring is its entry in `docs/messages.md`. The first argument, the bench, is not seen by authors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from router.events import Markup
from router.messages.blocks import LONGEST_SLACK_TEXT
from router.messages.escaping import (
    Finished,
    cut,
    html_bold,
    html_link,
    slack_bold,
    slack_link,
    text_link,
)
from router.messages.html import LONGEST_HTML, to_line, to_markdown, to_mrkdwn, to_text
from router.messages.limits import LONGEST_TEXT, TemplateRefused, check_text, check_value
from router.messages.operators import Bench, is_number, is_whole, kind_of, known, plain_value
from router.messages.unseen import one_line
from router.payload import dump_json

_WORK_PER_TOKEN = 8
_WORK_PER_TOKEN_OF_A_LINE = 2
_Converter: TypeAlias = Callable[[str, int, Callable[[int], None]], str]
_LINKS = {Markup.TEXT: text_link, Markup.SLACK: slack_link, Markup.HTML: html_link}
_BOLD: Mapping[Markup, Callable[[str], str]] = {Markup.TEXT: str, Markup.SLACK: slack_bold, Markup.HTML: html_bold}
_DAY = "%-d %b %Y"
_DAY_AND_TIME = "%-d %b %Y, %H:%M %Z"
_LONGEST_DAY = len("2026-03-02")


def text(bench: Bench, value: Any, limit: Any = None) -> str:
    """HTML as plain text: paragraphs, lists, quotes, tables, addresses of links; at most so many characters."""
    return _converted(to_text, bench, value, limit, "text")


def excerpt(bench: Bench, value: Any, limit: Any = 200) -> str:
    """The beginning of HTML or text as one line, at most so many characters, cut at a word with an ellipsis."""
    length = _length(limit, "excerpt")
    return cut(to_line(_html(bench, value), length + 1, _token_price(bench, _WORK_PER_TOKEN_OF_A_LINE)), length)


def mrkdwn(bench: Bench, value: Any, limit: Any = None) -> str:
    """HTML as Slack writes it: bold, code, lists, quotes, links. As `text` where the message is not for Slack."""
    if bench.markup is not Markup.SLACK:
        return _converted(to_text, bench, value, limit, "mrkdwn")
    return Finished(_converted(to_mrkdwn, bench, value, limit, "mrkdwn"))


def markdown(bench: Bench, value: Any, limit: Any = None) -> str:
    """HTML as Markdown, for chats and trackers that read it. As `mrkdwn` where the message is for Slack."""
    if bench.markup is Markup.SLACK:
        return Finished(_converted(to_mrkdwn, bench, value, limit, "markdown"))
    return _converted(to_markdown, bench, value, limit, "markdown")


def oneline(bench: Bench, value: Any) -> str:
    """The text as one line: line breaks and repeated spaces become one space, and what shows nothing goes."""
    return one_line(bench.text(value))


def truncate(bench: Bench, value: Any, limit: Any = 255) -> str:
    """The beginning of a text, at most so many characters, cut at a word with an ellipsis."""
    length, words = _length(limit, "truncate"), bench.text(value)
    return cut(words, length)


def link(bench: Bench, value: Any, url: Any) -> str:
    """The text as a link; only the text where the address is missing or is not http, https or mailto."""
    address, label = bench.text(url).strip(), bench.piece(value)
    if not address.lower().startswith(("http://", "https://", "mailto:")) or len(address.split()) != 1:
        return label
    plain = bench.escaping.plain(label)
    return _LINKS[bench.markup](plain, address)


def bold(bench: Bench, value: Any) -> str:
    """The text as one line in bold: `*Ada*` in Slack, with no mark in plain text; nothing where it is empty."""
    words = one_line(bench.text(value))
    return _BOLD[bench.markup](words) if words else ""


def raw(bench: Bench, value: Any) -> str:
    """The text as it is, without escaping: your own way out, for markup that you trust."""
    return Finished(bench.piece(value))


def escape(bench: Bench, value: Any) -> str:
    """The text escaped for the message; happens by itself wherever a value is printed, and never twice."""
    return bench.escaping.finish(bench.piece(value))


def date(bench: Bench, value: Any, form: Any = None) -> str:
    """A time in the zone of `defaults.zone`, as `2 Mar 2026, 10:40 GMT`, or in a form of yours such as `"%Y-%m-%d"`."""
    told = bench.text(value)
    try:
        moment = datetime.fromisoformat(told.strip())
        is_day = len(told.strip()) <= _LONGEST_DAY  # a day is the same day in every zone
        moment = moment if moment.tzinfo else moment.replace(tzinfo=bench.zone if is_day else UTC)
        moment = moment.astimezone(bench.zone)
    except (ValueError, OverflowError):
        return told
    pattern = (_DAY if is_day else _DAY_AND_TIME) if known(form) is None else bench.text(form)
    return check_text(re.sub(r"%(-?)(.?)", lambda match: _date_part(moment, match), pattern))


def _date_part(moment: datetime, match: re.Match[str]) -> str:
    letter = match[2]
    if letter == "%":
        return "%"
    if not letter or letter not in "YymdHIMSBbAajpZz":
        known_parts = "%Y %y %m %d %H %I %M %S %B %b %A %a %j %p %Z %z %%"
        raise TemplateRefused(f"date does not know {match[0]!r}; it knows {known_parts}")
    # `%-d` (without leading zero) is not known to every platform's strftime.
    part = moment.strftime(f"%{letter}")
    return (part.lstrip("0") or "0") if match[1] else part


def plural(bench: Bench, value: Any, one: Any, many: Any = None) -> str:
    """The word that goes with a number (or with the length of a list): `{{ 2 | plural("page") }}` is `pages`."""
    value = known(value)
    count = _read_number(bench, value) if is_number(value) or isinstance(value, str) else length(bench, value)
    if count == 1:
        return bench.text(one)
    return bench.text(many) if known(many) is not None else f"{bench.text(one)}s"


def default(_bench: Bench, value: Any, other: Any = "") -> Any:
    """Another value where this one is missing, null or an empty text."""
    return other if known(value) is None or value == "" else value


def lower(bench: Bench, value: Any) -> str:
    """The text in lower case."""
    return check_text(bench.text(value).lower())


def upper(bench: Bench, value: Any) -> str:
    """The text in upper case."""
    return check_text(bench.text(value).upper())


def title(bench: Bench, value: Any) -> str:
    """The text with a capital at each word."""
    return check_text(re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), bench.text(value)))


def trim(bench: Bench, value: Any) -> str:
    """The text without white space at its ends."""
    piece = bench.piece(value)
    return Finished(piece.strip()) if isinstance(piece, Finished) else piece.strip()


def length(bench: Bench, value: Any) -> int:
    """The number of characters of a text, or of items; 0 of what is missing."""
    value = known(value)
    if value is None or isinstance(value, str):
        return len(bench.text(value))
    return len(_items(value, "length")) if not isinstance(value, dict) else len(value)


def join(bench: Bench, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """The items of a list as one text: `{{ page.tags | join(", ", attribute="name") }}`."""
    items = _mapped(bench, _items(value, "join"), attribute)
    budget, between = bench.budget, bench.piece(separator)
    budget.spend(len(items))
    pieces = [bench.piece(item) for item in items]
    if sum(map(len, pieces)) + len(between) * len(pieces) > LONGEST_TEXT:
        raise TemplateRefused(f"join makes a text longer than {LONGEST_TEXT // 1024} KiB")
    return bench.escaping.join(pieces, between)


def first(bench: Bench, value: Any) -> Any:
    """The first item of a list, or the first character of a text."""
    items = _sequence(bench, value, "first")
    return items[0] if items else None


def last(bench: Bench, value: Any) -> Any:
    """The last item of a list, or the last character of a text."""
    items = _sequence(bench, value, "last")
    return items[-1] if items else None


def replace(bench: Bench, value: Any, old: Any, new: Any) -> str:
    """The text with one piece replaced by another wherever it stands."""
    words, search, put = bench.text(value), bench.text(old), bench.text(new)
    if not search:
        raise TemplateRefused("replace needs a text to look for")
    if len(words) + words.count(search) * (len(put) - len(search)) > LONGEST_TEXT:
        raise TemplateRefused(f"replace makes a text longer than {LONGEST_TEXT // 1024} KiB")
    return words.replace(search, put)


def round_number(bench: Bench, value: Any, digits: Any = 0) -> Any:
    """A number with so many digits after the point."""
    number, places = to_float(bench, value), known(digits)
    if not is_whole(places) or not 0 <= places <= 15:
        raise TemplateRefused("round needs 0 to 15 digits")
    return round(number, places) if places else round(number)


def to_int(bench: Bench, value: Any, other: Any = 0) -> Any:
    """A whole number from a text or number; another value (0) where it is none."""
    number = _read_number(bench, value)
    return other if number is None else int(number)


def to_float(bench: Bench, value: Any, other: Any = 0.0) -> Any:
    """A number from a text or number; another value (0.0) where it is none."""
    number = _read_number(bench, value)
    try:
        return other if number is None else float(number)
    except OverflowError:
        return other


def sort(bench: Bench, value: Any, attribute: Any = None, reverse: Any = False) -> list[Any]:
    """A list in order: by itself, or by a field of its items. Upper and lower case are the same."""
    items = _items(value, "sort")
    keys = [_sort_key(bench, key) for key in _mapped(bench, items, attribute)]
    bench.budget.spend(4 * len(items))
    order = sorted(range(len(items)), key=keys.__getitem__, reverse=bool(known(reverse)))
    return [items[index] for index in order]


def unique(bench: Bench, value: Any, attribute: Any = None) -> list[Any]:
    """A list without repetitions: of items, or of a field of its items."""
    items = _items(value, "unique")
    found: dict[tuple[int, Any], Any] = {}
    for item, key in zip(items, _mapped(bench, items, attribute), strict=True):
        found.setdefault(_sort_key(bench, key), item)
    return list(found.values())


def map_field(bench: Bench, value: Any, attribute: Any) -> list[Any]:
    """One field of every item: `{{ page.tags | map("name") | join(", ") }}`."""
    return _mapped(bench, _items(value, "map"), attribute)


def tojson(bench: Bench, value: Any) -> str:
    """The value as JSON text."""
    check_value(value, bench.budget)
    return check_text(dump_json(plain_value(bench, value)).decode())


def urlencode(bench: Bench, value: Any) -> str:
    """The text as a part of an address, everything but letters, digits and `_.-~` quoted."""
    return check_text(quote(bench.text(value), safe=""))


def _html(bench: Bench, value: Any) -> str:
    """The text to convert. What is already markup is read back to the plain text that it shows, and quoted as HTML."""
    if isinstance(value, Finished) and bench.markup is not Markup.TEXT:
        return bench.text(value).replace("&", "&amp;").replace("<", "&lt;")
    # A page may have megabytes of which only the beginning is looked at.
    return bench.text(value[:LONGEST_HTML] if isinstance(value, str) else value)


def _converted(convert: _Converter, bench: Bench, value: Any, limit: Any, name: str) -> str:
    most = LONGEST_SLACK_TEXT if known(limit) is None else _length(limit, name)
    return convert(_html(bench, value), most, _token_price(bench, _WORK_PER_TOKEN))


def _token_price(bench: Bench, work: int) -> Callable[[int], None]:
    return lambda count: bench.budget.spend(work * count)


def _length(limit: Any, name: str) -> int:
    limit = known(limit)
    if not is_whole(limit) or not 1 <= limit <= LONGEST_TEXT:
        raise TemplateRefused(f"{name} needs a whole number of characters from 1 to {LONGEST_TEXT}")
    return int(limit)


def _items(value: Any, name: str) -> Sequence[Any]:
    value = known(value)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TemplateRefused(f"{name} needs a list, not {kind_of(value)}")
    return value


def _sequence(bench: Bench, value: Any, name: str) -> Sequence[Any]:
    value = known(value)
    return bench.text(value) if isinstance(value, str) else _items(value, name)


def _mapped(bench: Bench, items: Sequence[Any], attribute: Any) -> list[Any]:
    """The field that a dotted path leads to in each item, or the items themselves without a path."""
    path = bench.text(attribute)
    fields = path.split(".") if path else []
    bench.budget.spend(len(items) * (1 + len(fields)))
    found = list(items)
    for name in fields:
        found = [item.get(name) if isinstance(item, dict) else None for item in found]
    return found


def _sort_key(bench: Bench, key: Any) -> tuple[int, Any]:
    key = known(key)
    if key is None:
        return (0, 0)
    if isinstance(key, bool | int | float):
        return (1, key)
    if isinstance(key, str):
        return (2, bench.text(key).casefold())
    raise TemplateRefused(f"{kind_of(key)} has no order; name a field of the items")


def _read_number(bench: Bench, value: Any) -> int | float | None:
    value = known(value)
    if isinstance(value, str):
        words = bench.text(value).strip()
        if len(words) > 40:
            return None
        try:
            value = int(words)
        except ValueError:
            try:
                value = float(words)
            except ValueError:
                return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float) else None


FILTERS: Mapping[str, Callable[..., Any]] = {
    "text": text,
    "excerpt": excerpt,
    "mrkdwn": mrkdwn,
    "markdown": markdown,
    "link": link,
    "bold": bold,
    "date": date,
    "plural": plural,
    "default": default,
    "lower": lower,
    "upper": upper,
    "title": title,
    "trim": trim,
    "oneline": oneline,
    "truncate": truncate,
    "replace": replace,
    "length": length,
    "join": join,
    "first": first,
    "last": last,
    "sort": sort,
    "unique": unique,
    "map": map_field,
    "round": round_number,
    "int": to_int,
    "float": to_float,
    "tojson": tojson,
    "urlencode": urlencode,
    "escape": escape,
    "raw": raw,
}
"""Filters by the name that templates use; `select` and its like stand in `template_tests.py`, beside the tests."""
