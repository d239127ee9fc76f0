"""Who hears of trouble: `fallback` of destinations, `defaults.alerts`, and what makes them useless."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.destination_section import Types
from router.config.nodes import Entry, Mapping, Scalar, kind_of, plain
from router.config.nodes import Sequence as ListNode
from router.config.problems import named
from router.config.reading import Reading
from router.config.references import literal
from router.config.targets import unknown_destination


def read_alerts(entry: Entry | None, types: Types, reading: Reading) -> str | None:
    """Read `defaults.alerts`, the destination that is told of trouble; None where it is missing or has problems."""
    if entry is None:
        return None
    value = literal(entry.value, reading)
    if not isinstance(value, Scalar) or value.value is None or isinstance(value.value, bool | float):
        value_is_empty = isinstance(value, Scalar) and value.value is None
        what = "empty" if value_is_empty else kind_of(value)
        one = "; one destination hears of trouble" if isinstance(value, ListNode) else ""
        reading.error(entry if value_is_empty else value, f"alerts is {what}; expected the name of a destination{one}")
        return None
    name = str(value.value)
    if name not in types.by_name:
        reading.error(value, unknown_destination(name, types.by_name))
        return None
    return name


def check_fallbacks(types: Types, reading: Reading) -> None:
    """Note fallbacks that lead nowhere, or back to the destination itself."""
    for name, entry in _fallbacks(types):
        other = str(plain(entry.value))
        if other == name:
            reading.error(entry.value, f"destination {named(name)} falls back to itself; name another destination")
        elif other not in types.by_name:
            reading.error(entry.value, unknown_destination(other, types.by_name))
            reading.settle(entry.value)  # it may stand in the defaults, beneath all destinations


def fallback_of(name: str, types: Types) -> str | None:
    """Name the fallback of a destination, as the file says it; None where it says none."""
    entry = _fallback(name, types)
    return None if entry is None else str(plain(entry.value))


def lint_trouble(sources: Entry | None, alerts: Entry | None, types: Types, reading: Reading) -> None:
    """Look for trouble that nobody would hear of."""
    below = sources.value.entries.values() if sources is not None and isinstance(sources.value, Mapping) else ()
    for source in below:
        watched = source.value.entries.get("expect_every") if isinstance(source.value, Mapping) else None
        if watched is not None and alerts is None:
            reading.warn(
                watched,
                "nobody-told",
                f"nobody is told when no event comes from source {named(source.key)}; name a destination that is:"
                " defaults: {alerts: …}",
            )
    told = [("alerts", alerts)] if alerts is not None else []
    for key, entry in (*told, *(("fallback", entry) for _, entry in _fallbacks(types))):
        other = types.built.get(str(plain(entry.value)))
        if other is not None and not other.enabled:
            reading.warn(
                entry.value, "switched-off", f"{key} names a destination that is switched off: nothing goes there"
            )
            reading.settle(entry.value)


def _fallbacks(types: Types) -> Iterator[tuple[str, Entry]]:
    """Each destination that has a fallback; those where it is no text are told of elsewhere."""
    for name in types.nodes:
        if (entry := _fallback(name, types)) is not None:
            yield name, entry


def _fallback(name: str, types: Types) -> Entry | None:
    node = types.nodes.get(name)
    entry = None if node is None else node.entries.get("fallback")
    return entry if entry is not None and isinstance(plain(entry.value), str) else None
