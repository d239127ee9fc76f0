"""All warnings about one rule file, once it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.config.destination_section import Types
from router.config.lint.codes import CODES
from router.config.lint.destinations import lint_destinations
from router.config.lint.events import lint_rules
from router.config.lint.fields import lint_fields
from router.config.lint.ignores import Ignores
from router.config.lint.repeats import Repeats
from router.config.lint.secrets import lint_secrets
from router.config.lint.templates import lint_templates
from router.config.lint.texts import lint_texts
from router.config.nodes import Entry, Node, plain
from router.config.nodes import Mapping as MapNode
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.sights import Sights
from router.config.source_section import kinds_by_source
from router.config.trouble_section import lint_trouble

_FROM_OUTSIDE = frozenset({"key-in-clear", "mail-in-clear", "same-place"})
_FROM_TRIALS = frozenset({"template-fails", "unknown-field"})
_OF_THE_MACHINE = frozenset({"readable-secret"})
"""Whether it is told is no matter of the file alone, so that nobody could keep a comment right."""


@dataclass(frozen=True)
class Parts:
    """
    What was read of a file.

    Attributes:
        top: Its tree.
        alerts: `defaults.alerts`.
        files: Own templates by name.
        folder: Where they lie.
    """

    top: MapNode
    types: Types
    rules: Sequence[ReadRule]
    alerts: Entry | None
    files: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Judged:
    """
    How much of a file could be looked at.

    Attributes:
        outside: The values of references and secret files were known.
        trials: All templates were held against the sample events.
    """

    outside: bool
    trials: bool


def lint(parts: Parts, sights: Sights, judged: Judged, reading: Reading) -> None:
    """Look for everything that works, but hardly as it was meant; errors are noted already."""
    sources = parts.top.entries.get("sources")
    lint_fields(parts.rules, sights, reading)
    lint_texts(parts.rules, _own_messages(parts.types), parts.files, parts.folder, reading)
    lint_rules(parts.rules, reading)
    lint_secrets(parts.top, reading)
    lint_trouble(sources, parts.alerts, parts.types, reading)
    destinations = parts.top.entries.get("destinations")
    if destinations is not None and isinstance(destinations.value, MapNode):
        told = plain(parts.alerts.value) if parts.alerts is not None else None
        lint_destinations(parts.types, parts.rules, told, destinations.value, reading)
    lint_templates(parts.files, parts.folder, parts.rules, parts.types, reading)
    if not reading.has_errors:
        Repeats(kinds_by_source(sources), parts.types, reading).lint(parts.rules)
    Ignores(parts.files, parts.folder, reading).apply(_unjudged(judged, reading))


def _own_messages(types: Types) -> Iterator[Node]:
    for node in types.nodes.values():
        yield from (node.entries[key].value for key in ("message", "body") if key in node.entries)


def _unjudged(judged: Judged, reading: Reading) -> frozenset[str]:
    """Codes of which nobody can say now whether they would be told."""
    if reading.has_errors or reading.is_cut:
        return frozenset(CODES)
    outside = frozenset() if judged.outside else _FROM_OUTSIDE
    return outside | (frozenset() if judged.trials else _FROM_TRIALS) | _OF_THE_MACHINE
