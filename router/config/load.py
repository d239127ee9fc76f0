"""From a rule file to a `Configuration`, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from router.collecting import uncollected
from router.config import destination_section, rule_section, source_section
from router.config.block_files import read_block_files
from router.config.destination_section import COMMON_KEYS, Types, read_destinations
from router.config.keys import LATER, not_yet
from router.config.lint.passes import Judged, Parts, lint
from router.config.masking import Sections, masked_text
from router.config.model import Configuration, Source
from router.config.nodes import LINE_BREAK, Entry, Place, kind_of, plain
from router.config.nodes import Mapping as MapNode
from router.config.own_templates import read_own_templates
from router.config.people_section import PEOPLE, SPACES, check_single, joined, read_given
from router.config.problems import ConfigurationInvalid, did_you_mean, listed, named, nearest
from router.config.reading import MAX_PROBLEMS, Reading
from router.config.references import Outside, literal
from router.config.rule_section import RULE_DEFAULTS, Names, ReadRule, RuleDefaults, read_rules
from router.config.sights import Sights
from router.config.source_section import kinds_by_source, read_sources
from router.config.syntax import position, read_yaml
from router.config.template_checks import TemplateChecks, reader_of
from router.config.template_notes import TemplateNotes
from router.config.template_trials import TemplateTrials
from router.config.tests_section import Known, read_tests
from router.config.trouble_section import check_fallbacks, read_alerts
from router.config.validate import Section, fit
from router.config.zone import read_zone
from router.destinations.base import Destination
from router.events import Format
from router.fields import Model
from router.messages.expressions import Expressions
from router.messages.render import Renderer
from router.messages.trials import Trials
from router.rules.ruleset import RuleSet

MAX_BYTES = 1024 * 1024
TEMPLATES = "templates"
TRIAL_SECONDS = 2.0
"""Enough for some hundred messages of a rule file's own; with more than that the rest is not tried."""
_TRIAL_SECONDS_AT_LEAST = 0.4
_TRIAL_SECONDS_PER_CHARACTER = 0.4 / 10_000  # so that no small file can keep `check` busy for long

ALERTS = "alerts"
FORMAT = "format"
ZONE = "zone"
TESTS = "tests"
_NEEDED = ("sources", "destinations", "rules")
TOP_LEVEL = ("sources", PEOPLE, SPACES, "destinations", "rules", "defaults", TESTS)


def load(
    path: Path, environ: Mapping[str, str], missing: list[str] | None = None, *, trial_seconds: float = TRIAL_SECONDS
) -> Configuration:
    """
    Load a rule file, its own templates (`templates/` beside it), and the secrets that it refers to.

    Args:
        environ: What `${VAR}` is looked up in.
        missing: Given one, variables and files that are not there are collected in it and are no problems: nothing can
            be sent by such a configuration, and a destination may be lacking of which more than a secret is unknown.
        trial_seconds: Processor time in which templates are held against sample events, at most; 0 for not at all.

    Raises:
        ConfigurationInvalid: With all problems of the file, its templates and its references.
    """
    text = read_file(path)
    reading = Reading(str(path), text)
    folder = path.parent / TEMPLATES
    files, watched = read_own_templates(folder, reading)
    outside = Outside(environ, path.parent, missing=missing)
    with uncollected():
        loaded = _Loader(reading, outside, files, folder, _trials(text, files, trial_seconds)).build(path)
    return _watching(loaded, (path, *watched, *outside.watched))


def load_text(
    text: str, name: str, environ: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> Configuration:
    """
    Load a text that is no file; `<key>_file` is not read.

    Args:
        name: What problems call it.
        environ: None leaves references unresolved: nothing can be sent by such a configuration.
        files: Own templates by name.

    Raises:
        ConfigurationInvalid: With all problems.
    """
    _check_size(len(text.encode("utf-8", "replace")), name)
    reading = Reading(name, text)
    return _Loader(reading, Outside(environ, None), files or {}, Path(TEMPLATES)).build(None)


def restore(
    text: str, files: Mapping[str, str], environ: Mapping[str, str] | None = None, missing: list[str] | None = None
) -> Configuration:
    """
    Compile an older rule set from the store, for its rules and messages.

    No secret is looked up. Its destinations have the settings that need none, as far as they can be made; they lead
    nowhere, since what is sent today goes where the file of today says.

    Args:
        text: As `Configuration.text` gave it.
        environ: What `${VAR}` is looked up in all the same, to see it as a rule file of today is seen.
        missing: Collects, with `environ`, the variables and files that are not there.

    Raises:
        ConfigurationInvalid: This version cannot read it.
    """
    reading = Reading("an older rule set", text, lenient=True)
    return _Loader(reading, Outside(environ, None, missing=missing), files, Path(TEMPLATES)).build(None)


def rule_file_hash(text: str, files: Mapping[str, str]) -> str:
    """Name a rule set: SHA-256 over the rule file and its own templates, in their order, each with its length."""
    digest = hashlib.sha256(b"spaces-router rule set 1\n")
    for part in (text, *(part for name in sorted(files) for part in (name, files[name]))):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}\n".encode())
        digest.update(encoded)
    return digest.hexdigest()


