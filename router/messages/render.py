"""From an event's namespace to a message: which template speaks, in which markup, and what to say when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from functools import partial
from typing import Any

from router.errors import RenderFailure
from router.events import Format, Markup, Message
from router.messages.blocks import LONGEST_SLACK_TEXT, fit_blocks
from router.messages.context import CHANGES, FIXED_WORDS, plain_summary
from router.messages.dialect import Fault
from router.messages.environment import TemplateEnvironment, TemplateReader
from router.messages.escaping import ESCAPINGS, Escaping, cut_slack, escape_slack, html_of_text, slack_link
from router.messages.failures import failure_sentence
from router.messages.html import to_text
from router.messages.inspection import Inspection
from router.messages.library import STRUCTURE_SUFFIX, Library, is_built_in
from router.messages.limits import LONGEST_TEXT, Budget, TemplateRefused, check_value
from router.messages.operators import plain_value
from router.messages.spec import TEXT_FOLDER, MessageSpec, Style
from router.messages.structures import Path, Reader, fill_structure, plain_path, quote_all, single_expression
from router.messages.unseen import one_line
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

_SLACK_PLAIN = replace(ESCAPINGS[Markup.SLACK], quote=lambda text: escape_slack(str(text)))
"""Of Slack's `plain_text`: whoever would be mentioned is named, as a mention would stand there as `<@U024BE7LH>`."""


