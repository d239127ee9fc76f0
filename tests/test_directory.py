"""Who and what ids stand for, and which of three sources says it."""

from __future__ import annotations

import pytest

from router.events import Lesson
from router.messages.changes import changes_of
from router.messages.context import build_namespace, lazy_namespace, model_of
from router.messages.directory import NOTHING_GIVEN, Directory, Facts, Given
from router.messages.learning import lesson, lesson_of
from router.payload import JSON, parse_body
from router.samples import SAMPLES, sample
from tests.message_bodies import SITE, SPACES, make_event

ADA = {"name": "Ada Byrne", "slack": "U024BE7LH", "email": "ada@example.com"}
GIVEN = Given({"9": ADA}, {"42": {"name": "Engineering", "code": "eng"}})


def words(name: str, payload: JSON, directory: Directory, given: Given = NOTHING_GIVEN) -> dict[str, JSON]:
    return build_namespace(make_event(name, payload), SPACES, SITE, directory.names("spaces", given))


def page(**fields: JSON) -> JSON:
    reference = {"id": 9, "type": "users"}
    return {
        "page": {"id": 5148, "title": "Release", "slug": "release", "space": {"id": 42}, "updatedBy": reference}
    } | ({"page": fields} if fields else {})


class TestNames:
    def test_the_rule_file_names_people_and_spaces(self) -> None:
        """Ids in the body become names, and with the space's code there is a link."""
        found = words("page.updated", page(), Directory(), GIVEN)
        assert (found["actor"]["name"], found["actor"]["email"]) == ("Ada Byrne", "ada@example.com")
        assert (found["space"]["name"], found["space"]["id"]) == ("Engineering", 42)
        assert found["page"]["updatedBy"]["name"] == "Ada Byrne"
        assert found["page"]["space"]["name"] == "Engineering"
        assert found["link"] == "https://acme.teamwork.com/spaces/eng/page/5148-release"

    def test_what_was_learned_fills_in_what_the_rule_file_leaves_out(self) -> None:
        """The rule file wins where both tell something."""
        directory = Directory()
        directory.learn("spaces", "users", "9", {"name": "A. Byrne", "email": "a@example.com"})
        directory.learn("spaces", "spaces", "42", {"name": "Engineers", "code": "eng"})
        given = Given({"9": {"slack": "U024BE7LH"}}, {"42": {"name": "Engineering"}})
        found = words("page.updated", page(), directory, given)
        assert found["actor"] | {"mention": ""} == {
            "id": 9,
            "type": "users",
            "name": "A. Byrne",
            "email": "a@example.com",
            "slack": "U024BE7LH",
            "mention": "",
        }
        assert (found["space"]["name"], found["space"]["code"]) == ("Engineering", "eng")

    def test_the_rule_file_wins_over_the_body_itself(self) -> None:
        """A person is called as the admin calls them."""
        user = {"user": {"id": 9, "firstname": "Augusta", "lastname": "King", "email": "king@example.com"}}
        found = words("user.updated", user, Directory(), GIVEN)
        assert (found["user"]["name"], found["user"]["email"]) == ("Ada Byrne", "ada@example.com")
        space = {"space": {"id": 42, "title": "Eng dept", "code": "old"}}
        assert words("space.imported", space, Directory(), GIVEN)["space"]["name"] == "Engineering"

    def test_the_body_wins_over_what_was_learned(self) -> None:
        """It is newer."""
        directory = Directory()
        directory.learn("spaces", "pages", "5148", {"title": "Old", "slug": "old"})
        assert words("page.updated", page(), directory)["page"]["title"] == "Release"

    def test_a_comment_knows_its_page_and_the_page_its_space(self) -> None:
        """A permission's body names only the page; where that lies was learned with it."""
        directory = Directory()
        directory.learn("spaces", "pages", "5148", {"title": "Release", "slug": "release", "space": "42"})
        found = words("pagepermission.created", {"pagepermission": {"page": {"id": 5148}}}, directory, GIVEN)
        assert found["page"]["title"] == "Release"
        assert (found["space"]["id"], found["space"]["name"]) == (42, "Engineering")
        assert found["link"] == "https://acme.teamwork.com/spaces/eng/page/5148-release"

    def test_the_parent_of_a_page_is_named(self) -> None:
        """Where it was heard of."""
        directory = Directory()
        directory.learn("spaces", "pages", "5100", {"title": "Handbook"})
        body = page(id=5148, title="Release", parentId=5100)
        assert words("page.updated", body, directory)["page"]["parent"] == {"id": 5100, "title": "Handbook"}
        assert words("page.updated", body, Directory())["page"]["parent"] == {"id": 5100}
        assert "parent" not in words("page.updated", page(id=5148, parentId=None), directory)["page"]

    def test_names_of_one_source_are_not_those_of_another(self) -> None:
        """Two sites number their people alike."""
        directory = Directory()
        directory.learn("other", "users", "9", {"name": "Somebody else"})
        assert "name" not in words("page.updated", page(), directory)["actor"]

    @pytest.mark.parametrize("object_id", [9, "9"])
    def test_an_id_is_the_same_as_number_and_as_text(self, object_id: JSON) -> None:
        """Bodies may give either."""
        assert words("page.updated", page(id=1, updatedBy={"id": object_id}), Directory(), GIVEN)["actor"]["name"]

    def test_what_was_looked_up_is_told_what_was_unknown_too(self) -> None:
        """So that an event can be judged again as it was."""
        directory = Directory()
        directory.learn("spaces", "users", "9", {"name": "A. Byrne"})
        namespace = lazy_namespace(make_event("page.updated", page()), SPACES, SITE, directory.names("spaces"))
        assert namespace.seen == {}
        assert namespace["actor"]["name"] == "A. Byrne"
        assert namespace["space"].get("name") is None
        assert namespace.seen == {"users": {"9": {"name": "A. Byrne"}}, "spaces": {"42": None}}

    def test_what_a_body_tells_is_not_looked_up(self) -> None:
        """Each look-up is kept with the event."""
        directory = Directory()
        directory.learn("spaces", "pages", "5148", {"title": "Release", "space": "42", "parent": "7"})
        event = make_event("page.updated", {"page": {"id": 5148, "title": "Launch", "space": {"id": 42}}})
        namespace = lazy_namespace(event, SPACES, SITE, directory.names("spaces"))
        assert (namespace["page"].get("title"), namespace["space"].get("id")) == ("Launch", 42)
        assert namespace.seen == {}
        assert namespace["page"].get("parent").get("id") == 7
        assert namespace.seen["pages"].keys() == {"5148", "7"}

    def test_what_was_seen_then_stands_for_what_is_known_now(self) -> None:
        """Also where it was not known then; what was not looked up then is looked up now."""
        directory = Directory()
        directory.learn("spaces", "users", "9", {"name": "New name"})
        directory.learn("spaces", "spaces", "42", {"name": "Engineering"})
        names = directory.names("spaces", Given(), {"users": {"9": None}})
        found = build_namespace(make_event("page.updated", page()), SPACES, SITE, names)
        assert "name" not in found["actor"]
        assert found["space"]["name"] == "Engineering"


