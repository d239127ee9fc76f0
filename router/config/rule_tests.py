"""What tests of rules are: an event, and what is expected to become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from router.payload import JSON

NOTHING = "nothing"
"""`to: nothing`: nobody gets a message."""


@dataclass(frozen=True)
class Fragment:
    """A piece of text that messages are to contain, or not: those to one destination, or where that is None, all."""

    text: str
    destination: str | None = None


@dataclass(frozen=True)
class RuleTest:
    """
    One test of a rule file.

    Attributes:
        file, line: Where it stands; the file as the user named it.
        source: Name of the source that the event comes from; None for the first that fits.
        payload: The body of the event; None for its sample, or what `payload_file` holds.
        payload_file: Of the body as JSON, relative to the folder of the test's file.
        changed: What of the body is different, by path; `with` in the file.
        to: Exactly these destinations get a message; None where it does not matter.
        rules, not_rules: Names of rules that match, and of rules that do not.
        lines: Where each key of the test stands.
    """

    name: str
    file: str
    line: int
    event: str
    source: str | None = None
    payload: JSON = None
    payload_file: Path | None = None
    changed: Mapping[str, JSON] = field(default_factory=dict)
    to: tuple[str, ...] | None = None
    rules: tuple[str, ...] = ()
    not_rules: tuple[str, ...] = ()
    text: tuple[Fragment, ...] = ()
    not_text: tuple[Fragment, ...] = ()
    subject: tuple[Fragment, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
