"""
One process's share of a back-test: some events at a time, compared and summed up.

What it takes and gives can be handed from process to process. Each loads the rule sets itself: compiled, they cannot.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from router.cli.backtest_examples import Example, Examples
from router.cli.backtest_records import Records
from router.cli.backtest_tally import Both, Group, Tally
from router.cli.group import Failed
from router.cli.interrupt import Interrupt
from router.cli.output import local, plain
from router.cli.preview_report import load_rules
from router.config.load import restore
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid
from router.config.references import UNRESOLVED
from router.config.reload import completed_by
from router.delivery.backtesting import Backtest
from router.delivery.naming import Naming
from router.events import Event
from router.messages.directory import MOST_REMEMBERED, Directory
from router.rules.patterns import compile_pattern
from router.secret import Redactor
from router.store.history import Illegible, Span
from router.store.reading import SqliteReader


@dataclass(frozen=True)
class Wish:
    """
    What is to be compared, and how it is told.

    Attributes:
        against: A rule file in the place of the rule set that was loaded last; None for that.
        data: Folder of the store.
        limit: So many of the newest events; None for all.
        event: Only events of the names that this pattern describes; None for all.
        rule: Only messages of the rule of this name, in either; None for all.
        examples: So many of each kind of difference.
        as_json: Every difference as a record, in the place of examples.
    """

    new: Path
    against: Path | None
    data: Path
    since: datetime
    limit: int | None
    event: str | None
    rule: str | None
    examples: int
    as_json: bool


@dataclass(frozen=True)
class Task:
    """
    Events to be compared.

    Attributes:
        done_with: What there are enough examples of already.
    """

    span: Span
    done_with: frozenset[Group] = frozenset()


@dataclass
class Part:
    """What came of a task: sums, and either examples or records."""

    tally: Tally = field(default_factory=Tally)
    examples: dict[Group, list[Example]] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)


class Worker:
    """Compares events; a context, as it holds the store open."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self._runner = asyncio.Runner()
        self._store = SqliteReader(wish.data / "router.db")
        self._pattern = None if wish.event is None else compile_pattern(wish.event)
        self._directory = Directory()
        self._naming = Naming(self._directory, self._store)
        self.missing: list[str] = []

    def __enter__(self) -> Self:
        """
        Load both rule sets.

        Raises:
            Failed: One of them cannot be used.
            StoreRefused, StoreUnavailable: The store cannot be read.
        """
        try:
            new = load_rules(self.wish.new, self.missing, "backtest")
            against = self.wish.against
            old = None if against is None else load_rules(against, self.missing, "backtest")
            self.both = self._runner.run(self._load(new, old))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self._backtest = Backtest(self.both.old, self.both.new, self._directory)
        secrets = (text for by in (self.both.old, self.both.new) for text in by.secrets() if text != UNRESOLVED)
        self._redactor = Redactor(secrets)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._runner.run(self._store.close())
        self._runner.close()

    async def _load(self, new: Configuration, old: Configuration | None) -> Both:
        """Find what the new rules are compared with, and what is known of people, spaces and pages."""
        await self._store.open()
        label = plain(self.wish.against)
        if old is None:
            old, loaded_at = await self._loaded_last()
            label = f"the rules loaded last ({local(loaded_at)})"
        for name in (sources := {**old.sources, **new.sources}):
            most = MOST_REMEMBERED // len(sources)
            found = await self._store.newest_objects(name, most)
            self._directory.recall(name, found, is_all=len(found) < most)
        return Both(completed_by(old, new), completed_by(new, old), label, plain(self.wish.new))

    async def _loaded_last(self) -> tuple[Configuration, datetime]:
        kept = await self._store.latest_ruleset()
        then = "Name the rule file to compare with: --against rules.yaml"
        if kept is None:
            raise Failed(f"no router has loaded rules with this store yet: there is nothing to compare with. {then}")
        try:
            restored = restore(kept.text, kept.files, os.environ, self.missing)
            return replace(restored, hash=kept.hash), kept.loaded_at
        except ConfigurationInvalid as invalid:
            why = invalid.problems[0].message
            raise Failed(f"this version cannot read the rules that were loaded last ({why}). {then}") from None

    # What is to be gone through

    def span(self) -> Span:
        """Give the span of all events that are wished for."""

        async def look() -> Span:
            span = await self._store.beginning(self.wish.since)
            return span if self.wish.limit is None else await self._store.newest_of(span, self.wish.limit)

        return self._runner.run(look())

    def count(self, span: Span, most: int | None = None) -> int:
        """Tell how many events there are; as far as it matters."""
        return self._runner.run(self._store.count_history(span, most))

    def newest_of(self, span: Span, count: int) -> Span:
        """Give the part of a span that holds so many of its newest events."""
        return self._runner.run(self._store.newest_of(span, count))

    # Comparing

    def work(self, task: Task, interrupt: Interrupt) -> Part:
        """Compare the events of a task, the newest first, until that is not wanted any more."""
        return self._runner.run(self._work(task, interrupt))

    async def _work(self, task: Task, interrupt: Interrupt) -> Part:
        part = Part()
        examples = Examples(self.both, self._redactor, self.wish.examples, task.done_with)
        records = Records(self._redactor)
        span = task.span
        while not interrupt.has_come() and (page := await self._store.history(span)):
            for event in page:
                if interrupt.has_come():
                    break
                part.tally.looked_at += 1
                if self._pattern is None or self._pattern.matches(event.name):
                    await self._compare(event, part.tally, records if self.wish.as_json else examples)
            span = replace(span, before=page[-1].id)
        part.examples, part.records = examples.found, records.lines
        return part

    async def _compare(self, event: Event | Illegible, tally: Tally, told: Examples | Records) -> None:
        reason = ""
        try:
            if isinstance(event, Illegible):
                reason = event.reason
            else:
                await self._naming.prepare(event, self.both.source(event.source))
                findings = self._backtest.findings(event)
        except Exception as error:  # noqa: BLE001 - one strange event must not hide what the others tell
            reason = " ".join(f"{type(error).__name__}: {error}".split())
        if isinstance(event, Illegible) or reason:
            reason = self._redactor.redact(reason)
            tally.note_illegible(event, reason)
            if isinstance(told, Records):
                told.illegible(event, reason)
            return
        tally.note(event, self.both)
        rule = self.wish.rule
        for finding in findings:
            if rule is None or any(place.rule == rule for place in finding.places):
                tally.add(finding)
                told.add(finding)
