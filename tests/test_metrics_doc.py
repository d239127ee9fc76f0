"""`docs/metrics.md` and the alert rules are true: what they name is served, and what is served is explained."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from router.admin.families import Reading, families
from router.admin.metrics import read
from router.answers import ANSWERS
from tests.metrics import Scrape, scrape
from tests.running import RunningRouter
from tests.sinks import Sink, answer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "metrics.md").read_text()
ALERTS = ROOT / "deploy" / "prometheus-alerts.yaml"

RULES = """\
    api_key: a-key-of-the-api
    api: http://127.0.0.1:9/api
destinations:
  wiki: {{type: http, url: "{url}/hook"}}
rules:
  - {{name: pages, events: page.*, to: wiki}}
"""

_ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| (.*?) ?\| ", re.MULTILINE)
_SUFFIXES = {"counter": "_total", "info": "_info"}
_TYPES = {"info": "gauge"}


def explained() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric of the page."""
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in _ROW.findall(PAGE)}


async def broken(router: RunningRouter, sink: Sink) -> None:
    """Bring about what the page shows: a destination that fails, and a rule file that cannot be loaded."""
    await router.post("/-/reload")  # what was loaded is known now, and not loaded again at the first looks
    await router.accept("page.updated")
    await router.settle()
    sink.answer_with(answer(503))
    await router.accept("page.created")
    await router.settle()
    await router.advance(seconds=65)
    router.write(RULES.format(url=sink.url).replace("to: wiki", "to: wikki"))
    await router.post("/-/reload")
    await router.advance(seconds=115)
    await router.accept("page.deleted")
    await router.settle()
    await router.advance(seconds=130)


async def reading(router: RunningRouter) -> Reading:
    return await read(router.app._parts)


async def test_every_metric_is_explained(tmp_path: Path) -> None:
    """The tables have each metric that is served, with its type and labels, and nothing else."""
    async with Sink() as sink, RunningRouter(tmp_path, RULES.format(url=sink.url)) as router:
        await broken(router, sink)
        ours = list(families(await reading(router)))
        text = (await scrape(router)).text
    served = {}
    for family in ours:
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = family.name + _SUFFIXES.get(family.type, "")
        served[name] = (_TYPES.get(family.type, family.type), labels)
    process = re.findall(r"^# TYPE (process_\w+) (\w+)$", text, re.MULTILINE)
    assert explained() == served | {name: (kind, set()) for name, kind in process}
    assert sorted(re.findall(r"^# TYPE (spaces_router_\w+) ", text, re.MULTILINE)) == sorted(served)


async def test_every_metric_helps(tmp_path: Path) -> None:
    """Names say what they count and in which unit, and each has a text that is a sentence."""
    async with RunningRouter(tmp_path, RULES.format(url="http://127.0.0.1:9")) as router:
        ours = list(families(await reading(router)))
    for family in ours:
        assert re.fullmatch(r"spaces_router(_[a-z]+)+", family.name)
        assert re.fullmatch(r"[A-Z1].{20,}\.", family.documentation), family.name
        assert not re.search(r"time|age\b|duration", family.name) or family.name.endswith("_seconds"), family.name


def test_every_answer_is_explained() -> None:
    """The table of answers has all that a sender can be told, each with its status."""
    listed = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, re.MULTILINE)
    assert [(word, int(status)) for word, status in listed] == list(ANSWERS.items())


async def test_the_examples_of_the_page(tmp_path: Path) -> None:
    """The commands of the page, asked of a router in the state that it speaks of, print what it shows."""
    needed("curl", "the examples of docs/metrics.md are not run")
    examples = re.findall(r"```sh\n([^`]*/metrics[^`]*)```.*?```\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    async with Sink() as sink, RunningRouter(tmp_path, RULES.format(url=sink.url)) as router:
        await broken(router, sink)
        for command, expected in examples:
            typed = command.replace("http://127.0.0.1:8081", router.app.admin_url)
            shell = await asyncio.create_subprocess_shell(typed, stdout=asyncio.subprocess.PIPE)
            printed, _ = await shell.communicate()
            assert printed.decode() == expected


async def test_the_look_of_the_page_on_operations(tmp_path: Path) -> None:
    """What a person without Prometheus is told to look for is all there."""
    (pattern,) = re.findall(r"/metrics \| grep -E '(.*)'", (ROOT / "docs" / "operations.md").read_text())
    async with RunningRouter(tmp_path, RULES.format(url="http://127.0.0.1:9")) as router:
        lines = (await scrape(router)).text.splitlines()
    found = {line.partition("{")[0].split()[0] for line in lines if re.search(pattern, line)}
    assert found == {f"spaces_router_{name}" for name in re.findall(r"\w+", pattern.partition("(")[2])}


def alerts() -> Iterator[dict[str, object]]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from group["rules"]


async def test_alerts_ask_for_what_is_served(tmp_path: Path) -> None:
    """Each metric of the alert rules is served, and so are the labels by which they choose and that they print."""
    known = explained()
    async with Sink() as sink, RunningRouter(tmp_path, RULES.format(url=sink.url)) as router:
        await broken(router, sink)
        told = await scrape(router)
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) == 11
    for rule in alerts():
        asked = re.findall(r"(spaces_router_\w+)(?:\{(.*?)\})?", str(rule["expr"]))
        assert asked or rule["expr"] == 'up{job="spaces-router"} == 0'
        for name, chosen in asked:
            for label, value in re.findall(r'(\w+)="(.*?)"', chosen):
                assert value in {labels[label] for labels, _ in samples(told, name)}, rule
            printed = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
            assert printed <= known[name][1], rule


def samples(told: Scrape, name: str) -> list[tuple[dict[str, str], float]]:
    return list(told.samples(name.removeprefix("spaces_router_")))


def needed(tool: str, otherwise: str) -> str:
    """Find a program, or skip; in CI it has to be there."""
    found = shutil.which(tool)
    if found is not None:
        return found
    reason = f"{tool} is missing, so that {otherwise}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def promtool(*arguments: object, stdin: str = "") -> str:
    """Run Prometheus' own checker; what it prints."""
    tool = needed("promtool", "Prometheus' own view of metrics, alert rules and configuration is not asked for")
    command = [tool, *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_prometheus_takes_the_alert_rules() -> None:
    """They are valid, fire when they should, and are silent while all is well."""
    promtool("check", "rules", ALERTS)
    assert "SUCCESS" in promtool("test", "rules", ROOT / "tests" / "prometheus_alerts.yaml")


def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    """The configuration of the page is one."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(text)
    promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yml")


async def test_prometheus_finds_no_fault_with_the_metrics(tmp_path: Path) -> None:
    """Its linter knows the conventions for names, types and units."""
    async with Sink() as sink, RunningRouter(tmp_path, RULES.format(url=sink.url)) as router:
        await broken(router, sink)
        text = (await scrape(router)).text
    assert promtool("check", "metrics", stdin=text) == ""
