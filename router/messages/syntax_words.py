"""Jinja's complaints about the syntax of a template, in words for people who write three of them a year."""

from __future__ import annotations

import re

from jinja2 import TemplateSyntaxError

from router.messages.dialect import did_you_mean

_TAGS = ("for", "if", "set", "include", "macro", "import", "from", "with", "raw")
_UNCLOSED = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_UNKNOWN_TAG = re.compile(r"encountered unknown tag '(\w+)'", re.IGNORECASE)
_UNEXPECTED = re.compile(r"unexpected '([}\])])'")
_OTHER_WAYS = {
    "while": "; go over a list with {% for … in … %}",
    "foreach": "; go over a list with {% for … in … %}",
    "break": "; filter the list before: {% for … in … if … %}",
    "continue": "; filter the list before: {% for … in … if … %}",
    "switch": "; write {% if … %}{% elif … %}",
    "case": "; write {% if … %}{% elif … %}",
    "do": "; write {% set … %}",
    "let": "; write {% set … %}",
    "var": "; write {% set … %}",
    "elseif": "; write {% elif … %}",
    "elsif": "; write {% elif … %}",
}
_CLOSING_SIGNS = {"}": "}} behind the value, or %} behind the statement", "]": "an opening [", ")": "an opening ("}


def syntax_sentence(error: TemplateSyntaxError) -> str:
    """Say what Jinja says most often in words for its users; the rest as our sentences begin, without a full stop."""
    message = (error.message or "the template cannot be read").strip().rstrip(".")
    if "expected 'end of print statement'" in message and "end of template" in message:
        return "a {{ is not closed; expected }} behind the value"
    if "expected 'end of statement block'" in message and "end of template" in message:
        return "a {% is not closed; expected %} behind the statement"
    still_open = _UNCLOSED.search(message)
    if still_open is not None and message.lower().startswith("unexpected end of template"):
        return f"a {{% {still_open[1]} … %}} has no end; expected {{% end{still_open[1]} %}} behind what belongs to it"
    if (tag := _UNKNOWN_TAG.match(message)) is not None:
        return _about_tag(tag[1], still_open[1] if still_open else "")
    if (sign := _UNEXPECTED.fullmatch(message)) is not None:
        return f"a single {sign[1]} closes nothing here; expected {_CLOSING_SIGNS[sign[1]]}"
    return message[:1].lower() + message[1:]


def word_in_question(error: TemplateSyntaxError) -> str:
    """Name the word that a complaint is about, to find it in its line; empty where it is about none."""
    tag = _UNKNOWN_TAG.match(error.message or "")
    return tag[1] if tag else ""


def _about_tag(tag: str, still_open: str) -> str:
    is_part = tag.startswith("end") or tag in ("elif", "else")
    if still_open and is_part:
        end = f"{{% end{still_open} %}}"
        return f"{{% {tag} %}} stands where {end} is expected: the {{% {still_open} … %}} before it is still open"
    if is_part and not tag.startswith("end"):
        return f"{{% {tag} %}} stands outside of an {{% if … %}}; expected that before it"
    if is_part:
        opened = tag.removeprefix("end")
        before = f"{{% {opened} … %}}" if opened in _TAGS else "what it ends"
        return f"{{% {tag} %}} closes nothing; expected {before} before it, or remove it"
    hint = _OTHER_WAYS.get(tag) or did_you_mean(tag, _TAGS)
    return f"there is no tag {{% {tag} %}}; expected one of: {', '.join(_TAGS)}{hint}"
