"""Warnings tell only what is certain, and comments keep them back where they stand."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.config.lint.codes import CODES
from router.config.load import load, load_text
from router.config.nodes import plain
from router.config.outside_files import open_to_others
from router.config.problems import ConfigurationInvalid, Problem, format_text
from router.config.syntax import read_yaml
from tests.cli import invoke
from tests.test_config import ENVIRON, HERE, SMALL

WARNED = """\
sources: {spaces: {unsigned: true}}
destinations: {docs: {type: log}}
rules:
  - {name: pages, events: [page.*, page*], to: docs}
"""


def warned(text: str) -> list[tuple[int, str | None]]:
    return [(each.line, each.code) for each in load_text(text, "rules.yaml", ENVIRON).warnings]


def _only_warnings() -> Iterator[tuple[str, Problem]]:
    for path in sorted((HERE / "bad").glob("*.yaml")):
        if path.stem == "warning-unused-ignore":
            continue
        text = path.read_text(encoding="utf-8")
        try:
            found = load_text(text, path.name, ENVIRON).warnings
        except ConfigurationInvalid:
            continue
        yield from ((text, each) for each in dict.fromkeys(found))


EACH_WARNING = [
    pytest.param(text, each, id=f"{each.file}:{each.line}:{each.column}") for text, each in _only_warnings()
]


class TestIgnoring:
    """`# lint: ignore=CODE`."""

    @pytest.mark.parametrize(("text", "warning"), EACH_WARNING)
    def test_behind_the_line_it_keeps_back_that_and_nothing_else(self, text: str, warning: Problem) -> None:
        """Every warning there is can be kept back where its caret is, and all others stay."""
        lines = text.splitlines(keepends=True)
        lines[warning.line - 1] = f"{lines[warning.line - 1].rstrip()}  # lint: ignore={warning.code}\n"
        commented = "".join(lines)
        tree, before = read_yaml(commented)[0], read_yaml(text)[0]
        if tree is None or before is None or plain(tree) != plain(before):
            pytest.skip("the line is one of a text, of which the comment would be a part")
        assert warned(commented) == [each for each in warned(text) if each != (warning.line, warning.code)]

    @pytest.mark.parametrize(
        "comment",
        [
            "# lint: ignore=unknown-event",
            "#lint:ignore=unknown-event",
            "# LINT: Ignore = hidden-rule , unknown-event why",
        ],
    )
    def test_above_the_line_it_does_so_too(self, comment: str) -> None:
        """For whoever likes short lines; in whatever spelling people use."""
        lines = WARNED.splitlines()
        told = warned("\n".join([*lines[:3], f"  {comment}", "  # and another comment", *lines[3:]]))
        assert [each for each in told if each[1] != "unused-ignore"] == []

    def test_a_line_further_away_is_not_meant(self) -> None:
        """A comment is about the next line, and not about the rest of the file."""
        assert warned(WARNED.replace("destinations", "# lint: ignore=unknown-event\ndestinations")) == [
            (2, "unused-ignore"),
            (5, "unknown-event"),
        ]

    @pytest.mark.parametrize("ends", ["\r\n", "\r", "\u2028"])
    def test_it_does_not_matter_how_lines_end(self, ends: str) -> None:
        """Files come from all kinds of editors."""
        text = WARNED.replace("page*], to: docs}", "page*], to: docs}  # lint: ignore=unknown-event")
        assert warned(text.replace("\n", ends)) == []

    @pytest.mark.parametrize(
        "described",
        [
            '"# lint: ignore=unknown-event"',
            "'x # lint: ignore=unknown-event'",
            "|\n      # lint: ignore=unknown-event\n",
            ">-\n      x\n      # lint: ignore=unknown-event\n      y\n",
            '"several\n      # lint: ignore=unknown-event\n      lines"',
            "x#lint:ignore=unknown-event",
        ],
    )
    def test_what_stands_in_a_text_is_no_comment(self, described: str) -> None:
        """A # in quotes, in a block or within a word keeps nothing back, and is not called useless either."""
        text = WARNED.replace("  - {name: pages, events: [page.*, page*], to: docs}", "  - name: pages")
        text += f"    describe: {described}\n    events: page*\n    to: docs\n"
        assert [code for _, code in warned(text)] == ["unknown-event"]

    def test_errors_stay(self) -> None:
        """They have no code, and a file with one cannot be used."""
        text = WARNED.replace("to: docs}", "to: dosc}  # lint: ignore=unknown-event")
        with pytest.raises(ConfigurationInvalid) as raised:
            load_text(text, "rules.yaml", ENVIRON)
        assert [each.severity for each in raised.value.problems] == ["error"]

    def test_nothing_is_called_useless_that_was_not_looked_at(self, tmp_path: Path) -> None:
        """A start leaves templates to a later look, and a preview knows no secret: neither says what is of no use."""
        path = tmp_path / "rules.yaml"
        head = SMALL.replace(
            'url: "${SLACK_URL}"}',
            'url: "${SLACK_URL}"}\n  # lint: ignore=same-place\n  two: {type: slack, url: "${SLACK_URL}"}',
        )
        path.write_text(
            head.replace("to: docs}", 'to: [docs, two], message: "{{ page.titel }}"}  # lint: ignore=unknown-field')
        )
        assert load(path, ENVIRON).warnings == ()
        assert load(path, ENVIRON, trial_seconds=0).warnings == ()
        assert load(path, {}, []).warnings == ()
        assert load_text(path.read_text(), "rules.yaml", None).warnings == ()


