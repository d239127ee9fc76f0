"""What `backtest` does: it brings together two rule sets and the events of the store, and sums up what differs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import click

from router.cli.backtest_records import Records
from router.cli.backtest_report import Report
from router.cli.backtest_tally import Both, Tally
from router.cli.group import FAILED, Failed
from router.cli.output import counted, local, plain
from router.cli.preview_report import load_rules, tell_missing
from router.config.load import restore
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, did_you_mean, listed, named
from router.config.references import UNRESOLVED
from router.config.reload import completed_by
from router.delivery.backtesting import Backtest, Finding
from router.delivery.naming import Naming
from router.errors import StoreRefused, StoreUnavailable
from router.events import Event
from router.messages.directory import MOST_REMEMBERED, Directory
from router.rules.patterns import Pattern
from router.secret import Redactor
from router.store.history import Illegible
from router.store.reading import SqliteReader

_NEWEST = 2**63 - 1
_BREATH = 20
"""Events between two looks at whether somebody pressed Ctrl-C."""


@dataclass(frozen=True)
class Wish:
    """
    What is to be compared.

    Attributes:
        against: A rule file in the place of the rule set that was loaded last; None for that.
        data: Folder of the store.
        limit: So many of the newest events; None for all.
        event: Only events of these names; None for all.
        rule: Only messages of the rule of this name, in either; None for all.
    """

    new: Path
    against: Path | None
    data: Path
    since: datetime
    limit: int | None = None
    event: Pattern | None = None
    rule: str | None = None


class Told(Protocol):
    """What is told of each finding as it is made, and of all in the end."""

    def add(self, finding: Finding) -> None: ...

    def illegible(self, event: Event | Illegible, reason: str) -> None: ...

    def end(self) -> None: ...


def report(wish: Wish, examples: int, *, as_json: bool, fail_on_change: bool) -> int:
    """
    Compare, and print what differs.

    Args:
        examples: So many of each kind are shown to people.

    Returns:
        The exit code: 1 where it was stopped, or where something differs and that is to count.

    Raises:
        Failed: A rule file has problems, or the store cannot be read.
        click.BadParameter: No rule is named so.
    """
    missing: list[str] = []
    new = load_rules(wish.new, missing, "backtest")
    against = None if wish.against is None else load_rules(wish.against, missing, "backtest")
    try:
        both, directory = asyncio.run(_both(wish, new, against, missing))
        _check_rule(wish.rule, both)
        _note(both, missing)
        tally = Tally(wish.since)
        redactor = Redactor(text for by in (both.old, both.new) for text in by.secrets() if text != UNRESOLVED)
        told: Told = Records(both, tally, redactor) if as_json else Report(both, tally, redactor, examples)
        try:
            asyncio.run(_Run(wish, both, directory, tally, told).go(is_quiet=as_json and sys.stdout.isatty()))
            tally.is_complete = True
        except KeyboardInterrupt:
            pass  # what was found so far is told, and that it is not all
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}.") from None
    told.end()
    return FAILED if not tally.is_complete or (fail_on_change and tally.differences) else 0


async def _both(
    wish: Wish, new: Configuration, against: Configuration | None, missing: list[str]
) -> tuple[Both, Directory]:
    """Find what the new rules are compared with, and what is known of people, spaces and pages."""
    async with _opened(wish.data) as store:
        directory = Directory()
        old, loaded_at = (against, None) if against is not None else await _loaded_last(store, missing)
        for name in (sources := {**old.sources, **new.sources}):
            most = MOST_REMEMBERED // len(sources)
            found = await store.newest_objects(name, most)
            directory.recall(name, found, is_all=len(found) < most)
    label = plain(wish.against) if loaded_at is None else f"the rules loaded last ({local(loaded_at)})"
    both = Both(completed_by(old, new), completed_by(new, old), label, plain(wish.new))
    return both, directory


class _opened:  # noqa: N801 - used as a function
    """The store, to be read; closed in the end."""

    def __init__(self, data: Path) -> None:
        self._store = SqliteReader(data / "router.db")

    async def __aenter__(self) -> SqliteReader:
        await self._store.open()
        return self._store

    async def __aexit__(self, *_: object) -> None:
        await self._store.close()


async def _loaded_last(store: SqliteReader, missing: list[str]) -> tuple[Configuration, datetime]:
    kept = await store.latest_ruleset()
    otherwise = "Name the rule file to compare with: --against rules.yaml"
    if kept is None:
        raise Failed(
            f"no router has loaded rules with this store yet, so there is nothing to compare with. {otherwise}"
        )
    try:
        return restore(kept.text, kept.files, os.environ, missing), kept.loaded_at
    except ConfigurationInvalid as invalid:
        why = invalid.problems[0].message
        raise Failed(f"this version cannot read the rules that were loaded last ({why}). {otherwise}") from None


def _check_rule(name: str | None, both: Both) -> None:
    known = {**both.new.specs, **both.old.specs}
    if name is not None and name not in known:
        raise click.BadParameter(
            f"no rule is named {named(name)}; there are: {listed(known)}{did_you_mean(name, known)}.",
            param_hint="--rule",
        )


def _note(both: Both, missing: Sequence[str]) -> None:
    """What is worth knowing before it begins, on standard error."""
    if count := len(both.new.warnings):
        click.echo(
            f"Note: {both.new_name} has {counted(count, 'warning')}; `spaces-router check` tells them.", err=True
        )
    if both.old.hash == both.new.hash:
        click.echo(f"Note: {both.new_name} is the same file, so nothing can differ.", err=True)
    if missing:
        tell_missing(missing, "a back-test")


class _Run:
    """One walk through the events, the newest first."""

    def __init__(self, wish: Wish, both: Both, directory: Directory, tally: Tally, told: Told) -> None:
        self._wish = wish
        self._both = both
        self._directory = directory
        self._tally = tally
        self._told = told
        self._backtest = Backtest(both.old, both.new, directory)

    async def go(self, *, is_quiet: bool) -> None:
        """
        Compare event by event.

        Args:
            is_quiet: No bar is to be drawn, whoever looks.
        """
        async with _opened(self._wish.data) as store:
            naming = Naming(self._directory, store)
            hidden = is_quiet or not sys.stderr.isatty()
            length = 0 if hidden else await self._length(store)
            with click.progressbar(length=length, label="Comparing", file=sys.stderr, hidden=hidden) as bar:
                async for event in self._events(store):
                    await self._compare(event, naming)
                    bar.update(1)

    async def _length(self, store: SqliteReader) -> int:
        count = await store.count_history(self._wish.since)
        return count if self._wish.limit is None else min(count, self._wish.limit)

    async def _events(self, store: SqliteReader) -> AsyncIterator[Event | Illegible]:
        before, left = _NEWEST, self._wish.limit
        while page := await store.history(self._wish.since, before):
            for place, event in enumerate(page):
                if left == 0:
                    return
                if left is not None:
                    left -= 1
                if place % _BREATH == 0:
                    await asyncio.sleep(0)
                yield event
            before = page[-1].id

    async def _compare(self, event: Event | Illegible, naming: Naming) -> None:
        wanted = self._wish.event
        if wanted is not None and not wanted.matches(event.name):
            return
        if isinstance(event, Illegible):
            self._illegible(event, event.reason)
            return
        try:
            await naming.prepare(event, self._both.source(event.source))
            findings = self._backtest.findings(event)
        except Exception as error:  # noqa: BLE001 - one strange event must not hide what the others tell
            self._illegible(event, " ".join(f"{type(error).__name__}: {error}".split()))
            return
        self._tally.note(event, self._both)
        for finding in findings:
            if self._wish.rule is None or any(place.rule == self._wish.rule for place in finding.places):
                self._tally.add(finding)
                self._told.add(finding)

    def _illegible(self, event: Event | Illegible, reason: str) -> None:
        self._tally.note_illegible(event)
        self._told.illegible(event, reason)
