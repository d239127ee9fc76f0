"""The command line as a whole: help, exit codes, mistakes, and what never reaches a user."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from router.cli import group
from router.cli.options import default_folder
from router.sources import KINDS
from tests.cli import COMMAND, invoke, run

LOADED = (
    "import sys; from router.cli import main; main({arguments!r}, standalone_mode=False); print(*sorted(sys.modules))"
)


def _command(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"router.cli.{name.replace('-', '_')}").command
    return command


def test_help_lists_every_command() -> None:
    """Whoever types --help sees all commands, each with a line of its own, and examples."""
    result = invoke("--help")
    assert result.exit_code == 0
    for name, told in group.COMMANDS.items():
        assert f"{name:<11}  {told}" in result.stdout
    assert "spaces-router demo" in result.stdout


@pytest.mark.parametrize("name", group.COMMANDS)
def test_help_of_a_command_says_the_line_of_the_list(name: str) -> None:
    """The list of commands and the help of each begin alike; each has examples that name the command."""
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert (_command(name).help or "").lstrip().startswith(group.COMMANDS[name].split(":")[0].rstrip("."))
    assert f"spaces-router {name}" in result.stdout.split("Options:")[0]


@pytest.mark.parametrize("name", group.COMMANDS)
def test_every_option_has_a_variable_and_a_help_text(name: str) -> None:
    """Whatever can be given as an option can stand in the environment, and its help names the variable."""
    text = " ".join(invoke(name, "--help").stdout.split())
    own = name.upper().replace("-", "_")
    for parameter in _command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            long = max(parameter.opts, key=len).lstrip("-").replace("-", "_").upper()
            assert parameter.show_envvar
            assert f"SPACES_ROUTER_{long}" in text or f"SPACES_ROUTER_{own}_{long}" in text, parameter.opts


@pytest.mark.parametrize("arguments", [["--help"], ["send", "--help"], ["check", "--help"], ["demo", "--help"]])
def test_help_starts_fast(arguments: list[str]) -> None:
    """Asking for help does not load the program behind the command."""
    assert not _loaded(arguments) & {"pydantic", "httptools", "httpx", "tornado", "jinja2", "apsw"}


@pytest.mark.parametrize(
    "name",
    [
        "init",
        "serve",
        "events",
        "preview",
        "send-test",
        "deliveries",
        "tail",
        "show",
        "explain",
        "replay",
        "healthcheck",
    ],
)
def test_help_of_every_command_is_quick(name: str) -> None:
    """No help text waits for models, servers, clients or the store."""
    assert not _loaded([name, "--help"]) & {"pydantic.main", "httptools", "httpx", "tornado", "jinja2", "apsw"}


def _loaded(arguments: list[str]) -> set[str]:
    """Names of all modules that a command has loaded when it ends."""
    script = LOADED.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_no_other_package_takes_part_in_reading_a_rule_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed beside the router, and plugs into its model library, is never loaded."""
    (tmp_path / "curious.py").write_text("print('loaded')\nplugin = None\n")
    (tmp_path / "curious-1.0.dist-info").mkdir()
    (tmp_path / "curious-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: curious\nVersion: 1.0\n")
    (tmp_path / "curious-1.0.dist-info" / "entry_points.txt").write_text("[pydantic]\nits = curious:plugin\n")
    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = run("check", str(Path(__file__).parent.parent / "rules.example.yaml"))
    assert told.returncode == 0
    assert "loaded" not in told.stdout


def test_version() -> None:
    """--version names product and version."""
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("spaces-router 0.")


