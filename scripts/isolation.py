"""
Does a hanging destination delay another one? Prints the time from posting an event to its arrival.

    python scripts/isolation.py --waiting 1000 --events 1000 --rate 100
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.isolation import isolation_run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--waiting", type=int, default=1000, help="deliveries that wait for the hanging destination")
    parser.add_argument("--events", type=int, default=1000, help="events whose arrival is measured")
    parser.add_argument("--rate", type=float, default=100, help="events per second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spaces-router-isolation-") as folder:
        well, hanging = asyncio.run(
            isolation_run(Path(folder), waiting=options.waiting, events=options.events, per_second=options.rate)
        )
    print(f"both well:   {well}")
    print(f"one hanging: {hanging}")
    return 0 if hanging.percentile(0.99) < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
