"""What the admin side may ask and do; `app.py` puts it together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from router.admin.tails import Tails
from router.admin.turns import Turns
from router.clock import Clock
from router.config.reload import Reloader, RuleSets
from router.delivery.lanes import Lanes
from router.delivery.replayer import Replayer
from router.intake import Counts
from router.messages.directory import Directory
from router.secret import Redactor
from router.spaces.names import ApiNames
from router.store.base import Store

MOST_WAITING = 2
"""Rule texts that wait until another one is compiled and judged by, each of which may take some seconds."""


@dataclass(frozen=True)
class Parts:
    """
    Attributes:
        stage: Where the process stands: `starting`, `serving` or `stopping`.
        trouble: Why no event can be stored now, as a code and a sentence; None while events are taken.
        counts: What became of requests.
        arrivals: When the latest event of each source came, since the start.
        queue_limit: Deliveries that are not final, beyond which no event is taken.
        tails: Who follows events and deliveries as they happen.
        free_bytes: Tells the free bytes on the disk of the store, or raises OSError.
        compiling: Turns of those who compile a rule text that came with a request: one at a time.
    """

    store: Store
    rulesets: RuleSets
    reloader: Reloader
    lanes: Lanes
    replayer: Replayer
    directory: Directory
    names: ApiNames
    clock: Clock
    redactor: Redactor
    stage: Callable[[], str]
    trouble: Callable[[], tuple[str, str] | None]
    counts: Counts
    arrivals: Mapping[str, datetime]
    queue_limit: int
    tails: Tails
    free_bytes: Callable[[], int]
    compiling: Turns = field(default_factory=partial(Turns, MOST_WAITING))
