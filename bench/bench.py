"""
Measures the router against a bare Tornado handler, on one machine, in one run, in turn. Prints one table.

    make bench
    python bench/bench.py --rounds 5 --seconds 4

Needs `wrk` (Debian: apt install wrk) and two processors: the server has one, load and sink the other. What counts are
the ratios; the absolute figures are those of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from router.signature import sign

HERE = Path(__file__).parent
ROUTER = Path(sys.executable).parent / "spaces-router"
TOKEN = "token-of-the-benchmark"
CONNECTIONS = 32
BODIES = 60_000
"""Distinct bodies: more than one round posts, so that none of them is a repeated one."""

# Ten rules with conditions and templates as people write them.
RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}", site: acme.teamwork.com}
destinations:
  sink: {type: http, url: "%(sink)s", concurrency: 32}
  log: {type: log}
rules:
  - name: measured
    events: [page.updated, page.updated.*]
    unless: {actor.email: {ends_with: "@bots.example"}}
    to: sink
    enabled: %(forward)s
    body: {title: "{{ page.title }}", who: "{{ actor.name or 'Someone' }}", id: "{{ page.id }}"}
  - {name: people, events: user.*, to: log}
  - {name: comments, events: comment.*, to: log}
  - {name: removals, events: "*.deleted", to: log}
  - {name: legal, events: page.*, when: {space.id: 7}, to: log}
  - {name: drafts, events: page.*, when: {page.title: {starts_with: draft}}, to: log}
  - {name: releases, events: page.*, when: {page.title: {matches: "^v[0-9]+"}}, to: log}
  - {name: permissions, events: "pagepermission*.*", to: log}
  - {name: spaces, events: space.*, to: log}
  - {name: rest, events: access.*, to: log}
"""


@dataclass
class Figures:
    """What one round gives, by row of the table."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, row: str, value: float) -> None:
        self.rounds.setdefault(row, []).append(value)

    def median(self, row: str) -> float:
        return statistics.median(self.rounds[row])

    def ratios(self, row: str, to: str) -> str:
        pairs = [mine / other for mine, other in zip(self.rounds[row], self.rounds[to], strict=True)]
        return f"{statistics.median(pairs):.2f}  ({min(pairs):.2f} to {max(pairs):.2f})"


@contextmanager
def process(*command: str | Path, core: int, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Run a program on one processor; its first line and its pid."""
    pinned = ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
    running = subprocess.Popen(
        [*pinned, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ) | dict(environ or {}),
        text=True,
    )
    try:
        assert running.stdout is not None
        yield running.stdout.readline().strip(), running.pid
    finally:
        running.terminate()
        running.wait(60)


def write_script(folder: Path) -> Path:
    """A script for wrk that posts signed deliveries, each with a body and an id of its own."""
    page = json.dumps(
        {
            "id": 5148,
            "title": "Release checklist",
            "slug": "release-checklist",
            "state": "active",
            "content": "<p>Ship it.</p>" * 110,
            "space": {"id": 42, "type": "spaces"},
            "updatedBy": {"id": 9, "type": "users"},
            "updatedAt": "2026-03-02T10:40:15Z",
        }
    )
    head = f'{{"page":{page},"n":'
    signatures = "".join(f'"{sign(TOKEN, f"{head}{number}}}".encode())}",\n' for number in range(BODIES))
    script = folder / "post.lua"
    script.write_text(
        f"local head = [==[{head}]==]\nlocal signatures = {{\n{signatures}}}\n"
        "local n = 0\n"
        "request = function()\n"
        "  n = n + 1\n"
        f"  local k = (n - 1) % {BODIES}\n"
        '  return wrk.format("POST", "/hooks/spaces", {\n'
        '    ["Event"] = "page.updated", ["Signature"] = signatures[k + 1], ["Content-Type"] = "application/json",\n'
        '    ["Delivery"] = string.format("00000000-0000-4000-8000-%012d", n)}, head .. k .. "}")\n'
        "end\n"
    )
    return script


