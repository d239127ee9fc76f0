"""
Which part of Jinja's language templates may use, and how it is bounded.

A parsed template is looked through once: what is not on the lists here is refused when the rule file is loaded, with
its line. Then it is rewritten: loops, comparisons, slices and `~` become calls of our bounded operators, and every
template, macro and loop accounts for the nodes in its body, so that all that is evaluated has been paid for.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

DEEPEST_NODE = 60
MOST_NODES = 4_000
"""Names, operators, statements and stretches of plain text in one template."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Macro, nodes.Assign),
    *(nodes.AssignBlock, nodes.With, nodes.Include, nodes.Import, nodes.FromImport, nodes.Scope),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Filter),
    *(nodes.Test, nodes.Call, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv),
    *(nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos),
)
_NO_AUTOESCAPE = "{% autoescape %} is not available in templates; the filter raw leaves one value unescaped"
_STATEMENTS: dict[type[nodes.Node], str] = {
    nodes.Block: "{% block %} is not available in templates; use {% include %} or a macro",
    nodes.Extends: "{% extends %} is not available in templates; use {% include %} or a macro",
    nodes.CallBlock: "{% call %} is not available in templates; give the macro an argument",
    nodes.FilterBlock: "{% filter %} is not available in templates; use {% set %} and a filter",
    nodes.ScopedEvalContextModifier: _NO_AUTOESCAPE,
    nodes.NSRef: "a field cannot be set; use a name of your own",
}


@dataclass(frozen=True)
class Fault:
    """Something in a template that must be mended: its line from 1, and the word it is about, to find the column."""

    line: int
    sentence: str
    word: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """The names that templates may use."""

    filters: Collection[str]
    tests: Collection[str]
    first_words: Collection[str]
    signatures: Callable[[str], Callable[..., Any] | None]


def find_faults(tree: nodes.Template, vocabulary: Vocabulary) -> list[Fault]:
    """List everything in a parsed template that the dialect does not allow, by line."""
    faults: list[Fault] = []
    for count, (node, depth) in enumerate(_walk(tree)):
        if depth > DEEPEST_NODE:
            faults.append(Fault(node.lineno, "the template is nested too deeply here; take it apart with {% set %}"))
            break
        if count >= MOST_NODES:
            faults.append(Fault(node.lineno, "the template is too long; take it apart with {% include %}"))
            break
        faults += _faults_of(node, vocabulary)
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.line)


def included_names(tree: nodes.Template) -> list[tuple[str, int, bool]]:
    """List the templates that one needs, as (name, line, whether it may be missing)."""
    found = []
    for node, _ in _walk(tree):
        if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport) and isinstance(node.template, nodes.Const):
            found.append((str(node.template.value), node.lineno, getattr(node, "ignore_missing", False)))
    return found


