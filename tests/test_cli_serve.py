"""`serve` and `check`: what stops a start and with which exit code; what a rule file is told to hold."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.cli.addresses import AddressType
from router.cli.options import SizeType
from router.config.settings import Address
from tests.cli import COMMAND, invoke, invoked, run
from tests.process import RouterProcess, ended

GOOD = """\
sources:
  spaces:
    token: ${SPACES_TOKEN}
destinations:
  docs:
    type: slack
    url: ${SLACK_URL}
  ops:
    type: log
rules:
  - name: pages
    events: [page.*, comment.*]
    to: [docs, ops]
  - name: people
    events: user.*
    to: ops
    enabled: false
"""
CERTIFICATES = Path(__file__).parent / "certificates"
VARIABLES = {"SPACES_TOKEN": "a-token-for-the-tests", "SLACK_URL": "https://hooks.slack.com/services/T0/B0/secret-part"}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    return path


# check


def test_check_of_a_good_file_says_what_it_holds(rules: Path) -> None:
    """Sources with their paths, destinations with their types, rules, and how many events some rule matches."""
    result = invoke("check", str(rules), env=VARIABLES)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert f"{rules} is fine" in text
    assert "1 source: spaces at /hooks/spaces" in text
    assert "2 destinations: docs (slack), ops (log)" in text
    assert "2 rules: pages, people" in text
    assert "10 of the 21 events of Spaces are matched by some rule; not access.created" in text
    assert "secret-part" not in text


def test_check_finds_the_file_in_the_folder_or_by_variable(rules: Path, tmp_path: Path) -> None:
    """Without an argument it is rules.yaml here, or the one that the variable names."""
    here = run("check", cwd=tmp_path, env=VARIABLES)
    assert (here.returncode, here.stdout.splitlines()[0]) == (0, "rules.yaml is fine")
    named = invoke("check", env=VARIABLES | {"SPACES_ROUTER_RULES": str(rules)})
    assert named.exit_code == 0


def test_check_reports_everything_at_once(rules: Path) -> None:
    """Each problem has file, line and column; the last line counts them; the exit code is 1."""
    rules.write_text(GOOD.replace("type: slack", "type: slak").replace("events: user.*", "evnts: user.*"))
    result = invoke("check", str(rules), env=VARIABLES)
    assert result.exit_code == 1
    assert f"{rules}:6:11: " in result.stdout
    assert "'slack'" in result.stdout
    assert f"{rules}:15:5: " in result.stdout
    assert result.stdout.splitlines()[-1].endswith(f" in {rules}")


def test_check_wants_the_variables_as_serve_does(rules: Path) -> None:
    """A variable that is not set is a problem with its place and name."""
    result = invoke("check", str(rules), env={"SPACES_TOKEN": "a-token-for-the-tests"})
    assert result.exit_code == 1
    assert f"{rules}:7:10: " in result.stdout
    assert "SLACK_URL" in result.stdout


def test_check_for_programs_and_for_github(rules: Path) -> None:
    """The same problems as JSON, and as notes beside the lines of a pull request."""
    rules.write_text(GOOD.replace("type: slack", "type: slak"))
    as_json = invoke("check", str(rules), "--format", "json", env=VARIABLES)
    first = json.loads(as_json.stdout)[0]
    assert (as_json.exit_code, first["line"], first["column"], first["severity"]) == (1, 6, 11, "error")
    notes = invoke("check", str(rules), env=VARIABLES | {"SPACES_ROUTER_CHECK_FORMAT": "github"})
    assert notes.exit_code == 1
    assert notes.stdout.startswith("::error file=")
    rules.write_text(GOOD)
    fine = invoke("check", str(rules), "--format", "json", env=VARIABLES)
    assert fine.exit_code == 0
    assert all(problem["severity"] == "warning" for problem in json.loads(fine.stdout))


def test_strict_lets_warnings_fail(rules: Path) -> None:
    """A pattern that can match nothing is a warning: fine by itself, a failure with --strict."""
    rules.write_text(GOOD.replace("page.*", "page*").replace("    enabled: false\n", ""))
    lenient = invoke("check", str(rules), env=VARIABLES)
    assert lenient.exit_code == 0
    assert "can be used, with 1 warning" in lenient.stdout
    assert invoke("check", str(rules), "--strict", env=VARIABLES).exit_code == 1


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, a folder in its place and one that is no text are told in a sentence."""
    missing = invoke("check", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 1
    assert "none.yaml" in missing.output
    assert invoke("check", str(tmp_path)).exit_code == 2
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01" * 10)
    binary = invoke("check", str(tmp_path / "binary.yaml"))
    assert binary.exit_code == 1
    assert "unexpected" not in binary.output


# serve: what stops a start


@pytest.mark.parametrize(
    ("flags", "env", "told"),
    [
        (["--admin", "0.0.0.0:8081"], {}, "so it needs a token: set SPACES_ROUTER_ADMIN_TOKEN"),
        (["--admin", "[::]:8081"], {}, "so it needs a token"),
        ([], {"SPACES_ROUTER_ADMIN": "10.0.0.1:8081"}, "so it needs a token"),
        ([], {"SPACES_ROUTER_ADMIN_TOKEN": ""}, "SPACES_ROUTER_ADMIN_TOKEN is set but empty"),
        ([], {"SPACES_ROUTER_ADMIN_TOKEN": "tokén"}, "printable ASCII"),
        (["--admin-token-file", "/nonexistent"], {}, "--admin-token-file: /nonexistent cannot be read: No such file"),
        (["--admin-token-file", os.devnull], {}, f"--admin-token-file: {os.devnull} is empty"),
        (["--admin-host", "a b"], {}, "--admin-host 'a b' cannot be read"),
        (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], {}, "--tls-cert: /nonexistent cannot be read"),
        (["--tls-cert", "/nonexistent"], {}, "--tls-cert needs --tls-key beside it"),
        (["--tls-key", "/nonexistent"], {}, "--tls-key needs --tls-cert beside it"),
        (["--tls-cert", os.devnull, "--tls-key", os.devnull], {}, "cannot be used"),
        (["--rules", "/nonexistent/rules.yaml"], {}, "/nonexistent/rules.yaml"),
    ],
)
def test_bad_settings_exit_with_78(rules: Path, flags: list[str], env: dict[str, str], told: str) -> None:
    """What only a person can mend ends with 78 and a sentence, and nothing is started or made."""
    data = rules.parent / "data"
    result = invoke("serve", "--rules", str(rules), "--data", str(data), *flags, env=VARIABLES | env)
    assert result.exit_code == 78
    assert told in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not data.exists()


