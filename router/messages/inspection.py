"""What is wrong in templates, found before anything is rendered."""

from __future__ import annotations

import re
from functools import cached_property

from router.messages.dialect import Fault, did_you_mean, included_names
from router.messages.environment import TemplateReader
from router.messages.field_inspection import FieldInspection
from router.messages.library import STRUCTURE_SUFFIX, Library
from router.messages.limits import DEEPEST_CALL
from router.messages.problems import TemplatePlace, TemplateProblem
from router.messages.spec import MessageSpec, Style
from router.messages.structures import Path, leaves


class Inspection:
    """
    Looks through the templates of one rule set.

    Attributes:
        fields: Looks for fields that no event has.
    """

    def __init__(self, library: Library, reader: TemplateReader) -> None:
        self._library = library
        self._reader = reader
        self.fields = FieldInspection(library, reader)

    def problems(self, spec: MessageSpec, style: Style) -> list[TemplateProblem]:
        """List what is wrong in the templates that a rule gives, and in the files that it leads to."""
        found = []
        for path, text in self.texts(spec):
            found += self.text_problems(text, path)
        if spec.blocks is not None and not isinstance(spec.blocks, list):
            found.append(TemplateProblem(("blocks",), 1, None, "blocks must be a list of Slack's blocks"))
        if spec.template is not None:
            found += self._named_problems(spec.template, spec, style)
        elif not (spec.message or spec.blocks or spec.has_body or style.forwards_as_is):
            for name in sorted(self._library.own):
                if name.startswith(tuple(f"{folder}/" for folder in style.folders)):
                    found += self.file_problems(name)
        return list(dict.fromkeys(found))

    def text_problems(self, text: str, path: Path) -> list[TemplateProblem]:
        """List what is wrong in one text of the rule file that is a template."""
        found = [_problem(fault, text, path, None) for fault in self._reader.faults(text)]
        return found or self._included_problems(text, path, None, (), set())

    def file_problems(self, name: str, path: Path = ("template",)) -> list[TemplateProblem]:
        """List what is wrong in a template file, and in those that it includes."""
        return self._file_problems(name, path, (), set())

    def own_problems(self) -> list[TemplateProblem]:
        """List what is wrong in any of the rule file's own templates, used or not."""
        found = [problem for name in sorted(self._library.own) for problem in self.file_problems(name)]
        return list(dict.fromkeys(found))

    def texts(self, spec: MessageSpec) -> list[tuple[Path, str]]:
        """List the templates that stand in a rule itself, with the path to each."""
        texts: list[tuple[Path, str]] = []
        if spec.message is not None:
            texts.append((("message",), spec.message))
        if spec.subject is not None:
            texts.append((("subject",), spec.subject))
        texts += leaves(spec.blocks, ("blocks",))
        texts += leaves(spec.body, ("body",)) if spec.has_body else []
        return texts

    @property
    def has_own_files(self) -> bool:
        """Whether there are templates beside the rule file."""
        return bool(self._library.own)

    def is_readable(self, name: str) -> bool:
        """Whether a template file is a text, or a structure that could be read."""
        return not name.endswith(STRUCTURE_SUFFIX) or self._library.structure(name) is not None

    def places(self, spec: MessageSpec) -> dict[str, TemplatePlace]:
        """
        List where a rendering may fail: path and template file, by what `Renderer` calls the place in its failures.

        The first is the one to name where a failure tells none of them.
        """
        texts = self.texts(spec) or [(("template",), "")]
        found = {".".join(map(str, path)): TemplatePlace(path, None, text) for path, text in texts}
        found |= {str(path[0]): TemplatePlace(path[:1], None) for path, _ in texts if len(path) > 1}
        return found | self._places_in_files

    @cached_property
    def _places_in_files(self) -> dict[str, TemplatePlace]:
        found = {}
        for name, file in self._library.own.items():
            found[name] = TemplatePlace(("template",), name, file)
            if name.endswith(STRUCTURE_SUFFIX):
                texts = [(("text",), ""), (("blocks",), ""), *leaves(self._library.structure(name), ())]
                for path, text in texts:
                    found[f"{name}: {'.'.join(map(str, path))}"] = TemplatePlace(path, name, text)
        return found

    def _named_problems(self, wanted: str, spec: MessageSpec, style: Style) -> list[TemplateProblem]:
        name = self._library.named(wanted, style, spec.format or style.format)
        if name is not None:
            twin = self._library.text_twin(name, style)
            return self.file_problems(name) + (self.file_problems(twin) if twin else [])
        names = self._library.short_names(style)
        sentence = (
            f"no template is named '{wanted}' in {style.folder}/ or beside it; there are: {', '.join(names)}"
            f"{did_you_mean(wanted, names)}"
        )
        return [TemplateProblem(("template",), 1, None, sentence)]

    def _file_problems(self, name: str, path: Path, within: tuple[str, ...], seen: set[str]) -> list[TemplateProblem]:
        text = self._library.text(name)
        if text is None or name in seen:
            return []
        seen.add(name)
        if name.endswith(STRUCTURE_SUFFIX):
            return self._structure_problems(name, seen)
        found = [_problem(fault, text, path, name) for fault in self._reader.faults(text)]
        return found or self._included_problems(text, path, name, (*within, name), seen)

    def _structure_problems(self, name: str, seen: set[str]) -> list[TemplateProblem]:
        """Look through the texts of a file of blocks; one that cannot be read is told of by whoever reads it."""
        found = []
        for path, text in leaves(self._library.structure(name), ()):
            faults = [_problem(fault, text, path, name) for fault in self._reader.faults(text)]
            found += faults or self._included_problems(text, path, name, (name,), seen)
        return found

    def _included_problems(
        self, text: str, path: Path, name: str | None, within: tuple[str, ...], seen: set[str]
    ) -> list[TemplateProblem]:
        """
        Follow includes and imports; none may lead back to a template that is being rendered.

        Args:
            within: The files on the way from the rule to this text.
            seen: Files that need no second look.
        """
        found = []
        for included, line, _ in included_names(self._reader.parse(text)):
            if included in within:
                circle = " → ".join((*within[within.index(included) :], included))
                found.append(
                    TemplateProblem(path, line, None, f"templates include each other in a circle: {circle}", name)
                )
            elif len(within) > DEEPEST_CALL:
                found.append(TemplateProblem(path, line, None, "templates include each other too deeply", name))
            else:
                found += self._file_problems(included, path, within, seen)
        return found


def _problem(fault: Fault, text: str, path: Path, template: str | None) -> TemplateProblem:
    return TemplateProblem(path, fault.line, _column(fault, text), fault.sentence, template)


def _column(fault: Fault, text: str) -> int | None:
    """Find the word that a fault is about in its line. Jinja knows lines only."""
    lines = text.splitlines()
    if not fault.word or fault.line > len(lines):
        return None
    match = re.search(rf"(?<!\w){re.escape(fault.word)}(?!\w)", lines[fault.line - 1])
    return match.start() + 1 if match else None