class TestBodies:
    """Bodies that nobody writes by accident."""

    def test_a_page_within_a_page_leads_nowhere(self) -> None:
        """Neither through `included`, which may lead in a circle, nor page by page."""
        circle = {"included": {"pages": {"1": {"id": 1, "page": {"id": 1}}}}, "comment": {"page": {"id": 1}}}
        assert words("comment.created", circle, Directory())["page"]["id"] == 1
        deep: JSON = {"id": 1}
        for _ in range(700):
            deep = {"id": 1, "page": deep}
        assert words("comment.created", {"comment": {"id": 5, "page": deep}}, Directory())["page"]["id"] == 1
        assert words("page.updated", {"page": deep}, Directory())["page"]["id"] == 1

    def test_a_body_cannot_call_anybody(self) -> None:
        """Who is called in Slack stands in the rule file and nowhere else."""
        person = {"id": 3, "name": "Mallory", "slack": "U0VICTIM1", "mention": "<@U0VICTIM1>"}
        found = words("page.updated", page(id=1, updatedBy=person), Directory())
        assert "slack" not in found["actor"]
        assert found["actor"]["mention"] == "Mallory"
        found = words("user.updated", {"user": {**person, "updatedBy": {"id": 3}}}, Directory())
        assert "slack" not in found["user"]
        assert "slack" not in found["actor"]

    def test_somebody_without_a_name_can_be_called_all_the_same(self) -> None:
        """A template asks whether there is a mention."""
        given = Given({"9": {"slack": "U024BE7LH"}})
        assert words("page.updated", page(), Directory(), given)["actor"]["mention"]

    def test_an_endless_address_is_none(self) -> None:
        """It is not even put together."""
        body = page(id=5148, slug="é" * 1_000_000, space={"id": 42})
        assert words("page.updated", body, Directory(), GIVEN)["link"] is None

    def test_a_body_of_half_a_million_keys_is_no_model_of_anything(self) -> None:
        """Looking for one in it would take a second."""
        body: JSON = {str(number): {} for number in range(5_000)} | {"pages": {"id": 1, "title": "A"}}
        assert words("page.updated", body, Directory())["page"]["title"] == "A"
        assert "title" not in words("page.updated", {str(number): {} for number in range(5_000)}, Directory())["page"]


