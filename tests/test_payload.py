"""Bodies that the grammar of JSON allows and a fast parser does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UnreadableBody
from router.payload import parse_body

PIECES = ["\\ud800", "\\udc00", "\\uDBFF", "\\ud83d\\ude00", "\\\\", "\\n", "\\u0041", "u", "d800", "ä"]


@given(st.lists(st.sampled_from(PIECES), max_size=10))
def test_halves_of_surrogates_become_the_sign_for_what_is_unknown(pieces: list[str]) -> None:
    """They could be neither stored nor sent; all else reads as in the standard library, with pairs and backslashes."""
    text = '{"a": "' + "".join(pieces) + '"}'
    told = json.loads(text)["a"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert parse_body(text.encode()) == {"a": told}


@pytest.mark.parametrize("body", [b'"\\ud800', b"\\ud800", b'{"a": "\\ud800"', b"NaN", b'"\xff\\ud800"'])
def test_what_is_no_json_is_refused_with_such_a_half_in_it_as_well(body: bytes) -> None:
    """Mending one thing makes no JSON of the rest."""
    with pytest.raises(UnreadableBody):
        parse_body(body)