def test_events_lists_the_catalogue() -> None:
    """Each event of Spaces stands on a line with its title; other products have their own catalogue."""
    result = invoke("events")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) == 21
    assert [line.split()[0] for line in lines] == list(KINDS["teamwork-spaces"].catalogue)
    assert "page.updated.moved       Page moved" in lines
    assert "ticket.created" in invoke("events", "--kind", "teamwork-desk").stdout
    assert invoke("events", env={"SPACES_ROUTER_EVENTS_KIND": "teamwork-desk"}).stdout.startswith("agent.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["deliverys"], "Did you mean 'deliveries'?"),
        (["SERVE"], "Did you mean 'serve'?"),
        (["nonsense"], "No such command 'nonsense'."),
        (["serve", "--lisen", "x:1"], "--listen"),
        (["serve", "--listen", "nowhere"], "expected HOST:PORT such as 127.0.0.1:8080, found 'nowhere'"),
        (["serve", "--listen", "127.0.0.1:99999"], "expected HOST:PORT"),
        (["serve", "--listen", "::1:80"], "write an IPv6 address in brackets"),
        (["serve", "--max-body", "5 apples"], "expected a size such as 5MiB"),
        (["serve", "--max-body", "0"], "expected a size such as 5MiB"),
        (["serve", "--queue-limit", "0"], "0 is not in the range"),
        (["serve", "--log-format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["show"], "Missing argument 'ID'"),
        (["show", "abc"], "'abc' is not an id"),
        (["show", "-5"], "No such option"),
        (["show", "0"], "'0' is not an id"),
        (["show", "٣"], "is not an id"),
        (["show", "9" * 5000], "is not an id"),
        (["replay", "12ab"], "'12ab' is not an id"),
        (["deliveries", "--event", "x"], "'x' is not an id"),
        (["deliveries", "--since", "yesterday"], "expected 30m, 2h, 7d"),
        (["deliveries", "--since", "999999d"], "expected 30m, 2h, 7d"),
        (["deliveries", "--state", "lost"], "'lost' is not one of"),
        (["deliveries", "--limit", "0"], "0 is not in the range"),
        (["deliveries", "--admin", "ftp://x"], "expected an address such as http://127.0.0.1:8081"),
        (["deliveries", "--admin", "http://x:port"], "expected an address such as"),
        (["healthcheck", "--admin", "http://user:pw@x"], "expected an address such as"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_expected(arguments: list[str], told: str) -> None:
    """A mistake on the command line is told in a sentence, with a guess where there is one; nothing is done."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unexpected_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours shows no traceback but says how to see one; at debug it is there."""

    @click.command("events")
    def broken() -> None:
        raise RuntimeError("the shelf\nis empty")

    monkeypatch.setattr("router.cli.events.command", broken)
    result = invoke("events")
    assert result.exit_code == 1
    assert "RuntimeError: the shelf is empty" in result.stderr
    assert "SPACES_ROUTER_LOG_LEVEL=debug" in result.stderr
    assert "Traceback" not in result.stderr
    seen = invoke("events", env={"SPACES_ROUTER_LOG_LEVEL": "debug"})
    assert seen.exit_code == 1
    assert "Traceback" in seen.stderr
    assert 'raise RuntimeError("the shelf\\nis empty")' in seen.stderr


def test_a_closed_pipe_is_no_matter() -> None:
    """`spaces-router events | true` says nothing on standard error."""
    line = f"{COMMAND} events --kind teamwork-projects | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_output_without_a_terminal_has_no_colours() -> None:
    """What is piped into a file holds no control sequences."""
    assert "\x1b" not in run("--help").stdout
    assert "\x1b" not in run("deliveries", "--admin", "127.0.0.1:1", "--data", "/nonexistent").stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "data"),
        ({"STATE_DIRECTORY": ""}, "data"),
        ({"STATE_DIRECTORY": "/var/lib/spaces-router"}, "/var/lib/spaces-router"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
    ],
)
def test_the_data_folder_is_the_one_that_systemd_gives(environ: dict[str, str], expected: str) -> None:
    """Without --data the store goes to the service's own folder, else to ./data."""
    assert default_folder(environ) == Path(expected)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["\udcff"], 2),
        (["show", "\udcff"], 2),
        (["check", "\udcff"], 1),
        (["serve", "--rules", "\udcff"], 78),
        (["send", "\udcff", "--to", "http://x", "--token", "x"], 2),
        (["send", "page.created", "--to", "http://127.0.0.1:1/", "--token", "\udcff"], 2),
        (["deliveries", "--admin", "127.0.0.1:1", "--data", "\udcff"], 1),
    ],
)
def test_arguments_that_are_no_text(tmp_path: Path, arguments: list[str], code: int) -> None:
    """Bytes that are no text in any argument are a mistake like others, told in a sentence."""
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    """Where the locale cannot write a character, the character is spelled, and the command works."""
    (tmp_path / "rules.yaml").write_text("sources:\n  spaces:\n    token: x\nrules: [{name: →}]\n")
    done = run("check", cwd=tmp_path, env={"PYTHONIOENCODING": "iso-8859-1"})
    assert done.returncode == 1
    assert "\\u2192" in done.stdout
    assert "unexpected" not in done.stderr
