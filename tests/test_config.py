"""Loading rule files: good ones load, bad ones are told about in full, and nothing is an exception."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from router.config.load import load, load_text, restore
from router.config.model import Configuration
from router.config.problems import (
    ConfigurationInvalid,
    Problem,
    did_you_mean,
    format_github,
    format_json,
    format_text,
    named,
    ordered,
    summary,
)
from router.config.source_section import SourceKeys
from router.config.style import style_of
from router.destinations.http import Http
from router.events import Markup
from router.messages.spec import Style
from router.sources import KINDS
from tests.message_bodies import namespace_of

HERE = Path(__file__).parent / "config"
EXAMPLE = Path(__file__).parents[1] / "rules.example.yaml"

ENVIRON = {
    "SPACES_TOKEN": "value-of-the-token",
    "OLD_TOKEN": "value-of-the-old-token",
    "SLACK_URL": "https://hooks.slack.com/services/T/B/value-of-the-url",
    "SITE_URL": "https://site.example.com/value",
    "SECRET_FOLDER": "no/such/folder",
    "WHSEC": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "NUMBER": "4",
    "YES": "true",
    "EMPTY": "",
    "BYTES": "value-of-bytes\udcff",
}

SMALL = """\
sources:
  spaces: {token: "${SPACES_TOKEN}"}
destinations:
  docs: {type: slack, url: "${SLACK_URL}"}
rules:
  - {name: pages, events: page.*, to: docs}
"""


def names(folder: str) -> list[str]:
    """Files by name; what has files beside it is in a folder of its own."""
    inside = HERE / folder
    return sorted(str(path.relative_to(inside)) for path in (*inside.glob("*.yaml"), *inside.glob("*/rules.yaml")))


def _loaded(text: str, environ: dict[str, str]) -> tuple[Configuration | None, tuple[Problem, ...]]:
    try:
        configuration = load_text(text, "rules.yaml", environ)
    except ConfigurationInvalid as invalid:
        return None, invalid.problems
    return configuration, configuration.warnings


def problems_of(text: str) -> tuple[Problem, ...]:
    return _loaded(text, ENVIRON)[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good and the bad files where secrets are kept as they should be; a checkout has no modes of its own."""
    copy = tmp_path_factory.mktemp("config")
    shutil.copytree(HERE, copy, dirs_exist_ok=True)
    for secret in copy.glob("*/secrets/*"):
        secret.chmod(0o600)
    return copy


@pytest.mark.parametrize("name", names("good"))
def test_good_files_load_without_a_word(name: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right loads, and no warning is given."""
    monkeypatch.chdir(files / "good")
    assert format_text(load(Path(name), ENVIRON).warnings) == ""


@pytest.mark.parametrize("name", names("bad"))
def test_bad_files_are_told_about_as_written_beside_them(
    name: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of mistake is told with its place, what was expected and what was probably meant, word for word."""
    path = files / "bad" / name
    monkeypatch.chdir(path.parent)
    try:
        problems = load(Path(path.name), ENVIRON).warnings
    except ConfigurationInvalid as invalid:
        problems = invalid.problems
    assert format_text(problems) == path.with_suffix(".out").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", names("bad"))
def test_no_value_from_outside_is_told(name: str) -> None:
    """No value of the environment or of a secret file stands in any message."""
    told = (HERE / "bad" / name).with_suffix(".out").read_text(encoding="utf-8")
    assert "value-of" not in told
    assert "a-token-in-a-file" not in told
    if "secret" in name:
        assert "hooks.slack.com/services/T/B" not in told


def test_carets_stand_below_what_is_meant() -> None:
    """Line and column count from 1 and lead to the word in question."""
    text = SMALL.replace("to: docs", "to: dcos")
    (problem,) = (each for each in problems_of(text) if each.severity == "error")
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 : problem.column - 1 + problem.width] == "dcos"


def test_a_comment_is_left_out_of_what_is_shown() -> None:
    """An old token may stand in it, so it is not shown; nor is a mask, which would only puzzle."""
    text = SMALL.replace('{token: "${SPACES_TOKEN}"}', "\n    token: ${MISSING}   # before: an-old-token")
    told = format_text(problems_of(text))
    assert "token: ${MISSING}\n" in told
    assert "#" not in told


