"""Programs under measurement: each is bound to one processor, and what it uses is read from /proc."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

SERVER_CORE = 0
LOAD_CORE = 1
"""Load and sink share one."""


def pinned(core: int, *command: str | Path) -> list[str]:
    """The command, bound to a processor where there are two."""
    binds = shutil.which("taskset") and (os.cpu_count() or 1) > 1
    return [*(["taskset", "-c", str(core)] if binds else []), *map(str, command)]


def compile_router() -> None:
    """Write the bytecode of the router, which an installed package has."""
    if not compileall.compile_dir(ROOT / "router", quiet=1):
        raise SystemExit("the router cannot be compiled")


def as_installed() -> dict[str, str]:
    """The environment of what is measured: with it a program reads and keeps bytecode, whatever it is here."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def process(*command: str | Path, core: int, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Run a program; its first line and its pid."""
    running = subprocess.Popen(
        pinned(core, *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=as_installed() | dict(environ or {}),
        text=True,
    )
    try:
        assert running.stdout is not None
        yield running.stdout.readline().strip(), running.pid
    finally:
        running.terminate()
        running.wait(60)


def processor_seconds(pid: int) -> float:
    """
    Seconds of a processor that the process has used, its own and the system's on its behalf.

    Unlike the time on the wall, they do not grow while other programs have the processor.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def resident(pid: int) -> float:
    """Megabytes of memory in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))


def wait_until_at_rest(pid: int) -> None:
    """Wait until the process does nothing: two seconds after its start the router reads its rule file once more."""
    time.sleep(2)
    used = processor_seconds(pid)
    for _ in range(600):
        time.sleep(1)
        before, used = used, processor_seconds(pid)
        if used - before < 0.1:
            return
    raise SystemExit("the process does not come to rest")
