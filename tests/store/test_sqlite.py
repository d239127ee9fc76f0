"""What is particular to the embedded store: its file, its lock, its durability, and disks that fail."""

# ruff: noqa: ASYNC220, ASYNC240 - in a test nobody is kept waiting by a loop that waits for a file

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from router.errors import StoreRefused, StoreUnavailable
from router.events import DeliveryState
from router.store import expiry as expiring
from router.store import queries, schema
from router.store.queries import single
from router.store.reading import SqliteReader
from router.store.records import DeliveryFilter, Expiry, Forgotten
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.store.disks import FailingDisk
from tests.store.values import Values
from tests.waiting import pauses, until

HOLD_LOCK = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(str(os.getpid()))
file.flush()
print("locked", flush=True)
sys.stdin.read()
"""

Open = Callable[..., Coroutine[Any, Any, SqliteStore]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "router.db"


@pytest.fixture
async def opened(path: Path, clock: Clock) -> AsyncIterator[Open]:
    """Open the store, as often as the test likes; whatever is open at the end is closed."""
    stores: list[SqliteStore] = []

    async def open_store(**options: Any) -> SqliteStore:
        store = SqliteStore(path, clock, **options)
        await store.open()
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        await store.close()


async def recovery(store: SqliteStore, clock: Clock) -> None:
    """Let pauses pass until the store writes again."""
    await until(lambda: store.available, meanwhile=lambda: clock.advance(seconds=1))


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def refusal(path: Path, clock: Clock) -> str:
    """Try to open a store that must be refused, and give the sentence; nothing of its folder's files may change."""
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()} if path.parent.is_dir() else {}
    store = SqliteStore(path, clock)
    with pytest.raises(StoreRefused) as refused:
        await store.open()
    with pytest.raises(StoreUnavailable):
        await store.save_ruleset(Values(clock).ruleset())
    await store.close()
    for name, content in before.items():
        assert (path.parent / name).read_bytes() == content
    return str(refused.value)


