"""Bytes as clients of every kind of manners send them, and the answers taken apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from router.signature import sign
from tests.ingress_parts import TOKEN

BODIES = (
    b'{"page":{"id":5148,"title":"x"}}',
    b"[1]",
    b"null",
    b"not json",
    b"",
    b'{"a":"' + b"x" * 3_000 + b'"}',
    b"\xff",
)

_EVENTS = ("page.created", "page.updated.moved", "PAGE.X", "", "page..x", "p" * 300, "page created")
_PATHS = (
    "/hooks/spaces",
    "/hooks/spaces",
    "/hooks/spaces",
    "/hooks/open",
    "/hooks/nobody",
    "/healthz",
    "/",
    "*",
    "//",
    "/hooks/spaces?a=b#c",
)
_METHODS = ("POST", "POST", "POST", "POST", "GET", "HEAD", "PUT", "BREW", "post")
_FURTHER = (
    *(b"Connection: close", b"Connection: keep-alive", b"Connection: Upgrade, HTTP2-Settings"),
    b"Expect: 100-continue",
    *(b"Expect: 200-ok", b"Upgrade: h2c", b"Content-Type: multipart/form-data; boundary=x"),
    b"Content-Encoding: gzip",
    *(b"Router-Hops: 3", b"Router-Hops: 4", b"Router-Hops: x", b"X-Odd: \x80\xff", b"X-Long: " + b"x" * 5_000),
    *(b"X-Longer: " + b"x" * 20_000, b"Host: b.example", b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b" folded: x", b"no colon"),
    b"Bad Name: x",
    *(b": empty", b"X-Nul: a\x00b", b"X-Cr: a\rb", b"Signature: 0", b"Event: other.event", b"Delivery:"),
)  # fmt: skip
_SLIPS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b"\x00", b"\xff", b"0", b"-1", b"9" * 30, b"0\r\n\r\n"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"GET / HTTP/1.1\r\n\r\n"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    *(b"Content-Length: 5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"a" * 70_000),
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn, number: int) -> bytes:
    """One request, mostly a good one. `number` makes its `Delivery`."""
    body: bytes = draw(st.sampled_from(BODIES))
    is_good = draw(st.integers(0, 3)) > 0
    event = "page.created" if is_good else draw(st.sampled_from(_EVENTS))
    token = TOKEN if is_good else draw(st.sampled_from([TOKEN, "another"]))
    lines = [b"Host: router.example", f"Event: {event}".encode(), f"Delivery: d-{number}".encode()]
    lines.append(f"Signature: {sign(token, body)}".encode())
    framed, head = draw(st.sampled_from([_plain, _plain, _chunked, _unframed]))(draw, body)
    lines += head
    if not is_good:
        lines += draw(st.lists(st.sampled_from(_FURTHER), max_size=3))
    method = "POST" if is_good else draw(st.sampled_from(_METHODS))
    path = "/hooks/spaces" if is_good else draw(st.sampled_from(_PATHS))
    version = "HTTP/1.1" if is_good else draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]))
    return f"{method} {path} {version}\r\n".encode() + b"\r\n".join(lines) + b"\r\n\r\n" + framed


def _plain(_: st.DrawFn, body: bytes) -> tuple[bytes, list[bytes]]:
    return body, [b"Content-Length: %d" % len(body)]


def _chunked(draw: st.DrawFn, body: bytes) -> tuple[bytes, list[bytes]]:
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=3))})
    extension = draw(st.sampled_from([b"", b"", b";name=value", b';q="\\""']))
    chunks = [b"%x%s\r\n%s\r\n" % (end - begin, extension, body[begin:end]) for begin, end in itertools.pairwise(cuts)]
    trailer = draw(st.sampled_from([b"", b"", b"X-Trailer: x\r\n"]))
    return b"".join(chunks) + b"0\r\n" + trailer + b"\r\n", [b"Transfer-Encoding: chunked"]


def _unframed(_: st.DrawFn, body: bytes) -> tuple[bytes, list[bytes]]:
    """Nobody says how long it is."""
    return b"", []


@st.composite
def conversations(draw: st.DrawFn, most: int = 4) -> list[bytes]:
    """What is sent on one connection: some requests, one behind the other."""
    return [draw(requests(number)) for number in range(draw(st.integers(1, most)))]


@st.composite
def spoilt(draw: st.DrawFn, conversation: list[bytes]) -> bytes:
    """The bytes of a conversation with some lost, doubled, exchanged or put in."""
    data = b"".join(conversation)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        slip = draw(st.sampled_from(_SLIPS))
        lost = draw(st.sampled_from([0, 0, 1, len(slip), 20]))
        data = data[:at] + draw(st.sampled_from([slip, slip, b"", data[at : at + 30] * 2])) + data[at + lost :]
    return data


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The data, cut at some places; a place beyond its end is taken modulo its length."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(places):
        yield data[begin:end]


@dataclass(frozen=True)
class Answered:
    """One answer: its status, its headers with names in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def answers(data: bytes) -> list[Answered]:
    """
    Take apart all that came back on one connection.

    Raises:
        ValueError: It is no sequence of answers.
    """
    found = []
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        if not blank or version not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"this is no answer: {head!r}")
        headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in rest)}
        length = int(headers.get("content-length", "0"))
        if not data or data.startswith(b"HTTP/1."):  # the answer to a HEAD, which has no body
            length = 0
        if len(data) < length:
            raise ValueError(f"the body is cut off: {data!r}")
        body, data = data[:length], data[length:]
        found.append(Answered(int(status), headers, body))
    return found
