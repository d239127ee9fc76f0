"""
HTTP/1.1 as bytes: requests are read off the wire, answers are written for it.

The reader takes the one way in which RFC 9112 writes a request, and refuses every other: bare line feeds, folded lines,
white space before a colon, control characters, two lengths that differ, a length beside chunks, other transfer codings,
chunk extensions, trailers. So no proxy before this server can have read a request differently and let a second one pass
inside it. tests/test_wire.py compares it with llhttp, the parser of Node.js.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http.client import responses
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

T = TypeVar("T")

NO_LIMIT = sys.maxsize
"""A declared length beyond all reason; the number itself is not worth reading."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_END_OF_HEAD = b"\r\n\r\n"

# RFC 9110, 5.6.2 (tokens) and 5.5 (values); RFC 9112, 3 (request line) and 5 (fields), read 2026-11.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~\x80-\xff]++) HTTP/1\.([0-9])\r\n")
_BLANK_LINES = re.compile(rb"(?:\r\n)*+")
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":[\t -~\x80-\xff]*+\r\n)*+")

_LENGTH = re.compile(r"([0-9]++)(?:[ \t]*+,[ \t]*+\1)*+")
_LONGEST_LENGTH = 18

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_CHUNK_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,16}\r?")


class BadRequest(Exception):
    """These bytes are not a request; the text says why not, and repeats nothing of them."""


class HeadTooLarge(Exception):
    """The head of a request has more bytes than it may."""


class Headers(Mapping[str, str]):
    """
    The header fields of a request, found by name without regard to case.

    The values of a name that came several times are joined by commas.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: Any = None, /) -> Any:
        return self._fields.get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(slots=True)
class Head:
    """
    The head of a request.

    Attributes:
        path: Of the target, without the query.
        minor: 0 for HTTP/1.0, 1 (or more) for HTTP/1.1.
        length: Declared bytes of the body, 0 where there is none; None for chunks, which do not say how many follow.
    """

    method: str
    path: str
    minor: int
    headers: Headers
    length: int | None

    @property
    def keeps_connection(self) -> bool:
        """Whether the peer wants to ask again on the same connection."""
        asked = self.headers.get("connection")
        wishes = () if asked is None else [wish.strip(" \t") for wish in asked.lower().split(",")]
        if self.minor:
            return "close" not in wishes
        # In HTTP/1.0 a body without a length ends with the connection.
        says_length = self.method in ("GET", "HEAD") or "content-length" in self.headers
        return says_length and "keep-alive" in wishes and "close" not in wishes

    @property
    def expects_continue(self) -> bool:
        """Whether the peer waits for a word before it sends the body."""
        return bool(self.minor) and (self.headers.get("expect") or "").lower() == "100-continue"


class _Awaited(Enum):
    """What comes next in a chunked body."""

    SIZE = auto()
    CONTENT = auto()
    END_OF_CHUNK = auto()
    END_OF_BODY = auto()


class RequestReader:
    """
    Reads one request after the other out of the bytes of one connection.

    Attributes:
        ended: The request of the latest head has been read to its end; what is left belongs to the next one.
    """

    def __init__(self, most_head_bytes: int) -> None:
        self.ended = True
        self._most_head_bytes = most_head_bytes
        self._bytes = b""
        self._looked_at = 0
        self._left = 0
        self._awaited: _Awaited | None = None

    @property
    def awaited(self) -> int | None:
        """Bytes of the body that the peer is still to send; None where it did not say."""
        return max(0, self._left - len(self._bytes)) if self._awaited is None else None

    @property
    def rest(self) -> bytes:
        """What was fed and not read yet."""
        return self._bytes

    @property
    def has_more(self) -> bool:
        """Whether something has come that is not read yet."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._bytes = self._bytes + data if self._bytes else data

    def head(self) -> Head | None:
        """
        Read the next head; None until all of it has come.

        Raises:
            BadRequest: There is no telling where this request ends; nothing behind it may be read.
            HeadTooLarge: It is larger than it may be, whether all of it has come or not.
        """
        data = self._bytes
        if data.startswith(b"\r\n"):  # some clients send an empty line behind a body: RFC 9112, 2.2
            self._bytes = data = _BLANK_LINES.sub(b"", data, count=1)
        end = data.find(_END_OF_HEAD, self._looked_at)
        if (end if end >= 0 else len(data)) > self._most_head_bytes:
            raise HeadTooLarge
        if end < 0:
            self._looked_at = max(0, len(data) - 3)
            return None
        self._looked_at = 0
        self._bytes = data[end + 4 :]
        return self._read_head(data, end + 2)

    def _read_head(self, data: bytes, end: int) -> Head:
        line = _REQUEST_LINE.match(data)
        if line is None:
            raise BadRequest("the request line is malformed")
        start = line.end()
        if _FIELDS.fullmatch(data, start, end) is None:
            good = _FIELDS.match(data, start, end)
            number = data.count(b"\r\n", start, good.end() if good else start) + 1
            raise BadRequest(f"header line {number} is malformed")
        fields = _fields(data[start : end - 2].decode("latin-1")) if start < end else {}
        method, target, minor = line.groups()
        head = Head(method.decode(), _path(target.decode("latin-1")), int(minor), Headers(fields), None)
        self._begin_body(head, fields)
        return head

    def _begin_body(self, head: Head, fields: Mapping[str, str]) -> None:
        coding = fields.get("transfer-encoding")
        length = fields.get("content-length")
        if coding is None:
            head.length = self._left = 0 if length is None else _declared(length)
            self._awaited = None
            self.ended = not self._left
            return
        if length is not None:
            raise BadRequest("it has both a Content-Length and a Transfer-Encoding")
        if coding.lower() != "chunked" or not head.minor:
            raise BadRequest("the only transfer coding that is taken is chunked, in HTTP/1.1")
        self._awaited = _Awaited.SIZE
        self.ended = False

    def body(self) -> bytes:
        """
        Read what has come of the body; `ended` tells whether more is to come.

        Raises:
            BadRequest: Its chunks are malformed.
        """
        if self._awaited is not None:
            return self._chunks()
        data = self._bytes
        if len(data) <= self._left:
            self._bytes = b""
        else:
            data, self._bytes = data[: self._left], data[self._left :]
        self._left -= len(data)
        self.ended = not self._left
        return data

    def _chunks(self) -> bytes:
        data, at, content = self._bytes, 0, []
        while not self.ended:
            if self._awaited is _Awaited.CONTENT:
                piece = data[at : at + self._left]
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._awaited = _Awaited.END_OF_CHUNK
            found = self._chunk_size(data, at) if self._awaited is _Awaited.SIZE else _line_end(data, at)
            if not found:
                break
            at += found
            self._next_in_chunks()
        self._bytes = data[at:]
        return b"".join(content)

    def _chunk_size(self, data: bytes, at: int) -> int:
        """Read the line that says how large a chunk is; the length of the line, or 0 until all of it has come."""
        size = _CHUNK_SIZE.match(data, at)
        if size is not None:
            self._left = int(size[1], 16)
            return len(size[0])
        if _CHUNK_SIZE_BEGUN.fullmatch(data, at):
            return 0
        raise BadRequest("the size of a chunk is malformed")

    def _next_in_chunks(self) -> None:
        match self._awaited:
            case _Awaited.SIZE:
                self._awaited = _Awaited.CONTENT if self._left else _Awaited.END_OF_BODY
            case _Awaited.END_OF_CHUNK:
                self._awaited = _Awaited.SIZE
            case _Awaited.END_OF_BODY:
                self.ended = True


