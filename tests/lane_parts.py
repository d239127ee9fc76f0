"""Lanes with what stands around them: a real store, ingress in front, and places that a test holds in its hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from router.clients import make_http_client
from router.config.load import load_text
from router.config.model import Configuration
from router.delivery.attempt import Attempts
from router.delivery.lanes import Lanes
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.errors import StoreUnavailable
from router.events import Attempt, Delivery, DeliveryState, Event
from router.ids import IdSource
from router.ingress import Ingress
from router.secret import Redactor
from router.store.records import Accepted, DeliveryFilter, ListedDelivery, Taught, Transition, Waiting
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.store.disks import FailingDisk


@dataclass(eq=False)
class Place:
    """
    What a memory destination sends to.

    Attributes:
        received: Numbers of the events that arrived, in their order.
        failures: Where not empty, the next attempt fails with the next of them.
        holds: Whether attempts hang until `let_go`.
    """

    received: list[int] = field(default_factory=list)
    failures: deque[Exception] = field(default_factory=deque)
    holds: bool = False
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, number: int) -> None:
        async with self._arrival:
            self.received.append(number)
            self._arrival.notify_all()
        if self.holds:
            await self._open.wait()
        if self.failures:
            raise self.failures.popleft()

    async def arrived(self, count: int) -> list[int]:
        """Wait for so many attempts."""
        async with self._arrival, asyncio.timeout(10):
            await self._arrival.wait_for(lambda: len(self.received) >= count)
        return self.received

    def let_go(self) -> None:
        self.holds = False
        self._open.set()


class Memory(Destination):
    """A destination that never leaves the process."""

    place: Any

    @property
    def target(self) -> str:
        return str(id(self.place))

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        await self.place.take(outgoing.event.payload["n"])
        return Receipt(200)


class Store(SqliteStore):
    """
    The real store, whose answers can be held back and whose reading can fail.

    Attributes:
        gates: By verb: the answer to its next call comes once the future is done; what it wrote is on disk before.
        failing: By verb: the error with which its next call fails.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gates: dict[str, asyncio.Future[None]] = {}
        self.failing: dict[str, Exception] = {}

    def hold(self, verb: str) -> asyncio.Future[None]:
        gate = self.gates[verb] = asyncio.get_running_loop().create_future()
        return gate

    def fail_once(self, verb: str, error: Exception | None = None) -> None:
        self.failing[verb] = error or StoreUnavailable("cannot read")

    async def _before(self, verb: str) -> None:
        if (error := self.failing.pop(verb, None)) is not None:
            raise error

    async def _after(self, verb: str) -> None:
        if (gate := self.gates.pop(verb, None)) is not None:
            await gate

    async def accept(self, event: Event, deliveries: Sequence[Delivery], taught: Taught | None = None) -> Accepted:
        accepted = await super().accept(event, deliveries, taught)
        await self._after("accept")
        return accepted

    async def record(self, transition: Transition) -> bool:
        await self._before("record")
        recorded = await super().record(transition)
        await self._after("record")
        return recorded

    async def due(self, *args: Any) -> Sequence[Waiting]:
        await self._before("due")
        return await super().due(*args)

    async def delivery(self, delivery_id: int) -> ListedDelivery | None:
        await self._before("delivery")
        return await super().delivery(delivery_id)

    async def attempts(self, delivery_id: int) -> Sequence[Attempt]:
        await self._before("attempts")
        return await super().attempts(delivery_id)


@dataclass(frozen=True)
class Settings:
    """Of one destination of a rule set."""

    place: Place
    more: Mapping[str, Any] = field(default_factory=dict)

    def destination(self) -> Destination:
        return Memory(place=self.place, **self.more)


class Rig:
    """
    Ingress, lanes and a store on one folder; a second one on the same folder is the next process.

    Args:
        destinations: By name; every event goes to each.
        store: A kind that a test watches.
    """

    def __init__(
        self,
        folder: Path,
        destinations: Mapping[str, Settings],
        *,
        clock: Clock | None = None,
        dry_run: bool = False,
        store: type[Store] = Store,
    ) -> None:
        self.clock = clock or Clock()
        self.disk = FailingDisk()
        self.store = store(folder / "router.db", self.clock, vfs=self.disk.name)
        self._http = make_http_client()
        self._versions: dict[str, Configuration] = {}
        self.configuration = self.version(destinations)
        self.ids = IdSource(self.clock)
        self.lanes = Lanes(
            ids=self.ids,
            store=self.store,
            attempts=Attempts(
                ruleset=self._ruleset,
                clients=Clients(self._http, self.clock.now),
                store=self.store,
                clock=self.clock,
                redactor=Redactor(),
            ),
            clock=self.clock,
            dry_run=dry_run,
        )
        self.ingress = Ingress(
            configuration=lambda: self.configuration,
            store=self.store,
            lanes=self.lanes,
            ids=self.ids,
            clock=self.clock,
        )

    async def __aenter__(self) -> Self:
        await self.store.open()
        await self.lanes.prepare(self.configuration)
        self.lanes.adopt(self.configuration)
        await self.lanes.quiet()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lanes.stop(0)
        await self._http.aclose()
        await self.store.close()

    def version(self, destinations: Mapping[str, Settings]) -> Configuration:
        """Make a rule set that sends everything to these destinations."""
        names = ", ".join(destinations)
        described = "".join(f"  {name}: {{type: log}}\n" for name in destinations)
        text = (
            f"sources:\n  spaces: {{unsigned: true}}\ndestinations:\n{described}rules:\n"
            f'  - {{name: everything, events: "*", to: [{names}], message: "{{{{ payload.n }}}}"}}\n'
        )
        loaded = load_text(text, "rules.yaml", {})
        served = {name: given.destination() for name, given in destinations.items()}
        made = replace(loaded, hash=f"version-{len(self._versions)}", destinations=served)
        self._versions[made.hash] = made
        return made

    async def _ruleset(self, ruleset_hash: str) -> Configuration | None:
        return self._versions.get(ruleset_hash) or self.configuration

    async def reload(self, destinations: Mapping[str, Settings]) -> None:
        """Let another rule set take over, in the order in which the reloader does it."""
        following = self.version(destinations)
        await self.lanes.prepare(following)
        self.configuration = following
        self.lanes.adopt(following)
        await self.lanes.bury_removed()

    async def accept(self, number: int) -> int:
        """Let event `number` come in; the status of the answer."""
        headers = {"Event": "page.updated", "Delivery": f"upstream-{number}"}
        source = self.configuration.sources["spaces"]
        answer = await self.ingress.accept(source, headers, b'{"n": %d}' % number)
        return answer.status

    async def states(self) -> list[DeliveryState]:
        """Of all deliveries, oldest first."""
        return [listed.delivery.state for listed in (await self.store.deliveries(DeliveryFilter(limit=500)))[::-1]]
