"""
Alerts: whoever `defaults.alerts` names is told of trouble, once for each subject and ten minutes.

A subject is one destination with dead letters, one source with refused or missing requests, or the rule file. The first
trouble is told at once; what follows within ten minutes is told together when they are over. Alerts are deliveries like
others, of an event of the router's own; the death of one is only logged and counted, so nothing loops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from router.clock import Clock, Timer
from router.config.model import Configuration
from router.config.reload import ReloadState
from router.delivery.alert_texts import AlertKind, about_deaths, about_reload, about_signatures
from router.delivery.own_events import make_own_event
from router.delivery.silence import Silences
from router.errors import StoreUnavailable
from router.events import OWN_SOURCE, Cause, Delivery, DeliveryState, Event
from router.ids import IdSource
from router.payload import JSON, dump_json
from router.secret import Redactor
from router.store.base import Store
from router.store.records import DeliveryFilter, EventFilter, Untold

log = logging.getLogger("router.alerts")

GAP = timedelta(minutes=10)
"""Between two alerts about one subject."""

GATHER = 1.0
"""Seconds from the first trouble to its alert: what happens at the same moment is told together."""

BURST = 3
"""Wrong signatures of one source within `GAP` that are worth an alert: one event of Spaces is tried as often."""

_STORE_PAUSE = 10.0
_REMEMBERED = 100
_LOOKED_AT = 50


@dataclass(eq=False)
class _Subject:
    """
    What alerts are about, and when.

    Attributes:
        tell: Makes the alert; whether there was something to tell.
        told_at: When it was told of last.
        again: Something happened while it was being told.
        count, first_at: Of what is counted in memory: wrong signatures that are not told yet.
    """

    tell: Callable[[], Awaitable[bool]]
    told_at: datetime | None = None
    timer: Timer | None = None
    is_telling: bool = False
    again: bool = False
    count: int = 0
    first_at: datetime | None = field(default=None)


class Alerts:
    """
    Decides when people are told of trouble, and stores what they are told.

    Args:
        configuration: Gives the current rule set.
        hand_over: Takes an event and its deliveries that were just stored.
        arrivals: Gives the time of the latest event of each source since the start.
        reload_state: Tells how the latest load of the rule file went.
    """

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        store: Store,
        hand_over: Callable[[Event, Sequence[Delivery]], None],
        arrivals: Callable[[], Mapping[str, datetime]],
        reload_state: Callable[[], ReloadState],
        ids: IdSource,
        clock: Clock,
        redactor: Redactor,
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._hand_over = hand_over
        self._reload_state = reload_state
        self._ids = ids
        self._clock = clock
        self._redactor = redactor
        self._subjects: dict[tuple[AlertKind, str], _Subject] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._had_target = False
        self._silences = Silences(
            configuration=configuration,
            arrivals=arrivals,
            store=store,
            clock=clock,
            tell=self._raise,
            spawn=self._spawn,
        )

    def start(self) -> None:
        """Look for trouble that was not told of before the start, and begin to watch for silence."""
        self._had_target = self._target() is not None
        self._spawn(self._begin())

    async def stop(self) -> None:
        """Tell nothing more; what is untold on disk is told after the next start. Safe to call twice."""
        self._stopped = True
        self._silences.stop()
        for subject in self._subjects.values():
            if subject.timer is not None:
                subject.timer.cancel()
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until every alert that is due is stored."""
        while self._chores:
            await asyncio.gather(*self._chores, return_exceptions=True)

    async def _begin(self) -> None:
        if self._target() is None:
            await self._store.forget_untold()  # nobody wanted to know
        for event in await self._store.events(EventFilter(source=OWN_SOURCE, limit=_REMEMBERED)):
            self._remember(event)
        for untold in await self._store.untold():
            subject = self._subject(AlertKind.DEAD, untold.destination)
            subject.told_at = untold.last_alert_at
            self._soon(subject)
        await self._silences.begin()

    def _remember(self, event: Event) -> None:
        """Take note of when an earlier process told of what; events come newest first."""
        told = event.payload.get("alert") if event.is_own and isinstance(event.payload, dict) else None
        if isinstance(told, dict) and told.get("kind") == AlertKind.SILENCE:
            self._silences.remember(str(told.get("source")), event.received_at)
        elif isinstance(told, dict) and told.get("kind") in (AlertKind.SIGNATURE, AlertKind.RELOAD):
            subject = self._subject(AlertKind(told["kind"]), str(told.get("source") or ""))
            subject.told_at = subject.told_at or event.received_at

    # Trouble

    def died(self, destination: str) -> None:
        """Take note of dead letters that are on disk now."""
        if self._target() is not None:
            self._soon(self._subject(AlertKind.DEAD, destination))

    def refused(self, source: str) -> None:
        """Take note of a request with a wrong signature."""
        if self._target() is None:
            return
        subject, now = self._subject(AlertKind.SIGNATURE, source), self._clock.now()
        is_told_of = subject.is_telling or subject.timer is not None
        if subject.first_at is None or (not is_told_of and now - subject.first_at > GAP):
            subject.count, subject.first_at = 0, now
        subject.count += 1
        if subject.count >= BURST:
            self._soon(subject)

    def reloaded(self, state: ReloadState) -> None:
        """Take note of how the rule file was loaded: by the new rule set others may be told, or not at all."""
        if state.failed_at is not None:
            if self._target() is not None:
                self._soon(self._subject(AlertKind.RELOAD, ""))
            return
        has_target = self._target() is not None
        if has_target and not self._had_target:
            self._spawn(self._store.forget_untold())
        self._had_target = has_target
        self._spawn(self._silences.begin())

    # Telling

    def _subject(self, kind: AlertKind, name: str) -> _Subject:
        subject = self._subjects.get((kind, name))
        if subject is None:
            tell: Mapping[AlertKind, Callable[[], Awaitable[bool]]] = {
                AlertKind.DEAD: partial(self._tell_deaths, name),
                AlertKind.SIGNATURE: partial(self._tell_signatures, name),
                AlertKind.RELOAD: self._tell_reload,
            }
            subject = self._subjects[kind, name] = _Subject(tell[kind])
        return subject

    def _soon(self, subject: _Subject) -> None:
        """Tell of it as soon as may be."""
        subject.again = subject.is_telling
        if subject.timer is None and not subject.is_telling and not self._stopped:
            rest = (subject.told_at + GAP - self._clock.now()).total_seconds() if subject.told_at else 0.0
            subject.timer = self._clock.call_later(max(GATHER, rest), partial(self._due, subject))

    def _due(self, subject: _Subject) -> None:
        subject.timer = None
        subject.is_telling = True
        self._spawn(self._tell(subject))

    async def _tell(self, subject: _Subject) -> None:
        told_at = self._clock.now()
        try:
            if await subject.tell():
                subject.told_at = told_at
        except StoreUnavailable:
            if not self._stopped:
                subject.timer = self._clock.call_later(_STORE_PAUSE, partial(self._due, subject))
        finally:
            subject.is_telling = False
        if subject.again:
            self._soon(subject)

    async def _tell_deaths(self, destination: str) -> bool:
        untold = next((one for one in await self._store.untold() if one.destination == destination), None)
        if untold is None:
            return False
        if untold.last_alert_at is not None and untold.last_alert_at + GAP > self._clock.now():
            subject = self._subject(AlertKind.DEAD, destination)
            subject.told_at, subject.again = untold.last_alert_at, True  # by an earlier process, or in a lost commit
            return False
        dead = await self._store.deliveries(
            DeliveryFilter(state=DeliveryState.DEAD, destination=destination, limit=_LOOKED_AT)
        )
        latest = [one for one in dead if _is_told(one.delivery, untold)]
        waiting = (await self._store.stats()).destinations.get(destination)
        settings = self._configuration().destinations.get(destination)
        fallback = settings.fallback if settings is not None else None
        told = about_deaths(untold, latest, waiting=waiting.pending if waiting else 0, fallback=fallback)
        return await self._raise(told, untold)

    async def _tell_signatures(self, source: str) -> bool:
        subject = self._subject(AlertKind.SIGNATURE, source)
        if subject.count < BURST or subject.first_at is None:
            return False
        count = subject.count
        if not await self._raise(about_signatures(source, count, subject.first_at)):
            return False
        subject.count -= count
        subject.first_at = self._clock.now()
        return True

    async def _tell_reload(self) -> bool:
        state = self._reload_state()
        if state.failed_at is None:  # it was mended meanwhile
            return False
        problems = [str(problem) for problem in state.problems if problem.severity == "error"]
        return await self._raise(about_reload(problems, state.loaded_at))

    async def _raise(self, model: Mapping[str, JSON], told: Untold | None = None) -> bool:
        """Store an alert and hand it to its lane; False where nobody is to be told."""
        target = self._target()
        if target is None:
            log.error("alert.unsent", extra={"alert": model["title"], "hint": "defaults.alerts names nobody to tell"})
            return False
        now, ruleset = self._clock.now(), self._configuration().hash
        body = dump_json({"alert": self._redactor.redact_values(model)})
        event = make_own_event(
            f"alert.{model['kind']}", OWN_SOURCE, body, event_id=self._ids.next(), at=now, ruleset=ruleset
        )
        delivery = Delivery(
            id=self._ids.next(),
            event_id=event.id,
            rule="",
            destination=target,
            ruleset=ruleset,
            state=DeliveryState.PENDING,
            due_at=now,
            created_at=now,
            updated_at=now,
            cause=Cause.ALERT,
        )
        await self._store.alert(event, delivery, told)
        log.warning(
            "alert.raised", extra={"alert": model["title"], "destination": target, "delivery_id": str(delivery.id)}
        )
        self._hand_over(event, [delivery])
        return True

    def _target(self) -> str | None:
        """Who is told; None where nobody is named, or where what is named takes nothing."""
        configuration = self._configuration()
        destination = configuration.destinations.get(configuration.alerts or "")
        return configuration.alerts if destination is not None and destination.enabled else None

    def _spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        if self._stopped:
            chore.close()
            return
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, StoreUnavailable):  # of that the store tells itself, and deaths are told later
            log.error("alert.bug", exc_info=error)


def _is_told(dead: Delivery, untold: Untold) -> bool:
    """Whether a dead letter is one of those that are to be told."""
    return dead.cause is not Cause.ALERT and (untold.since is None or dead.updated_at >= untold.since)
