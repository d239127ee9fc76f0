"""The JSON API: events, deliveries, what was rejected, and totals; and which handler answers at which path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from tornado.web import Application

from router.admin.auth import Guard
from router.admin.handler import AdminHandler
from router.admin.health import HealthyHandler, ReadyHandler, ReloadHandler
from router.admin.metrics import MetricsHandler
from router.admin.openapi import OpenApiHandler
from router.admin.parts import Parts
from router.admin.preview import PreviewHandler
from router.admin.purge import PurgeHandler
from router.admin.query import Query, path_id, write_cursor
from router.admin.refusal import not_found, unknown
from router.admin.replay import (
    BulkReplayHandler,
    EventReplayHandler,
    RejectedReplayHandler,
    ReleaseHandler,
    ReplayHandler,
)
from router.admin.serialise import statistics
from router.admin.tail import TailHandler
from router.config.problems import did_you_mean
from router.config.settings import Address
from router.delivery.telling import tell
from router.delivery.unsent import would_say
from router.events import Delivery, Event, Message
from router.payload import JSON
from router.secret import Secret
from router.store.records import DeliveryFilter, EventFilter, ListedDelivery

PAGE = 10
"""How many rows with bodies are read at a time: a body may have megabytes."""

Row = TypeVar("Row")


class EventsHandler(AdminHandler):
    """`GET /api/v1/events`: events, newest first."""

    async def get(self) -> None:
        query = self.query("name", "source", "rule", "since", "limit", "cursor")
        name, source, rule, since = query.text("name"), query.text("source"), query.text("rule"), query.since()

        async def page(limit: int, cursor: int | None) -> Sequence[Event]:
            return await self.parts.store.events(EventFilter(name, source, rule, since, limit, cursor))

        listed, following = await _list(query, "events", page, _event_id, self.shown.event)
        self.answer({"events": listed, "next": following})


class EventHandler(AdminHandler):
    """`GET /api/v1/events/{id}`: one event, and what each rule made of it."""

    async def get(self, event_id: str) -> None:
        self.query()
        event = await self.parts.store.event(path_id(event_id, "event"))
        if event is None:
            raise unknown("event", event_id)
        rulesets = self.parts.rulesets
        judged = await rulesets.get(event.ruleset)
        told = await tell(event, judged, self.parts.store, self.parts.directory)
        in_use = event.ruleset == rulesets.current.hash
        # Masking a body of megabytes takes a while: not on the loop.
        show = partial(self.shown.event_in_full, event, told.verdicts, told.names, in_use=in_use)
        self.answer(await asyncio.to_thread(show))


class DeliveriesHandler(AdminHandler):
    """`GET /api/v1/deliveries`: deliveries, newest first."""

    async def get(self) -> None:
        query = self.query("state", "destination", "rule", "event", "since", "limit", "cursor")
        state, destination, rule = query.state(), query.text("destination"), query.text("rule")
        event, since = query.event(), query.since()

        async def page(limit: int, cursor: int | None) -> Sequence[ListedDelivery]:
            wanted = DeliveryFilter(state, destination, rule, event, since, limit, cursor)
            return await self.parts.store.deliveries(wanted)

        show = partial(self.shown.delivery, destinations=self.parts.rulesets.current.destinations)
        listed, following = await _list(query, "deliveries", page, _delivery_id, show, whole=True)
        self.answer({"deliveries": listed, "next": following})


class DeliveryHandler(AdminHandler):
    """`GET /api/v1/deliveries/{id}`: one delivery, what it says, and its attempts."""

    async def get(self, delivery_id: str) -> None:
        self.query()
        listed = await self.parts.store.delivery(path_id(delivery_id, "delivery"))
        if listed is None:
            raise unknown("delivery", delivery_id)
        attempts = await self.parts.store.attempts(listed.delivery.id)
        kept = listed.delivery.message
        is_written = kept is not None and (not kept.is_empty or listed.delivery.state.is_final)
        message = kept if kept is not None and is_written else await self._would_say(listed.delivery)
        destinations = self.parts.rulesets.current.destinations
        self.answer(self.shown.delivery_in_full(listed, destinations, message, attempts))

    async def _would_say(self, delivery: Delivery) -> Message | str:
        parts = self.parts
        return await would_say(delivery, store=parts.store, rulesets=parts.rulesets, attempts=parts.lanes.attempts)


class StatsHandler(AdminHandler):
    """`GET /api/v1/stats`: totals, and how each destination and each Spaces API stands."""

    async def get(self) -> None:
        self.query()
        stats = await self.parts.store.stats()
        shown = statistics(stats, self.parts.rulesets.current.destinations, self.parts.clock.now())
        known = self.parts.directory.counts()
        apis = {name: self.shown.api(name, figures, known) for name, figures in self.parts.names.figures().items()}
        self.answer({**shown, "apis": apis} if apis else shown)


class RejectedHandler(AdminHandler):
    """`GET /api/v1/rejected`: what was answered 400, newest first."""

    async def get(self) -> None:
        query = self.query("since", "limit", "cursor")
        page = partial(self.parts.store.rejected, query.since())
        listed, following = await _list(query, "rejected", page, lambda rejection: rejection.id, self.shown.rejection)
        self.answer({"rejected": listed, "next": following})


class UnknownHandler(AdminHandler):
    """Every other path."""

    def check_path(self) -> None:
        near = did_you_mean(self.request.path, PATHS) if len(self.request.path) <= 200 else ""
        raise not_found(f"nothing answers at this path{near}; docs/api.md and /api/v1/openapi.json list the calls")


async def _list(
    query: Query,
    listed: str,
    page: Callable[[int, int | None], Awaitable[Sequence[Row]]],
    row_id: Callable[[Row], int],
    show: Callable[[Row], dict[str, JSON]],
    *,
    whole: bool = False,
) -> tuple[list[dict[str, JSON]], str | None]:
    """
    Read as many rows as were asked for, and the cursor at which the list goes on.

    Args:
        page: Reads so many rows before an id.
        whole: Rows are small, so all are read at once.
    """
    limit, cursor = query.limit(), query.cursor(listed)
    shown: list[dict[str, JSON]] = []
    while True:
        wanted = limit + 1 - len(shown)  # one more than is shown tells whether the list goes on
        count = wanted if whole else min(wanted, PAGE)
        rows = await page(count, cursor)
        following = [*rows[: limit - len(shown)]]
        shown += map(show, following)
        if following:
            cursor = row_id(following[-1])
        if len(rows) > len(following):
            return shown, None if cursor is None else write_cursor(listed, cursor)
        if len(rows) < count:
            return shown, None


def _event_id(event: Event) -> int:
    return event.id


def _delivery_id(listed: ListedDelivery) -> int:
    return listed.delivery.id


ROUTES: Sequence[tuple[str, type[AdminHandler]]] = (
    ("/-/healthy", HealthyHandler),
    ("/-/ready", ReadyHandler),
    ("/-/reload", ReloadHandler),
    ("/metrics", MetricsHandler),
    ("/api/v1/openapi.json", OpenApiHandler),
    ("/api/v1/events", EventsHandler),
    ("/api/v1/events/([0-9]{1,30})", EventHandler),
    ("/api/v1/events/([0-9]{1,30})/replay", EventReplayHandler),
    ("/api/v1/deliveries", DeliveriesHandler),
    ("/api/v1/deliveries/([0-9]{1,30})", DeliveryHandler),
    ("/api/v1/deliveries/([0-9]{1,30})/replay", ReplayHandler),
    ("/api/v1/deliveries/([0-9]{1,30})/release", ReleaseHandler),
    ("/api/v1/preview", PreviewHandler),
    ("/api/v1/replay", BulkReplayHandler),
    ("/api/v1/rejected", RejectedHandler),
    ("/api/v1/rejected/([0-9]{1,30})/replay", RejectedReplayHandler),
    ("/api/v1/purge", PurgeHandler),
    ("/api/v1/stats", StatsHandler),
    ("/api/v1/tail", TailHandler),
)

PATHS = [path for path, _ in ROUTES if "(" not in path]


def make_admin(parts: Parts, *, address: Address, hosts: Sequence[str], token: Secret | None) -> Application:
    """
    Build the admin side; the caller serves it.

    Args:
        address: Where its listener was told to stand.
        hosts: Further names by which it may be called.
        token: Asked of everybody; required off loopback.

    Raises:
        ValueError: A host name cannot be read, or there is no token where one is required.
    """
    shared: dict[str, Any] = {"parts": parts, "guard": Guard(address, hosts, token), "address": address}
    return Application(
        [(path, handler, shared) for path, handler in ROUTES],
        default_handler_class=UnknownHandler,
        default_handler_args=shared,
        log_function=_log_nothing,
    )


def _log_nothing(_: object) -> None:
    """Requests are not logged; refusals and failures are."""
