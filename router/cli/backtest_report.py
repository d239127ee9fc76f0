"""A back-test for people: what it comes to, and a few examples of each kind of difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

from router.admin.serialise import Mask
from router.cli.backtest_tally import Both, Group, Tally, group_of
from router.cli.message_diff import difference, drawn, reading
from router.cli.message_view import shown_destination
from router.cli.output import counted, local, paragraph, plain, table
from router.config.model import Configuration
from router.delivery.backtesting import Change, Difference, Finding, Side
from router.events import Event
from router.rules.ruleset import Route
from router.secret import Redactor
from router.store.history import Illegible

_MOST_ROWS = 40
_MOST_GROUPS = 60
_MOST_NAMED = 5
_MOST_LINES_KEPT = 60

_COLUMNS = {
    Change.FAILS: "FAILING",
    Change.VANISHES: "GONE",
    Change.MOVES: "MOVED",
    Change.READS_DIFFERENTLY: "CHANGED",
    Change.APPEARS: "NEW",
    Change.MENDED: "MENDED",
}
_COLOURS = {Change.FAILS: "red", Change.VANISHES: "red", Change.APPEARS: "green", Change.MENDED: "green"}

_IN_WORDS = {
    Change.FAILS: ("message could not be written", "messages could not be written"),
    Change.VANISHES: ("message would not be sent any more", "messages would not be sent any more"),
    Change.MOVES: ("message would go elsewhere", "messages would go elsewhere"),
    Change.READS_DIFFERENTLY: ("message would read differently", "messages would read differently"),
    Change.APPEARS: ("message would be sent that is not now", "messages would be sent that are not now"),
    Change.MENDED: ("message could be written again", "messages could be written again"),
}


class _Example(NamedTuple):
    """One difference: the event it is of, and what differs in marked lines."""

    event: str
    lines: Sequence[str]


class Report:
    """
    Gathers what is told in the end: of each kind of difference the newest few.

    Args:
        examples: So many of each kind.
    """

    def __init__(self, both: Both, tally: Tally, redactor: Redactor, examples: int) -> None:
        self._both = both
        self._tally = tally
        self._redactor = redactor
        self._most = examples
        self._examples: defaultdict[Group, list[_Example]] = defaultdict(list)
        self._illegible: list[str] = []

    def add(self, finding: Finding) -> None:
        """Keep a difference as an example, unless there are enough like it."""
        group = group_of(finding)
        if isinstance(finding, Difference) and group is not None and len(self._examples[group]) < self._most:
            self._examples[group].append(_Example(_shown_event(finding.event), self._lines(finding)))

    def illegible(self, event: Event | Illegible, reason: str) -> None:
        """Keep the first few events that could not be compared."""
        if len(self._illegible) < _MOST_NAMED:
            self._illegible.append(f"{_shown_event(event)}: {plain(self._redactor.redact(reason))[:300]}")

    def end(self) -> None:
        """Print it all."""
        click.echo("\n".join(self._whole()))

    def _whole(self) -> Iterator[str]:
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
        yield "Nothing was sent: this was a back-test."

    # What it comes to

    def _heading(self) -> Iterator[str]:
        tally, both = self._tally, self._both
        if not tally.is_complete:
            stopped = "Stopped: what follows is of the newest events alone, as far as they were compared."
            yield click.style(paragraph(stopped), fg="yellow")
            yield ""
        if not tally.events and not tally.illegible:
            since = f"No event to compare came since {local(tally.since)}"
            yield paragraph(f"{since}; --since goes back further, such as --since 30d.")
            return
        oldest = local(tally.oldest) if tally.oldest else ""
        what = f"{counted(tally.events, 'event')} since {oldest}, under {both.old_name} and under {both.new_name}:"
        yield click.style(paragraph(what), bold=True)
        if not tally.groups:
            yield paragraph("No rule of either sends any of them anywhere.", "  ")

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
            yield f"{counted(tally.illegible, 'event')} could not be compared: {'; '.join(self._illegible)}" + (
                "; …" if tally.illegible > len(self._illegible) else ""
            )

    # Examples

    def _group(self, group: Group, count: int) -> Iterator[str]:
        assert group.change is not None  # noqa: S101 - groups without one are not shown
        examples = self._examples[group]
        title = f"{_route(group)}: {counted(count, *_IN_WORDS[group.change])}"
        if 0 < len(examples) < count:
            title += f"; the newest{f' {len(examples)}' if len(examples) > 1 else ''}:"
        yield click.style(paragraph(title, hanging="  "), bold=True, fg=_COLOURS.get(group.change))
        for example in examples:
            yield f"  {example.event}"
            yield from drawn(example.lines, "    ")

    def _lines(self, finding: Difference) -> list[str]:
        """What differs, each line with its mark."""
        before, after = finding.before, finding.after
        if after is not None and after.error:
            old = [] if before is None or before.error else self._read(before, self._both.old)[0]
            why = f"cannot be written: {plain(self._redactor.redact(after.error))}"
            return _bounded([*(f"- {line}" for line in old), f"+ {why}"])
        if before is not None and before.error:
            new = [f"+ {line}" for line in self._read(after, self._both.new)[0]] if after else []
            return _bounded([f"- cannot be written: {plain(self._redactor.redact(before.error))}", *new])
        if before is None and after is not None:
            return _bounded([f"+ {line}" for line in self._read(after, self._both.new)[0]])
        if after is None and before is not None:
            return _bounded([f"- {line}" for line in self._read(before, self._both.old)[0]])
        assert before is not None and after is not None  # noqa: S101, PT018 - one of them is none above
        old_read, new_read = self._read(before, self._both.old), self._read(after, self._both.new)
        if old_read[0] == new_read[0] and finding.change is Change.MOVES:
            return _bounded([f"  {line}" for line in new_read[0]])
        return _bounded(difference(old_read, new_read))

    def _read(self, side: Side, by: Configuration) -> tuple[list[str], Mapping[str, Any]]:
        assert side.message is not None  # noqa: S101 - there is one where there is no error
        message = Mask(self._redactor).value(side.message.as_json())
        return reading(message, side.route.destination, by), message


def _bounded(lines: list[str]) -> list[str]:
    """An example is kept until the end: not all of a message of a thousand lines, of which a dozen will be shown."""
    return [line[:1000] for line in lines[:_MOST_LINES_KEPT]]


def _shown_event(event: Event | Illegible) -> str:
    return f"{plain(event.name)}, {local(event.received_at)}, event {event.id}"


def _gravest_first(tally: Tally) -> list[tuple[Group, int]]:
    order = list(Change)
    found = [(group, count) for group, count in tally.groups.items() if group.change is not None]
    return sorted(found, key=lambda each: (order.index(each[0].change or Change.MENDED), -each[1]))


def _route(group: Group) -> str:
    before, after = group.before, group.after
    if before is None or after is None or before == after:
        return f"{plain(group.place.rule)} → {plain(group.place.destination)}"
    if before.rule == after.rule:
        return f"{plain(before.rule)} → {plain(before.destination)}, and then {plain(after.destination)}"
    if before.destination == after.destination:
        return f"{plain(before.rule)}, and then {plain(after.rule)} → {plain(after.destination)}"
    return " and then ".join(f"{plain(each.rule)} → {plain(each.destination)}," for each in (before, after)).rstrip(",")


# Sums


def _sums(tally: Tally) -> Iterator[str]:
    by_change = tally.by_change()
    widest = max(len(f"{count:,}") for count in (*by_change.values(), tally.same))
    for change in Change:
        if count := by_change[change]:
            line = f"  {count:>{widest},} {_IN_WORDS[change][count != 1]}"
            yield click.style(line, fg=_COLOURS.get(change, "yellow"))
    stays = "message stays as it is" if tally.same == 1 else "messages stay as they are"
    yield f"  {tally.same or 'no':>{widest}} {stays}" if not tally.same else f"  {tally.same:>{widest},} {stays}"


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
        (plain(route.rule), plain(route.destination), *(f"{row.get(change, 0) or '-':}" for change in columns))
        for route, row in sorted(differing.items(), key=lambda each: -_differing(each[1]))
    ]
    yield from (f"  {line}" for line in table(heads, cells[:_MOST_ROWS], shrink=0))
    if (more := len(cells) - _MOST_ROWS) > 0:
        yield f"  … and {counted(more, 'row')} more"


def _differing(row: Mapping[Change | None, int]) -> int:
    return sum(count for change, count in row.items() if change is not None)


def _renamed(tally: Tally) -> Iterator[str]:
    for group, count in tally.groups.items():
        before, after = group.before, group.after
        if group.change is None and before is not None and after is not None and before.rule != after.rule:
            stay = f"{counted(count, 'message')} to {plain(after.destination)} {'stays' if count == 1 else 'stay'}"
            yield f"{plain(before.rule)} is called {plain(after.rule)} now, as it seems: {stay} the same."


def _leading_elsewhere(both: Both) -> Iterator[str]:
    """Destinations that keep their name and not their place; no message tells of that."""
    for name, new in both.new.destinations.items():
        old = both.old.destinations.get(name)
        if old is None:
            continue
        before, after = shown_destination(old), shown_destination(new)
        if before != after and old.type_name != new.type_name:
            yield f"{plain(name)} is of another kind in {both.new_name}: {after}, until now {before}."
        elif before != after and "," in before and "," in after:
            yield f"{plain(name)} leads elsewhere in {both.new_name}: {after}, until now {before}."
