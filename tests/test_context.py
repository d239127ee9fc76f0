"""What templates and conditions see of an event."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.messages.context import build_namespace, event_title, lazy_namespace
from router.payload import JSON, dump_json
from router.samples import SAMPLES
from router.sources import KINDS
from tests.fakes import START
from tests.message_bodies import EVERY_SHAPE, SITE, SPACES, make_event, namespace_of

REFERENCE = {"id": 9, "type": "users"}


def test_every_known_event_has_a_title_of_its_own() -> None:
    """The 21 events read as 21 different titles, none of them the bare words of its name by accident."""
    titles = {event_title(name) for name in SAMPLES}
    assert len(titles) == 21
    assert event_title("page.updated.moved") == event_title("PAGE.UPDATED.Moved") == "Page moved"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("ticket.customer.reply", "Ticket customer reply"),
        ("lost-reasons.deleted", "Lost reasons deleted"),
        ("TASK.CREATED", "Task created"),
        ("_", ""),
        ("x", "X"),
    ],
)
def test_an_unknown_event_reads_as_its_words(name: str, title: str) -> None:
    """An event outside the catalogue still has a readable title."""
    assert event_title(name) == title


def test_the_event_itself_is_described() -> None:
    """`event` tells name, resource, action, title, source, time and id; the id is text."""
    event = namespace_of("page.updated.moved")["event"]
    assert event == {
        "id": "1234567890123",
        "name": "page.updated.moved",
        "resource": "page",
        "action": "updated.moved",
        "title": "Page moved",
        "verb": "moved",
        "source": "spaces",
        "received_at": "2026-03-02T09:15:00Z",
    }


def test_an_event_is_taken_apart_once() -> None:
    """Judging it and writing all of its messages share what was found out; another site has links of its own."""
    event = make_event("page.updated", {"page": {"id": 1}})
    page = build_namespace(event, SPACES, SITE)["page"]
    assert build_namespace(event, SPACES, SITE)["page"] is page
    assert build_namespace(event, SPACES, "other.teamwork.com")["page"] is not page


def test_what_is_found_out_of_an_event_goes_with_it() -> None:
    """An event that nobody needs is freed at once, whatever was asked of it, and not when rings are looked for."""
    event = make_event("page.updated", {"page": {"id": 1}})
    gone = weakref.ref(event)
    gc.disable()
    try:
        assert lazy_namespace(event, SPACES, SITE)["page"] == {"id": 1}
        build_namespace(event, SPACES, SITE)
        del event
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("name", "shape", "body"), EVERY_SHAPE)
def test_every_shape_of_body_gives_the_same_words(name: str, shape: str, body: JSON) -> None:
    """Wrapped, bare, id only, nulls, empty: the same first words are there, and what is missing is None."""
    namespace = namespace_of(name, body)
    resource = name.partition(".")[0]
    assert set(namespace) == {"event", "payload", "actor", "page", "space", "link", "changes", resource}
    if shape in ("full", "bare"):
        assert namespace[resource]["id"] is not None
        assert namespace["actor"]["id"] in (7, 9)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("page.created", "creator"),
        ("page.updated", "editor"),
        ("page.updated.moved", "editor"),
        ("page.deleted", "remover"),
        ("page.updated.trashed", "remover"),
        ("space.imported", "editor"),
    ],
)
def test_the_actor_is_the_one_whom_the_action_asks_for(name: str, wanted: str) -> None:
    """Who created, who changed, or who removed."""
    people = {"createdBy": {"id": 1, "name": "creator"}, "updatedBy": {"id": 2, "name": "editor"}}
    people["deletedBy"] = {"id": 3, "name": "remover"}
    resource = name.partition(".")[0]
    assert namespace_of(name, {resource: {"id": 5, **people}})["actor"]["name"] == wanted


def test_the_actor_falls_back_and_is_none_at_last() -> None:
    """A deletion without `deletedBy` takes `updatedBy`, a change without `updatedBy` the creator; else nobody."""
    assert namespace_of("page.deleted", {"page": {"updatedBy": REFERENCE, "deletedBy": None}})["actor"] == REFERENCE
    assert namespace_of("page.updated", {"page": {"createdBy": REFERENCE}})["actor"] == REFERENCE
    assert namespace_of("page.created", {"page": {"updatedBy": REFERENCE}})["actor"] is None
    assert namespace_of("page.created", {"page": {"createdBy": 9}})["actor"] == {"id": 9}
    assert namespace_of("page.created", {"page": {"createdBy": {"userId": 9}}})["actor"]["id"] == 9
    assert namespace_of("page.created", {"page": {"createdBy": {"type": "users"}}})["actor"] is None


def test_a_sibling_products_event_creator_is_the_actor() -> None:
    """Projects and Desk name the person beside the model, with a name."""
    payload = {"eventCreator": {"id": 4, "firstName": "Ada", "lastName": "Byrne"}, "task": {"id": 1, "name": "Write"}}
    event = Event(1, "projects", "TASK.CREATED", None, dump_json(payload), b"", {}, START, "r")
    namespace = build_namespace(event, KINDS["teamwork-projects"], None)
    assert namespace["actor"]["name"] == "Ada Byrne"
    assert namespace["task"]["name"] == "Write"
    assert namespace["event"]["resource"] == "task"


@pytest.mark.parametrize(
    "fields", [{"firstname": "Ada", "lastname": "Byrne"}, {"firstName": "Ada ", "lastName": "Byrne"}]
)
def test_a_person_is_named_in_either_spelling(fields: dict[str, str]) -> None:
    """Spaces writes `firstname`, its siblings `firstName`; `user.name` is one name."""
    assert namespace_of("user.updated", {"user": {"id": 11, **fields}})["user"]["name"] == "Ada Byrne"
    assert (
        namespace_of("user.updated", {"user": {"id": 11, "firstname": "Ada", "lastname": None}})["user"]["name"]
        == "Ada"
    )


def test_a_person_without_a_name_has_none() -> None:
    """No key `name` is invented: a template's `or` takes the next choice."""
    assert "name" not in namespace_of("user.updated", {"user": {"id": 11, "firstname": " ", "name": None}})["user"]
    assert "name" not in namespace_of("page.updated")["actor"]


