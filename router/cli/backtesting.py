"""What `backtest` does: it has events compared under two rule sets, and shows what came of it."""

from __future__ import annotations

import shlex
import sys

import click

from router.cli.backtest_examples import Example
from router.cli.backtest_pool import parts, processes_for
from router.cli.backtest_records import summed_up
from router.cli.backtest_report import Report
from router.cli.backtest_tally import Both, Group, Tally
from router.cli.backtest_work import Part, Wish, Worker
from router.cli.group import FAILED, Failed
from router.cli.interrupt import Interrupt
from router.cli.output import counted, print_whole
from router.cli.preview_report import tell_missing
from router.config.problems import did_you_mean, listed, named
from router.errors import StoreRefused, StoreUnavailable
from router.store.history import Span


def report(wish: Wish, *, jobs: int | None, fail_on_change: bool) -> int:
    """
    Compare, and print what differs.

    Args:
        jobs: Processes that compare; None for as many as are worth it.

    Returns:
        The exit code: 1 where it was stopped, or where something differs and that is to count.

    Raises:
        Failed: A rule file has problems, or the store cannot be read.
        click.BadParameter: No rule is named so.
    """
    try:
        with Worker(wish) as worker:
            _check_rule(wish.rule, worker.both)
            _note(worker)
            found = _Found(wish, worker.both)
            with Interrupt() as interrupt:
                _go_through(wish, worker, jobs, found, interrupt)
            found.is_complete = not interrupt.has_come()
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}.") from None
    found.end()
    return FAILED if not found.is_complete or (fail_on_change and found.tally.differences) else 0


class _Found:
    """
    What was found so far; records are written as they come.

    Attributes:
        is_complete: All events were compared.
    """

    def __init__(self, wish: Wish, both: Both) -> None:
        self._wish = wish
        self._both = both
        self._examples: dict[Group, list[Example]] = {}
        self.tally = Tally()
        self.is_complete = False

    def add(self, part: Part) -> None:
        """Take in what came of some further events."""
        self.tally.join(part.tally)
        for group, examples in part.examples.items():
            alike = self._examples.setdefault(group, [])
            alike += examples[: self._wish.examples - len(alike)]
        if part.records:
            print_whole("\n".join(part.records))

    def done_with(self) -> frozenset[Group]:
        """Tell of which kinds there are examples enough."""
        return frozenset(group for group, alike in self._examples.items() if len(alike) >= self._wish.examples)

    def end(self) -> None:
        """Print what it comes to."""
        since, is_complete = self._wish.since, self.is_complete
        if self._wish.as_json:
            print_whole(summed_up(self._both, self.tally, since, is_complete=is_complete))
            return
        shown = Report(self._both, self.tally, self._examples, since, pattern=self._wish.event, is_complete=is_complete)
        click.echo("\n".join(shown.lines()))


def _go_through(wish: Wish, worker: Worker, jobs: int | None, found: _Found, interrupt: Interrupt) -> None:
    span = worker.span()
    processes = jobs or processes_for(worker, span)
    hidden = not sys.stderr.isatty() or (wish.as_json and sys.stdout.isatty())
    with click.progressbar(
        length=_length(worker, span, is_needed=not hidden), label="Comparing", file=sys.stderr, hidden=hidden
    ) as bar:
        for part in parts(worker, span, processes, found.done_with, interrupt):
            found.add(part)
            bar.update(part.tally.looked_at)


def _length(worker: Worker, span: Span, *, is_needed: bool) -> int:
    return worker.count(span) if is_needed else 0


def _check_rule(name: str | None, both: Both) -> None:
    known = {**both.new.specs, **both.old.specs}
    if name is not None and name not in known:
        raise click.BadParameter(
            f"no rule is named {named(name)}; there are: {listed(known)}{did_you_mean(name, known)}.",
            param_hint="--rule",
        )


def _note(worker: Worker) -> None:
    """What is worth knowing before it begins, on standard error."""
    both = worker.both
    if count := len(both.new.warnings):
        what = f"{both.new_name} has {counted(count, 'warning')}"
        click.echo(f"Note: {what}; `spaces-router check {shlex.quote(both.new_name)}` tells them.", err=True)
    if both.old.hash == both.new.hash:
        click.echo(f"Note: {both.new_name} holds the same rules, so nothing can differ.", err=True)
    if worker.missing:
        tell_missing(worker.missing, "a back-test")
