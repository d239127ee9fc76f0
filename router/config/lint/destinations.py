"""Destinations that nothing uses, that are one place under two names, or whose mails travel in clear."""

from __future__ import annotations

from collections.abc import Sequence

from router.config.destination_section import COMMON_KEYS, Types
from router.config.nodes import Mapping, has_unresolved, plain
from router.config.problems import named
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.targets import destinations_of
from router.destinations.base import Destination
from router.destinations.email import Email
from router.destinations.http import Http
from router.payload import JSON, dump_json

_PLACE = "url"


def lint_destinations(
    types: Types, rules: Sequence[ReadRule], alerts: object, entries: Mapping, reading: Reading
) -> None:
    """
    Look at the destinations as a whole.

    Args:
        alerts: What `defaults.alerts` says.
    """
    _mails_in_clear(types, reading)
    if not reading.has_errors:  # a rule that could not be read may be the one that uses it
        _unused(types, rules, alerts, entries, reading)
        _same_places(types, entries, reading)


def _unused(types: Types, rules: Sequence[ReadRule], alerts: object, entries: Mapping, reading: Reading) -> None:
    """Look for destinations that nothing names; a rule that is switched off counts."""
    used = {alerts, *(name for rule in rules if rule.to is not None for name in destinations_of(rule.to))}
    used |= {destination.fallback for destination in types.built.values()}
    for name, entry in entries.entries.items():
        if name not in used and name in types.by_name:
            reading.warn(entry, "unused-destination", f"no rule sends to destination {named(name)}; use or remove it")


def _same_places(types: Types, entries: Mapping, reading: Reading) -> None:
    """Look for destinations with one URL. Of what that is, a secret mostly, nothing is said."""
    first: dict[object, str] = {}
    for name, destination in types.built.items():
        node = types.nodes[name]
        if _PLACE not in node.entries or has_unresolved(node):
            continue
        earlier = first.setdefault(_what_is_called(destination, node), name)
        if earlier != name:
            reading.warn(
                node.entries[_PLACE],
                "same-place",
                f"the url of {named(name)} is that of {named(earlier)} at line {entries.entries[earlier].place.line}:"
                " both are one place, which has one pace and one order; let the rules use one of the two",
            )


def _what_is_called(destination: Destination, node: Mapping) -> object:
    """What tells places apart: for a service of one's own also what stands beside the URL, but not pace and format."""
    beside: JSON = None
    if isinstance(destination, Http):
        beside = {key: plain(each.value) for key, each in node.entries.items() if key not in {*COMMON_KEYS, _PLACE}}
    return destination.type_name, destination.target, dump_json(beside)


def _mails_in_clear(types: Types, reading: Reading) -> None:
    for name, destination in types.built.items():
        if not isinstance(destination, Email) or destination.security != "none" or destination.smtp.is_loopback:
            continue
        reading.warn(
            types.nodes[name].entries["tls"],
            "mail-in-clear",
            "these mails travel to another machine in clear, where others can read and change them; leave tls out,"
            " so that TLS is required",
        )
