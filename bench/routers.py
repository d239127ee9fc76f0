"""Routers to be measured: their rules, their stores, and starting them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from load import TOKEN, post_one
from processes import SERVER_CORE, process, wait_until_at_rest

from router.clock import SystemClock
from router.events import Delivery, DeliveryState, Event
from router.store.records import RuleSetText
from router.store.sqlite import SqliteStore

_COMMAND = Path(sys.executable).parent / "spaces-router"

# Ten rules with conditions and templates as people write them.
_RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}", site: acme.teamwork.com}
destinations:
  sink: {type: http, url: "%(sink)s", concurrency: 32}
  log: {type: log}
rules:
  - name: measured
    events: [page.updated, page.updated.*]
    unless: {actor.email: {ends_with: "@bots.example"}}
    to: sink
    enabled: %(forward)s
    body: {title: "{{ page.title }}", who: "{{ actor.name or 'Someone' }}", sent: "{{ payload.sent }}"}
  - {name: people, events: user.*, to: log}
  - {name: comments, events: comment.*, to: log}
  - {name: removals, events: "*.deleted", to: log}
  - {name: legal, events: page.*, when: {space.id: 7}, to: log}
  - {name: drafts, events: page.*, when: {page.title: {starts_with: draft}}, to: log}
  - {name: releases, events: page.*, when: {page.title: {matches: "^v[0-9]+"}}, to: log}
  - {name: permissions, events: "pagepermission*.*", to: log}
  - {name: spaces, events: space.*, to: log}
  - {name: rest, events: access.*, to: log}
"""
_RULES_AT_FIRST = 10
_FURTHER_RULE = "  - {name: space %(space)d, events: page.*, when: {space.id: %(space)d}, to: log}\n"

_DELIVERIES_AT_ONCE = 500


@dataclass(frozen=True)
class Router:
    """
    A router that runs.

    Attributes:
        started_in: Seconds from the start of the process to the answer to a first delivery.
    """

    public: str
    admin: str
    pid: int
    started_in: float


def place_for(folder: Path, *, waiting: int = 0) -> Path:
    """A folder for a router: with an empty store, or one in which so many deliveries wait for tomorrow."""
    place = Path(tempfile.mkdtemp(dir=folder))
    if waiting:
        asyncio.run(_fill(place / "data" / "router.db", waiting))
    return place


@contextmanager
def router(place: Path, sink: str, *, forward: bool, rules: int = _RULES_AT_FIRST) -> Iterator[Router]:
    """Run a router in its folder, post a first delivery to it, and let it come to rest."""
    text = _RULES % {"sink": sink, "forward": "true" if forward else "false"}
    text += "".join(_FURTHER_RULE % {"space": 1000 + number} for number in range(rules - _RULES_AT_FIRST))
    (place / "rules.yaml").write_text(text)
    flags = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--queue-limit", "2000000")
    command = (_COMMAND, "serve", "--rules", place / "rules.yaml", "--data", place / "data", *flags)
    started = time.perf_counter()
    with process(*command, core=SERVER_CORE, environ={"SPACES_TOKEN": TOKEN}) as (line, pid):
        words = line.replace(",", "").split()
        post_one(words[2])
        took = time.perf_counter() - started
        wait_until_at_rest(pid)
        yield Router(words[2], words[5], pid, took)


async def _fill(path: Path, waiting: int) -> None:
    store = SqliteStore(path, SystemClock())
    await store.open()
    try:
        now, ids = datetime.now(UTC), count(1)
        await store.save_ruleset(RuleSetText("0" * 64, "", {}, now))
        for first in range(0, waiting, _DELIVERIES_AT_ONCE):
            event = Event(next(ids), "spaces", "user.updated", str(first), b"{}", first.to_bytes(32), {}, now, "0" * 64)
            share = range(min(_DELIVERIES_AT_ONCE, waiting - first))
            await store.accept(event, [_waiting(next(ids), event.id, now) for _ in share])
    finally:
        await store.close()


def _waiting(delivery_id: int, event_id: int, now: datetime) -> Delivery:
    return Delivery(
        id=delivery_id,
        event_id=event_id,
        rule="people",
        destination="log",
        ruleset="0" * 64,
        state=DeliveryState.RETRYING,
        due_at=now + timedelta(days=1),
        created_at=now,
        updated_at=now,
        failures=1,
    )
