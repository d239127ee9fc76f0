"""The page on running the router tells the truth about the log."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.cli import invoke

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "operations.md"

_LEVELS = {"debug", "info", "warning", "error", "exception"}
_ACTION = re.compile(r"[a-z]+\.[a-z_]+")


def _logged(path: Path) -> Iterator[str]:
    """The action of each line that a module logs."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in _LEVELS | {"log", "note"}:
            yield from (
                given.value
                for given in node.args[:2]
                if isinstance(given, ast.Constant) and isinstance(given.value, str) and _ACTION.fullmatch(given.value)
            )


def _listed() -> list[str]:
    table = PAGE.read_text().partition("| action | says |")[2]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [action for cell in first_cells for action in re.findall(r"`([^`]+)`", cell)]


def test_every_action_of_the_log_is_explained() -> None:
    """Whatever the log says stands in the table of the page, and nothing else does."""
    logged = {action for path in (ROOT / "router").rglob("*.py") for action in _logged(path)}
    assert len(logged) > 20
    assert sorted(_listed()) == sorted(logged)


def test_every_command_of_the_page_exists() -> None:
    """What the page tells an admin to type has the options that it gives."""
    lines = re.findall(r"^spaces-router ([^|&\n]+)", PAGE.read_text(), re.MULTILINE)
    lines += re.findall(r"`spaces-router ([a-z][^`]*)`", PAGE.read_text())
    assert len(lines) > 10
    for line in lines:
        assert invoke(*shlex.split(line), "--help").exit_code == 0, line
