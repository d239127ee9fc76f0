"""The queue of one who follows: bounded, in order, and honest about what is missing."""

from __future__ import annotations

from collections.abc import Mapping

from router.admin.tails import MOST_BYTES, MOST_RECORDS, Reader, Wanted
from router.cli.following import Record, records
from router.events import Event
from router.payload import JSON
from router.store.feed import Committed
from tests.fakes import Clock
from tests.store.values import Values

VALUES = Values(Clock())


def show(one: Committed) -> Mapping[str, JSON]:
    assert isinstance(one, Event)
    return {"id": str(one.id), "text": one.body.decode()}


def taken(reader: Reader) -> list[Record]:
    """What is sent, as the command reads it."""
    return list(records(reader.take_out().splitlines(keepends=True)))


def test_records_come_whole_and_in_order() -> None:
    """Whatever stands in a record, it is one record to who reads it."""
    reader = Reader(Wanted(), show)
    bodies = ["one", "two\n\nevent: event\ndata: {}\n\n", "three\r\x85\u2028", ""]
    reader.take([VALUES.event(body.encode()) for body in bodies])
    assert [told["text"] for kind, told in taken(reader) if kind == "event"] == bodies
    assert taken(reader) == []


def test_what_does_not_fit_is_counted_at_its_place() -> None:
    """The gap stands behind the last record that was kept and before the next; nothing is slipped in between."""
    reader = Reader(Wanted(), show)
    reader.take([VALUES.event(b"%d" % number) for number in range(MOST_RECORDS + 3)])
    assert reader.waiting == MOST_RECORDS
    *kept, last, gap = taken(reader)
    assert len(kept) == MOST_RECORDS - 1
    assert last[1]["text"] == str(MOST_RECORDS - 1)
    message = "3 records were left out: more came than this reader took"
    assert gap == ("left_out", {"left_out": 3, "message": message})
    reader.take([VALUES.event(b"later")])
    assert [told["text"] for _, told in taken(reader)] == ["later"]


def test_large_records_are_bounded_together() -> None:
    """A record that is larger than all the room is kept where it is alone; nothing is kept behind it."""
    reader = Reader(Wanted(), show)
    reader.take([VALUES.event(b"x" * MOST_BYTES), VALUES.event(b"y")])
    (large, gap) = taken(reader)
    assert len(large[1]["text"]) == MOST_BYTES
    assert gap[1]["message"] == "1 record was left out: more came than this reader took"
