"""What did not arrive: replaying it, one or many, taking what was rejected after all, and releasing what waits."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from router.admin.handler import RETRY_AFTER_SECONDS, AdminHandler
from router.admin.query import (
    path_id,
    read_cursors,
    read_flag,
    read_moment,
    read_object,
    read_state,
    read_text,
    write_cursor,
)
from router.admin.refusal import Refused, bad_request, not_found, unknown
from router.admin.serialise import Mask
from router.delivery.bulk import Bulk, Example, Place, Step, Wish
from router.delivery.replay import CannotReplay
from router.delivery.replayer import NotNow, Replayed, Skipped
from router.events import Delivery, DeliveryState, Message
from router.payload import JSON
from router.secret import Redactor
from router.sources import is_event_name

log = logging.getLogger("router.replay")

_BULK_KEYS = ("state", "destination", "rule", "since", "until", "dry_run", "again", "to", "cursor")
_LISTED = "replay"
_CONFLICTS = frozenset({"not_final"})


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what speaks against a replay into an answer."""
    try:
        yield
    except CannotReplay as refusal:
        raise Refused(409 if refusal.code in _CONFLICTS else 422, refusal.code, str(refusal)) from None
    except NotNow as trouble:
        raise Refused(503, trouble.code, str(trouble), {"Retry-After": str(RETRY_AFTER_SECONDS)}) from None


class ReplayHandler(AdminHandler):
    """`POST /api/v1/deliveries/{id}/replay`: send it once more, as a new delivery."""

    methods = ("POST",)

    async def post(self, delivery_id: str) -> None:
        self.query()
        to = read_text(read_object(bytes(self.body), ["to"]), "to")
        with _refusals():
            new = await self.parts.replayer.delivery(path_id(delivery_id, "delivery"), to)
        if new is None:
            raise unknown("delivery", delivery_id)
        self.answer({"replayed": [str(new.id)]})


class EventReplayHandler(AdminHandler):
    """`POST /api/v1/events/{id}/replay`: judge it by today's rules, and send what they say."""

    methods = ("POST",)

    async def post(self, event_id: str) -> None:
        self.query()
        read_object(bytes(self.body))
        with _refusals():
            replayed = await self.parts.replayer.event(path_id(event_id, "event"))
        if replayed is None:
            raise unknown("event", event_id)
        self.answer(_judged(replayed))


class RejectedReplayHandler(AdminHandler):
    """`POST /api/v1/rejected/{id}/replay`: take a request that was answered 400 as if it came now."""

    methods = ("POST",)

    async def post(self, rejected_id: str) -> None:
        self.query()
        name = read_text(read_object(bytes(self.body), ["event"]), "event")
        if name is not None and not is_event_name(name):
            raise bad_request("event names none; expected dotted words such as page.updated, of 200 characters at most")
        with _refusals():
            replayed = await self.parts.replayer.rejected(path_id(rejected_id, "rejected request"), name)
        if replayed is None:
            raise not_found(
                f"there is no rejected request {rejected_id}; it never was, was removed after its retention, or was"
                " replayed and is an event now"
            )
        self.answer({"event": str(replayed.event_id), **_judged(replayed)})


class BulkReplayHandler(AdminHandler):
    """`POST /api/v1/replay`: replays a part of what is wished for, and says with which cursor to ask for the next."""

    methods = ("POST",)

    async def post(self) -> None:
        self.query()
        given = read_object(bytes(self.body), _BULK_KEYS)
        wish, place, dry_run = _wish(given), _place(given), read_flag(given, "dry_run")
        bulk = Bulk(self.parts.replayer)
        with _refusals():
            bulk.check(wish)
            step = await (bulk.rehearse if dry_run else bulk.replay)(wish, place)
        self.answer(_step(step, self.parts.redactor, dry_run=dry_run))


