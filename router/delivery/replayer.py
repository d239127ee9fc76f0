"""
Replays one thing at a time: a delivery, an event, or a request that was answered 400. `bulk.py` replays many.

Whatever is made is one commit, and is told to its lanes once it is on disk. Should a reload take a destination away in
between, what was inserted for it becomes a dead letter like everything that waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from router.clock import Clock
from router.config.model import Configuration, Source
from router.config.reload import RuleSets
from router.delivery.judging import judge, judge_arrived
from router.delivery.lanes import Lanes
from router.delivery.naming import remember, taught_by
from router.delivery.replay import (
    WHY_SKIPPED,
    CannotReplay,
    check_destination,
    from_route,
    nothing_objects,
    refusal_by,
    replay,
    under_way,
)
from router.errors import RouterError, UnreadableBody
from router.events import Cause, Delivery, Event, Rejection
from router.ids import IdSource
from router.incoming import BadEventName, make_event
from router.messages.directory import Directory
from router.rules.ruleset import Judgement, Route
from router.store.base import Store
from router.store.records import EVENT_GONE, DeliveryFilter

log = logging.getLogger("router.replay")

_MOST_DELIVERIES = 500
"""Of one event; of more, the latest are looked at."""


class NotNow(RouterError):
    """
    Nothing more may be stored at this moment.

    Args:
        code: For programs, such as `queue_full`.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Skipped:
    """Why something was not replayed: a word for programs and a sentence for people."""

    reason: str
    sentence: str

    @classmethod
    def because(cls, word: str) -> Skipped:
        return cls(word, WHY_SKIPPED[word])

    @classmethod
    def of(cls, refusal: CannotReplay) -> Skipped:
        return cls(refusal.code, str(refusal))


@dataclass(frozen=True)
class Replayed:
    """
    What became of an event that was judged once more.

    Attributes:
        message: Where nothing was sent though nothing was wrong: why.
    """

    event_id: int
    deliveries: Sequence[Delivery] = ()
    skipped: Sequence[Skipped] = ()
    message: str | None = None


