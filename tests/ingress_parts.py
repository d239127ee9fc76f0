"""The parts around ingress, put together for its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from router.clock import Clock as ClockProtocol
from router.config.load import load_text
from router.config.model import Configuration
from router.events import Delivery, DeliveryState, Event
from router.ids import IdSource
from router.ingress import Ingress
from router.intake import Limits
from router.signature import sign
from router.store.base import Store
from tests.fakes import Clock
from tests.fakes_store import MemoryStore

TOKEN = "a token of the sender"
OLD_TOKEN = "the token before it was changed"
PAGE = b'{"page":{"id":5148,"title":"Release checklist"}}'

RULES = f"""
sources:
  spaces:
    token: ["{TOKEN}", "{OLD_TOKEN}"]
  open:
    unsigned: true
  projects:
    kind: teamwork-projects
    token: "{TOKEN}"

destinations:
  docs: {{type: log}}
  audit: {{type: log}}
  closed: {{type: log, enabled: false}}

rules:
  - name: pages
    events: page.*
    to: docs
  - name: moves
    events: page.updated.moved
    to: [audit, closed]
  - name: release
    events: comment.created
    when: {{comment.content: release}}
    to: audit
"""


@dataclass
class Slots:
    """Lanes with a number of free slots each; they write down what they are given."""

    free: dict[str, int] = field(default_factory=dict)
    dry_run: bool = False
    handed_over: list[tuple[Event, tuple[Delivery, ...]]] = field(default_factory=list)
    announced: set[int] = field(default_factory=set)
    trouble: Exception | None = None

    def reserve(self, destination: str, delivery_id: int) -> int | None:
        if self.dry_run or self.free.get(destination, 0) <= 0:
            self.announced.add(delivery_id)
            return None
        self.free[destination] -= 1
        return 7

    def release(self, delivery: Delivery) -> None:
        if delivery.state is DeliveryState.SENDING:
            self.free[delivery.destination] += 1
        self.announced.discard(delivery.id)

    def hand_over(self, event: Event, deliveries: Sequence[Delivery]) -> None:
        self.handed_over.append((event, tuple(deliveries)))
        self.announced -= {delivery.id for delivery in deliveries}
        if self.trouble is not None:
            raise self.trouble


def configuration(text: str = RULES) -> Configuration:
    return load_text(text, "rules.yaml", {})


@dataclass
class Parts:
    """An ingress and what stands around it; `rules` may be exchanged at any time."""

    store: MemoryStore
    lanes: Slots
    clock: ClockProtocol
    rules: Configuration
    ingress: Ingress


def parts(
    *,
    clock: ClockProtocol | None = None,
    limits: Limits | None = None,
    free_bytes: Callable[[], int] | None = None,
    dry_run: bool = False,
) -> Parts:
    clock = clock or Clock()
    store, lanes = MemoryStore(), Slots(dry_run=dry_run)
    built: Parts

    def current() -> Configuration:
        return built.rules

    ingress = Ingress(
        configuration=current,
        store=cast("Store", store),
        lanes=lanes,
        ids=IdSource(clock),
        clock=clock,
        limits=limits,
        free_bytes=free_bytes,
    )
    built = Parts(store, lanes, clock, configuration(), ingress)
    return built


def signed(
    body: bytes = PAGE, event: str | None = "page.created", delivery: str | None = "d-1", token: str = TOKEN
) -> dict[str, str]:
    """The headers of a delivery as Spaces sends them."""
    headers: Mapping[str, str | None] = {"Event": event, "Delivery": delivery, "Signature": sign(token, body)}
    return {name: value for name, value in headers.items() if value is not None}