class TestFile:
    async def test_only_the_owner_may_read(self, opened: Open, path: Path, values: Values) -> None:
        """The folder that we make is 0700 and every file in it 0600, whatever the umask is."""
        before = os.umask(0)
        try:
            store = await opened()
            await store.accept(values.event(), [])
            assert mode(path.parent) == 0o700
            assert {file.name: mode(file) for file in path.parent.iterdir()} == dict.fromkeys(
                ("router.db", "router.db-wal", "router.db-shm", "router.db.lock"), 0o600
            )
        finally:
            os.umask(before)

    async def test_a_folder_that_is_there_keeps_its_mode(self, opened: Open, path: Path) -> None:
        """A folder made by the admin is left as it is; a file that was opened to others is closed to them."""
        path.parent.mkdir(mode=0o755)
        await (await opened()).close()
        path.chmod(0o644)
        await opened()
        assert (mode(path.parent), mode(path)) == (0o755, 0o600)

    async def test_clean_end_leaves_one_file(self, opened: Open, path: Path, values: Values) -> None:
        """After a clean stop everything is in the one file: copying it is a backup."""
        store = await opened()
        event = values.event()
        await store.accept(event, [])
        assert await store.event(event.id) == event
        await store.close()
        assert {file.name for file in path.parent.iterdir()} == {"router.db", "router.db.lock"}
        with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
            assert connection.execute("SELECT id FROM events").fetchall() == [(event.id,)]

    async def test_what_is_asked_at_once_is_answered_one_by_one(self, opened: Open, values: Values) -> None:
        """Reads of one moment share a snapshot; what nobody waits for any more, or cannot be, fails no other."""
        store = await opened()
        event = values.event()
        await store.accept(event, [])
        given_up = asyncio.ensure_future(store.event(event.id))
        asked = [asyncio.ensure_future(store.event(number)) for number in (event.id, 2**70, event.id + 1)]
        await asyncio.sleep(0)
        given_up.cancel()
        found, impossible, missing = await asyncio.gather(*asked, return_exceptions=True)
        assert (found, missing) == (event, None)
        assert isinstance(impossible, OverflowError)

    async def test_who_asks_as_it_closes_is_answered_first(self, opened: Open, path: Path, values: Values) -> None:
        """A read of the last moment does not open the file once more behind the end."""
        store = await opened()
        event = values.event()
        await store.accept(event, [])
        asked = asyncio.ensure_future(store.event(event.id))
        await asyncio.sleep(0)
        await store.close()
        assert await asked == event
        assert {file.name for file in path.parent.iterdir()} == {"router.db", "router.db.lock"}

    async def test_a_store_that_was_never_opened_can_be_closed(self, path: Path, clock: Clock) -> None:
        """As where something else fails before it; it leaves no file behind."""
        store = SqliteStore(path, clock)
        await store.close()
        assert not path.exists()

    async def test_a_closed_store_cannot_be_read(self, opened: Open) -> None:
        """Whoever still asks is told so, and does not wait for ever."""
        store = await opened()
        await store.close()
        with pytest.raises(StoreUnavailable, match="the store is closed"):
            await store.event(1)

    async def test_every_commit_is_synced(self, opened: Open, path: Path) -> None:
        """The log is synced at each commit, and the tables check the types of what is put into them."""
        store = await opened()
        connection = store._commits._connection._open_connection()
        for setting, value in {
            "journal_mode": "wal",
            "synchronous": 2,
            "fullfsync": 1,
            "checkpoint_fullfsync": 1,
            "foreign_keys": 1,
            "wal_autocheckpoint": 1000,
        }.items():
            assert connection.execute(f"PRAGMA {setting}").fetchall() == [(value,)]
        tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
        assert all(strict for name, strict in tables if not str(name).startswith("sqlite_"))

    async def test_lists_use_indexes(self, opened: Open, path: Path) -> None:
        """What a lane asks for, and every list, walks an index and never the backlog or the history."""
        await opened()
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
        waiting = "FROM deliveries WHERE destination = 'd' AND state IN ('pending', 'retrying')"
        expected = {
            f"SELECT due_at, id {waiting} AND due_at <= 5 ORDER BY due_at, id LIMIT 5": "deliveries_due",
            f"SELECT min(due_at) {waiting} AND due_at > 5": "deliveries_due",
            "SELECT * FROM deliveries WHERE id < 9 AND state = 'dead' ORDER BY id DESC LIMIT 5": "deliveries_by_state",
            "SELECT * FROM deliveries WHERE id < 9 AND state = 'dead' AND destination = 'd' ORDER BY id DESC LIMIT 5": (
                "deliveries_by_destination"
            ),
            "SELECT id FROM deliveries WHERE destination = 'd' AND state = 'sending'": "deliveries_by_destination",
            "SELECT * FROM deliveries WHERE id < 9 AND event_id = 5 ORDER BY id DESC LIMIT 5": "deliveries_by_event",
            "SELECT * FROM events WHERE id < 9 AND name = 'a' COLLATE NOCASE ORDER BY id DESC LIMIT 5": (
                "events_by_name"
            ),
            "SELECT * FROM events WHERE id < 9 AND source = 'a' ORDER BY id DESC LIMIT 5": "events_by_source",
            "SELECT id, received_at FROM events WHERE body_hash = x'00' AND source = 's' AND upstream_id IS NULL"
            " AND name = 'n' ORDER BY id DESC LIMIT 1": "events_seen",
        }
        for query, index in expected.items():
            (plan,) = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert plan.startswith("SEARCH ")
            assert f" INDEX {index} (" in plan
        connection.close()


