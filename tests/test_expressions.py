"""`if`: one expression for what conditions cannot say; bounded, and never a reason for an event to be lost."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from router.config.load import load_text
from router.config.problems import ConfigurationInvalid
from router.delivery.judging import explain, judge, judge_arrived
from router.delivery.preview import imagine
from router.messages.directory import USERS, Directory
from router.messages.expressions import Expressions, Faulty
from router.payload import dump_json
from router.rules.ruleset import Verdict
from router.samples import sample
from tests.fakes import START

WORDS = frozenset({"event", "payload", "actor", "page", "space", "link", "comment"})
PAGE: dict[str, Any] = {
    "page": {
        "title": "Release notes",
        "contentRevision": 5,
        "state": "active",
        "tags": [{"name": "urgent"}, {"name": "docs"}],
        "nothing": None,
        "content": "<p>one two three</p>",
        "long": "x" * 300_000,
        "text": "abc " * 60_000,
    },
    "actor": {"id": 9},
}


def holds(expression: str) -> bool:
    answer = Expressions().compile(expression, WORDS).judge(PAGE)
    assert answer.trouble == ""
    return answer.holds


def rule(expression: str) -> str:
    return f"""\
sources:
  spaces: {{unsigned: true, site: acme.teamwork.com}}
people:
  9: {{name: Ada Byrne}}
spaces:
  42: {{code: eng}}
destinations:
  docs: {{type: log}}
  rest: {{type: log}}
rules:
  - name: some
    events: page.*
    to: docs
    if: {expression}
  - {{name: others, events: page.*, to: rest, unmatched: true}}
"""


def verdict(expression: str, body: dict[str, Any] | None = None) -> Verdict:
    """What the first rule makes of a page that was updated; judging and explaining agree."""
    by = load_text(rule(expression), "rules.yaml", {})
    content = sample("page.updated") if body is None else dump_json(body)
    event = imagine("page.updated", content, by.sources["spaces"], by, number=1, at=START)
    first, second = explain(event, by)
    expected = ("some",) if first.matched else ("others",)
    assert judge(replace(event), by).matched == expected
    assert second.matched is not first.matched
    return first


@pytest.mark.parametrize(
    "expression",
    [
        "page.contentRevision > 3 and page.state == 'active'",
        "page.contentRevision * 2 == 10",
        "page.tags | length == 2",
        "'urgent' in page.tags | map('name')",
        "'release' in page.title | lower",
        "page.title | length > 5",
        "(page.content | text | length) > 10",
        "page.title",
        "page.nothing is not defined and not page.nothing",
        "page.missing != 3",
        "page['title'] == 'Release notes'",
        "page.tags[0].name == 'urgent'",
        "not comment",
        "3 < page.contentRevision <= 5",
    ],
)
def test_what_holds(expression: str) -> None:
    """An expression asks what templates ask: comparisons, calculations, filters, tests."""
    assert holds(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "page.missing",
        "page.missing.deeper.still > 3",
        "page.missing == 3",
        "page.nothing > 3",
        "comment.page.title == 'x'",
        "'x' in page.missing",
        "page.missing | length > 0",
        "link",
    ],
)
def test_missing_fields_do_not_hold(expression: str) -> None:
    """Whatever is asked of a field that is not there, the answer is no, and no trouble."""
    assert not holds(expression)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("page.contentRevision > 'x'", "a number and a text have no order"),
        ("page.missing + 1 > 0", "+ needs two numbers, not a missing value and a number"),
        ("page.contentRevision / 0 > 1", "a calculation divides by zero"),
        ("9 ** 9 ** 9 ** 9 > 1", "a calculation makes a number that is too large"),
        ("page.title * 100000 == 'x'", "an expression makes a text longer than 256 KiB"),
        (" or ".join(["'x' in page.text | lower"] * 20), "it takes more work than a condition may"),
        ("page.tags | join(5) == page.tags['x'] | sort | first + 1", ""),
    ],
)
def test_what_cannot_be_worked_out_does_not_hold(expression: str, why: str) -> None:
    """A value of an unexpected kind, or one that is too large, makes the condition false, with the reason."""
    answer = Expressions().compile(expression, WORDS).judge(PAGE)
    assert not answer.holds
    assert why in answer.trouble
    assert answer.trouble


@pytest.mark.parametrize(
    "expression",
    ["page.__class__", "page['__class__'].__mro__", "actor.id.real", "page.title.format", "page.items", "page.keys"],
)
def test_nothing_but_keys_of_the_event_can_be_reached(expression: str) -> None:
    """What Python's objects have under a name is not there."""
    assert not holds(expression)


def test_the_work_of_an_expression_is_bounded() -> None:
    """However large the event is, an expression is given up in a moment: the sender waits for an answer."""
    compiled = Expressions().compile(" or ".join(["(page.text | upper | lower | length) < 0"] * 30), WORDS)
    began = time.perf_counter()
    assert not compiled.judge(PAGE).holds
    assert time.perf_counter() - began < 1


