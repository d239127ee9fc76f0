"""Names in messages, through a whole router: the rule file's, those that events taught, and what changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.config.load import load
from router.messages.directory import MOST_REMEMBERED
from router.payload import JSON
from tests.running import TOKEN, RunningRouter

PEOPLE = """\
    site: acme.teamwork.com
people:
  9: {name: Ada Byrne, slack: U024BE7LH}
spaces:
  42: {name: Engineering, code: eng}
"""

LOG = "destinations: {docs: {type: log}}\n"


def rules(message: str, *, events: str = "'*'", when: str = "", sources: str = "") -> str:
    return f"""\
{sources}{LOG}
rules:
  - name: everything
    events: {events}
    to: docs
{when}    message: {json.dumps(message)}
"""


def page(at: str = "10:00", **fields: JSON) -> bytes:
    model = {
        "id": 5148,
        "title": "Release",
        "slug": "release",
        "state": "active",
        "parentId": 5100,
        "space": {"id": 42},
        "tags": [],
        "updatedBy": {"id": 9},
        "updatedAt": f"2026-03-02T{at}:00Z",
    }
    return json.dumps({"page": model | fields}).encode()


COMMENT = json.dumps({"comment": {"id": 1, "page": {"id": 5148}, "createdBy": {"id": 9}}}).encode()


async def texts(router: RunningRouter) -> list[str]:
    await router.settle()
    listed = await router.deliveries()
    return [(await router.get(f"deliveries/{each['id']}"))["message"]["text"] for each in listed]


async def verdict(router: RunningRouter, event: str) -> Any:
    return (await router.get(f"events/{event}"))["verdicts"][0]


async def test_the_rule_file_names_who_did_what_where(tmp_path: Path) -> None:
    """Ids become names, and the page a link."""
    text = "{{ actor.name }} {{ event.verb }} {{ page.title }} in {{ space.name }}: {{ link }}"
    async with RunningRouter(tmp_path, rules(text, sources=PEOPLE)) as router:
        await router.accept("page.updated", page())
        assert await texts(router) == [
            "Ada Byrne updated Release in Engineering: https://acme.teamwork.com/spaces/eng/page/5148-release"
        ]


async def test_a_comment_is_named_by_what_its_page_taught(tmp_path: Path) -> None:
    """A page event names its page; a comment only refers to it. So it stays over a restart."""
    text = "{{ event.verb }} {{ page.title or 'a page' }} in {{ space.id }}."
    async with RunningRouter(tmp_path, rules(text, events="comment.*")) as router:
        await router.accept("comment.created", COMMENT)
        await router.settle()
        await router.accept("page.created", page())
        await router.accept("comment.created", COMMENT)
        assert await texts(router) == ["commented on a page in .", "commented on Release in 42."]
    async with RunningRouter(tmp_path, rules(text, events="comment.*"), clock=router.clock) as router:
        await router.accept("comment.created", COMMENT)
        assert (await texts(router))[-1] == "commented on Release in 42."


async def test_a_message_waits_for_what_is_not_in_memory(tmp_path: Path) -> None:
    """What memory had no room for is read from the store before a message is written."""
    async with RunningRouter(tmp_path, rules("{{ page.title }}", events="comment.*")) as router:
        await router.accept("page.created", page())
        for number in range(MOST_REMEMBERED):
            router.app.directory.learn("spaces", "pages", f"other-{number}", {"title": "Another"})
        assert router.app.directory.find("spaces", "pages", "5148") is None
        await router.accept("comment.created", COMMENT)
        assert await texts(router) == ["Release"]


async def test_a_rename_says_what_it_was_called_before(tmp_path: Path) -> None:
    """Titles, parents by their names, and tags; from the second event of a page on."""
    text = (
        "{% if changes.title %}{{ changes.title.before }} → {{ changes.title.after }}{% endif %}"
        "{% if changes.parent %}{{ changes.parent.before.title }} → {{ changes.parent.after.title }}{% endif %}"
        "{% if changes.tags %}+{{ changes.tags.added | join }}{% endif %}."
    )
    async with RunningRouter(tmp_path, rules(text)) as router:
        await router.accept("page.created", page(id=5100, title="Handbook"))
        await router.accept("page.created", page(id=5200, title="Archive"))
        await router.accept("page.created", page("10:00"))
        await router.accept("page.updated", page("10:01", title="Launch"))
        moved = page("10:02", title="Launch", parentId=5200, tags=[{"name": "urgent"}])
        await router.accept("page.updated.moved", moved)
        await router.accept("page.updated", moved.replace(b"{", b"{ ", 1))  # the same change, told as another event
        await router.accept("page.updated", page("10:01", title="Late"))
        assert (await texts(router))[2:] == [
            ".",
            "Release → Launch.",
            "Handbook → Archive+urgent.",
            "Handbook → Archive+urgent.",
            ".",
        ]


async def test_a_replay_says_what_had_changed_then(tmp_path: Path) -> None:
    """It stands with the event."""
    async with RunningRouter(tmp_path, rules("{{ changes.title.before }}")) as router:
        await router.accept("page.created", page("10:00"))
        await router.accept("page.updated", page("10:01", title="Launch"))
        event = await router.accept("page.updated", page("10:02", title="Ship"))
        await router.accept("page.updated", page("10:03", title="Done"))
        await router.settle()
        assert (await router.post(f"/api/v1/events/{event}/replay")).status_code == 200
        assert (await texts(router))[-1] == "Launch"


async def test_what_changed_can_be_left_unremembered(tmp_path: Path) -> None:
    """`changes: false` on a source."""
    text = rules("{{ changes.title.before }}!", sources="    changes: false\n")
    async with RunningRouter(tmp_path, text) as router:
        await router.accept("page.created", page("10:00"))
        await router.accept("page.updated", page("10:01", title="Launch"))
        assert await texts(router) == ["!", "!"]


async def test_conditions_see_names_and_explanations_see_the_same(tmp_path: Path) -> None:
    """An event is judged by what is known when it comes; what is learned later does not change what is told of it."""
    when = "    when: {page.title: Release}\n"
    async with RunningRouter(tmp_path, rules("{{ page.title }}", events="comment.*", when=when)) as router:
        early = await router.accept("comment.created", COMMENT)
        await router.accept("page.created", page())
        late = await router.accept("comment.created", COMMENT)
        assert await texts(router) == ["Release"]
        assert not (await verdict(router, early))["matched"]
        assert (await verdict(router, late))["matched"]
        await router.accept("page.updated", page("11:00", title="Launch"))
        assert (await verdict(router, late))["matched"]
        assert (await router.post(f"/api/v1/events/{early}/replay")).json()["replayed"] == []
        assert len((await router.post(f"/api/v1/events/{late}/replay")).json()["replayed"]) == 1


async def test_a_condition_on_a_name_that_is_not_known_says_so(tmp_path: Path) -> None:
    """Rather than that it is another one."""
    when = "    when: {actor.name: Ada Byrne}\n"
    async with RunningRouter(tmp_path, rules("x", when=when)) as router:
        event = await router.accept("page.updated", page())
        told = json.dumps(await verdict(router, event))
        assert "actor.name" in told
        assert "not known" in told or "missing" in told


async def test_a_long_list_is_explained_by_the_names_of_its_time_too(tmp_path: Path) -> None:
    """However many people a body refers to, the one who decided is called as then."""
    when = "    when: {comment.items.createdBy.name: Somebody 77}\n"
    comments = [{"id": number, "createdBy": {"id": number}} for number in range(1, 100)]
    async with RunningRouter(tmp_path, rules("x", events="comment.*", when=when)) as router:
        somebody = {"id": 77, "firstname": "Somebody", "lastname": "77"}
        await router.accept("user.updated", json.dumps({"user": somebody}).encode())
        event = await router.accept("comment.created", json.dumps({"comments": comments}).encode())
        await router.accept("user.updated", json.dumps({"user": somebody | {"lastname": "78"}}).encode())
        assert (await router.get(f"events/{event}"))["rules"] == ["everything"]
        assert (await verdict(router, event))["matched"]


async def test_little_is_kept_of_the_names_that_an_event_was_judged_by(tmp_path: Path) -> None:
    """However many pages a body refers to, and whatever tags they have: each event would bring them along."""
    when = "    when: {comment.isPrivate: false}\n"
    async with RunningRouter(tmp_path, rules("x", events="comment.*", when=when)) as router:
        tags = [{"name": "t" * 90 + str(number)} for number in range(50)]
        for number in range(1, 31):
            await router.accept("page.created", page(id=number, tags=tags))
        comments = [{"isPrivate": False, "page": {"id": number}} for number in range(1, 31)]
        judged = await router.accept("comment.created", json.dumps({"comments": comments}).encode())
        event = await router.app.store.event(int(judged))
    assert event is not None
    assert len(json.dumps(event.facts)) < 5_000


ENVIRON = {"SPACES_TOKEN": TOKEN, "SITE": "acme.teamwork.com", "ADA": "Ada Byrne", "ADA_SLACK": "U024BE7LH"}


class TestNamesFromTheEnvironment:
    """`site`, and names under a source, that are references."""

    SOURCES = """\
    site: ${SITE}
    people: {9: {name: "${ADA}", slack: "${ADA_SLACK}"}}
    spaces: {42: {name: Engineering, code: eng}}
