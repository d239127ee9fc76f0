"""Source kinds: names, headers, and finding the model in a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.samples import SAMPLES, sample
from router.sources import (
    DEFAULT_KIND,
    HOPS_HEADER,
    KINDS,
    first_model,
    hops,
    is_event_name,
    kept_headers,
    resource_and_action,
    upstream_id,
)

SPACES, PROJECTS, DESK = KINDS["teamwork-spaces"], KINDS["teamwork-projects"], KINDS["teamwork-desk"]

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "page", "Pages", "x"]), inner),
    max_leaves=12,
)


def test_there_are_21_events_of_spaces() -> None:
    """The catalogue is the vendor's list."""
    assert len(SPACES.catalogue) == len(set(SPACES.catalogue)) == 21
    assert DEFAULT_KIND is SPACES


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_known_event_has_a_name_that_is_accepted(kind: Any) -> None:
    """Nothing in a catalogue would be refused at the door."""
    for event_name in kind.catalogue:
        assert is_event_name(event_name)
        assert resource_and_action(event_name)[0] in kind.models


def test_kinds_differ_by_their_headers() -> None:
    """The three products sign alike, and name their headers differently."""
    assert (SPACES.event_header, SPACES.signature_header, SPACES.delivery_header) == ("Event", "Signature", "Delivery")
    assert PROJECTS.signature_header == "X-Projects-Signature"
    assert DESK.delivery_header == "X-Desk-Delivery"


@pytest.mark.parametrize("event_name", SAMPLES)
def test_every_event_has_a_sample_that_unwraps(event_name: str) -> None:
    """A sample is JSON, and its model is found."""
    model = SPACES.unwrap(event_name, json.loads(sample(event_name)))
    assert isinstance(first_model(model)["id"], int)


def test_samples_are_found_by_name_only() -> None:
    """Case does not matter; a path is no name."""
    assert sample("PAGE.Created") == sample("page.created")
    for wrong in ("page.read", "../sources", "", "page.created.json"):
        with pytest.raises(KeyError):
            sample(wrong)


@pytest.mark.parametrize(
    "name", ["a", "page.updated.moved", "TASK.CREATED", "lost-reasons.deleted", "a_b.c", "x" * 200]
)
def test_event_names(name: str) -> None:
    """Dotted words of letters, digits, underscores and hyphens name an event."""
    assert is_event_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "a.", ".a", "a..b", "a b", "a\n", "page.created,page.deleted", "ä", "a/b", "x" * 201, "*", "page.*"],
)
def test_what_is_no_event_name(name: str) -> None:
    """Anything else names none."""
    assert not is_event_name(name)


def test_resource_and_action() -> None:
    """The first word is the resource, the rest the action; case does not matter."""
    assert resource_and_action("page.updated.moved") == ("page", "updated.moved")
    assert resource_and_action("TASK.CREATED") == ("task", "created")
    assert resource_and_action("ping") == ("ping", "")


REFERENCE = {"id": 42, "type": "spaces"}


@pytest.mark.parametrize(
    ("event_name", "payload", "model"),
    [
        ("page.created", {"page": {"id": 1}}, {"id": 1}),
        ("PAGE.Created", {"page": {"id": 1}, "included": {"users": {}}}, {"id": 1}),
        ("page.created", {"id": 1, "space": REFERENCE}, {"id": 1, "space": REFERENCE}),
        ("page.deleted", {"id": 1}, {"id": 1}),
        ("user.updated", {"id": 3, "user": "ada"}, {"id": 3, "user": "ada"}),
        ("page.created", {"Page": {"id": 1}}, {"id": 1}),
        ("TASKLIST.CREATED", {"eventCreator": {"id": 9}, "taskList": {"id": 2}}, {"id": 2}),
        ("page.created", {"pages": [{"id": 1}]}, [{"id": 1}]),
        ("pagepermissions.deleted", {"pagepermissions": [{"id": 1}, {"id": 2}]}, [{"id": 1}, {"id": 2}]),
        ("pagepermissions.deleted", {"pagepermission": {"id": 1}}, {"id": 1}),
        ("pagepermissions.deleted", [{"id": 1}], [{"id": 1}]),
        ("pluginstate.created", {"plugin": {"id": 5}, "meta": {}}, {"id": 5}),
        (
            "pluginstate.created",
            {"plugin": {"id": 5}, "state": {"on": True}},
            {"plugin": {"id": 5}, "state": {"on": True}},
        ),
        ("ticket.created", {"ticket": {"id": 1}, "inbox": {"id": 2}, "eventCreator": {"id": 3}}, {"id": 1}),
        ("page.created", {}, {}),
        ("page.created", {"page": None}, {"page": None}),
        ("page.created", None, None),
        ("page.created", "text", None),
        ("page.created", 5, None),
    ],
)
def test_the_model_is_found_however_it_is_wrapped(event_name: str, payload: Any, model: Any) -> None:
    """Wrapped, bare, in a list, under a near name: the model is the same."""
    assert SPACES.unwrap(event_name, payload) == model


