"""Going through all that came: every event once, the newest first, a bounded part at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from router.events import Event
from router.store.history import MOST_BYTES, MOST_EVENTS, Illegible, Span
from router.store.reading import SqliteReader
from router.store.records import RuleSetText
from router.store.sqlite import SqliteStore
from tests.fakes import START, Clock
from tests.store.values import Values

VALUES = Values(Clock())
ALL = Span(START - timedelta(days=1))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "router.db", clock=Clock())
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def reader(store: SqliteStore, tmp_path: Path) -> AsyncIterator[SqliteReader]:
    """Reads beside a store that is open."""
    reader = SqliteReader(tmp_path / "router.db")
    await reader.open()
    yield reader
    await reader.close()


async def accept(store: SqliteStore, *numbers: int, size: int = 0) -> None:
    for number in numbers:
        body = b'"%d%s"' % (number, b"x" * size)
        await store.accept(VALUES.event(body, id=number, received_at=START + timedelta(minutes=number)), [])


async def gone_through(reader: SqliteReader, span: Span) -> list[list[int]]:
    """The ids of each part."""
    found = []
    while part := await reader.history(span):
        found.append([one.id for one in part])
        span = replace(span, before=part[-1].id)
    return found


async def test_parts_are_bounded_by_the_size_of_bodies(store: SqliteStore, reader: SqliteReader) -> None:
    """However large bodies are, a part holds few bytes, or one event; and none is left out or seen twice."""
    await accept(store, 1, 2, 3, size=10)
    await accept(store, 4, 5, size=MOST_BYTES // 2)
    await accept(store, 6, size=MOST_BYTES + 1)
    assert await gone_through(reader, ALL) == [[6], [5], [4, 3, 2, 1]]
    assert MOST_EVENTS > 6


async def test_a_span_is_cut_by_counting(store: SqliteStore, reader: SqliteReader) -> None:
    """The newest so many of a span are a span, and the rest is the other part; of fewer it is the whole."""
    await accept(store, *range(1, 8))
    newest = await reader.newest_of(ALL, 3)
    assert await gone_through(reader, newest) == [[7, 6, 5]]
    assert await gone_through(reader, replace(ALL, before=newest.first)) == [[4, 3, 2, 1]]
    assert await reader.newest_of(ALL, 8) == ALL
    assert [await reader.count_history(newest), await reader.count_history(ALL)] == [3, 7]
    assert await reader.count_history(ALL, 5) == 5


async def test_it_begins_at_a_time(store: SqliteStore, reader: SqliteReader) -> None:
    """What came before is left out, to the millisecond."""
    await accept(store, *range(1, 8))
    span = await reader.beginning(START + timedelta(minutes=5))
    assert await gone_through(reader, span) == [[7, 6, 5]]
    assert await reader.count_history(span) == 3


async def test_what_the_router_made_itself_is_left_out(store: SqliteStore, reader: SqliteReader) -> None:
    """Alerts came from nobody."""
    await accept(store, 1)
    await store.accept(VALUES.event(b"2", id=2, is_own=True), [])
    assert await gone_through(reader, ALL) == [[1]]


async def test_a_damaged_record_hides_no_other(store: SqliteStore, reader: SqliteReader, tmp_path: Path) -> None:
    """A row that is not as it was written is told with its id; those around it are read."""
    await accept(store, 1, 2, 3)
    await store.close()
    with apsw.Connection(str(tmp_path / "router.db")) as connection:
        connection.execute("UPDATE events SET facts = '{' WHERE id = 2")
    third, second, first = await reader.history(ALL)
    assert isinstance(third, Event)
    assert isinstance(first, Event)
    assert isinstance(second, Illegible)
    assert (second.id, second.received_at) == (2, START + timedelta(minutes=2))
    assert "its record cannot be read: the body is not JSON" in second.reason


async def test_the_rule_set_that_was_loaded_last(store: SqliteStore, reader: SqliteReader) -> None:
    """Loading an older rule set again makes it the latest one."""
    assert await reader.latest_ruleset() is None
    for minute, name in enumerate(("one", "two", "one")):
        await store.save_ruleset(RuleSetText(name, f"text of {name}", {}, START + timedelta(minutes=minute)))
        found = await reader.latest_ruleset()
        assert found is not None
        assert (found.hash, found.text) == (name, f"text of {name}")
