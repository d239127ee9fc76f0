"""`tests:` and `spaces-router test`: what an admin expects of the rules is checked, and told where it is not so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result as Output

from router.config.load import load_text
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid
from router.config.tests_file import load_tests
from router.delivery.testing import Result, run_test
from router.payload import dump_json
from router.samples import SAMPLES
from tests.cli import invoke

EXAMPLE = Path(__file__).parents[1] / "rules.example.yaml"

RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}", site: acme.teamwork.com}
  second: {token: "${SPACES_TOKEN}"}
  projects: {kind: teamwork-projects, token: "${SPACES_TOKEN}"}
destinations:
  docs: {type: slack, url: "${SLACK_URL}"}
  audit: {type: http, url: "${AUDIT_URL}"}
  mail: {type: email, from: a@example.com, to: "${MAIL}", smtp: "smtp://x.example.com"}
  log: {type: log}
  off: {type: log, enabled: false}
rules:
  - {name: bots, events: "*", when: {actor.email: {ends_with: "@bots.example.com"}}, to: log, stop: true}
  - {name: second, events: "*", sources: second, to: log, stop: true}
  - name: pages
    events: [page.created, page.updated]
    when: {space.id: 42}
    to: docs
    subject: "About {{ page.title }}"
    message: "*{{ event.title }}*: {{ page.title }}\\n> {{ page.changeMessage }}"
  - {name: deletions, events: "*.deleted", to: [audit, mail]}
  - {name: silent, events: comment.*, to: log, message: "{% if comment.id == 3 %}x{% endif %}"}
  - {name: moved, events: page.updated.moved, to: {by: space.id, table: {7: docs}}}
  - {name: restored, events: page.updated.restored, to: off}
  - {name: broken, events: user.disabled, to: docs, message: "{{ 1 / 0 }}"}
  - {name: tasks, events: task.*, to: log, message: "{{ actor.name }} {{ task.name }}"}
  - {name: body, events: access.created, to: audit, body: {text: "{{ access.state }}", list: [1, {deep: "two  words"}]}}
tests:
"""


def loaded(tests: str) -> Configuration:
    return load_text(RULES + tests, "rules.yaml", None)


def results(tests: str) -> list[Result]:
    by = loaded(tests)
    return [run_test(test, by) for test in by.tests]


def run(keys: str) -> Result:
    """Run one test, given as the keys beside its name."""
    (result,) = results(f"  - {{name: one, {keys}}}\n")
    return result


def told(result: Result) -> list[str]:
    """Every line of what is not as expected."""
    return [
        line
        for each in result.mismatches
        for line in (
            f"{each.line} {each.key}: {each.sentence}",
            *(f"- {expected}" for expected in each.expected),
            *(f"+ {found}" for found in each.found),
        )
    ]


FIRST = RULES.count("\n") + 1


# What passes


@pytest.mark.parametrize(
    "keys",
    [
        "event: page.updated, to: docs",
        "event: PAGE.UPDATED, to: [docs]",
        "event: page.updated, rules: pages, not_rules: [bots, deletions]",
        "event: page.updated, text: Release checklist",
        'event: page.updated, text: {docs: ["Page updated", "*: Release  checklist"]}, not_text: "None"',
        "event: page.updated, subject: About Release checklist",
        "event: page.updated, source: second, to: log",
        'event: page.updated, with: {page.title: "Tom & <Jerry>"}, text: "Tom & <Jerry>"',
        'event: page.updated, with: {page.title: "Tom & <Jerry>"}, text: "Tom &amp; &lt;Jerry&gt;"',
        "event: page.updated, with: {space.id: 7}, to: nothing",
        "event: page.updated, with: {page.space.id: 7}, to: nothing, not_rules: [pages]",
        "event: page.updated, payload: {page: {title: Mine, space: {id: 42}}}, to: docs, text: Mine",
        'event: page.deleted, to: [mail, audit], text: {mail: checklist, audit: \'"title": "Release checklist"\'}',
        "event: page.deleted, subject: {mail: Page deleted}",
        "event: comment.created, to: nothing, rules: silent",
        "event: comment.created, with: {comment.id: 3}, to: log, text: x",
        "event: page.updated.restored, to: nothing, rules: restored",
        "event: page.updated.moved, to: nothing, rules: moved",
        "event: access.created, to: audit, text: [two words, '1']",
        "event: access.created, payload: {access: {access: {state: open}}}, with: {access.state: gone}, text: gone",
        "event: something.new, payload: {}, to: nothing",
        "event: page.created, to: docs, not_text: {mail: Release}",
    ],
)
def test_what_is_as_expected_passes(keys: str) -> None:
    """Destinations, rules, texts and subjects are looked at, whatever the body comes from."""
    assert told(run(keys)) == []
    assert run(keys).passed


