"""A message to one destination outside all lanes: sent once, at once, and recorded nowhere."""

from __future__ import annotations

from datetime import datetime

from router.config.model import Configuration
from router.config.style import style_of
from router.delivery.attempt import make_outgoing, namespace_of, own_spec, send_in_time
from router.delivery.own_events import make_own_event
from router.destinations.base import Clients, Destination, Receipt
from router.events import OWN_SOURCE, Cause, Delivery, DeliveryState, Event
from router.messages.spec import MessageSpec
from router.payload import dump_json
from router.samples import sample
from router.sources import DEFAULT_KIND

EVENT = "router.test"

SUBJECT = "Test message from Spaces Router"
_TEXT = SUBJECT + ": what goes to “{{ destination.name }}” arrives here. Nothing has happened in Spaces."


def trial_event(destination: str, number: int, now: datetime) -> Event:
    """Make the event of a test message: what an endpoint gets that takes events as they come."""
    body = dump_json({"message": f"{SUBJECT}. Nothing has happened in Spaces.", "destination": destination})
    return make_own_event(EVENT, OWN_SOURCE, body, event_id=number, at=now)


def sample_event(name: str, configuration: Configuration, number: int, now: datetime) -> Event:
    """Make an event of Spaces from its sample, as if it came from the first such source of the rule file."""
    sources = [source.name for source in configuration.sources.values() if source.kind == DEFAULT_KIND]
    source = sources[0] if sources else OWN_SOURCE
    return make_own_event(name, source, sample(name), event_id=number, at=now)


async def try_out(
    name: str, event: Event, configuration: Configuration, clients: Clients, number: int
) -> Receipt | None:
    """
    Send a message about an event to a destination, switched off or not.

    A test event is put into words of its own, unless the destination takes events as they come or has a message of its
    own; any other event reads as it would by a rule that says nothing about the message.

    Args:
        name: Of a destination of the configuration.
        number: Id of the delivery, which receivers know it by.

    Returns:
        What the destination said; None where its own message is empty for this event, and nothing was sent.

    Raises:
        RenderFailure: Its own message, or its URL, cannot be written on this event.
        TemporaryFailure, Throttled, PermanentFailure: It did not take it.
    """
    destination = configuration.destinations[name]
    delivery = _delivery(name, event, number)
    namespace = namespace_of(delivery, event, destination, configuration)
    message = configuration.renderer.render(_spec(event, destination), style_of(destination), namespace)
    if message.is_empty:
        return None
    outgoing = make_outgoing(delivery, message, event, destination, configuration, directory=None)
    return await send_in_time(outgoing, destination, clients)


def _spec(event: Event, destination: Destination) -> MessageSpec:
    if event.name != EVENT or destination.forwards_as_is or destination.own_message:
        return own_spec(MessageSpec(), destination)
    return MessageSpec(message=_TEXT, subject=SUBJECT)


def _delivery(destination: str, event: Event, number: int) -> Delivery:
    return Delivery(
        id=number,
        event_id=event.id,
        rule="",
        destination=destination,
        ruleset="",
        state=DeliveryState.SENDING,
        cause=Cause.TEST,
        due_at=event.received_at,
        created_at=event.received_at,
        updated_at=event.received_at,
    )
