"""
The long reload run: mail destinations change their recipients and servers, come and go, while events come in.

    make crash
    python scripts/reload.py --versions 200 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.reload import reload_run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--versions", type=int, default=200, help="how often the rule file changes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spaces-router-reload-") as folder:
        report = asyncio.run(reload_run(Path(folder), versions=options.versions, seed=options.seed))
    print(f"seed {options.seed}: {report}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