def test_a_bad_rule_file_exits_with_78(rules: Path) -> None:
    """All problems stand on standard error as `check` shows them, and nothing is started."""
    rules.write_text(GOOD.replace("type: slack", "type: slak"))
    result = invoke("serve", "--rules", str(rules), "--data", str(rules.parent / "data"), env=VARIABLES)
    assert result.exit_code == 78
    assert f"{rules}:6:11: " in result.stderr
    assert "nothing was started" in result.stderr
    assert result.stdout == ""


def test_a_key_of_another_certificate_exits_with_78(rules: Path) -> None:
    """Certificate and key are tried before anything starts."""
    flags = ["--tls-cert", str(CERTIFICATES / "good.pem"), "--tls-key", str(CERTIFICATES / "elsewhere.pem")]
    result = invoke("serve", "--rules", str(rules), *flags, env=VARIABLES)
    assert result.exit_code == 78
    assert "key values mismatch" in result.stderr


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("flag", ["--listen", "--admin"])
def test_an_address_in_use_exits_with_1(rules: Path, taken: int, flag: str) -> None:
    """The sentence names the flag and the address; a later try may succeed, so it is not 78."""
    other = "--admin" if flag == "--listen" else "--listen"
    result = run(
        "serve", "--rules", str(rules), "--data", str(rules.parent / "data"),
        flag, f"127.0.0.1:{taken}", other, "127.0.0.1:0", env=VARIABLES,
    )  # fmt: skip
    assert result.returncode == 1
    assert f"Error: {flag} 127.0.0.1:{taken}: this address is in use" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("192.0.2.1:8080", 1, "no such address"),
        ("no-such-host.invalid:8080", 78, "a host that this machine does not know"),
        ("http://127.0.0.1:8080", 2, "expected HOST:PORT such as 127.0.0.1:8080, without http://"),
    ],
)
def test_an_address_that_is_not_ours(rules: Path, address: str, code: int, told: str) -> None:
    """An address of another machine, and a name that nobody knows, are told apart."""
    result = run(
        "serve", "--rules", str(rules), "--data", str(rules.parent / "data"),
        "--admin", "127.0.0.1:0", "--listen", address, env=VARIABLES,
    )  # fmt: skip
    assert result.returncode == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("given", ["127.0.0.1:8091", "http://127.0.0.1:8091", "http://127.0.0.1:8091/"])
