"""The transitions that `docs/states.md` allows, read from its table."""

from __future__ import annotations

from pathlib import Path

from router.events import DeliveryState

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
INSERT = "(insert)"


def transitions() -> dict[str, set[DeliveryState]]:
    """Where a delivery may go, by the state that it is in; `(insert)` for one that is new."""
    table = (
        PAGE.read_text(encoding="utf-8").split("| from | to | because of |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    )
    allowed: dict[str, set[DeliveryState]] = {}
    for line in table.splitlines():
        before, after, _ = line.strip("| ").split(" | ")
        for one in before.split(", "):
            targets = (other.strip("`").partition(":")[0] for other in after.split(", "))
            allowed.setdefault(one.strip("`"), set()).update(map(DeliveryState, targets))
    return allowed
