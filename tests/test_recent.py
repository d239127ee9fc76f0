"""What is kept in memory of events between their commit and the last of their deliveries."""

from __future__ import annotations

from dataclasses import replace

from router.delivery.recent import RecentEvents
from router.events import Event
from tests.message_bodies import make_event


class Shelf:
    """A store of events that counts how often it is asked."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.asked: list[int] = []

    async def read(self, event_id: int) -> Event | None:
        self.asked.append(event_id)
        return self.events.get(event_id)

    def made(self, event_id: int, title: str = "") -> Event:
        """An event that is stored, as judging it leaves it: parsed."""
        event = replace(make_event("page.updated", {"page": {"id": event_id, "title": title}}), id=event_id)
        assert event.payload
        self.events[event_id] = event
        return event


def is_parsed(event: Event | None) -> bool:
    return event is not None and "payload" in vars(event)


async def test_an_event_is_kept_until_its_deliveries_have_had_it() -> None:
    """Each gets what was parsed already; then it takes no room any more, and a retry reads it."""
    shelf = Shelf()
    recent = RecentEvents(shelf.read)
    event = shelf.made(1)
    recent.put(event, uses=2)
    assert await recent.get(1) is event
    assert await recent.get(1) is event
    assert (len(recent), shelf.asked) == (0, [])
    assert await recent.get(1) == event
    assert (len(recent), shelf.asked) == (0, [1])
    assert await recent.get(2) is None


async def test_an_event_without_deliveries_is_not_kept() -> None:
    """Nobody will ask for it."""
    shelf = Shelf()
    recent = RecentEvents(shelf.read)
    recent.put(shelf.made(1), uses=0)
    assert len(recent) == 0


async def test_what_waits_is_kept_without_its_parsed_body() -> None:
    """It is the same event all the same, and is parsed again when its message is made."""
    shelf = Shelf()
    recent = RecentEvents(shelf.read, parsed_limit=4096)
    for number in range(50):
        recent.put(shelf.made(number, "x" * 100), uses=1)
    found = [await recent.get(number) for number in range(50)]
    assert not is_parsed(found[0])
    assert is_parsed(found[-1])
    assert found == list(shelf.events.values())
    assert found[0] is not None
    assert found[0].payload == shelf.events[0].payload
    assert (shelf.asked, len(recent)) == ([], 0)


async def test_memory_has_an_end_and_the_oldest_are_read_again() -> None:
    """However much waits, and however large it is."""
    shelf = Shelf()
    recent = RecentEvents(shelf.read, limit=20_000, parsed_limit=4096)
    for number in range(50):
        recent.put(shelf.made(number, "x" * 500), uses=1)
    recent.put(shelf.made(50, "x" * 30_000), uses=1)
    assert len(recent) == 0
    for number in range(50):
        recent.put(shelf.made(number, "x" * 500), uses=1)
    assert 5 < len(recent) < 15
    assert await recent.get(49) is not None
    assert shelf.asked == []
    assert await recent.get(0) is not None
    assert shelf.asked == [0]


async def test_room_is_given_back_whichever_way_an_event_goes() -> None:
    """So that after any traffic there is as much of it as in the beginning."""
    shelf = Shelf()
    recent = RecentEvents(shelf.read, limit=20_000, parsed_limit=4096)
    for turn in range(20):
        for number in range(turn * 10, turn * 10 + 10):
            recent.put(shelf.made(number, "x" * (100 * turn)), uses=1 + number % 2)
        for number in range(turn * 10, turn * 10 + 10):
            await recent.get(number)
            await recent.get(number)
    assert len(recent) == 0
    for number in range(1000, 1005):
        recent.put(shelf.made(number, "x" * 100), uses=1)
    assert len(recent) == 5
