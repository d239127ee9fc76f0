"""What was done with an event is what is told of it: by the API, by `explain`, and by the store when nothing runs."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from router.cli.reading import FromStore
from router.payload import JSON, dump_json
from tests.cli import invoked
from tests.fuzz.budget import examples
from tests.fuzz.conditions import namespaces
from tests.running import RunningRouter

_flags = st.integers(0, 3).map(lambda roll: roll == 0)
_words = st.sampled_from(["Ada", "Grace", "eng"])
_ids = st.integers(1, 2)

# Bodies that refer to few people, spaces and pages, and teach what they are called: under one name, then another.
_references = _ids.map(lambda number: {"id": number})
_pages = st.fixed_dictionaries(
    {"id": _ids},
    optional={
        "title": _words,
        "slug": _words,
        "space": _references,
        "parentId": _ids,
        "createdBy": _references,
        "updatedBy": _references,
    },
)
_comments = st.fixed_dictionaries({"id": _ids, "page": _references}, optional={"createdBy": _references})
_spaces = st.fixed_dictionaries({"id": _ids}, optional={"title": _words, "code": _words, "updatedBy": _references})
_users = st.fixed_dictionaries({"id": _ids}, optional={"firstname": _words, "email": _words})
_models: Mapping[str, st.SearchStrategy[JSON]] = {
    "page.created": _pages,
    "page.updated": _pages,
    "comment.created": _comments,
    "space.imported": _spaces,
    "user.updated": _users,
    "pagepermission.created": _comments,
}


class Came(NamedTuple):
    """What is posted; and before it, which rule file is written."""

    event: str
    source: str
    body: bytes
    file: int


def _bodies(event: str) -> st.SearchStrategy[JSON]:
    word = event.partition(".")[0]
    model = _models[event]
    lists = st.lists(model, min_size=1, max_size=3)
    wrapped = model.map(lambda one: {word: one}) | lists.map(lambda many: {f"{word}s": many})
    return wrapped | model | namespaces


_came = st.sampled_from(sorted(_models)).flatmap(
    lambda event: st.builds(
        Came,
        st.sampled_from([event, event.upper()]),
        st.sampled_from(["spaces", "desk"]),
        _bodies(event).map(dump_json),
        st.integers(0, 1),
    )
)

# Rules that ask for what bodies do not say.
_MADE_OF_NAMES = (
    *("actor.name", "actor.email", "space.code", "space.name", "page.title", "page.parent.title"),
    "comment.items.page.title",
)
_BESIDE = (
    *("page.space.code", "page.updatedBy.name", "comment.page.title", "user.name", "page.items.space.name"),
    *("event.name", "page.id", "payload.page.id", "payload.a"),
)
_fields = st.sampled_from([*_MADE_OF_NAMES, *_BESIDE])
_wishes = st.one_of(
    _words,
    _ids,
    st.lists(_words, min_size=1, max_size=2),
    st.sampled_from([{"exists": True}, {"exists": False}, {"not": "Ada"}, {"starts_with": "A"}, {"contains": "r"}]),
)
_conditions = st.dictionaries(_fields, _wishes, min_size=1, max_size=2) | st.builds(
    lambda key, parts: {key: parts[0] if key == "not" else parts},
    st.sampled_from(["any", "all", "not"]),
    st.lists(st.dictionaries(_fields, _wishes, min_size=1, max_size=2), min_size=1, max_size=2),
)
_expressions = st.sampled_from(
    [
        "actor.name == 'Ada'",
        "page.title and page.title != space.name",
        "space.code in ['eng', 'Ada']",
        "page.id > 1",
        "1 // page.id == 1",
        "page.createdBy.name == actor.name",
    ]
)
_patterns = st.sampled_from(["*", "page.*", "page.updated", "comment.*", "*.created", "user.*", "space.*"])
_destinations = st.sampled_from(["a", "b", "c"])
_to = st.one_of(
    _destinations,
    st.lists(_destinations, min_size=1, max_size=3, unique=True),
    st.fixed_dictionaries(
        {
            "by": st.sampled_from(["space.code", "actor.name", "page.title", "page.id", "comment.items.page.title"]),
            "table": st.dictionaries(st.sampled_from(["Ada", "eng", "1", "2"]), _destinations, min_size=1),
        },
        optional={"otherwise": _destinations},
    ),
)
_rules = st.lists(
    st.fixed_dictionaries(
        {"events": _patterns | st.lists(_patterns, min_size=1, max_size=2), "to": _to},
        optional={
            "except": _patterns,
            "sources": st.sampled_from(["spaces", "desk"]),
            "when": _conditions,
            "unless": _conditions,
            "if": _expressions,
            "stop": _flags,
            "unmatched": _flags,
            "enabled": _flags.map(lambda flag: not flag),
        },
    ),
    min_size=1,
    max_size=5,
)
_people = st.none() | st.just({"1": {"name": "Grace"}})


def _file(rules: Sequence[Mapping[str, Any]], people: JSON) -> str:
    given = {} if people is None else {"people": people}
    return json.dumps(
        {
            "sources": {name: {"token": "${SPACES_TOKEN}", **given} for name in ("spaces", "desk")},
            "destinations": {name: {"type": "log"} for name in "abc"},
            "rules": [{"name": f"rule {place}", **one} for place, one in enumerate(rules)],
        }
    )


_files = st.builds(_file, _rules, _people)


def _agrees(told: Mapping[str, Any], file: str, deliveries: set[tuple[str, str]]) -> None:
    """The verdicts are those of all rules of the file, and fit what was recorded and what was made."""
    verdicts = told["verdicts"]
    assert [verdict["rule"] for verdict in verdicts] == [rule["name"] for rule in json.loads(file)["rules"]]
    assert [verdict["rule"] for verdict in verdicts if verdict["matched"]] == told["rules"]
    assert {(one["rule"], name) for one in verdicts for name in one["destinations"]} == deliveries
    for verdict in verdicts:
        goes_somewhere = verdict["matched"] and bool(verdict["destinations"])
        assert (verdict["key"] is None) is goes_somewhere
        assert verdict["reason"]
        if verdict["key"] in ("events", "sources", "except", "when", "unless", "if"):
            assert all(verdict[key] for key in ("field", "saw", "wanted")), verdict


# Little else than names: what ids 1 are called changes all the time.
_lessons = st.one_of(
    _words.map(lambda word: ("page.updated", {"page": {"id": 1, "title": word}})),
    _words.map(lambda word: ("user.updated", {"user": {"id": 1, "firstname": word, "email": word}})),
    _words.map(lambda word: ("space.imported", {"space": {"id": 1, "title": word, "code": word}})),
)
_questions = st.sampled_from(
    [
        ("comment.created", {"comment": {"id": 1, "page": {"id": 1}, "createdBy": {"id": 1}}}),
        ("page.created", {"page": {"id": 2, "parentId": 1, "space": {"id": 1}, "createdBy": {"id": 1}}}),
        ("comment.created", {"comments": [{"page": {"id": 2}}, {"page": {"id": 1}, "createdBy": {"id": 1}}]}),
    ]
)
_told = (_lessons | _questions).map(lambda one: Came(one[0], "spaces", dump_json(one[1]), 0))
_names = st.sampled_from(_MADE_OF_NAMES)
_about_names = st.dictionaries(
    _names,
    st.one_of(_words, st.sampled_from([{"exists": True}, {"exists": False}, {"not": "Ada"}])),
    min_size=1,
    max_size=2,
)
_rules_about_names = st.lists(
    st.fixed_dictionaries(
        {"events": st.just("*"), "to": _destinations},
        optional={"when": _about_names, "unless": _about_names, "unmatched": _flags, "stop": _flags},
    )
    | st.builds(
        lambda field, table: {"events": "*", "to": {"by": field, "table": table}},
        _names,
        st.dictionaries(_words, _destinations, min_size=1),
    ),
    min_size=1,
    max_size=4,
).map(lambda rules: _file(rules, None))


async def _explained(router: RunningRouter, event: str) -> dict[str, Any]:
    result = await invoked("explain", event, "--format", "json", "--admin", router.app.admin_url)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


async def _live(folder: Path, files: Sequence[str], came: Sequence[Came]) -> None:
    path = folder / "rules.yaml"
    path.write_text(files[0])
    judged: dict[str, tuple[str, set[tuple[str, str]]]] = {}
    async with RunningRouter(folder) as router:
        current = files[0]
        for one in came:
            if files[one.file] != current:
                current = files[one.file]
                path.write_text(current)
                assert (await router.post("/-/reload")).status_code == 200
            judged[await router.accept(one.event, one.body, source=one.source)] = current, set()
        await router.settle()
        for delivery in await router.deliveries():
            pair = (delivery["rule"], delivery["destination"])
            made = judged[delivery["event_id"]][1]
            assert pair not in made, "one rule sends an event to one destination once"
            made.add(pair)
        for event, (file, made) in judged.items():
            told = await router.get(f"events/{event}")
            assert told["ruleset_in_use"] is (file == current)
            _agrees(told, file, made)
        explained = await _explained(router, event)
        assert sorted(explained["verdicts"], key=lambda each: each["rule"]) == told["verdicts"]
        assert {(one["rule"], one["destination"]) for one in explained["deliveries"]} == made
    store = FromStore(folder / "data" / "router.db")
    for event, (file, made) in judged.items():
        stored = await asyncio.to_thread(store.event, event)
        assert stored is not None
        _agrees(stored, file, made)


@examples(25)
@given(st.tuples(_files, _files), st.lists(_came, min_size=1, max_size=8))
def test_what_is_told_of_an_event_is_what_was_done_with_it(files: tuple[str, str], came: list[Came]) -> None:
    """
    Any rules and any bodies give a verdict for every rule, and the verdicts agree with the rules that are recorded and
    the deliveries that exist, although names were learned, and rules changed, before anybody asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(Path(folder), files, came))


@examples(25)
@given(_rules_about_names, st.lists(_told, min_size=3, max_size=8))
def test_names_that_are_learned_later_change_nothing(file: str, came: list[Came]) -> None:
    """However often things are renamed, each event is explained by what they were called when it came."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(Path(folder), [file], came))
