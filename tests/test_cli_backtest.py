"""`backtest`: what a changed rule file would do differently, told by the events that came."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import Result

from router.samples import SAMPLES, sample
from router.store.sqlite import SqliteStore
from tests.cli import COMMAND, invoke, invoked, run
from tests.fakes import Clock
from tests.running import RunningRouter
from tests.sinks import Sink

FOLDER = Path(__file__).parent / "backtests"
CHANGED = FOLDER / "changed.yaml"
_SLACK = "https://hooks.slack.com/services/T/B"
OLD = "2026-01-01"
"""A day before the clock of the tests begins."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d")
_EVENT = re.compile(r"event \d{17}")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store holds each sample once, received under `running.yaml`; no router runs on it any more."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    async with Sink() as slack, RunningRouter(folder, _running(slack.url)) as router:
        for name in SAMPLES:
            await router.accept(name)
            router.clock.advance(seconds=60)


def _running(url: str) -> str:
    text = (FOLDER / "running.yaml").read_text().replace("${SLACK_URL}", f"{url}/services/a/b/c")
    return text.replace("${SLACK_OPS_URL}", f"{url}/services/a/b/d")


def backtest(folder: Path, *arguments: str, new: Path = CHANGED, since: str = OLD, **env: str) -> Result:
    return invoke("backtest", str(new), "--data", str(folder / "data"), "--since", since, *arguments, env=env)


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# What is told