class Renderer:
    """
    Renders the messages of one rule set. Templates are compiled once; there is one rendering at a time.

    Args:
        own_templates: Text by file name, such as `slack/page.j2` or `my-note.j2`.
        structures: What those of them hold that are structures, such as `slack/page.yaml`.
        zone: Where the times of messages are read.

    Attributes:
        zone: As it was given.
        inspection: Says what is wrong in the templates of this rule set.
    """

    def __init__(
        self,
        own_templates: Mapping[str, str] | None = None,
        structures: Mapping[str, JSON] | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        self.zone = zone
        self._library = Library(own_templates or {}, structures)
        self._reader = TemplateReader(FIRST_WORDS, self._library.has)
        self.inspection = Inspection(self._library, self._reader)
        self._budget = Budget()
        self._quote: Callable[[str], str] = str
        self._environments = {markup: self._environment(ESCAPINGS[markup], markup) for markup in Markup}
        self._plain = self._environment(_SLACK_PLAIN, Markup.SLACK)
        self._filling = self._environment(Escaping(self._quoted, str), Markup.TEXT)
        self._compiled: dict[tuple[int, str | Path, str], _Compiled] = {}
        self._chosen: dict[tuple[str, str, Format, bool], str] = {}

    def _environment(self, escaping: Escaping, markup: Markup) -> TemplateEnvironment:
        return TemplateEnvironment(escaping, self._included, self._budget, markup, self.zone)

    def _quoted(self, text: str) -> str:
        return self._quote(text)

    def _included(self, name: str) -> str | None:
        """Give the text of a template that another one includes; it was checked with the rule file, and is again."""
        text = self._library.text(name)
        if text is not None and (faults := self._faults(text)):
            raise TemplateRefused(f"the template {name} is faulty at line {faults[0].line}: {faults[0].sentence}")
        return text

    def _faults(self, text: str) -> Sequence[Fault]:
        return () if is_built_in(text) else self._reader.faults(text)

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
            return self._written(
                self._text(style.markup, spec.message, "message", namespace), subject, style, namespace
            )
        if spec.template is not None:
            return self._from_file(self._named(spec, style), subject, style, namespace)
        if spec.blocks is not None and style.markup is Markup.SLACK:
            text = subject or ESCAPINGS[Markup.SLACK].quote(plain_summary(namespace))
            return Message(text=text, subject=subject, blocks=self._blocks(spec.blocks, ("blocks",), namespace))
        if style.forwards_as_is:
            return Message(body=self._body(spec, namespace), has_body=True) if spec.has_body else Message(forward=True)
        return self._from_file(self._for_event(style.folder, spec, style, namespace), subject, style, namespace)

    def _mail(self, spec: MessageSpec, style: Style, subject: str, namespace: Namespace) -> Message:
        """Write both parts of a mail: HTML, and the text for who reads without. A text alone gives both."""
        if spec.message is not None:
            return _in_both_forms(self._text(Markup.TEXT, spec.message, "message", namespace), subject)
        if spec.template is not None:
            name = self._named(spec, style)
            if not name.startswith(f"{style.folder}/"):
                return _in_both_forms(self._file(Markup.TEXT, name, namespace), subject)
            twin = self._library.text_twin(name, style)
        else:
            name = self._for_event(style.folder, spec, style, namespace)
            twin = self._for_event(TEXT_FOLDER, spec, style, namespace)
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

    def _written(self, text: str, subject: str, style: Style, namespace: Namespace) -> Message:
        text = text.strip()
        if style.markup is Markup.SLACK and 2 * len(text) > LONGEST_SLACK_TEXT:  # Slack counts some characters as two
            text = cut_slack(text, LONGEST_SLACK_TEXT, _link_to_all(namespace))
        return Message(text=text, subject=subject)

    def _from_file(self, name: str, subject: str, style: Style, namespace: Namespace) -> Message:
        if not name.endswith(STRUCTURE_SUFFIX):
            return self._written(self._file(style.markup, name, namespace), subject, style, namespace)
        structure = self._library.structure(name)
        if not isinstance(structure, dict) or not isinstance(structure.get("text"), str):
            raise RenderFailure(f"{name} holds no text and blocks")
        text = self._rendered(self._environments[style.markup], structure["text"], (name, "text"), namespace)
        written = self._written(text, subject, style, namespace)
        if not written.text:  # a notification without words is no message: the author's way to stay silent
            return written
        return replace(written, blocks=self._blocks(structure.get("blocks"), (name, "blocks"), namespace))

    def _subject(self, spec: MessageSpec, style: Style, namespace: Namespace) -> str:
        if spec.subject is None:
            return ""
        # The subject of a mail is a header, and no HTML.
        markup = Markup.TEXT if style.markup is Markup.HTML else style.markup
        return one_line(self._text(markup, spec.subject, "subject", namespace))

    def _named(self, spec: MessageSpec, style: Style) -> str:
        """Find the file that the rule names."""
        name = self._library.named(str(spec.template), style, spec.format or style.format)
        if name is None:
            raise RenderFailure(f"no template is named '{spec.template}' in {style.folder}/ or beside it")
        return name

    def _for_event(self, folder: str, spec: MessageSpec, style: Style, namespace: Namespace) -> str:
        """Find the file that speaks of this event."""
        event_name, wanted = namespace["event"]["name"], spec.format or style.format
        is_own = "rule" in namespace and not namespace["rule"]["name"]  # whatever comes from outside is sent by a rule
        name = self._chosen.get((folder, event_name, wanted, is_own))
        if name is None:
            try:
                name = self._library.for_event(folder, event_name, wanted, is_own=is_own)
            except KeyError:
                raise RenderFailure(f"there are no built-in templates for {folder}; give a message") from None
            if len(self._chosen) >= _MOST_COMPILED:  # senders choose the names of events
                self._chosen.clear()
            self._chosen[folder, event_name, wanted, is_own] = name
        return name

    def _file(self, markup: Markup, name: str, namespace: Namespace) -> str:
        return str(self._rendered(self._environments[markup], self._library.text(name) or "", name, namespace))

    def _text(self, markup: Markup, text: str, key: str, namespace: Namespace) -> str:
        return str(self._rendered(self._environments[markup], text, key, namespace))

    def _body(self, spec: MessageSpec, namespace: Namespace) -> JSON:
        def fill(text: str, path: Path, _reader: Reader) -> JSON:
            return self._rendered(self._environments[Markup.TEXT], text, path, namespace, typed=True)

        return self._structure(spec.body, ("body",), fill)

    def _blocks(self, blocks: JSON, path: Path, namespace: Namespace) -> JSON:
        quote = ESCAPINGS[Markup.SLACK].quote
        environments = {
            Reader.PROGRAM: self._environments[Markup.TEXT],
            Reader.MARKUP: self._environments[Markup.SLACK],
            Reader.PLAIN: self._plain,
        }

        def fill(text: str, place: Path, reader: Reader) -> JSON:
            value = self._rendered(environments[reader], text, place, namespace, typed=True)
            # A list or mapping of the body may hold text objects, so all of its texts are escaped.
            return value if isinstance(value, str) else quote_all(value, quote)

        filled = self._structure(blocks, path, fill)
        try:
            return fit_blocks(filled, _link_to_all(namespace))
        except TemplateRefused as error:
            raise RenderFailure(f"{_told(path)}: {error}") from None

    def _structure(self, structure: JSON, path: Path, fill: Callable[[str, Path, Reader], JSON]) -> JSON:
        try:
            filled = fill_structure(structure, path, fill)
        except TemplateRefused as error:
            raise RenderFailure(f"{_told(path)}: {error}") from None
        if len(dump_json(filled)) > LONGEST_TEXT:
            raise RenderFailure(f"{_told(path)}: the message is longer than {LONGEST_TEXT // 1024} KiB")
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
        if faults := self._faults(text):
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
    """Name a place for a person: `body.title` of a rule, `slack/page.yaml: text` of a file."""
    if isinstance(place, str):
        return place
    inside = place[1:] if str(place[0]).endswith(STRUCTURE_SUFFIX) else place
    keys = ".".join(map(str, inside))
    return keys if inside is place else f"{place[0]}: {keys}"


def _link_to_all(namespace: Namespace) -> str:
    """What stands behind a text that is cut for Slack, where the address of the page or space is known."""
    link = namespace.get("link")
    return slack_link("more", link) if isinstance(link, str) else ""


def _in_both_forms(text: str, subject: str) -> Message:
    text = text.strip()
    return Message(text=text, subject=subject, html=html_of_text(text))
