"""What works, but hardly as it was meant: warnings, each of a kind with a code of its own. They never guess."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from router.config.destination_section import Types
from router.config.keys import is_known
from router.config.nodes import Mapping, Node, Scalar, scalars
from router.config.problems import did_you_mean, named, nearest
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.rules.ruleset import FixedTarget, TableTarget, Target
from router.sources import KINDS

CODES = {
    "unknown-event": "a pattern matches no event that is known for the rule's sources",
    "bare-event-missed": "`page.updated.*` does not match `page.updated`, and no rule names that",
    "unused-destination": "no rule sends to a destination",
    "hidden-rule": "an earlier rule with `stop: true` takes every event of a rule",
    "secret-in-file": "a secret stands in the rule file itself",
    "key-in-clear": "the API key of a source is sent over `http://` to another machine",
    "nobody-told": "`expect_every` without `defaults.alerts`: when no event comes, nobody is told",
    "switched-off": "`fallback` or `defaults.alerts` names a destination that is switched off",
    "unknown-field": "a template or a condition asks for a field that Spaces does not document",
    "template-fails": "a template fails on the sample of an event that its rule can see",
    "unresolved-reference": "a `${NAME}` in the text of a message, or a `$NAME` without braces: both are plain text",
}

_MOST_STOPPING = 100
_ONLY_HOST = re.compile(r"https?://[^/?#@]*/?")  # a stand-in for Slack: nothing in it is secret
_BARE_REFERENCE = re.compile(r"\$[A-Z_][A-Z0-9_]*", re.ASCII)
_SECRET_KEY = re.compile(r"token|sign|secret|password|bearer|(?i:authorization|[\w-]*(?:api-?key|token|secret))")


def lint_rules(rules: Sequence[ReadRule], reading: Reading) -> None:
    """Look at the patterns of each rule, and at what earlier rules leave for it."""
    named_events = {placed.pattern.literal for rule in rules for placed in rule.events}
    for rule in rules:
        known = [name for kind in rule.kinds for name in KINDS[kind].catalogue]
        _unknown_events(rule, known, reading)
        _missed_bare_events(rule, {name.lower() for name in known} - named_events, reading)
    if not reading.has_errors:  # what has errors may yet change which rule sees what
        _hidden_rules(rules, reading)


def _unknown_events(rule: ReadRule, known: Sequence[str], reading: Reading) -> None:
    for placed in (*rule.events, *rule.excluded):
        pattern = placed.pattern
        if any(pattern.matches(name) for name in known):
            continue
        kinds = " or ".join(rule.kinds)
        reading.warn(
            placed.place,
            "unknown-event",
            f"{named(pattern.text)} matches none of the known events of {kinds}{_better(pattern.text, known)}",
        )


def _better(text: str, known: Sequence[str]) -> str:
    """Guess the pattern that was meant: `page.*` for `page*`, else the nearest name."""
    resources = {name.lower().split(".")[0] for name in known}
    word = text.lower().split(".")[0].rstrip("*")
    if word in resources and "." not in text:
        return f" (did you mean '{word}.*'?)"
    first, dot, rest = text.partition(".")
    close = nearest(first, resources) if dot and "*" in rest else None
    if close is not None and close != first.lower():
        return f" (did you mean '{close}.{rest}'?)"
    return did_you_mean(text, known)


def _missed_bare_events(rule: ReadRule, bare_events: Collection[str], reading: Reading) -> None:
    """Look for `X.*` without `X`; whoever names `X` in any rule knows the difference."""
    for placed in rule.events:
        text = placed.pattern.text.lower()
        bare = text.removesuffix(".*")
        if bare == text or bare not in bare_events:
            continue
        if not any(each.pattern.matches(bare) for each in (*rule.events, *rule.excluded)):
            reading.warn(
                placed.place,
                "bare-event-missed",
                f"{named(placed.pattern.text)} does not match '{bare}' itself; if that is meant too, write both:"
                f" [{bare}, {bare}.*]",
            )


def _hidden_rules(rules: Sequence[ReadRule], reading: Reading) -> None:
    stopping: list[ReadRule] = []
    for read in rules:
        rule = read.rule
        if rule is None or not rule.enabled:
            continue
        by = next((earlier for earlier in stopping if _covers(earlier, read)), None)
        if by is not None:
            reading.warn(
                read.place,
                "hidden-rule",
                f"rule {named(read.name)} sees no event: rule {named(by.name)} at line {by.place.line} stops them all",
            )
        if (
            len(stopping) < _MOST_STOPPING
            and rule.stop
            and not rule.is_conditional
            and not rule.excluded
            and not rule.unmatched
        ):
            stopping.append(read)


def _covers(earlier: ReadRule, later: ReadRule) -> bool:
    """Whether every event of the later rule is one of the earlier: simple cases only, each of them certain."""
    first, second = earlier.rule, later.rule
    if first is None or second is None or not second.events:
        return False
    if first.sources and not (second.sources and second.sources <= first.sources):
        return False
    texts = {pattern.text.lower() for pattern in first.events}
    if texts & {"*", "**"}:
        return True
    return all(
        pattern.text.lower() in texts
        or (pattern.literal is not None and any(each.matches(pattern.literal) for each in first.events))
        for pattern in second.events
    )


def lint_destinations(
    types: Types, rules: Sequence[ReadRule], alerts: object, entries: Mapping, reading: Reading
) -> None:
    """
    Look for destinations that nothing names; a rule that is switched off counts.

    Args:
        alerts: What `defaults.alerts` says.
    """
    if reading.has_errors:
        return  # a rule that could not be read may be the one that uses it
    used = {alerts, *(name for rule in rules if rule.to is not None for name in _names(rule.to))}
    used |= {destination.fallback for destination in types.built.values()}
    for name, entry in entries.entries.items():
        if name not in used and name in types.by_name:
            reading.warn(entry, "unused-destination", f"no rule sends to destination {named(name)}; use or remove it")


def destinations_of(to: Target) -> tuple[str, ...]:
    """Every destination that a rule can reach, each once."""
    return tuple(dict.fromkeys(_names(to)))


def _names(to: Target) -> Iterable[str]:
    if isinstance(to, FixedTarget):
        return to.names
    assert isinstance(to, TableTarget)  # noqa: S101 - there are two kinds
    return [*(name for names in to.table.values() for name in names), *(to.otherwise or ())]


def lint_secrets(tree: Node, reading: Reading) -> None:
    """Look for secrets that stand in the file, where backups and repositories carry them on; `$NAME` is none yet."""
    for section in ("sources", "destinations"):
        for entry in _maps_below(tree, section):
            kind = entry.entries["type"].value if "type" in entry.entries else None
            is_slack = isinstance(kind, Scalar) and kind.value == "slack"
            for key, scalar in scalars(entry):
                if isinstance(scalar.value, str) and not scalar.outside and _BARE_REFERENCE.fullmatch(scalar.value):
                    what = key if is_known(key) else "value"  # a key that is none may hold a secret
                    reading.warn(
                        scalar,
                        "unresolved-reference",
                        f"this {what} is taken as it stands; a reference needs braces, as in ${{NAME}}",
                    )
                elif _is_secret(key, scalar, is_slack=is_slack) and _is_written_out(scalar):
                    reading.warn(
                        scalar,
                        "secret-in-file",
                        f"this {key} is a secret in the file itself; move it out and write ${{NAME}} here",
                    )


def _is_secret(key: str, scalar: Scalar, *, is_slack: bool) -> bool:
    if key == "url" and is_slack:
        return _ONLY_HOST.fullmatch(scalar.text) is None
    return _SECRET_KEY.fullmatch(key) is not None


def _maps_below(tree: Node, section: str) -> Iterable[Mapping]:
    below = tree.entries[section].value if isinstance(tree, Mapping) and section in tree.entries else None
    entries = below.entries.values() if isinstance(below, Mapping) else ()
    return [entry.value for entry in entries if isinstance(entry.value, Mapping)]


def _is_written_out(scalar: Scalar) -> bool:
    return isinstance(scalar.value, str) and bool(scalar.value.strip()) and "${" not in scalar.text
