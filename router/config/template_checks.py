"""The templates of a rule file: what is wrong in them, told at the place in the file where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from router.config.destination_section import Types
from router.config.lint import destinations_of
from router.config.nodes import LINE_BREAK, Node, Place, Scalar
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Sequence as ListNode
from router.config.places import locate
from router.config.problems import listed, named
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.style import style_of, style_of_type
from router.config.trouble_section import fallback_of
from router.destinations.address import WebAddress
from router.destinations.base import Destination
from router.events import Markup
from router.messages.inspection import TemplateProblem
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style

_ANY_STYLE = Style(Markup.TEXT, "text", forwards_as_is=True)
_FILLED_IN = (
    "with what its references stand for, this is no template that can be used; a ${…} may stand among the words of a"
    " template, not inside {{ … }} or {% … %}"
)


class TemplateChecks:
    """
    Checks templates and notes what is wrong.

    Args:
        trees: Of those of the files that are structures.
        folder: Of the own templates; their names in problems begin with it.
    """

    def __init__(
        self,
        renderer: Renderer,
        files: Mapping[str, str],
        trees: Mapping[str, Node],
        folder: Path,
        reading: Reading,
    ) -> None:
        self._renderer = renderer
        self._files = files
        self._trees = trees
        self._folder = folder
        self._reading = reading

    def own_files(self) -> None:
        """Check all own template files, used or not."""
        for problem in self._renderer.inspection.own_problems():
            self._note(problem, MapNode(Place(1, 1)))

    def rule(self, rule: ReadRule, types: Types) -> None:
        """Check the templates of a rule for each type of destination that it reaches."""
        names = destinations_of(rule.to) if rule.to is not None else ()
        # What falls back is written anew for the other type.
        names = (*names, *(other for name in names if (other := fallback_of(name, types)) is not None))
        for style in dict.fromkeys(_styles(names, types)) or (_ANY_STYLE,):
            self._note_all(self._renderer.inspection.problems(rule.spec, style), rule.node)
        self._somebody_takes(rule, [kind for name in names if (kind := types.by_name.get(name)) is not None])

    def destination(self, destination: Destination, node: MapNode) -> None:
        """Check the templates that a destination has in its own settings."""
        own = destination.own_message
        spec = MessageSpec(
            message=own.get("message"), template=own.get("template"), body=own.get("body"), has_body="body" in own
        )
        self._note_all(self._renderer.inspection.problems(spec, style_of(destination)), node)
        url = getattr(destination, "url", None)
        if isinstance(url, WebAddress) and url.has_template:
            self._note_all(self._renderer.inspection.text_problems(url.text, ("url",)), node)

    def _somebody_takes(self, rule: ReadRule, types: Sequence[type[Destination]]) -> None:
        """Note `body` and `blocks` where the rule reaches no destination that takes them: they would be ignored."""
        takers = {
            "body": [kind for kind in types if "body" in kind.model_fields],
            "blocks": [kind for kind in types if kind.markup is Markup.SLACK],
        }
        for key, able in takers.items():
            if types and not able and key in rule.node.entries:
                reached = listed(sorted({kind.type_name for kind in types}))
                wanted = "http" if key == "body" else "slack"
                self._reading.error(
                    rule.node.entries[key],
                    f"{key} is for {wanted} destinations, and this rule reaches none (only: {reached});"
                    " use message or template",
                )

    def _note_all(self, problems: Iterable[TemplateProblem], node: MapNode) -> None:
        for problem in problems:
            self._note(problem, node)

    def _sentence(self, problem: TemplateProblem, scalar: Scalar) -> str:
        """What to say of a text; where it came from outside, nothing that only shows with the values filled in."""
        if not scalar.outside:
            return problem.sentence
        if problem.path == ("template",):
            return "no template has the name that this reference stands for"
        as_written = self._renderer.inspection.text_problems(scalar.text, problem.path)
        return problem.sentence if problem.sentence in {each.sentence for each in as_written} else _FILLED_IN

    def _place_in_file(self, problem: TemplateProblem) -> Place:
        tree = self._trees.get(problem.template or "")
        found = _follow(tree, problem.path) if tree is not None else None
        if isinstance(found, Scalar):
            return locate(found, self._files[problem.template or ""], problem.line, problem.column)
        return Place(max(1, problem.line), problem.column or 1)

    def _note(self, problem: TemplateProblem, node: MapNode) -> None:
        if problem.template is not None:
            place = self._place_in_file(problem)
            lines = LINE_BREAK.split(self._files.get(problem.template, ""))
            line = lines[place.line - 1] if place.line <= len(lines) else None
            self._reading.error(place, problem.sentence, file=str(self._folder / problem.template), line=line)
            return
        found = _follow(node, problem.path)
        if isinstance(found, Scalar):
            place = locate(found, self._reading.text, problem.line, problem.column)
            self._reading.error(place, self._sentence(problem, found))
        else:
            self._reading.error(found, f"{named(problem.path[0])[1:-1]}: {problem.sentence}")


def _styles(names: Iterable[str], types: Types) -> Iterable[Style]:
    for name in names:
        kind = types.by_name.get(name)
        if name in types.built:
            yield style_of(types.built[name])
        elif kind is not None:
            yield style_of_type(kind)


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
