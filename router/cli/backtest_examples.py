"""Examples of what a back-test finds, in lines for people; few are kept, however much is found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from router.admin.serialise import Mask
from router.cli.backtest_tally import Both, Group, group_of
from router.cli.message_diff import difference, reading
from router.cli.output import local, plain
from router.config.model import Configuration
from router.delivery.backtesting import Change, Difference, Finding, Side
from router.events import Event
from router.secret import Redactor
from router.store.history import Illegible

_MOST_LINES = 60
_LONGEST_LINE = 1000


class Example(NamedTuple):
    """One difference: the event it is of, and what differs in marked lines."""

    event: str
    lines: Sequence[str]


class Examples:
    """
    Keeps the first few of each kind of difference.

    Args:
        most: So many.
        done_with: Kinds of which there are enough.

    Attributes:
        found: By kind.
    """

    def __init__(self, both: Both, redactor: Redactor, most: int, done_with: Collection[Group]) -> None:
        self._both = both
        self._redactor = redactor
        self._most = most
        self._done_with = done_with
        self.found: dict[Group, list[Example]] = {}

    def add(self, finding: Finding) -> None:
        """Keep a difference, unless there are enough like it."""
        group = group_of(finding)
        if not isinstance(finding, Difference) or group is None or group in self._done_with:
            return
        alike = self.found.setdefault(group, [])
        if len(alike) < self._most:
            alike.append(Example(shown_event(finding.event), self._lines(finding)))

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
    return [line[:_LONGEST_LINE] for line in lines[:_MOST_LINES]]


def shown_event(event: Event | Illegible) -> str:
    """Name an event: what it is, when it came, its id."""
    return f"{plain(event.name)}, {local(event.received_at)}, event {event.id}"
