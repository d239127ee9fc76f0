"""`explain`: why each rule did or did not match an event, in words, and what became of it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from router.events import Event
from router.samples import sample
from tests.cli import invoke, invoked
from tests.running import RunningRouter
from tests.sinks import Sink, answer, refused_port

RULES = """\
  desk:
    kind: teamwork-desk
    token: ${SPACES_TOKEN}
destinations:
  docs: {type: log}
  audit: {type: http, url: "URL", fallback: docs}
  slow: {type: http, url: "URL"}
rules:
  - {name: other space, events: page.*, when: {space.id: 7}, to: docs}
  - {name: page changes, events: page.*, to: [docs, audit, slow]}
  - {name: edits by ada, events: page.*, when: {actor.name: Ada Byrne}, to: docs}
  - {name: no lists, events: page.*, unless: {page.title: {contains: checklist}}, to: docs}
  - {name: well kept, events: page.*, if: page.contentRevision > 1000, to: docs}
  - {name: by space, events: page.*, to: {by: space.id, table: {7: docs, 8: audit}}}
  - {name: switched off, events: page.*, enabled: false, to: docs}
  - {name: from desk, events: page.*, sources: desk, to: docs}
  - {name: no moves, events: page.*, except: page.updated, to: docs}
  - {name: stops, events: page.updated, to: docs, stop: true}
  - {name: behind, events: page.*, to: docs}
  - {name: rest, events: "*", unmatched: true, to: docs}
  - {name: comments, events: comment.*, to: docs}
"""


def rules(url: str) -> str:
    return RULES.replace("URL", url)


async def explain(router: RunningRouter, number: str, *arguments: str) -> Result:
    return await invoked("explain", number, *arguments, "--admin", router.app.admin_url, env={"COLUMNS": "200"})


async def of_rule(router: RunningRouter, number: str, rule: str) -> str:
    """What is told of one rule, without its line."""
    told = (await explain(router, number, "--rule", rule)).stdout
    return told.partition("the rule\n")[2].partition("\n\n")[0]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("other space", "not matched: when: space.id is 42, wanted 7"),
        ("page changes", "matched → docs, audit, slow"),
        (
            "edits by ada",
            (
                'not matched: when: actor.name is missing, wanted "Ada Byrne"; the name of person 9 is not known\n'
                "      Names come from people and spaces in the rule file, from the Spaces API (api_key of the source),"
                " and from earlier events."
            ),
        ),
        (
            "no lists",
            'not matched: excluded by unless: page.title contains "checklist" (saw "Release checklist")',
        ),
        ("well kept", "not matched: if: page.contentRevision > 1000 is false (page.contentRevision is 5)"),
        (
            "by space",
            (
                "matched, but goes nowhere: to: no entry for space.id 42 and no otherwise\n"
                "      Its table sends events that it has an entry for, and all others to otherwise."
            ),
        ),
        (
            "switched off",
            "not matched: disabled\n      It is switched off: enabled is false there, or in defaults.rules.",
        ),
        ("from desk", "not matched: sources: spaces is not one of desk"),
        ("no moves", "not matched: except: page.updated is matched by page.updated"),
        (
            "behind",
            (
                'not matched: hidden by stop of rule "stops"\n'
                "      Put it before that rule, or take stop out there, so that both see such an event."
            ),
        ),
        (
            "rest",
            (
                "not matched: unmatched: another rule matched\n"
                "      It is a last resort (unmatched: true): it is asked only if no other rule matches."
            ),
        ),
        ("comments", "not matched: events: page.updated is not matched by comment.*"),
    ],
)
async def test_each_reason_has_words_of_its_own(tmp_path: Path, rule: str, told: str) -> None:
    """What an admin reads says what the rule saw, what it wanted, and what can be done where that is not plain."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.updated")
        line = next(n for n, text in enumerate(router.path.read_text().split("\n"), 1) if f"name: {rule}," in text)
        assert await of_rule(router, event, rule) == f"  {rule} (line {line}): {told}"