def test_faults_are_told_all_at_once_with_their_places() -> None:
    """Each points at the word that it is about."""
    text = "pge.title | lowr == spce.id"
    with pytest.raises(Faulty) as raised:
        Expressions().compile(text, WORDS)
    assert [text[offset : offset + width] for offset, width, _ in raised.value.faults] == ["pge", "lowr", "spce"]


# In rules


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (
            'page.contentRevision > 100 and page.state == "active"',
            (
                'if: page.contentRevision > 100 and page.state == "active" is false'
                ' (page.contentRevision is 5, page.state is "active")'
            ),
        ),
        (
            "page.contentRevision + page.wordCount > 3",
            (
                "if: page.contentRevision + page.wordCount > 3 could not be worked out: + needs two numbers,"
                " not a number and a missing value (page.contentRevision is 5, page.wordCount is missing)"
            ),
        ),
        ("false", "if: false is false"),
    ],
)
def test_the_verdict_tells_the_values_that_it_saw(expression: str, reason: str) -> None:
    """Why did this rule not match? The expression, and what the fields in it had."""
    told = verdict(f"'{expression}'")
    assert (told.matched, told.reason) == (False, reason)


def test_long_expressions_and_values_are_cut_in_verdicts() -> None:
    """A verdict stays readable."""
    many = " + ".join(f"page.f{number}" for number in range(8))
    reason = verdict(f"{many} > 3").reason
    assert reason.startswith("if: page.f0 + page.f1 + page.f2")
    assert "… could not be worked out" in reason
    assert reason.endswith("page.f4 is missing and 3 more)")


@pytest.mark.parametrize(
    "expression",
    [
        "actor.name == 'Ada Byrne'",
        "page.updatedBy.name == 'Ada Byrne' and page.updatedBy.id == actor.id",
        "link == 'https://acme.teamwork.com/spaces/eng/page/5148-release-checklist'",
        "page.space.code == space.code and space.id == 42",
        "event.name == 'page.updated' and payload.page.id == page.id",
    ],
)
def test_expressions_see_names_and_links(expression: str) -> None:
    """What is known of people, spaces and pages is there, also where the body only refers to them."""
    assert verdict(f'"{expression}"').matched


def test_names_that_it_used_are_kept_with_the_event() -> None:
    """An event is explained by the names that it was judged by, although the directory knows better by then."""
    by = load_text(rule("page.createdBy.name == 'Grace Hopper'"), "rules.yaml", {})
    source, directory = by.sources["spaces"], Directory()
    directory.learn("spaces", USERS, "7", {"name": "Grace Hopper"})
    event = imagine("page.updated", sample("page.updated"), source, by, number=1, at=START)
    judgement, facts = judge_arrived(event, source, by, directory)
    assert judgement.matched == ("some",)
    directory.learn("spaces", USERS, "7", {"name": "Admiral Hopper"})
    stored = replace(event, facts=facts)
    assert [told.matched for told in explain(stored, by, directory)] == [True, False]


def test_times_are_read_in_the_zone_of_the_file() -> None:
    """`date` writes in an expression what it writes in a message."""
    for zone, hour in (("Etc/UTC", "10"), ("Asia/Tokyo", "19")):
        text = rule(f"page.updatedAt | date('%H') == '{hour}'") + f"defaults: {{zone: {zone}}}\n"
        by = load_text(text, "rules.yaml", {})
        event = imagine("page.updated", sample("page.updated"), by.sources["spaces"], by, number=1, at=START)
        assert judge(event, by).matched == ("some",)


def test_all_conditions_must_hold_together() -> None:
    """`if` stands beside `when` and `unless`; all of them count."""
    for when, expression, matched in (("active", "true", True), ("active", "false", False), ("gone", "true", False)):
        found = verdict(f"'{expression}'\n    when: {{page.state: {when}}}")
        assert found.matched is matched


def test_a_rule_with_an_expression_stops_only_what_it_matches() -> None:
    """`stop` on a rule with `if` hides later rules from the events for which the expression holds."""
    text = rule("page.contentRevision > 3\n    stop: true").replace(", unmatched: true", "")
    by = load_text(text, "rules.yaml", {})
    for revision, matched in ((5, ("some",)), (2, ("others",))):
        body = dump_json({"page": {"contentRevision": revision}})
        event = imagine("page.updated", body, by.sources["spaces"], by, number=1, at=START)
        assert judge(event, by).matched == matched


@pytest.mark.parametrize("body", [{}, {"page": []}, {"page": [{"contentRevision": 9}]}, {"page": {"page": 3}}])
def test_any_body_gives_a_verdict(body: dict[str, Any]) -> None:
    """Whatever shape a body has, the rule matches or says why not."""
    told = verdict("page.contentRevision > 3", body)
    assert told.matched or told.reason.startswith("if: page.contentRevision > 3 is false")


def test_what_is_judged_later_has_no_name_here() -> None:
    """What changed, the rule and the destination are for messages."""
    for word in ("changes", "rule", "destination"):
        with pytest.raises(ConfigurationInvalid, match=f"'{word}' is for messages alone"):
            load_text(rule(f"{word}.x == 3"), "rules.yaml", {})
