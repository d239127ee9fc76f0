"""`backup`: a copy taken at any moment is whole, and a router goes on from it."""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from router.errors import StoreRefused
from router.store.backup import back_up
from router.store.reading import SqliteReader
from router.store.records import DeliveryFilter, EventFilter
from router.store.sqlite import SqliteStore
from tests.cli import invoke, invoked
from tests.fakes import Clock
from tests.process import RouterProcess
from tests.running import SOURCES, TOKEN, RunningRouter
from tests.store.values import Values

RULES = """\
destinations:
  wiki: {type: log}
  gone: {type: http, url: "http://127.0.0.1:9/"}
rules:
  - {name: pages, events: page.*, to: wiki}
  - {name: users, events: user.*, to: gone}
"""


def left_beside(folder: Path, *names: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in names)


async def test_copy_of_a_running_router_can_take_its_place(tmp_path: Path) -> None:
    """A backup of a router at work holds what was accepted before it; a router on it sends what still waited."""
    (tmp_path / "rules.yaml").write_text(SOURCES + RULES)
    live = RouterProcess(tmp_path, {"SPACES_TOKEN": TOKEN})
    await live.start()
    copy = tmp_path / "copies" / "router.db"
    copy.parent.mkdir()
    try:
        for event in ("page.created", "user.disabled"):
            sent = await invoked("send", event, "--to", f"{live.public}/hooks/spaces", "--token", TOKEN)
            assert sent.exit_code == 0, sent.output
        done = await invoked("backup", str(copy), "--data", str(tmp_path / "data"))
        assert done.exit_code == 0, done.output
        assert re.fullmatch(
            rf"Copied {tmp_path}/data/router\.db to {copy}: [\d.]+ KB in \d+\.\d s, checked and complete\.\n",
            done.output,
        )
        after = await invoked("send", "page.deleted", "--to", f"{live.public}/hooks/spaces", "--token", TOKEN)
        assert after.exit_code == 0
    finally:
        assert await live.stop() == 0
    assert left_beside(copy.parent) == ["router.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = tmp_path / "restored"
    (restored / "data").mkdir(parents=True)
    shutil.copy(copy, restored / "data" / "router.db")
    later = Clock(datetime.now(UTC) + timedelta(minutes=10))
    async with RunningRouter(restored, RULES, clock=later) as router:
        await router.settle()
        names = [event["name"] for event in (await router.get("events"))["events"]]
        assert sorted(names) == ["page.created", "user.disabled"]
        (waiting,) = await router.deliveries(destination="gone")
        assert waiting["state"] == "retrying"
        await router.accept("page.updated")
        await router.settle()
        assert (await router.get("stats"))["events"] == 3
        assert await router.states(destination="wiki") == ["delivered", "delivered"]


async def test_copies_while_others_write(tmp_path: Path) -> None:
    """Taken again and again under steady writing, each copy is a whole store in which totals and rows agree."""
    clock = Clock()
    store, values = SqliteStore(tmp_path / "router.db", clock), Values(clock)
    await store.open()
    writing = True

    async def write() -> int:
        count = 0
        while writing:
            event = values.event(body=b'"%d %s"' % (values.ids.next(), b"x" * 5000))
            await store.accept(event, [values.delivery(event)])
            count += 1
        return count

    await store.accept(values.event(), [])
    writers = [asyncio.ensure_future(write()) for _ in range(5)]
    seen = []
    for number in range(4):
        target = tmp_path / f"copy-{number}.db"
        await asyncio.to_thread(back_up, tmp_path / "router.db", target)
        reader = SqliteReader(target)
        await reader.open()
        stats = await reader.stats()
        assert len(await reader.events(EventFilter(limit=10**6))) == stats.events
        assert len(await reader.deliveries(DeliveryFilter(limit=10**6))) == stats.events - 1
        await reader.close()
        seen.append(stats.events)
    writing = False
    assert sorted(seen) == seen
    assert 0 < seen[0] < seen[-1] <= 1 + sum(await asyncio.gather(*writers))
    await store.close()
    assert left_beside(tmp_path) == [f"copy-{number}.db" for number in range(4)] + ["router.db", "router.db.lock"]


async def test_copy_has_no_free_space(tmp_path: Path) -> None:
    """After much was removed the file keeps its size and uses it again; a copy of it is as small as what is in it."""
    clock = Clock()
    store, values = SqliteStore(tmp_path / "router.db", clock), Values(clock)
    await store.open()
    for number in range(20):
        await store.reject(values.rejection(body=b"%d" % number + b"x" * 100_000))
    clock.advance(minutes=1)
    while await store.forget_rejected(clock.now(), 100):
        pass
    await store.close()
    assert (tmp_path / "router.db").stat().st_size > 2_000_000
    assert back_up(tmp_path / "router.db", tmp_path / "copy.db") < 200_000


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there, whatever it is, stays as it is."""
    store = SqliteStore(tmp_path / "router.db", Clock())
    await store.open()
    await store.close()
    target = tmp_path / "copy.db"
    target.write_bytes(b"precious")
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    for name in ("copy.db", "link.db", "router.db", "."):
        result = await invoked("backup", str(tmp_path / name), "--data", str(tmp_path))
        assert result.exit_code == 1
        assert "is there already, and a backup overwrites nothing; name another file." in result.output
    assert target.read_bytes() == b"precious"
    assert left_beside(tmp_path) == ["copy.db", "link.db", "router.db", "router.db.lock"]


async def test_damaged_store_gives_no_backup(tmp_path: Path) -> None:
    """A store that is damaged is found out by its backup, and no file is left that looks like a good one."""
    clock = Clock()
    store, values = SqliteStore(tmp_path / "router.db", clock), Values(clock)
    await store.open()
    for number in range(200):
        await store.accept(values.event(body=b'"%d%s"' % (number, b"x" * 3000)), [])
    await store.close()
    content = bytearray((tmp_path / "router.db").read_bytes())
    content[8192:-4096:3] = b"\xa5" * len(content[8192:-4096:3])
    (tmp_path / "router.db").write_bytes(content)
    result = invoke("backup", str(tmp_path / "copy.db"), "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "is damaged" in result.output
    assert "Traceback" not in result.output
    assert left_beside(tmp_path) == ["router.db", "router.db.lock"]


def test_what_cannot_be_copied(tmp_path: Path) -> None:
    """A missing store, somebody else's database, a folder that is missing: a sentence each, and nothing is left."""
    missing = invoke("backup", str(tmp_path / "copy.db"), "--data", str(tmp_path / "nowhere"))
    assert (missing.exit_code, left_beside(tmp_path)) == (1, [])
    assert f"there is no store at {tmp_path}/nowhere/router.db; name its folder with --data." in missing.output
    with apsw.Connection(str(tmp_path / "router.db")) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    other = invoke("backup", str(tmp_path / "copy.db"), "--data", str(tmp_path))
    assert "not one of this router" in other.output
    nowhere = invoke("backup", str(tmp_path / "no" / "copy.db"), "--data", str(tmp_path))
    assert "No such file or directory; name a file in a folder that is there" in nowhere.output
    assert (other.exit_code, nowhere.exit_code, left_beside(tmp_path)) == (1, 1, ["router.db"])


async def test_rows_that_name_nothing_are_found(tmp_path: Path) -> None:
    """A delivery without its event is no whole store, although each page of the file is."""
    clock = Clock(Clock().now() - timedelta(days=1))
    store, values = SqliteStore(tmp_path / "router.db", clock), Values(clock)
    await store.open()
    event = values.event()
    await store.accept(event, [values.delivery(event)])
    await store.close()
    with apsw.Connection(str(tmp_path / "router.db")) as connection:
        connection.execute("DELETE FROM events")
    with pytest.raises(StoreRefused, match="a row of deliveries names one that is missing"):
        back_up(tmp_path / "router.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