# What is different


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            "event: page.updated, with: {space.id: 7}, to: docs",
            ["to: expected docs, found nothing", "- docs: rule 'pages' does not match: when: space.id is 7, wanted 42"],
        ),
        (
            "event: page.updated, to: [mail, log]",
            [
                "to: expected mail, log, found docs",
                "- mail: rule 'deletions' does not match: events: page.updated is not matched by *.deleted",
                "- log: rule 'bots' does not match: when: actor.email is missing,",
                "+ docs: sent by the rule 'pages'",
            ],
        ),
        ("event: page.updated, to: nothing", ["to: expected nothing, found docs", "+ docs: sent by the rule 'pages'"]),
        (
            "event: comment.created, to: log",
            ["to: expected log, found nothing", "- log: the message by the rule 'silent' comes to nothing"],
        ),
        (
            "event: page.updated.restored, to: off",
            [
                "to: expected off",
                "- off: the message by the rule 'restored' is not sent, as the destination is switched",
            ],
        ),
        (
            "event: page.updated.moved, to: docs",
            ["to: expected docs", "matches, but goes nowhere: to: no entry for space.id 42"],
        ),
        ("event: page.updated, to: mail", ["to: expected mail, found docs", "- mail", "+ docs"]),
        (
            "event: page.updated, rules: [deletions, pages]",
            ["rules: ", "- deletions: events: page.updated is not matched by *.deleted"],
        ),
        ("event: page.updated, not_rules: pages", ["not_rules: ", "+ pages: matches"]),
        (
            "event: page.updated, text: [Roadmap, Release]",
            ["text: the message to docs does not contain it", "- Roadmap", "+ *Page updated*: Release checklist", "+ "],
        ),
        ("event: page.updated, not_text: [step]", ["not_text: the message to docs contains 'step'", "+ *Page", "+ >"]),
        ("event: page.updated, with: {space.id: 7}, text: x", ["text: no message is sent", "- x"]),
        ("event: page.updated, text: {mail: x}", ["text: no message is sent to mail", "- x"]),
        ("event: access.created, subject: x", ["subject: no message with a subject is sent", "- x"]),
        (
            "event: page.updated, subject: Roadmap",
            ["subject: the subject to docs does not contain it", "- Roadmap", "+ About Release checklist"],
        ),
        (
            "event: user.disabled, rules: broken",
            ["event: the message to docs by the rule 'broken' cannot be written: message, line 1: a calculation"],
        ),
        ("event: user.disabled, to: docs", ["event: the message to docs by the rule 'broken' cannot be written"]),
    ],
)
def test_what_is_different_is_told_with_the_reason(keys: str, expected: list[str]) -> None:
    """Each difference names what was expected, what is instead, and why the rules did so."""
    result = run(keys)
    assert not result.passed
    lines = told(result)
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert start in line


def test_each_difference_has_the_line_of_its_key() -> None:
    """Whoever looks for the expectation that failed finds it by the number."""
    (result,) = results("  - name: one\n    event: page.updated\n    text: no\n    rules: bots\n    to: mail\n")
    assert [(each.line - FIRST, each.key) for each in result.mismatches] == [(2, "text"), (3, "rules"), (4, "to")]


def test_what_to_tells_is_not_told_again() -> None:
    """Of a message that is not sent at all, only that is told and not what it lacks."""
    result = run("event: page.updated, with: {space.id: 7}, to: docs, text: {docs: x}, subject: y")
    assert [each.key for each in result.mismatches] == ["to"]


