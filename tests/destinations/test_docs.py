"""The page on destinations says what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config.keys import fields_of
from router.destinations.base import Destination, destination_types

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(destinations:\n.*?)```", PAGE, re.DOTALL)
ENVIRONMENT = {"PARTNER_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
TYPES = {name: kind for name, kind in destination_types().items() if kind.__module__.startswith("router.destinations.")}


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda name: _variable(name[1]), value)
    return value


def _variable(name: str) -> str:
    return ENVIRONMENT.get(name, "https://example.com/hook" if name.endswith("_URL") else "value")


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_load(block: str) -> None:
    """Every example on the page is accepted as it stands."""
    for settings in _resolved(yaml.safe_load(block))["destinations"].values():
        kind = TYPES[settings.pop("type")]
        assert isinstance(kind.model_validate(settings), Destination)


def test_every_type_has_an_example() -> None:
    """Somebody who sets up a type finds it on the page."""
    shown = {settings["type"] for block in BLOCKS for settings in yaml.safe_load(block)["destinations"].values()}
    assert shown == set(TYPES)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_every_key_is_explained(kind: type[Destination]) -> None:
    """No key is to be found in the source only."""
    section = PAGE.partition(f"\n## {kind.type_name}\n")[2].partition("\n## ")[0]
    common = PAGE.partition("\n## Keys of every type\n")[2].partition("\n## ")[0]
    assert section
    missing = [
        key for key in fields_of(kind) if f"`{key}`" not in (common if key in Destination.model_fields else section)
    ]
    assert missing == []
