"""A killed router loses nothing."""

from __future__ import annotations

from pathlib import Path

from tests.crash import crash_run


async def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    """While the process is killed again and again, every acknowledged event arrives or ends as a dead letter."""
    report = await crash_run(tmp_path, events=120, kills=4, seed=7)
    assert not report.faults, "\n".join([str(report), *report.faults])
    assert report.acknowledged == 120
    assert report.kills == 4
    assert report.reloads > 2
    assert report.delivered > 240