def test_a_person_who_changed_their_own_account_is_named_as_actor() -> None:
    """The model names the actor where both are the same person, and only then."""
    user = {"id": 9, "firstname": "Ada", "lastname": "Byrne", "email": "ada@example.com", "updatedBy": REFERENCE}
    assert namespace_of("user.updated", {"user": user})["actor"] == {
        **REFERENCE,
        "name": "Ada Byrne",
        "email": "ada@example.com",
        "mention": "Ada Byrne",
    }
    assert "name" not in namespace_of("user.updated", {"user": {**user, "id": 8}})["actor"]


def test_page_and_space_are_there_when_only_referred_to() -> None:
    """A comment knows its page and space, a permission its page, a request for access its space."""
    comment = namespace_of("comment.created")
    assert (comment["page"]["id"], comment["space"]["id"]) == (5148, 42)
    assert namespace_of("pagepermission.created")["page"]["id"] == 5148
    assert namespace_of("access.created")["space"]["id"] == 42
    assert namespace_of("page.updated", {"page": {"id": 1, "spaceId": 7}})["space"] == {"id": 7}


def test_a_space_has_its_title_as_name() -> None:
    """`space.name` is what the vendor calls `title`."""
    assert namespace_of("space.imported")["space"]["name"] == "Imported wiki"


def test_several_models_give_the_first_and_all() -> None:
    """A body with a list speaks of its first model; the others are `items`."""
    model = namespace_of("pagepermissions.deleted")["pagepermissions"]
    assert model["role"] == "edit"
    assert [item["id"] for item in model["items"]] == [88, 89]


