"""`preview`: what rules make of an event and how their messages will look, as an admin reads it in a terminal."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from router.cli import main
from router.cli.drawing import draw_blocks, read_mrkdwn
from router.cli.output import display_width
from router.samples import SAMPLES, sample
from tests.cli import invoke, invoked
from tests.running import RunningRouter
from tests.sinks import refused_port

FOLDER = Path(__file__).parent / "previews"
RULES = str(FOLDER / "rules.yaml")
_LINK = re.compile(r"https?://\S+")


def preview(*arguments: str, **env: str) -> Result:
    return invoke("preview", *arguments, "--rules", RULES, env=env)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_preview_reads_as_it_was_approved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file beside the rule file is a command and what it prints, read and approved by a person."""
    monkeypatch.chdir(FOLDER)
    first, _, approved = path.read_text().partition("\n")
    sign, *variables = first.partition(" spaces-router ")[0].split()
    assert sign == "$"
    env = dict(variable.split("=", 1) for variable in variables)
    result = invoke(*shlex.split(first.partition(" spaces-router ")[2]), env=env)
    assert result.output + f"(exit code {result.exit_code})\n" == approved


@pytest.mark.parametrize("event", SAMPLES)
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_fit_into_the_terminal(event: str, columns: int) -> None:
    """No line is longer than the terminal is wide, but for addresses and paths, which stay whole."""
    result = preview(event, COLUMNS=str(columns))
    for line in result.output.splitlines():
        assert display_width(line) <= columns or _LINK.search(line) or RULES in line, line


def test_every_sample_can_be_previewed_with_the_example() -> None:
    """With the rule file that comes along each of the 21 events shows a message, without any variable."""
    example = str(Path(__file__).parent.parent / "rules.example.yaml")
    for event in SAMPLES:
        result = invoke("preview", event, "--rules", example)
        assert result.exit_code == 0, result.output
        assert "→ " in result.stdout


# What is previewed


def test_a_file_says_by_its_name_what_it_is_the_body_of(tmp_path: Path) -> None:
    """`page.created.json` needs no more, in any folder; another name needs --event; - is standard input."""
    body = b'{"page": {"id": 1, "title": "Roadmap \xe2\x80\x94 \\u001b[31m"}}'
    named, other = tmp_path / "page.created.json", tmp_path / "body"
    for path in (named, other):
        path.write_bytes(body)
    texts = [
        preview(str(named), COLUMNS="300").stdout,
        preview(str(other), "--event", "page.created").stdout,
        preview("page.created", "--payload", str(other)).stdout,
    ]
    piped = invoke("preview", "-", "--event", "page.created", "--rules", RULES, stdin=body)
    for text in (*texts, piped.stdout):
        assert "*Roadmap — � [31m* is there" in text.replace("\n", " ").replace("�[", "� [")
        assert "\x1b" not in text
    assert f"the body in {named}: " in texts[0]
    assert "the body from standard input" in piped.stdout


