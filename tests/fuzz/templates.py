"""Templates made of odds and ends: what an author types, and what an author would not."""

from __future__ import annotations

from hypothesis import strategies as st

from router.messages.filters import FILTERS
from router.messages.template_tests import TESTING_FILTERS, TESTS

_OPERANDS = (
    *("page.title", "page.tags", "page.n", "page.no", "page.nope.x", "page", "event.title", "payload", "actor.name"),
    *("1", "-2", "2.5", "'a'", "''", "none", "true", "[1, 'b', page.no]", "{'k': page.tags}"),
    *("page.tags[0]", "page['title']", "loop.index", "m", "m('x')", "rule.name", "link"),
)  # fmt: skip
_SIGNS = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or")
_STATEMENTS = (
    *("{% for x in page.tags %}", "{% endfor %}", "{% if page %}", "{% else %}", "{% endif %}", "{% set q %}"),
    *("{% endset %}", "{% include 'slack/part.j2' %}", "{% from 'parts.j2' import m %}"),
    *("{% import 'parts.j2' as p %}", "{{ p.m(1) }}", "{% macro m(a, b=2) %}", "{% endmacro %}"),
    *("{% with a = 1 %}", "{% endwith %}", "{{", "}}", "{%", "%}", "{#", "\n", "text"),
)  # fmt: skip
_FILTERS = (*FILTERS, *TESTING_FILTERS)

expressions: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(_OPERANDS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(_SIGNS), inner),
        st.builds("({} | {})".format, inner, st.sampled_from(_FILTERS)),
        st.builds("({} | {}({}))".format, inner, st.sampled_from(_FILTERS), inner),
        st.builds("({} is {})".format, inner, st.sampled_from(sorted(TESTS))),
        st.builds("({} is {}({}))".format, inner, st.sampled_from(sorted(TESTS)), inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=6,
)
_pieces = st.builds("{{{{ {} }}}}".format, expressions) | st.builds("{{% set q = {} %}}{{{{ q }}}}".format, expressions)
_pieces |= st.builds("{{% for x in {0} %}}{{{{ x }}}}{{% endfor %}}".format, expressions)

messages: st.SearchStrategy[str] = st.lists(
    _pieces | st.sampled_from(["text", "*{{ page.title }}*", "\n"]), min_size=1, max_size=3
).map("".join)
"""Templates whose parts fit together."""

templates: st.SearchStrategy[str] = st.lists(_pieces | st.sampled_from(_STATEMENTS), max_size=6).map("".join)