def test_an_access_request_may_be_nested_twice() -> None:
    """The vendor's sample of it is; both levels are one model, and what is null outside is taken from inside."""
    inner = {"id": 61, "level": "read", "createdAt": "inner"}
    payload = {"access": {"access": inner, "createdAt": "outer", "id": None, "space": REFERENCE}}
    assert SPACES.unwrap("access.created", payload) == {
        "id": 61,
        "level": "read",
        "createdAt": "outer",
        "space": REFERENCE,
    }


@given(st.sampled_from(["page.created", "pages.x", "x"]), ANY_JSON)
def test_no_body_breaks_the_search_for_its_model(event_name: str, payload: Any) -> None:
    """Whatever the shape, the model is an object, a list, or missing."""
    model = SPACES.unwrap(event_name, payload)
    assert model is None or isinstance(model, dict | list)
    assert isinstance(first_model(model), dict)


def test_the_first_of_several_models_speaks_for_them() -> None:
    """Where it takes one object, a list gives its first."""
    assert first_model([None, {"id": 1}, {"id": 2}]) == {"id": 1}
    assert first_model([]) == first_model(None) == first_model(5) == {}


def test_kept_headers_are_the_kinds_own_without_the_signature() -> None:
    """What is stored is enough to forward the event, and tells no secret."""
    headers = {
        "X-Desk-Event": "ticket.created",
        "X-Desk-Signature": "0" * 64,
        "X-Desk-Delivery": "d-1",
        "User-Agent": "u" * 5000,
        "Content-Type": "application/json",
        "Cookie": "c",
        "Event": "not of this kind",
        HOPS_HEADER: "2",
    }
    assert kept_headers(DESK, headers) == {
        "X-Desk-Event": "ticket.created",
        "X-Desk-Delivery": "d-1",
        "User-Agent": "u" * 1024,
        "Content-Type": "application/json",
        HOPS_HEADER: "2",
    }
    assert kept_headers(SPACES, {HOPS_HEADER: "many"}) == {}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        *[
            (None, 0),
            ("", 0),
            ("0", 0),
            ("3", 3),
            ("007", 7),
            ("1, 5", 5),
            ("-1", 0),
            ("many", 0),
            ("4.0", 0),
            ("²", 0),
        ],
        *[("9" * 19, int("9" * 19)), ("9" * 5000, 0), ("x,4", 4), ("٣", 0)],
    ],
)
def test_hops_are_counted_and_nonsense_counts_as_none(value: str | None, count: int) -> None:
    """No value of the header is a crash."""
    assert hops({} if value is None else {HOPS_HEADER: value}) == count


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("0b0d5d3a-1c54-4bfa-8d31-0c94bb1bd1b6", "0b0d5d3a-1c54-4bfa-8d31-0c94bb1bd1b6"),
        (" padded ", "padded"),
        ("x" * 200, "x" * 200),
        ("x" * 201, None),
        ("a\x00b", None),
        ("a\x85b", None),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_delivery_id_is_short_and_printable_or_none(value: str | None, known: str | None) -> None:
    """What cannot be an id counts as missing."""
    assert upstream_id(SPACES, {} if value is None else {"Delivery": value}) == known
