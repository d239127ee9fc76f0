"""Fixtures of the store's tests: a clock, values, and one harness per kind of store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store.base import Store
from tests.fakes import Clock
from tests.store.harness import Harness, SqliteHarness
from tests.store.values import Values


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def values(clock: Clock) -> Values:
    return Values(clock)


@pytest.fixture(params=["sqlite"])
async def harness(tmp_path: Path, clock: Clock) -> AsyncIterator[Harness]:
    harness = SqliteHarness(tmp_path, clock)
    yield harness
    harness.heal()
    await harness.close()


@pytest.fixture
async def store(harness: Harness) -> Store:
    return await harness.make()
