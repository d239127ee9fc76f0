"""
The sandbox that templates run in: Jinja's own, with its doors closed and everything counted.

Nothing that a template holds has attributes but mappings (their keys), `loop`, and imported templates (their macros);
nothing can be called but macros; there are no global functions. `dialect.py` says what the language is, `operators.py`
and `filters.py` do the work, `limits.py` bounds it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import Any

from jinja2 import ChainableUndefined, TemplateSyntaxError, nodes
from jinja2 import meta as jinja_meta
from jinja2.environment import Template, TemplateModule
from jinja2.loaders import FunctionLoader
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_eval_context

from router.events import Markup
from router.messages.dialect import Bounded, Fault, Vocabulary, did_you_mean, find_faults, included_names
from router.messages.escaping import ESCAPINGS, Escaping, Finished
from router.messages.filters import FILTERS
from router.messages.library import is_built_in
from router.messages.limits import DEEPEST_CALL, LONGEST_SOURCE, LONGEST_TEXT, Budget, TemplateRefused
from router.messages.operators import (
    Bench,
    calculate,
    compare,
    concatenate,
    cut_out,
    enter,
    loop_items,
    negate,
)
from router.messages.syntax_words import syntax_sentence, word_in_question
from router.messages.template_tests import TESTING_FILTERS, TESTS

codecs.lookup("unicode-escape")
"""Jinja reads texts with it. Python would load it from disk at the first message, when it may be that nothing opens."""

_SYNTAX: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "optimized": False, "auto_reload": False}
ALL_FILTERS: Mapping[str, Callable[..., Any]] = {**FILTERS, **TESTING_FILTERS}
_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "%enter": enter,
    "%loop": loop_items,
    "%concatenate": concatenate,
    "%compare": compare,
    "%slice": cut_out,
}
_MOST_REMEMBERED = 5_000
_OUR_CODES: dict[tuple[Any, ...], Any] = {}
"""Compiled code of the built-in templates, by text and name."""

_NO_FUNCTIONS = "only macros can be called; values are changed by filters, as in {{ page.title | upper }}"
_INSTEAD = {
    "range": "go over a list with {% for … in … %}, and write {% if loop.index <= 3 %} for its first items",
    "now": "the time of the event is event.received_at",
    "dict": 'write {"a": 1}',
    "cycler": "write {% if loop.index is odd %}",
}
_LOOP_FIELDS = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
)


class Missing(ChainableUndefined):
    """What is not there: prints as nothing, is false, and so are all of its fields."""

    __slots__ = ()


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """
    One markup's sandbox. It renders one template at a time.

    Args:
        escaping: Of the values that templates print.
        source_of: Gives the text of a template that another one includes, or None.
        budget: Of the rendering under way; whoever begins one starts it.
        zone: Where the times of messages are read.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(
        self,
        escaping: Escaping,
        source_of: Callable[[str], str | None],
        budget: Budget,
        markup: Markup = Markup.TEXT,
        zone: tzinfo = UTC,
    ) -> None:
        self.bench = Bench(escaping, budget, markup, zone)
        super().__init__(
            undefined=Missing,
            loader=FunctionLoader(source_of),
            finalize=_finalizer(self.bench),
            cache_size=-1,
            **_SYNTAX,
        )
        self.globals.clear()
        calls = {**ALL_FILTERS, **_OPERATORS}
        self.filters = {name: partial(call, self.bench) for name, call in calls.items()}
        self.tests = {name: partial(call, self.bench) for name, call in TESTS.items()}  # type: ignore[misc]
        # What macros and `set` blocks capture has been escaped on its way in.
        self.concat = self._captured  # type: ignore[method-assign]

    def render(self, template: Template, namespace: Mapping[str, Any]) -> str:
        """
        Render a template of this environment.

        Raises:
            Exception: Whatever the template ran into; `failures.py` knows how to say it.
        """
        context = template.new_context(namespace, shared=True)  # type: ignore[arg-type]
        return str(self._captured(template.root_render_func(context)))

    def evaluate(self, template: Template, namespace: Mapping[str, Any]) -> Any:
        """Run a template that was made by `compile_expression_tree` and give the value of its expression."""
        context = template.new_context(namespace, shared=True)  # type: ignore[arg-type]
        for _ in template.root_render_func(context):
            pass
        return context.vars["result"]

    def follow(self, words: Sequence[str], namespace: Mapping[str, Any]) -> Any:
        """Do as `evaluate` does for an expression that is only a path, `page.title` say; without Jinja's ceremony."""
        self.bench.budget.step(1, len(words))
        value = namespace.get(words[0])
        for word in words[1:]:
            value = self.getattr(value, word)
        return value

    def compile_text(self, source: str, name: str) -> Template:
        """
        Compile a text that has no faults.

        Raises:
            TemplateSyntaxError, RecursionError, SyntaxError, MemoryError: See `find_template_faults`.
        """
        return Template.from_code(self, self.compile(source, name, name), {}, None)

    def compile(self, source: str | nodes.Template, *args: Any, **kwargs: Any) -> Any:
        """
        Give the code of a template. It depends neither on the markup nor on the rule set, so that of ours is kept.

        Compiling is by far the dearest step, and they are the same after every reload.
        """
        if not isinstance(source, str) or not is_built_in(source):
            return super().compile(source, *args, **kwargs)
        key = (source, *args, *kwargs.values())
        code = _OUR_CODES.get(key)
        if code is None:
            code = _OUR_CODES[key] = super().compile(source, *args, **kwargs)
        return code

    def compile_expression_tree(self, expression: nodes.Expr, name: str) -> Template:
        """Compile one expression so that `evaluate` gives its value and not its text."""
        line = expression.lineno
        assign = nodes.Assign(nodes.Name("result", "store", lineno=line), expression, lineno=line)
        tree = nodes.Template([assign], lineno=1)
        tree.set_environment(self)
        return Template.from_code(self, self.compile(tree, name, name), {}, None)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        bounded = Bounded().visit(source)
        bounded.set_environment(self)
        return super()._generate(bounded, *args, **kwargs)

    def _captured(self, pieces: Iterable[str]) -> Finished:
        found = list(pieces)
        length = sum(map(len, found))
        self.bench.budget.spend(1 + length // 1024)
        if length > LONGEST_TEXT:
            raise TemplateRefused(f"the message is longer than {LONGEST_TEXT // 1024} KiB")
        return Finished("".join(found))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A payload's key, whatever Python's objects have under that name."""
        if isinstance(obj, dict):
            if attribute in obj:
                return obj[attribute]
        elif isinstance(obj, LoopContext):
            if attribute in _LOOP_FIELDS:
                return getattr(obj, attribute)
        elif isinstance(obj, TemplateModule):
            found = None if attribute.startswith("_") else vars(obj).get(attribute)
            if found is not None:
                return found
        return Missing(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A key of a mapping, or an item of a list or text by its number."""
        if isinstance(obj, dict):
            key = str(argument) if isinstance(argument, str | int) else None
            return obj[key] if key in obj else Missing(name=key)
        if isinstance(obj, str | list | tuple) and isinstance(argument, int):
            sequence = self.bench.text(obj) if isinstance(obj, str) else obj
            if -len(sequence) <= argument < len(sequence):
                return sequence[argument]
        return Missing(name="item")

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - Jinja's
        """Call a macro; nothing else can be called."""
        if not isinstance(__obj, Macro):
            raise TemplateRefused("only macros can be called with ( )")
        budget = __self.bench.budget
        budget.depth += 1
        if budget.depth > DEEPEST_CALL:
            raise TemplateRefused(f"macros call each other more than {DEEPEST_CALL} deep")
        try:
            return __context.call(__obj, *args, **kwargs)
        finally:
            budget.depth -= 1

    def call_binop(self, _context: Any, sign: str, left: Any, right: Any) -> Any:
        return calculate(self.bench, sign, left, right)

    def call_unop(self, _context: Any, sign: str, arg: Any) -> Any:
        return negate(sign, arg)


def _finalizer(bench: Bench) -> Callable[[Any, Any], str]:
    """Make the function that every printed value passes: escapes it once and accounts for its length."""
    escaping, budget = bench.escaping, bench.budget

    # Wanting the evaluation context keeps Jinja from folding constants while it compiles, where nothing is counted.
    @pass_eval_context
    def finalize(_context: Any, value: Any) -> str:
        if isinstance(value, Finished):
            text: str = value
        else:
            text = escaping.quote(value if isinstance(value, str) else bench.printed(value))
        budget.show(len(text))
        return text

    return finalize


class _AnyName(dict[str, Callable[..., Any]]):
    """Knows every filter and test, so that looking for undeclared names does not end at an unknown filter."""

    def get(self, _name: str, _default: Any = None) -> Any:
        return _nothing


def _nothing(*_arguments: Any) -> str:
    return ""


class ReadingEnvironment(ImmutableSandboxedEnvironment):
    """Parses templates and expressions to find their faults. Operators are intercepted so that none is folded."""

    intercepted_binops = TemplateEnvironment.intercepted_binops
    intercepted_unops = TemplateEnvironment.intercepted_unops

    def __init__(self) -> None:
        super().__init__(undefined=Missing, finalize=_unfolded, **_SYNTAX)
        self.globals.clear()
        self.filters = _AnyName()
        self.tests = _AnyName()  # type: ignore[assignment]


@pass_eval_context
def _unfolded(_context: Any, _value: Any) -> str:
    return ""


class TemplateReader:
    """
    Reads templates to find their faults; nothing is run.

    Attributes:
        first_words: What a template may begin with.
    """

    def __init__(self, first_words: frozenset[str], has_template: Callable[[str], bool]) -> None:
        self.first_words = first_words
        self._has_template = has_template
        self._environment = ReadingEnvironment()
        functions = {f"filter {name}": call for name, call in ALL_FILTERS.items()}
        self._vocabulary = Vocabulary(ALL_FILTERS, TESTS, first_words, functions.get)
        self._read: dict[str, tuple[Fault, ...]] = {}

    def parse(self, source: str) -> nodes.Template:
        return self._environment.parse(source)

    def faults(self, source: str) -> tuple[Fault, ...]:
        """List what is wrong in the text of a template, by line; a syntax error hides the rest."""
        found = self._read.get(source)
        if found is None:
            found = tuple(sorted(self._find_faults(source), key=lambda fault: fault.line))
            if len(self._read) >= _MOST_REMEMBERED:
                self._read.clear()
            self._read[source] = found
        return found

    def _find_faults(self, source: str) -> list[Fault]:
        if len(source) > LONGEST_SOURCE:
            return [Fault(1, f"the template has {len(source):,} characters; expected at most {LONGEST_SOURCE:,}")]
        try:
            tree = self.parse(source)
            faults = find_faults(tree, self._vocabulary)
            if any(not fault.word for fault in faults):
                return faults
            faults += self._unknown_templates(tree) + self._unknown_words(tree)
            if not faults:
                _trial(source)
        except TemplateSyntaxError as error:
            return [Fault(error.lineno, syntax_sentence(error), word_in_question(error))]
        except (RecursionError, MemoryError, SyntaxError):
            return [Fault(1, "the template is nested too deeply; take it apart with {% set %}")]
        except (ValueError, OverflowError):
            return [Fault(1, "the template holds a number that is too large")]
        return faults

    def _unknown_templates(self, tree: nodes.Template) -> list[Fault]:
        return [
            Fault(line, f"no template is named '{name}'", name)
            for name, line, may_be_missing in included_names(tree)
            if not may_be_missing and not self._has_template(name)
        ]

    def _unknown_words(self, tree: nodes.Template) -> list[Fault]:
        """Find names that neither the event nor the template gives: mostly misspelled."""
        # Where each name is used first: the search for undeclared names does not tell.
        lines: dict[str, int] = {}
        for name in tree.find_all(nodes.Name):
            lines.setdefault(name.name, name.lineno)
        unknown = sorted(jinja_meta.find_undeclared_variables(tree) - self.first_words - _set_in_branches(tree))
        called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
        return [Fault(lines.get(word, 1), self._word_sentence(word, word in called), word) for word in unknown]

    def _word_sentence(self, word: str, is_called: bool) -> str:
        if is_called:
            other_way = _INSTEAD.get(word) or (
                f"write {{{{ value | {word} }}}}" if word in ALL_FILTERS else _NO_FUNCTIONS
            )
            return f"there is no function '{word}'; {other_way}"
        known = "event, payload, actor, page, space, link, changes, rule, destination or a resource such as comment"
        return f"unknown name '{word}'; expected {known}{did_you_mean(word, self.first_words)}"


def _set_in_branches(tree: nodes.Template) -> set[str]:
    """Names that an `if` sets in some of its branches: nothing in the others, which is no misspelling."""
    return {
        name.name for branch in tree.find_all(nodes.If) for name in branch.find_all(nodes.Name) if name.ctx == "store"
    }


def _trial(source: str) -> None:
    """Compile once as a rendering will, for what only the compiler finds."""
    TemplateEnvironment(ESCAPINGS[Markup.TEXT], lambda _name: None, Budget()).compile_text(source, "trial")
