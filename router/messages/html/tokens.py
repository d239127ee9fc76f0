"""
HTML cut into tags and texts.

The reader is our own. The standard library's looks at unclosed tags and comments again and again (its time grows with
the square of their number), and raises on some entities; the parsers that follow the whole specification, and the
converters on top of them, build a tree of everything before the first word can be read, without a bound. This is one
regular expression that never goes back: as in a browser, what opens and never closes swallows the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from router.messages.entities import resolve_entities
from router.messages.unseen import without_unseen

LONGEST_HTML = 262_144
"""Characters of HTML that are looked at; what follows is left out."""

_TOKEN = re.compile(
    r"""
      # A long text comes in pieces, so that who wants little does not read all. The end of a piece cuts no entity.
      (?P<text>[^<]{1,2000}+[^<&\s]{0,40}+)
    | <!--(?:-?>|.*?(?:--!?>|\Z))
      # No reader sees these, and what stands in them is no HTML.
    | <(?P<hidden>script|style|title|template|noscript|svg|iframe|select|datalist|textarea)(?=[\s/>]|\Z)
        .*?(?:</(?P=hidden)(?=[\s/>]|\Z)[^>]*+(?:>|\Z)|\Z)
    | <(?P<name>/?[a-z][^\s/>]*+)
        (?P<attributes>(?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+)(?:>|\Z)
    | <[!?/][^>]*+(?:>|\Z)
    | (?P<sign><)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([^\s/>=\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)|'([^']*+)|([^\s\"']\S*+))?+)?+")
_LANGUAGE = re.compile(r"\blang(?:uage)?-([A-Za-z0-9+#.-]{1,20})")
_MOST_ATTRIBUTES = 100
_LONGEST_DESCRIPTION = 500


def tokens(source: str, most: int) -> Iterator[tuple[str, str]]:
    """
    Cut HTML into tags and texts. Never raises; the time is linear in the length.

    Args:
        most: Tags and texts after which the rest is left out.

    Yields:
        The name of a tag in lower case (`b`, `/b`) and its attributes as they stand; or `""` and a text, with its
        entities as they stand: see `plain` and `attributes`.
    """
    for match in islice(_TOKEN.finditer(source, 0, LONGEST_HTML), most):
        text, name, rest, sign = match.group("text", "name", "attributes", "sign")
        if name is not None:
            yield name.lower(), rest
        elif text is not None or sign is not None:
            yield "", text or sign


def plain(text: str) -> str:
    """Resolve the entities of a text, and take out what shows nothing."""
    return without_unseen(resolve_entities(text))


def attributes(written: str) -> dict[str, str]:
    """
    Read the attributes of a tag, names in lower case; the first of a name counts, as in a browser.

    Entities stand as they do; see `value`.
    """
    found: dict[str, str] = {}
    for match in islice(_ATTRIBUTE.finditer(written), _MOST_ATTRIBUTES):
        name, double, single, bare = match.groups("")
        found.setdefault(name.lower(), double or single or bare)
    return found


def value(written: str) -> str:
    """Resolve the entities of an attribute. Without a semicolon it is none here: addresses hold `?a=1&copy=2`."""
    return without_unseen(resolve_entities(written, needs_semicolon=True))


def picture_words(written: str) -> str:
    """Say what a picture shows: its description, from its attributes."""
    return " ".join(value(attributes(written).get("alt", "")[:_LONGEST_DESCRIPTION]).split())


def code_language(written: str) -> str:
    """Say which language the attributes of code name; empty where they name none."""
    found = _LANGUAGE.search(attributes(written).get("class", ""))
    return found[1] if found else ""
