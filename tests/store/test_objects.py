"""What every store promises about people, spaces and pages: the docstrings of `router/store/base.py`."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from router.errors import StoreUnavailable
from router.events import Lesson
from router.payload import JSON
from router.store.base import Store
from router.store.records import KnownObject, Taught
from tests.fakes import START
from tests.store.harness import Harness
from tests.store.values import Values

KEY = ("spaces", "pages", "5148")
HOUR = timedelta(hours=1)


def page(version_at: datetime | None = START, *, object_id: str = "5148", keeps: bool = True, **facts: JSON) -> Taught:
    return Taught("spaces", Lesson("pages", object_id, version_at, facts), START, keeps)


async def known(store: Store) -> JSON:
    found = await store.objects([KEY])
    return found[0].facts if found else None


async def test_what_was_told_is_known_also_after_a_crash(store: Store, harness: Harness) -> None:
    """By source, kind and id; what nobody told of is left out."""
    (learned,) = await store.learn([page(title="A")])
    assert learned == KnownObject(*KEY, {"title": "A"})
    after = await harness.crash()
    assert await after.objects([KEY, ("spaces", "users", "5148"), ("other", "pages", "5148")]) == [learned]


async def test_a_newer_version_adds_to_what_is_known(store: Store) -> None:
    """What it leaves out stays."""
    await store.learn([page(title="A", slug="a", parent=None)])
    assert (await store.learn([page(START + HOUR, title="B", parent="7")]))[0].facts == {
        "title": "B",
        "slug": "a",
        "parent": "7",
    }
    assert await known(store) == {"title": "B", "slug": "a", "parent": "7"}


@pytest.mark.parametrize("version_at", [START - HOUR, None])
async def test_an_older_version_changes_nothing(store: Store, version_at: datetime | None) -> None:
    """Deliveries overtake each other when they are tried again; and what has no version tells nothing newer."""
    await store.learn([page(title="B")])
    assert (await store.learn([page(version_at, title="A")]))[0].facts == {"title": "B"}
    assert await known(store) == {"title": "B"}


async def test_what_has_no_version_replaces_the_like(store: Store) -> None:
    """Where the sender never tells versions, the latest word holds; the first version wins over it."""
    await store.learn([page(None, title="A")])
    assert (await store.learn([page(None, title="B")]))[0].facts == {"title": "B"}
    assert (await store.learn([page(START, title="C")]))[0].facts == {"title": "C"}


class TestBefore:
    async def test_an_event_is_stored_with_what_was_known_before_it(self, store: Store, values: Values) -> None:
        """In the same commit; the event as it is read later has it, too."""
        await store.accept(values.event(b"1"), [], page(title="A", slug="a"))
        event = values.event(b"2")
        accepted = await store.accept(event, [], page(START + HOUR, title="B"))
        assert accepted.before == {"title": "A", "slug": "a"}
        assert accepted.taught == {"title": "B", "slug": "a"}
        stored = await store.event(event.id)
        assert stored is not None
        assert stored.facts == {"rules": ["changes"], "before": {"title": "A", "slug": "a"}}

    async def test_nothing_is_said_where_nothing_changed(self, store: Store, values: Values) -> None:
        """Nor of the first event of an object, nor of one that comes late."""
        assert (await store.accept(values.event(b"1"), [], page(title="A"))).before is None
        assert (await store.accept(values.event(b"2"), [], page(START + HOUR, title="A"))).before is None
        late = await store.accept(values.event(b"3"), [], page(START - HOUR, title="Z"))
        assert (late.before, late.taught) == (None, {"title": "A"})

    async def test_a_second_event_of_one_change_is_told_the_same(self, store: Store, values: Values) -> None:
        """Spaces may send `page.updated` and `page.updated.moved` for one move: both say from where."""
        await store.accept(values.event(b"1"), [], page(title="A", parent="1"))
        for body in (b"2", b"3"):
            accepted = await store.accept(values.event(body), [], page(START + HOUR, title="A", parent="2"))
            assert accepted.before == {"title": "A", "parent": "1"}
        assert (
            await store.accept(values.event(b"4"), [], page(START + 2 * HOUR, title="A", parent="2"))
        ).before is None

    async def test_a_repeat_teaches_nothing(self, store: Store, values: Values) -> None:
        """What was stored before was learned before."""
        event = values.event(b"1")
        await store.accept(event, [], page(title="A"))
        repeat = await store.accept(event, [], page(START + HOUR, title="B"))
        assert repeat.repeat
        assert await known(store) == {"title": "A"}

    async def test_it_can_be_switched_off(self, store: Store, values: Values) -> None:
        """Then names are learned all the same, and what they were before is not kept."""
        await store.accept(values.event(b"1"), [], page(title="A", keeps=False))
        accepted = await store.accept(values.event(b"2"), [], page(START + HOUR, title="B", keeps=False))
        assert accepted.before is None
        again = await store.accept(values.event(b"3"), [], page(START + HOUR, title="B"))
        assert again.before is None

    async def test_an_event_and_what_it_teaches_are_one_commit(
        self, store: Store, values: Values, harness: Harness
    ) -> None:
        """Where a commit failed, both are there or neither is."""
        await store.accept(values.event(b"1"), [], page(title="A"))
        event = values.event(b"2")
        harness.fail()
        with pytest.raises(StoreUnavailable):
            await store.accept(event, [], page(START + HOUR, title="B"))
        harness.heal()
        after = await harness.crash()
        is_stored = await after.event(event.id) is not None
        assert await known(after) == {"title": "B" if is_stored else "A"}


async def test_the_newest_are_listed_people_and_spaces_first(store: Store) -> None:
    """What is most likely asked for stands last, where a memory that is full keeps it."""
    for number in range(5):
        at = START + number * HOUR
        await store.learn([Taught("spaces", Lesson("pages", str(number), None, {"title": "P"}), at)])
        await store.learn([Taught("spaces", Lesson("users", str(number), None, {"name": "U"}), at)])
    await store.learn([Taught("other", Lesson("users", "9", None, {"name": "X"}), START)])
    listed = [(kind, object_id) for kind, object_id, _ in await store.newest_objects("spaces", 7)]
    assert (await store.newest_objects("spaces", 1))[0][2] == b'{"name":"U"}'
    assert listed == [("pages", "3"), ("pages", "4"), *(("users", str(number)) for number in range(5))]


async def test_thousands_are_learned_at_once(store: Store) -> None:
    """As the lists of the API bring them, in the order in which they were handed in."""
    taught = [page(object_id=str(number), title=f"P{number}") for number in range(1, 1202)]
    assert [one.object_id for one in await store.learn(taught)] == [one.lesson.object_id for one in taught]
    assert len(await store.newest_objects("spaces", 5000)) == 1201


async def test_what_was_not_heard_of_for_long_is_forgotten(store: Store) -> None:
    """A little at a time; what was told again meanwhile stays."""
    await store.learn([page(object_id=str(number), title="P") for number in range(1, 6)])
    await store.learn([Taught("spaces", Lesson("pages", "3", START + HOUR, {"title": "Q"}), START + HOUR)])
    removed = [await store.forget_objects(START + timedelta(seconds=1), 3) for _ in range(3)]
    assert removed == [3, 1, 0]
    assert [object_id for _, object_id, _ in await store.newest_objects("spaces", 10)] == ["3"]


async def test_what_is_told_again_is_not_forgotten(store: Store) -> None:
    """The lists of the API say the same every hour; once a day that is written down."""
    day = timedelta(days=1)
    for hours in (0, 1, 25):
        await store.learn([Taught("spaces", Lesson("users", "9", START, {"name": "Ada"}), START + hours * HOUR)])
    assert await store.forget_objects(START + day, 10) == 0
    assert await store.forget_objects(START + 2 * day, 10) == 1


async def test_a_version_of_the_far_future_does_not_hold_for_ever(store: Store) -> None:
    """Or one body could name somebody for good; one that was believed before is not any more."""
    future = START + timedelta(days=3000)
    await store.learn([page(title="A")])
    assert (await store.learn([page(future, title="POISON")]))[0].facts == {"title": "A"}
    late = Taught("spaces", Lesson("pages", "1", future, {"title": "POISON"}), future)
    assert (await store.learn([late]))[0].facts == {"title": "POISON"}
    assert (await store.learn([page(START + HOUR, object_id="1", title="True")]))[0].facts == {"title": "True"}


async def test_a_second_change_at_the_same_time_tells_what_it_changed(store: Store, values: Values) -> None:
    """Clocks of senders tell seconds: a rename and a trip to the trash may be one second."""
    await store.accept(values.event(b"1"), [], page(title="A", state="active"))
    await store.accept(values.event(b"2"), [], page(START + HOUR, title="B", state="active"))
    accepted = await store.accept(values.event(b"3"), [], page(START + HOUR, title="B", state="removed"))
    assert accepted.before == {"title": "B", "state": "active"}
