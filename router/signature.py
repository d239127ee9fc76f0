"""
Signatures: hex HMAC-SHA256 over the raw body, keyed with the source's token.

Source: the vendor's webhook page, "the Signature header … HMAC-SHA256", read 2026-11. Teamwork Projects and Desk sign
in the same way. Only the body is signed: no header, no address, no time.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from router.errors import SignatureMismatch

_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def sign(token: bytes | str, body: bytes) -> str:
    """Make the value of the `Signature` header: 64 lower-case hex digits. A text token counts as UTF-8."""
    return _digest(token.encode() if isinstance(token, str) else token, body).hex()


def is_well_formed(header: str | None) -> bool:
    """Tell whether this can be a signature at all: exactly 64 hex digits, in either case."""
    return header is not None and _HEX_DIGEST.fullmatch(header) is not None


def verify(tokens: Sequence[str], body: bytes, header: str) -> None:
    """
    Check that a body was signed with one of the tokens; more than one is active while they rotate.

    An empty token signs nothing: anybody can make that signature.

    Raises:
        SignatureMismatch: The header is malformed, or was made with another token or for another body.
    """
    if not is_well_formed(header):
        raise SignatureMismatch("the signature is not 64 hex digits")
    # Compare bytes: compare_digest() refuses non-ASCII text.
    claimed = bytes.fromhex(header)
    found = False
    for token in tokens:
        # No early exit: the time taken must not tell which of the tokens is the right one.
        if token and hmac.compare_digest(_digest(token.encode(), body), claimed):
            found = True
    if not found:
        raise SignatureMismatch("the signature was made with another token or for another body")


def _digest(token: bytes, body: bytes) -> bytes:
    keyed = _keyed(token).copy()
    keyed.update(body)
    return keyed.digest()


@lru_cache(maxsize=64)
def _keyed(token: bytes) -> hmac.HMAC:
    """Begin with a token once, not for each body: that is half the time for a body of 2 KB."""
    return hmac.new(token, digestmod="sha256")
