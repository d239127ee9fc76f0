"""What is wrong in templates, told at the place in the rule file, or in a template file, where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from router.config.nodes import LINE_BREAK, Node, Place, Scalar
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Sequence as ListNode
from router.config.places import locate
from router.config.problems import named
from router.config.reading import Reading
from router.messages.inspection import Inspection
from router.messages.problems import TemplateProblem

_FILLED_IN = (
    "with what its references stand for, this is no template that can be used; a ${…} may stand among the words of a"
    " template, not inside {{ … }} or {% … %}"
)


class TemplateNotes:
    """
    Notes problems of templates.

    Args:
        files: Own templates by name.
        trees: Of those of the files that are structures.
        folder: Of the own templates; their names in problems begin with it.
    """

    def __init__(
        self,
        inspection: Inspection,
        files: Mapping[str, str],
        trees: Mapping[str, Node],
        folder: Path,
        reading: Reading,
    ) -> None:
        self._inspection = inspection
        self._files = files
        self._trees = trees
        self._folder = folder
        self._reading = reading

    def note(self, problems: Iterable[TemplateProblem], node: MapNode) -> None:
        """Note what is wrong in templates of a map, and in files that it leads to."""
        for problem in problems:
            if problem.template is not None:
                self._in_file(problem, problem.template)
            else:
                self._in_map(problem, node)

    def _in_file(self, problem: TemplateProblem, name: str) -> None:
        place = self._place_in_file(problem, name)
        lines = LINE_BREAK.split(self._files.get(name, ""))
        line = lines[place.line - 1] if place.line <= len(lines) else None
        self._say(place, problem, problem.sentence, file=str(self._folder / name), line=line)

    def _place_in_file(self, problem: TemplateProblem, name: str) -> Place:
        tree = self._trees.get(name)
        found = _follow(tree, problem.path) if tree is not None else None
        if isinstance(found, Scalar):
            return _widened(locate(found, self._files[name], problem.line, problem.column), problem, found)
        if isinstance(found, MapNode | ListNode):
            return found.place
        return Place(max(1, problem.line), problem.column or 1, problem.width)

    def _in_map(self, problem: TemplateProblem, node: MapNode) -> None:
        found = _follow(node, problem.path)
        if isinstance(found, Scalar):
            place = _widened(locate(found, self._reading.text, problem.line, problem.column), problem, found)
            self._say(place, problem, self._sentence(problem, found))
        else:
            self._say(found, problem, f"{named(problem.path[0])[1:-1]}: {problem.sentence}")

    def _say(
        self,
        at: Node | Place,
        problem: TemplateProblem,
        sentence: str,
        *,
        file: str | None = None,
        line: str | None = None,
    ) -> None:
        if problem.code is None:
            self._reading.error(at, sentence, file=file, line=line)
        else:
            self._reading.warn(at, problem.code, sentence, file=file, line=line)

    def _sentence(self, problem: TemplateProblem, scalar: Scalar) -> str:
        """What to say of a text; where it came from outside, nothing that only shows with the values filled in."""
        if not scalar.outside:
            return problem.sentence
        if problem.path == ("template",):
            return "no template has the name that this reference stands for"
        as_written = self._inspection.text_problems(scalar.text, problem.path)
        return problem.sentence if problem.sentence in {each.sentence for each in as_written} else _FILLED_IN


def _widened(place: Place, problem: TemplateProblem, scalar: Scalar) -> Place:
    """Point at all that is meant, where it was found in the text."""
    return place if problem.column is None or place == scalar.place else replace(place, width=problem.width)


def _follow(node: Node, path: Iterable[str | int]) -> Node:
    """Walk to a text; a step that leads nowhere (a key that is a template itself) stays at its map."""
    for step in path:
        if isinstance(node, MapNode) and str(step) in node.entries:
            node = node.entries[str(step)].value
        elif isinstance(node, ListNode) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
        else:
            break
    return node
