"""One connection, fed with whatever a server may say, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.outbound.connection import MAX_ANSWER_BYTES, MOST_INTERIM_ANSWERS, Answer, Connection

REQUEST = b"POST / HTTP/1.1\r\nHost: sink\r\nContent-Length: 0\r\n\r\n"


class Counted(Connection):
    """Counts the heads that are parsed."""

    heads = 0

    def on_headers_complete(self) -> None:
        self.heads += 1
        super().on_headers_complete()


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[Counted, asyncio.Task[Answer]]]:
    """A connection with a request under way; what its server says is handed to it by the test."""
    ours, theirs = socket.socketpair()
    with theirs:
        _, connection = await asyncio.get_running_loop().create_connection(lambda: Counted("sink:80"), sock=ours)
        exchange = asyncio.get_running_loop().create_task(connection.exchange(REQUEST, b""))
        await asyncio.sleep(0)
        yield connection, exchange
        connection.abort()
        await asyncio.wait([exchange])
        await asyncio.sleep(0)


async def test_interim_answers_in_one_piece_are_not_all_parsed() -> None:
    """However many interim answers one read brings, only a few are looked at before the connection is closed."""
    async with asked() as (connection, exchange):
        connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000)
        with pytest.raises(httpx.RemoteProtocolError, match="more than 16 interim answers"):
            await exchange
        assert connection.heads == MOST_INTERIM_ANSWERS + 1


async def test_answers_that_nobody_asked_for_are_not_parsed() -> None:
    """What a server sends after its answer fills no memory, and the next request gets a connection of its own."""
    async with asked() as (connection, exchange):
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 100_000)
        assert (await exchange).status == 200
        assert connection.heads == 1
        assert not connection.is_kept


@dataclass(frozen=True)
class Said:
    """An answer, and how a server writes it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    frame: str
    interim: int

    def spelled(self) -> bytes:
        said = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] * self.interim
        said.append(b"HTTP/1.1 %d Fine\r\n" % self.status)
        said += [b"%b: %b\r\n" % pair for pair in self.headers]
        if self.frame == "length":
            said.append(b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body)
        elif self.frame == "chunks":
            pieces = [self.body[start : start + 70] for start in range(0, len(self.body), 70)]
            said.append(b"Transfer-Encoding: chunked\r\n\r\n")
            said += [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
            said.append(b"0\r\nX-Trailer: 1\r\n\r\n")
        else:
            said.append(b"\r\n" + self.body)
        return b"".join(said)


NAMES = st.sampled_from([b"Server", b"X-Request-Id", b"retry-after", b"Content-Type"])
VALUES = st.binary(max_size=20).map(lambda raw: bytes(33 + byte % 94 for byte in raw))
SAID = st.builds(
    Said,
    st.integers(200, 599).filter(lambda status: status not in {204, 304}),  # these have no body
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.binary(max_size=200) | st.integers(0, 2 * MAX_ANSWER_BYTES).map(bytes),
    st.sampled_from(["length", "chunks", "end"]),
    st.integers(0, 3),
)
CUTS = st.lists(st.integers(0, 400), max_size=8)


async def hear(said: bytes, cuts: list[int]) -> Answer | httpx.TransportError:
    """Let a connection hear something in pieces, and then the end."""
    async with asked() as (connection, exchange):
        start = 0
        for end in [*sorted(cuts), len(said)]:
            if start < end and not exchange.done():
                connection.data_received(said[start:end])
                await asyncio.sleep(0)
                start = end
        if not exchange.done():
            connection.eof_received()
            connection.abort()
        async with asyncio.timeout(5):
            try:
                return await exchange
            except httpx.TransportError as error:
                return error


@settings(max_examples=150, deadline=None)
@given(SAID, CUTS)
def test_every_way_to_send_an_answer_is_understood(said: Said, cuts: list[int]) -> None:
    """Length, chunks or the end of the connection, in whatever pieces: what was said arrives, within its bound."""
    answer = asyncio.run(hear(said.spelled(), cuts))
    assert isinstance(answer, Answer), answer
    assert (answer.status, answer.reason, answer.body) == (said.status, b"Fine", said.body[:MAX_ANSWER_BYTES])
    assert answer.headers[: len(said.headers)] == said.headers


@settings(max_examples=300, deadline=None)
@given(SAID, st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=4)), max_size=5), CUTS)
def test_nothing_that_a_server_says_is_too_much(said: Said, faults: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Bytes that are wrong anywhere end in an answer or a sentence; nobody waits for ever, and nothing else breaks."""
    spelled = bytearray(said.spelled())
    for place, wrong in faults:
        spelled[place : place + len(wrong)] = wrong
    heard = asyncio.run(hear(bytes(spelled), cuts))
    assert isinstance(heard, Answer) or str(heard).startswith("sink:80 "), heard
