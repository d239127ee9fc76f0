"""`init`: the shortest way from an installed program to a router that runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from router.cli.starter import SLACK_PLACEHOLDER, rules_text
from router.config.load import load, load_text
from tests.cli import COMMAND, invoke, run

SLACK_URL = "https://hooks.slack.com/services/T12345678/B12345678/a-webhook-for-the-tests"
ENVIRON = {
    "SPACES_TOKEN": "a-token-for-the-tests",
    "SLACK_URL": SLACK_URL,
    "AUDIT_TOKEN": "another-token",
    "MAIL_PASSWORD": "a-password",
}


def sourced(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has loaded the .env of a folder, as `init` says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPACES", "SLACK"))}
    script = f"set -a; . ./.env; set +a; {shlex.join(command)}"
    return subprocess.run(["sh", "-c", script], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_what_it_writes_passes_the_strict_check(tmp_path: Path) -> None:
    """The two files belong together: with the variables loaded the rule file has no problem and no warning."""
    done = run("init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    checked = sourced(tmp_path, str(COMMAND), "check", "--strict")
    assert checked.returncode == 0, checked.stdout
    assert "rules.yaml is fine" in checked.stdout
    assert "21 of the 21 events" in checked.stdout


def test_the_tests_that_it_writes_pass(tmp_path: Path) -> None:
    """Whoever begins finds tests that pass, before any variable is set."""
    invoke("init", str(tmp_path))
    output = invoke("test", str(tmp_path / "rules.yaml"))
    assert output.exit_code == 0, output.output
    assert "All 2 tests passed" in output.stdout


def test_the_token_is_random_and_for_the_owner_alone(tmp_path: Path) -> None:
    """Each .env has a token of its own; nobody else may read it, and it is not printed."""
    tokens = set()
    for name in ("one", "two"):
        result = invoke("init", str(tmp_path / name))
        token = re.search(r"^SPACES_TOKEN=([0-9a-f]{64})$", (tmp_path / name / ".env").read_text(), re.MULTILINE)
        assert token
        assert token[1] not in result.output
        assert (tmp_path / name / ".env").stat().st_mode & 0o777 == 0o600
        tokens.add(token[1])
    assert len(tokens) == 2


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    """Whoever reads the output knows what to enter in Spaces, how to load the variables and how to start."""
    folder = tmp_path / "a folder"
    said = invoke("init", str(folder)).stdout
    for part in (
        "put the URL of an incoming webhook of your Slack behind SLACK_URL=",
        f"cd '{folder}'\n",
        "set -a; . ./.env; set +a\n",
        "spaces-router check --strict\n",
        "spaces-router send-test news\n",
        "spaces-router serve --listen 127.0.0.1:8080\n",
        f"EnvironmentFile={folder}/.env\n",
        f"serve --rules {folder}/rules.yaml",
        "https://your-server.example.com/hooks/spaces",
        "every event",
    ):
        assert part in said


def test_site_and_slack_can_be_given(tmp_path: Path) -> None:
    """With both at hand, nothing is left to fill in."""
    result = invoke("init", str(tmp_path), "--site", "acme.teamwork.com", env={"SLACK_URL": SLACK_URL})
    assert result.exit_code == 0
    assert SLACK_URL not in result.output
    assert "placeholder" not in result.stdout + (tmp_path / ".env").read_text()
    configuration = load(tmp_path / "rules.yaml", ENVIRON)
    assert configuration.sources["spaces"].site == "acme.teamwork.com"
    assert sourced(tmp_path, "printenv", "SLACK_URL").stdout == f"{SLACK_URL}\n"


def test_without_slack_there_is_a_placeholder_that_explains_itself(tmp_path: Path) -> None:
    """A placeholder is told as one in the file, with the place where Slack makes the real one."""
    assert invoke("init", str(tmp_path)).exit_code == 0
    text = (tmp_path / ".env").read_text()
    assert f"SLACK_URL={SLACK_PLACEHOLDER}" in text
    assert "placeholder, which Slack refuses" in text
    assert "https://api.slack.com/messaging/webhooks" in text


@pytest.mark.parametrize("url", [f"{SLACK_URL}?a=1&b=$HOME;c=(2)`id`", "https://chat.example.com/hooks/x*y?z=~|<>!"])
def test_no_value_acts_on_the_shell_that_loads_it(url: str, tmp_path: Path) -> None:
    """Whatever stands in a URL, the shell reads the same text from .env."""
    assert invoke("init", str(tmp_path), "--slack-url", url).exit_code == 0
    assert sourced(tmp_path, "printenv", "SLACK_URL").stdout == f"{url}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--site", "https://acme.teamwork.com/"], "--site: site 'https://acme.teamwork.com/' has a scheme; expected"),
        (["--site", "acme\nrules: []"], "--site: site 'acme"),
        (["--site", ""], "--site: site"),
        (["--slack-url", "hooks.slack.com"], "--slack-url: url cannot be used; expected a URL"),
        (["--slack-url", "https://x.example.com/a b"], "--slack-url: expected a URL without spaces"),
        (["--slack-url", "https://x.example.com/'$(id)'"], "--slack-url: expected a URL without spaces, quotes"),
        (["--slack-url", "https://x.example.com/\nX=1"], "--slack-url: expected a URL without"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_written(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    """A mistake on the command line leaves no half of a set-up behind."""
    result = invoke("init", str(tmp_path / "new"), *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("present", [["rules.yaml"], [".env"], ["rules.yaml", ".env"]])
def test_nothing_is_overwritten(present: list[str], tmp_path: Path) -> None:
    """What is there stays as it is, and nothing is put beside it; the command says what it found."""
    for name in present:
        (tmp_path / name).write_text("mine")
    result = invoke("init", str(tmp_path))
    assert result.exit_code == 1
    assert f"{' and '.join(present)} {'are' if len(present) > 1 else 'is'} in {tmp_path} already; nothing was" in (
        result.stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(present)
    assert {(tmp_path / name).read_text() for name in present} == {"mine"}


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link that leads nowhere yet counts as something that is there."""
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert invoke("init", str(tmp_path)).exit_code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where no folder can be, the command says so in a sentence."""
    (tmp_path / "file").write_text("")
    result = invoke("init", str(tmp_path / "file" / "below"))
    assert result.exit_code == 1
    assert "nothing was written" in result.stderr
    assert "Not a directory" in result.stderr
    assert invoke("init", str(tmp_path / "file")).exit_code == 2


def test_its_comments_are_true() -> None:
    """What the comments show works: with the comment signs taken away, the file has no problem."""
    text = rules_text(None)
    keys = "site|unless|  actor\\.email|audit|admins|defaults|  (?:type|url|sign|smtp|username|password|from|to|alerts)"
    text = re.sub(rf"^( *)# ((?:{keys}):)", r"\1\2", text, flags=re.MULTILINE)
    text = text.replace("    to: news\n", "    to: [news, audit]\n", 1)
    configuration = load_text(text, "rules.yaml", ENVIRON)
    assert not configuration.warnings
    assert set(configuration.destinations) == {"news", "log", "audit", "admins"}
    assert configuration.alerts == "admins"
    assert configuration.sources["spaces"].site == "acme.teamwork.com"
    assert next(rule for rule in configuration.rules.rules if rule.name == "pages").is_conditional


def test_a_shell_without_the_variables_is_told_of_the_env(tmp_path: Path) -> None:
    """Whoever forgot to load .env is told how, by every command that needs it."""
    assert invoke("init", str(tmp_path)).exit_code == 0
    rules = str(tmp_path / "rules.yaml")
    hint = f"Load that into the shell first: set -a; . {tmp_path}/.env; set +a"
    env = {"SLACK_URL": None}
    for arguments in (["check", rules], ["send-test", "log", "--rules", rules], ["serve", "--rules", rules]):
        result = invoke(*arguments, env=env)
        assert result.exit_code in {1, 78}
        assert hint in result.output
    (tmp_path / ".env").unlink()
    assert "set -a" not in invoke("check", rules, env=env).output