def _line_end(data: bytes, at: int) -> int:
    """Read the end of a line; its length, or 0 until all of it has come."""
    if data.startswith(b"\r\n", at):
        return 2
    if data[at:] in (b"", b"\r"):
        return 0
    raise BadRequest("a chunk does not end where it should, or trailers follow the last one")


def _fields(text: str) -> dict[str, str]:
    """Read field lines that are known to be well-formed; names in lower case."""
    fields: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _path(target: str) -> str:
    """The path of a request target; an absolute one (`http://host/path`) has one too."""
    path = target.partition("?")[0]
    if path.startswith("/"):
        return path
    try:
        return urlsplit(path).path
    except ValueError:
        return path


def _declared(length: str) -> int:
    """Read a Content-Length. Some proxies repeat it; alike, that is one length: RFC 9110, 8.6."""
    found = _LENGTH.fullmatch(length)
    if found is None:
        raise BadRequest("the Content-Length is malformed, or there are two that differ")
    digits = found[1].lstrip("0")
    return NO_LIMIT if len(digits) > _LONGEST_LENGTH else int(digits or "0")


def answer_bytes(
    status: int, body: bytes, further: Mapping[str, str], *, date: str, connection: str, is_head: bool
) -> bytes:
    """
    Write an answer in JSON.

    Args:
        date: Of the `Date` header.
        connection: Value of the `Connection` header; empty for none.
        is_head: The request's method was HEAD: say how long the body would be, and leave it out.
    """
    more = "".join([f"{name}: {value}\r\n" for name, value in further.items()])
    if connection:
        more += f"Connection: {connection}\r\n"
    head = (
        f"HTTP/1.1 {status} {responses[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nDate: {date}\r\n{more}\r\n"
    ).encode("latin-1")
    return head if is_head else head + body
