"""Mails as bytes: from values to what a server is given. Nothing that stands in an event can add a header to one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from hashlib import sha256
from html import escape
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.fields import shape

LONGEST_SUBJECT = 200
"""More characters than any list of mails shows."""

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_EXPECTED = "expected an address such as ops@example.com, or Name <ops@example.com>"
_LONGEST_ADDRESS = 254  # RFC 5321, section 4.5.3.1.3: 256 with the angle brackets
_LONGEST_LOCAL_PART = 64
_LONGEST_NAME = 100

# Any server takes 7 bits; 8 and more it must offer.
_POLICY = SMTP.clone(cte_type="7bit")

_FOLD = "\r\n "

_TO_SPACE = frozenset({"Cc", "Zl", "Zp"})
_TURNS_TEXT_AROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_WITHOUT_TURNS = dict.fromkeys(map(ord, _TURNS_TEXT_AROUND))
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class Mailbox:
    """
    An address, maybe with a name: `ops@example.com` or `Wiki news <wiki@example.com>`.

    Only ASCII addresses, because few servers take others; an international domain in its `xn--` form.

    Raises:
        ValueError: With a sentence that quotes no more than an address.
    """

    __slots__ = ("address", "domain", "name")

    def __init__(self, text: str) -> None:
        if text.count("@") > 1 and ("," in text or ";" in text):
            raise ValueError("this is no valid address but several; write a list: [ada@example.com, ops@example.com]")
        name, address = _taken_apart(text)
        local, at, domain = address.rpartition("@")
        if not at or not local or not domain:
            raise ValueError(_EXPECTED)
        if not address.isascii():
            raise ValueError("the address holds letters outside ASCII; write its domain in the form xn--…")
        fits = len(address) <= _LONGEST_ADDRESS and len(local) <= _LONGEST_LOCAL_PART
        if not fits or not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain):
            raise ValueError("this is no valid address; expected one such as ops@example.com")
        if len(name) > _LONGEST_NAME or name != header_text(name):
            raise ValueError(f"the name before the address is not one line of at most {_LONGEST_NAME} characters")
        self.name = name
        self.address = address
        self.domain = domain.lower()

    @property
    def key(self) -> str:
        """The same for two ways of writing one address; in practice no server regards case."""
        return self.address.lower()

    def as_header(self) -> str:
        """Write it as a header names it: ASCII, quoted or encoded as needed."""
        if self.name.isascii():
            return formataddr((self.name, self.address))
        return f"{_encoded(self.name)}{_FOLD}<{self.address}>"

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address

    def __repr__(self) -> str:
        return f"Mailbox({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mailbox) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return shape("address", "@", _EXPECTED)


def _taken_apart(text: str) -> tuple[str, str]:
    """Part a name from its address; a text with more than one address in it gives none."""
    text = text.strip()
    if "<" not in text and ">" not in text:
        return "", text
    form = re.fullmatch(r"([^<>]*)<([^<>]*)>", text)
    if form is None:
        return "", ""
    name = form[1].strip()
    if name.startswith('"'):
        name = parseaddr(f"{name} <x@example.com>")[0]
    return name, form[2].strip()


@dataclass(frozen=True)
class Letter:
    """
    What a mail says, and to whom.

    Attributes:
        sender: Its domain stands in all ids.
        to, cc: As its headers name them, whoever of them gets this copy; blind copies are named nowhere.
        text: The whole of it for who reads without HTML.
        html: A fragment that is put into the frame, or a whole document, or nothing.
        key: Of the delivery; the same key makes the same `Message-ID`.
        date: Aware.
        list_name: What mailboxes sort by: the name of the rule.
        thread: What the mails of one thread have in common, such as `page-5148@spaces`; None for a mail by itself.
    """

    sender: Mailbox
    to: Sequence[Mailbox]
    subject: str
    text: str
    html: str
    key: str
    date: datetime
    list_name: str
    cc: Sequence[Mailbox] = ()
    reply_to: Sequence[Mailbox] = ()
    thread: str | None = None

    @property
    def message_id(self) -> str:
        return f"<{self.key}.spaces-router@{self.sender.domain}>"


def compose(letter: Letter) -> bytes:
    """
    Write a mail; the same letter always gives the same bytes.

    Source: RFC 5322; RFC 2919 for `List-Id`, RFC 3834 for `Auto-Submitted`, which keeps absence notes away.
    """
    mail = EmailMessage(policy=_POLICY)
    text = _clean(letter.text).rstrip("\n") + "\n"
    mail.set_content(text)
    if letter.html.strip():
        document = whole_document(letter.html, letter.subject)
        mail.add_alternative(document, subtype="html")
        # From what it parts, so that it does not stand in there; and so that a repetition has the same bytes.
        mail.set_boundary(f"=_{sha256((letter.key + text + document).encode()).hexdigest()[:40]}")
    return b"".join(f"{name}: {value}\r\n".encode("ascii") for name, value in _headers(letter)) + mail.as_bytes()


def _headers(letter: Letter) -> Iterator[tuple[str, str]]:
    """
    Write the headers, which are checked and encoded here, as ASCII.

    `EmailMessage` would fold long ids beyond reading, and loses the space between two encoded words.
    """
    domain = letter.sender.domain
    yield "Date", format_datetime(letter.date)
    yield "Message-ID", letter.message_id
    yield "Auto-Submitted", "auto-generated"
    yield "List-Id", f"<{_as_label(letter.list_name)}.spaces-router.{domain}>"
    if letter.thread is not None:
        root = f"<{letter.thread}.{domain}>"
        yield "In-Reply-To", root
        yield "References", root
    yield "From", letter.sender.as_header()
    for name, boxes in (("To", letter.to), ("Cc", letter.cc), ("Reply-To", letter.reply_to)):
        if boxes:
            yield name, f",{_FOLD}".join(box.as_header() for box in boxes)
    yield "Subject", _encoded(header_text(letter.subject))


def _encoded(text: str) -> str:
    """Write one clean line for a header: as it is, or where it is not ASCII as encoded words, all of it. Folded."""
    return Header(text, None if text.isascii() else "utf-8", 75, "Subject").encode(linesep="\r\n")


def thread_of_page(page_id: str, source: str) -> str | None:
    """Name the thread of a page; None where the id has no form that can stand in a header."""
    return f"page-{page_id}@{source}" if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", page_id, re.ASCII) else None


def header_text(text: str) -> str:
    """
    Make any text fit for a header: one line, at most 200 characters, nothing that a reader does not see.

    `=?` is taken apart: a reader's program would decode the encoded word in a title such as
    `=?utf-8?q?a=0D=0ABcc:_x?=`, line breaks and all, and some that pass mails on write out the result.
    """
    seen = "".join(
        " " if unicodedata.category(character) in _TO_SPACE else character
        for character in text[: 20 * LONGEST_SUBJECT]
        if character not in _TURNS_TEXT_AROUND
    )
    words = " ".join(seen.encode("utf-8", "replace").decode().split())
    while "=?" in words:
        words = words.replace("=?", "= ?")
    return words if len(words) <= LONGEST_SUBJECT else f"{words[: LONGEST_SUBJECT - 1].rstrip()}…"


def _clean(text: str) -> str:
    """Line ends as one line feed each; nothing that a mail cannot carry, or that turns around what stands behind it."""
    plain = text.translate(_WITHOUT_TURNS)
    return _NOT_IN_TEXT.sub("\ufffd", re.sub(r"\r\n?", "\n", plain))


def _as_label(name: str) -> str:
    """A name as a part of a `List-Id`: `Page changes` is `page-changes`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "all"


_FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}
body {{ margin: 0; }}
div > p:first-child {{ margin-top: 0; }}
</style>
</head>
<body>
<div style="max-width: 36em; margin: 0 auto; padding: 16px; overflow-wrap: anywhere;\
 font: 16px/1.5 -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;">
{content}
</div>
</body>
</html>
"""
"""
No colour is set but by the reader's own program, light or dark; narrow windows wrap. Styles stand beside what they
style, since some programs drop style sheets.
"""


def whole_document(html: str, subject: str) -> str:
    """Put the HTML of a mail into its frame: what a reader's program, or a browser, shows."""
    return _clean(_framed(html, header_text(subject)))


def _framed(fragment: str, title: str) -> str:
    if re.match(r"\s*<(!doctype|html)\b", fragment, re.IGNORECASE):
        return fragment
    return _FRAME.format(title=escape(title), content=fragment)