"""
    TEXT = "{{ actor.name or 'Someone' }} {{ link or 'no link' }} {{ space.name }}"
    NAMED = "Ada Byrne https://acme.teamwork.com/spaces/eng/page/5148-release Engineering"

    def file(self, message: str = TEXT) -> str:
        return rules(message, sources=self.SOURCES).replace("{type: log}", "{type: log, rate: 1/h}")

    @pytest.mark.parametrize("today", ["the same", "plain", "another source"])
    async def test_an_older_rule_set_takes_them_from_that_of_today(self, today: str, tmp_path: Path) -> None:
        """Or leaves them out where today's has no such source: nobody reads of something unresolvable."""
        router = RunningRouter(tmp_path, self.file())
        router.environ = ENVIRON
        async with router:
            for _ in range(2):
                await router.accept("page.updated", page())
            assert await first_text(router) == self.NAMED
        again = RunningRouter(tmp_path, clock=router.clock)
        again.environ = ENVIRON
        changed = self.file("changed since")
        if today == "plain":
            for key, value in ENVIRON.items():
                changed = changed.replace(f"${{{key}}}", value)
        again.write(changed)
        if today == "another source":
            again.path.write_text(again.path.read_text().replace("  spaces:\n    token", "  other:\n    token"))
        async with again:
            await again.advance(minutes=60)
            expected = "Someone no link Engineering" if today == "another source" else self.NAMED
            assert await texts(again) == [self.NAMED, expected]

    async def test_they_follow_a_reload(self, tmp_path: Path) -> None:
        """What stood in for them is looked up anew when the rule file changes."""
        router = RunningRouter(tmp_path, self.file())
        router.environ = ENVIRON
        async with router:
            for _ in range(3):
                await router.accept("page.updated", page())
            await router.settle()
        again = RunningRouter(tmp_path, self.file("changed since"), clock=router.clock)
        again.environ = ENVIRON
        async with again:
            await again.advance(minutes=60)
            again.write(self.file("once more").replace("${SITE}", "moved.teamwork.com"))
            assert (await again.post("/-/reload")).status_code == 200
            await again.advance(minutes=60)
            assert await texts(again) == [self.NAMED] * 2 + [self.NAMED.replace("acme", "moved")]

    async def test_a_posted_text_names_nobody_by_them(self, tmp_path: Path) -> None:
        """It reaches no environment, and what is not known is left out as always."""
        async with RunningRouter(tmp_path, rules("x")) as router:
            text = "sources:\n  spaces:\n    token: ${SPACES_TOKEN}\n" + self.file()
            asked = {"event": "page.updated", "payload": json.loads(page()), "rules": text}
            answer = await router.post("/api/v1/preview", asked)
            assert answer.status_code == 200, answer.text
            assert "unresolvable" not in answer.text
            assert "Someone no link Engineering" in answer.text

    def test_a_variable_that_is_not_set_names_nobody(self, tmp_path: Path) -> None:
        """`preview` on a machine that has none of the variables."""
        path = tmp_path / "rules.yaml"
        path.write_text("sources:\n  spaces:\n    token: ${SPACES_TOKEN}\n" + self.file())
        source = load(path, {}, missing=[]).sources["spaces"]
        assert source.site is None
        assert source.given.people == {"9": {}}


async def first_text(router: RunningRouter) -> str:
    await router.settle()
    first = (await router.deliveries())[0]
    return str((await router.get(f"deliveries/{first['id']}"))["message"]["text"])