def test_it_reads_as_it_was_approved(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a person: sums, then of each kind of difference the newest few, word by word as somebody approved it."""
    monkeypatch.chdir(FOLDER)
    result = backtest(filled, new=Path("changed.yaml"))
    shown = _EVENT.sub("event ID", _MOMENT.sub("TIME", result.stdout))
    assert shown + f"(exit code {result.exit_code})\n" == (FOLDER / "told.txt").read_text()
    assert (
        result.stderr
        == "Note: not set here, and not needed for a back-test: SPACES_TOKEN, SLACK_URL,\nSLACK_OPS_URL.\n"
    )


def test_for_programs_every_difference_is_a_line(filled: Path) -> None:
    """Each difference is a JSON value on a line, the newest first, and the last line sums them up."""
    *found, summed_up = records(backtest(filled, "--format", "json"))
    assert {one["type"] for one in found} == {"difference"}
    assert [one["event"]["received_at"] for one in found] == sorted(
        (one["event"]["received_at"] for one in found), reverse=True
    )
    by_event = {(one["event"]["name"], one["change"]): one for one in found}
    moved = by_event["comment.created", "moves"]
    assert moved["before"] == {
        "rule": "comments",
        "destination": "docs",
        "message": {"text": "A comment on Release checklist"},
        "error": None,
    }
    assert moved["after"] == moved["before"] | {"destination": "ops"}
    failing = by_event["user.updated", "fails"]
    assert failing["after"]["message"] is None
    assert "needs two numbers" in failing["after"]["error"]
    assert by_event["page.deleted", "appears"]["before"] is None
    assert by_event["page.created", "vanishes"]["after"] is None
    assert (summed_up["type"], summed_up["complete"], summed_up["events"]) == ("summary", True, len(SAMPLES))
    counts = Counter(one["change"] for one in found)
    assert {change: count for change, count in summed_up["changes"].items() if count} == counts
    assert summed_up["differences"] == len(found)
    assert sum(group["count"] for group in summed_up["groups"]) == len(found) + summed_up["same"]


def test_a_difference_in_html_alone_is_seen(filled: Path, tmp_path: Path) -> None:
    """Where the text of two mails is the same and their HTML is not, the lines of that are shown."""
    head = (
        'sources: {spaces: {unsigned: true}}\ndestinations: {mail: {type: email, smtp: "smtp://localhost", tls: none,'
    )
    head += (
        " from: a@example.com, to: b@example.com}}\nrules: [{name: all, events: page.updated, to: mail, template: x}]"
    )
    for name in ("one", "two"):
        templates = tmp_path / name / "templates"
        (templates / "email").mkdir(parents=True)
        (templates / "text").mkdir()
        (tmp_path / name / "rules.yaml").write_text(head)
        (templates / "email" / "x.j2").write_text(f"<p>{name}</p>")
        (templates / "text" / "x.j2").write_text("the same")
    old, new = (tmp_path / name / "rules.yaml" for name in ("one", "two"))
    shown = backtest(filled, "--against", str(old), new=new).stdout
    assert "    - html: <p>one</p>\n    + html: <p>two</p>\n" in shown


def test_a_change_far_inside_a_long_line_is_seen(filled: Path, tmp_path: Path) -> None:
    """Of long lines, what is around their difference is shown."""
    paths = []
    for word in ("old", "new"):
        path = tmp_path / f"{word}.yaml"
        text = "x " * 2000 + word + " y" * 2000
        path.write_text(
            "sources: {spaces: {unsigned: true}}\ndestinations: {log: {type: log}}\n"
            f"rules: [{{name: all, events: page.updated, to: log, message: {text}}}]\n"
        )
        paths.append(path)
    shown = backtest(filled, "--against", str(paths[0]), new=paths[1]).stdout
    assert re.search(r"- …( ?x)+ old( y)+…", " ".join(shown.split()))
    assert re.search(r"\+ …( ?x)+ new( y)+…", " ".join(shown.split()))


def test_the_same_file(filled: Path) -> None:
    """The file that was loaded last changes nothing, and that is said."""
    result = backtest(filled, new=filled / "rules.yaml")
    assert "Nothing would be different." in result.stdout
    assert "holds the same rules, so nothing can differ" in result.stderr


# What is compared


def test_only_some(filled: Path) -> None:
    """--event, --rule, --limit and --since choose what is looked at."""
    everything = records(backtest(filled, "--format", "json"))
    names = {one["event"]["name"] for one in records(backtest(filled, "--format", "json", "--event", "*.deleted"))[:-1]}
    assert names == {"page.deleted", "comment.deleted", "space.deleted", "pagepermission.deleted"} | {
        "pagepermissions.deleted"
    }
    of_rule = records(backtest(filled, "--format", "json", "--rule", "comments"))
    assert {one["before"]["rule"] for one in of_rule[:-1]} == {"comments"}
    assert records(backtest(filled, "--format", "json", "--limit", "3"))[-1]["events"] == 3
    assert everything[-1]["events"] == len(SAMPLES)
    nothing = backtest(filled, since="1m")
    assert nothing.stdout.startswith("No event to compare came since ")
    assert nothing.exit_code == 0
    misspelt = backtest(filled, "--event", "pages.*")
    assert misspelt.stdout.startswith("No event to compare with a name like pages.* came since ")


def test_another_file_to_compare_with(filled: Path, tmp_path: Path) -> None:
    """--against names the old rules by their file, whatever the router loaded."""
    other = tmp_path / "other.yaml"
    other.write_text(CHANGED.read_text().replace("comment.*, to: ops", "comment.*, to: log"))
    *found, _ = records(backtest(filled, "--format", "json", "--against", str(other)))
    assert {(one["change"], one["before"]["destination"]) for one in found} == {("moves", "log")}


def test_variables_are_seen_alike(filled: Path, tmp_path: Path) -> None:
    """A variable of the stored rules has the value that it has for the new file, so that no link differs by it."""
    folder = tmp_path / "copy"
    shutil.copytree(filled, folder)
    text = CHANGED.read_text().replace(
        "token: ${SPACES_TOKEN}", "token: ${SPACES_TOKEN}\n    site: ${SITE:-a.teamwork.com}"
    )
    new = tmp_path / "new.yaml"
    new.write_text(text)
    with apsw.Connection(str(folder / "data" / "router.db")) as connection:
        connection.execute("UPDATE rulesets SET text = ?", (text,))
    for env in ({}, {"SITE": "b.teamwork.com"}):
        assert records(backtest(folder, "--format", "json", new=new, **env))[-1]["differences"] == 0


async def test_beside_a_running_router(tmp_path: Path) -> None:
    """It reads what a running router has stored so far, compares with the rules that run, and changes nothing there."""
    rules = "destinations: {log: {type: log}}\nrules: [{name: all, events: '*', to: log, message: one}]\n"
    new = tmp_path / "new.yaml"
    async with RunningRouter(tmp_path, rules) as router:
        await router.accept()
        await router.settle()
        router.clock.advance(seconds=1)
        router.write(rules.replace("one", "two"))
        assert (await router.post("/-/reload")).status_code == 200
        new.write_text(router.path.read_text().replace("two", "three"))
        before = await router.get("stats")
        place = ("--data", str(tmp_path / "data"), "--since", OLD)
        result = await invoked("backtest", str(new), *place)
        assert await router.get("stats") == before
        await router.accept("page.created")
        again = await invoked("backtest", str(new), *place, "--format", "json")
    assert "    - two\n    + three\n" in result.stdout
    assert records(again)[-1]["events"] == 2


def test_nothing_is_written(filled: Path) -> None:
    """The store is the same afterwards, byte by byte, and no file stands beside it that was not there."""
    data = filled / "data"
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    backtest(filled)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_what_cannot_be_read_is_named(filled: Path, tmp_path: Path) -> None:
    """Damaged events are counted and named with the reason; the others are compared."""
    folder = tmp_path / "copy"
    shutil.copytree(filled, folder)
    with apsw.Connection(str(folder / "data" / "router.db")) as connection:
        connection.execute("UPDATE events SET facts = '{' WHERE name = 'page.updated'")
        connection.execute("UPDATE events SET body = x'ff' WHERE name = 'page.created'")
    result = backtest(folder)
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert "2 events could not be compared: page.updated, " in told
    assert "its record cannot be read: the body is not JSON" in told
    assert "UnreadableBody: the body is not UTF-8 text" in told
    *found, summed_up = records(backtest(folder, "--format", "json"))
    named = [one["event"]["name"] for one in found if one["type"] == "not_compared"]
    assert (sorted(named), summed_up["not_compared"]) == (["page.created", "page.updated"], 2)
    assert summed_up["events"] == len(SAMPLES) - 2


def test_a_source_and_a_setting_that_are_missing(filled: Path, tmp_path: Path) -> None:
    """It is said why all messages of a source vanish, and which messages cannot be told for want of a setting."""
    new = tmp_path / "new.yaml"
    new.write_text(CHANGED.read_text().replace("  spaces:\n", "  wiki:\n"))
    told = " ".join(backtest(filled, new=new).stdout.split())
    assert "21 events came from the source spaces, which" in told
    assert f"{new} does not have: under it they would be" in told
    new.write_text(CHANGED.read_text().replace("ops: {type: slack,", 'ops: {type: slack, timeout: "${WAIT}",'))
    told = " ".join(backtest(filled, new=new).stdout.split())
    assert "messages to ops could not be compared: the destination cannot be made without what its settings" in told


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Missing argument 'NEW_FILE'"),
        (("nothere.yaml",), 1, "there is no such file"),
        (
            ("changed.yaml", "--data", "nothere"),
            1,
            "there is no store at nothere/router.db; name its folder with --data",
        ),
        (("changed.yaml", "--since", "soon"), 2, "expected 30m, 2h, 7d, 2026-03-02 or 2026-03-02T09:15, found 'soon'"),
        (("changed.yaml", "--rule", "commnts"), 2, "no rule is named 'commnts'; there are: saved pages, page moves,"),
        (("changed.yaml", "--event", "page..x"), 2, "Invalid value for '--event'"),
        (("changed.yaml", "--against", "nothere.yaml"), 1, "there is no such file"),
    ],
)
def test_mistakes_are_told(
    arguments: tuple[str, ...], code: int, words: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong is said in a sentence."""
    monkeypatch.chdir(FOLDER)
    result = invoke("backtest", *arguments, env={"SPACES_ROUTER_DATA": str(filled / "data")})
    assert (result.exit_code, words in " ".join(result.stderr.split())) == (code, True), result.output
    assert result.stdout == ""


def test_problems_of_the_new_file_are_those_of_check(filled: Path, tmp_path: Path) -> None:
    """A file with problems is not tried; they are told as `check` tells them. Warnings are only counted."""
    new = tmp_path / "new.yaml"
    new.write_text(CHANGED.read_text().replace("to: ops", "to: opps"))
    checked = invoke(
        "check", str(new), env={"SPACES_TOKEN": "x", "SLACK_URL": f"{_SLACK}/x", "SLACK_OPS_URL": f"{_SLACK}/y"}
    )
    result = backtest(filled, new=new)
    assert result.exit_code == 1
    problems = [line for line in checked.stdout.splitlines() if ": no destination is named" in line]
    assert len(problems) == 2
    assert [line for line in result.stderr.splitlines() if ": no destination is named" in line] == problems
    assert "mend it first, then backtest" in result.stderr
    new.write_text(CHANGED.read_text().replace("user.*", "usr.*"))
    warned = backtest(filled, new=new)
    assert f"Note: {new} has 1 warning; `spaces-router check {new}` tells them." in warned.stderr


async def test_a_store_without_rules(tmp_path: Path) -> None:
    """Where no router has loaded rules, it says how to name some."""
    store = SqliteStore(tmp_path / "router.db", clock=Clock())
    await store.open()
    await store.close()
    result = await invoked("backtest", str(CHANGED), "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "no router has loaded rules with this store yet" in result.stderr
    assert "--against rules.yaml" in result.stderr


def test_differences_may_fail(filled: Path) -> None:
    """With --fail-on-change the exit code tells whether any message would differ."""
    assert backtest(filled, "--fail-on-change").exit_code == 1
    assert backtest(filled, "--fail-on-change", new=filled / "rules.yaml").exit_code == 0
    assert backtest(filled, "--fail-on-change", "--rule", "spaces").exit_code == 0


# Long histories


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store holds 1,500 events."""
    folder = tmp_path_factory.mktemp("long")
    asyncio.run(_fill_long(folder))
    return folder


async def _fill_long(folder: Path) -> None:
    rules = "destinations: {log: {type: log}}\nrules: [{name: all, events: '*', to: log, message: one}]\n"
    async with RunningRouter(folder, rules) as router:
        for start in range(0, 1_500, 100):
            bodies = (sample("page.updated").replace(b"5148", b"%d" % number) for number in range(start, start + 100))
            await asyncio.gather(*(router.receive("page.updated", body) for body in bodies))
        await router.settle()
        (folder / "new.yaml").write_text(router.path.read_text().replace("one", "'{{ page.id }}'"))


def test_several_processes_find_the_same(long: Path) -> None:
    """However many processes compare, the lines are the same and in the same order."""
    command = ("backtest", str(long / "new.yaml"), "--data", str(long / "data"), "--since", OLD)
    alone, shared = (run(*command, "--format", "json", "--jobs", jobs).stdout for jobs in ("1", "2"))
    *found, summed_up = [json.loads(line) for line in alone.splitlines()]
    assert (len(found), summed_up["differences"]) == (1_500, 1_500)
    assert len({one["after"]["message"]["text"] for one in found}) == 1_500
    assert shared.splitlines()[:-1] == alone.splitlines()[:-1]
    of_others = json.loads(shared.splitlines()[-1])
    assert {**of_others, "since": ""} == {**summed_up, "since": ""}
    texts = [run(*command, "--jobs", jobs).stdout for jobs in ("1", "2")]
    assert texts[0] == texts[1]
    assert "all → log: 1,500 messages would read differently; the newest 3:" in texts[0]


@pytest.mark.skipif(
    not Path("/proc/thread-self/children").exists(), reason="the system does not tell which processes a program started"
)
def test_ctrl_c_at_the_very_beginning_is_no_failure(long: Path) -> None:
    """A terminal sends it to all processes at once, also to those that are still loading the program."""
    command = (str(COMMAND), "backtest", str(long / "new.yaml"), "--data", str(long / "data"), "--since", OLD)
    with subprocess.Popen(
        [*command, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while process.poll() is None and len(children.read_text().split()) < 2:  # the first only cleans up behind all
            pass
        os.killpg(process.pid, signal.SIGINT)
        shown, noise = process.communicate()
    assert (process.returncode, shown.splitlines()[0]) == (1, "Stopped before an event was compared."), noise
    assert "Traceback" not in noise
    assert "Error" not in noise


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_it_with_what_was_found(long: Path, jobs: str) -> None:
    """Stopped half-way, it tells what was found so far, and that it is not all."""
    command = (str(COMMAND), "backtest", str(long / "new.yaml"), "--data", str(long / "data"), "--since", OLD)
    with subprocess.Popen(
        [*command, "--format", "json", "--jobs", jobs], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, noise = process.stdout.read().decode(), process.stderr.read().decode()
    assert json.loads(first)["type"] == "difference"
    summed_up = json.loads(rest.splitlines()[-1])
    assert (process.returncode, summed_up["type"], summed_up["complete"]) == (1, "summary", False), noise
    assert 0 < summed_up["events"] < 1_500
    assert "Traceback" not in noise