class Replayer:
    """
    Args:
        trouble: Why nothing can be stored now, as a code and a sentence; None while things can.
        directory: What is known of people, spaces and pages.
    """

    def __init__(
        self,
        *,
        store: Store,
        rulesets: RuleSets,
        lanes: Lanes,
        ids: IdSource,
        clock: Clock,
        trouble: Callable[[], tuple[str, str] | None],
        directory: Directory | None = None,
    ) -> None:
        self.store = store
        self.rulesets = rulesets
        self.lanes = lanes
        self.ids = ids
        self.clock = clock
        self.directory = directory if directory is not None else Directory()
        self._trouble = trouble

    async def delivery(self, delivery_id: int, to: str | None) -> Delivery | None:
        """
        Replay a delivery, whether it was replayed before or not; None where there is none.

        Raises:
            CannotReplay: It is under way, or its destination or its rule set is gone.
            NotNow, StoreUnavailable: Nothing was stored, as far as can be told.
        """
        self.check_room()
        listed = await self.store.delivery(delivery_id)
        if listed is None:
            return None
        new = await self.make(listed.delivery, to, self.rulesets.current)
        (objection,) = await self.store.insert_unless([new], nothing_objects)
        if objection is not None:  # it has been forgotten since it was read
            return None
        self.lanes.offer(new)
        self._log([new], {"origin_id": str(delivery_id)})
        return new

    async def event(self, event_id: int) -> Replayed | None:
        """
        Judge an event by today's rules and send what they say; None where there is no such event.

        Where it went from the same rule to the same destination before, this replays the latest of these deliveries, so
        that nobody who has a mail gets it twice; where one of them is under way, it is left to arrive.

        Raises:
            CannotReplay: Rules match, but all of what they say speaks against being sent now.
            NotNow, StoreUnavailable: As with `delivery`.
        """
        self.check_room()
        event = await self.store.event(event_id)
        if event is None:
            return None
        if event.is_own:
            raise CannotReplay(
                "own_event", f"event {event_id} is an alert of the router, which no rule judges; replay its delivery"
            )
        today = self.rulesets.current
        judgement = judge(event, today, self.directory)
        before = await self.store.deliveries(DeliveryFilter(event_id=event_id, limit=_MOST_DELIVERIES))
        planned: list[Delivery] = []
        refusals: list[Skipped] = []
        for route in judgement.routes:
            earlier = (listed.delivery for listed in before if _went(listed.delivery, route))
            try:
                planned.append(await self._by_route(event, route, next(earlier, None), today))
            except CannotReplay as refusal:
                refusals.append(Skipped.of(refusal))
        objections = await self.store.insert_unless(planned, under_way)
        if EVENT_GONE in objections:
            return None
        made = [new for new, objection in zip(planned, objections, strict=True) if objection is None]
        refusals += [Skipped.because(objection) for objection in objections if objection is not None]
        if refusals and not made:
            raise CannotReplay(refusals[0].reason, refusals[0].sentence)
        self.lanes.hand_over(event, made)
        self._log(made, {"event_id": str(event_id)})
        return Replayed(event_id, made, refusals, None if judgement.routes else _goes_nowhere(event, judgement))

    async def _by_route(self, event: Event, route: Route, earlier: Delivery | None, today: Configuration) -> Delivery:
        check_destination(route.destination, today)
        if earlier is None:
            new = from_route(event, route, today, self.ids.next(), self.clock.now())
            return replace(new, cause=Cause.REPLAY)
        whole = await self.store.delivery(earlier.id)  # lists leave out who has a mail already
        return await self.make(whole.delivery if whole else earlier, None, today)

    async def rejected(self, rejected_id: int, name: str | None) -> Replayed | None:
        """
        Take a request that was answered 400 as if it came now; None where there is none.

        Its signature was verified when it came. Once it is an event, it is not kept among the rejected any more.

        Args:
            name: Of the event, in the place of what its header says.

        Raises:
            CannotReplay: It still cannot be read or named, or its source is gone.
            NotNow, StoreUnavailable: As with `delivery`.
        """
        self.check_room()
        rejection = await self.store.rejection(rejected_id)
        if rejection is None:
            return None
        today = self.rulesets.current
        source = today.sources.get(rejection.source)
        if source is None:
            raise CannotReplay(
                "unknown_source",
                f"source {rejection.source!r} is gone from the rule file; give it back, then replay again",
            )
        facts: dict[str, Any] = {}
        event = self._reread(rejection, source, name, today.hash, facts)
        judgement, found = judge_arrived(event, source, today, self.directory)
        facts.update(found)
        now = self.clock.now()
        made = [from_route(event, route, today, self.ids.next(), now) for route in judgement.routes]
        taught = taught_by(event, source)
        accepted = await self.store.accept_rejected(rejected_id, event, made, taught)
        if accepted is None:
            return None
        remember(self.directory, taught, accepted, facts)
        if accepted.repeat:
            return Replayed(accepted.event_id, message=f"the same is stored already, as event {accepted.event_id}")
        event = replace(event, repeated_body=accepted.repeated_body)
        self.lanes.hand_over(event, made)
        going = [new for new in made if not new.state.is_final]
        self._log(going, {"event_id": str(event.id), "rejected_id": str(rejected_id)})
        refusals = [refusal_by(route.destination, today) for route in judgement.routes]
        dead = [Skipped.of(refusal) for refusal in refusals if refusal is not None]
        return Replayed(event.id, going, dead, None if made else _goes_nowhere(event, judgement))

    def _reread(
        self, rejection: Rejection, source: Source, name: str | None, ruleset: str, facts: dict[str, Any]
    ) -> Event:
        headers = dict(rejection.headers) | ({} if name is None else {source.kind.event_header: name})
        try:
            return make_event(
                source.name,
                source.kind,
                headers,
                rejection.body,
                event_id=self.ids.next(),
                received_at=self.clock.now(),  # lists go by it and by the id, which have to agree
                ruleset=ruleset,
                facts=facts,
            )
        except BadEventName as error:
            which = "say with 'event' which one it is (on the command line: --event-name page.updated)"
            raise CannotReplay("bad_event_name", f"{error}; {which}") from None
        except UnreadableBody as error:
            raise CannotReplay("unreadable_body", str(error)) from None

    # Shared with replays of many

    def check_room(self) -> None:
        """
        See that more may be stored.

        Raises:
            NotNow: As many deliveries wait as may, the disk is full, or the router is stopping.
        """
        trouble = self._trouble()
        if trouble is not None:
            raise NotNow(*trouble)

    async def make(self, origin: Delivery, to: str | None, today: Configuration) -> Delivery:
        """
        Make the replay of a delivery.

        Raises:
            CannotReplay: It is under way, or its destination or its rule set is gone.
            StoreUnavailable: The rule set could not be looked up.
        """
        new = replay(origin, to, today, self.ids.next(), self.clock.now())
        if new.ruleset != today.hash and await self.rulesets.get(new.ruleset) is None:
            raise CannotReplay(
                "ruleset_gone",
                f"the rule {new.rule!r} is not in the rule file, and the rule set that judged the event is not kept "
                "any more; give the file a rule of that name, then replay again",
            )
        return new

    def _log(self, made: Sequence[Delivery], asked: dict[str, str]) -> None:
        log.info("delivery.replayed", extra=asked | {"count": len(made)})


def _went(delivery: Delivery, route: Route) -> bool:
    return (delivery.rule, delivery.destination) == (route.rule, route.destination)


def _goes_nowhere(event: Event, judgement: Judgement) -> str:
    if not judgement.matched:
        return f"no rule of today matches this {event.name}, so there was nothing to send"
    names = ", ".join(map(repr, judgement.matched))
    return f"matched by {names}, but no look-up table there has an entry for it, so there was nothing to send"