def post(url: str, script: Path, seconds: int) -> float:
    """Post as fast as answers come; requests per second. Ends the run where one is not answered 200."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    if shutil.which("taskset") and (os.cpu_count() or 1) > 1:
        command = ["taskset", "-c", "1", *command]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"not every request was answered 200:\n{told}")
    return float(next(line.split()[1] for line in told.splitlines() if line.startswith("Requests/sec")))


@contextmanager
def router(folder: Path, sink: str, *, forward: bool) -> Iterator[tuple[str, str, int, float]]:
    """A router with an empty store; its two addresses, its pid, and the seconds until it listened."""
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "rules.yaml").write_text(RULES % {"sink": sink, "forward": "true" if forward else "false"})
    flags = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", place / "data")
    started = time.perf_counter()
    environ = {"SPACES_TOKEN": TOKEN}
    with process(ROUTER, "serve", "--rules", place / "rules.yaml", *flags, core=0, environ=environ) as (line, pid):
        took = time.perf_counter() - started
        words = line.replace(",", "").split()
        yield words[2], words[5], pid, took


def resident(pid: int) -> float:
    """Megabytes of memory in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))


def measure(folder: Path, script: Path, seconds: int, figures: Figures) -> None:
    """One round, everything once and in turn."""
    with process(sys.executable, HERE / "bare.py", core=0) as (port, _):
        post(f"http://127.0.0.1:{port}", script, 1)
        figures.add("bare", post(f"http://127.0.0.1:{port}", script, seconds))
    with process(sys.executable, HERE / "sink.py", core=1) as (port, _):
        sink = f"http://127.0.0.1:{port}/"
        with router(folder, sink, forward=False) as (public, _, pid, took):
            figures.add("start", took)
            figures.add("idle", resident(pid))
            figures.add("accept", post(public, script, seconds))
        with router(folder, sink, forward=True) as (public, admin, pid, _):
            started = time.monotonic()
            figures.add("forwarding accept", post(public, script, seconds))
            count, last = wait_for_all(admin, sink)
            figures.add("delivered", count / (last - started))
            figures.add("after", resident(pid))


def wait_for_all(admin: str, sink: str) -> tuple[int, float]:
    """Wait until nothing is under way; how many messages arrived, and when the last one did."""
    for _ in range(600):
        with urllib.request.urlopen(f"{admin}/api/v1/stats", timeout=30) as answer:  # noqa: S310 - our own address
            states = json.load(answer)["deliveries"]
        if not any(states.get(state) for state in ("pending", "sending", "retrying")):
            break
        time.sleep(0.1)
    with urllib.request.urlopen(sink, timeout=30) as answer:  # noqa: S310 - our own address
        count, _, last = answer.read().decode().split()
    if int(count) != states["delivered"]:
        raise SystemExit(f"{states['delivered']} deliveries are called delivered, and {count} arrived")
    return int(count), float(last)


def table(figures: Figures) -> str:
    """The rows of the design's table of goals that are measured."""
    rows = [
        ("figure", "measured", "ratio: median (least to most)", "must"),
        ("bare Tornado handler, requests/s", f"{figures.median('bare'):,.0f}", "1", ""),
        rate(figures, "accept", "durable accepts/s, nothing to forward", "0.9"),
        rate(figures, "forwarding accept", "durable accepts/s while forwarding", ""),
        rate(figures, "delivered", "delivered end to end/s", "0.30"),
        ("memory idle, MB", f"{figures.median('idle'):.0f}", "", "80"),
        ("memory after the load, MB", f"{figures.median('after'):.0f}", figures.ratios("after", "idle"), "1.3"),
        ("start to first accept, s", f"{figures.median('start'):.2f}", "", "0.9"),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def rate(figures: Figures, row: str, name: str, must: str) -> tuple[str, str, str, str]:
    """One row of the table that is compared with the bare handler."""
    return name, f"{figures.median(row):,.0f}", figures.ratios(row, "bare"), must


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is missing; on Debian and Ubuntu: apt install wrk")
        return 2
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="spaces-router-bench-") as folder:
        script = write_script(Path(folder))
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds} …", file=sys.stderr, flush=True)
            measure(Path(folder), script, options.seconds, figures)
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
