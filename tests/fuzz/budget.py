"""How many examples a test of this suite tries."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

_USUAL = 100


def examples(count: int, **more: Any) -> settings:
    """So many examples in a usual run, and in proportion more under a profile that asks for more than 100."""
    return settings(max_examples=max(1, count * settings().max_examples // _USUAL), **more)
