"""From an event's namespace to a message: which template speaks, in which markup, and what to say when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from functools import partial
from typing import Any

from router.errors import RenderFailure
from router.events import Markup, Message
from router.messages.blocks import LONGEST_SLACK_TEXT, fit_blocks
from router.messages.context import CHANGES, FIXED_WORDS, plain_summary
from router.messages.environment import TemplateEnvironment, TemplateReader
from router.messages.escaping import ESCAPINGS, Escaping, cut_slack, html_of_text, one_line
from router.messages.failures import failure_sentence
from router.messages.html import to_text
from router.messages.inspection import Inspection
from router.messages.library import Library
from router.messages.limits import LONGEST_TEXT, Budget, TemplateRefused, check_value
from router.messages.operators import plain_value
from router.messages.spec import TEXT_FOLDER, MessageSpec, Style
from router.messages.structures import Path, fill_structure, plain_path, quote_all, single_expression
from router.payload import JSON, dump_json
from router.sources import KINDS

Namespace = Mapping[str, JSON]

_Compiled = tuple[Callable[[Namespace], Any], bool]
"""What makes a text of a namespace; or, where it is a single expression, a value."""

FIRST_WORDS = (
    frozenset(FIXED_WORDS)
    | {CHANGES, "rule", "destination", "alert"}
    | frozenset().union(*(k.models for k in KINDS.values()))
)
"""Names that a template may begin with, whatever the source; what an event does not have prints as nothing."""

_MOST_COMPILED = 5_000


class Renderer:
    """
    Renders the messages of one rule set. Templates are compiled once; there is one rendering at a time.

    Args:
        own_templates: Text by file name, such as `slack/page.j2` or `my-note.j2`.
        zone: Where the times of messages are read.

    Attributes:
        inspection: Says what is wrong in the templates of this rule set.
    """

    def __init__(self, own_templates: Mapping[str, str] | None = None, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._library = Library(own_templates or {})
        self._reader = TemplateReader(FIRST_WORDS, self._library.has)
        self.inspection = Inspection(self._library, self._reader)
        self._budget = Budget()
        self._quote: Callable[[str], str] = str
        self._environments = {markup: self._environment(ESCAPINGS[markup], markup) for markup in Markup}
        self._filling = self._environment(Escaping(self._quoted, str), Markup.TEXT)
        self._compiled: dict[tuple[int, str | Path, str], _Compiled] = {}
        self._chosen: dict[tuple[str, str], str] = {}

    def _environment(self, escaping: Escaping, markup: Markup) -> TemplateEnvironment:
        return TemplateEnvironment(escaping, self._included, self._budget, markup, self._zone)

    def _quoted(self, text: str) -> str:
        return self._quote(text)

    def _included(self, name: str) -> str | None:
        """Give the text of a template that another one includes; it was checked with the rule file, and is again."""
        text = self._library.text(name)
        faults = self._reader.faults(text) if text is not None else []
        if faults:
            raise TemplateRefused(f"the template {name} is faulty at line {faults[0].line}: {faults[0].sentence}")
        return text

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
            name = self._library.named(spec.template, style)
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
            name = self._library.named(spec.template, style)
            if name is None:
                raise RenderFailure(f"no template is named '{spec.template}' in {style.folder}/ or beside it")
            if not name.startswith(f"{style.folder}/"):
                return _in_both_forms(self._file(Markup.TEXT, name, namespace), subject)
            twin = self._library.text_twin(name, style)
        else:
            name, twin = self._built_in(style.folder, namespace), self._built_in(TEXT_FOLDER, namespace)
        html = self._file(Markup.HTML, name, namespace).strip()
        text = self._file(Markup.TEXT, twin, namespace).strip() if html and twin else ""
        return Message(text=text or to_text(html), subject=subject, html=html)

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