async def test_near_misses_stand_before_the_others(tmp_path: Path) -> None:
    """First what matched, then rules that only a condition kept from matching, then the rest; others are counted."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.updated", Delivery="an-id-of-the-sender")
        some = (await explain(router, event)).stdout
        every = (await explain(router, event, "--all")).stdout
    assert some.startswith(f"event {event}: page.updated\n  source       spaces\n")
    assert "  sender's id  an-id-of-the-sender\n" in some
    names = [line.partition(" (line")[0].strip() for line in some.split("\n") if " (line " in line]
    assert names == [
        *("page changes", "by space", "stops"),
        *("other space", "edits by ada", "no lists", "well kept"),
        *("switched off", "from desk", "no moves", "behind", "rest"),
    ]
    assert "3 of 13 rules matched\n" in some
    assert "  1 more rule is about other events; --all lists it\n" in some
    assert "  comments (line 24): not matched: events: page.updated is not matched by comment.*\n" in every
    assert "--all" not in every


async def test_what_became_of_each_delivery(tmp_path: Path) -> None:
    """State, attempts, the last error, what comes next, and what stands in for what was given up."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        sink.answer_with(answer(503, "closed for today"))
        event = await router.accept("page.updated")
        await router.settle()
        first = (await explain(router, event)).stdout
        ids = {one["destination"]: one["id"] for one in await router.deliveries(rule="page changes")}
        for minutes in (1, 5, 10):
            await router.advance(minutes=minutes)
        last = (await explain(router, event)).stdout
        assert (await router.post(f"/api/v1/deliveries/{ids['slow']}/replay")).status_code == 200
        await router.settle()
        replayed = (await explain(router, event)).stdout
        of_delivery = (await explain(router, ids["slow"])).stdout
        one_rule = (await explain(router, event, "--rule", "stops")).stdout
    assert "\n4 deliveries\n" in first
    assert f"  delivered: {ids['docs']} to docs by the rule page changes\n" in first
    retrying, _, rest = first.partition(f"  retrying: {ids['audit']} to audit by the rule page changes\n")[2].partition(
        "After 1 attempt: "
    )
    assert retrying.startswith("      The latest attempt failed; the next one is due ")
    assert rest.startswith("HTTP 503 (Service Unavailable): closed for today\n")
    assert f"  dead, handled: {ids['audit']} to audit by the rule page changes\n" in last
    assert "      It was given up: retries exhausted.\n      After 4 attempts: HTTP 503" in last
    fallback = next(line for line in last.split("\n") if line.endswith(f", the fallback of {ids['audit']}"))
    assert fallback.startswith("  delivered: ")
    assert f"      Its fallback {fallback.split()[1]} to docs was delivered.\n" in last
    assert f", a replay of {ids['slow']}\n" in replayed
    assert of_delivery.startswith(f"event {event}: page.updated, of delivery {ids['slow']}\n")
    assert "1 delivery of this rule" in one_rule
    assert "More, with the message and each attempt: spaces-router show " in one_rule


async def test_an_event_that_no_rule_matched(tmp_path: Path) -> None:
    """What can be done about it stands there."""
    text = "destinations: {docs: {type: log}}\nrules: [{name: pages, events: page.*, to: docs}]\n"
    async with RunningRouter(tmp_path, text) as router:
        event = await router.accept("space.deleted")
        told = (await explain(router, event)).stdout
    assert "None of 1 rule matched\n  1 rule is about other events; --all lists it\n\nno deliveries\n" in told
    assert "No rule matched, so there was nothing to send." in told
    assert f"spaces-router preview {event}\n" in told
    assert f"spaces-router replay --event {event}\n" in told


async def test_the_rules_of_that_time(tmp_path: Path) -> None:
    """An event is explained by what judged it; that the rules have changed since is said, and lines are not told."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.updated")
        before = (await explain(router, event)).stdout
        ruleset = router.app.rulesets.current.hash[:16]
        router.write(rules(sink.url).replace("space.id: 7}, to", "space.id: 42}, to"))
        assert (await router.post("/-/reload")).status_code == 200
        after = (await explain(router, event)).stdout
        newer = (await explain(router, event, "--rule", "newer")).stderr
        data = str(tmp_path / "data")
    stopped = await invoked("explain", event, "--admin", f"127.0.0.1:{refused_port()}", "--data", data)
    assert f"  judged by    rule set {ruleset}, which is still in use\n" in before
    assert f"rule set {ruleset}, which is not in use any more: the rules have changed since\n" in after
    assert "  other space: not matched: when: space.id is 42, wanted 7\n" in after
    assert "(line" not in after
    today = f"The rules have changed since. What the rules of today would make of it: spaces-router preview {event}"
    assert today in " ".join(newer.split())
    assert stopped.exit_code == 0
    assert "Note: nothing answers" in stopped.stderr
    assert f"  judged by    rule set {ruleset}\n" in stopped.stdout
    assert after.count("What the rules of today") == 1
    # The file has other rules at these lines by now, which nobody can tell who has only the store.
    assert "  other space: not matched: when: space.id is 42, wanted 7\n" in stopped.stdout
    assert f"What the rules of today would make of it: spaces-router preview {event}" in " ".join(after.split())


async def test_a_rule_set_that_is_gone(tmp_path: Path) -> None:
    """Without it there are no reasons, which is said in a sentence; what matched is recorded with the event."""
    body = sample("page.updated")
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        now = router.clock.now()
        facts = {"rules": ["of old"]}
        event = Event(5, "spaces", "page.updated", None, body, sha256(body).digest(), {}, now, 64 * "0", facts)
        await router.app.store.accept(event, [])
        result = await explain(router, "5")
    assert result.exit_code == 0
    assert "  matched: of old\n  The rule set that judged this event is not kept any more, so why " in result.stdout
    assert "spaces-router preview 5\n" in result.stdout


async def test_the_routers_own_events_are_judged_by_no_rule(tmp_path: Path) -> None:
    """An alert says so, with a router and without."""
    text = """\
