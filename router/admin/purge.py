"""`POST /api/v1/purge`: remove old events for good, before retention does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from router.admin.handler import AdminHandler
from router.admin.query import read_cursor, read_flag, read_moment, read_object, read_state, read_text, write_cursor
from router.admin.refusal import bad_request
from router.clock import rfc3339
from router.delivery.purge import SHORTEST_AGE, purge
from router.events import DeliveryState
from router.payload import JSON
from router.store.records import Expiry

_KEYS = ("before", "state", "destination", "dry_run", "cursor")
_LISTED = "purge"
_CLOCKS_APART = timedelta(minutes=5)
"""Who asks for all but the last day may have another clock than we; the last day stays all the same."""


class PurgeHandler(AdminHandler):
    """Removes a part, and says with which cursor to ask for the next one."""

    methods = ("POST",)

    async def post(self) -> None:
        self.query()
        given = read_object(bytes(self.body), _KEYS)
        before = _before(given, self.parts.clock.now())
        expiry = Expiry(before, before, _states(given), read_text(given, "destination"))
        cursor = read_text(given, "cursor")
        after = 0 if cursor is None else read_cursor(_LISTED, cursor)
        purged = await purge(self.parts.store, expiry, after, dry_run=read_flag(given, "dry_run"))
        self.answer(
            {
                "events": purged.events,
                "deliveries": purged.deliveries,
                "unhandled": purged.unhandled,
                "rejected": purged.rejected,
                "next": None if purged.next is None else write_cursor(_LISTED, purged.next),
            }
        )


def _before(given: Mapping[str, JSON], now: datetime) -> datetime:
    text = read_text(given, "before")
    if text is None:
        raise bad_request("before is missing; expected the time before which to remove, at least a day ago")
    before, latest = read_moment("before", text), now - SHORTEST_AGE
    if before > latest + _CLOCKS_APART:
        raise bad_request(
            f"before is {rfc3339(before)}, and it is {rfc3339(now)} now; expected a time at least a day ago, because"
            " repeats are recognised by the events of the last day"
        )
    return min(before, latest)


def _states(given: Mapping[str, JSON]) -> frozenset[DeliveryState]:
    value = given.get("state")
    names = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(name, str) for name in names):
        raise bad_request("state is neither a text nor a list of texts; expected the name of a state, or several")
    states = frozenset(read_state("state", name) for name in names)
    waiting = sorted(state for state in states if not state.is_final)
    if waiting:
        raise bad_request(
            f"state is {waiting[0].value!r}, which is not the end of anything; expected one of: delivered, dead,"
            " suppressed, merged"
        )
    return states