# The body


@pytest.mark.parametrize(
    ("event", "change", "rule_path"),
    [
        ("page.updated", "page.title", "page.title"),
        ("page.updated", "page.space.name", "space.name"),
        ("page.updated", "space.code", "page.space.code"),
        ("page.updated", "actor.name", "page.updatedBy.name"),
        ("page.created", "actor.name", "page.createdBy.name"),
        ("page.deleted", "actor.name", "page.deletedBy.name"),
        ("page.updated", "payload.page.slug", "page.slug"),
        ("page.updated", "page.new.deeply.nested", "page.new.deeply.nested"),
        ("comment.created", "page.title", "page.title"),
        ("comment.created", "comment.page.title", "page.title"),
        ("space.deleted", "space.title", "space.name"),
        ("pluginstate.created", "page.id", "page.id"),
        ("user.updated", "user.firstName", "user.firstName"),
        ("pagepermissions.deleted", "pagepermissions.note", "pagepermissions.note"),
    ],
)
def test_a_change_is_what_conditions_see(event: str, change: str, rule_path: str) -> None:
    """`with` sets a field by the path that rules have for it, wherever it stands in the body."""
    rule = f"  - {{name: sees it, events: '*', to: log, when: {{{rule_path}: value-of-the-test}}}}\ntests:\n"
    text = RULES.replace("tests:\n", rule)
    text += f"  - {{name: one, event: {event}, with: {{{change}: value-of-the-test}}, rules: sees it}}\n"
    by = load_text(text, "rules.yaml", None)
    assert told(run_test(by.tests[0], by)) == []


@pytest.mark.parametrize("event", SAMPLES)
def test_every_sample_can_have_another_actor(event: str) -> None:
    """The bot that a rule is about can be the actor of any event."""
    assert told(run(f"event: {event}, with: {{actor.id: 7, actor.email: x@bots.example.com}}, rules: bots")) == []


def test_bodies_of_other_products_can_be_changed() -> None:
    """Projects name who did it beside the model."""
    keys = "event: TASK.CREATED, payload: {task: {id: 1, name: Plan}, eventCreator: {id: 3}}, source: projects"
    assert told(run(f"{keys}, with: {{actor.name: Ada, task.name: Paint}}, text: Ada Paint")) == []


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("event: page.updated, payload: [1, 2], with: {page.title: x}", "page.title cannot be set: the body holds no"),
        ("event: page.updated, with: {page.tags.first: x}", "there is a list, which has no first; expected a number"),
        ("event: page.updated, payload: [1], with: {payload.a.b: x}", "which has no a; expected a number from 0"),
        ("event: page.updated, payload: text, with: {payload.a: x}", "payload.a cannot be set: before a there is no"),
    ],
)
def test_a_change_that_leads_nowhere_is_told(keys: str, sentence: str) -> None:
    """A path which this body cannot have fails the test with a sentence, at the line of `with`."""
    lines = told(run(f"{keys}, to: docs"))
    assert len(lines) == 1
    assert sentence in lines[0]
    assert " with: " in lines[0]


def test_the_sample_stays_as_it_is() -> None:
    """What one test changes no other one sees."""
    first, second = results(
        "  - {name: a, event: page.updated, with: {page.title: Mine, page.space.id: 7}, to: nothing}\n"
        "  - {name: b, event: page.updated, to: docs, text: Release checklist}\n"
    )
    assert first.passed
    assert second.passed


# The command

GOOD = "  - {name: pages are told, event: page.updated, to: docs}\n"
BAD = "  - name: pages are mailed\n    event: page.updated\n    to: mail\n"


