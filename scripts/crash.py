"""
The long durability run: 2,000 events, 20 kills, changing rules, and destinations that fail in every way we know.

    make crash
    python scripts/crash.py --events 2000 --kills 20 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.crash import crash_run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spaces-router-crash-") as folder:
        report = asyncio.run(crash_run(Path(folder), events=options.events, kills=options.kills, seed=options.seed))
    print(f"seed {options.seed}: {report}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
