"""What a rule set makes of an event that is stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from router.config.model import Configuration
from router.events import Event
from router.messages.context import build_namespace
from router.rules.ruleset import Judgement, NamespaceSource, Verdict
from router.sources import DEFAULT_KIND


def judge(event: Event, by: Configuration) -> Judgement:
    """Decide which rules match an event, and where it goes."""
    return by.rules.judge(event.name, event.source, _namespace(event, by))


def explain(event: Event, by: Configuration) -> Sequence[Verdict]:
    """Say what each rule made of an event, and why."""
    return by.rules.explain(event.name, event.source, _namespace(event, by))


def _namespace(event: Event, by: Configuration) -> NamespaceSource:
    source = by.sources.get(event.source)
    kind, site = (source.kind, source.site) if source else (DEFAULT_KIND, None)
    return partial(build_namespace, event, kind, site)
