"""A back-test for people: what it comes to, and a few examples of each kind of difference."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import click

from router.cli.backtest_examples import Example, shown_event
from router.cli.backtest_tally import Both, Group, Tally
from router.cli.message_diff import drawn
from router.cli.message_view import shown_destination
from router.cli.output import counted, local, paragraph, plain, table
from router.config.references import is_unresolved
from router.delivery.backtesting import Change
from router.rules.ruleset import Route

_MOST_ROWS = 40
_MOST_GROUPS = 60

_COLUMNS = {
    Change.FAILS: "FAILING",
    Change.VANISHES: "GONE",
    Change.MOVES: "MOVED",
    Change.READS_DIFFERENTLY: "CHANGED",
    Change.APPEARS: "NEW",
    Change.MENDED: "MENDED",
    Change.SPARED: "SPARED",
}
_COLOURS = {Change.FAILS: "red", Change.VANISHES: "red", Change.APPEARS: "green", Change.MENDED: "green"}

_IN_WORDS = {
    Change.FAILS: (
        "message could not be written: it would be a dead letter",
        "messages could not be written: they would be dead letters",
    ),
    Change.VANISHES: ("message would not be sent any more", "messages would not be sent any more"),
    Change.MOVES: ("message would go elsewhere", "messages would go elsewhere"),
    Change.READS_DIFFERENTLY: ("message would read differently", "messages would read differently"),
    Change.APPEARS: ("message would be sent that is not now", "messages would be sent that are not now"),
    Change.MENDED: ("message could be written again", "messages could be written again"),
    Change.SPARED: (
        "message that could not be written would not be tried any more",
        "messages that could not be written would not be tried any more",
    ),
}


class Report:
    """
    What is printed in the end.

    Args:
        examples: Of each kind of difference the newest few.
    """

    def __init__(
        self,
        both: Both,
        tally: Tally,
        examples: Mapping[Group, Sequence[Example]],
        since: datetime,
        *,
        pattern: str | None,
        is_complete: bool,
    ) -> None:
        self._both = both
        self._tally = tally
        self._examples = examples
        self._since = since
        self._pattern = pattern
        self._is_complete = is_complete

    def lines(self) -> Iterator[str]:
        """Write it all."""
        yield from self._heading()
        if self._tally.groups:
            yield ""
            yield from _sums(self._tally)
            yield ""
            yield from _table(self._tally)
        yield from self._notes()
        for group, count in _gravest_first(self._tally)[:_MOST_GROUPS]:
            yield ""
            yield from self._group(group, count)
        if (more := len(_gravest_first(self._tally)) - _MOST_GROUPS) > 0:
            yield ""
            yield f"… and {counted(more, 'kind')} of difference more; --format json lists all"
        yield ""
        yield from self._ending()

    # What it comes to

    def _heading(self) -> Iterator[str]:
        tally, both = self._tally, self._both
        is_empty = not tally.events and not tally.illegible
        if not self._is_complete:
            stopped = "Stopped: what follows is of the newest events alone, as far as they were compared."
            yield click.style(paragraph("Stopped before an event was compared." if is_empty else stopped), fg="yellow")
            if is_empty:
                return
            yield ""
        if is_empty:
            of_names = f" with a name like {plain(self._pattern)}" if self._pattern is not None else ""
            since = f"No event to compare{of_names} came since {local(self._since)}"
            yield paragraph(f"{since}; --since goes back further, such as --since 30d.")
            return
        oldest = local(tally.oldest) if tally.oldest else ""
        what = f"{counted(tally.events, 'event')} since {oldest}, under {both.old_name} and under {both.new_name}:"
        yield click.style(paragraph(what), bold=True)
        if not tally.groups:
            yield paragraph("No rule of either sends any of them anywhere.", "  ")

    def _ending(self) -> Iterator[str]:
        yield "Nothing was sent: this was a back-test."
        if self._tally.differences and self._examples:
            yield f"One event in full: spaces-router preview ID --rules {shlex.quote(self._both.new_name)}"

    def _notes(self) -> Iterator[str]:
        notes = [*_renamed(self._tally), *_leading_elsewhere(self._both), *self._troubles()]
        if notes:
            yield ""
        yield from (paragraph(note, "  ", hanging="  ") for note in notes)

    def _troubles(self) -> Iterator[str]:
        tally, new_name = self._tally, self._both.new_name
        for source, count in tally.homeless.items():
            yield (
                f"{counted(count, 'event')} came from the source {plain(source)}, which {new_name} does not have: under"
                " it they would be answered 404, and nothing would be sent of them."
            )
        for destination, count in tally.unknown.items():
            yield (
                f"{counted(count, 'message')} to {plain(destination)} could not be compared: the destination cannot be"
                " made without what its settings refer to, which is not set here."
            )
        if tally.illegible:
            named = "; ".join(f"{shown_event(event)}: {plain(event.reason)[:300]}" for event in tally.named)
            more = "; …" if tally.illegible > len(tally.named) else ""
            yield f"{counted(tally.illegible, 'event')} could not be compared: {named}{more}"

    # Examples

    def _group(self, group: Group, count: int) -> Iterator[str]:
        assert group.change is not None  # noqa: S101 - groups without one are not shown
        examples = self._examples.get(group, ())
        title = f"{_place(group)}: {_what(group, count)}"
        if 0 < len(examples) < count:
            title += f"; the newest{f' {len(examples)}' if len(examples) > 1 else ''}:"
        yield click.style(paragraph(title, hanging="  "), bold=True, fg=_COLOURS.get(group.change))
        for example in examples:
            yield f"  {example.event}"
            yield from drawn(example.lines, "    ")


def _gravest_first(tally: Tally) -> list[tuple[Group, int]]:
    order = list(Change)
    found = [(group, count) for group, count in tally.groups.items() if group.change is not None]
    return sorted(
        found, key=lambda each: (order.index(each[0].change or Change.MENDED), -each[1], _named(each[0].place))
    )


def _named(route: Route) -> tuple[str, str]:
    return route.rule, route.destination


def _place(group: Group) -> str:
    return f"{plain(group.place.rule)} → {plain(group.place.destination)}"


def _what(group: Group, count: int) -> str:
    """Say what becomes of the messages of a group, and by which rule where that is another one."""
    assert group.change is not None  # noqa: S101 - groups without one are not shown
    before, after = group.before, group.after
    what = counted(count, *_IN_WORDS[group.change])
    if before is None or after is None:
        return what
    if group.change is Change.MOVES:
        what = f"{counted(count, 'message')} would go to {plain(after.destination)} instead"
    if before.rule == after.rule:
        return what
    other = f"by the rule {after.rule}" if group.change is Change.MOVES else f"by the rule {before.rule} until now"
    return f"{what}, {plain(other)}"


# Sums


def _sums(tally: Tally) -> Iterator[str]:
    by_change = tally.by_change()
    widest = max(len(f"{count:,}") for count in (*by_change.values(), tally.same))
    for change in Change:
        if count := by_change[change]:
            line = f"  {count:>{widest},} {_IN_WORDS[change][count != 1]}"
            yield click.style(line, fg=_COLOURS.get(change, "yellow"))
    stays = "message stays as it is" if tally.same == 1 else "messages stay as they are"
    if tally.same:
        yield f"  {tally.same:>{widest},} {stays}"


def _table(tally: Tally) -> Iterator[str]:
    """A row for each rule and destination of which something differs."""
    rows: defaultdict[Route, dict[Change | None, int]] = defaultdict(lambda: defaultdict(int))
    for group, count in tally.groups.items():
        rows[group.place][group.change] += count
    differing = {route: row for route, row in rows.items() if any(change is not None for change in row)}
    if not differing:
        yield paragraph("Nothing would be different.", "  ")
        return
    found = tally.by_change()
    columns: list[Change | None] = [None, *(change for change in Change if found[change])]
    heads = ("RULE", "DESTINATION", *("SAME" if change is None else _COLUMNS[change] for change in columns))
    cells = [
        (plain(route.rule), plain(route.destination), *(_number(row.get(change, 0)) for change in columns))
        for route, row in sorted(differing.items(), key=lambda each: (-_differing(each[1]), _named(each[0])))
    ]
    yield from (f"  {line}" for line in table(heads, cells[:_MOST_ROWS], shrink=0))
    if (more := len(cells) - _MOST_ROWS) > 0:
        yield f"  … and {counted(more, 'row')} more"


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _differing(row: Mapping[Change | None, int]) -> int:
    return sum(count for change, count in row.items() if change is not None)


def _renamed(tally: Tally) -> Iterator[str]:
    for group, count in tally.groups.items():
        before, after = group.before, group.after
        if group.change is None and before is not None and after is not None and before.rule != after.rule:
            stay = f"{counted(count, 'message')} to {plain(after.destination)} {'stays' if count == 1 else 'stay'}"
            yield f"{plain(before.rule)} is called {plain(after.rule)} now, as it seems: {stay} the same."


def _leading_elsewhere(both: Both) -> Iterator[str]:
    """Destinations that keep their name and not their place, as far as that is no secret; no message tells of it."""
    for name, new in both.new.destinations.items():
        old = both.old.destinations.get(name)
        if old is None:
            continue
        what = f"{shown_destination(new)}; until now {shown_destination(old)}"
        if old.type_name != new.type_name:
            yield f"{plain(name)} is of another type in {both.new_name}: {what}."
        elif old.address != new.address and not is_unresolved(old.address) and not is_unresolved(new.address):
            yield f"{plain(name)} leads elsewhere in {both.new_name}: {what}."