class TestExample:
    """The example that everybody starts from."""

    @pytest.mark.parametrize(
        "environ", [{}, ENVIRON | {"SLACK_PEOPLE_URL": "https://example.com/", "AUDIT_TOKEN": "t"}]
    )
    def test_it_loads_with_and_without_its_variables(self, environ: dict[str, str]) -> None:
        """The example can be tried before anything is set up."""
        assert load(EXAMPLE, environ).warnings == ()

    def test_each_event_of_spaces_goes_somewhere(self) -> None:
        """No event of the catalogue is lost between the example's rules."""
        rules = load(EXAMPLE, {}).rules
        namespace: dict[str, Any] = {"event": {}, "payload": {}, "actor": None, "page": None, "space": None}
        for event in KINDS["teamwork-spaces"].catalogue:
            assert rules.judge(event, "spaces", lambda: namespace).routes, event

    def test_it_shows_what_there_is(self) -> None:
        """A beginner finds each key in use at least once."""
        text = EXAMPLE.read_text(encoding="utf-8")
        for key in (
            "when:",
            "unless:",
            "except:",
            "table:",
            "otherwise:",
            "stop:",
            "unmatched:",
            "retry:",
            "message:",
            "format:",
        ):
            assert key in text


class TestLoaded:
    """What a configuration holds."""

    def test_rule_beats_destination_beats_defaults(self) -> None:
        """Keys of a rule come before those of a destination, and these before the defaults."""
        configuration = load(HERE / "good" / "everything.yaml", ENVIRON)
        docs, events = configuration.destinations["docs"], configuration.destinations["events"]
        assert (docs.timeout, docs.concurrency, docs.retry) == (timedelta(minutes=1), 4, ())
        assert (events.timeout, events.concurrency) == (timedelta(seconds=20), 2)
        assert configuration.retries["everything 1"] == (timedelta(minutes=1), timedelta(minutes=90))
        assert configuration.retries["table"] == (timedelta(minutes=5),)

    def test_format_of_a_rule_beats_that_of_its_destination_and_this_the_defaults(self) -> None:
        """Where nobody says it, mails say everything, and all others are one line."""
        text = SMALL.replace("docs: {", "docs: {format: compact, ").replace("to: docs", "to: docs, format: full")
        mail = "mail: {type: email, smtp: 'smtp://localhost', from: a@example.com, to: b@example.com}"
        text = text.replace("rules:", f"  {mail}\n  log: {{type: log}}\nrules:")
        text += "  - {name: others, events: page.*, to: [docs, mail, log]}\n"
        usual = load_text(text, "rules.yaml", ENVIRON)
        assert (usual.specs["pages"].format, usual.specs["others"].format) == ("full", None)
        formats = {name: style_of(each).format for name, each in usual.destinations.items()}
        assert formats == {"docs": "compact", "mail": "full", "log": "compact"}
        for defaults in (
            "format: full",
            "destinations: {format: full}",
            "format: compact\n  destinations: {format: full}",
        ):
            loaded = load_text(f"{text}defaults:\n  {defaults}\n", "rules.yaml", ENVIRON)
            formats = {name: style_of(each).format for name, each in loaded.destinations.items()}
            assert formats == {"docs": "compact", "mail": "full", "log": "full"}

    def test_references_and_files_are_resolved(self) -> None:
        """A secret comes from the environment or from a file, whose last line break does not count."""
        configuration = load(HERE / "good" / "everything.yaml", ENVIRON)
        spaces, second = configuration.sources["spaces"], configuration.sources["spaces-2"]
        assert [token.reveal() for token in spaces.tokens] == ["value-of-the-token", "value-of-the-old-token"]
        assert [token.reveal() for token in second.tokens] == ["a-token-in-a-file"]
        other = configuration.destinations["a name. with-all_signs 2"]
        assert isinstance(other, Http)
        assert other.url.text == "https://audit.example.com/in-a-file"
        assert other.sign is not None
        assert other.sign.secret.reveal() == "a-token-in-a-file"
        assert other.headers["X-Team"].reveal() == "docs"
        events = configuration.destinations["events"]
        assert isinstance(events, Http)
        assert events.body == {"title": "{{ event.title }}", "escaped": "${HOME}"}
        assert {"value-of-the-token", "a-token-in-a-file", ENVIRON["SLACK_URL"]} <= set(configuration.secrets())

    def test_core_schema_keeps_texts(self) -> None:
        """`on`, `no`, `012` and `10:30` are the texts that stand there, not booleans and numbers of another age."""
        configuration = load(HERE / "good" / "core-schema.yaml", {})
        assert list(configuration.destinations) == ["on", "no", "012", "2026-11-23"]
        assert list(configuration.specs) == ["no", "012", "10", "y"]

    def test_a_value_never_becomes_structure(self) -> None:
        """Whatever a variable holds, it stays one text."""
        environ = ENVIRON | {"SPACES_TOKEN": 'x", unsigned: true, "y: ${OLD_TOKEN}\n- !tag'}
        (token,) = load_text(SMALL, "rules.yaml", environ).sources["spaces"].tokens
        assert token.reveal() == environ["SPACES_TOKEN"]

    def test_messages_and_rules_are_compiled(self) -> None:
        """Rules carry what they say, and judge at once."""
        configuration = load(HERE / "good" / "everything.yaml", ENVIRON)
        assert configuration.specs["body"].body == {"who": "{{ user.name }}", "list": [1, 2.5, True, None]}
        assert configuration.specs["everything 1"].message == "*{{ event.title }}* costs $5 and not ${ 5 }\n"
        space: dict[str, Any] = {"space": {"id": 42}, "event": {}, "payload": {}, "actor": None, "page": None}
        judged = configuration.rules.judge("page.created", "spaces", lambda: space)
        assert [(route.rule, route.destination) for route in judged.routes] == [("table", "docs")]

    def test_a_text_from_elsewhere_reads_no_file(self, tmp_path: Path) -> None:
        """Rule text that is no file of the admin's names no files of the admin's."""
        secret = tmp_path / "token"
        secret.write_text("stolen-secret")
        text = SMALL.replace('token: "${SPACES_TOKEN}"', f'token_file: "{secret}"')
        assert "stolen-secret" not in load_text(text, "rules.yaml", ENVIRON).secrets()
        assert "value-of-the-token" not in load_text(SMALL, "rules.yaml", None).secrets()


