"""Reading requests out of bytes, and writing answers: what is a request, where it ends, and what is none."""

from __future__ import annotations

import contextlib

import pytest
from httptools import HttpParserError, HttpRequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.wire import NO_LIMIT, BadRequest, Head, Headers, HeadTooLarge, RequestReader, answer_bytes

MOST_HEAD_BYTES = 4096

LINE = b"POST /hooks/spaces HTTP/1.1\r\n"


def read(data: bytes, *, pieces: int = 0) -> tuple[Head, bytes, bytes]:
    """Read one request, fed in pieces of so many bytes or at once: its head, its body, and the bytes behind it."""
    reader = RequestReader(MOST_HEAD_BYTES)
    step = pieces or len(data)
    head, body, at = None, b"", 0
    while head is None or not reader.ended:
        assert at < len(data), "the request has no end"
        reader.feed(data[at : at + step])
        at += step
        if head is None:
            head = reader.head()
        if head is not None:
            body += reader.body()
    return head, body, reader.rest + data[at:]


# Heads


def test_the_parts_of_a_head() -> None:
    """Names are found in any case, values without the space around them."""
    head, body, rest = read(LINE + b"Event: page.created\r\nX:\t a b \t\r\nEmpty:\r\nContent-Length: 2\r\n\r\n{}GET")
    assert (head.method, head.path, head.minor, head.length) == ("POST", "/hooks/spaces", 1, 2)
    assert (head.headers["EVENT"], head.headers.get("x"), head.headers.get("empty")) == ("page.created", "a b", "")
    assert (head.headers.get("other"), head.headers.get("other", "none")) == (None, "none")
    assert sorted(head.headers) == ["content-length", "empty", "event", "x"]
    assert (body, rest) == (b"{}", b"GET")


def test_a_name_that_comes_twice_has_both_values() -> None:
    """None of them is hidden from whoever checks it."""
    head, _, _ = read(LINE + b"Signature: a\r\nsignature: b\r\n\r\n")
    assert head.headers["Signature"] == "a,b"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/hooks/spaces?x=/y", "/hooks/spaces"),
        (b"http://router.example/hooks/spaces?x", "/hooks/spaces"),
        (b"http://router.example", ""),
        (b"http://[router/hooks/spaces", "http://[router/hooks/spaces"),
        (b"//hooks/spaces", "//hooks/spaces"),
        (b"router.example:443", "443"),
        (b"*", "*"),
        (b"/%2e%2e/healthz", "/%2e%2e/healthz"),
        (b"/caf\xc3\xa9", "/caf\u00c3\u00a9"),
    ],
)
def test_the_path_of_a_target(target: bytes, path: str) -> None:
    """Nothing in it is decoded or put straight."""
    assert read(b"GET " + target + b" HTTP/1.1\r\n\r\n")[0].path == path


@pytest.mark.parametrize("method", ["GET", "BREW", "M-SEARCH", "CONNECT", "PRI", "post", "!"])
def test_any_word_is_a_method(method: str) -> None:
    """Whether it is the right one is not a matter of how requests are written."""
    assert read(method.encode() + b" / HTTP/1.1\r\n\r\n")[0].method == method


def test_empty_lines_before_a_request_are_passed_over() -> None:
    """Some clients send one behind a body."""
    assert read(b"\r\n\r\n\r\n" + LINE + b"\r\n")[0].path == "/hooks/spaces"


def test_a_head_may_have_so_many_bytes() -> None:
    """Whether all of it has come or not."""
    field = b"X: " + b"x" * (MOST_HEAD_BYTES - len(LINE) - 3)
    assert len(read(LINE + field + b"\r\n\r\n")[0].headers["x"]) > 4000
    for data in (LINE + field + b"y\r\n\r\n", LINE + field + b"y", b"x" * (MOST_HEAD_BYTES + 1)):
        reader = RequestReader(MOST_HEAD_BYTES)
        reader.feed(data)
        with pytest.raises(HeadTooLarge):
            reader.head()


