"""One condition in the language of templates, such as `page.contentRevision > 100 and "urgent" in page.tags`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, tzinfo
from functools import cached_property
from typing import NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Environment, Template
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

from router.events import Markup
from router.messages.dialect import Vocabulary, did_you_mean, find_faults
from router.messages.environment import ALL_FILTERS, ReadingEnvironment, TemplateEnvironment
from router.messages.escaping import ESCAPINGS
from router.messages.failures import why
from router.messages.limits import Budget
from router.messages.references import whole
from router.messages.structures import plain_path
from router.messages.syntax_words import syntax_sentence
from router.messages.template_tests import TESTS
from router.payload import JSON

LONGEST_EXPRESSION = 2_000
"""Characters; what needs more is better said with `when`, or in several rules."""
MOST_WORK = 20_000
"""A twentieth of what a message may take: conditions are judged while the sender waits for its answer."""

_NAME = "condition"
_OF_MESSAGES = frozenset({"changes", "rule", "destination", "alert", "events", "count", "actors", "first", "last"})
_TOO_LONG = "the expression is too long or nested too deeply; say some of it with when, or in a rule of its own"
_SIGNS = {"&": "and", "|": "or", "!": "not"}
_QUOTES = "\"'"
_VALUE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\w.]+""", re.DOTALL)


class ExpressionFault(NamedTuple):
    """Something to mend in an expression: where it begins, how many characters it has, and what is wrong with it."""

    offset: int
    width: int
    sentence: str


class AskedField(NamedTuple):
    """A field that an expression asks for, and where its last word begins."""

    path: tuple[str, ...]
    offset: int


class Comparison(NamedTuple):
    """
    A field that is compared with a value that stands in the expression.

    Attributes:
        relation: As Jinja calls it: `eq`, `ne`, `gt`, `gteq`, `lt`, `lteq`; `eq` also where it is one of several.
        offset, width: Where the value begins, and how many characters of it are meant.
    """

    path: tuple[str, ...]
    relation: str
    value: JSON
    offset: int
    width: int


class Faulty(Exception):
    """An expression cannot be compiled; `faults` has everything that is wrong with it, by position."""

    def __init__(self, faults: Collection[ExpressionFault]) -> None:
        super().__init__("; ".join(fault.sentence for fault in faults))
        self.faults = sorted(dict.fromkeys(faults))


class Answer(NamedTuple):
    """What an expression made of an event; `trouble` says why it could not be worked out, and is mostly empty."""

    holds: bool
    trouble: str = ""


class ExpressionBudget(Budget):
    """What one condition may do."""

    __slots__ = ()
    most_work = MOST_WORK
    too_much_work = "it takes more work than a condition may"


