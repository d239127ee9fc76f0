"""Fields that templates ask for and that no event has: mostly misspelt, and nothing is printed in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.documented import unknown_field
from router.events import Markup
from router.messages.dialect import included_names
from router.messages.environment import TemplateReader
from router.messages.library import STRUCTURE_SUFFIX, Library
from router.messages.problems import TemplateProblem
from router.messages.spec import TEXT_FOLDER, MessageSpec, Style
from router.messages.structures import Path, leaves
from router.messages.used_fields import columns, names_given, used_fields

UNKNOWN_FIELD = "unknown-field"
_MOST_REMEMBERED = 5_000

_Unknown = tuple[int, int | None, int, str]
"""Line, column, width, and what to say."""

_Taken = frozenset[str]
"""Words of an event to which an including template gives another meaning."""


class FieldInspection:
    """Looks through the templates of one rule set that have no faults, as events of Spaces would find them."""

    def __init__(self, library: Library, reader: TemplateReader) -> None:
        self._library = library
        self._reader = reader
        self._read: dict[tuple[str, _Taken], tuple[_Unknown, ...]] = {}

    def problems(
        self, texts: Iterable[tuple[Path, str]], spec: MessageSpec, style: Style, events: Iterable[str]
    ) -> list[TemplateProblem]:
        """
        List the unknown fields in the templates of a rule.

        Args:
            texts: Those that stand in the rule, with their paths.
            events: Names of those that the rule can see; they choose files.
        """
        found = [problem for path, text in texts for problem in self.text_problems(text, path)]
        seen: set[tuple[str, _Taken]] = set()
        for name in self.own_files(spec, style, events):
            found += self._file_problems(name, frozenset(), seen)
        return list(dict.fromkeys(found))

    def text_problems(self, text: str, path: Path) -> list[TemplateProblem]:
        """List the unknown fields in one text of the rule file that is a template, and in what it includes."""
        return list(self._problems(text, path, None, frozenset(), set()))

    def own_files(self, spec: MessageSpec, style: Style, events: Iterable[str]) -> list[str]:
        """List the rule file's own templates that a rendering would begin with; see `Renderer.render`."""
        names: list[str | None] = []
        is_mail = style.markup is Markup.HTML
        if spec.message is not None:
            return []
        if spec.template is not None:
            name = self._library.named(spec.template, style, spec.format or style.format)
            names = [name, self._library.text_twin(name, style) if name else None]
        elif is_mail or not (style.forwards_as_is or (spec.blocks is not None and style.markup is Markup.SLACK)):
            folders = (style.folder, TEXT_FOLDER) if is_mail else (style.folder,)
            wanted = spec.format or style.format
            names = [self._library.for_event(folder, event, wanted) for event in events for folder in folders]
        return [name for name in dict.fromkeys(names) if name in self._library.own and name is not None]

    def _file_problems(self, name: str, taken: _Taken, seen: set[tuple[str, _Taken]]) -> Iterator[TemplateProblem]:
        if (name, taken) in seen or name not in self._library.own:
            return
        seen.add((name, taken))
        if name.endswith(STRUCTURE_SUFFIX):
            for path, text in leaves(self._library.structure(name), ()):
                yield from self._problems(text, path, name, taken, seen)
        else:
            yield from self._problems(self._library.own[name], ("template",), name, taken, seen)

    def _problems(
        self, text: str, path: Path, name: str | None, taken: _Taken, seen: set[tuple[str, _Taken]]
    ) -> Iterator[TemplateProblem]:
        if self._reader.faults(text):
            return  # told already
        tree = self._reader.parse(text)
        for line, column, width, sentence in self._unknown(text, taken):
            yield TemplateProblem(path, line, column, sentence, name, UNKNOWN_FIELD, width)
        for included, _, _ in included_names(tree):
            yield from self._file_problems(included, taken | (names_given(tree) & self._reader.first_words), seen)

    def _unknown(self, text: str, taken: _Taken) -> tuple[_Unknown, ...]:
        key = (text, taken)
        found = self._read.get(key)
        if found is None:
            fields = used_fields(self._reader.parse(text), self._reader.first_words)
            found = tuple(
                (field.line, column, len(str(field.path[-1])), sentence)
                for field in fields
                if field.path[0] not in taken and (sentence := unknown_field(field.path, in_template=True)) is not None
                for column in columns(field, text) or (None,)
            )
            if len(self._read) >= _MOST_REMEMBERED:
                self._read.clear()
            self._read[key] = found
        return found