MALFORMED_LINES = [
    b"POST / HTTP/2.0\r\n",
    b"POST / HTTP/0.9\r\n",
    b"POST / HTTP/1.10\r\n",
    b"POST / http/1.1\r\n",
    b"POST /\r\n",
    b"POST  / HTTP/1.1\r\n",
    b"POST /  HTTP/1.1\r\n",
    b"POST / HTTP/1.1 \r\n",
    b" POST / HTTP/1.1\r\n",
    b"POST\t/ HTTP/1.1\r\n",
    b"POST / x HTTP/1.1\r\n",
    b"POST /\x00 HTTP/1.1\r\n",
    b"POST /\x7f HTTP/1.1\r\n",
    b"P(ST / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\n",
    b"\nPOST / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00\r\n",
    b"\r",
]


@pytest.mark.parametrize("line", MALFORMED_LINES)
def test_a_malformed_request_line(line: bytes) -> None:
    """Only the one form of it is taken."""
    with pytest.raises(BadRequest, match="request line"):
        read(line + b"X: y\r\n\r\n" + LINE + b"\r\n")


MALFORMED_FIELDS = [
    b"no colon",
    b": no name",
    b"Event : space before the colon",
    b"Event\t: tab before the colon",
    b" Event: space before the name",
    b"E vent: space in the name",
    b"Ev\xe9nt: no token",
    b"Event(: no token",
    b"Event: folded\r\n over two lines",
    b"Event: folded\r\n\tover two lines",
    b"Event: bare\nline feed",
    b"Event: bare\rcarriage return",
    b"Event: bare line feed\nContent-Length: 5",
    b"Event: two\r\r\nX: y",
    b"Event: \x00",
    b"Event: \x01",
    b"Event: \x0b",
    b"Event: \x7f",
]


@pytest.mark.parametrize("field", MALFORMED_FIELDS)
def test_a_malformed_header_line(field: bytes) -> None:
    """The number of the line helps to find it; what stands in it is not repeated."""
    with pytest.raises(BadRequest, match=r"header line [23] is malformed"):
        read(LINE + b"X: y\r\n" + field + b"\r\n\r\n" + LINE + b"\r\n")


# Where a request ends


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("0", 0),
        ("007", 7),
        ("7, 7", 7),
        ("7,7 ,\t7", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, NO_LIMIT),
        ("9" * 4000, NO_LIMIT),
    ],
)
def test_a_declared_length(value: str, length: int) -> None:
    """Said twice alike it is one length; a number beyond all reason is only known to be large."""
    reader = RequestReader(2 * MOST_HEAD_BYTES)
    reader.feed(LINE + f"Content-Length: {value}\r\n\r\n".encode())
    head = reader.head()
    assert head is not None
    assert (head.length, reader.awaited, reader.ended) == (length, length, length == 0)


@pytest.mark.parametrize(
    "value", ["", "-1", "+7", "0x7", "7 7", "7.0", "7,8", "7,", ",7", "7, 7, 8", "\xb2", "seven", "7;"]
)
def test_a_malformed_length(value: str) -> None:
    """Nothing is guessed, and of two that differ none is believed."""
    for fields in (f"Content-Length: {value}\r\n", f"Content-Length: 7\r\nContent-Length: {value}\r\n"):
        with pytest.raises(BadRequest, match="Content-Length"):
            read(LINE + fields.encode("latin-1") + b"\r\n0123456")


@pytest.mark.parametrize(
    "coding", ["identity", "gzip", "gzip, chunked", "chunked, chunked", "xchunked", "chunked,", ""]
)
def test_another_transfer_coding(coding: str) -> None:
    """Chunked, and nothing around it."""
    with pytest.raises(BadRequest, match="transfer coding"):
        read(LINE + f"Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n".encode())


