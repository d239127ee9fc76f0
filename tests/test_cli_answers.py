"""How commands collect what comes in pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from router.cli.answers import Answers, collect_deliveries, deliveries_of


class Pages:
    """Gives so many deliveries, as the admin API does: at most `limit` at once, and where to go on."""

    def __init__(self, count: int) -> None:
        self._ids = list(range(count))

    def deliveries(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        start, limit = int(query.get("cursor", 0)), int(query["limit"])
        page = self._ids[start : start + limit]
        end = start + len(page)
        return {"deliveries": [{"id": number} for number in page], "next": str(end) if end < len(self._ids) else None}


@pytest.mark.parametrize("count", [0, 1, 100, 101, 730])
def test_all_deliveries_of_an_event_are_listed(count: int) -> None:
    """However many pages that takes: a replay by hand of a thousand must not hide the first ones."""
    found = deliveries_of(cast("Answers", Pages(count)), "7")
    assert [one["id"] for one in found] == list(range(count))


def test_no_more_are_asked_for_than_are_wanted() -> None:
    """The newest ones."""
    assert len(collect_deliveries(cast("Answers", Pages(730)), {}, 250)) == 250
