"""One pass over one rule file: its text, and everything that was found in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from router.config.masking import SourceLines
from router.config.nodes import Entry, Node, Place
from router.config.problems import Problem, Severity, ordered, printable
from router.secret import MASK


@dataclass(frozen=True)
class _Found:
    place: Place
    message: str
    severity: Severity
    code: str | None
    file: str | None
    line_text: str | None


MAX_PROBLEMS = 1_000
_NOWHERE = Place(1, 1)


@dataclass
class Reading:
    """
    Collects problems; nothing here stops at the first.

    Attributes:
        file: As the user named it.
        tree: The file's tree, once it is read; it tells which parts of a line must not be shown.
        lenient: An older rule set is compiled from the store; its problems were seen when it was loaded.
    """

    file: str
    text: str
    tree: Node | None = None
    lenient: bool = False
    _found: list[_Found] = field(default_factory=list)
    _settled: set[Place] = field(default_factory=set)
    _told: Counter[Severity] = field(default_factory=Counter)

    def error(
        self, at: Node | Entry | Place, message: str, *, file: str | None = None, line: str | None = None
    ) -> None:
        """
        Note an error.

        Args:
            file: Where it is about another file, such as a template; `line` is then the text of that line.
        """
        self._note(at, _Found(_NOWHERE, message, "error", None, file, line))

    def warn(
        self, at: Node | Entry | Place, code: str, message: str, *, file: str | None = None, line: str | None = None
    ) -> None:
        """Note something that works, but hardly as it was meant; the arguments are those of `error`."""
        self._note(at, _Found(_NOWHERE, message, "warning", code, file, line))

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self._found)

    def problems(self) -> tuple[Problem, ...]:
        """Give all that was found, by position, with the lines it is about."""
        lines = SourceLines(self.text, self.tree)
        return ordered(self._problem(found, lines) for found in self._found)

    @property
    def is_cut(self) -> bool:
        """Whether more was found than is kept."""
        return any(told > MAX_PROBLEMS for told in self._told.values())

    def ignore(self, is_ignored: Callable[[str | None, int, str], bool]) -> None:
        """
        Drop warnings.

        Args:
            is_ignored: Is asked for each by its file, None for this one, its line and its code.
        """
        self._found = [
            found
            for found in self._found
            if found.code is None or not is_ignored(found.file, found.place.line, found.code)
        ]

    def settle(self, node: Node) -> None:
        """Say no more about a value: what is wrong with it was told, and the rest would only follow from that."""
        self._settled.add(node.place)

    def _note(self, at: Node | Entry | Place, found: _Found) -> None:
        place = at if isinstance(at, Place) else at.place
        if found.file is None and place in self._settled:
            return
        told = self._told[found.severity] = self._told[found.severity] + 1
        if told <= MAX_PROBLEMS:
            self._found.append(replace(found, place=place))
        elif told == MAX_PROBLEMS + 1:
            more = f"there are more {found.severity}s than these {MAX_PROBLEMS:,}; mend them first"
            self._found.append(replace(found, place=place, message=more, file=None))

    def _problem(self, found: _Found, lines: SourceLines) -> Problem:
        place = found.place
        shown, marker = (found.line_text, place.column) if found.file else lines.shown(place.line, place.column)
        return Problem(
            file=found.file or self.file,
            line=place.line,
            column=place.column,
            message=printable(found.message),
            code=found.code,
            severity=found.severity,
            source_line=shown,
            width=len(MASK) if (shown or "").startswith(MASK, marker - 1) else place.width,
            marker=marker,
        )