def written(folder: Path, tests: str, **files: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(RULES + tests)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return path


def command(*arguments: object, **env: str) -> Output:
    return invoke("test", *map(str, arguments), env=env)


def test_each_test_is_a_line_and_the_differences_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin reads what passed, what did not, where that stands and why; the exit code tells a script."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, GOOD + BAD)
    output = command()
    assert output.exit_code == 1
    assert output.stdout == (
        "ok      pages are told\n"
        "FAILED  pages are mailed\n"
        f"        rules.yaml:{FIRST + 3}: to: expected mail, found docs\n"
        "          - mail: rule 'deletions' does not match: events: page.updated is not\n"
        "            matched by *.deleted\n"
        "          + docs: sent by the rule 'pages'\n"
        "\n"
        "1 of 2 tests failed\n"
    )


def test_variables_that_are_not_set_are_noted_and_do_not_matter(tmp_path: Path) -> None:
    """Tests run where no secret is: on the machine of whoever writes rules, and in CI."""
    output = command(written(tmp_path, GOOD))
    assert output.exit_code == 0
    assert output.stdout == "ok      pages are told\n\nThe test passed\n"
    assert "not needed for tests: SPACES_TOKEN, SLACK_URL, AUDIT_URL, MAIL." in output.stderr.replace("\n", " ")


def test_the_example_passes_its_own_tests() -> None:
    """Whoever begins with the example begins with tests that pass, for several kinds of expectation."""
    output = command(EXAMPLE)
    assert output.exit_code == 0, output.output
    assert "tests passed" in output.stdout
    assert output.stderr == ""


def test_tests_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    """Further files hold tests alone, and each is told by its own name and lines."""
    rules = written(tmp_path, GOOD, more=f"tests:\n{BAD}", most=f"tests:\n{GOOD}")
    output = command(rules, tmp_path / "more.yaml", tmp_path / "most.yaml", COLUMNS="300")
    assert output.exit_code == 1
    assert f"{tmp_path / 'more.yaml'}:4: to: " in output.stdout
    assert "1 of 3 tests failed" in output.stdout


def test_the_body_may_stand_in_a_file(tmp_path: Path) -> None:
    """`payload_file` is found beside the file of its test; one that is not there is told with its place."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "page.json").write_bytes(dump_json({"page": {"title": "Mine", "space": {"id": 42}}}))
    test = "tests: [{name: a, event: page.updated, payload_file: page.json, text: Mine}]\n"
    (tmp_path / "below" / "tests.yaml").write_text(test)
    rules = written(tmp_path, GOOD)
    assert command(rules, tmp_path / "below" / "tests.yaml").exit_code == 0
    (tmp_path / "below" / "page.json").write_text("no JSON")
    output = command(rules, tmp_path / "below" / "tests.yaml", COLUMNS="300")
    assert output.exit_code == 1
    assert f"{tmp_path / 'below' / 'tests.yaml'}:1: payload_file: " in output.stdout
    (tmp_path / "below" / "page.json").unlink()
    output = command(rules, tmp_path / "below" / "tests.yaml", COLUMNS="300")
    assert output.exit_code == 1
    assert f"tests.yaml:1: {tmp_path / 'below' / 'page.json'} cannot be read: No such file" in output.stderr


def test_problems_end_it_before_anything_is_run(tmp_path: Path) -> None:
    """A file with problems is no base for tests: all problems of all files of tests are told at once."""
    output = command(written(tmp_path, "  - {name: a, event: page.updatd, to: docs}\n"))
    assert output.exit_code == 1
    assert "there is no sample of 'page.updatd'" in output.stderr
    output = command(written(tmp_path, "  - {name: a, event: page.updated, to: none}\n"), COLUMNS="300")
    assert "no destination is named 'none'" in output.stderr
    assert "; if nobody is to get it, write nothing" in output.stderr
    assert "mend it first, then test." in output.stderr
    rules = written(tmp_path, GOOD, one="tests: [{name: a, event: page.updated, to: dcos}]\n", two="- x\n")
    output = command(rules, tmp_path / "one.yaml", tmp_path / "two.yaml")
    assert output.exit_code == 1
    assert "no destination is named 'dcos'; this file defines: docs, audit, mail, log, off (did you" in output.stderr
    assert "the file is a list; expected the key tests" in output.stderr
    assert "2 problems in files of tests" in output.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file holds nothing"),
        ("rules: []\n", "unknown key 'rules'; a file of tests holds tests alone"),
        ("test: []\n", "unknown key 'test'; a file of tests holds tests alone (did you mean 'tests'?)"),
        ("a: b\n", "the file has no tests"),
        ("tests: [\n", "tests.yaml:"),
    ],
)
def test_files_that_are_no_tests(tmp_path: Path, text: str, sentence: str) -> None:
    """Whatever stands in a file of tests, the answer is a problem with a place."""
    path = tmp_path / "tests.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationInvalid) as raised:
        load_tests(path, loaded(GOOD))
    assert sentence in str(raised.value)
    with pytest.raises(ConfigurationInvalid, match="there is no such file"):
        load_tests(tmp_path / "none.yaml", loaded(GOOD))


def test_no_tests_are_told_with_an_example(tmp_path: Path) -> None:
    """A green light without a test would be a lie."""
    output = command(written(tmp_path, "  []\n"))
    assert output.exit_code == 1
    assert "there are no tests in" in output.stderr
    assert "tests: [{name: pages are told" in output.stderr


def test_programs_get_json(tmp_path: Path) -> None:
    """`--format json` has each test with its place and what is different."""
    output = command(written(tmp_path, GOOD + BAD), "--format", "json")
    found: dict[str, Any] = json.loads(output.stdout)
    assert (found["passed"], found["failed"]) == (1, 1)
    assert [test["passed"] for test in found["tests"]] == [True, False]
    (mismatch,) = found["tests"][1]["mismatches"]
    assert mismatch["key"] == "to"
    assert mismatch["line"] == FIRST + 3
    assert mismatch["found"] == ["docs: sent by the rule 'pages'"]


def test_ci_systems_get_junit_xml(tmp_path: Path) -> None:
    """`--junit` writes a case for each test, with its file and line; a failure says what is different."""
    odd = '  - {name: "pages <&> é", event: page.updated, with: {page.title: "a\\u0007b <&"}, text: "no"}\n'
    rules = written(tmp_path, GOOD + BAD + odd, more=f"tests:\n{GOOD}")
    target = tmp_path / "results.xml"
    output = command(rules, tmp_path / "more.yaml", "--junit", target)
    assert output.exit_code == 1
    root = ET.fromstring(target.read_bytes())  # noqa: S314 - the command wrote it
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "4", "2")
    suites = root.findall("testsuite")
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        (str(rules), "3", "2"),
        (str(tmp_path / "more.yaml"), "1", "0"),
    ]
    cases = suites[0].findall("testcase")
    assert [case.get("name") for case in cases] == ["pages are told", "pages are mailed", "pages <&> é"]
    assert cases[1].get("file") == str(rules)
    assert cases[1].get("line") == str(FIRST + 1)
    failure = cases[1].find("failure")
    assert failure is not None
    assert f"{rules}:{FIRST + 3}: to: expected mail, found docs" in str(failure.text)
    assert command(rules, "--junit", tmp_path / "no" / "where.xml").exit_code == 1


def test_github_gets_notes_beside_the_lines(tmp_path: Path) -> None:
    """`--format github` shows what is different beside the expectation, in a pull request."""
    output = command(written(tmp_path, GOOD + BAD), "--format", "github")
    assert output.stdout.startswith("::error file=")
    assert f"line={FIRST + 3},col=1::test 'pages are mailed': to: expected mail, found docs; " in output.stdout
    assert output.stdout.count("\n") == 1


def test_a_title_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """What stands in a body or a test is shown without its control characters."""
    test = '  - {name: a, event: page.updated, with: {page.title: "\\e[31mred"}, text: "\\e[32mgreen"}\n'
    assert "\x1b" not in command(written(tmp_path, test)).output


def test_check_counts_tests_and_does_not_run_them(tmp_path: Path) -> None:
    """`check` says that there are tests; whether they pass is not its matter."""
    env = {"SPACES_TOKEN": "t", "SLACK_URL": "https://x.example.com/", "AUDIT_URL": "https://a.example.com/"}
    output = invoke("check", str(written(tmp_path, GOOD + BAD)), env=env | {"MAIL": "ops@example.com"})
    assert output.exit_code == 0, output.output
    assert "2 tests, which `spaces-router test` runs" in output.stdout
