"""A message as its reader will see it, as far as a terminal can show that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from router.cli.drawing import draw_blocks, read_mrkdwn
from router.cli.output import as_json, paragraph, plain, plain_lines, width, wrapped
from router.config.references import is_unresolved
from router.destinations.base import Destination
from router.destinations.email import Email
from router.destinations.http import Http
from router.destinations.log import Log
from router.events import Markup
from router.mail import Mailbox

_BAR = "  │ "


def shown_destination(destination: Destination) -> str:
    """Type and place of a destination, without anything secret: `http, POST audit.example.com`."""
    kind, place = destination.type_name, destination.address
    if place == kind or is_unresolved(place):
        place = ""
    method = f"{destination.method} " if isinstance(destination, Http) else ""
    return ", ".join(filter(None, (kind, plain(f"{method}{place}").strip())))


def message_lines(message: Mapping[str, Any], destination: Destination | None) -> Iterator[str]:
    """Draw what a message says, as the API shows it."""
    if message.get("forward"):
        signed = ", signed with a token of its own" if isinstance(destination, Http) and destination.sign else ""
        yield paragraph(f"forwards the event as it came{signed}", "  ")
        return
    if isinstance(destination, Email):
        yield from _heads_of_mail(message, destination)
    elif message.get("subject") and isinstance(destination, Log):  # Slack and HTTP know none
        yield _fact("subject", message["subject"])
    for line in _content(message, destination):
        yield f"{_BAR}{line}".rstrip()
    if message.get("html"):
        yield paragraph("An HTML part says it too; --html FILE writes that for a browser.", "  ")
    if message.get("blocks"):
        yield paragraph(f"Notifications say: {plain(read_mrkdwn(message['text']))}", "  ", hanging="  ")


def _content(message: Mapping[str, Any], destination: Destination | None) -> list[str]:
    columns = width() - len(_BAR)
    if message.get("blocks"):
        return draw_blocks(message["blocks"], columns)
    if "body" in message:
        return plain_lines(as_json(message["body"])).split("\n")
    text = message.get("text", "")
    is_mrkdwn = destination is not None and destination.markup is Markup.SLACK
    return wrapped(read_mrkdwn(text) if is_mrkdwn else text, columns)


def _heads_of_mail(message: Mapping[str, Any], mail: Email) -> Iterator[str]:
    yield _fact("from", _mailbox(mail.sender))
    for name, boxes in (("to", mail.to), ("cc", mail.cc), ("bcc", mail.bcc), ("reply to", mail.reply_to)):
        if boxes:
            yield _fact(name, ", ".join(map(_mailbox, boxes)))
    yield _fact("subject", message.get("subject", ""))


def _mailbox(box: Mailbox) -> str:
    return "(not known here)" if is_unresolved(box.address) else str(box)


def _fact(name: str, value: str) -> str:
    first, *more = wrapped(plain(value), width() - 13)
    lines = [f"  {click.style(f'{name:<9}', dim=True)}  {first}", *(f"{'':13}{line}" for line in more)]
    return "\n".join(lines)
