"""From an event's namespace to a message: which template speaks, in which markup, and what to say when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.blocks import LONGEST_SLACK_TEXT, fit_blocks
from router.messages.context import FIXED_WORDS, plain_summary
from router.messages.dialect import Fault, did_you_mean, included_names
from router.messages.environment import TemplateEnvironment, TemplateReader
from router.messages.escaping import ESCAPINGS, Escaping, cut_slack, html_of_text, one_line
from router.messages.failures import failure_sentence
from router.messages.html import to_text
from router.messages.library import Library
from router.messages.limits import DEEPEST_CALL, LONGEST_TEXT, Budget, TemplateRefused, check_value
from router.messages.operators import plain_value
from router.messages.structures import fill_structure, leaves, plain_path, quote_all, single_expression
from router.payload import JSON, dump_json
from router.sources import KINDS

Path = tuple[str | int, ...]
Namespace = Mapping[str, JSON]

_Compiled = tuple[Callable[[Namespace], Any], bool]
"""What makes a text of a namespace; or, where it is a single expression, a value."""

FIRST_WORDS = frozenset(FIXED_WORDS) | {"rule", "destination"} | frozenset().union(*(k.models for k in KINDS.values()))
"""Names that a template may begin with, whatever the source; what an event does not have prints as nothing."""

TEXT_FOLDER = "text"
"""Of templates for plain text, and so for the text part of a mail."""

_MOST_COMPILED = 5_000


@dataclass(frozen=True)
class MessageSpec:
    """
    What a rule says about its message. At most one of `message`, `template`, `blocks` and `body` is set.

    Attributes:
        message: Text of a template.
        template: Name of a template file, without `.j2`.
        subject: Text of a template, for destinations that know subjects; with `blocks`, what notifications show.
        blocks: Slack's Block Kit blocks, their texts templates.
        body: JSON for `http` destinations, its texts templates; it is set where `has_body`, as null is a body too.
    """

    message: str | None = None
    template: str | None = None
    subject: str | None = None
    blocks: JSON = None
    body: JSON = None
    has_body: bool = False


@dataclass(frozen=True)
class Style:
    """
    How a destination's type wants its messages.

    Attributes:
        folder: Of `templates/`, for its built-in and named templates.
        forwards_as_is: An event goes out as it came where the rule gives no message.
    """

    markup: Markup
    folder: str
    forwards_as_is: bool


@dataclass(frozen=True)
class TemplateProblem:
    """
    Something to mend in a template.

    Attributes:
        path: Keys from the rule to the text: `("message",)`, `("body", "title")`.
        line, column: Within that text, or in the template file; from 1. The column is None where it is not known.
        template: Name of the template file that holds it, or None where the text stands in the rule.
    """

    path: Path
    line: int
    column: int | None
    sentence: str
    template: str | None = None


class Renderer:
    """
    Renders the messages of one rule set. Templates are compiled once; there is one rendering at a time.

    Args:
        own_templates: Text by file name, such as `slack/page.j2` or `my-note.j2`.
    """

    def __init__(self, own_templates: Mapping[str, str] | None = None) -> None:
        self._library = Library(own_templates or {})
        self._reader = TemplateReader(FIRST_WORDS, self._library.has)
        self._budget = Budget()
        self._quote: Callable[[str], str] = str
        self._environments = {markup: self._environment(ESCAPINGS[markup], markup) for markup in Markup}
        self._filling = self._environment(Escaping(self._quoted, str), Markup.TEXT)
        self._compiled: dict[tuple[int, str | Path, str], _Compiled] = {}
        self._chosen: dict[tuple[str, str], str] = {}

    def _environment(self, escaping: Escaping, markup: Markup) -> TemplateEnvironment:
        return TemplateEnvironment(escaping, self._included, self._budget, markup)

    def _quoted(self, text: str) -> str:
        return self._quote(text)

    def _included(self, name: str) -> str | None:
        """Give the text of a template that another one includes; it was checked with the rule file, and is again."""
        text = self._library.text(name)
        faults = self._reader.faults(text) if text is not None else []
        if faults:
            raise TemplateRefused(f"the template {name} is faulty at line {faults[0].line}: {faults[0].sentence}")
        return text

    # What is wrong, before anything is rendered.

    def problems(self, spec: MessageSpec, style: Style) -> list[TemplateProblem]:
        """List what is wrong in the templates that a rule gives, and in the files that it leads to."""
        found = []
        for path, text in self._texts(spec):
            found += self.text_problems(text, path)
        if spec.blocks is not None and not isinstance(spec.blocks, list):
            found.append(TemplateProblem(("blocks",), 1, None, "blocks must be a list of Slack's blocks"))
        if spec.template is not None:
            found += self._named_problems(spec.template, style)
        elif not (spec.message or spec.blocks or spec.has_body or style.forwards_as_is):
            for name in sorted(self._library.own):
                if name.startswith(tuple(f"{folder}/" for folder in _folders(style))):
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

    def _texts(self, spec: MessageSpec) -> list[tuple[Path, str]]:
        texts: list[tuple[Path, str]] = []
        if spec.message is not None:
            texts.append((("message",), spec.message))
        if spec.subject is not None:
            texts.append((("subject",), spec.subject))
        texts += leaves(spec.blocks, ("blocks",))
        texts += leaves(spec.body, ("body",)) if spec.has_body else []
        return texts

    def _named_problems(self, wanted: str, style: Style) -> list[TemplateProblem]:
        name = self._named(wanted, style)
        if name is not None:
            twin = self._text_twin(name, style)
            return self.file_problems(name) + (self.file_problems(twin) if twin else [])
        names = sorted({name for folder in _folders(style) for name in self._library.short_names(folder)})
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
        found = [_problem(fault, text, path, name) for fault in self._reader.faults(text)]
        return found or self._included_problems(text, path, name, (*within, name), seen)

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

    # Rendering.

    def render(self, spec: MessageSpec, style: Style, namespace: Namespace) -> Message:
        """
        Write the message of an event.

        Args:
            namespace: From `build_namespace`, with `rule` and `destination` added by whoever knows them.

        Raises:
            RenderFailure: A template failed; the sentence says which, where and why.
        """
        self._budget.start()
        subject = self._subject(spec, style, namespace)
        if style.markup is Markup.HTML:
            return self._mail(spec, style, subject or plain_summary(namespace), namespace)
        if spec.message is not None:
            return self._written(self._text(style.markup, spec.message, "message", namespace), subject, style)
        if spec.template is not None:
            name = self._named(spec.template, style)
            if name is None:
                raise RenderFailure(f"no template is named '{spec.template}' in {style.folder}/ or beside it")
            return self._written(self._file(style.markup, name, namespace), subject, style)
        if spec.blocks is not None and style.markup is Markup.SLACK:
            return self._blocks(spec, subject, namespace)
        if style.forwards_as_is:
            return Message(body=self._body(spec, namespace), has_body=True) if spec.has_body else Message(forward=True)
        return self._written(
            self._file(style.markup, self._built_in(style.folder, namespace), namespace), subject, style
        )

    def _mail(self, spec: MessageSpec, style: Style, subject: str, namespace: Namespace) -> Message:
        """Write both parts of a mail: HTML, and the text for who reads without. A text alone gives both."""
        if spec.message is not None:
            return _in_both_forms(self._text(Markup.TEXT, spec.message, "message", namespace), subject)
        if spec.template is not None:
            name = self._named(spec.template, style)
            if name is None:
                raise RenderFailure(f"no template is named '{spec.template}' in {style.folder}/ or beside it")
            if not name.startswith(f"{style.folder}/"):
                return _in_both_forms(self._file(Markup.TEXT, name, namespace), subject)
            twin = self._text_twin(name, style)
        else:
            name, twin = self._built_in(style.folder, namespace), self._built_in(TEXT_FOLDER, namespace)
        html = self._file(Markup.HTML, name, namespace).strip()
        text = self._file(Markup.TEXT, twin, namespace).strip() if html and twin else ""
        return Message(text=text or to_text(html), subject=subject, html=html)

    def _named(self, wanted: str, style: Style) -> str | None:
        found = (self._library.named(folder, wanted) for folder in _folders(style))
        return next((name for name in found if name is not None), None)

    def _text_twin(self, name: str, style: Style) -> str | None:
        """Find the template of the text part beside one of the HTML part: the same name in the folder of texts."""
        twin = name.replace(f"{style.folder}/", f"{TEXT_FOLDER}/", 1)
        return twin if style.markup is Markup.HTML and twin != name and self._library.has(twin) else None

    def fill(self, template_text: str, namespace: Namespace, quote: Callable[[str], str]) -> str:
        """
        Fill in a setting of a destination, such as the path of a URL.

        Args:
            quote: Applied to every inserted value.

        Raises:
            RenderFailure: The template failed.
        """
        self._budget.start()
        self._quote = quote
        return str(self._rendered(self._filling, template_text, template_text[:80], namespace))

    def _written(self, text: str, subject: str, style: Style) -> Message:
        text = text.strip()
        return Message(
            text=cut_slack(text, LONGEST_SLACK_TEXT) if style.markup is Markup.SLACK else text, subject=subject
        )

    def _subject(self, spec: MessageSpec, style: Style, namespace: Namespace) -> str:
        if spec.subject is None:
            return ""
        # The subject of a mail is a header, and no HTML.
        markup = Markup.TEXT if style.markup is Markup.HTML else style.markup
        return one_line(self._text(markup, spec.subject, "subject", namespace))

    def _built_in(self, folder: str, namespace: Namespace) -> str:
        """Name the template that speaks of this event."""
        event_name = namespace["event"]["name"]
        name = self._chosen.get((folder, event_name))
        if name is None:
            try:
                name = self._library.for_event(folder, event_name)
            except KeyError:
                raise RenderFailure(f"there are no built-in templates for {folder}; give a message") from None
            if len(self._chosen) >= _MOST_COMPILED:  # senders choose the names of events
                self._chosen.clear()
            self._chosen[folder, event_name] = name
        return name

    def _file(self, markup: Markup, name: str, namespace: Namespace) -> str:
        return str(self._rendered(self._environments[markup], self._library.text(name) or "", name, namespace))

    def _text(self, markup: Markup, text: str, key: str, namespace: Namespace) -> str:
        return str(self._rendered(self._environments[markup], text, key, namespace))

    def _body(self, spec: MessageSpec, namespace: Namespace) -> JSON:
        def fill(text: str, path: Path, _escaped: bool) -> JSON:
            return self._rendered(self._environments[Markup.TEXT], text, path, namespace, typed=True)

        return self._structure(spec.body, "body", fill)

    def _blocks(self, spec: MessageSpec, subject: str, namespace: Namespace) -> Message:
        quote = ESCAPINGS[Markup.SLACK].quote

        def fill(text: str, path: Path, escaped: bool) -> JSON:
            markup = Markup.SLACK if escaped else Markup.TEXT
            value = self._rendered(self._environments[markup], text, path, namespace, typed=True)
            # A list or mapping of the body may hold text objects, so all of its texts are escaped.
            return value if isinstance(value, str) else quote_all(value, quote)

        blocks = self._structure(spec.blocks, "blocks", fill)
        try:
            fitted = fit_blocks(blocks)
        except TemplateRefused as error:
            raise RenderFailure(f"blocks: {error}") from None
        return Message(text=subject or quote(plain_summary(namespace)), subject=subject, blocks=fitted)

    def _structure(self, structure: JSON, key: str, fill: Callable[[str, Path, bool], JSON]) -> JSON:
        try:
            filled = fill_structure(structure, (key,), fill)
        except TemplateRefused as error:
            raise RenderFailure(f"{key}: {error}") from None
        if len(dump_json(filled)) > LONGEST_TEXT:
            raise RenderFailure(f"{key}: the message is longer than {LONGEST_TEXT // 1024} KiB")
        return filled

    def _rendered(
        self, environment: TemplateEnvironment, text: str, place: str | Path, namespace: Namespace, typed: bool = False
    ) -> Any:
        """The text of a template; or, where `typed` and it is a single expression, the expression's JSON value."""
        try:
            compiled, is_expression = self._compile(environment, text, place, typed)
            value = compiled(namespace)
            if not is_expression:
                return value
            if isinstance(value, str):
                return str(environment.bench.escaping.finish(value))
            check_value(value, self._budget)
            return plain_value(environment.bench, value)
        except RenderFailure:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a template runs into is a fault of the template
            raise RenderFailure(failure_sentence(error, _told(place))) from None

    def _compile(self, environment: TemplateEnvironment, text: str, place: str | Path, typed: bool) -> _Compiled:
        key = (id(environment), place, text) if not typed else (-id(environment), place, text)
        known = self._compiled.get(key)
        if known is not None:
            return known
        faults = self._reader.faults(text)
        if faults:
            raise RenderFailure(f"{_told(place)}, line {faults[0].line}: {faults[0].sentence}")
        expression = single_expression(self._reader.parse(text)) if typed else None
        if expression is None:
            known = partial(environment.render, environment.compile_text(text, _told(place))), False
        elif (words := plain_path(expression)) and words[0] in FIRST_WORDS:
            known = partial(environment.follow, words), True
        else:
            known = partial(environment.evaluate, environment.compile_expression_tree(expression, _told(place))), True
        if len(self._compiled) >= _MOST_COMPILED:
            self._compiled.clear()
        self._compiled[key] = known
        return known


def _told(place: str | Path) -> str:
    """Name a place for a person: a key of the rule or a template file as it is, a path as `body.title`."""
    return place if isinstance(place, str) else ".".join(map(str, place))


def _in_both_forms(text: str, subject: str) -> Message:
    text = text.strip()
    return Message(text=text, subject=subject, html=html_of_text(text))


def _folders(style: Style) -> tuple[str, ...]:
    """Where the templates lie: a mail has a part of HTML and one of text."""
    return (style.folder, TEXT_FOLDER) if style.markup is Markup.HTML else (style.folder,)


def _problem(fault: Fault, text: str, path: Path, template: str | None) -> TemplateProblem:
    return TemplateProblem(path, fault.line, _column(fault, text), fault.sentence, template)


def _column(fault: Fault, text: str) -> int | None:
    """Find the word that a fault is about in its line. Jinja knows lines only."""
    lines = text.splitlines()
    if not fault.word or fault.line > len(lines):
        return None
    match = re.search(rf"(?<!\w){re.escape(fault.word)}(?!\w)", lines[fault.line - 1])
    return match.start() + 1 if match else None
