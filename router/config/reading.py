"""One pass over one rule file: its text, and everything that was found in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from router.config.masking import SourceLines
from router.config.nodes import Entry, Node, Place
from router.config.problems import Problem, Severity, ordered


@dataclass(frozen=True)
class _Found:
    place: Place
    message: str
    severity: Severity
    code: str | None
    file: str | None
    line_text: str | None


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

    def error(
        self, at: Node | Entry | Place, message: str, *, file: str | None = None, line: str | None = None
    ) -> None:
        """
        Note an error.

        Args:
            file: Where it is about another file, such as a template; `line` is then the text of that line.
        """
        self._note(at, _Found(_NOWHERE, message, "error", None, file, line))

    def warn(self, at: Node | Entry | Place, code: str, message: str) -> None:
        """Note something that works, but hardly as it was meant."""
        self._note(at, _Found(_NOWHERE, message, "warning", code, None, None))

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self._found)

    def problems(self) -> tuple[Problem, ...]:
        """Give all that was found, by position, with the lines it is about."""
        lines = SourceLines(self.text, self.tree)
        return ordered(self._problem(found, lines) for found in self._found)

    def _note(self, at: Node | Entry | Place, found: _Found) -> None:
        self._found.append(replace(found, place=at if isinstance(at, Place) else at.place))

    def _problem(self, found: _Found, lines: SourceLines) -> Problem:
        place = found.place
        shown, marker = (found.line_text, place.column) if found.file else lines.shown(place.line, place.column)
        return Problem(
            file=found.file or self.file,
            line=place.line,
            column=place.column,
            message=found.message,
            code=found.code,
            severity=found.severity,
            source_line=shown,
            width=place.width,
            marker=marker,
        )
