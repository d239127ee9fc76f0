"""The section `rules`: which events, where to, and what is said."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Mapping as ReadMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from router.config.destination_section import check_name
from router.config.expressions import as_condition, read_expression
from router.config.keys import LATER, fields_of
from router.config.nodes import Entry, Mapping, Node, Place, Scalar, plain
from router.config.nodes import Sequence as ListNode
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.config.references import WELL_FORMED, literal
from router.config.targets import read_target
from router.config.validate import Section, fit
from router.events import FORMATS, Format
from router.fields import Model, Schedule, TextOrTexts
from router.messages.expressions import Expression, Expressions
from router.messages.spec import MessageSpec
from router.payload import JSON
from router.rules.conditions import Condition, ConditionErrors, compile_conditions
from router.rules.patterns import Pattern, PatternError, compile_pattern
from router.rules.ruleset import Rule, Target
from router.sources import KINDS

EXAMPLE = "rules: [{name: pages, events: page.*, to: docs}]"

# What conditions and tables may ask of every event; the model stands beside them under its own name.
COMMON_WORDS = frozenset({"event", "payload", "actor", "page", "space"})
MESSAGES = ("message", "template", "body", "blocks")
TEMPLATES = frozenset({"message", "body", "blocks", "subject"})
NOT_EMPTY = (*MESSAGES, "subject", "format", "retry", "if")


class RuleDefaults(Model):
    """What `defaults.rules` may say for all rules: some of their keys."""

    except_: TextOrTexts = Field(default=(), alias="except")
    sources: TextOrTexts = ()
    retry: Annotated[Schedule, Field(max_length=20)] | None = None
    stop: bool = False
    enabled: bool = True


RULE_DEFAULTS = tuple(fields_of(RuleDefaults))


class RuleKeys(Model):
    """
    What the rule file says about one rule.

    Attributes:
        name: In logs, in the console and in the history; no two rules have the same.
        events: A pattern of event names, or a list of patterns; one that begins with `*` needs quotes.
        except_: A pattern or a list of patterns of events that the rule is not about.
        sources: The source or the sources whose events it sees; all where it names none.
        when: Conditions on what the event holds, by field; all must hold.
        unless: Conditions; where all of them hold, the rule does not match.
        if_: An expression in the language of templates, for what conditions cannot say; it must be true.
        to: A destination, a list of destinations, or a table that is looked up by a field.
        message: The text to send, a template; excludes `template`, `body` and `blocks`.
        template: Name of the template to send, of your own or built-in; excludes `message`, `body` and `blocks`.
        body: The JSON to send, for `http`; its texts are templates; excludes `message`, `template` and `blocks`.
        blocks: Slack's blocks, whose texts are templates; excludes `message`, `template` and `body`.
        subject: One line above the message, a template, for destinations that know such a thing.
        format: How much a built-in message says: one line, or everything; without it that of the destination.
        retry: Waiting times after a failed attempt, in the place of the destination's; `[]` is a single attempt.
        stop: `true` hides the event from all later rules.
        unmatched: `true` makes the rule a last resort: it is asked only if no other rule matched.
        enabled: `false` switches the rule off.
        describe: A note for people.
    """

    name: Annotated[str, Field(examples=["page changes"])]
    events: Annotated[TextOrTexts, Field(examples=["page.*", ["*.deleted", "page.updated.trashed"]])]
    except_: TextOrTexts = Field(default=(), alias="except", examples=["pagepermission*.deleted"])
    sources: Annotated[TextOrTexts, Field(examples=["spaces"])] = ()
    when: Annotated[JSON, Field(examples=[{"space.id": [42, 7]}])] = None
    unless: Annotated[JSON, Field(examples=[{"actor.email": {"ends_with": "@bots.example.com"}}])] = None
    if_: JSON = Field(default=None, alias="if", examples=["page.contentRevision > 10"])
    to: Annotated[
        JSON,
        Field(examples=["docs", ["docs", "log"], {"by": "space.id", "table": {"42": "docs"}, "otherwise": "log"}]),
    ]
    message: Annotated[str | None, Field(examples=["{{ event.title }}: {{ page.title }}"])] = None
    template: Annotated[str | None, Field(examples=["event"])] = None
    body: Annotated[JSON, Field(examples=[{"title": "{{ page.title }}", "link": "{{ link }}"}])] = None
    blocks: Annotated[
        JSON, Field(examples=[[{"type": "section", "text": {"type": "mrkdwn", "text": "{{ page.title }}"}}]])
    ] = None
    subject: Annotated[str | None, Field(examples=["{{ event.title }}: {{ page.title }}"])] = None
    format: Annotated[Format | None, Field(examples=["full"])] = None
    retry: Annotated[Annotated[Schedule, Field(max_length=20)] | None, Field(examples=[["1m", "5m"]])] = None
    stop: Annotated[bool, Field(examples=[True])] = False
    unmatched: Annotated[bool, Field(examples=[True])] = False
    enabled: Annotated[bool, Field(examples=[False])] = True
    describe: Annotated[str | None, Field(examples=["Tell the owners of the wiki when something goes away."])] = None


@dataclass(frozen=True)
class PlacedPattern:
    """A pattern and where it stands."""

    pattern: Pattern
    place: Place


@dataclass(frozen=True)
class ReadRule:
    """
    A rule as far as it could be read.

    Attributes:
        place: Of its name, or of the rule where it has none.
        node: Its tree, with the defaults beneath it.
        rule: None where it has problems.
        kinds: Names of the kinds of its sources.
        expression: What stands under `if`.
    """

    name: str
    place: Place
    node: Mapping
    events: tuple[PlacedPattern, ...]
    excluded: tuple[PlacedPattern, ...]
    spec: MessageSpec
    to: Target | None
    retry: tuple[timedelta, ...] | None
    kinds: tuple[str, ...]
    rule: Rule | None
    expression: Expression | None


@dataclass(frozen=True)
class Names:
    """
    What rules may refer to.

    Attributes:
        sources: Their kinds by name, None where one is unknown.
        destinations: Their names.
        expressions: Compiles what stands under `if`.
    """

    sources: ReadMapping[str, str | None]
    destinations: Collection[str]
    expressions: Expressions

    def kinds(self, chosen: Collection[str]) -> tuple[str, ...]:
        """Kinds of the chosen sources, of all where none is chosen; all kinds where one is not known."""
        found = [self.sources.get(name) for name in chosen or self.sources]
        known = [kind for kind in found if kind is not None]
        return tuple(dict.fromkeys(known)) if known and len(known) == len(found) else tuple(KINDS)


def read_rules(entry: Entry | None, shared: Mapping | None, names: Names, reading: Reading) -> list[ReadRule]:
    """
    Read all rules, those with problems as far as they go.

    Args:
        shared: `defaults.rules`, whose keys stand beneath those of each rule.
    """
    if entry is None:
        return []
    if not isinstance(entry.value, ListNode):
        what = "is a map" if isinstance(entry.value, Mapping) else "is no list"
        reading.error(entry, f"rules {what}; expected a list, each rule beginning with '- name: …'")
        return []
    if not entry.value.items:
        reading.error(entry, f"rules holds no rule; expected at least one, such as {EXAMPLE}")
    seen: dict[str, int] = {}
    found = []
    for number, node in enumerate(entry.value.items, 1):
        if isinstance(node, Mapping):
            found.append(_rule(_with_defaults(node, shared, reading), number, names, seen, reading))
        else:
            reading.error(node, "this rule has no keys; expected at least name, events and to")
    return found


def _with_defaults(node: Mapping, shared: Mapping | None, reading: Reading) -> Mapping:
    own = {
        key: each if key in TEMPLATES or key == "describe" else Entry(key, each.place, literal(each.value, reading))
        for key, each in node.entries.items()
    }
    beneath = {} if shared is None else {k: e for k, e in shared.entries.items() if k in RULE_DEFAULTS}
    return Mapping(node.place, {**beneath, **own})


def _rule(node: Mapping, number: int, names: Names, seen: dict[str, int], reading: Reading) -> ReadRule:
    name, place = _name(node, seen, reading)
    what = f"rule {named(name)}" if name else f"rule {number}"
    examples = {
        "name": "a name of its own, such as name: page changes",
        "events": "one or more patterns, such as events: page.*",
        "to": "the name of a destination",
    }
    keys = fit(RuleKeys, node, place, Section(what, LATER["rule"], public=True, examples=examples), reading)
    events = _patterns(node, "events", reading)
    excluded = _patterns(node, "except", reading)
    sources = _sources(node, names, reading)
    kinds = names.kinds(sources)
    words = COMMON_WORDS.union(*(KINDS[kind].models for kind in kinds))
    when, unless = (_conditions(node, key, words, reading) for key in ("when", "unless"))
    expression = read_expression(node.entries.get("if"), words | {"link"}, names.expressions, reading)
    to = read_target(node.entries.get("to"), names.destinations, words, reading)
    spec = _spec(node, reading)
    rule = None
    if keys is not None and to is not None:
        rule = Rule(
            name=keys.name,
            events=tuple(each.pattern for each in events),
            excluded=tuple(each.pattern for each in excluded),
            sources=frozenset(sources),
            when=when,
            unless=unless,
            only_if=None if expression is None else as_condition(expression),
            to=to,
            stop=keys.stop,
            unmatched=keys.unmatched,
            enabled=keys.enabled,
            line=place.line,
        )
    retry = keys.retry if keys is not None else None
    return ReadRule(name, place, node, events, excluded, spec, to, retry, kinds, rule, expression)


def _name(node: Mapping, seen: dict[str, int], reading: Reading) -> tuple[str, Place]:
    entry = node.entries.get("name")
    first = next(iter(node.entries.values()), None)
    if entry is None or not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
        at = entry or first
        return "", node.place if at is None else at.place
    name, place = entry.value.value, entry.value.place
    check_name(name, "rule", place, reading)
    if name in seen:
        reading.error(place, f"rule name {named(name)} is already taken by the rule at line {seen[name]}")
    seen.setdefault(name, place.line)
    return name, place


def texts(node: Node | None) -> list[Scalar]:
    """The texts of a value that is one text or a list of them; what is no text is left to the model."""
    items: Iterable[Node] = node.items if isinstance(node, ListNode) else [node] if node is not None else []
    return [item for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]


def _value(node: Mapping, key: str) -> Node | None:
    return node.entries[key].value if key in node.entries else None


def _patterns(node: Mapping, key: str, reading: Reading) -> tuple[PlacedPattern, ...]:
    found = []
    for scalar in texts(_value(node, key)):
        try:
            found.append(PlacedPattern(compile_pattern(str(scalar.value)), scalar.place))
        except PatternError as error:
            reading.error(scalar, str(error))
    value = _value(node, key)
    if key == "events" and isinstance(value, ListNode) and not value.items:
        reading.error(value, "events is empty, so nothing matches; expected at least one pattern, such as page.*")
    return tuple(found)


def _sources(node: Mapping, names: Names, reading: Reading) -> tuple[str, ...]:
    value = _value(node, "sources")
    if isinstance(value, ListNode) and not value.items:
        reading.error(value, "sources is empty, so nothing matches; name at least one, or remove the key for all")
    for scalar in texts(value):
        if scalar.value not in names.sources:
            word = str(scalar.value)
            defined = listed(names.sources) or "none"
            reading.error(
                scalar,
                f"no source is named {named(word)}; this file defines: {defined}{did_you_mean(word, names.sources)}",
            )
    return tuple(str(scalar.value) for scalar in texts(value))


def _conditions(node: Mapping, key: str, words: Collection[str], reading: Reading) -> Condition | None:
    value = _value(node, key)
    if value is None:
        return None
    try:
        return compile_conditions(plain(value), words)
    except ConditionErrors as errors:
        for path, sentence, at_key in errors.errors:
            at = _at(node.entries[key], path, at_key=at_key)
            whole = at is value or (isinstance(at, Entry) and at is node.entries[key])
            reading.error(node.entries[key] if whole else at, f"{key}: {sentence}" if whole else sentence)
        return None


def _at(entry: Entry, path: Iterable[str | int], *, at_key: bool) -> Node | Entry:
    """Follow a path; the key that its last step names where `at_key`."""
    node: Node = entry.value
    last = entry
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            last = node.entries[str(step)]
            node = last.value
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
    return last if at_key else node


def _spec(node: Mapping, reading: Reading) -> MessageSpec:
    given = [key for key in MESSAGES if key in node.entries]
    if len(given) > 1:
        reading.error(
            node.entries[given[1]],
            f"{' and '.join(given)} exclude each other; a rule has one of: {', '.join(MESSAGES)}",
        )
    for key in NOT_EMPTY:
        value = _value(node, key)
        if isinstance(value, Scalar) and value.value is None:
            reading.error(node.entries[key], f"{key} is empty; give it a value, or remove the key")
    for key in TEMPLATES & node.entries.keys():
        _warn_of_references(node.entries[key].value, reading)
    blocks = _value(node, "blocks")
    if isinstance(blocks, Mapping) or (isinstance(blocks, Scalar) and blocks.value is not None):
        reading.error(blocks, "blocks is no list; expected a list of Slack's blocks")
        blocks = None
    return MessageSpec(
        message=_text(node, "message"),
        template=_text(node, "template"),
        subject=_text(node, "subject"),
        blocks=plain(blocks) if isinstance(blocks, ListNode) else None,
        body=plain(node.entries["body"].value) if "body" in node.entries else None,
        has_body="body" in node.entries,
        format=next((each for each in FORMATS if each == _text(node, "format")), None),
    )


def _text(node: Mapping, key: str) -> str | None:
    value = _value(node, key)
    return value.value if isinstance(value, Scalar) and isinstance(value.value, str) else None


def _warn_of_references(node: Node, reading: Reading) -> None:
    # Plain text there, so that a message can show a line of shell; but whoever writes it may expect more.
    for scalar in _all_texts(node):
        found = WELL_FORMED.search(str(scalar.value))
        if found is not None:
            reading.warn(
                scalar,
                "unresolved-reference",
                f"{named(found[0])} stays as it is: references are resolved under sources and destinations only;"
                ' a field stands in two braces, such as {{ page.title }}; write {{ "$" }}{ where ${ is meant',
            )


def _all_texts(node: Node) -> Iterable[Scalar]:
    if isinstance(node, Scalar):
        return [node] if isinstance(node.value, str) else []
    below = node.items if isinstance(node, ListNode) else [entry.value for entry in node.entries.values()]
    return [scalar for each in below for scalar in _all_texts(each)]