class Expressions:
    """
    Compiles the expressions of one rule set; they share a sandbox, so one of them is worked out at a time.

    Args:
        zone: Where the times that `date` writes are read.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone

    @cached_property
    def _grammar(self) -> Environment:
        return ReadingEnvironment()

    @cached_property
    def _sandbox(self) -> TemplateEnvironment:
        return TemplateEnvironment(ESCAPINGS[Markup.TEXT], lambda _name: None, ExpressionBudget(), zone=self._zone)

    def compile(self, text: str, first_words: Collection[str]) -> Expression:
        """
        Check an expression and compile it.

        Args:
            first_words: The names that it may use.

        Raises:
            Faulty: With everything that is wrong, each with its place.
        """
        if len(text) > LONGEST_EXPRESSION:
            found = f"the expression has {len(text):,} characters; expected at most {LONGEST_EXPRESSION:,}"
            raise Faulty([ExpressionFault(0, 1, f"{found}, so say some of it with when")])
        if not text.strip():
            raise Faulty(
                [ExpressionFault(0, 1, "the expression is empty; expected one such as page.contentRevision > 100")]
            )
        try:
            tree = _parse(text, self._grammar)
            faults = _faults(tree, text, first_words)
            if faults:
                raise Faulty(faults)
            return Expression(text, tree, self._sandbox)
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
            raise Faulty([ExpressionFault(0, 1, _TOO_LONG)]) from None


class Expression:
    """
    A compiled expression.

    Attributes:
        paths: The fields that it names, such as `page.contentRevision`, in their order.
        fields: The same, each time that one stands there, with its place.
        comparisons: Of fields with values.
    """

    def __init__(self, text: str, tree: nodes.Expr, sandbox: TemplateEnvironment) -> None:
        self.text = text
        self.fields = tuple(_fields(tree, text))
        self.paths = tuple(dict.fromkeys(".".join(field.path) for field in self.fields))
        self.comparisons = tuple(_comparisons(tree, text))
        self._words = tuple(dict.fromkeys(path.split(".", 1)[0] for path in self.paths))
        self._sandbox = sandbox
        self._template: Template = sandbox.compile_expression_tree(tree, _NAME)

    def judge(self, namespace: Mapping[str, JSON]) -> Answer:
        """Work it out; a value that is missing, null, empty, zero or false does not hold. Never raises."""
        seen = {word: whole(namespace[word]) for word in self._words if word in namespace}
        self._sandbox.bench.budget.start()
        try:
            return Answer(bool(self._sandbox.evaluate(self._template, seen)))
        except Exception as error:  # noqa: BLE001 - whatever an expression runs into is a fault of the expression
            return Answer(False, why(error))

    def values(self, namespace: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
        """Tell what the fields that it names have; None where one is missing."""
        for path in self.paths:
            first, *rest = path.split(".")
            value = whole(namespace[first]) if first in namespace else None
            for word in rest:
                value = value.get(word) if isinstance(value, dict) else None
            yield path, value


# Reading


class _Parser(Parser):
    """Parses an expression so that each node has its place, offset plus one, where Jinja keeps a line."""

    def __init__(self, environment: Environment, source: str) -> None:
        super().__init__(environment, "")
        tokens = environment.lexer.wrap(_placed_tokens(environment, source))
        self.stream = TokenStream(tokens, None, None)


def _placed_tokens(environment: Environment, source: str) -> Iterator[tuple[int, str, str]]:
    offset = 0
    try:
        for _, kind, text in environment.lexer.tokeniter(source, None, None, "variable"):
            yield offset + 1, kind, text
            offset += len(text)
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(error.message or "", offset + 1) from None


def _parse(source: str, grammar: Environment) -> nodes.Expr:
    try:
        parser = _Parser(grammar, source)
        tree = parser.parse_expression()
    except TemplateSyntaxError as error:
        raise Faulty([_syntax_fault(error.message or "", error.lineno - 1, source)]) from None
    if not parser.stream.eos:
        raise Faulty([_syntax_fault("", parser.stream.current.lineno - 1, source)])
    return tree


def _syntax_fault(message: str, offset: int, source: str) -> ExpressionFault:
    """Say what stands at an offset where it cannot stand; `message` is Jinja's, if it has one."""
    offset = min(offset, len(source) - 1)
    rest = source[offset:]
    if source.lstrip().startswith(("{{", "{%")):
        sentence = "an expression stands here without braces; remove the {{ and }} around it"
        return ExpressionFault(len(source) - len(source.lstrip()), 2, sentence)
    if "end of template" in message:
        end = len(source.rstrip())
        return ExpressionFault(end - 1, 1, "the expression ends here, and something is still missing")
    if rest.startswith("=") and not rest.startswith("=="):
        return ExpressionFault(offset, 1, "a single = compares nothing; write == to ask whether two values are equal")
    if rest[:1] in _SIGNS and rest[:2] != "!=":
        begin = offset - 1 if source[offset - 1 : offset] == rest[0] else offset
        sign = source[begin : begin + 2] if source[begin + 1 : begin + 2] == rest[0] else rest[0]
        return ExpressionFault(begin, len(sign), f"{sign} means nothing here; write {_SIGNS[rest[0]]}")
    if rest[:1] in _QUOTES:
        return ExpressionFault(offset, 1, f"the text that begins here is not closed; expected another {rest[0]}")
    word = re.match(r"[\w.]+|\S", rest)
    width = len(word[0]) if word else 1
    if not message or message.startswith("unexpected"):
        return ExpressionFault(offset, width, f"{rest[:width]} is not expected here; expected and, or, or a comparison")
    return ExpressionFault(offset, width, syntax_sentence(TemplateSyntaxError(message, 1)))


