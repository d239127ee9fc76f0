"""The templates of a rule file: what is wrong in them, told at the place in the file where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.config.destination_section import Types
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Place
from router.config.problems import listed
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.style import style_of, style_of_type
from router.config.targets import destinations_of
from router.config.template_notes import TemplateNotes
from router.config.trouble_section import fallback_of
from router.destinations.address import WebAddress
from router.destinations.base import Destination
from router.events import Markup
from router.messages.inspection import Inspection
from router.messages.spec import MessageSpec, Style

_ANY_STYLE = Style(Markup.TEXT, "text", forwards_as_is=True)


@dataclass(frozen=True)
class Reader:
    """A destination, and how it wants its messages."""

    name: str
    type_name: str
    style: Style


@dataclass(frozen=True)
class OwnTemplates:
    """What a destination has in its own settings: a message for rules that give none, and an address."""

    spec: MessageSpec
    address: WebAddress | None


class TemplateChecks:
    """Checks templates as they are written, and notes what is wrong."""

    def __init__(self, inspection: Inspection, notes: TemplateNotes, reading: Reading) -> None:
        self._inspection = inspection
        self._notes = notes
        self._reading = reading

    def own_files(self) -> None:
        """Check all own template files, used or not."""
        self._notes.note(self._inspection.own_problems(), MapNode(Place(1, 1)))

    def rule(self, rule: ReadRule, types: Types) -> list[Reader]:
        """
        Check the templates of a rule for each type of destination that it reaches.

        Returns:
            Of the destinations those for which nothing is wrong, one for each way of writing.
        """
        names = destinations_of(rule.to) if rule.to is not None else ()
        # What falls back is written anew for the other type.
        names = (*names, *(other for name in names if (other := fallback_of(name, types)) is not None))
        sound = []
        for reader in _readers(names, types) or [Reader("", "", _ANY_STYLE)]:
            problems = self._inspection.problems(rule.spec, reader.style)
            self._notes.note(problems, rule.node)
            if not problems and reader.name:
                sound.append(reader)
        self._somebody_takes(rule, [kind for name in names if (kind := types.by_name.get(name)) is not None])
        return sound

    def destination(self, destination: Destination, node: MapNode) -> OwnTemplates | None:
        """Check the templates that a destination has in its own settings; give them where nothing is wrong."""
        own = destination.own_message
        spec = MessageSpec(
            message=own.get("message"), template=own.get("template"), body=own.get("body"), has_body="body" in own
        )
        problems = self._inspection.problems(spec, style_of(destination))
        url = getattr(destination, "url", None)
        address = url if isinstance(url, WebAddress) and url.has_template else None
        if address is not None:
            problems += self._inspection.text_problems(address.text, ("url",))
        self._notes.note(problems, node)
        return None if problems else OwnTemplates(spec, address)

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


def _readers(names: Iterable[str], types: Types) -> list[Reader]:
    """Give one destination for each style."""
    readers: dict[Style, Reader] = {}
    for name in names:
        kind = types.by_name.get(name)
        if kind is not None:
            built = types.built.get(name)
            style = style_of_type(kind) if built is None else style_of(built)
            readers.setdefault(style, Reader(name, kind.type_name, style))
    return list(readers.values())


def reader_of(name: str, destination: Destination) -> Reader:
    """Say how a destination reads."""
    return Reader(name, destination.type_name, style_of(destination))
