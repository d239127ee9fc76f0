"""`GET /metrics`: how the router does, for Prometheus, and for whoever reads along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from router.admin.families import Reading, families
from router.admin.handler import AdminHandler
from router.admin.parts import Parts
from router.errors import StoreUnavailable
from router.store.records import Moments, Stats


class MetricsHandler(AdminHandler):
    """
    Everything at once, as text.

    Also while the store cannot be read: then what is read from it is left out, and the rest says what is wrong.
    """

    async def get(self) -> None:
        self.query()
        registry = CollectorRegistry()
        registry.register(_Families(list(families(await read(self.parts)))))
        ProcessCollector(registry=registry)
        # The plain format, which everything understands: what the newer one adds is not used here.
        self.set_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        # Hundreds of destinations take tens of milliseconds to write down: not on the loop.
        self.finish(await asyncio.to_thread(generate_latest, registry))


class _Families(Collector):
    """What was read before: the library asks for its numbers without waiting, and the store makes one wait."""

    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


async def read(parts: Parts) -> Reading:
    """Look at all parts of the router."""
    configuration = parts.rulesets.current
    stats, moments = await _stored(parts, [name for name in configuration.sources if name not in parts.arrivals])
    enabled = {name for name, destination in configuration.destinations.items() if destination.enabled}
    waiting = {name for name, found in stats.destinations.items() if found.pending} if stats else set()
    return Reading(
        now=parts.clock.now(),
        sources=sorted(configuration.sources),
        destinations=sorted(enabled | waiting),
        taking_events=parts.stage() == "serving" and parts.trouble() is None,
        counts=parts.counts,
        last_event_at={**(moments.last_event_at if moments else {}), **parts.arrivals},
        durations=parts.lanes.attempts.durations,
        figures=parts.store.figures,
        store_available=parts.store.available,
        waiting=parts.store.waiting,
        queue_limit=parts.queue_limit,
        stats=stats,
        moments=moments,
        apis=parts.names.figures(),
        known=parts.directory.counts(),
        free_bytes=_free_bytes(parts),
        reload=parts.reloader.state,
        ruleset=configuration.hash,
        warnings=len(configuration.warnings),
    )


async def _stored(parts: Parts, sources: Sequence[str]) -> tuple[Stats | None, Moments | None]:
    try:
        return await parts.store.stats(), await parts.store.moments(sources)
    except StoreUnavailable:
        return None, None


def _free_bytes(parts: Parts) -> int | None:
    try:
        return parts.free_bytes()
    except OSError:
        return None
