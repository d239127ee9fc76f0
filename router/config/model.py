"""One loaded rule file: everything that judging, rendering and sending need, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from router.config.problems import Problem
from router.config.rule_tests import RuleTest
from router.destinations.base import Destination
from router.fields import Model
from router.messages.directory import NOTHING_GIVEN, Given
from router.messages.render import Renderer
from router.messages.spec import MessageSpec
from router.rules.ruleset import RuleSet
from router.secret import Secret
from router.sources import SourceKind


class Source(Model):
    """
    A configured sender of webhooks.

    Attributes:
        tokens: Any of these may have signed; empty where it is unsigned, or an older rule set's.
        unsigned: Its requests are taken without a signature.
        site: Host name that links lead to, or None.
        api: Address of the API that is asked for names, or None; `api_key` opens it.
        given: Names that the rule file gives to ids.
        changes: What was known of an object before is kept, so that messages can tell what changed.
        is_partly_known: Its `site`, or a name that it gives, refers to something that could not be looked up.
        expect_every: People are told when no event came for so long; None to tell nobody.
    """

    name: str
    kind: SourceKind
    tokens: tuple[Secret, ...] = ()
    unsigned: bool = False
    site: str | None = None
    api: str | None = None
    api_key: Secret | None = None
    given: Given = NOTHING_GIVEN
    changes: bool = True
    expect_every: timedelta | None = None
    is_partly_known: bool = False


@dataclass(frozen=True)
class Configuration:
    """
    One rule set.

    Attributes:
        path: Of the rule file; None where its text came from elsewhere.
        hash: SHA-256 over the rule file and its own templates, 64 hex digits; people are shown the first 16.
        text: The rule file, secrets that stand in it replaced by `"***"`; references stay references.
        files: Own templates by name, such as `slack/page.j2`.
        specs: What each rule says about its message, by rule name.
        retries: Schedules of the rules that set their own.
        alerts: Name of the destination that is told of trouble, or None.
        tests: What the file itself expects its rules to do.
        warnings: By position.
        untried: How many messages were not held against sample events, for want of time.
        watched: Files and folders whose change calls for a reload.
    """

    path: Path | None
    hash: str
    text: str
    files: Mapping[str, str]
    sources: Mapping[str, Source]
    destinations: Mapping[str, Destination]
    rules: RuleSet
    specs: Mapping[str, MessageSpec]
    retries: Mapping[str, tuple[timedelta, ...]]
    renderer: Renderer
    alerts: str | None = None
    tests: tuple[RuleTest, ...] = ()
    warnings: tuple[Problem, ...] = ()
    untried: int = 0
    watched: tuple[Path, ...] = field(default=())

    def secrets(self) -> list[str]:
        """List the texts that must never be shown."""
        tokens = [token.reveal() for source in self.sources.values() for token in source.tokens]
        tokens += [source.api_key.reveal() for source in self.sources.values() if source.api_key is not None]
        return [
            *(token for token in tokens if token),
            *(text for destination in self.destinations.values() for text in destination.secrets()),
        ]
