"""The public listener, through real sockets: what HTTP clients of every kind of manners are answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
import resource
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from router.intake import Limits
from router.listener import Bounds, Listener
from router.payload import parse_body
from router.signature import sign
from router.streams import PatientStream
from tests.fakes import Clock
from tests.ingress_parts import PAGE, TOKEN, Parts, parts, signed
from tests.waiting import until

BODY_LIMIT = 100_000
SIGNATURE = sign(TOKEN, PAGE)


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class Peer:
    """A client that sends whatever bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, to_head: bool = False) -> Response:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name: value for name, _, value in (item.partition(": ") for item in rest)}
            length = 0 if to_head else int(headers.get("Content-Length", 0))
            return Response(int(line.split()[1]), headers, await self.reader.readexactly(length))

    async def is_closed(self) -> bool:
        """Wait until the other end closes; False where anything else comes first."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def ask(self, data: bytes) -> Response:
        await self.send(data)
        return await self.response()

    def close(self) -> None:
        self.writer.close()


@dataclass
class Site:
    """A listener, what stands behind it, and the peers of the test."""

    listener: Listener
    parts: Parts
    clock: Clock
    tls: ssl.SSLContext | None
    peers: list[Peer]

    async def connect(self) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port, ssl=self.tls)
        self.peers.append(Peer(reader, writer))
        return self.peers[-1]

    async def ask(self, data: bytes) -> Response:
        return await (await self.connect()).ask(data)

    async def settled(self) -> None:
        """Wait until no byte of an unfinished body is held, and no request is open."""
        await until(lambda: self.parts.ingress.intake.held == self.listener.open_requests == 0)


Start = Callable[..., Site]


@pytest.fixture
async def start(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    """Start listeners; in the end they drain, and no log line may hold a traceback."""
    sites: list[Site] = []
    caplog.set_level(logging.INFO)

    def start(
        *,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> Site:
        clock = Clock()
        built = parts(clock=clock, limits=limits or Limits(max_body_bytes=BODY_LIMIT))
        server, client = tls or (None, None)
        listener = Listener(built.ingress, clock, tls=server, bounds=bounds or Bounds())
        listener.listen("127.0.0.1", 0)
        sites.append(Site(listener, built, clock, client, []))
        return sites[-1]

    yield start
    for site in sites:
        site.listener.stop()
        await site.listener.drain(1)
        for peer in site.peers:
            peer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await peer.writer.wait_closed()
        assert site.parts.ingress.intake.held == 0
        assert site.listener.open_connections == site.listener.open_requests == 0
    assert [record for record in caplog.records if record.exc_info or "Uncaught" in record.getMessage()] == []


def request(
    body: bytes = PAGE,
    headers: dict[str, str] | None = None,
    *,
    path: str = "/hooks/spaces",
    method: str = "POST",
    length: str | None = "",
    extra: bytes = b"",
) -> bytes:
    """The bytes of a request; `length` None leaves Content-Length out."""
    lines = {"Host": "router.example"} | (signed(body) if headers is None else headers)
    if length is not None:
        lines["Content-Length"] = length or str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("latin-1")
    return f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + head + extra + b"\r\n" + body


def chunked(*chunks: bytes, headers: dict[str, str] | None = None, end: bytes = b"0\r\n\r\n") -> bytes:
    head = request(b"", signed(b"".join(chunks)) if headers is None else headers, length=None)
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return head.removesuffix(b"\r\n") + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


# Good manners


async def test_a_stored_delivery_is_answered_200_with_few_headers(start: Start) -> None:
    """The answer is small JSON that names the event."""
    site = start()
    response = await site.ask(request())
    assert response.status == 200
    [event] = site.parts.store.events
    assert parse_body(response.body) == {"status": "stored", "event": str(event.id)}
    assert event.body == PAGE
    assert response.headers.keys() == {"Date", "Content-Length", "Content-Type"}
    assert response.headers["Content-Type"] == "application/json"


async def test_an_ordinary_client_is_served(start: Start) -> None:
    """With its own headers, a query, and a kept connection."""
    site = start()
    url = f"http://127.0.0.1:{site.listener.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        first = await client.post("/hooks/spaces?source=x", content=PAGE, headers=signed())
        second = await client.post("/hooks/spaces", content=PAGE, headers=signed())
        health = await client.get("/healthz")
    assert [first.json()["status"], second.json()["status"], health.json()["status"]] == ["stored", "repeat", "ok"]
    assert site.parts.store.events[0].headers["User-Agent"].startswith("python-httpx/")


async def test_a_connection_is_kept(start: Start) -> None:
    """Answers with and without a body of the request leave it in order."""
    peer = await start().connect()
    assert (await peer.ask(request())).status == 200
    assert (await peer.ask(request(b"", method="GET", path="/healthz", length=None))).status == 200
    assert (await peer.ask(request(b"", {}, length="0"))).status == 401
    assert (await peer.ask(request(b"", path="/x", method="GET", length=None))).status == 404
    assert (await peer.ask(chunked(PAGE, headers=signed(delivery="d-2")))).status == 200
    assert (await peer.ask(request(headers=signed(delivery="d-3")))).status == 200


async def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    """Also where a slow commit stands between them."""
    site = start()
    gate = asyncio.get_running_loop().create_future()
    site.parts.store.gates = [gate]
    peer = await site.connect()
    await peer.send(
        request(headers=signed(delivery="d-1"))
        + chunked(PAGE, headers=signed(delivery="d-2"))
        + request(b"", method="GET", path="/healthz", length=None)
        + request(headers=signed(delivery="d-3"))
    )
    await until(lambda: bool(site.parts.store.events))
    gate.set_result(None)
    answers = [parse_body((await peer.response()).body)["status"] for _ in range(4)]
    assert answers == ["stored", "stored", "ok", "stored"]
    assert [event.upstream_id for event in site.parts.store.events] == ["d-1", "d-2", "d-3"]


async def test_a_connection_that_the_peer_wants_closed_is_closed(start: Start) -> None:
    """Connection: close, and HTTP/1.0 unless it asks for more."""
    site = start()
    old = b"HTTP/1.0"
    for data, said in (
        (request(extra=b"Connection: close\r\n"), "close"),
        (request().replace(b"HTTP/1.1", old), None),
        (request(extra=b"Connection: close\r\n").replace(b"HTTP/1.1", old), None),
    ):
        peer = await site.connect()
        response = await peer.ask(data)
        assert (response.status, response.headers.get("Connection")) == (200, said)
        assert await peer.is_closed()
    peer = await site.connect()
    for _ in range(2):
        response = await peer.ask(request(extra=b"Connection: Keep-Alive\r\n").replace(b"HTTP/1.1", old))
        assert (response.status, response.headers["Connection"]) == (200, "Keep-Alive")


async def test_a_body_may_come_in_any_pieces(start: Start) -> None:
    """The bytes that were signed are the bytes that are stored."""
    site = start()
    peer = await site.connect()
    data = request()
    for index in range(len(data)):
        await peer.send(data[index : index + 1])
    assert (await peer.response()).status == 200
    body = b'{"text":"' + b"x" * 90_000 + b'"}'
    assert (await peer.ask(request(body))).status == 200
    assert (await peer.ask(chunked(*(body[at : at + 7] for at in range(0, len(body), 7))))).status == 200
    assert [event.body for event in site.parts.store.events] == [PAGE, body]


async def test_who_asks_first_is_told_to_go_on(start: Start) -> None:
    """Expect: 100-continue gets its interim answer only for a body that is wanted."""
    site = start()
    peer = await site.connect()
    await peer.send(request(b"", signed(), length=str(len(PAGE)), extra=b"Expect: 100-continue\r\n"))
    assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    assert (await peer.ask(PAGE)).status == 200
    other = await site.connect()
    assert (await other.ask(request(b"", {}, length="48", extra=b"Expect: 100-continue\r\n"))).status == 401
    assert await other.is_closed()


async def test_an_absolute_target_has_a_path_too(start: Start) -> None:
    """As proxies write it; what cannot be read is no path of ours."""
    site = start()
    assert (await site.ask(request(path="http://router.example/hooks/spaces"))).status == 200
    assert (await site.ask(request(path="http://[router/hooks/spaces"))).status == 404


# Paths and methods


@pytest.mark.parametrize(
    "path", ["/", "/hooks/", "/hooks/other", "/hooks/spaces/x", "/metrics", "/%2e%2e/healthz", "*"]
)
async def test_unknown_paths_are_404(start: Start, path: str) -> None:
    """Nothing else is on this port."""
    assert (await start().ask(request(path=path))).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE", "BREW"])
async def test_other_methods_are_405(start: Start, method: str) -> None:
    """With Allow, and with or without a body."""
    site = start()
    for data in (request(method=method), request(b"", method=method, length=None)):
        response = await site.ask(data)
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_head_gets_no_body(start: Start) -> None:
    """Health answers it, a source does not; the connection stays in order."""
    peer = await start().connect()
    for path, status in (("/healthz", 200), ("/hooks/spaces", 405), ("/x", 404)):
        await peer.send(request(b"", method="HEAD", path=path, length=None))
        response = await peer.response(to_head=True)
        assert response.status == status
        assert int(response.headers["Content-Length"]) > 0
    await peer.send(request(method="HEAD"))
    assert (await peer.response(to_head=True)).status == 405
    assert await peer.is_closed()


# Signatures


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"Signature:\r\n",
        b"Signature: \xff\xfe\r\n",
        b"Signature: " + b"\xe9" * 64 + b"\r\n",
        f"Signature: {SIGNATURE}\r\nSignature: {SIGNATURE}\r\n".encode(),
        f"Signature: sha256={SIGNATURE}\r\n".encode(),
        f"Signature: {SIGNATURE[:-1]}\r\n".encode(),
        f"Signature: {SIGNATURE}0\r\n".encode(),
        f"X-Signature: {SIGNATURE}\r\n".encode(),
    ],
)
async def test_a_malformed_signature_is_401_without_waiting_for_the_body(start: Start, lines: bytes) -> None:
    """Not one byte of the body is needed for that."""
    site = start()
    peer = await site.connect()
    response = await peer.ask(request(b"", {"Event": "page.created"}, length="48", extra=lines))
    assert (response.status, parse_body(response.body)["error"]) == (401, "invalid_signature")
    assert response.headers["Connection"] == "close"
    await peer.send(PAGE)
    assert await peer.is_closed()
    assert site.parts.store.stored == []


async def test_a_signature_in_upper_case_is_as_good(start: Start) -> None:
    """Header names may be spelled in any case, too."""
    headers = {"EVENT": "page.created", "signature": SIGNATURE.upper()}
    assert (await start().ask(request(headers=headers))).status == 200


async def test_a_wrong_signature_is_401_and_the_connection_stays(start: Start) -> None:
    """The body was read, so nothing is out of order."""
    peer = await start().connect()
    assert (await peer.ask(request(headers=signed(token="another")))).status == 401
    assert (await peer.ask(request())).status == 200


# Bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b'{"a": NaN}', 400),
        (b"[" * 90_000, 400),
        (b'{"a": "\xff"}', 400),
        (b'{"page": {"title": "\\ud800"}}', 200),
        (b'{"page": {"title": "\\u0000"}}', 200),
        (b'{"page": {"id": ' + b"9" * 400 + b"}}", 200),
        (b"[1, 2]", 200),
        (b"null", 200),
        (b"5", 200),
    ],
    ids=range(11),
)
async def test_odd_bodies_are_kept_or_stored(start: Start, body: bytes, status: int) -> None:
    """Nothing that is well signed is lost, and nothing of it is a crash."""
    site = start()
    assert (await site.ask(request(body))).status == status
    assert len(site.parts.store.rejections if status == 400 else site.parts.store.stored) == 1


async def test_a_form_is_not_parsed(start: Start) -> None:
    """Whatever it says it is: a signed body is bytes."""
    body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n"
    for content_type in (b"multipart/form-data; boundary=b", b"application/x-www-form-urlencoded"):
        response = await start().ask(request(body, extra=b"Content-Type: " + content_type + b"\r\n"))
        assert (response.status, parse_body(response.body)["error"]) == (400, "unreadable_body")


async def test_a_compressed_body_is_not_unpacked(start: Start) -> None:
    """No bomb goes off, and the signed bytes stay what they are."""
    site = start()
    assert (await site.ask(request(PAGE, extra=b"Content-Encoding: gzip\r\n"))).status == 200
    assert site.parts.store.events[0].body == PAGE


async def test_a_declared_length_over_the_limit_is_413_at_once(start: Start) -> None:
    """Before the body comes; also where the number is absurd."""
    site = start()
    for length in (str(BODY_LIMIT + 1), "9" * 18, "9" * 30, "9" * 5000):
        peer = await site.connect()
        assert (await peer.ask(request(b"", signed(), length=length))).status == 413
        peer.close()


async def test_a_peer_that_sends_all_of_a_big_body_still_gets_its_413(start: Start) -> None:
    """The answer is not lost in a reset; the body is dropped as it comes."""
    site = start()
    body = b"x" * (BODY_LIMIT * 20)
    for data in (request(body), chunked(body), chunked(*(body[at : at + 1000] for at in range(0, len(body), 1000)))):
        peer = await site.connect()
        response = await peer.ask(data)
        assert (response.status, response.headers["Connection"]) == (413, "close")
        assert await peer.is_closed()
    assert site.parts.ingress.intake.held == 0


async def test_a_chunked_body_without_end_is_cut_off(start: Start) -> None:
    """413 as soon as the limit is passed, and after a while of dropping the connection is closed."""
    site = start(bounds=Bounds(parting_bytes=300_000))
    peer = await site.connect()
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    await peer.send(chunked(headers=signed(), end=b""))
    with contextlib.suppress(ConnectionError):
        for _ in range(1000):
            await peer.send(chunk)
    with contextlib.suppress(ConnectionError):
        assert (await peer.response()).status == 413
    assert await peer.is_closed()


async def test_a_body_of_the_limit_is_taken(start: Start) -> None:
    """Over the limit means over the limit."""
    site = start()
    body = b'"' + b"x" * (BODY_LIMIT - 2) + b'"'
    assert (await site.ask(request(body))).status == 200
    assert (await site.ask(chunked(body))).status == 200


async def test_a_flood_of_tiny_chunks_stalls_nobody(start: Start) -> None:
    """Others are served while it arrives."""
    site = start()
    body = b'"' + b"x" * 50_000 + b'"'
    flood = asyncio.ensure_future(site.ask(chunked(*(body[at : at + 1] for at in range(len(body))))))
    for number in range(5):
        assert (await site.ask(request(headers=signed(delivery=f"d-{number}")))).status == 200
    assert (await flood).status == 200


async def test_unfinished_bodies_have_room_for_so_many_bytes_in_all(start: Start) -> None:
    """Whoever comes too late gets 503; what was there before goes on."""
    site = start(limits=Limits(unfinished_bytes=60_000))
    body = b'"' + b"x" * 49_998 + b'"'
    data = request(body)
    first, second, third = [await site.connect() for _ in range(3)]
    await first.send(data[:-10])
    await until(lambda: site.parts.ingress.intake.held >= 49_000)
    assert (await second.ask(request(body, signed(body, delivery="d-2")))).status == 503
    await third.send(request(b"", signed(delivery="d-3"), length=str(len(PAGE))))
    await first.send(data[-10:])
    assert (await first.response()).status == 200
    assert (await third.ask(PAGE)).status == 200


# Framing


@pytest.mark.parametrize(
    "data",
    [
        request(length="48", extra=b"Content-Length: 47\r\n"),
        request(length="48", extra=b"Transfer-Encoding: chunked\r\n"),
        request(length=None, extra=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        request(length=None, extra=b"Transfer-Encoding: gzip, chunked\r\n"),
        request(length=None, extra=b"Transfer-Encoding: identity\r\n"),
        request(length="-1"),
        request(length="+48"),
        request(length="0x30"),
        request(length="4 8"),
        request(length="48.0"),
        request(length="\xb2"),
        chunked(end=b"x\r\n", headers=signed()),
        chunked(end=b"-1\r\n\r\n", headers=signed()),
        chunked(end=b"5\r\nabcdeXX0\r\n\r\n", headers=signed()),
        chunked(end=b"0\r\nX", headers=signed()),
        b"POST /hooks/spaces HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /hooks/spaces HTTP/1.1\r\n folded: x\r\n\r\n",
        b"POST /hooks/spaces HTTP/1.1\r\nEvent : x\r\n\r\n",
        b"POST /hooks/spaces HTTP/1.1\r\nEvent: a\x00b\r\n\r\n",
        b"POST /hooks/spaces\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"nonsense\r\n\r\n",
        request(length=None, extra=b"Transfer-Encoding: chunked\r\nContent-Length: 48\r\n"),
        request(length="48, 47"),
        request(length=None, extra=b"Content-Length:\r\n"),
        request(length=None, extra=b"Transfer-Encoding: chunked, identity\r\n"),
        request(length=None, extra=b"Transfer-Encoding: \x0bchunked\r\n"),
        request(length=None, extra=b"Transfer-Encoding: xchunked\r\n"),
        chunked(PAGE).replace(b"HTTP/1.1", b"HTTP/1.0"),
        request(extra=b"X: folded\r\n Content-Length: 5\r\n"),
        request(extra=b"X: folded\r\n\tagain\r\n"),
        request(extra=b"X: bare line feed\nContent-Length: 5\r\n"),
        request(extra=b"X: bare carriage return\rContent-Length: 5\r\n"),
        request(extra=b"Content-Length : 5\r\n"),
        request(extra=b"Content-Length\t: 5\r\n"),
        request(extra=b"Content Length: 5\r\n"),
        request(extra=b": no name\r\n"),
        request(extra=b"\xe9: no token\r\n"),
        request(extra=b"X: \x7f\r\n"),
        request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
        request().replace(b" HTTP/1.1", b"  HTTP/1.1"),
        request().replace(b" HTTP/1.1", b" HTTP/2.0"),
        request().replace(b"POST ", b" POST "),
        chunked(end=b"5;name=value\r\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"5;a\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"5 \r\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"0x5\r\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"5\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"5\r\nabcde\n0\r\n\r\n", headers=signed()),
        chunked(end=b"10000000000000005\r\nabcde\r\n0\r\n\r\n", headers=signed()),
        chunked(end=b"0\r\nContent-Length: 5\r\n\r\n", headers=signed()),
        chunked(end=b"0\r\nX: trailer\r\n\r\n", headers=signed()),
        chunked(end=b"0\r\n\n", headers=signed()),
    ],
    ids=range(53),
)
async def test_a_request_that_could_be_read_in_two_ways_is_400_and_the_end(start: Start, data: bytes) -> None:
    """Nothing can be smuggled in behind it: one answer, and the connection is closed."""
    site = start()
    peer = await site.connect()
    await peer.send(data + request(headers=signed(delivery="smuggled")))
    assert (await peer.response()).status == 400
    assert await peer.is_closed()
    assert site.parts.store.stored == []


async def test_a_length_given_twice_alike_is_one_length(start: Start) -> None:
    """Some proxies repeat it."""
    peer = await start().connect()
    assert (await peer.ask(request(length="48", extra=b"Content-Length: 48\r\n"))).status == 200
    assert (await peer.ask(request(length="48, 48", headers=signed(delivery="d-2")))).status == 200


async def test_what_cannot_be_read_is_told_to_the_peer_and_in_the_log(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """So that whoever runs the proxy before us can find out what it does; without repeating what it sent."""
    site = start()
    response = await site.ask(request(extra=b"Api-Key : hunter2hunter2\r\n"))
    assert parse_body(response.body) == {
        "error": "malformed",
        "message": "this is not a request that can be read: header line 6 is malformed",
    }
    [line] = [record for record in caplog.records if record.message == "request.malformed"]
    assert vars(line)["reason"] == "header line 6 is malformed"
    assert site.parts.ingress.counts.answers["", "malformed"] == 1


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (b"Event: page.deleted\r\n", 400),
        (f"Signature: {SIGNATURE}\r\n".encode(), 401),
        (b"Delivery: d-2\r\n", 200),
    ],
)
async def test_a_header_that_comes_twice_counts_with_both_values(start: Start, extra: bytes, status: int) -> None:
    """Neither of them is chosen: two events are none, two signatures are none, and two ids are an odd one."""
    site = start()
    assert (await site.ask(request(extra=extra))).status == status
    assert [event.upstream_id for event in site.parts.store.events] == (["d-1,d-2"] if status == 200 else [])


@pytest.mark.parametrize("body", [request(), chunked(PAGE)], ids=["length", "chunks"])
async def test_a_wish_for_another_protocol_is_passed_over(start: Start, body: bytes) -> None:
    """Clients that would rather speak HTTP/2 say so in their first request; it is answered like any other."""
    site = start()
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    peer = await site.connect()
    assert (await peer.ask(body.replace(b"\r\n", b"\r\n" + wish, 1))).status == 200
    assert (await peer.ask(request(b"", method="CONNECT", path="router.example:443", length=None))).status == 404
    assert (await peer.ask(request(b"", method="GET", path="/healthz", length=None))).status == 200
    assert [event.body for event in site.parts.store.events] == [PAGE]


async def test_mangled_requests_break_nothing(start: Start) -> None:
    """Whatever a request is cut, doubled or twisted into: it is answered or closed, and the next one is served."""
    dice = random.Random(20261123)
    site = start()
    good = [request(), chunked(PAGE), chunked(*(PAGE[at : at + 5] for at in range(0, len(PAGE), 5)))]
    for _ in range(150):
        data = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[at] = dice.randrange(256)
                case 1:
                    del data[at : at + dice.randint(1, 20)]
                case 2:
                    data[at:at] = data[at : at + dice.randint(1, 40)]
                case 3:
                    data[at:at] = dice.choice(
                        [b"\r\n", b"\n", b"\x00", b":", b"0\r\n\r\n", b"\xff", b"Content-Length: 3\r\n"]
                    )
            if not data:
                data = bytearray(b"\n")
        peer = await site.connect()
        with contextlib.suppress(ConnectionError):
            await peer.send(bytes(data))
            peer.writer.write_eof()
            async with asyncio.timeout(5):
                answer = await peer.reader.read()
            assert b" 500 " not in answer
        peer.close()
    assert (await site.ask(request(headers=signed(delivery="after all")))).status == 200
    await site.settled()


async def test_a_peer_that_has_said_all_it_wants_to_say_still_gets_its_answer(start: Start) -> None:
    """It may close its own half of the connection behind the request."""
    site = start()
    gate = asyncio.get_running_loop().create_future()
    site.parts.store.gates = [gate]
    peer = await site.connect()
    await peer.send(request())
    peer.writer.write_eof()
    await until(lambda: bool(site.parts.store.events))
    gate.set_result(None)
    assert (await peer.response()).status == 200


async def test_a_refused_request_with_bad_framing_gets_one_answer(start: Start) -> None:
    """No second answer follows the first."""
    site = start()
    for data in (
        request(headers={}, length="48", extra=b"Transfer-Encoding: chunked\r\n"),
        request(headers={}, length="48", extra=b"Content-Length: 47\r\n"),
    ):
        peer = await site.connect()
        assert (await peer.ask(data)).status == 400
        assert await peer.is_closed()


async def test_a_head_that_is_too_large_is_closed(start: Start) -> None:
    """Whether by one long header or by many."""
    site = start(bounds=Bounds(header_bytes=4096))
    for extra in (b"X: " + b"x" * 5000 + b"\r\n", b"".join(b"X-%d: x\r\n" % number for number in range(1000))):
        peer = await site.connect()
        await peer.send(request(extra=extra))
        assert await peer.is_closed()


# Slow and vanishing peers


async def test_who_sends_many_requests_at_once_leaves_the_others_a_turn(start: Start) -> None:
    """Hundreds in one segment are answered between those of other peers, not before them."""
    site = start()
    greedy, modest = await site.connect(), await site.connect()
    many = 800  # as many as are read at once
    await greedy.send(b"GET / HTTP/1.1\r\n\r\n" * many)
    assert (await modest.ask(b"GET /healthz HTTP/1.1\r\n\r\n")).status == 200
    assert site.parts.ingress.counts.answers["", "not_found"] < many
    for _ in range(many):
        assert (await greedy.response()).status == 404


async def test_a_flood_of_empty_lines_is_passed_over(start: Start) -> None:
    """However many stand before a request, it is answered; a peer that sends nothing else has the time of a head."""
    site = start()
    peer, endless = await site.connect(), await site.connect()
    await peer.send(b"\r\n" * 500_000 + request())
    assert (await peer.response()).status == 200
    await endless.send(b"\r\n" * 1000)
    await until(lambda: site.listener.open_connections == 2)
    site.clock.advance(seconds=10)
    assert await endless.is_closed()


async def test_a_refused_body_leaves_no_word_behind(start: Start) -> None:
    """Where a body finds no room with its last bytes, the connection stays; what comes later is no second answer."""
    site = start(limits=Limits(unfinished_bytes=20))
    peer, body = await site.connect(), b'"' + b"x" * 28 + b'"'
    await peer.send(request(body)[:-15])
    await until(lambda: site.parts.ingress.intake.held == 15)
    assert (await peer.ask(body[-15:])).status == 503
    site.clock.advance(seconds=10)
    assert await peer.is_closed()


async def test_a_slow_head_is_closed(start: Start) -> None:
    """So is a kept connection on which nothing comes."""
    site = start()
    slow, idle, silent = [await site.connect() for _ in range(3)]
    await slow.send(b"POST /hooks/spaces HTTP/1.1\r\nHo")
    assert (await idle.ask(request())).status == 200
    await until(lambda: site.listener.open_connections == 3)
    site.clock.advance(seconds=9.9)
    assert (await site.ask(request(headers=signed(delivery="d-2")))).status == 200
    assert site.listener.open_connections == 4
    site.clock.advance(seconds=0.1)
    for peer in (slow, idle, silent):
        assert await peer.is_closed()
    assert site.listener.open_connections == 1


HEALTH = b"GET /healthz HTTP/1.1\r\n\r\n"


@contextlib.asynccontextmanager
async def peer_that_reads_nothing(site: Site) -> AsyncIterator[tuple[socket.socket, PatientStream]]:
    """A connection with little room on the way: its end there, and ours."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", site.listener.port))
        await until(lambda: site.listener.open_connections == 1)
        [connection] = site.listener._connections
        stream = connection._stream
        assert isinstance(stream, PatientStream)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        yield peer, stream