destinations:
  docs: {type: log}
  audit: {type: http, url: "URL", retry: []}
rules: [{name: pages, events: page.*, to: audit}]
defaults: {alerts: docs}
"""
    async with Sink() as sink, RunningRouter(tmp_path, text.replace("URL", sink.url)) as router:
        sink.answer_with(answer(503))
        await router.accept("page.updated")
        await router.settle()
        await router.advance(seconds=20)
        (alert,) = [one for one in await router.deliveries() if one["cause"] == "alert"]
        running = await explain(router, alert["id"])
    stopped = await invoked(
        "explain", alert["id"], "--admin", f"127.0.0.1:{refused_port()}", "--data", str(tmp_path / "data")
    )
    for result in (running, stopped):
        assert "The router made this event itself, to tell of trouble: no rule was asked." in result.stdout
        assert "judged by" not in result.stdout


async def test_for_programs(tmp_path: Path) -> None:
    """The verdicts of the API, nearest first, and the deliveries."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.updated")
        await router.settle()
        told: dict[str, Any] = json.loads((await explain(router, event, "--format", "json")).stdout)
        shown = await router.get(f"events/{event}")
    assert sorted(told["verdicts"], key=str) == sorted(shown["verdicts"], key=str)
    assert [one["matched"] for one in told["verdicts"]] == [True] * 3 + [False] * 10
    assert "body" not in told
    near = told["verdicts"][3]
    assert (near["key"], near["field"], near["saw"], near["wanted"]) == ("when", "space.id", "42", "7")
    assert {one["destination"] for one in told["deliveries"]} == {"docs", "audit", "slow"}


# Mistakes


async def test_a_rule_that_is_not_there(tmp_path: Path) -> None:
    """A name that is no rule's is told with what there is, and what was probably meant."""
    async with Sink() as sink, RunningRouter(tmp_path, rules(sink.url)) as router:
        event = await router.accept("page.updated")
        result = await explain(router, event, "--rule", "page change")
        unknown = await explain(router, "4711")
        other = await explain(router, event, "--rules", "x.yaml")
    assert result.exit_code == 2
    assert "no rule is named 'page change'; the rules that judge this event are: other space, page changes," in (
        " ".join(result.stderr.split())
    )
    assert "(did you mean 'page changes'?)" in " ".join(result.stderr.split())
    assert unknown.exit_code == 1
    assert "there is no event and no delivery 4711" in unknown.stderr
    assert other.exit_code == 2
    assert "leave out --rules" in other.stderr
    assert f"spaces-router preview {event} --rules FILE" in other.stderr


# Events that did not come


def test_an_event_is_explained_by_the_rule_file(tmp_path: Path) -> None:
    """Without a router: the name of an event or the file of a body, by the rules as they are now."""
    path = tmp_path / "rules.yaml"
    path.write_text("sources:\n  spaces: {token: '${SPACES_TOKEN}'}\n" + rules("http://127.0.0.1:9/"))
    body = tmp_path / "page.updated.json"
    body.write_bytes(sample("page.updated").replace(b"42", b"7"))
    result = invoke("explain", "page.updated", "--rules", str(path), env={"COLUMNS": "200"})
    mine = invoke("explain", str(body), "--rules", str(path), "--rule", "other space", env={"COLUMNS": "200"})
    told = json.loads(invoke("explain", "page.updated", "--rules", str(path), "--format", "json").stdout)
    assert result.exit_code == 0
    assert result.stdout.startswith("page.updated from spaces, the sample body\n")
    assert f"3 of 13 rules in {path} match\n" in result.stdout
    assert "  other space (line 11): does not match: when: space.id is 42, wanted 7\n" in result.stdout
    assert "deliver" not in result.stdout
    assert "other space (line 11): matches → docs" in mine.stdout
    assert told["matches"] == ["page changes", "by space", "stops"]
    assert "Note: not set here, and not needed for an explanation: SPACES_TOKEN." in result.stderr