def test_the_admin_address_may_be_written_as_other_commands_write_it(given: str) -> None:
    """`SPACES_ROUTER_ADMIN` is one variable for all commands, so `serve` reads it with `http://` too."""
    assert AddressType(as_url=True).convert(given, None, None) == Address("127.0.0.1", 8091)


def test_a_store_that_cannot_be_opened_exits_with_1(rules: Path) -> None:
    """A damaged file is told with its name and what to do, and stays as it is."""
    data = rules.parent / "data"
    data.mkdir()
    (data / "router.db").write_bytes(b"no database" * 100)
    result = run(
        "serve",
        "--rules",
        str(rules),
        "--data",
        str(data),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        env=VARIABLES,
    )
    assert result.returncode == 1
    assert f"Error: {data / 'router.db'} is not a database" in result.stderr
    assert (data / "router.db").read_bytes() == b"no database" * 100
    assert "Traceback" not in result.stderr


def test_a_misspelled_variable_is_noticed(rules: Path) -> None:
    """A variable that means nothing but looks like a setting gets a warning with a guess."""
    env = VARIABLES | {"SPACES_ROUTER_LISTN": "127.0.0.1:1", "SPACES_ROUTER_CHECK_STRICT": "1", "SPACES_ROUTER_X": "1"}
    result = invoke("serve", "--rules", str(rules), "--tls-key", "x", env=env)
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning")]
    assert warnings == ["Warning: the variable SPACES_ROUTER_LISTN means nothing; did you mean SPACES_ROUTER_LISTEN?"]


# serve: a start


async def test_flags_and_variables_reach_the_router(rules: Path) -> None:
    """One line says where it listens; settings come by flag or by variable; SIGTERM ends it with 0."""
    folder = rules.parent
    env = VARIABLES | {
        "SPACES_ROUTER_DRY_RUN": "1",
        "SPACES_ROUTER_LOG_FORMAT": "json",
        "SPACES_ROUTER_MAX_BODY": "1KiB",
        "SPACES_ROUTER_ADMIN_TOKEN": "a-token-of-the-admin",
    }
    router = RouterProcess(folder, env, "--log-level", "INFO")
    await router.start()
    try:
        token = {"SPACES_TOKEN": VARIABLES["SPACES_TOKEN"]}
        hook = f"{router.public}/hooks/spaces"
        (folder / "small.json").write_text('{"page": {"id": 1, "title": "A small page"}}')
        (folder / "large.json").write_text('{"page": {"id": 1, "title": "' + "x" * 1024 + '"}}')
        small = await invoked("send", "page.created", "--to", hook, "--payload", str(folder / "small.json"), env=token)
        large = await invoked("send", "page.created", "--to", hook, "--payload", str(folder / "large.json"), env=token)
        health = await invoked("healthcheck", "--admin", router.admin)
        asked = await invoked("deliveries", "--admin", router.admin)
    finally:
        code = await router.stop()
    stored = await invoked("deliveries", "--json", "--data", str(folder / "data"), "--admin", router.admin)
    assert small.exit_code == 0, small.output
    assert large.exit_code == 1
    assert large.stderr.startswith("413 ")
    assert health.exit_code == 0
    assert asked.exit_code == 1
    assert "asks for a token" in asked.stderr
    assert code == 0
    assert {one["state"] for one in json.loads(stored.stdout)} == {"suppressed"}
    assert all(json.loads(line)["time"] for line in router.log.splitlines())


async def test_the_state_directory_holds_the_store(rules: Path, tmp_path: Path) -> None:
    """Under systemd the store goes to the folder of the service."""
    state = tmp_path / "state"
    command = [str(COMMAND), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    env = dict(os.environ) | VARIABLES | {"STATE_DIRECTORY": str(state)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line.startswith(b"listening on http://127.0.0.1:")
        assert (state / "router.db").exists()
    finally:
        process.terminate()
        assert await ended(process) == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("5MiB", 5 * 2**20), ("5 mb", 5_000_000), ("512KiB", 2**19), ("1000000", 1_000_000), ("1GiB", 2**30), ("7b", 7)],
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are written as people write them."""
    assert SizeType().convert(text, None, None) == size


def test_the_package_runs_with_warnings_as_errors(tmp_path: Path) -> None:
    """No command sets off a warning of Python on its way to --help."""
    script = "from router.cli import main; main(['serve', '--help'])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
