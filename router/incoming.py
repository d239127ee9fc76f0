"""From a verified request to an event: which name it has, and what of the request is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from router.errors import RouterError
from router.events import Event
from router.intake import shown
from router.payload import parse_body
from router.sources import SourceKind, is_event_name, kept_headers, upstream_id


class BadEventName(RouterError):
    """The header that names the event is missing or names none; the sender gets 400."""

    def __init__(self, header: str, name: str) -> None:
        expected = "expected dotted words such as page.updated, of 200 characters at most"
        found = f"the header {header} is {shown(name)!r}" if name else f"the header {header} is missing"
        super().__init__(f"{found}; {expected}")


def make_event(
    source: str,
    kind: SourceKind,
    headers: Mapping[str, str],
    body: bytes,
    *,
    event_id: int,
    received_at: datetime,
    ruleset: str,
    facts: Mapping[str, Any],
) -> Event:
    """
    Make the event of a verified request.

    Args:
        headers: Looked up without regard to case, or spelled as the kind spells them.
        facts: Still empty: judging the event fills them.

    Raises:
        BadEventName, UnreadableBody: No reattempt can cure it.
    """
    name = (headers.get(kind.event_header) or "").strip(" \t")
    if not is_event_name(name):
        raise BadEventName(kind.event_header, name)
    event = Event(
        id=event_id,
        source=source,
        name=name,
        upstream_id=upstream_id(kind, headers),
        body=body,
        body_hash=hashlib.sha256(body).digest(),
        headers=kept_headers(kind, headers),
        received_at=received_at,
        ruleset=ruleset,
        facts=facts,
    )
    # Where the property keeps it: an unreadable body is refused, and the property takes a lock in Python 3.11.
    object.__setattr__(event, "payload", parse_body(body))
    return event