class TestMetrics:
    async def test_indexes_tell_since_when(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """Whatever is read for `/metrics` walks an index, or a table that has a row for each destination."""
        store = await opened()
        await wait_for_docs(store, values, clock, 1)
        plans = []
        for sql, bindings in traced(path, read_for_metrics):
            with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
                plans += [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
        assert set(plans) == {
            "SCAN counters",
            "USE TEMP B-TREE FOR GROUP BY",
            "SCAN lanes",
            "SEARCH deliveries USING INDEX deliveries_by_destination (destination=? AND state=?)",
            "SEARCH events USING INDEX events_by_source (source=?)",
        }

    async def test_a_backlog_costs_nothing(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """With thousands of waiting deliveries, SQLite takes not one step more than with a few."""
        store = await opened()
        await wait_for_docs(store, values, clock, 5)
        few = steps(path, read_for_metrics)
        await wait_for_docs(store, values, clock, 3000)
        assert steps(path, read_for_metrics) == few > 0


async def wait_for_docs(store: SqliteStore, values: Values, clock: Clock, count: int) -> None:
    """Let so many events come in, of which half have failed and wait for another attempt."""
    lane = (await store.own(["docs"], clock.now()))["docs"]

    async def one(number: int) -> None:
        event = values.event(body=b"[%d]" % values.ids.next())
        delivery = values.delivery(event)
        await store.accept(event, [delivery])
        if number % 2 == 0 and (claimed := await store.claim(delivery.id, lane.epoch, clock.now())):
            await store.record(values.outcome(claimed, lane.epoch, DeliveryState.RETRYING))

    await asyncio.gather(*map(one, range(count)))


def read_for_metrics(connection: apsw.Connection) -> None:
    queries.stats(connection)
    moments = queries.moments(connection, ["spaces", "other"])
    assert moments.waiting_since.keys() == {"docs"}
    assert moments.last_event_at.keys() == {"spaces"}


def traced(path: Path, read: Callable[[apsw.Connection], None]) -> list[tuple[str, Any]]:
    """Read, and say which statements that took."""
    statements: list[tuple[str, Any]] = []

    def trace(_: object, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
        connection.exec_trace = trace
        read(connection)
        connection.exec_trace = None
    return statements


def steps(path: Path, read: Callable[[apsw.Connection], None]) -> int:
    """Read, and say how many steps of its virtual machine SQLite took."""
    taken = 0

    def step() -> bool:
        nonlocal taken
        taken += 1
        return False

    with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
        connection.set_progress_handler(step, 1)
        read(connection)
    return taken


class TestRefused:
    async def test_in_use_by_another_process(self, opened: Open, path: Path, clock: Clock) -> None:
        """A second router on one file does not start; it names the first one and the two ways out."""
        path.parent.mkdir(mode=0o700)
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                HOLD_LOCK,
                str(beside(path, ".lock")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert holder.stdout.readline() == b"locked\n"
            sentence = await refusal(path, clock)
            assert sentence == (
                f"{path} is in use by another router (process {holder.pid}); stop that one, or give this one another"
                " folder with --data"
            )
            holder.stdin.close()
        assert (await opened()).available

    async def test_in_use_by_ourselves(self, opened: Open, path: Path, clock: Clock) -> None:
        """The lock holds within one process too, and ends with the store."""
        store = await opened()
        assert f"process {os.getpid()}" in await refusal(path, clock)
        await store.close()
        await opened()

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"", "is empty"),
            (b"# notes of an admin\n" * 400, "is not a database"),
            (b"SQLite format 3\x00", "is not a database"),
            (b"SQLite format 3\x00" + b"\xff" * 8000, "is not a database"),
        ],
    )
    async def test_not_a_database(self, path: Path, clock: Clock, content: bytes, found: str) -> None:
        """Whatever stands in the place of the file is refused, named and left as it is."""
        path.parent.mkdir()
        path.write_bytes(content)
        sentence = await refusal(path, clock)
        assert found in sentence
        assert str(path) in sentence
        assert "restore a backup" in sentence

    @pytest.mark.parametrize("harm", ["truncated", "page", "header"])
    async def test_damaged(self, opened: Open, path: Path, clock: Clock, values: Values, harm: str) -> None:
        """A file that lost its end or a page of its middle is refused before anything is written to it."""
        store = await opened()
        for number in range(50):
            await store.accept(values.event(body=b"[%d]" % number * 500), [])
        await store.close()
        content = bytearray(path.read_bytes())
        pages = len(content) // 4096
        if harm == "truncated":
            del content[-5 * 4096 :]
        elif harm == "page":
            for page in range(pages // 2, pages):
                content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
        else:
            content[100:200] = b"\xa5" * 100
        path.write_bytes(content)
        sentence = await refusal(path, clock)
        assert f"{path} is damaged" in sentence
        assert "restore a backup" in sentence

    async def test_newer_version(self, opened: Open, path: Path, clock: Clock) -> None:
        """A file that a newer router wrote is not touched by an older one."""
        await (await opened()).close()
        with apsw.Connection(str(path)) as connection:
            connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
        connection.close()
        sentence = await refusal(path, clock)
        assert re.search(r"newer version of the router \(its schema is 999, this version knows \d+\)", sentence)

    async def test_a_database_of_something_else(self, path: Path, clock: Clock) -> None:
        """Another program's database is not taken for ours."""
        path.parent.mkdir()
        connection = apsw.Connection(str(path))
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.close()
        assert "not one of this router" in await refusal(path, clock)

    async def test_log_without_its_file(self, opened: Open, path: Path, clock: Clock, values: Values) -> None:
        """When the file is gone but its log is there, a new file would be mixed with the old log: refused."""
        store = await opened()
        await store.accept(values.event(), [])
        log = beside(path, "-wal").read_bytes()
        await store.close()
        path.unlink()
        beside(path, "-wal").write_bytes(log)
        assert "is missing, but router.db-wal" in await refusal(path, clock)
        assert not path.exists()

    async def test_folder_that_cannot_be_made(self, tmp_path: Path, clock: Clock) -> None:
        """A data folder that cannot be there is said so in a sentence."""
        (tmp_path / "file").write_text("x")
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            assert f"the data folder {folder} " in await refusal(folder / "router.db", clock)

    async def test_a_folder_in_the_place_of_the_file(self, path: Path, clock: Clock) -> None:
        """A folder called router.db is not opened."""
        path.mkdir(parents=True)
        store = SqliteStore(path, clock)
        with pytest.raises(StoreRefused, match="is no file"):
            await store.open()

    async def test_unfinished_new_file(self, opened: Open, path: Path) -> None:
        """What a start left that was killed while making the file does not stand in the way of the next."""
        path.parent.mkdir()
        beside(path, ".new").write_bytes(b"half")
        await opened()
        assert not beside(path, ".new").exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
    async def test_read_only_file(self, opened: Open, path: Path, clock: Clock) -> None:
        """A folder that we may not write to is said so in a sentence."""
        await (await opened()).close()
        path.parent.chmod(0o500)
        try:
            assert "cannot be written" in await refusal(path, clock)
        finally:
            path.parent.chmod(0o700)


class TestDurable:
    async def test_synced_before_it_is_answered(self, opened: Open, values: Values) -> None:
        """Whenever an accept, a claim or an outcome is answered, nothing of the log waits to be synced."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        lane = (await store.own(["docs"], values.clock.now()))["docs"]

        async def work(number: int) -> None:
            event = values.event(body=b"[%d]" % number)
            delivery = values.delivery(event)
            written = len(disk.journal)
            await store.accept(event, [delivery])
            assert "sync" in disk.journal[written:]
            claimed = await store.claim(delivery.id, lane.epoch, values.clock.now())
            assert claimed is not None
            written = len(disk.journal)
            assert await store.record(values.outcome(claimed, lane.epoch, DeliveryState.DELIVERED))
            assert "sync" in disk.journal[written:]

        await asyncio.gather(*(work(number) for number in range(40)))
        assert disk.journal[-1] == "sync"
        for number in range(10):
            await work(100 + number)
            assert disk.journal[-1] == "sync"

    async def test_power_cut(self, opened: Open, path: Path, values: Values, tmp_path: Path) -> None:
        """When the power fails, all that was answered is there, though everything unsynced is gone."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        answered = []
        for number in range(30):
            event = values.event(body=b"[%d]" % number * 300)
            await store.accept(event, [values.delivery(event)])
            answered.append(event.id)
        disk.fail()
        unanswered = values.event()
        with pytest.raises(StoreUnavailable):
            await store.accept(unanswered, [])
        left = disk.after_power_cut(tmp_path / "after")
        after = SqliteStore(left / "router.db", values.clock)
        await after.open()
        listed = await after.deliveries(DeliveryFilter(limit=100))
        assert [one.delivery.event_id for one in listed] == answered[::-1]
        assert await after.event(unanswered.id) is None
        await after.close()

    async def test_one_commit_for_all_that_wait(self, opened: Open, values: Values) -> None:
        """A hundred requests that arrive together cost a few syncs, not a hundred."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        before = disk.journal.count("sync")
        await asyncio.gather(*(store.accept(values.event(body=b"[%d]" % number), []) for number in range(100)))
        assert disk.journal.count("sync") - before <= 2

    async def test_a_commit_waits_for_those_on_their_way(self, opened: Open, values: Values) -> None:
        """Requests that each turn of the loop brings share a commit; one that stays alone waits for nobody."""
        store = await opened()

        async def arrive(turn: int) -> None:
            for _ in range(turn):
                await asyncio.sleep(0)
            await store.accept(values.event(body=b"[%d]" % turn), [])

        await asyncio.gather(*map(arrive, range(5)))
        operations = store.figures.commit_operations
        assert (operations.count, operations.total) == (1, 5)
        alone = asyncio.ensure_future(arrive(0))
        await asyncio.gather(alone, arrive(4))
        assert (operations.count, operations.total) == (3, 7)

    async def test_large_bodies_are_spread_over_commits(self, opened: Open, values: Values) -> None:
        """A commit stays within 16 MiB, so that many large bodies together cannot fill the memory."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        before = disk.journal.count("sync")
        bodies = [b"[%d]" % number + b" " * 5_000_000 for number in range(8)]
        await asyncio.gather(*(store.accept(values.event(body=body), []) for body in bodies))
        assert disk.journal.count("sync") - before >= 3


class TestTrouble:
    async def test_disk_full(
        self, opened: Open, values: Values, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A full disk answers 503 for as long as it is full, and says so once; then all goes on without a restart."""
        store = await opened()
        connection = store._commits._connection._open_connection()
        pages: int = single(connection, "PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreUnavailable, match=r"disk of .* is full; free some space"):
            await store.accept(values.event(body=b"x" * 100_000), [])
        await recovery(store, clock)
        event = values.event(body=b"x" * 100_000)
        assert (await store.accept(event, [])).event_id == event.id
        assert [record.getMessage() for record in caplog.records] == ["store.unavailable", "store.recovered"]

    async def test_disk_stays_full(
        self, opened: Open, values: Values, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """While the disk stays full the store tries again and again, and the log tells of it only once."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        looks = []

        async def look() -> None:
            looks.append(disk.is_full)

        store.on_recovery = look
        disk.is_full = True
        with pytest.raises(StoreUnavailable, match="is full"):
            await store.accept(values.event(), [])
        await pauses(clock, 3)
        assert not store.available
        with pytest.raises(StoreUnavailable, match="is full"):
            await store.accept(values.event(), [])
        assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
        disk.heal()
        await recovery(store, clock)
        assert looks == [False]
        await store.accept(values.event(), [])

    async def test_another_program_holds_a_lock(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """While a database browser holds the file, senders get 503; the loop itself never waits for the lock."""
        store = await opened(busy_timeout=0.05)
        delivery_event = values.event()
        delivery = values.delivery(delivery_event)
        await store.accept(delivery_event, [delivery])
        lane = (await store.own(["docs"], clock.now()))["docs"]
        claimed = await store.claim(delivery.id, lane.epoch, clock.now())
        assert claimed is not None
        browser = apsw.Connection(str(path))
        browser.execute("BEGIN IMMEDIATE")
        outcome = asyncio.ensure_future(store.record(values.outcome(claimed, lane.epoch, DeliveryState.DELIVERED)))
        refused = asyncio.ensure_future(store.accept(values.event(), []))
        turns = 0
        while not refused.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 20
        with pytest.raises(StoreUnavailable, match="another program holds a lock"):
            await refused
        listed = await store.delivery(delivery.id)
        assert listed is not None
        assert listed.delivery.state is DeliveryState.SENDING
        browser.execute("ROLLBACK")
        browser.close()
        await recovery(store, clock)
        assert await outcome

    async def test_failing_writes(self, opened: Open, values: Values, clock: Clock) -> None:
        """A disk that refuses writes is the same: 503 and no row, then all is well once it is mended."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        disk.fails_write = True
        event = values.event()
        with pytest.raises(StoreUnavailable, match=r"the disk of .* reported an error"):
            await store.accept(event, [values.delivery(event)])
        assert await store.event(event.id) is None
        disk.heal()
        await recovery(store, clock)
        assert not (await store.accept(event, [values.delivery(event)])).repeat

    async def test_a_failed_commit_does_not_come_back(self, opened: Open, values: Values, clock: Clock) -> None:
        """A commit that failed at its sync is not read from the log afterwards as if it had been good."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        for number in range(5):
            disk.fail()
            failed = values.event(body=b"[%d]" % number)
            with pytest.raises(StoreUnavailable):
                await store.accept(failed, [])
            await pauses(clock, 3)
            disk.heal()
            await recovery(store, clock)
            assert await store.event(failed.id) is None
        assert (await store.stats()).events == 0

    async def test_file_taken_away(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """When the file vanishes under a failing store, no empty one is put in its place; put back, it goes on."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        await store.accept(values.event(), [])
        disk.fail()
        with pytest.raises(StoreUnavailable):
            await store.accept(values.event(), [])
        away = path.rename(path.with_name("away"))
        disk.heal()
        await pauses(clock, 3)
        assert not store.available
        assert not path.exists()
        away.rename(path)
        await recovery(store, clock)
        assert (await store.stats()).events == 1


class TestVanishingFiles:
    """A 200 is only given for what the next start will find."""

    async def stays_unavailable(self, store: SqliteStore, values: Values, clock: Clock, words: str) -> None:
        with pytest.raises(StoreUnavailable, match=words):
            await store.accept(values.event(), [])
        await pauses(clock, 3)
        assert not store.available
        with pytest.raises(StoreUnavailable, match=words):
            await store.accept(values.event(), [])

    async def test_file_deleted(
        self, opened: Open, path: Path, values: Values, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing is taken into a deleted file, and no empty one is put in its place; put back, it goes on."""
        store = await opened()
        kept, refused, later = values.event(), values.event(), values.event()
        await store.accept(kept, [])
        other_name = path.with_name("other-name")
        os.link(path, other_name)
        path.unlink()
        with pytest.raises(StoreUnavailable):
            await store.accept(refused, [])
        await self.stays_unavailable(store, values, clock, "router.db was deleted or moved away .* move it back")
        assert not path.exists()
        assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
        other_name.rename(path)
        await recovery(store, clock)
        await store.accept(later, [])
        assert [await store.event(event.id) is not None for event in (kept, refused, later)] == [True, False, True]

    async def test_folder_deleted(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """The same when the whole folder goes, and when an empty one is made in its place."""
        store = await opened()
        await store.accept(values.event(), [])
        shutil.rmtree(path.parent)
        await self.stays_unavailable(store, values, clock, "router.db was deleted")
        path.parent.mkdir()
        await self.stays_unavailable(store, values, clock, "router.db was deleted")
        assert list(path.parent.iterdir()) == []
        await store.close()
        again = await opened()
        await again.accept(values.event(), [])
        assert (await again.stats()).events == 1

    async def test_file_replaced(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """A file that somebody puts in the store's place, even a copy of it, is not touched while the router runs."""
        store = await opened()
        await store.accept(values.event(), [])
        away = path.with_name("away")
        path.rename(away)
        shutil.copy(away, path)
        content = path.read_bytes()
        await self.stays_unavailable(store, values, clock, "replaced by another file .* move router.db-wal aside")
        assert path.read_bytes() == content
        away.replace(path)
        await recovery(store, clock)
        await store.accept(values.event(), [])
        assert (await store.stats()).events == 2

    async def test_log_deleted(self, opened: Open, path: Path, values: Values, clock: Clock, tmp_path: Path) -> None:
        """What was answered before and after the log is deleted is there after a crash."""
        store = await opened()
        kept, later = values.event(), values.event()
        await store.accept(kept, [])
        assert (await store.stats()).events == 1
        beside(path, "-wal").unlink()
        with pytest.raises(StoreUnavailable, match=r"router\.db-wal, which holds the latest commits, was deleted"):
            await store.accept(values.event(), [])
        await recovery(store, clock)
        await store.accept(later, [])
        assert (await store.stats()).events == 2
        left = tmp_path / "left" / "router.db"
        left.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(beside(path, suffix), beside(left, suffix))
        after = SqliteReader(left)
        await after.open()
        assert await after.event(kept.id) is not None
        assert await after.event(later.id) is not None
        assert (await after.stats()).events == 2
        await after.close()
        await store.close()
        assert (await (await opened()).stats()).events == 2

    async def test_log_deleted_on_a_full_disk(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """A new log that cannot be begun at once is begun when the disk has room again."""
        disk = FailingDisk()
        store = await opened(vfs=disk.name)
        await store.accept(values.event(), [])
        beside(path, "-wal").unlink()
        for fails in ("is_full", "fails_sync"):
            setattr(disk, fails, True)
            with pytest.raises(StoreUnavailable):
                await store.accept(values.event(), [])
            await pauses(clock, 3)
            assert not store.available
            disk.heal()
            await recovery(store, clock)
        await store.accept(values.event(), [])
        assert (await store.stats()).events == 2

    async def test_log_replaced(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """Another file in the log's place is not written to; once it is away, nothing is missing."""
        store = await opened()
        await store.accept(values.event(), [])
        log = beside(path, "-wal")
        log.unlink()
        log.write_bytes(b"not a log")
        await self.stays_unavailable(store, values, clock, "router.db-wal was replaced .* move that one away")
        assert log.read_bytes() == b"not a log"
        log.unlink()
        await recovery(store, clock)
        await store.accept(values.event(), [])
        assert (await store.stats()).events == 2

    async def test_behind_a_link(self, opened: Open, path: Path, values: Values, clock: Clock, tmp_path: Path) -> None:
        """Where `router.db` is a link, its log is watched where it really is."""
        real = tmp_path / "disk" / "router.db"
        real.parent.mkdir()
        first = await opened()
        await first.close()
        path.rename(real)
        path.symlink_to(real)
        store = await opened()
        await store.accept(values.event(), [])
        assert (await store.stats()).events == 1
        beside(real, "-wal").unlink()
        with pytest.raises(StoreUnavailable, match=r"disk/router\.db-wal"):
            await store.accept(values.event(), [])
        await recovery(store, clock)
        await store.accept(values.event(), [])
        assert (await store.stats()).events == 2


class TestReader:
    async def test_reads_a_closed_store(self, opened: Open, path: Path, values: Values) -> None:
        """When no router runs, commands read the file and leave nothing beside it."""
        store = await opened()
        event = values.event()
        delivery = values.delivery(event)
        await store.save_ruleset(values.ruleset())
        await store.accept(event, [delivery])
        await store.close()
        files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        reader = SqliteReader(path)
        await reader.open()
        assert await reader.event(event.id) == event
        assert [one.delivery for one in await reader.deliveries(DeliveryFilter())] == [delivery]
        assert await reader.ruleset("rules-1") == values.ruleset()
        assert (await reader.stats()).deliveries[DeliveryState.PENDING] == 1
        await reader.close()
        assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == files

    async def test_reads_what_a_killed_router_left(self, opened: Open, path: Path, values: Values) -> None:
        """After a kill, what stands in the log only is read too, and log and file stay as they are."""
        store = await opened()
        event = values.event()
        await store.accept(event, [])
        left = path.parent.parent / "left"
        left.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(beside(path, suffix), beside(left / path.name, suffix))
        files = {file.name: file.read_bytes() for file in left.iterdir()}
        reader = SqliteReader(left / path.name)
        await reader.open()
        assert await reader.event(event.id) == event
        await reader.close()
        assert {name: (left / name).read_bytes() for name in files} == files

    async def test_a_router_that_starts_meanwhile(self, opened: Open, path: Path, values: Values) -> None:
        """A reader that opened a closed store sees what a router writes that starts under its eyes."""
        await (await opened()).close()
        reader = SqliteReader(path)
        await reader.open()
        assert (await reader.stats()).events == 0
        store = await opened()
        event = values.event()
        await store.accept(event, [])
        assert await reader.event(event.id) == event
        await reader.close()
        await store.close()
        assert not beside(path, "-wal").exists()

    async def test_nothing_there(self, path: Path) -> None:
        """Without a store the reader says so, and makes none."""
        reader = SqliteReader(path)
        with pytest.raises(StoreRefused, match="there is no store at"):
            await reader.open()
        await reader.close()
        assert not path.parent.exists()

    async def test_other_versions(self, opened: Open, path: Path) -> None:
        """A store of another version is not read by guesswork."""
        await (await opened()).close()
        with apsw.Connection(str(path)) as connection:
            connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
        connection.close()
        reader = SqliteReader(path)
        with pytest.raises(StoreRefused, match="schema 999"):
            await reader.open()
        await reader.close()


class TestMigrations:
    def test_versions(self) -> None:
        """A store has no version before the first migration and the newest after the last; once is enough."""
        connection = apsw.Connection(":memory:")
        assert schema.version(connection) == 0
        schema.migrate(connection)
        assert schema.version(connection) == schema.NEWEST
        schema.migrate(connection)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert tables == {
            "attempts",
            "counters",
            "deliveries",
            "delivery_events",
            "events",
            "lanes",
            "marks",
            "meta",
            "objects",
            "rejected",
            "rulesets",
        }

    async def test_each_store_has_an_id_of_its_own(self, tmp_path: Path, clock: Clock) -> None:
        """Two stores never share an id, so that one taken for the other is noticed."""
        ids = set()
        for name in ("a", "b"):
            store = SqliteStore(tmp_path / name / "router.db", clock)
            await store.open()
            await store.close()
            connection = apsw.Connection(str(tmp_path / name / "router.db"))
            ids |= set(connection.execute("SELECT value FROM meta WHERE key = 'store_id'"))
            connection.close()
        assert len(ids) == 2

    def test_numbered_without_gaps(self) -> None:
        """Migrations are numbered from 1, so that none is forgotten or applied twice."""
        assert sorted(schema._MIGRATIONS) == list(range(1, schema.NEWEST + 1))


def test_lock_is_an_flock(tmp_path: Path) -> None:
    """The lock ends with its process, however that ends: no stale lock keeps a router from starting."""
    from router.store.files import FileLock  # noqa: PLC0415 - only this test looks inside

    lock = FileLock(tmp_path / "router.db")
    with (tmp_path / "router.db.lock").open() as file:
        assert file.read() == f"{os.getpid()}\n"
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()
        lock.release()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class TestForgettingGroups:
    async def test_events_told_together(self, opened: Open, path: Path, values: Values, clock: Clock) -> None:
        """A later event of a group stays while the group's message is under way, or dead and not dealt with."""
        store = await opened()
        first, second = values.event(body=b"[1]"), values.event(body=b"[2]")
        message = values.delivery(first)
        await store.accept(first, [message])
        await store.accept(second, [])
        with apsw.Connection(str(path)) as connection:
            connection.execute("INSERT INTO delivery_events VALUES (?, ?)", (message.id, second.id))
        clock.advance(minutes=60 * 24 * 31)

        def expiry() -> Expiry:
            return Expiry(clock.now() - timedelta(days=30), clock.now() - timedelta(days=90))

        assert await store.forget(expiry(), 0, 10) == Forgotten()
        assert await store.bury("docs", clock.now(), "gone") == 1
        clock.advance(minutes=60 * 24 * 31)
        assert await store.forget(expiry(), 0, 10) == Forgotten()
        replay = values.delivery(first, state=DeliveryState.DELIVERED, origin_id=message.id)
        await store.insert(replay)
        clock.advance(minutes=60 * 24 * 31)
        assert await store.forget(expiry(), 0, 10) == Forgotten(events=2, deliveries=2)
        with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
            assert connection.execute("SELECT count(*) FROM delivery_events").fetchall() == [(0,)]

    async def test_looking_for_what_may_go_uses_indexes(self, opened: Open, path: Path) -> None:
        """Whether an event may go is asked of indexes alone, and so is what goes with it."""
        await opened()
        with apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY) as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {expiring.KIN}", (1,)).fetchall()
            assert not [step for step in plan if str(step[3]).startswith("SCAN")], plan