class ReleaseHandler(AdminHandler):
    """`POST /api/v1/deliveries/{id}/release`: what is held, or waits for its next attempt, is due now."""

    methods = ("POST",)

    async def post(self, delivery_id: str) -> None:
        self.query()
        read_object(bytes(self.body))
        number = path_id(delivery_id, "delivery")
        released = None
        while released is None:
            released = await self.parts.store.release(number, self.parts.clock.now())
            if released is None:
                await self._explain(number)
        self.parts.lanes.made_due(released)
        log.info("delivery.released", extra={"delivery_id": delivery_id, "destination": released.destination})
        self.answer({"released": [str(released.id)]})

    async def _explain(self, number: int) -> None:
        """Say why a delivery was not released; nothing where it waits by now, its attempt having failed just then."""
        listed = await self.parts.store.delivery(number)
        if listed is None:
            raise unknown("delivery", str(number))
        if listed.delivery.state not in (DeliveryState.HELD, DeliveryState.RETRYING):
            raise Refused(409, "not_waiting", _why_not_released(listed.delivery))


def _why_not_released(delivery: Delivery) -> str:
    match delivery.state:
        case DeliveryState.PENDING:
            why = "it is due already and goes out as soon as its lane has a free slot"
        case DeliveryState.SENDING:
            why = "it is being sent at this moment"
        case _:
            why = "it has come to its end; to send it once more, replay it"
    return f"delivery {delivery.id} is {delivery.state}: {why}. Only what is held or retrying can be released"


# Reading


def _wish(given: Mapping[str, JSON]) -> Wish:
    state = read_state("state", read_text(given, "state") or DeliveryState.DEAD.value)
    if not state.is_final:
        raise bad_request(
            f"state is {state.value!r}, which is not the end of anything; expected one of: delivered, dead, suppressed,"
            " merged"
        )
    since, until = _moment(given, "since"), _moment(given, "until")
    if since is not None and until is not None and until <= since:
        raise bad_request("until is not after since; nothing can be between them")
    return Wish(
        state=state,
        destination=read_text(given, "destination"),
        rule=read_text(given, "rule"),
        since=since,
        until=until,
        again=read_flag(given, "again"),
        to=read_text(given, "to"),
    )


def _moment(given: Mapping[str, JSON], name: str) -> datetime | None:
    text = read_text(given, name)
    return None if text is None else read_moment(name, text)


def _place(given: Mapping[str, JSON]) -> Place | None:
    cursor = read_text(given, "cursor")
    return None if cursor is None else Place(*read_cursors(_LISTED, cursor, 2))


# Answering


def _judged(replayed: Replayed) -> dict[str, JSON]:
    return {
        "replayed": [str(new.id) for new in replayed.deliveries],
        "skipped": [_skipped(skipped, 1) for skipped in replayed.skipped],
        "message": replayed.message,
    }


def _step(step: Step, redactor: Redactor, *, dry_run: bool) -> dict[str, JSON]:
    return {
        "dry_run": dry_run,
        "replayed": [str(number) for number in step.replayed],
        "counts": [
            {"destination": destination, "rule": rule or None, "count": count}
            for (destination, rule), count in step.counts.most_common()
        ],
        "skipped": [_skipped(skipped, count) for skipped, count in step.skipped.most_common()],
        "examples": [_example(example, redactor) for example in step.examples],
        "next": None if step.next is None else write_cursor(_LISTED, step.next.after, step.next.began),
    }


def _skipped(skipped: Skipped, count: int) -> dict[str, JSON]:
    return {"reason": skipped.reason, "message": skipped.sentence, "count": count}


def _example(example: Example, redactor: Redactor) -> dict[str, JSON]:
    message = example.message
    written = isinstance(message, Message)
    return {
        "id": str(example.origin_id),
        "destination": example.delivery.destination,
        "rule": example.delivery.rule or None,
        "message": Mask(redactor).value(message.as_json()) if isinstance(message, Message) else None,
        "message_error": None if written else redactor.redact(str(message)),
    }
