"""Two rule sets on one event: which of its messages would differ, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.config.load import load_text
from router.config.model import Configuration
from router.delivery.backtesting import Backtest, Change, Difference, Same, Unknown
from router.delivery.preview import imagine
from router.events import Event
from router.messages.directory import Directory
from router.samples import sample
from tests.fakes import START

HEAD = """\
sources:
  spaces: {unsigned: true}
destinations:
  docs: {type: slack, url: "https://hooks.slack.com/services/T/B/x"}
  ops: {type: log}
  more: {type: log}
  mail: {type: email, smtp: "smtp://localhost", tls: none, from: a@example.com, to: b@example.com}
  api: {type: http, url: "https://api.example.com/{{ event.name }}"}
"""


def rules(*lines: str, head: str = HEAD, **files: str) -> Configuration:
    text = head + "rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines)
    return load_text(text, "rules.yaml", {}, files)


def event(by: Configuration, name: str = "page.updated", body: bytes | None = None) -> Event:
    source = next(iter(by.sources.values()))
    return imagine(name, sample(name) if body is None else body, source, by, number=5, at=START)


def told(old: Configuration, new: Configuration, directory: Directory | None = None) -> list[tuple[Any, ...]]:
    """What is found on a sample: the change, and both rules and destinations, with `=` for what stays the same."""
    found = []
    for finding in Backtest(old, new, directory or Directory()).findings(event(old)):
        if isinstance(finding, Difference):
            sides = (
                side and f"{side.route.rule} → {side.route.destination}" for side in (finding.before, finding.after)
            )
            found.append((finding.change.value, *sides))
        elif isinstance(finding, Same):
            found.append(("=", *(f"{route.rule} → {route.destination}" for route in finding.places)))
        else:
            assert isinstance(finding, Unknown)
            found.append(("?", f"{finding.route.rule} → {finding.route.destination}"))
    return found


PAGES = "name: pages, events: page.*"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([f"{PAGES}, to: docs"], [f"{PAGES}, to: docs"], [("=", "pages → docs", "pages → docs")]),
        ([f"{PAGES}, to: docs"], ["name: pages, events: user.*, to: docs"], [("vanishes", "pages → docs", None)]),
        (["name: pages, events: user.*, to: docs"], [f"{PAGES}, to: docs"], [("appears", None, "pages → docs")]),
        ([f"{PAGES}, to: ops"], [f"{PAGES}, to: more"], [("moves", "pages → ops", "pages → more")]),
        # A fan-out of which one place changes.
        (
            [f"{PAGES}, to: [docs, ops]"],
            [f"{PAGES}, to: [more, docs]"],
            [("=", "pages → docs", "pages → docs"), ("moves", "pages → ops", "pages → more")],
        ),
        # Moved by a rule of another name that says the same.
        (
            [f"{PAGES}, to: ops, message: x"],
            ["name: all, events: '*', to: more, message: x"],
            [("moves", "pages → ops", "all → more")],
        ),
        # Neither the rule nor the place nor the words are those of before: one message goes, another comes.
        (
            [f"{PAGES}, to: ops, message: x"],
            ["name: all, events: '*', to: more, message: y"],
            [("vanishes", "pages → ops", None), ("appears", None, "all → more")],
        ),
        # A rule that only got another name.
        ([f"{PAGES}, to: ops"], ["name: wiki, events: page.*, to: ops"], [("=", "pages → ops", "wiki → ops")]),
        # A rule of another name that says something else in the same place.
        (
            [f"{PAGES}, to: ops"],
            ["name: wiki, events: page.*, to: ops, message: y"],
            [("reads_differently", "pages → ops", "wiki → ops")],
        ),
        # Two rules change their names: each is found by what it says.
        (
            ["name: a, events: page.*, to: ops, message: x", "name: b, events: page.*, to: ops, message: y"],
            ["name: c, events: page.*, to: ops, message: y", "name: d, events: page.*, to: ops, message: x"],
            [("=", "a → ops", "d → ops"), ("=", "b → ops", "c → ops")],
        ),
        (
            [f"{PAGES}, to: ops, message: x"],
            [f"{PAGES}, to: ops, message: y"],
            [("reads_differently", "pages → ops", "pages → ops")],
        ),
        # Written in another way, and reads the same.
        (
            [f"{PAGES}, to: ops, message: x1"],
            [f"{PAGES}, to: ops, message: 'x{{{{ 1 }}}}'"],
            [("=", "pages → ops", "pages → ops")],
        ),
        (
            [f"{PAGES}, to: mail, subject: x"],
            [f"{PAGES}, to: mail, subject: y"],
            [("reads_differently", "pages → mail", "pages → mail")],
        ),
        (
            [f"{PAGES}, to: docs, format: compact"],
            [f"{PAGES}, to: docs, format: full"],
            [("reads_differently", "pages → docs", "pages → docs")],
        ),
        # For Python 1 and true are equal, for whoever reads the JSON they are not.
        (
            [f"{PAGES}, to: api, body: {{x: 1}}"],
            [f"{PAGES}, to: api, body: {{x: true}}"],
            [("reads_differently", "pages → api", "pages → api")],
        ),
        (
            [f"{PAGES}, to: api, body: {{x: 1, y: 2}}"],
            [f"{PAGES}, to: api, body: {{y: 2, x: 1}}"],
            [("=", "pages → api", "pages → api")],
        ),
        # Silence is no message.
        ([f"{PAGES}, to: ops, message: x"], [f"{PAGES}, to: ops, message: ' '"], [("vanishes", "pages → ops", None)]),
        ([f"{PAGES}, to: ops, message: ' '"], [f"{PAGES}, to: ops, message: x"], [("appears", None, "pages → ops")]),
        ([f"{PAGES}, to: ops, message: ' '"], [f"{PAGES}, to: ops, message: '  '"], []),
        # A message that cannot be written.
        (
            [f"{PAGES}, to: ops, message: x"],
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 2 }}}}'"],
            [("fails", "pages → ops", "pages → ops")],
        ),
        (
            ["name: pages, events: user.*, to: ops"],
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 2 }}}}'"],
            [("fails", None, "pages → ops")],
        ),
        (
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 2 }}}}'"],
            [f"{PAGES}, to: ops, message: x"],
            [("mended", "pages → ops", "pages → ops")],
        ),
        # It could not be written, so nobody misses it.
        (
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 2 }}}}'"],
            ["name: pages, events: user.*, to: ops"],
            [("spared", "pages → ops", None)],
        ),
        (
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 2 }}}}'"],
            [f"{PAGES}, to: ops, message: '{{{{ page.title / 3 }}}}'"],
            [("=", "pages → ops", "pages → ops")],
        ),
    ],
)
def test_changes(before: list[str], after: list[str], expected: list[tuple[Any, ...]]) -> None:
    """Each message under the old rules finds its counterpart under the new ones, and what differs has a name."""
    assert told(rules(*before), rules(*after)) == expected


def test_a_destination_that_is_switched_off_gets_nothing() -> None:
    """Switching a destination off makes its messages vanish; where it is off in both, there is nothing to tell."""
    on = rules(f"{PAGES}, to: ops")
    off = rules(f"{PAGES}, to: ops", head=HEAD.replace("ops: {type: log}", "ops: {type: log, enabled: false}"))
    assert told(on, off) == [("vanishes", "pages → ops", None)]
    assert told(off, on) == [("appears", None, "pages → ops")]
    assert told(off, off) == []


def test_a_source_that_is_gone_sends_nothing() -> None:
    """What comes for a source that the new file does not have would be answered 404: all of its messages vanish."""
    other = rules(f"{PAGES}, to: ops", head=HEAD.replace("  spaces:", "  wiki:"))
    assert told(rules(f"{PAGES}, to: ops"), other) == [("vanishes", "pages → ops", None)]


def test_what_takes_part_in_a_message_beside_its_rule() -> None:
    """Templates, the zone, given names, the site and the type of a destination make a message read differently."""
    plain = rules(f"{PAGES}, to: ops")
    zoned = "{{ event.received_at | date }}"
    cases = [
        (plain, rules(f"{PAGES}, to: ops", **{"text/event.j2": "own"})),
        (plain, rules(f"{PAGES}, to: ops", head=HEAD + "people: {9: {name: Zoe}}\n")),
        (
            rules(f"{PAGES}, to: ops, message: '{zoned}'"),
            rules(f"{PAGES}, to: ops, message: '{zoned}'", head=HEAD + "defaults: {zone: Asia/Tokyo}\n"),
        ),
        (plain, rules(f"{PAGES}, to: ops", head=HEAD.replace("ops: {type: log}", "ops: {type: log, format: full}"))),
        (
            rules(f"{PAGES}, to: ops, message: '{{{{ link }}}}x'", head=HEAD + "spaces: {42: {code: eng}}\n"),
            rules(
                f"{PAGES}, to: ops, message: '{{{{ link }}}}x'",
                head=HEAD.replace("unsigned: true", "unsigned: true, site: acme.teamwork.com")
                + "spaces: {42: {code: eng}}\n",
            ),
        ),
    ]
    for old, new in cases:
        assert told(old, new) == [("reads_differently", "pages → ops", "pages → ops")]
        assert told(new, new) == [("=", "pages → ops", "pages → ops")]


def test_a_url_that_cannot_be_filled_in_fails() -> None:
    """The path of a URL is part of what is written: where it cannot be, the message is a dead letter."""
    broken = rules(f"{PAGES}, to: api", head=HEAD.replace("event.name }}", "page.title / 2 }}"))
    assert told(rules(f"{PAGES}, to: api"), broken) == [("fails", "pages → api", "pages → api")]


def test_both_sides_know_the_same_names() -> None:
    """What was kept with the event when it was judged, and what is known now, holds for both rule sets."""
    directory = Directory()
    directory.learn("spaces", "users", "9", {"name": "Ada Byrne"})
    old = rules(f"{PAGES}, to: ops, message: x, when: {{actor.name: Ada Byrne}}")
    new = rules("name: pages, events: '*', to: ops, message: '{{ actor.name }}', when: {actor.name: Ada Byrne}")
    (found,) = Backtest(old, new, directory).findings(event(old))
    assert isinstance(found, Difference)
    assert found.after is not None
    assert found.after.message is not None
    assert (found.change, found.after.message.text) == (Change.READS_DIFFERENTLY, "Ada Byrne")


def test_any_body_is_compared() -> None:
    """Bodies of any shape are judged and written under both, like those that come."""
    old, new = rules(f"{PAGES}, to: docs"), rules(f"{PAGES}, to: docs, format: full")
    backtest = Backtest(old, new, Directory())
    for body in (b"null", b"[]", b"17", b'"x"', b"{}", b'{"page": []}', json.dumps({"page": [[1]] * 50}).encode()):
        assert backtest.findings(event(old, body=body))