class TestSecretFiles:
    """Who else can read the file of a secret."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        made = Path(tempfile.mkdtemp())
        made.chmod(0o755)
        if os.name != "posix" or any(not each.stat().st_mode & 0o001 for each in made.resolve().parents):
            pytest.skip("the folder for temporary files is closed to other users here")
        yield made
        shutil.rmtree(made)

    def test_a_file_that_all_can_read_is_told_with_its_mode_and_what_closes_it(self, folder: Path) -> None:
        """The command can be copied, whatever the name of the file."""
        secret = folder / "a token"
        secret.write_text("value-of-a-file")
        path = folder / "rules.yaml"
        path.write_text(SMALL.replace('token: "${SPACES_TOKEN}"', 'token_file: "a token"'))
        secret.chmod(0o644)
        (told,) = load(path, ENVIRON).warnings
        assert told.code == "readable-secret"
        assert f"(mode 0644); close it: chmod 600 '{secret}'" in told.message
        secret.chmod(0o640)
        assert load(path, ENVIRON).warnings == ()

    def test_a_path_from_the_environment_is_not_told(self, folder: Path) -> None:
        """It may hold what nobody should read on a screen."""
        secret = folder / "value-of-a-path"
        secret.write_text("value-of-a-file")
        secret.chmod(0o604)
        path = folder / "rules.yaml"
        path.write_text(SMALL.replace('token: "${SPACES_TOKEN}"', 'token_file: "${WHERE}"'))
        (told,) = load(path, ENVIRON | {"WHERE": str(secret)}).warnings
        assert "value-of" not in format_text([told])
        assert "mode 0604" in told.message

    def test_a_closed_folder_closes_what_is_in_it(self, folder: Path) -> None:
        """Nobody gets to a file through a folder that is closed to others, however deep; also by a link."""
        inner = folder / "closed" / "inner"
        inner.mkdir(parents=True)
        secret = inner / "token"
        secret.write_text("x")
        secret.chmod(0o644)
        assert open_to_others(secret) == 0o644
        (folder / "link").symlink_to(secret)
        (folder / "closed").chmod(0o700)
        assert open_to_others(secret) is None
        assert open_to_others(folder / "link") is None
        assert open_to_others(folder / "nothing") is None


class TestCommand:
    """`check` with warnings."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "rules.yaml"
        path.write_text(WARNED)
        return path

    def test_warnings_pass_and_say_where_more_is_said(self, path: Path) -> None:
        """The last lines lead on."""
        done = invoke("check", str(path))
        assert done.exit_code == 0
        assert "can be used, with 1 warning" in done.output
        assert "check --explain\n  unknown-event" in done.output or "check --explain unknown-event" in done.output

    def test_strict_lets_them_fail_and_says_so(self, path: Path) -> None:
        """A pipeline that fails says why."""
        done = invoke("check", "--strict", str(path))
        assert done.exit_code == 1
        assert "1 warning in" in done.output
        assert "and --strict lets none pass" in done.output
        path.write_text(WARNED.replace("to: docs}", "to: docs}  # lint: ignore=unknown-event"))
        assert invoke("check", "--strict", str(path)).exit_code == 0

    def test_programs_get_the_code(self, path: Path) -> None:
        """As JSON in a key of its own, on GitHub behind the message."""
        (told,) = json.loads(invoke("check", "--format", "json", str(path)).output)
        assert told["code"] == "unknown-event"
        assert told["code"] in CODES
        assert "[unknown-event]" in invoke("check", "--format", "github", str(path)).output


def test_of_sources_that_are_alike_each_repetition_is_told_once_and_those_that_a_rule_names_are_kept_apart() -> None:
    """A rule for one source repeats what a rule for all says of it; rules for two sources repeat nothing."""
    sources = "sources: {one: &any {unsigned: true}, two: *any, three: *any, four: *any}\n"
    head = f"{sources}destinations: {{docs: {{type: log}}}}\nrules:\n"
    both = "  - {name: a, events: page.created, sources: one, to: docs}\n"
    assert warned(head + both + "  - {name: b, events: page.created, sources: two, to: docs}\n") == []
    assert warned(head + both + "  - {name: b, events: page.created, to: docs}\n") == [(5, "duplicate-message")]
    rest = "  - {name: b, events: page.created, to: docs}\n  - {name: c, events: page.created, to: docs}\n"
    assert warned(head + rest) == [(5, "duplicate-message")]
