"""Signatures."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import SignatureMismatch
from router.signature import is_well_formed, sign, verify

BODY = b'{"page":{"id":1}}'
GOOD = sign("token", BODY)


@given(st.binary(min_size=1, max_size=80), st.binary(max_size=300))
def test_a_signature_is_the_hex_hmac_sha256_of_the_raw_body(token: bytes, body: bytes) -> None:
    """What we sign is what the vendor's own words describe."""
    assert sign(token, body) == hmac.new(token, body, hashlib.sha256).hexdigest()


def test_a_known_signature() -> None:
    """RFC 4231's second test case comes out right."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign("Jefe", b"what do ya want for nothing?") == expected


@pytest.mark.parametrize("header", [GOOD, GOOD.upper(), GOOD[:32].upper() + GOOD[32:]])
def test_a_good_signature_passes_in_either_case(header: str) -> None:
    """Hex digits are hex digits."""
    verify(["token"], BODY, header)


def test_any_of_several_tokens_will_do() -> None:
    """While a token is being changed, the old and the new one both work."""
    verify(["new", "token"], BODY, GOOD)
    verify(["token", "new"], BODY, GOOD)


def test_a_token_beyond_ascii_counts_as_utf_8() -> None:
    """A token may be any text."""
    verify(["schlüssel"], BODY, sign("schlüssel", BODY))
    assert sign("schlüssel", BODY) == sign("schlüssel".encode(), BODY)


MALFORMED = [
    "",
    " ",
    GOOD[:-1],
    GOOD + "0",
    GOOD + "\n",
    f" {GOOD}",
    f"sha256={GOOD}",
    f"{GOOD},{GOOD}",
    f"{GOOD}, {GOOD}",
    "g" * 64,
    "ÿ" * 64,
    "é" * 32,
    "٣" * 64,  # digits, but not hex digits
    "0x" + GOOD[2:],
    " ".join([GOOD[:32], GOOD[32:]]),
    "\x00" * 64,
]


@pytest.mark.parametrize("header", MALFORMED)
def test_anything_but_64_hex_digits_is_no_signature(header: str) -> None:
    """Prefixed, doubled, cut or odd signatures are refused, and none of them is a crash."""
    assert not is_well_formed(header)
    with pytest.raises(SignatureMismatch):
        verify(["token"], BODY, header)


def test_a_missing_signature_is_not_well_formed() -> None:
    """No header, no signature."""
    assert not is_well_formed(None)
    assert is_well_formed(GOOD)


@pytest.mark.parametrize(
    ("tokens", "body"), [(["other"], BODY), (["token"], BODY + b"\n"), (["token"], b""), ([], BODY), (["TOKEN"], BODY)]
)
def test_another_token_or_another_body_is_refused(tokens: list[str], body: bytes) -> None:
    """One byte more or less is another body."""
    with pytest.raises(SignatureMismatch):
        verify(tokens, body, GOOD)


def test_an_empty_token_opens_nothing() -> None:
    """A signature that anybody can make is none."""
    with pytest.raises(SignatureMismatch):
        verify([""], BODY, sign("", BODY))


def test_a_refusal_does_not_tell_the_signature_that_was_expected() -> None:
    """The error can be logged."""
    with pytest.raises(SignatureMismatch) as caught:
        verify(["token"], BODY, "0" * 64)
    assert GOOD not in str(caught.value)
    assert "token'" not in str(caught.value)
