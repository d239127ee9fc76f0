"""The headers of a delivery, which nobody signs: whatever stands in them is understood or left out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from router.answers import Answer
from router.clients import make_http_client
from router.destinations.base import Clients, Outgoing
from router.destinations.http import Http
from router.events import Event, Message
from router.ingress import Admission
from router.signature import sign
from tests.fakes import START
from tests.fuzz.budget import examples
from tests.ingress_parts import OLD_TOKEN, PAGE, TOKEN, parts
from tests.sinks import Sink

GOOD = sign(TOKEN, PAGE)

# What the value of a header can hold, read as Latin-1; the listener lets no other character through.
_letters = st.sampled_from(["\t", *map(chr, (*range(0x20, 0x7F), *range(0x80, 0x100)))])
values = st.text(_letters, max_size=40) | st.text(_letters, min_size=190, max_size=260)
names = st.lists(st.text("abZ09_-", min_size=1, max_size=70), min_size=1, max_size=4).map(".".join)
nearly_names = st.text("aZ0_-. \t*é", max_size=12) | names


@st.composite
def signatures(draw: st.DrawFn) -> str:
    """The right one with something wrong, or not; or anything else."""
    text: str = draw(st.sampled_from([GOOD, GOOD.upper(), sign(OLD_TOKEN, PAGE), sign("another", PAGE)]))
    if draw(st.booleans()):
        at = draw(st.integers(0, 63))
        text = text[:at] + draw(st.sampled_from(["", "0", "f", "g", " ", "é", "٣", "00"])) + text[at + 1 :]
    return draw(st.sampled_from([text, text, f" {text}", f"{text}\n", f"sha256={text}", text * 2])) or draw(values)


def ask(headers: Mapping[str, str], source: str = "spaces") -> tuple[Answer, list[Event]]:
    """Hand a request to ingress, as the listener does."""
    built = parts()
    found = built.ingress.screen("POST", f"/hooks/{source}", headers, len(PAGE))
    if isinstance(found, Admission):
        found = asyncio.run(built.ingress.accept(found.source, headers, PAGE))
    return found, built.store.events


@examples(200)
@given(signatures() | values)
def test_only_a_right_signature_opens(signature: str) -> None:
    """A delivery is stored where the header is the HMAC in hex, in either case, and otherwise refused as 401."""
    answer, events = ask({"Event": "page.created", "Delivery": "d", "Signature": signature})
    right = signature.lower() in {GOOD, sign(OLD_TOKEN, PAGE)} and len(signature) == 64
    assert answer.status == (200 if right else 401)
    assert len(events) == right


@examples(200)
@given(nearly_names | values)
def test_any_event_header_names_an_event_or_is_refused(name: str) -> None:
    """Dotted words of letters, digits, _ and - name an event; anything else is kept as rejected, and answered 400."""
    answer, events = ask({"Event": name, "Signature": GOOD})
    bare = name.strip(" \t")
    words = bare.split(".")
    is_name = len(bare) <= 200 and all(re.fullmatch("[A-Za-z0-9_-]+", word) for word in words)
    assert answer.status == (200 if is_name else 400)
    assert [event.name for event in events] == [bare] * is_name


@examples(200)
@given(values)
def test_any_delivery_header_is_an_id_or_none(value: str) -> None:
    """One of 200 printable characters at most is the sender's id; any other counts as none."""
    answer, events = ask({"Event": "page.created", "Delivery": value, "Signature": GOOD})
    assert answer.status == 200
    bare = value.strip()
    expected = bare if bare.isprintable() and 0 < len(bare) <= 200 else None
    assert [event.upstream_id for event in events] == [expected]


@examples(60)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(["Delivery", "User-Agent", "Content-Type", "Router-Hops"], values))
)
def test_whatever_headers_an_event_came_with_it_can_be_forwarded(headers: dict[str, str]) -> None:
    """What was kept of an event's headers goes out again, and makes no request that cannot be sent."""
    _, events = ask(headers | {"Event": "page.created", "Signature": GOOD})
    for event in events:
        received = asyncio.run(forwarded(event))
        assert received["event"] == "page.created"


async def forwarded(event: Event) -> Mapping[str, str]:
    """Send an event as it came to a real server; the headers that it got."""
    async with Sink() as sink, make_http_client() as http:
        destination = Http.model_validate({"url": f"http://127.0.0.1:{sink.port}/"})
        outgoing = Outgoing(1, Message(forward=True), event, lambda text, _: text)
        await destination.send(outgoing, Clients(http, lambda: START))
        (received,) = await sink.wait_for(1)
        assert received.body == event.body
        return received.headers