def _faults(tree: nodes.Expr, source: str, first_words: Collection[str]) -> list[ExpressionFault]:
    whole_tree = nodes.Template([nodes.Output([tree], lineno=tree.lineno)], lineno=1)
    calls = [_call_fault(call, source) for call in whole_tree.find_all(nodes.Call)]
    if calls:
        return calls
    functions = {f"filter {name}": call for name, call in ALL_FILTERS.items()}
    vocabulary = Vocabulary(ALL_FILTERS, TESTS, first_words, functions.get)
    faults = []
    for fault in find_faults(whole_tree, vocabulary):
        if "{%" in fault.sentence:
            return [ExpressionFault(0, 1, _TOO_LONG)]
        faults.append(_at_word(fault.line - 1, fault.word, source, fault.sentence))
    unknown = [name for name in whole_tree.find_all(nodes.Name) if name.name not in first_words]
    sentences = {name.name: _unknown_word(name.name, first_words) for name in unknown}
    return faults + [_at_word(name.lineno - 1, name.name, source, sentences[name.name]) for name in unknown]


def _call_fault(call: nodes.Call, source: str) -> ExpressionFault:
    called = call.node
    word = called.name if isinstance(called, nodes.Name) else getattr(called, "attr", "")
    hint = f"; write the value, | and {word}" if word in ALL_FILTERS else "; when has starts_with, contains and others"
    return _at_word(call.lineno - 1, word, source, f"nothing can be called with ( ) in an expression{hint}")


def _at_word(offset: int, word: str, source: str, sentence: str) -> ExpressionFault:
    """Point at the word that a fault is about: it ends before the bracket of a call, or comes next."""
    if word:
        pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
        found = re.search(rf"{pattern}(?=\s*$)", source[:offset]) or re.compile(pattern).search(source, offset)
        if found is not None:
            return ExpressionFault(found.start(), len(word), sentence)
    return ExpressionFault(offset, 1, sentence)


def _unknown_word(word: str, first_words: Collection[str]) -> str:
    if word in _OF_MESSAGES and word not in first_words:
        return f"'{word}' is for messages alone: it is not known yet when rules are judged"
    if word in ("null", "nil"):
        return f"unknown name '{word}'; write none, or ask: page.parentId is defined"
    guess = did_you_mean(word, first_words) or f"; a text needs quotes, as in '{word}'"
    return f"unknown name '{word}'; expected one of: {', '.join(sorted(first_words))}{guess}"


def _fields(node: nodes.Node, source: str) -> Iterator[AskedField]:
    words = plain_path(node) if isinstance(node, nodes.Expr) else ()
    if words:
        # Behind the dot, or where a first word stands alone.
        last = re.compile(r"\w").search(source, node.lineno - 1)
        yield AskedField(words, last.start() if last else 0)
        return
    for child in node.iter_child_nodes():
        yield from _fields(child, source)


def _comparisons(tree: nodes.Expr, source: str) -> Iterator[Comparison]:
    whole_tree = nodes.Template([nodes.Output([tree], lineno=tree.lineno)], lineno=1)
    for compare in whole_tree.find_all(nodes.Compare):
        left = compare.expr
        for operand in compare.ops:
            yield from _compared(left, operand.op, operand.expr, source)
            if operand.op not in ("in", "notin"):
                yield from _compared(operand.expr, operand.op, left, source)
            left = operand.expr


def _compared(field: nodes.Expr, relation: str, wanted: nodes.Expr, source: str) -> Iterator[Comparison]:
    path = plain_path(field)
    is_among = relation in ("in", "notin")
    if is_among and not isinstance(wanted, nodes.List | nodes.Tuple):
        return
    values = wanted.items if is_among and isinstance(wanted, nodes.List | nodes.Tuple) else [wanted]
    for value in values:
        if path and isinstance(value, nodes.Const):
            token = _VALUE.match(source, value.lineno - 1)
            width = len(token[0]) if token else 1
            yield Comparison(path, "eq" if is_among else relation, value.value, value.lineno - 1, width)
