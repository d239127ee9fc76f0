"""Does the rule set do what a test of it expects? Judged and written as a preview is; nothing is stored or sent."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from router.config.model import Configuration
from router.config.rule_tests import NOTHING, Fragment, RuleTest
from router.config.targets import destinations_of
from router.delivery.attempt import EMPTY_MESSAGE
from router.delivery.changed_body import CannotChange, change_body
from router.delivery.preview import Draft, Preview, choose_source, imagine, preview
from router.errors import UnreadableBody
from router.events import Markup, Message
from router.payload import JSON, dump_json, parse_body
from router.rules.ruleset import Verdict, nearness
from router.samples import sample
from router.sources import DEFAULT_KIND

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When events of tests come: a Monday, the same in every run, so that what passes today passes tomorrow."""

_MOST_REASONS = 2


@dataclass(frozen=True)
class Mismatch:
    """
    One thing that is not as expected.

    Attributes:
        key: Of the test: `to`, `text`, …
        line: Of that key in the file.
        expected: What should be, as a line each.
        found: What is instead, or why not, as a line each.
        sentence: What it is about, where the lines do not say it.
    """

    key: str
    line: int
    expected: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one test; it passed if nothing is otherwise than expected."""

    test: RuleTest
    mismatches: tuple[Mismatch, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.mismatches


def run_test(test: RuleTest, by: Configuration, content: bytes | None = None) -> Result:
    """
    Run one test.

    Args:
        content: What its `payload_file` holds; None where it has none.
    """
    source = by.sources.get(test.source) if test.source is not None else choose_source(test.event, by)
    key = "event" if content is None else "payload_file"
    try:
        body = _body(test, content)
        if test.changed:
            key = "with"
            kind = source.kind if source is not None else DEFAULT_KIND
            body = dump_json(change_body(parse_body(body), test.event, kind, test.changed))
        event = imagine(test.event, body, source, by, number=1, at=AT)
    except (CannotChange, UnreadableBody) as error:
        return Result(test, (_mismatch(test, key, sentence=str(error)),))
    found = _Check(test, preview(event, by), by).mismatches()
    return Result(test, tuple(sorted(found, key=lambda each: each.line)))


def _body(test: RuleTest, content: bytes | None) -> bytes:
    if content is not None:
        return content
    return sample(test.event) if test.payload is None else dump_json(test.payload)


def _mismatch(
    test: RuleTest, key: str, expected: Sequence[str] = (), found: Sequence[str] = (), sentence: str = ""
) -> Mismatch:
    return Mismatch(key, test.lines.get(key, test.line), tuple(expected), tuple(found), sentence)


class _Check:
    """Compares what a preview says with what a test expects."""

    def __init__(self, test: RuleTest, seen: Preview, by: Configuration) -> None:
        self._test = test
        self._seen = seen
        self._by = by
        self._verdicts = {verdict.rule: verdict for verdict in seen.verdicts}
        # What cannot be shown for want of a setting would be sent all the same.
        self._sent = [
            draft for draft in seen.drafts if not draft.reason and (not draft.error or draft.type_name is None)
        ]

    def mismatches(self) -> Iterator[Mismatch]:
        for draft in self._seen.drafts:
            if draft.error and draft.type_name is not None:
                told = f"the message to {draft.destination} by the rule {draft.rule!r} cannot be written: {draft.error}"
                yield _mismatch(self._test, "event", sentence=told)
        if self._test.to is not None:
            yield from self._destinations(self._test.to)
        yield from self._rules()
        for fragment in self._test.text:
            yield from self._contains("text", fragment)
        for fragment in self._test.not_text:
            yield from self._lacks(fragment)
        for fragment in self._test.subject:
            yield from self._contains("subject", fragment)

    # Where it goes

    def _destinations(self, wanted: Sequence[str]) -> Iterator[Mismatch]:
        got = dict.fromkeys(draft.destination for draft in self._sent)
        missing = [name for name in dict.fromkeys(wanted) if name not in got and not self._has_failed(name)]
        further = [name for name in got if name not in wanted]
        if missing or further:
            expected = [f"{name}: {self._why_not(name)}" for name in missing]
            found = [f"{name}: {self._by_which(name)}" for name in further]
            got_in_words = ", ".join(got) or NOTHING
            what = f"expected {', '.join(wanted) or NOTHING}, found {got_in_words}"
            yield _mismatch(self._test, "to", expected, found, what)

    def _has_failed(self, name: str) -> bool:
        return any(draft.error and draft.destination == name for draft in self._seen.drafts)

    def _by_which(self, name: str) -> str:
        rules = dict.fromkeys(draft.rule for draft in self._sent if draft.destination == name)
        return f"sent by the rule{'s' if len(rules) > 1 else ''} {', '.join(map(repr, rules))}"

    def _why_not(self, name: str) -> str:
        for draft in self._seen.drafts:
            if draft.destination == name and draft.reason:
                empty = draft.reason == EMPTY_MESSAGE
                why = "comes to nothing" if empty else "is not sent, as the destination is switched off"
                return f"the message by the rule {draft.rule!r} {why}"
        leading = [rule for rule in self._by.rules.rules if name in destinations_of(rule.to)]
        verdicts = sorted(
            (self._verdicts[rule.name] for rule in leading), key=lambda each: nearness(each.matched, each.key)
        )
        told = [f"rule {verdict.rule!r} {_outcome(verdict)}" for verdict in verdicts[:_MOST_REASONS]]
        more = len(verdicts) - _MOST_REASONS
        return "; ".join(told) + (f"; {more} more" if more > 0 else "") or "no rule sends there"

    def _rules(self) -> Iterator[Mismatch]:
        missing = [self._verdicts[name] for name in self._test.rules if not self._verdicts[name].matched]
        if missing:
            yield _mismatch(self._test, "rules", [f"{verdict.rule}: {verdict.reason}" for verdict in missing])
        further = [name for name in self._test.not_rules if self._verdicts[name].matched]
        if further:
            yield _mismatch(self._test, "not_rules", (), [f"{name}: matches" for name in further])

    # What is said

    def _chosen(self, fragment: Fragment) -> list[Draft]:
        return [draft for draft in self._sent if fragment.destination in (None, draft.destination)]

    def _contains(self, key: str, fragment: Fragment) -> Iterator[Mismatch]:
        drafts = self._chosen(fragment)
        if not drafts and self._test.to:
            return  # which is told of already
        if key == "subject":
            drafts = [draft for draft in drafts if draft.message is None or draft.message.subject]
        if not drafts:
            what = "no message with a subject" if key == "subject" else "no message"
            where = "" if fragment.destination is None else f" to {fragment.destination}"
            yield _mismatch(self._test, key, [fragment.text], [], f"{what} is sent{where}")
        for draft in drafts:
            if draft.message is None:
                yield _mismatch(self._test, key, [fragment.text], [], draft.error)
            elif not _is_in(fragment.text, self._readings(key, draft)):
                first = self._readings(key, draft)[0]
                what = f"the {'subject' if key == 'subject' else 'message'} to {draft.destination} does not contain it"
                yield _mismatch(self._test, key, [fragment.text], first.strip().split("\n"), what)

    def _lacks(self, fragment: Fragment) -> Iterator[Mismatch]:
        for draft in self._chosen(fragment):
            if draft.message is not None and _is_in(fragment.text, self._readings("text", draft)):
                first = self._readings("text", draft)[0]
                what = f"the message to {draft.destination} contains {fragment.text!r}"
                yield _mismatch(self._test, "not_text", (), first.strip().split("\n"), what)

    def _readings(self, key: str, draft: Draft) -> list[str]:
        """What a message says: as it is sent, and as it reads where its markup writes a sign in another way."""
        assert draft.message is not None  # noqa: S101 - the callers look
        text = draft.message.subject if key == "subject" else _content(draft.message, self._seen.event.body)
        destination = self._by.destinations.get(draft.destination)
        is_slack = destination is not None and destination.markup is Markup.SLACK
        return [html.unescape(text), text] if is_slack else [text]


def _outcome(verdict: Verdict) -> str:
    if not verdict.matched:
        return f"does not match: {verdict.reason}"
    if verdict.destinations:
        return f"matches, and sends to {', '.join(verdict.destinations)}"
    return f"matches, but goes nowhere: {verdict.reason}"


def _is_in(fragment: str, readings: Sequence[str]) -> bool:
    """White space counts as one space, so that it does not matter where lines break."""
    wanted = " ".join(fragment.split())
    return any(wanted in " ".join(reading.split()) for reading in readings)


def _content(message: Message, body: bytes) -> str:
    if message.forward:
        return body.decode("utf-8", "replace")
    if message.has_body:
        return "\n".join(_texts(message.body))
    return "\n".join(_texts(message.blocks)) if message.blocks else message.text


def _texts(value: JSON) -> Iterator[str]:
    """All that can be read in a structure: its texts and numbers, in order."""
    if isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
    elif value is not None:
        yield value if isinstance(value, str) else dump_json(value).decode()
