"""Templates of a rule file held against the events that their rules can see: unknown fields, and failures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from router.config.nodes import Mapping as MapNode
from router.config.rule_section import ReadRule
from router.config.sights import Sight, Sights, joined
from router.config.template_checks import OwnTemplates, Reader
from router.config.template_notes import TemplateNotes
from router.destinations.address import quote_value
from router.messages.occasions import Occasion
from router.messages.problems import TemplatePlace, TemplateProblem
from router.messages.render import Renderer
from router.messages.spec import MessageSpec
from router.messages.trials import Trials, Tried
from router.payload import JSON, dump_json


class TemplateTrials:
    """
    Holds templates without faults against the sample events, and notes what is wrong.

    Args:
        trials: Whose time is used; without any left, rules are counted there and left out.
    """

    def __init__(self, renderer: Renderer, notes: TemplateNotes, sights: Sights, trials: Trials) -> None:
        self._renderer = renderer
        self._notes = notes
        self._sights = sights
        self._trials = trials
        self._known: dict[object, Sequence[TemplateProblem]] = {}
        self._reaching: defaultdict[str, list[Sight]] = defaultdict(list)
        self._silent: defaultdict[str, list[Sight]] = defaultdict(list)

    def rule(self, rule: ReadRule, readers: Sequence[Reader]) -> None:
        """Try the message of a rule for each way of writing that it needs."""
        sight = self._sights.of(rule)
        says_something = _says_something(rule.spec)
        for reader in readers:
            self._reaching[reader.name].append(sight)
            if not says_something:
                self._silent[reader.name].append(sight)
            self._notes.note(self._problems(rule.spec, reader, rule.name, sight), rule.node)

    def destination(self, reader: Reader, own: OwnTemplates, node: MapNode) -> None:
        """Try what a destination has in its own settings, on what the rules send to it; they come first."""
        if _says_something(own.spec) and reader.name in self._silent:
            sight = joined(self._silent[reader.name])
            self._notes.note(self._problems(own.spec, reader, "", sight), node)
        if own.address is not None and reader.name in self._reaching:
            sight = joined(self._reaching[reader.name])
            self._notes.note(self._address_problems(own.address.rest, own.address.text, reader, sight), node)

    def _problems(self, spec: MessageSpec, reader: Reader, rule: str, sight: Sight) -> Sequence[TemplateProblem]:
        inspection = self._renderer.inspection
        texts = inspection.texts(spec)
        if not sight.samples or not (texts or inspection.has_own_files):
            return ()  # our own templates are tried by tests
        key = (_key(spec), reader.style, sight)
        known = self._known.get(key)
        if known is not None:
            return known
        files = inspection.fields.own_files(spec, reader.style, sight.samples)
        if not (texts or files) or not all(map(inspection.is_readable, files)):
            return ()  # told already, where a file cannot be read
        if not self._trials.are_wanted:
            self._trials.left_out += 1
            return ()

        def render(met: Occasion) -> object:
            return self._renderer.render(spec, reader.style, _namespace(met, rule, reader))

        with self._trials.timed():
            fields = inspection.fields.problems(texts, spec, reader.style, sight.samples) if sight.only_spaces else []
        tried = Tried(sight.samples, sight.only_spaces, inspection.places(spec))
        found = self._known[key] = [*fields, *self._trials.problems(tried, render)]
        return found

    def _address_problems(self, rest: str, whole: str, reader: Reader, sight: Sight) -> Sequence[TemplateProblem]:
        if not sight.samples or not self._trials.are_wanted:
            return ()
        path = ("url",)
        fields = self._renderer.inspection.fields.text_problems(whole, path) if sight.only_spaces else []

        def render(met: Occasion) -> object:
            return self._renderer.fill(rest, _namespace(met, "", reader), quote_value)

        tried = Tried(sight.samples, sight.only_spaces, {rest[:80]: TemplatePlace(path, None)})
        return [*fields, *self._trials.problems(tried, render)]


def _says_something(spec: MessageSpec) -> bool:
    """Whether the destination's own message does not come in; see `own_spec` of the attempts."""
    return bool(spec.message or spec.template or spec.blocks is not None or spec.has_body)


def _namespace(met: Occasion, rule: str, reader: Reader) -> Mapping[str, JSON]:
    destination: JSON = {"name": reader.name, "type": reader.type_name}
    return {**met.namespace, "rule": {"name": rule}, "destination": destination}


def _key(spec: MessageSpec) -> object:
    """What a message says, as something that can be looked up."""
    structures = dump_json([spec.blocks, spec.body])
    return spec.message, spec.template, spec.subject, spec.format, spec.has_body, structures
