"""Patterns of event names, against a plain reading of the rule."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from router.rules.patterns import PatternError, compile_pattern
from tests.fuzz.budget import examples
from tests.fuzz.reference import pattern_matches

_words = st.text("ab", min_size=1, max_size=4)
_plain = st.text("ab*", min_size=1, max_size=4).filter(lambda segment: "**" not in segment)
patterns = st.lists(_plain | st.sampled_from(["*", "**"]), min_size=1, max_size=5).map(".".join)
names = st.lists(_words, min_size=1, max_size=5).map(".".join)


@st.composite
def fitting_names(draw: st.DrawFn, pattern: str) -> str:
    """A name that a pattern was meant for, each star standing for something; perhaps with one letter wrong."""
    segments: list[str] = []
    parts = pattern.split(".")
    for place, part in enumerate(parts):
        if part == "**":
            segments += draw(st.lists(_words, max_size=2))
        elif part == "*":
            segments += draw(st.lists(_words, min_size=1, max_size=2 if place == len(parts) - 1 else 1))
        else:
            pieces = part.split("*")
            stars = [draw(st.text("ab", max_size=2)) for _ in pieces[1:]]
            segments.append("".join(itertools.chain(*itertools.zip_longest(pieces, stars, fillvalue=""))) or "a")
    name = ".".join(segments) or "a"
    if draw(st.integers(0, 3)) == 3:
        at = draw(st.integers(0, len(name) - 1))
        name = name[:at] + draw(st.sampled_from("ab.")) + name[at + 1 :]
    return draw(st.sampled_from([name, name.upper(), name.title()]))


@examples(300)
@given(patterns.flatmap(lambda pattern: st.tuples(st.just(pattern), names | fitting_names(pattern))))
def test_matching_agrees_with_a_plain_reading_of_the_rule(both: tuple[str, str]) -> None:
    """Whatever the pattern, the fast matcher and the obvious one agree, in any case."""
    pattern, name = both
    compiled = compile_pattern(pattern)
    assert compiled.matches(name) is pattern_matches(pattern, name)
    if compiled.matches(name):
        # The index looks rules up by the first and the last segment, and must never miss one.
        segments = name.lower().split(".")
        assert compiled.first in {None, segments[0]}
        assert compiled.last in {None, segments[-1]}
        assert compiled.literal in {None, name.lower()}


@examples(100)
@given(st.text(max_size=250) | st.text("a*.-_ ,", max_size=12), st.text(max_size=250))
def test_any_text_is_a_pattern_or_refused(text: str, name: str) -> None:
    """No text makes the compiler or the matcher fail in another way."""
    told, pattern = "", None
    try:
        pattern = compile_pattern(text)
    except PatternError as refusal:
        told = str(refusal)
    assert told.isprintable()
    if pattern is not None:
        assert pattern.matches(text) or "*" in text
        pattern.matches(name)
