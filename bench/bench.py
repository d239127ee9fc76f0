"""
Measures the router against a bare Tornado handler, on one machine, in one run. Prints one table.

    make bench
    python bench/bench.py --rounds 3 --seconds 2 --only accept delivered

Needs `wrk` (Debian: apt install wrk) and two processors: the server has one, load and sink the other. What counts are
the ratios; the absolute figures are those of the machine. What is compared runs at the same time and is loaded in turn,
a second each, so that a machine which gets slower meanwhile slows down both; each round starts new processes, because
one and the same program is faster or slower by luck from start to start. Two ratios are told: of the time on the wall,
and of the processor time that the server uses per request. The second hardly changes while others use the machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from load import post_all, post_evenly, write_script  # noqa: E402 - the router is found by the line above
from processes import LOAD_CORE, SERVER_CORE, compile_router, process, processor_seconds, resident  # noqa: E402
from routers import Router, place_for, router  # noqa: E402
from turns import Deliveries, Load, check_stored, events_stored, in_turn, told  # noqa: E402

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
        ratios: To what was measured beside it, more being better for rates.
        costs: Processor time of each request.
        cost_ratios: Turned around, so that more is better here too.
    """

    title: str
    text: str
    must: str = ""
    values: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    cost_ratios: list[float] = field(default_factory=list)

    def add(self, value: float, beside: float | None = None) -> None:
        self.values.append(value)
        if beside is not None:
            self.ratios.append(value / beside)

    def add_load(self, load: Load, beside: Load | None = None) -> None:
        self.add(load.rate, None if beside is None else beside.rate)
        self.costs.append(load.cost)
        if beside is not None:
            self.cost_ratios.append(beside.cost / load.cost)

    def cells(self) -> tuple[str, ...]:
        """What the table shows of it: medians, and how far the ratios lie apart."""
        return (
            self.title,
            self.text.format(statistics.median(self.values)),
            _spread(self.ratios),
            f"{statistics.median(self.costs):.0f}" if self.costs else "",
            _spread(self.cost_ratios),
            self.must,
        )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""