def did_you_mean(word: str, choices: Collection[str]) -> str:
    """Give ` (did you mean 'page'?)` for a near miss, or nothing."""
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.7)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int]]:
    """All nodes in the order of the text, with their depth. No recursion: the tree may be a hostile one."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        if depth <= DEEPEST_NODE:
            waiting += [(child, depth + 1) for child in reversed(list(node.iter_child_nodes()))]


def _faults_of(node: nodes.Node, vocabulary: Vocabulary) -> Iterator[Fault]:
    if not isinstance(node, _ALLOWED):
        sentence = _STATEMENTS.get(type(node), f"{type(node).__name__.lower()} is not available in templates")
        yield Fault(node.lineno or 1, sentence)
    elif isinstance(node, nodes.Filter):
        yield from _name_faults(node, "filter", vocabulary.filters, vocabulary)
    elif isinstance(node, nodes.Test):
        yield from _name_faults(node, "test", vocabulary.tests, vocabulary)
    elif isinstance(node, nodes.Call):
        yield from _argument_faults(node)
        yield from _call_faults(node, vocabulary)
    elif isinstance(node, nodes.Include | nodes.Import | nodes.FromImport):
        yield from _include_faults(node)
    else:
        yield from _other_faults(node)


def _other_faults(node: nodes.Node) -> Iterator[Fault]:
    if isinstance(node, nodes.For) and node.recursive:
        yield Fault(node.lineno, "a recursive loop is not available in templates", "recursive")
    elif isinstance(node, nodes.AssignBlock) and node.filter is not None:
        yield Fault(node.lineno, "{% set %} with a filter is not available in templates; filter the name afterwards")
    elif isinstance(node, nodes.Name) and node.name in ("self", "super", "caller"):
        yield Fault(node.lineno, f"'{node.name}' is not available in templates", node.name)
    elif isinstance(node, nodes.Dict):
        if not all(isinstance(pair.key, nodes.Const) and isinstance(pair.key.value, str) for pair in node.items):
            yield Fault(node.lineno, "the keys of a mapping must be texts in quotes")
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, str) and not _is_encodable(node.value):
            yield Fault(node.lineno, "a text holds half of a character (a lone surrogate)")
        elif isinstance(node.value, float) and abs(node.value) == float("inf"):
            yield Fault(node.lineno, "a number is too large")


def _name_faults(
    node: nodes.Filter | nodes.Test, what: str, names: Collection[str], vocabulary: Vocabulary
) -> Iterator[Fault]:
    if node.name not in names:
        expected = ", ".join(sorted(names))
        hint = did_you_mean(node.name, names)
        yield Fault(node.lineno, f"unknown {what} '{node.name}'; expected one of: {expected}{hint}", node.name)
        return
    yield from _argument_faults(node)
    function = vocabulary.signatures(f"{what} {node.name}")
    if function is None or node.dyn_args is not None or node.dyn_kwargs is not None:
        return
    signature = inspect.signature(function)
    try:
        # Two more: the bench, and the value before the `|`.
        signature.bind(None, None, *node.args, **{str(pair.key): None for pair in node.kwargs})
    except TypeError:
        taken = ", ".join(list(signature.parameters)[2:]) or "no arguments"
        yield Fault(node.lineno, f"the {what} '{node.name}' takes {taken}; it got something else", node.name)
    if what == "filter" and node.name in ("select", "reject", "selectattr", "rejectattr"):
        yield from _applied_test_faults(node, vocabulary)


def _applied_test_faults(node: nodes.Filter | nodes.Test, vocabulary: Vocabulary) -> Iterator[Fault]:
    """`select("gt", 3)` names a test in its arguments."""
    place = 1 if node.name.endswith("attr") else 0
    test = node.args[place] if len(node.args) > place else None
    if isinstance(test, nodes.Const) and isinstance(test.value, str) and test.value not in vocabulary.tests:
        expected = ", ".join(sorted(vocabulary.tests))
        hint = did_you_mean(test.value, vocabulary.tests)
        yield Fault(node.lineno, f"unknown test '{test.value}'; expected one of: {expected}{hint}", test.value)


def _argument_faults(node: nodes.Call | nodes.Filter | nodes.Test) -> Iterator[Fault]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield Fault(node.lineno, "* and ** in front of an argument are not available in templates")


def _call_faults(node: nodes.Call, vocabulary: Vocabulary) -> Iterator[Fault]:
    """`page.title.upper()` and `link(url)`: what an event gives cannot be called."""
    called: nodes.Node = node.node
    word = called.name if isinstance(called, nodes.Name) else getattr(called, "attr", "")
    while isinstance(called, nodes.Getattr | nodes.Getitem):
        called = called.node
    if isinstance(called, nodes.Name) and called.name not in vocabulary.first_words:
        return
    hint = f"; write {{{{ value | {word} }}}}" if word in vocabulary.filters else ""
    yield Fault(node.lineno, f"only macros can be called with ( ){hint}", word)


def _include_faults(node: nodes.Include | nodes.Import | nodes.FromImport) -> Iterator[Fault]:
    if not isinstance(node.template, nodes.Const) or not isinstance(node.template.value, str):
        yield Fault(node.lineno, "the name of an included template must be a text in quotes")
    if isinstance(node, nodes.Include) and not node.with_context:
        yield Fault(node.lineno, "'without context' is not available in templates; leave it out", "without")


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


class Bounded(NodeTransformer):
    """Rewrites a template that has no faults so that operators, loops, macros and includes are bounded."""

    def visit_Template(self, node: nodes.Template) -> nodes.Node:  # noqa: N802 - named after the node
        return self._paid(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._paid(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        weight = _weight(node)
        self.generic_visit(node)
        node.iter = _operator("%loop", node, node.iter, nodes.Const(weight))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _operator("%concatenate", node, nodes.List(node.nodes))

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        # A tuple of tuples of tuples costs nothing to make and an eternity to hash; lists cannot be hashed.
        return nodes.List(node.items, lineno=node.lineno) if node.ctx == "load" else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        left, judged = node.expr, []
        for operand in node.ops:
            judged.append(_operator("%compare", node, left, nodes.Const(operand.op), operand.expr))
            left = operand.expr
        result: nodes.Expr = judged[0]
        for comparison in judged[1:]:
            result = nodes.And(result, comparison, lineno=node.lineno)
        return result

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        borders = [border or nodes.Const(None) for border in (node.arg.start, node.arg.stop, node.arg.step)]
        return _operator("%slice", node, node.node, *borders)

    def _paid(self, node: nodes.Template | nodes.Macro) -> nodes.Node:
        weight = _weight(node)
        self.generic_visit(node)
        paying = _operator("%enter", node, nodes.Const(weight))
        node.body = [nodes.ExprStmt(paying, lineno=node.lineno), *node.body]
        return node


def _weight(node: nodes.Node) -> int:
    return sum(1 for _ in _walk(node))


def _operator(name: str, origin: nodes.Node, value: nodes.Node, *arguments: nodes.Expr) -> nodes.Filter:
    """Call one of our operators. To Jinja they are filters, with names that no template can spell."""
    return nodes.Filter(value, name, list(arguments), [], None, None, lineno=origin.lineno)
