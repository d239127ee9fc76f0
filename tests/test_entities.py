"""Entities of HTML are what a browser makes of them."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.messages.entities import resolve_entities
from router.messages.escaping import read_html

PIECES = [
    "&",
    "#",
    "x",
    "amp",
    "lt",
    "not",
    "notin",
    "copy",
    "nbsp",
    "CounterClockwiseContourIntegral",
    ";",
    "65",
    "a",
    "=",
]


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
def test_entities_are_those_of_the_standard_library(text: str) -> None:
    """Names with and without a semicolon, numbers, and what only looks like one."""
    assert resolve_entities(text) == html.unescape(text)


@pytest.mark.parametrize("text", ["&#" + "9" * 5000 + ";", "&#x" + "f" * 5000, "&#99999999;"])
def test_a_number_that_is_no_character_stays(text: str) -> None:
    """The standard library raises on some of these."""
    assert resolve_entities(text) == read_html(text) == text


def test_an_address_keeps_what_only_looks_like_an_entity() -> None:
    """Parameters of an address have the names of old entities."""
    assert resolve_entities("?a=1&copy=2&amp;b&#61;3", needs_semicolon=True) == "?a=1&copy=2&b=3"