ROWS = {
    "bare": Row("bare Tornado handler, requests/s", "{:,.0f}"),
    "accept": Row("durable accepts/s, 32 connections", "{:,.0f}", "0.9"),
    "accept while": Row("  the same while forwarding", "{:,.0f}"),
    "delivered": Row("delivered end to end/s", "{:,.0f}", "0.30"),
    "p50": Row(f"event to sink at {PACE}/s, p50, ms", "{:.1f}"),
    "p99": Row(f"event to sink at {PACE}/s, p99, ms", "{:.1f}"),
    "rules": Row(f"accepts/s with {RULES:,} rules, against 10", "{:,.0f}", "0.9"),
    "waiting": Row(f"accepts/s with {WAITING:,} deliveries waiting, against none", "{:,.0f}", "0.8"),
    "idle": Row("memory idle, MB", "{:.0f}", "80 MB"),
    "after": Row(f"memory after {EVENTS:,} events, MB", "{:.0f}", "1.3"),
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

    def accept(self) -> None:
        with self._bare() as bare, self._accepting() as running:
            ROWS["idle"].add(resident(running.pid))
            ROWS["start"].add(running.started_in)
            beside, load = in_turn(self.seconds, bare.burst, self._deliveries(running).burst)
        ROWS["bare"].add_load(beside)
        ROWS["accept"].add_load(load, beside)

    def delivered(self) -> None:
        with self._bare() as bare, self._forwarding() as (running, sink):
            deliveries, accepted = self._deliveries(running), []

            def burst() -> Load:
                used = processor_seconds(running.pid)
                accepted.append(deliveries.burst())
                arrived = wait_for_all(running.admin, sink)
                used = processor_seconds(running.pid) - used
                return Load(arrived["count"], arrived["last"] - arrived["first"], used)

            beside, load = in_turn(self.seconds, bare.burst, burst)
        ROWS["bare"].add_load(beside)
        ROWS["accept while"].add_load(sum(accepted[1:], Load()), beside)  # the first one was to warm up
        ROWS["delivered"].add_load(load, beside)

    def latency(self) -> None:
        with self._forwarding() as (running, sink):
            post_evenly(running.public, PACE, 1)
            wait_for_all(running.admin, sink)
            post_evenly(running.public, PACE, self.seconds)
            under_way = wait_for_all(running.admin, sink)["under_way"]
        ROWS["p50"].add(under_way[len(under_way) // 2])
        ROWS["p99"].add(under_way[len(under_way) * 99 // 100])

    def rules(self) -> None:
        self._beside_plain("rules", self._accepting(rules=RULES))

    def waiting(self) -> None:
        place = place_for(self.folder, waiting=WAITING)
        self._beside_plain("waiting", router(place, _NOBODY, forward=False))
        shutil.rmtree(place)

    def memory(self) -> None:
        script = write_script(self.folder, stop_after=EVENTS)
        with self._forwarding() as (running, sink):
            idle, stored = resident(running.pid), events_stored(running.admin)
            post_all(running.public, script)
            wait_for_all(running.admin, sink)
            check_stored(events_stored(running.admin) - stored, EVENTS)
            ROWS["idle"].add(idle)
            ROWS["after"].add(resident(running.pid), idle)

    def start(self) -> None:
        with self._accepting() as running:
            ROWS["start"].add(running.started_in)
        place = place_for(self.folder, waiting=WAITING_AT_START)
        with router(place, _NOBODY, forward=False) as running:
            ROWS["start waiting"].add(running.started_in)
        shutil.rmtree(place)

    def _beside_plain(self, row: str, other: AbstractContextManager[Router]) -> None:
        """Load a router in turn with one that has ten rules and an empty store."""
        with self._accepting() as plain, other as running:
            beside, load = in_turn(self.seconds, self._deliveries(plain).burst, self._deliveries(running).burst)
        ROWS[row].add_load(load, beside)

    @contextmanager
    def _bare(self) -> Iterator[Deliveries]:
        with process(sys.executable, HERE / "bare.py", core=SERVER_CORE) as (port, pid):
            yield Deliveries(self.script, f"http://127.0.0.1:{port}", pid)

    def _accepting(self, **settings: int) -> AbstractContextManager[Router]:
        return router(place_for(self.folder), _NOBODY, forward=False, **settings)

    @contextmanager
    def _forwarding(self) -> Iterator[tuple[Router, str]]:
        with process(sys.executable, HERE / "sink.py", core=LOAD_CORE) as (port, _):
            sink = f"http://127.0.0.1:{port}/"
            with router(place_for(self.folder), sink, forward=True) as running:
                wait_for_all(running.admin, sink)
                yield running, sink

    def _deliveries(self, running: Router) -> Deliveries:
        return Deliveries(self.script, running.public, running.pid, running.admin)


MEASUREMENTS: Mapping[str, Callable[[Bench], None]] = {
    "accept": Bench.accept,
    "delivered": Bench.delivered,
    "latency": Bench.latency,
    "rules": Bench.rules,
    "waiting": Bench.waiting,
    "memory": Bench.memory,
    "start": Bench.start,
}
ONCE = {"waiting", "memory", "start"}
"""These take long and vary little: one round is enough."""


def wait_for_all(admin: str, sink: str) -> dict[str, Any]:
    """Wait until nothing is under way; what the sink tells of the messages that came since it was last asked."""
    for _ in range(3000):
        states = told(f"{admin}/api/v1/stats")["deliveries"]
        if not any(states.get(state) for state in ("pending", "sending", "retrying")):
            return told(sink)
        time.sleep(0.1)
    raise SystemExit(f"not everything was delivered: {states}")


def table() -> str:
    head = ("figure", "measured", "ratio (least to most)", "processor µs", "ratio (least to most)", "must")
    lines = [head, *(row.cells() for row in ROWS.values() if row.values)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), metavar="FIGURE")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is missing; on Debian and Ubuntu: apt install wrk")
        return 2
    chosen = [name for name in MEASUREMENTS if name in options.only]
    compile_router()
    with tempfile.TemporaryDirectory(prefix="spaces-router-bench-") as folder:
        bench = Bench(Path(folder), options.seconds)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds} …", file=sys.stderr, flush=True)
            for name in chosen:
                if number == 0 or name not in ONCE:
                    MEASUREMENTS[name](bench)
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
