"""Events that the router makes itself, shaped like those of Spaces for receivers that take events as they come."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

from router.events import Event
from router.sources import DEFAULT_KIND


def make_own_event(name: str, source: str, body: bytes, *, event_id: int, at: datetime, ruleset: str = "") -> Event:
    """
    Make an event that did not come from outside.

    Args:
        body: JSON.
        at: Now; aware, UTC.
        ruleset: Hash of the rule set under which its messages are written; empty where none is asked.
    """
    upstream_id = str(uuid.uuid4())
    return Event(
        id=event_id,
        source=source,
        name=name,
        upstream_id=upstream_id,
        body=body,
        body_hash=hashlib.sha256(body).digest(),
        headers={
            DEFAULT_KIND.event_header: name,
            DEFAULT_KIND.delivery_header: upstream_id,
            "Content-Type": "application/json",
        },
        received_at=at,
        ruleset=ruleset,
        is_own=True,
    )
