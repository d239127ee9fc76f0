"""
Does a hanging destination delay another one? Prints the time from posting an event to its arrival.

    make isolation
    python scripts/isolation.py --waiting 1000 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.isolation import Latencies, MailPlace, Place, WebPlace, isolation_run

PLACES: dict[str, type[Place]] = {"http": WebPlace, "email": MailPlace}

PER_SECOND = {"http": 50, "email": 10}
"""What a destination can be sent with ease: mails go out one after the other, each with a conversation of its own."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--waiting", type=int, default=1000, help="deliveries that wait for the hanging destination")
    parser.add_argument("--seconds", type=int, default=20, help="for which arrivals are measured, each time")
    options = parser.parse_args()
    print(f"milliseconds from post to arrival, over {options.seconds} s each")
    print(f"{'hanging':<9} {'measured':<9} {'per s':>6} {'waiting':>8} {'p50':>9} {'p99':>9} {'worst':>9}")
    delayed = False
    for stuck, healthy in (("http", "http"), ("email", "http"), ("http", "email"), ("email", "email")):
        with tempfile.TemporaryDirectory(prefix="spaces-router-isolation-") as folder:
            well, hanging = asyncio.run(
                isolation_run(
                    Path(folder),
                    PLACES[stuck](),
                    PLACES[healthy](),
                    waiting=options.waiting,
                    events=options.seconds * PER_SECOND[healthy],
                    per_second=PER_SECOND[healthy],
                )
            )
        _show("none", healthy, well)
        _show(stuck, healthy, hanging)
        delayed |= hanging.percentile(0.99) >= 1
    return 1 if delayed else 0


def _show(stuck: str, healthy: str, found: Latencies) -> None:
    times = (found.percentile(0.5), found.percentile(0.99), found.seconds[-1])
    start = f"{stuck:<9} {healthy:<9} {PER_SECOND[healthy]:>6} {found.waiting:>8}"
    print(start + "".join(f" {1000 * each:>9.1f}" for each in times), flush=True)


if __name__ == "__main__":
    sys.exit(main())
