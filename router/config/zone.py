"""`defaults.zone`: the time zone that people read times in."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from router.config.nodes import Entry, Scalar, kind_of
from router.config.problems import did_you_mean, named
from router.config.reading import Reading
from router.config.references import literal

_EXPECTED = "expected the name of a time zone, such as Europe/Dublin, America/New_York or UTC"


def read_zone(entry: Entry | None, reading: Reading) -> tzinfo:
    """Read `defaults.zone`; UTC where it is missing or has problems."""
    if entry is None:
        return UTC
    value = literal(entry.value, reading)
    if not isinstance(value, Scalar) or value.value is None:
        is_empty = isinstance(value, Scalar)
        reading.error(entry if is_empty else value, f"zone is {'empty' if is_empty else kind_of(value)}; {_EXPECTED}")
        return UTC
    name = str(value.value)
    if name in zone_names():
        return ZoneInfo(name)
    reading.error(value, f"zone is {named(name)}; {_EXPECTED}{_guess(name)}")
    return UTC


@cache
def zone_names() -> frozenset[str]:
    """Names of the IANA database, of the edition that is installed with the router: alike on all systems."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _guess(name: str) -> str:
    """Guess by the whole name, or by the place alone, as people say `Dublin` and `New York`."""
    wanted = name.strip().replace(" ", "_").casefold()
    names = sorted(zone_names())
    regions = {each.partition("/")[0].casefold() for each in names if "/" in each}
    if wanted in regions:
        return ""
    place = next((each for each in names if each.rpartition("/")[2].casefold() == wanted), None)
    if place is not None:
        return f" (did you mean '{place}'?)"
    # Only the first of many choices are compared.
    region = wanted.partition("/")[0]
    return did_you_mean(wanted, sorted(names, key=lambda each: each.partition("/")[0].casefold() != region))