def test_a_doubly_nested_request_for_access_is_flat() -> None:
    """The vendor's page shows `access` inside `access`; both levels count."""
    inner = {"details": "Runbooks", "level": "read", "id": 61}
    namespace = namespace_of(
        "access.created", {"access": {"access": inner, "createdBy": REFERENCE, "space": {"id": 42}}}
    )
    assert namespace["access"]["level"] == "read"
    assert namespace["actor"] == REFERENCE
    assert namespace["space"] == {"id": 42}


def test_included_objects_lend_their_names() -> None:
    """Where the body carries related objects, references are completed from them."""
    included = {"users": {"9": {"firstname": "Grace"}}, "spaces": {"42": {"title": "Engineering", "code": "eng"}}}
    page = {"id": 5, "slug": "a-b", "space": {"id": 42}, "updatedBy": REFERENCE}
    namespace = namespace_of("page.updated", {"page": page, "included": included})
    assert namespace["actor"]["name"] == "Grace"
    assert namespace["space"]["name"] == "Engineering"
    assert namespace["link"] == "https://acme.teamwork.com/spaces/eng/page/5-a-b"


PAGE = {"id": 5148, "slug": "release-checklist", "space": {"id": 42, "code": "eng"}}


@pytest.mark.parametrize(
    ("name", "payload", "site", "link"),
    [
        ("page.updated", {"page": PAGE}, "acme.teamwork.com", "https://acme.teamwork.com/spaces/eng/page/5148-release-checklist"),
        ("page.updated", {"page": PAGE}, None, None),
        ("page.updated", {"page": PAGE}, "", None),
        ("page.updated", {"page": {**PAGE, "slug": None}}, "acme.teamwork.com", None),
        ("page.updated", {"page": {**PAGE, "id": None}}, "acme.teamwork.com", None),
        ("page.updated", {"page": {"slug": "x", "space": {"id": 4, "code": "e"}}}, "acme.teamwork.com", None),
        ("page.updated", {"page": {**PAGE, "space": {"id": 42}}}, "acme.teamwork.com", None),
        ("comment.created", {"comment": {"id": 1, "page": PAGE}}, "a.com", "https://a.com/spaces/eng/page/5148-release-checklist"),
        ("space.imported", {"space": {"id": 42, "code": "eng"}}, "a.com", "https://a.com/spaces/eng"),
        ("space.imported", {"space": {"id": 42}}, "a.com", None),
        ("page.updated", {"page": {**PAGE, "slug": "x" * 2_000}}, "a.com", None),
        ("page.updated", {"page": {**PAGE, "slug": "a/../b?c#d<|>"}}, "a.com", "https://a.com/spaces/eng/page/5148-a%2F..%2Fb%3Fc%23d%3C%7C%3E"),
    ],
)  # fmt: skip
def test_a_link_needs_all_of_its_parts(name: str, payload: JSON, site: str | None, link: str | None) -> None:
    """A link is complete, quoted and short enough to open, or there is none."""
    assert namespace_of(name, payload, site)["link"] == link


def test_fixed_words_win_over_a_resource_of_the_same_name() -> None:
    """A sender's `LINK.CREATED` does not replace the link, nor `event.created` the event."""
    for resource in ("event", "link", "actor", "payload"):
        namespace = namespace_of(f"{resource}.created", {resource: {"id": 1}})
        assert namespace["event"]["name"] == f"{resource}.created"
        assert namespace["link"] is None
        assert namespace["payload"] == {resource: {"id": 1}}


KEYS = (
    "id page comment space user access pagepermissions createdBy updatedBy deletedBy eventCreator title code slug name "
    "firstname lastName included users spaces pages userId spaceId pageId 9 42"
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)


@given(name=st.sampled_from([*SAMPLES, "x", "event.created", "TASK.DELETED"]), payload=ANY_JSON)
def test_no_body_is_too_strange(name: str, payload: JSON) -> None:
    """Whatever JSON a sender signs, the namespace is made, of plain JSON values."""
    namespace = namespace_of(name, payload)
    dump_json(namespace)
    for word in ("actor", "page", "space"):
        assert namespace[word] is None or isinstance(namespace[word], dict)
    assert namespace["link"] is None or namespace["link"].startswith("https://acme.teamwork.com/spaces/")