def test_chunks_are_for_http_1_1_and_never_beside_a_length() -> None:
    """Somebody before us may believe the other one."""
    chunks = b"Transfer-Encoding: chunked\r\n"
    with pytest.raises(BadRequest, match=r"HTTP/1\.1"):
        read(LINE.replace(b"1.1", b"1.0") + chunks + b"\r\n0\r\n\r\n")
    for fields in (chunks + b"Content-Length: 5\r\n", b"Content-Length: 5\r\n" + chunks):
        with pytest.raises(BadRequest, match="both"):
            read(LINE + fields + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"1\r\na\r\n2\r\n\r\n\r\n0\r\n\r\n", b"a\r\n"),
        (b"A\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
        (b"000000000000000a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 7])
def test_chunks(chunks: bytes, body: bytes, pieces: int) -> None:
    """In whatever pieces they come: the body is what they hold, and the next request begins behind them."""
    data = LINE + b"transfer-encoding: Chunked\r\n\r\n" + chunks
    head, found, rest = read(data + LINE, pieces=pieces)
    assert head.length is None
    assert (found, rest) == (body, LINE)


@pytest.mark.parametrize(
    "chunks",
    [
        b"3;name=value\r\nabc\r\n0\r\n\r\n",
        b"3;\r\nabc\r\n0\r\n\r\n",
        b"3;a\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\rabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"g\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n0\r\n\r\n",
        b"00000000000000003\r\nabc\r\n0\r\n\r\n",
        b"10000000000000003\r\nabc\r\n0\r\n\r\n",
        b"0\r\nTrailer: x\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\n\r\n",
        b"0\r\n\n",
        b"0\r\nX",
    ],
)
@pytest.mark.parametrize("pieces", [0, 1])
def test_malformed_chunks(chunks: bytes, pieces: int) -> None:
    """Extensions and trailers are refused as well: nobody who sends webhooks has any, and proxies disagree on them."""
    with pytest.raises(BadRequest):
        read(LINE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + LINE + b"\r\n", pieces=pieces)


def test_a_chunk_that_is_larger_than_anything_is_only_awaited() -> None:
    """What comes of it is counted by whoever takes it."""
    reader = RequestReader(MOST_HEAD_BYTES)
    reader.feed(LINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nabc")
    assert reader.head() is not None
    assert (reader.body(), reader.ended, reader.awaited) == (b"abc", False, None)


def test_what_is_still_to_come_of_a_declared_body() -> None:
    """It is known before and while the body is read."""
    reader = RequestReader(MOST_HEAD_BYTES)
    reader.feed(LINE + b"Content-Length: 10\r\n\r\n012")
    assert reader.head() is not None
    assert reader.awaited == 7
    assert reader.body() == b"012"
    assert reader.awaited == 7
    reader.feed(b"3456789GET")
    assert reader.awaited == 0
    assert (reader.body(), reader.ended) == (b"3456789", True)


# The wishes of the peer


@pytest.mark.parametrize(
    ("minor", "fields", "keeps"),
    [
        (1, "", True),
        (1, "Connection: keep-alive\r\n", True),
        (1, "Connection: close\r\n", False),
        (1, "Connection: Upgrade, CLOSE\r\n", False),
        (1, "Connection: x\r\nConnection: close\r\n", False),
        (1, "Connection: closed\r\n", True),
        (0, "Content-Length: 0\r\n", False),
        (0, "Content-Length: 0\r\nConnection: keep-alive\r\n", True),
        (0, "Content-Length: 0\r\nConnection: Keep-Alive, close\r\n", False),
        (0, "Connection: keep-alive\r\n", False),
    ],
)
def test_who_wants_to_keep_the_connection(minor: int, fields: str, keeps: bool) -> None:
    """HTTP/1.1 does unless it says so, HTTP/1.0 only if it says so, and where a request is known to end."""
    head, _, _ = read(f"POST / HTTP/1.{minor}\r\n{fields}\r\n".encode())
    assert head.keeps_connection is keeps


def test_who_waits_for_a_word_before_the_body() -> None:
    """HTTP/1.0 knows no such thing."""
    for line, value, expected in (
        (LINE, "100-continue", True),
        (LINE, "100-Continue", True),
        (LINE, "200-ok", False),
        (LINE.replace(b"1.1", b"1.0"), "100-continue", False),
    ):
        head, _, _ = read(line + f"Expect: {value}\r\n\r\n".encode())
        assert head.expects_continue is expected


# Answers


def test_an_answer_on_the_wire() -> None:
    """The body ends where it says; an answer to HEAD leaves it out."""
    written = answer_bytes(405, b"{}\n", {"Allow": "POST"}, date="now", connection="close", is_head=False)
    head = (
        b"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\nContent-Length: 3\r\nDate: now\r\n"
        b"Allow: POST\r\nConnection: close\r\n\r\n"
    )
    assert written == head + b"{}\n"
    assert answer_bytes(405, b"{}\n", {"Allow": "POST"}, date="now", connection="close", is_head=True) == head


# Compared with llhttp, the parser of Node.js


class Seen:
    """What llhttp makes of bytes: the requests it reads to their end."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, dict[str, str], bytes]] = []

    def on_message_begin(self) -> None:
        self._target, self._body = b"", b""
        self._fields: dict[str, str] = {}

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode().lower(), value.decode("latin-1").strip(" \t")
        self._fields[key] = f"{self._fields[key]},{text}" if key in self._fields else text

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.requests.append((self._target, self._fields, self._body))


def seen_by_llhttp(data: bytes) -> Seen:
    """What it reads until it comes upon something that it refuses."""
    seen = Seen()
    with contextlib.suppress(HttpParserError):
        HttpRequestParser(seen).feed_data(data)
    return seen


_FIELDS = st.sampled_from(
    [b"Event: page.created", b"X!#$%&'*+-.^_`|~:a", b"A:\t \xe9 ", b"Empty:", b"a: 5, 5", b"Host: 5"]
)
_CONTENT = st.sampled_from([b"", b"a", b"hello", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n"])
_SLIPS = st.sampled_from(
    [
        *(b"\n", b"\r", b"\r\n", b"\r\n ", b" ", b"\t", b":", b";", b",", b"\x00", b"\x7f", b"\xff"),
        *(b"0", b"5", b"a", b"+", b"-", b"0x", b";a=b", b"0\r\n\r\n", b"chunked, ", b"HTTP/1.0"),
        *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    ]
)


@st.composite
def almost_requests(draw: st.DrawFn) -> bytes:
    """A well-formed request, into which a slip or two may have been made."""
    lines = draw(st.lists(_FIELDS, max_size=3))
    content = draw(st.lists(_CONTENT, max_size=3))
    body = b"".join(content)
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    if framing == "none":
        body = b""
    elif framing == "length":
        lines.insert(draw(st.integers(0, len(lines))), b"content-length: %d" % len(body))
    else:
        lines.insert(draw(st.integers(0, len(lines))), b"Transfer-Encoding: Chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in content if piece) + b"0\r\n\r\n"
    line = draw(st.sampled_from([b"POST /hooks/spaces HTTP/1.1", b"GET /a?b=c HTTP/1.1", b"POST / HTTP/1.0"]))
    data = b"\r\n".join([line, *lines, b"", body])
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        # Most slips that matter are made where something ends.
        ends = [place + side for place, byte in enumerate(data) if byte in b"\r\n: " for side in (0, 1)]
        at, taken = draw(st.sampled_from(ends)), draw(st.sampled_from([0, 0, 1, 2]))
        data = data[:at] + draw(st.one_of(st.just(b""), _SLIPS)) + data[at + taken :]
    return data


NEXT = b"GET /next HTTP/1.1\r\n\r\n"


@given(almost_requests())
@settings(max_examples=1000, deadline=None)
@example(LINE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
@example(LINE + b"Content-Length: 5\r\n\r\nhello")
def test_what_is_taken_is_read_by_llhttp_in_the_same_way(data: bytes) -> None:
    """The same fields, the same body, and the next request begins at the same byte: nothing is smuggled past."""
    try:
        head, body, rest = read(data + NEXT)
    except (BadRequest, HeadTooLarge, AssertionError):
        return  # refused, or still waiting for more
    if "," in head.headers.get("content-length", ""):
        return  # the same length twice: llhttp refuses it
    # It knows fewer methods, targets and versions than we do; none of them says where a request ends.
    _, _, below = data.lstrip(b"\r\n").partition(b"\r\n")
    first, *further = seen_by_llhttp(b"POST / HTTP/1.%d\r\n" % bool(head.minor) + below + NEXT).requests
    assert first[1:] == (dict(head.headers), body)
    if head.keeps_connection:
        assert further == seen_by_llhttp(rest).requests


@given(almost_requests(), st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_it_does_not_matter_in_which_pieces_a_request_comes(data: bytes, pieces: int) -> None:
    """What is taken whole is taken in pieces, and what is refused is refused."""
    assert _outcome(data, pieces) == _outcome(data, 0)


def _outcome(data: bytes, pieces: int) -> object:
    try:
        head, body, rest = read(data + NEXT, pieces=pieces)
    except (BadRequest, HeadTooLarge) as error:
        return type(error)
    except AssertionError:
        return "unfinished"
    return head.method, head.path, dict(head.headers), body, rest


def test_headers_are_a_mapping() -> None:
    """With the names in lower case."""
    headers = Headers({"event": "page.created"})
    assert (len(headers), list(headers), "EVENT" in headers, headers.get("Event")) == (
        1,
        ["event"],
        True,
        "page.created",
    )
    with pytest.raises(KeyError):
        headers["Delivery"]
