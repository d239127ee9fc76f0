"""What is said to a peer goes out behind the turn of the loop in which it was said: all of it, once, in its order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest
from tornado.iostream import StreamClosedError

from router.streams import Outbox, PatientStream

MUCH = b"x" * 5_000_000
"""More than a socket takes at once."""


@dataclass
class Pair:
    """A stream, and the socket of its peer, which does not block."""

    stream: PatientStream
    peer: socket.socket

    def arrived(self) -> bytes:
        """What lies there to be read."""
        try:
            return self.peer.recv(65_536)
        except BlockingIOError:
            return b""

    async def all_of(self, size: int) -> bytes:
        """Read so many bytes."""
        data = bytearray()
        async with asyncio.timeout(20):
            while len(data) < size:
                data += await asyncio.get_running_loop().sock_recv(self.peer, 1_000_000)
        return bytes(data)


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
async def pair(outbox: Outbox) -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = PatientStream(outbox, ours)
    yield Pair(stream, theirs)
    stream.close()
    theirs.close()


async def test_what_is_said_in_one_turn_goes_out_behind_it(pair: Pair) -> None:
    """In its order, and without anybody waiting for it."""
    assert pair.stream.send(b"first ") is None
    assert pair.stream.send(b"second") is None
    assert pair.arrived() == b""
    await asyncio.sleep(0)
    assert pair.arrived() == b"first second"
    assert pair.stream.send(b"third") is None
    await asyncio.sleep(0)
    assert pair.arrived() == b"third"


async def test_who_is_closed_has_been_told_what_was_said(pair: Pair) -> None:
    """At the end of the program, say: a delivery that is stored should be answered."""
    pair.stream.send(b"stored")
    pair.stream.close()
    assert pair.arrived() == b"stored"
    await asyncio.sleep(0)
    assert pair.arrived() == b""


async def test_what_is_written_stands_behind_what_was_said(pair: Pair) -> None:
    """Although it goes to the socket at once."""
    pair.stream.send(b"first ")
    await pair.stream.write(b"second")
    assert pair.arrived() == b"first second"
    await asyncio.sleep(0)
    assert pair.arrived() == b""


async def test_whoever_takes_nothing_is_waited_for(pair: Pair) -> None:
    """What it is told afterwards has to wait behind the rest, and nothing of it is lost."""
    assert pair.stream.send(MUCH) is None
    await asyncio.sleep(0)
    waiting = pair.stream.send(b" and more")
    assert waiting is not None
    assert not waiting.done()
    assert await pair.all_of(len(MUCH) + 9) == MUCH + b" and more"
    await waiting


async def test_whoever_took_all_of_it_late_is_heard_again(pair: Pair) -> None:
    """Although somebody had asked what comes next before it turned out that the rest has to wait."""
    pair.stream.send(MUCH)
    asked = pair.stream.next_bytes(100)
    await asyncio.sleep(0)
    await asyncio.get_running_loop().sock_sendall(pair.peer, b"hello")
    assert await pair.all_of(len(MUCH)) == MUCH
    assert await asked == b"hello"
    asked = pair.stream.next_bytes(100)
    await asyncio.get_running_loop().sock_sendall(pair.peer, b"again")
    assert await asked == b"again"


@pytest.mark.parametrize("is_asked_late", [False, True])
async def test_who_says_nothing_more_still_gets_the_rest(pair: Pair, is_asked_late: bool) -> None:
    """Its end is heard only behind what it was told."""
    pair.stream.send(MUCH)
    if is_asked_late:
        await asyncio.sleep(0)
    asked = pair.stream.next_bytes(100)
    await asyncio.sleep(0)
    pair.peer.shutdown(socket.SHUT_WR)
    assert await pair.all_of(len(MUCH)) == MUCH
    with pytest.raises(StreamClosedError):
        await asked


async def test_a_peer_that_is_gone_keeps_nothing_from_the_others(outbox: Outbox, pair: Pair) -> None:
    """Whatever its socket says."""
    ours, theirs = socket.socketpair()
    gone = PatientStream(outbox, ours)
    theirs.close()
    gone.send(b"nobody hears this")
    pair.stream.send(b"somebody does")
    await asyncio.sleep(0)
    assert pair.arrived() == b"somebody does"
    assert gone.closed()


class Broken:
    """A stream with a bug."""

    is_closed = False

    def send_said(self) -> None:
        raise ValueError("a bug")

    def close(self) -> None:
        self.is_closed = True


async def test_a_bug_with_one_peer_silences_no_other(
    outbox: Outbox, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and this one is closed."""
    broken = Broken()
    outbox.add(cast("PatientStream", broken), asyncio.get_running_loop())
    pair.stream.send(b"hello")
    await asyncio.sleep(0)
    assert pair.arrived() == b"hello"
    assert broken.is_closed
    assert [record.getMessage() for record in caplog.records] == ["answer.failed"]


async def test_nothing_can_be_said_to_who_is_closed(pair: Pair) -> None:
    """Whoever tries is told."""
    pair.stream.close()
    with pytest.raises(StreamClosedError):
        pair.stream.send(b"hello")