def read_file(path: Path) -> str:
    """
    Read a rule file, or one of tests.

    Raises:
        ConfigurationInvalid: It is not there, no text, or too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refused(path, "there is no such file; name the rule file, or copy rules.example.yaml here") from None
    except IsADirectoryError:
        raise _refused(path, "this is a folder; expected a rule file, such as rules.yaml in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise _refused(path, f"the file cannot be read: {reason}") from None
    _check_size(len(content), str(path))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        line, column = position(before, len(before))
        reading = Reading(str(path), content.decode("utf-8", "replace"))
        reading.error(Place(line, column), "the file is not UTF-8 text here; save it as UTF-8")
        raise ConfigurationInvalid(reading.problems()) from None


def _trials(text: str, files: Mapping[str, str], most: float) -> Trials:
    """Give templates the more time the more there is of them."""
    characters = len(text) + sum(map(len, files.values()))
    return Trials(min(most, _TRIAL_SECONDS_AT_LEAST + characters * _TRIAL_SECONDS_PER_CHARACTER))


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise _refused(name, "the file is larger than 1 MiB; split it, or move texts into templates")


def _refused(name: Path | str, message: str) -> ConfigurationInvalid:
    reading = Reading(str(name), "")
    reading.error(Place(1, 1), message)
    return ConfigurationInvalid(reading.problems())


def _watching(loaded: Configuration, watched: tuple[Path, ...]) -> Configuration:
    return replace(loaded, watched=tuple(dict.fromkeys(watched)))


class DefaultFormat(Model):
    """What `defaults.format` may be: that of all destinations which say nothing of their own."""

    format: Format


class _Loader:
    """One pass over one text, from its tree to the compiled rule set."""

    def __init__(
        self, reading: Reading, outside: Outside, files: Mapping[str, str], folder: Path, trials: Trials | None = None
    ) -> None:
        self._trials = trials or Trials(0)
        self._reading = reading
        self._outside = outside
        self._files = files
        self._folder = folder

    def build(self, path: Path | None) -> Configuration:
        top = self._top_level()
        defaults = self._defaults(top.entries.get("defaults"))
        sources = self._sources(top)
        types = read_destinations(
            top.entries.get("destinations"), defaults.get("destinations"), self._reading, self._outside
        )
        zone = read_zone(self._default(top, ZONE), self._reading)
        names = Names(kinds_by_source(top.entries.get("sources")), types.by_name, Expressions(zone))
        rules = read_rules(top.entries.get("rules"), defaults.get("rules"), names, self._reading)
        alerts = read_alerts(self._default(top, ALERTS), types, self._reading)
        known = Known(names.sources, types.by_name, [read.name for read in rules])
        tests = read_tests(top.entries.get(TESTS), known, self._reading) if not self._reading.lenient else ()
        trees = read_block_files(self._files, self._folder, self._reading)
        structures = {name: plain(tree) for name, tree in trees.items()}
        renderer = Renderer(self._files, structures, zone)
        if not self._reading.lenient:
            self._check(
                top,
                types,
                rules,
                renderer,
                TemplateNotes(renderer.inspection, self._files, trees, self._folder, self._reading),
            )
        problems = self._reading.problems()
        if self._reading.has_errors and not (self._reading.lenient and all(read.rule for read in rules)):
            raise ConfigurationInvalid(problems)
        return Configuration(
            path=path,
            hash=rule_file_hash(self._reading.text, self._files),
            text=masked_text(self._reading.text, top),
            files=dict(self._files),
            sources=sources,
            destinations=types.built,
            rules=RuleSet([read.rule for read in rules if read.rule is not None]),
            specs={read.name: read.spec for read in rules},
            retries={read.name: read.retry for read in rules if read.retry is not None},
            renderer=renderer,
            alerts=alerts,
            tests=tests,
            warnings=problems if not self._reading.lenient else (),
            untried=self._trials.left_out,
        )

    def _sources(self, top: MapNode) -> dict[str, Source]:
        """Read the sources, and the names at the top of the file that belong to the only one."""
        sources = read_sources(top.entries.get("sources"), self._reading, self._outside)
        given = read_given(top.entries.get(PEOPLE), top.entries.get(SPACES), self._reading, of_source=False)
        check_single(top, len(kinds_by_source(top.entries.get("sources"))), self._reading)
        if len(sources) == 1:
            ((name, source),) = sources.items()
            sources[name] = source.model_copy(update={"given": joined(source.given, given)})
        return sources

    def _top_level(self) -> MapNode:
        """Read the tree and check its keys."""
        tree, troubles = read_yaml(self._reading.text)
        self._reading.tree = tree
        sections = Sections(LINE_BREAK.split(self._reading.text))
        for trouble in troubles[: MAX_PROBLEMS + 1]:
            own = sections.is_own(trouble.place.line)
            self._reading.error(trouble.place, trouble.message if own else trouble.discreet)
        if not isinstance(tree, MapNode):
            if tree is not None:
                self._reading.error(Place(1, 1), f"the file is {kind_of(tree)}; {_WHOLE}")
            raise ConfigurationInvalid(self._reading.problems())
        for key, entry in tree.entries.items():
            if key not in TOP_LEVEL:
                guess = did_you_mean(key, TOP_LEVEL)
                self._reading.error(entry, f"unknown key {named(key)}; expected one of: {listed(TOP_LEVEL)}{guess}")
        self._miss(tree)
        return tree

    def _miss(self, tree: MapNode) -> None:
        examples = (source_section.EXAMPLE, destination_section.EXAMPLE, rule_section.EXAMPLE)
        meant = {nearest(key, TOP_LEVEL) for key in tree.entries}  # a misspelt key is told of already
        for key, example in zip(_NEEDED, examples, strict=True):
            if key not in tree.entries and key not in meant:
                self._reading.error(Place(1, 1), f"the file has no {key}; expected at least one, such as {example}")

    def _defaults(self, entry: Entry | None) -> dict[str, MapNode]:
        """Read what stands beneath all destinations and all rules."""
        if entry is None:
            return {}
        if not isinstance(entry.value, MapNode):
            self._reading.error(
                entry, f"defaults is {kind_of(entry.value)}; expected alerts, format, zone, destinations or rules in it"
            )
            return {}
        found = {}
        sections: dict[str, tuple[type[BaseModel], tuple[str, ...]]] = {
            "destinations": (Destination, COMMON_KEYS),
            "rules": (RuleDefaults, RULE_DEFAULTS),
        }
        for key, each in entry.value.entries.items():
            if key in {ALERTS, FORMAT, ZONE}:
                continue  # alerts are read once the destinations are known, the format stands beneath them
            if key in LATER["defaults"]:
                self._reading.error(each, f"defaults: {not_yet(key)}")
            elif key not in sections:
                known = (ALERTS, FORMAT, ZONE, *sections)
                guess = did_you_mean(key, known)
                self._reading.error(each, f"unknown key {named(key)}; expected one of: {listed(known)}{guess}")
            elif not isinstance(each.value, MapNode):
                expected = f"expected keys that all {key} share: {listed(sections[key][1])}"
                self._reading.error(each, f"defaults.{key} is {kind_of(each.value)}; {expected}")
            else:
                node = literal(each.value, self._reading)
                assert isinstance(node, MapNode)  # noqa: S101 - a map stays one
                later = LATER["destination" if key == "destinations" else "rule"]
                section = Section(f"defaults.{key}", later, public=key == "rules")
                fit(sections[key][0], node, each, section, self._reading)
                found[key] = node
        shared = entry.value.entries.get(FORMAT)
        if shared is not None and self._is_format(shared):
            beneath = found.get("destinations", MapNode(shared.place))
            found["destinations"] = MapNode(beneath.place, {FORMAT: shared, **beneath.entries})
        return found

    def _is_format(self, entry: Entry) -> bool:
        node = MapNode(entry.place, {FORMAT: Entry(FORMAT, entry.place, literal(entry.value, self._reading))})
        return fit(DefaultFormat, node, entry, Section("defaults", public=True), self._reading) is not None

    def _default(self, top: MapNode, key: str) -> Entry | None:
        defaults = top.entries.get("defaults")
        below = defaults.value if defaults is not None else None
        return below.entries.get(key) if isinstance(below, MapNode) else None

    def _check(
        self, top: MapNode, types: Types, rules: list[ReadRule], renderer: Renderer, notes: TemplateNotes
    ) -> None:
        """What needs the parts together: templates per type of destination, and the warnings."""
        sights = Sights()
        self._check_templates(types, rules, sights, renderer, notes)
        check_fallbacks(types, self._reading)
        judged = Judged(outside=self._outside.is_complete, trials=self._trials.are_complete)
        lint(
            Parts(top, types, rules, self._default(top, ALERTS), self._files, self._folder),
            sights,
            judged,
            self._reading,
        )

    def _check_templates(
        self, types: Types, rules: list[ReadRule], sights: Sights, renderer: Renderer, notes: TemplateNotes
    ) -> None:
        """Look at all templates as they are written, then at those without faults as events would find them."""
        checks = TemplateChecks(renderer.inspection, notes, self._reading)
        trials = TemplateTrials(renderer, notes, sights, self._trials)
        checks.own_files()
        for rule in rules:
            trials.rule(rule, checks.rule(rule, types))
        for name, destination in types.built.items():
            own = checks.destination(destination, types.nodes[name])
            if own is not None:
                trials.destination(reader_of(name, destination), own, types.nodes[name])


_WHOLE = "expected a map with the keys sources, destinations and rules"
