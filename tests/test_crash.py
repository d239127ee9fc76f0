"""A killed router loses nothing."""

from __future__ import annotations

from pathlib import Path

from tests.crash import crash_run


async def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    """While the process is killed again and again, every acknowledged event arrives or ends as a dead letter."""
    report = await crash_run(tmp_path, events=40, kills=3, seed=7)
    assert not report.faults, str(report)
    assert (report.events, report.kills) == (40, 3)
    assert report.reloads > 1
    rows = report.rows
    assert rows["mail"].copies >= rows["mail"].delivered == 40
    assert rows["mail-gone"].refused == 40
    assert rows["mail-bare"].given_up == 40
    assert rows["mail-lossy"].unanswered, "no answer was lost: which ones are is by chance, about every fifth"
    assert sum(row.lost for row in rows.values()) == 0
