"""
The store as commands read it while no router runs.

The answers are those of the admin API, without what only a running router knows. Nothing is masked: no rule file is
loaded, so no secret is known here, and none is ever stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from router.admin.serialise import Shown
from router.config.load import restore
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid
from router.delivery.telling import tell
from router.events import DeliveryState
from router.messages.directory import Directory
from router.secret import Redactor
from router.store.reading import SqliteReader
from router.store.records import DeliveryFilter, EventFilter

T = TypeVar("T")

_NOT_WRITTEN = "not written yet: the router writes it when it sends it"


class FromStore:
    """
    Reads the file and changes nothing; each question opens it anew, and a command asks two or three.

    Every method raises `StoreRefused` or `StoreUnavailable` where the file cannot be read.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._shown = Shown(Redactor())

    def deliveries(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        wanted = _filter(query)

        async def ask(store: SqliteReader) -> Mapping[str, Any]:
            found = await store.deliveries(wanted)
            return {
                "deliveries": [self._shown.delivery(listed, {}) for listed in found],
                "next": str(found[-1].delivery.id) if len(found) == wanted.limit else None,
            }

        return self._read(ask)

    def events(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        wanted = EventFilter(
            name=query.get("name"),
            source=query.get("source"),
            limit=int(query["limit"]),
            cursor=int(query["cursor"]) if "cursor" in query else None,
        )

        async def ask(store: SqliteReader) -> Mapping[str, Any]:
            found = await store.events(wanted)
            return {
                "events": [self._shown.event(event) for event in found],
                "next": str(found[-1].id) if len(found) == wanted.limit else None,
            }

        return self._read(ask)

    def delivery(self, number: str) -> Mapping[str, Any] | None:
        async def ask(store: SqliteReader) -> Mapping[str, Any] | None:
            listed = await store.delivery(int(number))
            if listed is None:
                return None
            judged = await _kept(store, listed.delivery.ruleset)
            message = listed.delivery.message or _NOT_WRITTEN
            attempts = await store.attempts(listed.delivery.id)
            return self._shown.delivery_in_full(listed, judged.destinations if judged else {}, message, attempts)

        return self._read(ask)

    def event(self, number: str) -> Mapping[str, Any] | None:
        async def ask(store: SqliteReader) -> Mapping[str, Any] | None:
            event = await store.event(int(number))
            if event is None:
                return None
            told = await tell(event, await _kept(store, event.ruleset), store, Directory())
            return self._shown.event_in_full(event, told.verdicts, told.names, in_use=None)

        return self._read(ask)

    def _read(self, ask: Callable[[SqliteReader], Awaitable[T]]) -> T:
        async def read() -> T:
            store = SqliteReader(self._database)
            try:
                await store.open()
                return await ask(store)
            finally:
                await store.close()

        return asyncio.run(read())


def _filter(query: Mapping[str, str]) -> DeliveryFilter:
    return DeliveryFilter(
        state=DeliveryState(query["state"]) if "state" in query else None,
        destination=query.get("destination"),
        rule=query.get("rule"),
        event_id=int(query["event"]) if "event" in query else None,
        since=datetime.fromisoformat(query["since"]) if "since" in query else None,
        limit=int(query["limit"]),
        cursor=int(query["cursor"]) if "cursor" in query else None,
    )


async def _kept(store: SqliteReader, ruleset_hash: str) -> Configuration | None:
    """The rule set that judged, as the store keeps it; None where it is gone or not readable any more."""
    kept = await store.ruleset(ruleset_hash)
    if kept is None:
        return None
    try:
        return restore(kept.text, kept.files)
    except ConfigurationInvalid:
        return None
