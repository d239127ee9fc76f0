"""
Measures the router against a bare Tornado handler, on one machine, in one run, in turn. Prints one table.

    make bench
    python bench/bench.py --rounds 3 --seconds 2 --only accept delivered

Needs `wrk` (Debian: apt install wrk) and two processors: the server has one, load and sink the other. What counts are
the ratios within a run; the absolute figures are those of the machine. Two ratios are told: of the time on the wall,
and of the processor time that the server uses per request. The second hardly changes while others use the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from load import Load, post, post_all, post_evenly, write_script  # noqa: E402 - the router is found by the line above
from processes import LOAD_CORE, SERVER_CORE, process, processor_seconds, resident  # noqa: E402
from routers import Router, place_for, router  # noqa: E402

EVENTS = 100_000
"""After so many, memory is looked at."""
WAITING_AT_START = 100_000
WAITING = 1_000_000
RULES = 10_000
PACE = 100
_NOBODY = "http://127.0.0.1:9/"


@dataclass
class Row:
    """
    One figure, round by round.

    Attributes:
        text: How a value is shown.
        must: The goal: a bound of the ratio where there is one, of the value elsewhere.
        against: Name of the row that it is divided by.
    """

    title: str
    text: str
    must: str = ""
    against: str = ""
    values: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def add(self, value: float, cost: float | None = None) -> None:
        self.values.append(value)
        if cost is not None:
            self.costs.append(cost)


ROWS = {
    "bare": Row("bare Tornado handler, requests/s", "{:,.0f}"),
    "accept": Row("durable accepts/s, 32 connections", "{:,.0f}", "0.9", "bare"),
    "accept while": Row("  the same while forwarding", "{:,.0f}", "", "bare"),
    "delivered": Row("delivered end to end/s", "{:,.0f}", "0.30", "bare"),
    "p50": Row(f"event to sink at {PACE}/s, p50, ms", "{:.1f}"),
    "p99": Row(f"event to sink at {PACE}/s, p99, ms", "{:.1f}"),
    "rules": Row(f"accepts/s with {RULES:,} rules, against 10", "{:,.0f}", "0.9", "accept"),
    "waiting": Row(f"accepts/s with {WAITING:,} deliveries waiting, against none", "{:,.0f}", "0.8", "accept"),
    "idle": Row("memory idle, MB", "{:.0f}", "80 MB"),
    "after": Row(f"memory after {EVENTS:,} events, MB", "{:.0f}", "1.3", "idle"),
    "start": Row("start to first accept, s", "{:.2f}", "0.9 s"),
    "start waiting": Row(f"  with {WAITING_AT_START:,} deliveries waiting, s", "{:.2f}", "2 s"),
}


class Bench:
    """
    The measurements, each a method that adds one round to its rows.

    Args:
        seconds: Of each load.
    """

    def __init__(self, folder: Path, seconds: int) -> None:
        self.folder = folder
        self.seconds = seconds

    @cached_property
    def script(self) -> Path:
        return write_script(self.folder)

    def bare(self) -> None:
        with process(sys.executable, HERE / "bare.py", core=SERVER_CORE) as (port, pid):
            self._record("bare", self._loaded(f"http://127.0.0.1:{port}", pid))

    def accept(self) -> None:
        with router(place_for(self.folder), _NOBODY, forward=False) as running:
            ROWS["idle"].add(resident(running.pid))
            ROWS["start"].add(running.started_in)
            self._record("accept", self._loaded(running.public, running.pid))

    def delivered(self) -> None:
        with self._forwarding() as (running, sink):
            post(running.public, running.pid, self.script, 1)
            wait_for_all(running.admin, sink)
            used, started = processor_seconds(running.pid), time.monotonic()
            self._record("accept while", post(running.public, running.pid, self.script, self.seconds))
            arrived = wait_for_all(running.admin, sink)
            cost = (processor_seconds(running.pid) - used) / arrived["count"] * 1e6
            ROWS["delivered"].add(arrived["count"] / (arrived["last"] - started), cost)

    def latency(self) -> None:
        with self._forwarding() as (running, sink):
            post_evenly(running.public, PACE, 1)
            wait_for_all(running.admin, sink)
            post_evenly(running.public, PACE, self.seconds)
            under_way = wait_for_all(running.admin, sink)["under_way"]
            ROWS["p50"].add(under_way[len(under_way) // 2])
            ROWS["p99"].add(under_way[len(under_way) * 99 // 100])

    def rules(self) -> None:
        with router(place_for(self.folder), _NOBODY, forward=False, rules=RULES) as running:
            self._record("rules", self._loaded(running.public, running.pid))

    def waiting(self) -> None:
        place = place_for(self.folder, waiting=WAITING)
        with router(place, _NOBODY, forward=False) as running:
            self._record("waiting", self._loaded(running.public, running.pid))
        shutil.rmtree(place)

    def memory(self) -> None:
        script = write_script(self.folder, stop_after=EVENTS)
        with self._forwarding() as (running, sink):
            ROWS["idle"].add(resident(running.pid))
            post_all(running.public, script)
            wait_for_all(running.admin, sink)
            ROWS["after"].add(resident(running.pid))

    def start(self) -> None:
        place = place_for(self.folder, waiting=WAITING_AT_START)
        with router(place, _NOBODY, forward=False) as running:
            ROWS["start waiting"].add(running.started_in)

    @contextmanager
    def _forwarding(self) -> Iterator[tuple[Router, str]]:
        with process(sys.executable, HERE / "sink.py", core=LOAD_CORE) as (port, _):
            sink = f"http://127.0.0.1:{port}/"
            with router(place_for(self.folder), sink, forward=True) as running:
                wait_for_all(running.admin, sink)
                yield running, sink

    def _loaded(self, url: str, pid: int) -> Load:
        post(url, pid, self.script, 1)
        return post(url, pid, self.script, self.seconds)

    def _record(self, row: str, load: Load) -> None:
        ROWS[row].add(load.rate, load.cost)


MEASUREMENTS: Mapping[str, Callable[[Bench], None]] = {
    "accept": Bench.accept,
    "delivered": Bench.delivered,
    "latency": Bench.latency,
    "rules": Bench.rules,
    "waiting": Bench.waiting,
    "memory": Bench.memory,
    "start": Bench.start,
}
NEEDS_ACCEPT = {"rules", "waiting"}
ONCE = {"waiting", "memory", "start"}
"""These take long and vary little: one round is enough."""


def wait_for_all(admin: str, sink: str) -> dict[str, Any]:
    """Wait until nothing is under way; what the sink tells of the messages that came since it was last asked."""
    for _ in range(3000):
        states = _told(f"{admin}/api/v1/stats")["deliveries"]
        if not any(states.get(state) for state in ("pending", "sending", "retrying")):
            return _told(sink)
        time.sleep(0.1)
    raise SystemExit(f"not everything was delivered: {states}")


def _told(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own address
        told: dict[str, Any] = json.load(answer)
    return told


def table() -> str:
    lines = [("figure", "measured", "ratio (least to most)", "processor µs", "ratio (least to most)", "must")]
    for row in ROWS.values():
        if row.values:
            other = ROWS.get(row.against)
            lines.append(
                (
                    row.title,
                    row.text.format(statistics.median(row.values)),
                    _ratio(row.values, other.values) if other else "",
                    f"{statistics.median(row.costs):.0f}" if row.costs else "",
                    _ratio(other.costs, row.costs) if other else "",
                    row.must,
                )
            )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _ratio(over: list[float], under: list[float]) -> str:
    """Median, least and most of the ratios of what was measured one after the other; more is better for rates."""
    if not over or not under:
        return ""
    if len(over) != len(under):
        return f"{statistics.median(over) / statistics.median(under):.2f}"
    ratios = [one / other for one, other in zip(over, under, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), metavar="FIGURE")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is missing; on Debian and Ubuntu: apt install wrk")
        return 2
    chosen = [
        name for name in MEASUREMENTS if name in options.only or (name == "accept" and NEEDS_ACCEPT & {*options.only})
    ]
    with tempfile.TemporaryDirectory(prefix="spaces-router-bench-") as folder:
        bench = Bench(Path(folder), options.seconds)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds} …", file=sys.stderr, flush=True)
            bench.bare()
            for name in chosen:
                if number == 0 or name not in ONCE:
                    MEASUREMENTS[name](bench)
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
