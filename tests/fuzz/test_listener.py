"""The public listener through a real socket: whatever bytes come, there is an answer or a close, and no surprise."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from router.listener import Listener
from tests.fakes import Clock
from tests.fuzz.budget import examples
from tests.fuzz.wire import BODIES, Answered, answers, conversations, pieces, spoilt
from tests.ingress_parts import Parts, parts

STATUSES = {100, 200, 400, 401, 404, 405, 408, 411, 413, 414, 417, 431, 501, 503, 505}
"""No 500 among them: that would be a bug of ours."""

cuts = st.lists(st.integers(0, 100_000), max_size=6)


class Complaints(logging.Handler):
    """Collects what the log says of bugs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        is_ours = record.name.startswith("router")  # these have errors to tell that are none of the program
        if record.exc_info or "Uncaught" in record.getMessage() or (record.levelno >= logging.ERROR and not is_ours):
            self.found.append(record.getMessage())


@contextlib.contextmanager
def no_complaints() -> Iterator[None]:
    """See that no exception is logged meanwhile."""
    complaints, root = Complaints(), logging.getLogger()
    root.addHandler(complaints)
    try:
        yield
    finally:
        root.removeHandler(complaints)
    assert complaints.found == []


async def turns(count: int) -> None:
    """Let the listener work on what has come."""
    for _ in range(count):
        await asyncio.sleep(0)


async def talk(data: Sequence[bytes], *, ending: str = "wait") -> tuple[list[Answered], Parts]:
    """
    Send pieces to a listener, and read until it closes.

    Args:
        ending: What the client does behind its last byte: `wait` until it is sent away, `half close`, or `leave`.
    """
    clock = Clock()
    built = parts(clock=clock)
    listener = Listener(built.ingress, clock)
    listener.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    received = asyncio.ensure_future(_read_all(reader))
    try:
        with contextlib.suppress(OSError):  # it may have closed
            for piece in data:
                writer.write(piece)
                await writer.drain()
                await turns(20)
            await turns(100)
            if ending == "half close":
                writer.write_eof()
            elif ending == "leave":
                writer.close()
        async with asyncio.timeout(20):
            while not received.done():
                await turns(20)
                clock.advance(seconds=5)
        return answers(await received), built
    finally:
        writer.close()
        listener.stop()
        await listener.drain(1)
        assert built.ingress.intake.held == 0
        assert listener.open_connections == listener.open_requests == 0


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while more := await reader.read(65536):
            found += more
    return found


def check(found: list[Answered], built: Parts) -> None:
    """Each answer is one of ours, and stored is what was answered so and no other bytes than those that were signed."""
    for answer in found:
        assert answer.status in STATUSES, answer
        if answer.body:
            told = json.loads(answer.body)
            assert answer.status == 200 or told.keys() == {"error", "message"}
    stored = sum(answer.status == 200 and b'"stored"' in answer.body for answer in found)
    assert stored <= len(built.store.events)
    assert all(event.body in BODIES or event.source == "open" for event in built.store.events)


@examples(150)
@given(conversations().flatmap(spoilt), cuts, st.sampled_from(["wait", "half close", "leave"]))
def test_whatever_comes_there_is_an_answer_or_a_close(data: bytes, places: list[int], ending: str) -> None:
    """No bytes make the listener fail, hang, or store what nobody signed."""
    with no_complaints():
        found, built = asyncio.run(talk(list(pieces(data, places)), ending=ending))
    check(found, built)


@examples(100)
@given(conversations(), cuts)
def test_how_bytes_arrive_changes_nothing(conversation: list[bytes], places: list[int]) -> None:
    """The answers to some requests are the same whether they come at once or in any pieces."""
    data = b"".join(conversation)
    with no_complaints():
        at_once, first = asyncio.run(talk([data]))
        in_pieces, second = asyncio.run(talk(list(pieces(data, places))))
    check(at_once, first)
    assert [answer.status for answer in at_once] == [answer.status for answer in in_pieces]
    assert [event.body for event in first.store.events] == [event.body for event in second.store.events]
    assert [event.upstream_id for event in first.store.events] == [event.upstream_id for event in second.store.events]
