"""The command line inside a test: the real command, its output taken apart."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from router.cli import main

COMMAND = Path(sys.executable).parent / "spaces-router"


def invoke(*arguments: str, env: Mapping[str, str | None] | None = None, stdin: bytes | None = None) -> Result:
    """Run a command in this process; `SPACES_…` variables of the machine do not count."""
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("SPACES_")}
    clean |= {"STATE_DIRECTORY": None, "COLUMNS": "80", "NO_COLOR": None} | dict(env or {})
    return CliRunner().invoke(main, arguments, env=clean, input=stdin)


async def invoked(*arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a command beside the servers of a test."""
    return await asyncio.to_thread(invoke, *arguments, env=env)


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")} | {"COLUMNS": "80"}
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env=clean | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