def test_an_event_outside_the_catalogue_needs_a_body(tmp_path: Path) -> None:
    """Spaces may send events that nobody knows yet; with a body they are previewed like any other."""
    body = tmp_path / "x.json"
    body.write_text('{"id": 5}')
    result = preview("space.renamed", "--payload", str(body))
    assert result.exit_code == 0
    assert "space.renamed from spaces" in result.stdout
    assert "far away: matches → log" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["page.updatd"], 2, "there is no sample of 'page.updatd', and no such file. Did you mean 'page.updated'?"),
        (["ticket.created"], 2, "give the body of any other with --payload FILE"),
        (["no event"], 2, "'no event' is no name of an event, and no file"),
        (["nothere.json"], 1, "nothere.json cannot be read: No such file or directory"),
        (["page.created", "--payload", "nothere"], 1, "nothere cannot be read: No such file"),
        ([str(FOLDER)], 1, "cannot be read: Is a directory"),
        ([RULES], 2, "Which event is this the body of? Say it with --event"),
        ([RULES, "--event", "page.created"], 1, "the body is not JSON: Expecting value at line 1, column 1"),
        ([RULES, "--event", "page created"], 2, "'page created' is no name of an event"),
        (["x.json", "--payload", "y.json"], 2, "The body is given twice: by x.json and by --payload."),
        (["page.created", "--event", "page.updated"], 2, "Two events are named: page.created and page.updated."),
        (["17", "--event", "page.updated"], 2, "A stored event has its name and its body"),
        (["0"], 2, "'0' is not an id"),
        (["page.created", "--destination", "nws"], 2, "no destination is named 'nws'; the rule file has: news,"),
        (["page.created", "--source", "space"], 2, "no source is named 'space'; the rule file has: spaces (did you"),
        (["page.created", "--html", "rules.yaml"], 2, "expected a name that ends in .html, found 'rules.yaml'"),
        (["comment.created", "--html", "x.html"], 1, "no mail would be sent, so there is no HTML part to write"),
        (["page.created", "--html", "x.html"], 1, "several mails would be sent (admins, staff); choose one with"),
    ],
)
def test_mistakes_are_told_with_what_to_do(arguments: list[str], code: int, told: str) -> None:
    """Whatever is wrong in the command is said in a sentence; 2 for what cannot be meant, 1 for what is not there."""
    result = preview(*arguments)
    assert (result.exit_code, told in result.stderr) == (code, True), result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"page": NaN}', "", "\udcff"])
def test_what_is_no_body_is_told(content: str, tmp_path: Path) -> None:
    """What the router would answer 400 is no event to preview."""
    path = tmp_path / "page.created.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    result = preview(str(path))
    assert result.exit_code == 1
    assert "The router would answer it 400." in result.stderr


@pytest.mark.parametrize("value", ["null", "5", '"x"', "[]", "{}", "[" * 500 + "]" * 500, '{"page": {"title": 5}}'])
def test_any_json_can_be_previewed(value: str, tmp_path: Path) -> None:
    """Whatever Spaces may send, all of its events, the preview shows something and not a traceback."""
    path = tmp_path / "body"
    path.write_text(value)
    for event in ("page.created", "page.updated.moved", "comment.created", "user.updated"):
        result = preview(str(path), "--event", event)
        assert result.exit_code == 0, result.output


def test_an_endless_title_leaves_the_preview_readable(tmp_path: Path) -> None:
    """The line on the event stays short, and a message that would be too long to send is told."""
    path = tmp_path / "page.created.json"
    path.write_text(json.dumps({"page": {"id": 5148, "title": "x" * 2_000_000}}))
    result = preview(str(path), "--destination", "news")
    assert len(result.stdout.partition("\n\n")[0].splitlines()) < 8
    assert "cannot be written: subject, line 1: the message is longer than 256 KiB" in result.stdout
    assert result.exit_code == 1


# The rule file