class TestFiles:
    """The rule file and what lies beside it."""

    def write(self, folder: Path, content: bytes | str) -> Path:
        path = folder / "rules.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "1:1: the file holds nothing"),
            (b"\xff\xfes\x00", "1:1: the file is not UTF-8 text here"),
            ("sources:\n  sp: {token: ä".encode() + b"\xe4", "2:16: the file is not UTF-8 text here"),
            (b"a: \x00", "1:4: the character U+0000 is not allowed"),
            (b"# " + b"x" * 1024 * 1024, "1:1: the file is larger than 1 MiB"),
            (b"[" * 500_000, "1:51: this is nested deeper than 50 levels"),
            (b"{" * 500_000, "1:"),
            (b"a: [" + b"x," * 500_000 + b"]", "the file holds more than 400,000 values"),
        ],
    )
    def test_files_that_are_none(self, tmp_path: Path, content: bytes, told: str) -> None:
        """Whatever stands in the file, the answer is a problem with a place."""
        path = self.write(tmp_path, content)
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, {})
        assert told in str(raised.value)

    def test_thousands_of_problems_in_one_value_are_told_in_time(self, tmp_path: Path) -> None:
        """Each place in a long text is found without reading the text again from its begin."""
        path = self.write(tmp_path, SMALL.replace("${SPACES_TOKEN}", "${NOT_SET} " * 20_000))
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, ENVIRON)
        assert len(raised.value.problems) == 1_001
        assert raised.value.problems[-2].column == raised.value.problems[0].column + 999 * len("${NOT_SET} ")

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        """A wrong path is told in a sentence."""
        for path, told in ((tmp_path / "none.yaml", "there is no such file"), (tmp_path, "this is a folder")):
            with pytest.raises(ConfigurationInvalid, match=told):
                load(path, {})

    def test_own_templates_shadow_and_are_watched(self, tmp_path: Path) -> None:
        """`templates/` beside the rule file belongs to the rule set; so do the files that secrets stand in."""
        path = self.write(tmp_path, SMALL.replace('token: "${SPACES_TOKEN}"', "token_file: token"))
        (tmp_path / "token").write_text("a-secret-token\n")
        folder = tmp_path / "templates" / "slack"
        folder.mkdir(parents=True)
        (folder / "page.j2").write_text("Mine: {{ page.title }}")
        (folder / "notes.txt").write_text("not a template")
        configuration = load(path, ENVIRON)
        assert configuration.files == {"slack/page.j2": "Mine: {{ page.title }}"}
        watched = {each.relative_to(tmp_path).as_posix() for each in configuration.watched}
        assert watched == {"rules.yaml", "token", "templates", "templates/slack", "templates/slack/page.j2"}
        before = configuration.hash
        (folder / "page.j2").write_text("Ours: {{ page.title }}")
        assert load(path, ENVIRON).hash != before

    def test_problems_of_own_templates_name_the_template(self, tmp_path: Path) -> None:
        """A mistake in a template file is told at its place in that file, once, however many rules use it."""
        path = self.write(tmp_path, SMALL + "  - {name: more, events: comment.*, to: docs}\n")
        folder = tmp_path / "templates" / "slack"
        folder.mkdir(parents=True)
        (folder / "page.j2").write_text("fine\n{{ pge.title }}\n")
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, ENVIRON)
        (problem,) = raised.value.problems
        assert (problem.file, problem.line, problem.column) == (str(folder / "page.j2"), 2, 4)
        assert "  2 | {{ pge.title }}\n    |    ^" in format_text([problem])

    def test_blocks_in_a_file_belong_to_the_rule_set(self, tmp_path: Path) -> None:
        """`templates/slack/*.yaml` are messages of blocks, read, kept and compiled again with the rule file."""
        path = self.write(tmp_path, SMALL)
        folder = tmp_path / "templates" / "slack"
        folder.mkdir(parents=True)
        text = (
            'text: "{{ page.title }}"\nblocks:\n- {type: divider}\n- {type: section, on: no, text: "{{ page.id }}"}\n'
        )
        (folder / "page.full.yaml").write_text(text)
        configuration = load(path, ENVIRON)
        assert configuration.files == {"slack/page.full.yaml": text}
        namespace = namespace_of("page.created")
        for each in (configuration, restore(configuration.text, configuration.files)):
            style = Style(Markup.SLACK, "slack", forwards_as_is=False, format="full")
            message = each.renderer.render(each.specs["pages"], style, namespace)
            assert message.text == "Release checklist"
            # Read by YAML 1.2 as the rule file is: `on` and `no` are texts.
            assert message.blocks == [{"type": "divider"}, {"type": "section", "on": "no", "text": 5148}]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("- a\n", "1:1: the file is a list; expected a map with text, for notifications, and blocks"),
            ("text: x\n", "1:1: the file has no blocks; expected a map with text, for notifications, and blocks"),
            (
                "text: x\nblock: []\n",
                "2:1: unknown key 'block'; expected one of: text, blocks (did you mean 'blocks'?)",
            ),
            ("text: [x]\nblocks: []\n", "1:1: text is a list; expected the text that notifications show"),
            ("text: x\nblocks: []\n", "2:1: blocks is an empty list; expected a list of Slack's blocks"),
            ("text: x\nblocks: {type: divider}\n", "2:1: blocks is a map; expected a list of Slack's blocks"),
            (
                "text: x\nblocks:\n- type: divider\n- text: x\n",
                "4:3: this is no block; expected a map with its type, such as {type: section, text: …}",
            ),
            ("text: x\nblocks: [\n", "3:1: a value is missing here"),
            (
                "text: {{ page.title }}\nblocks: []\n",
                "1:8: a text that begins with {{ is read as a map; put it in quotes",
            ),
            (
                "text: x\nblocks:\n- type: header\n  text:\n    type: x\n    text: |\n      a\n      *{{ pge }}*\n",
                "8:11: unknown name 'pge'",
            ),
            ("text: x\nblocks:\n- {type: section, text: '{{ page.title | uper }}'}\n", "3:42: unknown filter 'uper'"),
            ("text: '{% include \"no.j2\" %}'\nblocks: [{type: divider}]\n", "1:20: no template is named 'no.j2'"),
        ],
    )
    def test_mistakes_in_a_file_of_blocks_are_told_at_their_place(self, tmp_path: Path, text: str, told: str) -> None:
        """No YAML, no message, or a mistake in one of its templates: told with its place before anything is sent."""
        path = self.write(tmp_path, SMALL)
        file = tmp_path / "templates" / "slack" / "page.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, ENVIRON)
        assert format_text(raised.value.problems).startswith(f"{file}:{told}")
        assert len(raised.value.problems) == 1

    def test_blocks_are_for_slack_only(self, tmp_path: Path) -> None:
        """A file of blocks where no Slack message would look for it is told, not ignored."""
        path = self.write(tmp_path, SMALL)
        file = tmp_path / "templates" / "email" / "page.yaml"
        file.parent.mkdir(parents=True)
        file.write_text("text: x\nblocks: []\n")
        with pytest.raises(
            ConfigurationInvalid, match="only Slack's messages are blocks; expected this file in slack/"
        ):
            load(path, ENVIRON)

    def test_templates_that_cannot_be_read(self, tmp_path: Path) -> None:
        """Templates that are no text, too large, or where nothing looks for them are told."""
        path = self.write(tmp_path, SMALL)
        folder = tmp_path / "templates"
        (folder / "slak").mkdir(parents=True)
        (folder / "slak" / "page.j2").write_text("x")
        (folder / "bytes.j2").write_bytes(b"a\nb\xff")
        (folder / "large.j2").write_bytes(b"x" * (1024 * 1024 + 1))
        (folder / "slack").mkdir()
        (folder / "slack" / "page.j2").write_text("x")
        (folder / "slack" / "page.yaml").write_text("text: x\nblocks: [{type: divider}]\n")
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, ENVIRON)
        told = str(raised.value)
        assert "bytes.j2:2:1: the template is not UTF-8 text" in told
        assert "large.j2:1:1: the template is larger than 1 MiB" in told
        assert "slack/page.yaml:1:1: slack/page.j2 has the same name, and nothing would use this file" in told
        assert "slak/page.j2:1:1: nothing uses this template" in told
        assert "did you mean 'slack'?" in told

    @pytest.mark.timeout(20)
    def test_pipes_are_told_and_not_waited_for(self, tmp_path: Path) -> None:
        """Nobody may ever write into one: a template or a secret in a pipe would hold up the load for ever."""
        path = self.write(tmp_path, SMALL.replace('token: "${SPACES_TOKEN}"', "token_file: token"))
        folder = tmp_path / "templates" / "slack"
        folder.mkdir(parents=True)
        for pipe in (folder / "page.j2", folder / "space.yaml", tmp_path / "token"):
            os.mkfifo(pipe)
        with pytest.raises(ConfigurationInvalid) as raised:
            load(path, ENVIRON)
        reason = "cannot be read: it is a pipe or a device; expected a file"
        told = [problem.message for problem in raised.value.problems]
        assert told == [f"token_file: the file {named(tmp_path / 'token')} {reason}", *[f"the template {reason}"] * 2]

    def test_a_copy_of_the_examples_folder_loads(self, tmp_path: Path) -> None:
        """Whoever copies the example finds the built-in templates without copying them."""
        shutil.copy(EXAMPLE, tmp_path / "rules.yaml")
        assert load(tmp_path / "rules.yaml", {}).files == {}


