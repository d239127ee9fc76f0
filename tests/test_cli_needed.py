"""`events --needed`: the checklist for the webhook's settings in Spaces."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.cli import invoke, invoked
from tests.running import TOKEN, RunningRouter
from tests.sinks import refused_port

RULES = """\
  desk:
    kind: teamwork-desk
    token: ${SPACES_TOKEN}
    expect_every: 1d
destinations: {log: {type: log}}
defaults: {alerts: log}
rules:
  - {name: pages, events: [page.created, page.deleted], sources: spaces, to: log}
  - {name: tickets, events: ticket.created, sources: desk, to: log}
"""


def needed(rules: Path, *arguments: str) -> Result:
    nowhere = ("--admin", f"127.0.0.1:{refused_port()}", "--data", str(rules.parent / "data"))
    return invoke(
        "events", "--needed", "--rules", str(rules), *nowhere, *arguments, env={"SPACES_TOKEN": TOKEN, "COLUMNS": "200"}
    )


async def asked(router: RunningRouter, *arguments: str) -> Result:
    place = ("--rules", str(router.path), "--admin", router.app.admin_url)
    return await invoked("events", "--needed", *place, *arguments, env={"SPACES_TOKEN": TOKEN, "COLUMNS": "200"})


def by_source(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return {one["source"]: one for one in json.loads(result.stdout)["sources"]}


async def test_the_checklist(tmp_path: Path) -> None:
    """For each source: what to tick and for whom, what came for no rule, and what was not seen."""
    async with RunningRouter(tmp_path, RULES) as router:
        await router.accept("page.created")
        await router.accept("user.updated")
        result = await asked(router)
    assert result.exit_code == 0
    spaces, desk = result.stdout.split("\ndesk (teamwork-desk): ")
    assert spaces.startswith("spaces (teamwork-spaces): tick 2 of 21 events\n")
    lines = [line.rstrip() for line in spaces.splitlines()]
    assert any(line.startswith("  [x] page.created             pages  came ") for line in lines)
    assert "  [x] page.deleted             pages  not seen yet" in lines
    assert "  [ ] page.updated" in lines
    assert any(line.startswith("  [ ] user.updated") and line.endswith(", for no rule") for line in lines)
    assert "Ticked, for it came, and needed by no rule: user.updated. You can untick it" in spaces
    assert "Needed, and not seen yet: page.deleted." in spaces
    assert desk.startswith("tick 1 of ")
    assert "What is ticked now cannot be known: nothing has come from this source yet." in desk
    assert "An alert is sent when nothing came for 1d" in desk


async def test_for_programs(tmp_path: Path) -> None:
    """The same as JSON, from a router and, once it has stopped, from its store."""
    async with RunningRouter(tmp_path, RULES) as router:
        await router.accept("PAGE.created")
        await router.accept("user.updated")
        live = by_source(await asked(router, "--format", "json"))
    stored = await asyncio.to_thread(needed, router.path, "--format", "json")
    assert "this is what stands in" in stored.stderr
    assert by_source(stored) == live
    spaces = live["spaces"]
    assert (spaces["tick"], spaces["untick"]) == (["page.created", "page.deleted"], ["user.updated"])
    assert spaces["not_seen"] == ["page.deleted"]
    created = next(one for one in spaces["events"] if one["name"] == "page.created")
    assert created == {
        "name": "page.created",
        "needed": True,
        "rules": ["pages"],
        "last_resort": False,
        "last_received_at": "2026-03-02T09:15:00.000Z",
    }
    assert (live["desk"]["tick"], live["desk"]["untick"], live["desk"]["not_seen"]) == (["ticket.created"], None, None)


def test_without_any_history(tmp_path: Path) -> None:
    """Without a router and a store the checklist is there all the same, and says what it cannot know."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "sources: {spaces: {unsigned: true}}\ndestinations: {log: {type: log}}\n"
        "rules:\n  - {name: rest, events: '*', to: log, unmatched: true}\n"
    )
    result = needed(rules)
    assert result.exit_code == 0
    assert result.stdout.startswith("spaces (teamwork-spaces): tick 21 of 21 events\n")
    assert "  [x] space.imported           rest (what no other rule takes)\n" in result.stdout
    assert "cannot be known: no router runs, and there is no store here." in result.stdout


def test_a_source_that_no_rule_is_about(tmp_path: Path) -> None:
    """That nothing at all is needed is said in a sentence."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "sources: {spaces: {unsigned: true}}\ndestinations: {log: {type: log}}\nrules:\n"
        "  - {name: off, events: '*', to: log, enabled: false}\n"
    )
    result = needed(rules)
    assert "tick 0 of 21 events" in result.stdout
    assert "No rule can match an event of this source." in result.stdout


def test_secrets_do_not_matter(tmp_path: Path) -> None:
    """The checklist can be made where the variables of the rule file are not set."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"sources:\n  spaces: {{token: '${{SPACES_TOKEN}}'}}\n{RULES}")
    result = invoke("events", "--needed", "--rules", str(rules), "--admin", "127.0.0.1:1", "--data", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "spaces (teamwork-spaces): tick 2 of 21 events" in result.stdout


def test_a_rule_file_with_problems(tmp_path: Path) -> None:
    """The problems are told, and nothing is guessed."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("sources: {spaces: {unsigned: true}}\nrulez: []\n")
    result = needed(rules)
    assert result.exit_code == 1
    assert "unknown key 'rulez'" in result.stderr
    assert "nothing can be said of what it needs" in result.stderr