class TestMemory:
    def test_the_least_recently_used_is_forgotten_first(self) -> None:
        """Memory is bounded; the store knows the rest."""
        directory = Directory(most=2)
        for object_id in ("1", "2"):
            directory.learn("spaces", "pages", object_id, {"title": object_id})
        assert directory.find("spaces", "pages", "1") == {"title": "1"}
        directory.learn("spaces", "pages", "3", {"title": "3"})
        assert directory.find("spaces", "pages", "2") is None
        assert directory.is_unread("spaces", "pages", "2")
        assert directory.find("spaces", "pages", "1")

    def test_what_the_store_does_not_know_is_asked_once(self) -> None:
        """Until something is learned of it."""
        directory = Directory(most=2)
        directory.miss("spaces", "pages", "1")
        assert not directory.is_unread("spaces", "pages", "1")
        directory.learn("spaces", "pages", "1", {"title": "1"})
        directory.miss("spaces", "pages", "1")
        assert directory.find("spaces", "pages", "1") == {"title": "1"}
        for object_id in ("2", "3", "4"):
            directory.miss("spaces", "pages", object_id)
        assert directory.is_unread("spaces", "pages", "2")

    def test_what_the_store_knows_is_recalled_as_it_was_learned(self) -> None:
        """At a start, without looking into it."""
        directory = Directory()
        directory.recall("spaces", [("pages", "1", b'{"title":"A"}'), ("users", "9", b'{"name":"Ada"}')])
        assert directory.find("spaces", "pages", "1") == {"title": "A"}
        assert directory.find("spaces", "users", "9") == {"name": "Ada"}

    def test_words_are_found_anew_only_when_something_has_changed(self) -> None:
        """The same facts told again change nothing."""
        directory, event = Directory(), make_event("page.updated", page())
        directory.learn("spaces", "users", "9", {"name": "Ada"})
        first = build_namespace(event, SPACES, SITE, directory.names("spaces", GIVEN))["page"]
        directory.learn("spaces", "users", "9", {"name": "Ada"})
        assert build_namespace(event, SPACES, SITE, directory.names("spaces", GIVEN))["page"] is first
        directory.learn("spaces", "spaces", "42", {"name": "Eng"})
        assert build_namespace(event, SPACES, SITE, directory.names("spaces", GIVEN))["page"] is not first

    def test_words_of_one_memory_are_not_those_of_another(self) -> None:
        """A preview looks at a copy: its versions are counted apart, and may be the same or less."""
        event, given = make_event("page.updated", page()), Given()
        known, copies = Directory(), [Directory(), Directory()]
        for number in range(3):
            known.learn("spaces", "users", "9", {"name": f"Ada {number}"})
        copies[0].learn("spaces", "users", "9", {"name": "Copy"})
        assert build_namespace(event, SPACES, SITE, known.names("spaces", given))["actor"]["name"] == "Ada 2"
        assert build_namespace(event, SPACES, SITE, copies[0].names("spaces", given))["actor"]["name"] == "Copy"
        assert "name" not in build_namespace(event, SPACES, SITE, copies[1].names("spaces", given))["actor"]

    def test_the_newest_twenty_thousand_pages_are_in_memory(self) -> None:
        """However many were learned; the counts are of those."""
        directory = Directory()
        for number in range(50_000):
            directory.learn("spaces", "pages", str(number), {"title": f"Page {number}"})
        held = [number for number in range(50_000) if not directory.is_unread("spaces", "pages", str(number))]
        assert held == list(range(30_000, 50_000))
        assert directory.counts() == {("spaces", "pages"): 20_000}

    def test_long_titles_take_the_places_of_many(self) -> None:
        """What a sender writes cannot fill the memory: 8 MiB of facts is all that is kept."""
        directory = Directory()
        for number in range(200):
            directory.learn("spaces", "pages", str(number), {"title": "x" * 100_000})
        assert directory.counts()["spaces", "pages"] == 83
        assert directory.find("spaces", "pages", "199")

    def test_what_the_store_does_not_have_is_not_looked_for_there(self) -> None:
        """Where memory has all that it knows, until something had to be forgotten."""
        directory = Directory(most=2)
        directory.recall("spaces", [("pages", "1", b'{"title":"A"}')], is_all=True)
        assert not directory.is_unread("spaces", "pages", "2")
        assert directory.is_unread("other", "pages", "2")
        for number in ("2", "3"):
            directory.learn("spaces", "pages", number, {"title": number})
        assert directory.is_unread("spaces", "pages", "1")


