"""The log type: every message becomes one record that cannot pass for another."""

from __future__ import annotations

import json
import logging

import pytest

from router.destinations.base import Clients
from router.destinations.log import Log
from router.events import Message
from tests.destinations.conftest import BODY, outgoing


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(text="one\ntwo"), "one\ntwo"),
        (Message(text="\x1b[2J\u202e\r\nforged"), "\\x1b[2J\\u202e\\r\nforged"),
        (Message(body={"a": "é"}, has_body=True), '{"a":"é"}'),
        (Message(forward=True), BODY.decode()),
    ],
)
async def test_message_is_logged(
    clients: Clients, caplog: pytest.LogCaptureFixture, message: Message, text: str
) -> None:
    """The text keeps its lines, and nothing in it can act on a terminal."""
    caplog.set_level(logging.INFO)
    receipt = await Log().send(outgoing(message), clients)
    (record,) = caplog.records
    assert (record.name, record.getMessage(), record.levelname) == ("router.messages", "message.written", "INFO")
    facts = vars(record)
    assert facts["text"] == text
    assert (facts["delivery"], facts["event"], facts["source"]) == (77, "page.updated.moved", "spaces")
    assert receipt.status is None


async def test_record_can_be_written_as_json(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    """Every fact is a plain value."""
    caplog.set_level(logging.INFO)
    await Log().send(outgoing(Message(text="x", subject="s\n")), clients)
    facts = vars(caplog.records[0])
    assert json.dumps({key: facts[key] for key in ("delivery", "event", "source", "subject", "text")})
