"""Templates are held against the events that their rules can see: what nobody could ever read is told beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.rule_report import content
from router.config.load import load
from router.config.problems import ConfigurationInvalid, Problem
from tests.cli import invoked

ENVIRON = {"SPACES_TOKEN": "a-token"}
HEAD = """\
sources:
  spaces: {token: "${SPACES_TOKEN}"}
destinations:
  docs: {type: slack, url: "${SPACES_TOKEN:+}https://hooks.slack.com/services/T/B/x"}
""".replace("${SPACES_TOKEN:+}", "")
ENDLESS = "".join(f"{{% for {name} in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] %}}" for name in "abcde") + "{% endfor %}" * 5


def problems(folder: Path, rules: str, *, head: str = HEAD, files: dict[str, str] | None = None) -> list[Problem]:
    """What is said of a rule file, but for the address in it."""
    for name, text in (files or {}).items():
        path = folder / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "rules.yaml").write_text(f"{head}rules:\n{rules}")
    try:
        found = load(folder / "rules.yaml", ENVIRON).warnings
    except ConfigurationInvalid as invalid:
        found = invalid.problems
    return [problem for problem in found if problem.code != "secret-in-file"]


def places(found: list[Problem]) -> list[tuple[str, int, int, str | None]]:
    return [(Path(problem.file).name, problem.line, problem.column, problem.code) for problem in found]


class TestUnknownFields:
    """Fields that no event has, found by reading the template."""

    def one(self, folder: Path, message: str) -> list[str]:
        indented = "".join(f"      {line}\n" for line in message.splitlines())
        rule = f"  - name: a\n    events: page.*\n    to: docs\n    message: |\n{indented}"
        return [problem.message for problem in problems(folder, rule)]

    @pytest.mark.parametrize(
        "message",
        [
            "{% set p = page %}{{ p.titel }}",
            "{% with p = page.space %}{{ p.titel2 }}{% endwith %}",
            "{% set p = page %}{% set q = p.space %}{{ q.naem }}",
            '{{ page["titel"] }}',
            "{{ page . titel }}",
            "{{ page.titel | upper }}",
            "{% if page.titel is defined %}x{% endif %}",
            "{% macro m(x) %}{{ x }}{{ page.titel }}{% endmacro %}{{ m(1) }}",
        ],
    )
    def test_simple_names_are_followed(self, tmp_path: Path, message: str) -> None:
        """A name that stands for a part of the event is as good as that part."""
        (told,) = self.one(tmp_path, message)
        assert told.startswith("unknown field 'page.")

    @pytest.mark.parametrize(
        "message",
        [
            "{% set p = page %}{% set p = {} %}{{ p.titel }}",
            '{% set page = {"titel": 1} %}{{ page.titel }}',
            "{% macro m(page) %}{{ page.titel }}{% endmacro %}{{ m(payload) }}",
            "{% for page in payload.pages %}{{ page.titel }}{% endfor %}",
            "{% set x = page.space or payload.area %}{{ x.anything }}",
            "{% for tag in page.tags %}{{ tag.anything }}{{ loop.index }}{% endfor %}",
            '{% set x = {"titel": 1} %}{{ x.titel }}',
            "{% raw %}{{ page.titel }}{% endraw %}page.titel{# {{ page.titel }} #}",
            "{{ payload.page.titel }}{{ page[payload.key] }}",
            "{{ changes.tags.added | join(', ') }}{{ page.parent.title }}{{ page.updatedBy.mention }}",
        ],
    )
    def test_whatever_may_be_right_is_left_alone(self, tmp_path: Path, message: str) -> None:
        """A name with two meanings, or one that is worked out, is not guessed at."""
        assert self.one(tmp_path, message) == []

    def test_files_are_told_of_at_their_place(self, tmp_path: Path) -> None:
        """Files that a rule leads to, by name, by event or from one another, are looked through, each place once."""
        files = {
            "slack/page.j2": 'First\n{{ page.titel }}{% include "parts.j2" %}',
            "parts.j2": "{{ actor.nam }}",
            "slack/comment.yaml": (
                'text: x\nblocks:\n- {type: header, text: {type: plain_text, text: "{{ comment.txt }}"}}\n'
            ),
            "slack/note.j2": "{{ page.sulg }}",
            "slack/user.j2": "{{ user.nobody }}",
        }
        rules = (
            "  - {name: a, events: [page.*, comment.*], to: docs}\n  - {name: b, events: page.*, to: docs, if: page}\n"
        )
        rules += "  - {name: c, events: page.*, to: docs, template: note, if: page.id}\n"
        found = problems(tmp_path, rules, files=files)
        assert places(found) == [
            ("parts.j2", 1, 10, "unknown-field"),
            ("comment.yaml", 3, 61, "unknown-field"),
            ("note.j2", 1, 9, "unknown-field"),
            ("page.j2", 2, 9, "unknown-field"),
        ]

    def test_what_an_including_template_sets_is_left_alone(self, tmp_path: Path) -> None:
        """An included template sees the including one's names in the place of the event's."""
        files = {"parts.j2": "{{ page.anything }}"}
        message = '{% set page = {"anything": 1} %}{% include "parts.j2" %}'
        rule = f"  - {{name: a, events: page.*, to: docs, message: '{message}'}}\n"
        assert problems(tmp_path, rule, files=files) == []

    def test_events_of_other_products_are_not_judged(self, tmp_path: Path) -> None:
        """Their models are not documented: a rule that may see one of them is left alone, another is not."""
        head = HEAD.replace("sources:\n", 'sources:\n  tasks: {kind: teamwork-projects, token: "${SPACES_TOKEN}"}\n')
        rules = '  - {name: a, events: comment.*, to: docs, when: {comment.body: x}, message: "{{ comment.body }}"}\n'
        assert problems(tmp_path, rules, head=head) == []
        rules = rules.replace("events:", "sources: spaces, events:")
        assert len(problems(tmp_path, rules, head=head)) == 2


class TestFailures:
    """Templates that fail on samples."""

    def test_what_can_only_fail_is_an_error_and_all_else_a_warning(self, tmp_path: Path) -> None:
        """Bounds that no body changes are errors; what a fuller body might cure is not refused."""
        rules = (
            f"  - {{name: a, events: page.*, to: docs, message: '{ENDLESS}'}}\n"
            "  - {name: b, events: page.*, to: docs, message: '{{ payload.pages / 2 }}'}\n"
        )
        never, perhaps = problems(tmp_path, rules)
        assert (never.severity, never.line, never.column) == ("error", 6, 51)
        assert never.message == (
            "this fails for every event, so that nothing could be sent: the template takes more than 10,000 loop steps"
        )
        assert (perhaps.severity, perhaps.code) == ("warning", "template-fails")

    def test_failures_in_files_are_told_at_their_line(self, tmp_path: Path) -> None:
        """Text files, blocks, and files that are included."""
        files = {
            "slack/page.j2": "{{ page.title }}\n\n{{ page.title / 2 }}",
            "slack/comment.yaml": (
                'text: x\nblocks:\n- type: header\n  text: {type: plain_text, text: "{{ comment.content / 2 }}"}\n'
            ),
            "parts.j2": "\n{{ 1 / page.title }}",
        }
        rules = "  - {name: a, events: [page.*], to: docs}\n  - {name: b, events: comment.*, to: docs}\n"
        rules += "  - {name: c, events: page.*, to: docs, message: '{% include \"parts.j2\" %}'}\n"
        assert places(problems(tmp_path, rules, files=files)) == [
            ("parts.j2", 2, 1, None),
            ("comment.yaml", 4, 35, None),
            ("page.j2", 3, 1, None),
        ]

    def test_a_destinations_own_message_is_tried_on_what_reaches_it(self, tmp_path: Path) -> None:
        """Rules with a message of their own do not use it."""
        head = HEAD + '  audit: {type: http, url: "https://a.example/", body: {x: "{{ page.state / 1 }}"}}\n'
        rules = "  - {name: a, events: user.*, to: [audit, docs], message: x}\n"
        assert problems(tmp_path, rules, head=head) == []
        rules += "  - {name: b, events: user.*, to: audit, if: user}\n"
        (told,) = problems(tmp_path, rules, head=head)
        assert "a missing value" in told.message

    def test_the_work_is_bounded(self, tmp_path: Path) -> None:
        """When the time is used up the rest is left out, and counted for `check` to say so."""
        rules = "".join(f"  - {{name: r{each}, events: page.*, to: docs, message: '{each}'}}\n" for each in range(3))
        (tmp_path / "rules.yaml").write_text(f"{HEAD}rules:\n{rules}")
        assert load(tmp_path / "rules.yaml", ENVIRON).untried == 0
        hurried = load(tmp_path / "rules.yaml", ENVIRON, trial_seconds=1e-9)
        assert hurried.untried == 2
        assert "2 messages were not tried" in " ".join("\n".join(content(hurried)).split())

    def test_what_several_rules_say_is_tried_once(self, tmp_path: Path) -> None:
        """Ten thousand rules with one message cost what one of them costs; each is told of."""
        rules = "".join(
            f"  - {{name: r{each}, events: page.*, to: docs, message: '{{{{ page.titel }}}}'}}\n" for each in range(3)
        )
        (tmp_path / "rules.yaml").write_text(f"{HEAD}rules:\n{rules}")
        loaded = load(tmp_path / "rules.yaml", ENVIRON, trial_seconds=1e-9)
        assert loaded.untried == 0
        assert [each.line for each in loaded.warnings if each.code == "unknown-field"] == [6, 7, 8]

    async def test_the_start_does_not_try(self, tmp_path: Path) -> None:
        """A router starts with a file that `check` refuses: all other rules do their work meanwhile."""
        (tmp_path / "rules.yaml").write_text(
            f"{HEAD}rules:\n  - {{name: a, events: page.*, to: docs, message: '{ENDLESS}'}}\n"
        )
        assert load(tmp_path / "rules.yaml", ENVIRON, trial_seconds=0).rules
        told = await invoked("check", str(tmp_path / "rules.yaml"), env=ENVIRON)
        assert told.exit_code == 1
        assert "the template takes more than 10,000 loop steps" in told.output