class TestLessons:
    @pytest.mark.parametrize("name", SAMPLES)
    def test_pages_spaces_and_people_teach_and_nothing_else(self, name: str) -> None:
        """A body teaches of the object that it is about."""
        told = lesson_of(name, model_of(make_event(name, parse_body(sample(name))), SPACES)[1])
        resource = name.partition(".")[0]
        assert (told.kind if told else None) == {"page": "pages", "space": "spaces", "user": "users"}.get(resource)

    def test_a_page_teaches_what_messages_and_comparisons_need(self) -> None:
        """Tags by their names, parent and space by their ids."""
        model = {
            "id": 5148,
            "title": " Release ",
            "slug": "release",
            "state": "active",
            "parentId": 5100,
            "space": {"id": 42},
            "tags": [{"name": "a"}, {"tag": {"name": "b"}}, "c", {"id": 1}, None],
            "content": "<p>secret</p>",
            "updatedAt": "2026-03-02T10:40:15Z",
        }
        told = lesson("pages", model)
        assert told is not None
        assert told.object_id == "5148"
        assert told.version_at is not None
        assert told.facts == {
            "title": "Release",
            "slug": "release",
            "state": "active",
            "parent": "5100",
            "space": "42",
            "tags": ["a", "b", "c"],
        }

    @pytest.mark.parametrize(
        "payload", [None, 5, [], {}, {"id": 5148}, {"page": {"id": 1, "title": None}}, {"id": True}]
    )
    def test_a_thin_body_teaches_nothing(self, payload: JSON) -> None:
        """It must not take away what is known."""
        assert lesson_of("page.updated", model_of(make_event("page.updated", payload), SPACES)[1]) is None

    @pytest.mark.parametrize("told", ["0001-01-01T00:00:00Z", "yesterday", "", 5, None, "9" * 50])
    def test_what_is_no_time_is_no_version(self, told: JSON) -> None:
        """The zero time of the sender's language is none either."""
        learned = lesson("users", {"id": 1, "name": "Ada", "updatedAt": told})
        assert learned == Lesson("users", "1", None, {"name": "Ada"})

    def test_endless_texts_are_cut(self) -> None:
        """So that memory stays bounded, whatever a sender sends."""
        learned = lesson("pages", {"id": 1, "title": "x" * 10_000, "tags": [{"name": "y" * 10_000}] * 1000})
        assert learned is not None
        assert len(learned.facts["title"]) == 500
        assert len(learned.facts["tags"]) == 50

    def test_siblings_name_their_people_as_well(self) -> None:
        """Desk and Projects spell names another way; only their own objects teach."""
        assert lesson_of("ticket.created", {"id": 1, "subject": "Help"}) is None
        assert lesson("users", {"id": 1, "firstName": "Ada", "lastName": "Byrne"}) == Lesson(
            "users", "1", None, {"name": "Ada Byrne"}
        )


class TestChanges:
    @staticmethod
    def look(kind: str, object_id: str) -> Facts:
        return {("pages", "1"): {"title": "Handbook"}, ("spaces", "42"): {"name": "Engineering"}}.get(
            (kind, object_id), {}
        )

    @pytest.mark.parametrize(
        ("before", "after", "changed"),
        [
            ({"title": "A"}, {"title": "B"}, {"title": {"before": "A", "after": "B"}}),
            ({"title": "A", "slug": "a"}, {"title": "A", "slug": "b"}, {}),
            ({}, {"title": "B"}, {}),
            ({"title": "A"}, {}, {}),
            ({"state": "active"}, {"state": "removed"}, {"state": {"before": "active", "after": "removed"}}),
            (
                {"parent": "1"},
                {"parent": "2"},
                {"parent": {"before": {"id": 1, "title": "Handbook"}, "after": {"id": 2}}},
            ),
            (
                {"parent": None},
                {"parent": "1"},
                {"parent": {"before": None, "after": {"id": 1, "title": "Handbook"}}},
            ),
            (
                {"space": "42"},
                {"space": "7"},
                {"space": {"before": {"id": 42, "name": "Engineering"}, "after": {"id": 7}}},
            ),
            (
                {"tags": ["a", "b"]},
                {"tags": ["b", "c"]},
                {"tags": {"before": ["a", "b"], "after": ["b", "c"], "added": ["c"], "removed": ["a"]}},
            ),
        ],
    )
    def test_what_both_know_is_compared(self, before: Facts, after: Facts, changed: JSON) -> None:
        """Titles, states, parents, spaces and tags; an address that follows its title is no news."""
        assert changes_of(before, after, self.look) == changed
