"""
Sample bodies of the 21 Spaces events, for demonstrations, previews and checks of templates.

The values are invented on field names that the vendor documents; nothing here was captured from a site.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from router.sources import KINDS

SAMPLES: tuple[str, ...] = KINDS["teamwork-spaces"].catalogue
"""Names of the events that have a sample."""


@cache
def sample(event_name: str) -> bytes:
    """
    Read the sample body of an event; its name is matched without regard to case.

    Raises:
        KeyError: There is no sample of this event.
    """
    name = event_name.lower()
    if name not in SAMPLES:
        raise KeyError(event_name)
    return files(__name__).joinpath(f"{name}.json").read_bytes()