class TestStored:
    """What is kept of a rule set, and brought back."""

    CLEAR = """\
sources:
  spaces: {token: [clear-1, "clear-2"], site: acme.teamwork.com}  # before: clear-0
destinations:
  docs:
    type: slack
    # url: https://hooks.slack.com/services/clear-3
    url: https://hooks.slack.com/services/clear-4
  web:
    type: http
    url: &web >-
      https://web.example.com/clear-5
    headers: {Authorization: Bearer clear-6, Accept: text/plain}
    auth: {basic: {username: router, password: "clear-7"}}
    sign: |
      clear-8
    timeout: 5s
  again: {type: http, url: *web, sign: "${AUDIT_TOKEN:-clear-9}"}
rules:
  - name: pages
    events: page.*
    when: {page.title: "not a secret"}
    to: [docs, web, again]
    message: "token: clear is a word here"  # and this comment stays
"""

    def clear(self) -> Configuration:
        text = self.CLEAR.replace("Bearer clear-6", "Bearer clear-6").replace("auth: {basic", "#auth: {basic")
        return load_text(text, "rules.yaml", {})

    def test_no_secret_is_stored(self) -> None:
        """Secrets that stand in the file, in its comments as well, are not in the text that is kept."""
        kept = self.clear().text
        assert "clear-" not in kept
        assert "token: clear is a word here" in kept
        assert "# and this comment stays" in kept
        assert "text/plain" in kept

    def test_references_stay_references(self) -> None:
        """The kept text of a file without secrets is the file."""
        assert load_text(SMALL, "rules.yaml", ENVIRON).text == SMALL

    @pytest.mark.parametrize("name", names("good"))
    def test_whatever_loaded_is_restored(self, name: str) -> None:
        """An older rule set judges and speaks as it did, without any environment."""
        loaded = load(HERE / "good" / name, ENVIRON)
        restored = restore(loaded.text, loaded.files)
        assert restored.specs == loaded.specs
        assert restored.retries == loaded.retries
        assert restored.sources.keys() == loaded.sources.keys()
        assert restored.destinations.keys() == loaded.destinations.keys()
        assert restored.secrets() == [] or not set(restored.secrets()) & set(ENVIRON.values())

    def test_masked_texts_are_restored(self) -> None:
        """Masks in the place of secrets do not keep a rule set from being compiled."""
        loaded = self.clear()
        restored = restore(loaded.text, loaded.files)
        assert restored.specs == loaded.specs
        assert restored.destinations.keys() == loaded.destinations.keys()

    def test_restoring_reads_neither_environment_nor_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What an old text refers to is not looked up."""
        monkeypatch.setenv("SPACES_TOKEN", "from-the-environment")
        (tmp_path / "url").write_text("https://example.com/from-a-file")
        text = SMALL.replace('url: "${SLACK_URL}"', f"url_file: {tmp_path}/url")
        assert not any("from-" in secret for secret in restore(text, {}).secrets())

    def test_hash_names_the_text_and_its_templates(self) -> None:
        """Two rule sets have one hash only if rule file and templates are the same, letter for letter."""

        def hash_of(text: str, files: dict[str, str]) -> str:
            return load_text(text, "rules.yaml", ENVIRON, files).hash

        hashes = {
            hash_of(SMALL, {}),
            hash_of(SMALL + "\n", {}),
            hash_of(SMALL, {"a.j2": "b"}),
            hash_of(SMALL, {"a.j2": ""}),
            hash_of(SMALL, {"a.j2": "b", "c.j2": ""}),
        }
        assert len(hashes) == 5
        assert all(len(each) == 64 and int(each, 16) >= 0 for each in hashes)
        assert hash_of(SMALL, {}) == load_text(SMALL, "other.yaml", ENVIRON | {"SPACES_TOKEN": "new"}).hash


class TestFormats:
    """Problems for people and machines."""

    ODD = Problem("a,b:c.yaml", 3, 5, "100% wrong\nreally", source_line="\tx: \x1b[31mred", width=99)

    def test_text_moves_no_cursor(self) -> None:
        """A control character of the file reaches no terminal, and the caret stays within the line."""
        told = format_text([self.ODD])
        assert "\x1b" not in told.split("\n", 1)[1]
        assert told.endswith("  3 |  x: �[31mred\n    |     ^^^^^^^^\n")

    def test_json_is_a_list_of_objects(self) -> None:
        """Programs get file, line, column, severity, code and message."""
        (told,) = json.loads(format_json(problems_of(SMALL.replace("page.*", "page*"))))
        assert told.keys() == {"file", "line", "column", "severity", "code", "message"}
        column = SMALL.splitlines()[5].index("page.*") + 1
        assert (told["line"], told["column"], told["code"]) == (6, column, "unknown-event")

    def test_github_commands_are_escaped(self) -> None:
        """A problem is one workflow command, whatever stands in it."""
        assert format_github([self.ODD]) == "::error file=a%2Cb%3Ac.yaml,line=3,col=5::100%25 wrong%0Areally\n"
        warning = Problem("r.yaml", 1, 2, "odd", code="hidden-rule", severity="warning")
        assert format_github([warning]) == "::warning file=r.yaml,line=1,col=2::odd [hidden-rule]\n"

    def test_summary_counts(self) -> None:
        """The last line says how much there is to do."""
        error, warning = self.ODD, Problem("r", 1, 1, "w", code="c", severity="warning")
        assert summary([error], "r.yaml") == "1 problem in r.yaml"
        assert summary([error, error, warning], "r.yaml") == "2 problems and 1 warning in r.yaml"
        assert summary([warning, warning], "r.yaml") == "2 warnings in r.yaml"
        assert summary([], "r.yaml") == "no problems in r.yaml"

    def test_repetitions_are_told_once_and_by_place(self) -> None:
        """What several checks see at one place is one problem."""
        first, second = Problem("r", 2, 1, "b"), Problem("r", 1, 9, "a")
        assert ordered([first, second, first]) == (second, first)

    def test_guesses_ignore_case(self) -> None:
        """`EVNTS` was meant to be `events`; nothing is guessed where nothing is like it."""
        assert did_you_mean("EVNTS", ["events", "name"]) == " (did you mean 'events'?)"
        assert did_you_mean("xyz", ["events", "name"]) == ""


def test_each_key_of_a_source_is_known() -> None:
    """The model of a source has the keys that the documentation lists."""
    documented = {"kind", "token", "unsigned", "site", "api_key", "api", "changes", "expect_every"}
    assert set(SourceKeys.model_fields) == documented
