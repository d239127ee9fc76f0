"""
Replays many deliveries, in steps short enough to wait for.

A step reads and inserts by a hundred deliveries at a time, so that events that come in meanwhile wait for some
milliseconds at most. Whoever asks goes from step to step; all of them together are one *run*. It looks at nothing that
was inserted after it began, so that what it sends and what fails again is not sent by it once more.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from router.delivery.replay import ALERT, CannotReplay, check_destination, dealt_with
from router.delivery.replayer import NotNow, Replayer, Skipped
from router.delivery.unsent import would_say
from router.errors import StoreUnavailable
from router.events import Cause, Delivery, DeliveryState, Message
from router.store.kin import Kin
from router.store.records import ReplayFilter

log = logging.getLogger("router.replay")

BATCH = 100
"""Deliveries that one commit inserts."""
_BATCHES = 10
"""Commits of one step."""

EXAMPLES = 3
"""Messages that a rehearsal writes."""


@dataclass(frozen=True)
class Wish:
    """
    Which deliveries to replay, and how.

    Attributes:
        again: Also those that were replayed before, or delivered by their fallback.
        to: Another destination for all of them.
    """

    state: DeliveryState = DeliveryState.DEAD
    destination: str | None = None
    rule: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    again: bool = False
    to: str | None = None


@dataclass(frozen=True)
class Place:
    """How far a run has come: everything up to `after` was looked at; it ends at `began`, an id of its first moment."""

    after: int
    began: int


@dataclass(frozen=True)
class Example:
    """What the replay of a delivery would say, or a sentence for why that cannot be written."""

    origin_id: int
    delivery: Delivery
    message: Message | str


@dataclass
class Step:
    """
    What one step did, or would do.

    Attributes:
        replayed: Ids of the new deliveries; of a rehearsal, of those that would be replayed.
        counts: How many of them, by destination and rule.
        next: Where the next step begins; None at the end.
    """

    next: Place | None
    replayed: list[int] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: Counter[Skipped] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)

    def add(self, delivery_id: int, new: Delivery) -> None:
        self.replayed.append(delivery_id)
        self.counts[new.destination, new.rule] += 1

    def done_with(self, batch: _Batch) -> None:
        self.skipped += batch.skipped
        self.next = batch.following


@dataclass
class _Batch:
    """
    Attributes:
        planned: Each delivery that would be replayed, and the one that would replay it.
        following: Where the next batch begins.
    """

    planned: list[tuple[Delivery, Delivery]]
    skipped: Counter[Skipped]
    following: Place | None


class Bulk:
    """Replays many; what is common with replays of one is the replayer's."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self._store = replayer.store
        self._rulesets = replayer.rulesets
        self._lanes = replayer.lanes

    def check(self, wish: Wish) -> None:
        """
        Refuse what cannot be meant, before anything is looked at.

        Raises:
            CannotReplay: The destination that all of it would go to takes nothing.
        """
        if wish.to is not None:
            check_destination(wish.to, self._rulesets.current, is_other=True)
        elif wish.destination is not None:
            check_destination(wish.destination, self._rulesets.current)

    async def replay(self, wish: Wish, place: Place | None) -> Step:
        """
        Replay a part of what is wished for.

        Args:
            place: `next` of the step before; None to begin.

        Raises:
            NotNow, StoreUnavailable: Nothing was replayed by this step, as far as can be told. Where some was, that is
                told, and the next step begins with what could not be stored.
        """
        step = Step(place or await self._beginning())
        try:
            for _ in range(_BATCHES):
                if step.next is None:
                    break
                self._replayer.check_room()
                await self._insert(await self._plan(wish, step.next, {}), _again_from(wish, step.next), step)
        except (NotNow, StoreUnavailable):
            if not step.replayed:
                raise
        if step.replayed:
            log.info("delivery.replayed", extra={"state": wish.state.value, "count": len(step.replayed)})
        return step

    async def rehearse(self, wish: Wish, place: Place | None) -> Step:
        """Tell what `replay` would do now, with some of the messages; changes nothing."""
        step = Step(place or await self._beginning())
        imagined: dict[int, list[Kin]] = {}
        for _ in range(_BATCHES):
            if step.next is None:
                break
            batch = await self._plan(wish, step.next, imagined)
            for origin, new in batch.planned:
                step.add(origin.id, new)
                if len(step.examples) < EXAMPLES:
                    step.examples.append(Example(origin.id, new, await self._words(new)))
            step.done_with(batch)
        return step

    async def _beginning(self) -> Place:
        """Draw the line between all that is there and all that is made from now on."""
        ids = self._replayer.ids
        ids.go_beyond(await self._store.newest_delivery())
        return Place(0, ids.next())

    async def _plan(self, wish: Wish, place: Place, imagined: dict[int, list[Kin]]) -> _Batch:
        """
        Look at one batch, and make the deliveries that replay it.

        Args:
            imagined: By event its deliveries, and those that were made before and are not stored.
        """
        wanted = ReplayFilter(wish.state, place.began, wish.destination, wish.rule, wish.since, wish.until)
        listed = await self._store.replayable(wanted, place.after, BATCH)
        today = self._rulesets.current
        batch = _Batch([], Counter(), None if listed.next is None else Place(listed.next, place.began))
        for origin, kin in listed.found:
            family = imagined.setdefault(origin.event_id, [*kin])
            try:
                is_alert = origin.cause is Cause.ALERT
                word = ALERT if is_alert else dealt_with(origin.id, family, _again_from(wish, place))
                if word is not None:
                    batch.skipped[Skipped.because(word)] += 1
                    continue
                new = await self._replayer.make(origin, wish.to, today)
            except CannotReplay as refusal:
                batch.skipped[Skipped.of(refusal)] += 1
                continue
            family.append(_as_kin(new))
            batch.planned.append((origin, new))
        return batch

    async def _insert(self, batch: _Batch, again_from: int | None, step: Step) -> None:
        made = [new for _, new in batch.planned]

        def objection(new: Delivery, kin: Sequence[Kin]) -> str | None:
            return dealt_with(new.origin_id, kin, again_from)

        words = await self._store.insert_unless(made, objection) if made else ()
        for new, word in zip(made, words, strict=True):
            if word is None:
                step.add(new.id, new)
                self._lanes.offer(new)
            else:
                batch.skipped[Skipped.because(word)] += 1
        step.done_with(batch)

    async def _words(self, new: Delivery) -> Message | str:
        if new.message is not None and not new.message.is_empty:
            return new.message
        return await would_say(new, store=self._store, rulesets=self._rulesets, attempts=self._lanes.attempts)


def _again_from(wish: Wish, place: Place) -> int | None:
    return place.began if wish.again else None


def _as_kin(new: Delivery) -> Kin:
    return Kin(new.id, new.event_id, new.state.value, new.origin_id, 0, new.destination, new.rule, new.cause.value)