@contextlib.asynccontextmanager
async def asking_without_reading(site: Site) -> AsyncIterator[socket.socket]:
    """A peer that has asked 500 times, and has more answers coming than there is room for on the way."""
    async with peer_that_reads_nothing(site) as (peer, stream):
        await asyncio.get_running_loop().sock_sendall(peer, HEALTH * 500)
        await until(stream.writing)
        yield peer


async def fill(peer: socket.socket, stream: PatientStream, most: int = 10_000) -> int:
    """Ask, one request after the other, until an answer has to wait for its peer; how often."""
    for count in range(most):
        if stream.writing():
            return count
        answered = partial(_has_answered, stream, stream._asked)
        await asyncio.get_running_loop().sock_sendall(peer, HEALTH)
        await until(answered)
    return most


def _has_answered(stream: PatientStream, asked: asyncio.Future[bytes] | None) -> bool:
    """Somebody has asked anew what comes next, or an answer has to wait."""
    return stream.writing() or stream._asked not in (asked, None)


async def test_a_peer_that_does_not_read_its_answers_is_closed(start: Start) -> None:
    """Nothing more of it is answered meanwhile, and its time is that of a head."""
    site = start()
    async with asking_without_reading(site):
        site.clock.advance(seconds=10)
        await until(lambda: site.listener.open_connections == 0)


