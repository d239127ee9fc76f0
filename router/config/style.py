"""How destinations want their messages: what the rendering has to know of them."""

from __future__ import annotations

from router.destinations.base import Destination
from router.messages.spec import Style


def style_of(destination: Destination) -> Style:
    """How a destination wants its messages."""
    # One with a message of its own takes bodies all the same; that message stands in for the event.
    takes_bodies = destination.forwards_as_is or bool(destination.own_message)
    return Style(
        destination.markup, destination.template_folder, takes_bodies, destination.format or destination.usual_format
    )


def style_of_type(kind: type[Destination]) -> Style:
    """How a destination of this type may want its messages, where its settings cannot be read."""
    return Style(kind.markup, kind.template_folder, forwards_as_is=True, format=kind.usual_format)