def test_a_rule_file_with_problems_is_told_as_check_does(tmp_path: Path) -> None:
    """Each with its place; nothing is previewed, and the exit code is 1."""
    path = tmp_path / "rules.yaml"
    path.write_text(Path(RULES).read_text().replace("to: audit", "to: audits").replace("${PACE}", "${pace}"))
    result = invoke("preview", "page.created", "--rules", str(path))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no destination is named 'audits'" in result.stderr
    assert "the name in ${pace…} is not in upper case" in result.stderr
    assert "2 problems and " in result.stderr
    missing = invoke("preview", "page.created", "--rules", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 1
    assert "there is no such file" in missing.stderr


def test_variables_that_are_set_are_used_and_no_secret_is_shown() -> None:
    """What is set shows where the message would go, by host; paths, tokens and passwords are in no output."""
    env = {
        "SLACK_URL": "https://hooks.slack.com/services/T12345678/B12345678/another-webhook",
        "SPACES_TOKEN": "a-token-for-the-tests",
        "STAFF": "staff@example.com",
        "PACE": "1/s",
    }
    for form in ("text", "json"):
        for event in SAMPLES:
            result = preview(event, "--format", form, **env)
            for secret in ("another-webhook", "a-token-for", "a-webhook-for", "a-secret-key", "a-bearer-token"):
                assert secret not in result.output
    result = preview("page.created", **env)
    assert "→ news (slack, hooks.slack.com), by the rule words" in result.stdout
    assert "to         staff@example.com" in result.stdout
    assert "PACE" not in result.stderr
    assert "→ paced (log), by the rule data" in preview("comment.created", **env).stdout


def test_a_secret_that_stands_in_a_body_is_masked(tmp_path: Path) -> None:
    """Should a title hold the token of the source, the preview shows it no more than a log would."""
    path = tmp_path / "page.created.json"
    path.write_text('{"page": {"title": "it is a-token-for-the-tests"}}')
    result = preview(str(path), SPACES_TOKEN="a-token-for-the-tests")
    assert "*it is **** is there" in result.stdout
    assert "a-token-for-the-tests" not in result.output


def test_own_templates_beside_the_rule_file_are_used(tmp_path: Path) -> None:
    """The preview reads them as the router would, so a template can be written and looked at."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "note.j2").write_text("my own words on {{ page.title }}")
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "sources: {s: {unsigned: true}}\ndestinations: {log: {type: log}}\n"
        "rules: [{name: a, events: page.created, to: log, template: note}]\n"
    )
    assert "my own words on Release checklist" in invoke("preview", "page.created", "--rules", str(rules)).stdout


# What is shown


def test_only_one_destination_can_be_shown() -> None:
    """--destination leaves out the others, and says so where none of them is it."""
    one = preview("page.created", "--destination", "admins")
    assert re.findall(r"^→ (\S+)", one.stdout, re.MULTILINE) == ["admins"]
    none = preview("page.created", "--destination", "tickets")
    assert "→ " not in none.stdout.partition("\n\n")[2].partition("\n\n")[2]
    assert none.stdout.endswith("No rule would send this event to tickets.\n")
    assert none.exit_code == 0


def test_the_html_part_is_written_for_a_browser(tmp_path: Path) -> None:
    """--html writes the whole page as a mail program would get it, and may write it anew."""
    path = tmp_path / "mail.html"
    path.write_text("old")
    result = preview("page.created", "--destination", "admins", "--html", str(path))
    assert result.exit_code == 0
    page = path.read_text()
    assert page.startswith("<!doctype html>")
    assert "<title>New page: Release checklist</title>" in page
    assert "Release checklist* is there" in page
    assert f"Wrote the HTML part to {path}." in result.stderr
    nowhere = preview("page.created", "--destination", "admins", "--html", str(tmp_path / "none" / "x.html"))
    assert nowhere.exit_code == 1
    assert "cannot be written: No such file or directory" in nowhere.stderr


def test_colours_are_for_terminals() -> None:
    """Colours appear on a terminal only, and not where NO_COLOR is set; they change nothing about the text."""
    arguments = ["preview", "comment.deleted", "--rules", RULES]
    env = {"COLUMNS": "80", "NO_COLOR": None}
    coloured = CliRunner().invoke(main, arguments, color=True, env=env)
    plain = CliRunner().invoke(main, arguments, env=env)
    assert "\x1b[31mcannot be written:" in coloured.stdout
    assert "\x1b" not in plain.output
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.stdout) == plain.stdout
    assert "\x1b" not in CliRunner().invoke(main, arguments, color=True, env=env | {"NO_COLOR": "1"}).stdout


def test_many_rules_about_other_events_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a hundred rules sees those that match or nearly do, and how many more there are."""
    monkeypatch.chdir(tmp_path)
    path = Path("rules.yaml")
    rules = "".join(f"  - {{name: r{number}, events: space.deleted, to: log}}\n" for number in range(100))
    near = "  - {name: near, events: page.*, when: {page.id: 1}, to: log}\n  - {name: it, events: page.*, to: log}\n"
    path.write_text(f"sources: {{s: {{unsigned: true}}}}\ndestinations: {{log: {{type: log}}}}\nrules:\n{rules}{near}")
    lines = invoke("preview", "page.created").stdout.splitlines()
    assert lines[2:5] == [
        "1 of 102 rules in rules.yaml matches",
        "  it: matches → log",
        "  near: does not match: when: page.id is 5148, wanted 1",
    ]
    assert "  … and 88 rules more about other events; --format json lists all" in lines


# A stored event


def running_rules(port: int) -> str:
    return f"""\
destinations:
  ops: {{type: http, url: "http://127.0.0.1:{port}", retry: []}}
rules:
  - {{name: all, events: "*", to: ops}}
"""


async def test_a_stored_event_is_judged_by_the_rule_file_here(tmp_path: Path) -> None:
    """By its id or that of a delivery, from the running router or from the store that it left behind."""
    async with RunningRouter(tmp_path, running_rules(refused_port())) as router:
        event = await router.accept("page.created")
        await router.settle()
        (delivery,) = await router.deliveries()
        asked = [
            await invoked("preview", number, "--rules", RULES, "--admin", router.app.admin_url)
            for number in (event, delivery["id"])
        ]
        unknown = await invoked("preview", "17", "--rules", RULES, "--admin", router.app.admin_url)
    data = ("--admin", "127.0.0.1:1", "--data", str(tmp_path / "data"))
    read = [await invoked("preview", number, "--rules", RULES, *data) for number in (event, delivery["id"])]
    for result in (*asked, *read):
        assert result.exit_code == 0, result.output
        assert f"page.created from spaces, event {event}: Page created: Release checklist" in (
            result.stdout.partition("\n\n")[0].replace("\n  ", " ")
        )
        assert "words: matches → news, admins, staff, log, closed" in result.stdout
    assert len({result.stdout for result in (*asked, *read)}) == 1
    assert unknown.exit_code == 1
    assert "there is no event and no delivery 17" in unknown.stderr


RECORDED = """\
sources:
  spaces: {unsigned: true, site: acme.teamwork.com}
destinations:
  log: {type: log}
rules:
  - {name: comments, events: comment.*, when: {page.title: Release}, to: log, message: "on {{ page.title }}"}
  - name: renamed
    events: page.updated
    to: log
    message: "{{ changes.title.before }} → {{ page.title }} by {{ actor.name }}"
"""


async def test_a_stored_event_is_judged_and_written_by_what_is_recorded(tmp_path: Path) -> None:
    """Names are those that were known when it came, whatever was learned since; and what it changed is told."""
    page = {"id": 5148, "title": "Release", "updatedBy": {"id": 9}}
    path = tmp_path / "new.yaml"
    path.write_text(RECORDED)
    rules = "destinations: {log: {type: log}}\nrules: [{name: c, events: '*', when: {page.title: R}, to: log}]\n"
    async with RunningRouter(tmp_path, rules) as router:
        await router.accept("user.updated", b'{"user": {"id": 9, "firstname": "Ada"}}')
        await router.accept("page.created", json.dumps({"page": page}).encode())
        comment = await router.accept("comment.created", b'{"comment": {"id": 1, "page": {"id": 5148}}}')
        renamed = await router.accept("page.updated", json.dumps({"page": page | {"title": "Launch"}}).encode())
        asked = [
            await invoked("preview", number, "--rules", str(path), "--admin", router.app.admin_url)
            for number in (comment, renamed)
        ]
    data = ("--admin", "127.0.0.1:1", "--data", str(tmp_path / "data"))
    read = [await invoked("preview", number, "--rules", str(path), *data) for number in (comment, renamed)]
    for about_comment, about_page in (asked, read):
        assert "comments: matches → log" in about_comment.stdout
        assert "on Release\n" in about_comment.stdout
        assert "Release → Launch by Ada\n" in about_page.stdout


@pytest.fixture
def other_source(tmp_path: Path) -> str:
    """A rule file whose source has another name."""
    path = tmp_path / "other.yaml"
    path.write_text(Path(RULES).read_text().replace("  spaces:", "  wiki:"))
    return str(path)


async def test_an_event_of_a_source_that_is_gone(tmp_path: Path, other_source: str) -> None:
    """A rule file without the source asks as which one it counts."""
    async with RunningRouter(tmp_path, running_rules(refused_port())) as router:
        event = await router.accept("page.created")
        await router.settle()
        admin = ("--admin", router.app.admin_url, "--rules", other_source)
        refused = await invoked("preview", event, *admin)
        done = await invoked("preview", event, "--source", "wiki", *admin)
    assert refused.exit_code == 1
    assert "came from the source 'spaces', which this rule file does not have" in refused.stderr
    assert "The rule file has: wiki." in refused.stderr
    assert done.exit_code == 0
    assert "page.created from wiki" in done.stdout


async def test_what_the_router_made_itself_is_judged_by_no_rule(tmp_path: Path) -> None:
    """An alert among the events is told for what it is."""
    rules = running_rules(refused_port()).replace("rules:", "  log: {type: log}\ndefaults: {alerts: log}\nrules:")
    async with RunningRouter(tmp_path, rules) as router:
        await router.accept("page.created")
        await router.settle()
        await router.advance(seconds=1)
        (alert,) = (await router.get("events", source="router"))["events"]
        result = await invoked("preview", alert["id"], "--rules", RULES, "--admin", router.app.admin_url)
    assert result.exit_code == 1
    assert "was made by the router itself, to tell of trouble; no rule judges it" in result.stderr


async def test_json_is_what_the_call_answers(tmp_path: Path) -> None:
    """--format json prints the answer of POST /api/v1/preview under the same rules."""
    async with RunningRouter(tmp_path, running_rules(refused_port())) as router:
        for event in SAMPLES:
            wish = {"event": event, "payload": json.loads(sample(event))}
            answered = await router.post("/api/v1/preview", wish)
            result = await invoked("preview", event, "--rules", str(router.path), "--format", "json")
            assert json.loads(result.stdout) == answered.json()
            assert "Note: not set here" in result.stderr


# What Slack's markup and blocks look like


@pytest.mark.parametrize(
    ("markup", "read"),
    [
        ("*bold* _it_ `code`", "*bold* _it_ `code`"),
        ("<https://x.example/a?b=1&amp;c=2|The page>", "The page (https://x.example/a?b=1&c=2)"),
        ("<https://x.example>", "https://x.example"),
        ("<https://x.example|https://x.example>", "https://x.example"),
        ("<mailto:a@x.example|a@x.example>", "a@x.example"),
        ("<@U024BE7LH> <@U024BE7LH|ada> <#C1|docs> <#C1>", "@U024BE7LH @ada #docs #C1"),
        ("<!here> <!subteam^S1|@team> <!subteam^S1> <!date^1^{date}|2 March>", "@here @team @subteam 2 March"),
        ("a &lt;!channel&gt; &amp;lt; b", "a <!channel> &lt; b"),
        ("5 < 6 or <how> 7 > 6", "5 < 6 or <how> 7 > 6"),
    ],
)
def test_mrkdwn_reads_as_in_slack(markup: str, read: str) -> None:
    """Links, mentions and escapes are read; emphasis stays as it is written."""
    assert read_mrkdwn(markup) == read


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        [],
        5,
        [None, 5, "x", [], {}],
        [{"type": None}, {"type": ["x"]}, {"type": "section"}, {"type": "section", "fields": 5, "text": 5}],
        [{"type": "context", "elements": [None, 5, {"type": "image"}, {"text": {}}]}],
        [{"type": "actions", "elements": [{"type": "button"}, {"type": "datepicker"}, {}]}],
        [{"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [[]]}, 5]}],
        [{"type": "header", "text": {"type": "plain_text", "text": ["x"]}}],
        [{"type": "\x1b[31m" * 30}],
    ],
)
def test_any_blocks_can_be_drawn(blocks: Any) -> None:
    """Blocks may hold whatever a template put there; what Slack would refuse is drawn as well as it goes."""
    assert "\x1b[31m" not in "\n".join(draw_blocks(blocks, 70))


def test_wide_fields_stand_below_each_other() -> None:
    """Two columns where both fit, as in Slack; an address that does not fit stays whole on a line of its own."""
    fields = [{"type": "mrkdwn", "text": text} for text in ("*Page*\nRoadmap", "*Link*\nhttps://x.example/" + "y" * 40)]
    block = {"type": "section", "fields": fields}
    assert draw_blocks([block], 140)[1] == "Roadmap" + " " * 64 + "https://x.example/" + "y" * 40
    assert draw_blocks([block], 60) == ["*Page*", "Roadmap", "*Link*", "https://x.example/" + "y" * 40]