async def test_a_peer_that_reads_its_answers_late_is_served_on(start: Start) -> None:
    """All of them arrive, and what it sends from then on is read to its end, however large."""
    site = start()
    loop = asyncio.get_running_loop()
    async with asking_without_reading(site) as late:
        assert await _statuses(late, 500) == [b"200"] * 500
        await loop.sock_sendall(late, request(b'{"page": {"id": 5, "content": "%s"}}' % (b"x" * 90_000)))
        await loop.sock_sendall(late, request(headers=signed(delivery="d-2")))
        assert await _statuses(late, 2) == [b"200"] * 2
    assert [len(event.body) > 90_000 for event in site.parts.store.events] == [True, False]


async def test_a_peer_that_reads_its_last_answer_late_gets_all_of_it(start: Start) -> None:
    """The connection is closed behind it, not before."""
    site = start()
    async with peer_that_reads_nothing(site) as (peer, stream):
        most = await fill(peer, stream) - 1
    await until(lambda: site.listener.open_connections == 0)
    async with peer_that_reads_nothing(site) as (peer, stream):
        assert await fill(peer, stream, most) == most
        await asyncio.get_running_loop().sock_sendall(
            peer, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        await until(lambda: stream.writing() or stream.closed())
        assert await _statuses(peer, most + 1) == [b"200"] * (most + 1)


async def _statuses(peer: socket.socket, count: int) -> list[bytes]:
    """Read until so many answers have come; their statuses."""
    data, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while len(found := re.findall(rb"HTTP/1.1 (\d+) .*?\r\n\r\n[^\n]+\n", data, re.DOTALL)) < count:
            data += await loop.sock_recv(peer, 65_536)
    return found


async def test_many_requests_at_once_leave_the_others_a_turn(start: Start) -> None:
    """Also where none of them has to wait for the disk."""
    site = start()
    greedy, other = await site.connect(), await site.connect()
    await greedy.send(request(b"", method="GET", path="/healthz", length=None) * 2000)
    assert (await other.ask(request())).status == 200
    for _ in range(2000):
        assert (await greedy.response()).status == 200


async def test_a_slow_body_is_408(start: Start) -> None:
    """Fixed or chunked, its time ends, and its bytes are let go."""
    site = start()
    for data in (request()[:-5], chunked(PAGE, end=b"")):
        peer = await site.connect()
        await peer.send(data)
        await until(lambda: site.parts.ingress.intake.held > 0)
        site.clock.advance(seconds=20)
        response = await peer.response()
        assert (response.status, parse_body(response.body)["error"]) == (408, "too_slow")
        assert await peer.is_closed()
    await site.settled()
    assert site.parts.store.stored == []


async def test_a_slow_commit_is_not_a_slow_body(start: Start) -> None:
    """Once the body is here, the peer's time does not run."""
    site = start()
    gates = [asyncio.get_running_loop().create_future() for _ in range(2)]
    site.parts.store.gates = list(gates)
    peers = [await site.connect() for _ in range(2)]
    await peers[0].send(request(headers=signed(delivery="d-1")))
    await peers[1].send(chunked(PAGE, headers=signed(delivery="d-2")))
    await until(lambda: len(site.parts.store.events) == 2)
    site.clock.advance(minutes=5)
    for gate in gates:
        gate.set_result(None)
    for peer in peers:
        assert (await peer.response()).status == 200


async def test_a_refused_peer_that_goes_on_sending_is_left_after_a_while(start: Start) -> None:
    """The courtesy of reading on has an end, and is shown to so many at a time."""
    site = start(bounds=Bounds(partings=1))
    patient, hasty = await site.connect(), await site.connect()
    for peer in (patient, hasty):
        assert (await peer.ask(request(b"", {}, length="48"))).status == 401
    assert await hasty.is_closed()
    with contextlib.suppress(ConnectionError):
        for _ in range(20):
            await patient.send(b"x")
            site.clock.advance(seconds=0.2)
            await asyncio.sleep(0)
    assert await patient.is_closed()
    await until(lambda: not site.listener.open_partings)


async def test_a_peer_that_drips_on_after_its_413_is_closed(start: Start) -> None:
    """The body's time runs on while it is dropped."""
    site = start()
    peer = await site.connect()
    await peer.send(chunked(b"x" * (BODY_LIMIT + 1), end=b""))
    assert (await peer.response()).status == 413
    await peer.send(b"1\r\nx\r\n")
    site.clock.advance(seconds=20)
    assert await peer.is_closed()
    await site.settled()


async def test_a_peer_that_vanishes_in_its_body_leaves_nothing_behind(start: Start) -> None:
    """Neither bytes nor an open request."""
    site = start()
    for data in (request()[:-5], chunked(PAGE, end=b""), chunked(PAGE, end=b"5\r\nab"), request()[:30]):
        peer = await site.connect()
        await peer.send(data)
        if len(data) > 50:
            await until(lambda: site.parts.ingress.intake.held > 0)
        peer.close()
        await site.settled()
    assert site.parts.store.stored == []


async def test_a_peer_that_vanishes_before_its_answer_has_been_heard(start: Start) -> None:
    """Its event is stored, and its next try is a repeat."""
    site = start()
    done: list[bytes] = []
    for data in (request(), chunked(PAGE, headers=signed(delivery="d-2"))):
        gate = asyncio.get_running_loop().create_future()
        site.parts.store.gates = [gate]
        peer = await site.connect()
        await peer.send(data)
        await until(lambda: len(site.parts.store.events) == 1 + len(done))
        peer.writer.transport.abort()
        gate.set_result(None)
        await site.settled()
        assert parse_body((await site.ask(data)).body)["status"] == "repeat"
        done.append(data)


async def test_one_connection_too_many_is_503(start: Start) -> None:
    """At once, and there is room again as soon as one leaves."""
    site = start(bounds=Bounds(connections=2))
    first, second = await site.connect(), await site.connect()
    assert (await first.ask(request())).status == 200
    assert (await second.ask(request())).status == 200
    third = await site.connect()
    response = await third.response()
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert await third.is_closed()
    first.close()
    await until(lambda: site.listener.open_connections == 1)
    assert (await site.ask(request())).status == 200


# Failures of ours, and the end


async def test_without_descriptors_callers_are_sent_away_and_the_loop_rests(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Out of open files: who calls is closed, one line says why, open connections work on, and later ones too."""
    site = start()
    before = await site.connect()
    assert (await before.ask(request())).status == 200
    callers = [socket.socket() for _ in range(20)]
    with no_descriptors_left():
        for caller in callers:
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(("127.0.0.1", site.listener.port))
        assert (await before.ask(request(headers=signed(delivery="2")))).status == 200
        for caller in callers:
            async with asyncio.timeout(5):
                assert await asyncio.get_running_loop().sock_recv(caller, 1) == b""
            caller.close()
    assert [record.message for record in caplog.records].count("connections.no_descriptors") == 1
    assert (await site.ask(request(headers=signed(delivery="3")))).status == 200


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Lower the limit of this process to what is open, but for the gaps below, which are filled."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(descriptor.name) for descriptor in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    fillers: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                fillers.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_bug_is_503_and_the_next_request_is_served(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Never 500, and never a word of the traceback."""
    site = start()
    site.parts.store.trouble = ZeroDivisionError("a bug")
    peer = await site.connect()
    response = await peer.ask(request())
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert b"bug" not in response.body
    assert [record.message for record in caplog.records if record.exc_info] == ["event.failed"]
    caplog.clear()
    site.parts.store.trouble = None
    assert (await peer.ask(request())).status == 200


async def test_an_orderly_end(start: Start) -> None:
    """No new connection, 503 for what is new on an old one; what was begun is finished, and idle peers are let go."""
    site = start()
    gate = asyncio.get_running_loop().create_future()
    site.parts.store.gates = [gate]
    idle, late, begun, waiting = [await site.connect() for _ in range(4)]
    for peer in (idle, late):
        assert (await peer.ask(request(b"", method="GET", path="/healthz", length=None))).status == 200
    await waiting.send(request(headers=signed(delivery="d-1")))
    await begun.send(request(headers=signed(delivery="d-2"))[:-5])
    await until(lambda: bool(site.parts.store.events and site.parts.ingress.intake.held > len(PAGE)))

    site.listener.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", site.listener.port)
    response = await late.ask(request(headers=signed(delivery="d-3")))
    assert (response.status, response.headers["Connection"]) == (503, "close")
    drained = asyncio.ensure_future(site.listener.drain(5))
    assert await idle.is_closed()
    assert not drained.done()
    await begun.send(PAGE[-5:])
    assert (await begun.response()).status == 200
    gate.set_result(None)
    assert (await waiting.response()).status == 200
    await drained
    assert await waiting.is_closed()
    assert [event.upstream_id for event in site.parts.store.events] == ["d-1", "d-2"]


async def test_an_answer_that_waits_for_its_peer_goes_out_before_the_end(start: Start) -> None:
    """What was promised should be known; who does not read at all is left after the grace."""
    site = start()
    async with peer_that_reads_nothing(site) as (late, stream):
        count = await fill(late, stream)
        site.listener.stop()
        drained = asyncio.ensure_future(site.listener.drain(5))
        assert await _statuses(late, count) == [b"200"] * count
        await drained
        assert await asyncio.get_running_loop().sock_recv(late, 100) == b""
    async with peer_that_reads_nothing(other := start()) as (silent, stream):
        await fill(silent, stream)
        await other.listener.drain(0.05)
        assert stream.closed()


async def test_a_body_that_never_ends_does_not_hold_up_the_end(start: Start) -> None:
    """After the grace it is cut off; nothing was promised."""
    site = start()
    peer = await site.connect()
    await peer.send(request()[:-5])
    await until(lambda: site.parts.ingress.intake.held > 0)
    site.listener.stop()
    await site.listener.drain(0.05)
    assert await peer.is_closed()
    await site.settled()


async def test_a_port_that_is_taken_is_an_error_of_the_system(start: Start) -> None:
    """The caller says so to a person."""
    site = start()
    second = Listener(site.parts.ingress, Clock())
    with pytest.raises(OSError, match="in use"):
        second.listen("127.0.0.1", site.listener.port)


@pytest.mark.parametrize("host", ["", "localhost"])
async def test_all_addresses_of_a_host_share_one_port(start: Start, host: str) -> None:
    """Also where the port is any free one."""
    site = start()
    second = Listener(site.parts.ingress, Clock())
    second.listen(host, 0)
    _, writer = await asyncio.open_connection("127.0.0.1", second.port)
    writer.close()
    await writer.wait_closed()
    second.stop()
    await second.drain(1)


# TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server and of a client that trusts it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [openssl, "req", *kind, *subject, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=certificate)


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def test_tls_serves_the_same(start: Start, tls: Contexts) -> None:
    """Stored, refused early, refused late: the answers arrive over TLS, too."""
    site = start(tls=tls)
    peer = await site.connect()
    assert (await peer.ask(request())).status == 200
    assert (await peer.ask(request())).status == 200
    assert (await peer.ask(request(b"x" * (BODY_LIMIT * 2)))).status == 413
    assert await peer.is_closed()
    assert (await site.ask(request(b"", {}, length="48"))).status == 401


async def test_who_does_not_speak_tls_is_closed(start: Start, tls: Contexts) -> None:
    """Without a traceback; and a handshake has as long as a head."""
    site = start(tls=tls)
    for data in (request(), b"", b"\x16\x03\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.listener.port)
        plain = Peer(reader, writer)
        site.peers.append(plain)
        await plain.send(data)
        await until(lambda: site.listener.open_connections == 1)
        site.clock.advance(seconds=10)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            async with asyncio.timeout(5):
                await plain.reader.read()
    await until(lambda: site.listener.open_connections == 0)


async def test_one_tls_connection_too_many_is_closed(start: Start, tls: Contexts) -> None:
    """Its handshake keeps nobody waiting."""
    site = start(tls=tls, bounds=Bounds(connections=1))
    first = await site.connect()
    assert (await first.ask(request())).status == 200
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        second = await site.connect()
        assert (await second.response()).status == 503
    assert (await first.ask(request(headers=signed(delivery="d-2")))).status == 200
