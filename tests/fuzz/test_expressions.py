"""Whatever an author types under `if`, there is an answer for every event or a sentence with its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.messages.expressions import Expression, ExpressionFault, Expressions, Faulty
from router.payload import JSON
from tests.fuzz.budget import examples
from tests.fuzz.conditions import namespaces
from tests.fuzz.templates import expressions

WORDS = frozenset({"event", "payload", "actor", "page", "space", "link"})
COMPILER = Expressions()

_SCRAPS = (
    "page",
    ".title",
    " and ",
    "not ",
    "(",
    ")",
    "'",
    '"',
    "==",
    "=",
    "{{",
    "}}",
    "|",
    "lower",
    "[",
    "]",
    "1",
    "\n",
)
texts = expressions | st.lists(st.sampled_from(_SCRAPS) | st.text(max_size=4), max_size=12).map("".join)


def _compiled(text: str) -> tuple[Expression | None, list[ExpressionFault]]:
    try:
        return COMPILER.compile(text, WORDS), []
    except Faulty as faulty:
        return None, faulty.faults


@examples(200)
@given(texts, namespaces)
def test_any_expression_gives_an_answer_or_a_fault(text: str, namespace: dict[str, JSON]) -> None:
    """Nothing but a fault leaves the compiler, and nothing at all the judging; the answer is the same each time."""
    expression, faults = _compiled(text)
    for offset, width, sentence in faults:
        assert sentence
        assert width >= 1
        assert 0 <= offset <= max(0, len(text) - 1)
    if expression is None:
        assert faults
        return
    answer = expression.judge(namespace)
    assert answer.trouble != "the template could not be rendered", "a failure that nobody thought of"
    assert not (answer.holds and answer.trouble)
    assert expression.judge(namespace) == answer
    assert [path for path, _ in expression.values(namespace)] == list(expression.paths)
