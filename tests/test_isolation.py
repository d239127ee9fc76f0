"""The run that measures how little one destination feels of another: that it measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.isolation import MailPlace, Place, WebPlace, isolation_run


@pytest.mark.parametrize(("stuck", "healthy"), [(MailPlace, WebPlace), (WebPlace, MailPlace)])
async def test_messages_arrive_while_another_destination_hangs(
    tmp_path: Path, stuck: type[Place], healthy: type[Place]
) -> None:
    """Whether mail hangs or HTTP: all messages to the other destination arrive, while all to the first one wait."""
    well, hanging = await isolation_run(tmp_path, stuck(), healthy(), waiting=40, events=20, per_second=1000)
    assert (len(well.seconds), len(hanging.seconds)) == (20, 20)
    assert (well.waiting, hanging.waiting) == (0, 40)
