"""
The package that people install: what is in it, and that it works where nothing else of the repository is.

It is built and installed by pip, which takes the build backend and the dependencies from the package registry. To try
it on other versions of Python as well, name their interpreters with colons between, or say `all` for those that are
found: `WHEEL_PYTHONS=all make wheel`.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

from router import __version__
from router.samples import SAMPLES, sample

ROOT = Path(__file__).parent.parent
TOKEN = "a-token-for-the-tests"

_UNREACHABLE = re.compile(r"connection broken by|Connection(?:Error|Timeout)|Read timed out|ProxyError|name resolution")

pytestmark = pytest.mark.timeout(600)  # a cold cache on a slow line; with a warm one all takes less than a minute


def _pip(python: Path, *arguments: str) -> None:
    """Have pip work on another environment, which needs no pip of its own."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command += ["--retries", "2", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=500)
    said = done.stdout + done.stderr
    if done.returncode and _UNREACHABLE.search(said):
        reason = "the package registry cannot be reached, so that the wheel is neither built nor tried"
        pytest.fail(f"{reason}\n{said}") if os.environ.get("CI") else pytest.skip(reason)
    assert done.returncode == 0, said


def _environment(folder: Path, interpreter: Path) -> Path:
    """Make an empty virtual environment; its Python."""
    subprocess.run([str(interpreter), "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with the wheel and the sdist; whichever process of the test run needs them first builds them."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    built = base / "packages"
    with (base / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            _build(base / "build")
            (base / "build" / "dist").rename(built)
    return built


def _build(folder: Path) -> None:
    """Build as a release is: the sdist from the checkout, the wheel from the sdist."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "dist").mkdir(parents=True)
    python = _environment(folder / "env", Path(sys.executable))
    _pip(
        python, "install", "--quiet", *tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    )
    build = "import sys, hatchling.build; hatchling.build.build_sdist(sys.argv[1])"
    subprocess.run([str(python), "-c", build, str(folder / "dist")], check=True, cwd=ROOT, timeout=120)
    (sdist,) = (folder / "dist").iterdir()
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "dist"))
    _pip(python, "wheel", *options, str(sdist))


def _files(folder: str) -> set[str]:
    """What the checkout has below a folder, as paths from its top."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_has_all_that_it_needs_and_nothing_else(packages: Path) -> None:
    """The package, the templates, the example and the licence are in the wheel; tests and docs are not."""
    (wheel,) = packages.glob("*.whl")
    assert wheel.name == f"spaces_router-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"spaces_router-{__version__}.dist-info"
    expected = _files("router") | {f"router/{name}" for name in _files("templates")} | {"router/rules.example.yaml"}
    expected |= {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert names == expected
    # What the lines above would not notice: a file that has gone from the checkout as well.
    for needed in (
        "py.typed",
        "rules.example.yaml",
        "templates/slack/event.full.yaml",
        "templates/shared/sentence.j2",
        "store/migrations/sqlite/0001_first.sql",
    ):
        assert f"router/{needed}" in names
    assert {f"router/samples/{name}.json" for name in SAMPLES} <= names


def test_the_sdist_can_be_worked_with(packages: Path) -> None:
    """Whoever unpacks the sdist has the tests, the docs and what `make` needs; nothing that only lay about is in it."""
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in names} <= {
        *(
            "router",
            "templates",
            "tests",
            "docs",
            "deploy",
            "scripts",
            "bench",
            "rules.example.yaml",
            "rules.schema.json",
            "constraints.txt",
            "Makefile",
        ),
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"),
    }
    assert {"tests/test_wheel.py", "docs/rules.md", "constraints.txt", "Makefile", "LICENSE"} <= names
    assert not [name for name in names if "__pycache__" in name]


def _interpreters() -> list[Path]:
    wanted = os.environ.get("WHEEL_PYTHONS", "")
    if wanted != "all":
        return [Path(each) for each in wanted.split(":") if each] or [Path(sys.executable)]
    names = [f"python3.{minor}" for minor in range(11, 15)]
    on_path = [Path(path) for name in names if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [each for name in names for each in sorted(pyenv.glob(f"*/bin/{name}"))]
    covered = {each.name for each in found}
    # A shim of pyenv on the path may lead to a version that is not switched on.
    return found + [each for each in on_path if each.name not in covered and "shims" not in each.parts]


class Installed:
    """The program as it was installed, run from a folder where nothing else is."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.command = str(python.parent / "spaces-router")
        self.python = str(python)
        self.folder = folder
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environ = kept | {"PATH": f"{python.parent}:/usr/bin:/bin"}

    def run(self, *arguments: str) -> str:
        """Run a command that must end well; what it prints on standard output."""
        done = self._run([self.command, *arguments])
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, script: str) -> str:
        """Run a line of Python in the environment of the program."""
        done = self._run([self.python, "-c", script])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(params=_interpreters(), ids=str)
def installed(request: pytest.FixtureRequest, packages: Path, tmp_path: Path) -> Installed:
    """The wheel with its dependencies in an empty environment, and an empty folder beside it."""
    python = _environment(tmp_path / "env", request.param)
    (wheel,) = packages.glob("*.whl")
    _pip(python, "install", "--quiet", "--only-binary", ":all:", "--constraint", "constraints.txt", str(wheel))
    _pip(python, "check")
    (tmp_path / "empty").mkdir()
    return Installed(python, tmp_path / "empty")


def test_the_installed_wheel_works_away_from_the_checkout(installed: Installed) -> None:
    """Every part of the program is there: rules, templates, samples, migrations, servers, and a first rule file."""
    package = Path(installed.ask("import router; print(router.__path__[0])"))
    assert package.is_relative_to(Path(installed.python).parent.parent)

    shutil.copy(package / "rules.example.yaml", installed.folder / "rules.yaml")
    assert "rules.yaml is fine" in installed.run("check", "rules.yaml")
    assert installed.run("demo", "--once").rstrip().endswith("all delivered.")
    _serves(installed)

    assert "What to do next" in installed.run("init", "mine")
    for line in (installed.folder / "mine" / ".env").read_text().splitlines():
        name, separator, value = line.partition("=")
        installed.environ |= {name: value} if separator and not line.startswith("#") else {}
    assert "mine/rules.yaml is fine" in installed.run("check", "--strict", "mine/rules.yaml")
    assert "log (log) took the message" in installed.run("send-test", "log", "--rules", "mine/rules.yaml")


def _serves(installed: Installed) -> None:
    """Start the router, post a signed delivery as Spaces would, and stop it: nothing but the standard library asks."""
    addresses = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    nowhere = dict.fromkeys(("SLACK_URL", "SLACK_PEOPLE_URL", "AUDIT_URL"), "http://127.0.0.1:9/")
    environ = installed.environ | {"SPACES_TOKEN": TOKEN} | nowhere
    log = installed.folder / "router.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [installed.command, "serve", *addresses],
            cwd=installed.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"listening on (\S+), admin on", process.stdout.readline())
            assert found, log.read_text()
            assert _post(f"{found[1]}/hooks/spaces") == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert (installed.folder / "data" / "router.db").exists()


def _post(url: str) -> int:
    body = sample("user.disabled")
    signature = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Event": "user.disabled", "Signature": signature, "Delivery": "1", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:  # noqa: S310
        status: int = answer.status
    return status
