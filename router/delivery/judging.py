"""What a rule set makes of an event that is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from router.config.model import Configuration, Source
from router.delivery.naming import names_when_judged
from router.events import NAMES, RULES, Event
from router.messages.context import lazy_namespace
from router.messages.directory import Directory
from router.payload import JSON
from router.rules.paths import Namespace, compile_path, text_of
from router.rules.ruleset import UNKNOWN, Judgement, NamespaceSource, Verdict
from router.rules.wording import MISSING
from router.sources import DEFAULT_KIND

Facts: TypeAlias = dict[str, Any]

_NAMES = frozenset({"name", "email", "code", "title", "slug"})
"""What the directory tells of people, spaces and pages, so that conditions may ask for it although no body says it."""

_LONGEST_ID = 40

_OBJECTS = {"space": "space", "page": "page", "parent": "page"}

_MOST_KEPT = 1_000
"""Objects of one kind whose names are kept with an event: more than conditions see of any body (`_MOST_FILLED`)."""


def judge(event: Event, by: Configuration, directory: Directory | None = None) -> Judgement:
    """
    Decide which rules match an event, and where it goes.

    Args:
        directory: What is known now; it is asked for what was not looked up when the event came.
    """
    return by.rules.judge(event.name, event.source, _namespace(event, by, directory))


def judge_arrived(event: Event, source: Source, by: Configuration, directory: Directory) -> tuple[Judgement, Facts]:
    """
    Judge an event that has just come, by what is known at this moment.

    Returns:
        The judgement, and what is to be kept with the event so that it can be explained later.
    """
    names = directory.names(event.source, source.given)
    namespace = lazy_namespace(event, source.kind, source.site, names)
    judgement = by.rules.judge(event.name, event.source, lambda: namespace)
    facts: Facts = {RULES: list(judgement.matched)}
    if namespace.seen:
        facts[NAMES] = {kind: _for_conditions(found) for kind, found in namespace.seen.items()}
    return judgement, facts


def _for_conditions(seen: Mapping[str, Mapping[str, JSON] | None]) -> dict[str, JSON]:
    """What is kept of the objects that were looked up: a body may refer to many, and each is kept with every event."""
    return {object_id: _without_tags(facts) if facts else None for object_id, facts in islice(seen.items(), _MOST_KEPT)}


def _without_tags(facts: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return {key: value for key, value in facts.items() if key != "tags"} if "tags" in facts else facts


def explain(event: Event, by: Configuration, directory: Directory | None = None) -> Sequence[Verdict]:
    """Say what each rule made of an event, and why; nothing of one that the router made itself: no rule was asked."""
    if event.is_own:
        return ()
    look = _namespace(event, by, directory)
    verdicts = by.rules.explain(event.name, event.source, look)
    namespace = look()
    return [_with_unknown_name(verdict, namespace) for verdict in verdicts]


def _with_unknown_name(verdict: Verdict, namespace: Namespace) -> Verdict:
    """Say of a name that is missing although its object is referred to that nothing told it."""
    miss = verdict.miss
    if miss is None or miss.field is None or miss.saw != MISSING:
        return verdict
    above, _, name = miss.field.rpartition(".")
    ids = compile_path(f"{above}.id")(namespace) if above and name in _NAMES else ()
    found = text_of(ids[0]) if ids else None
    if found is None:
        return verdict
    word = above.rpartition(".")[2]
    whose = _OBJECTS.get(word, "person" if name in ("name", "email") else word)
    return replace(
        verdict, miss=miss._replace(reason=f"{miss.reason}; the {name} of {whose} {found[:_LONGEST_ID]} {UNKNOWN}")
    )


def _namespace(event: Event, by: Configuration, directory: Directory | None) -> NamespaceSource:
    source = by.sources.get(event.source)
    if source is None:
        return partial(lazy_namespace, event, DEFAULT_KIND, None)
    return partial(lazy_namespace, event, source.kind, source.site, names_when_judged(event, source, directory))
