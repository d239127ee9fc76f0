"""The router's own log, for trying rules out."""

from __future__ import annotations

import logging

from router.destinations.answers import visible
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.payload import dump_json

_LOG = logging.getLogger("router.messages")


class Log(Destination, type="log"):
    """Writes each message to the log and always succeeds; there is nothing to set."""

    @property
    def target(self) -> str:
        return "log"

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:  # noqa: ARG002 - needs none
        facts = {
            "delivery": outgoing.delivery_id,
            "event": outgoing.event.name,
            "source": outgoing.event.source,
            "subject": visible(outgoing.message.subject) or None,
            "text": visible(_text(outgoing)),
        }
        _LOG.info("message.written", extra=facts)
        return Receipt(detail="written to the log")


def _text(outgoing: Outgoing) -> str:
    if outgoing.message.forward:
        return outgoing.event.body.decode("utf-8", "replace")
    if outgoing.message.has_body:
        return dump_json(outgoing.message.body).decode()
    return outgoing.message.text
