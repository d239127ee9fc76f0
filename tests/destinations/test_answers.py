"""What an answer means: statuses, Retry-After, and how the text of an answer is shown."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from router.destinations.answers import MAX_DETAIL_BYTES, excerpt, receipt_or_failure, retry_after, visible
from router.errors import PermanentFailure, TemporaryFailure, Throttled
from tests.destinations.conftest import NOW


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_success(status: int) -> None:
    """Every 2xx is success, whatever the body says."""
    receipt = receipt_or_failure(status, {}, b"error", NOW, fail_fast=[404])
    assert receipt.status == status
    assert receipt.detail.endswith(": error")


@pytest.mark.parametrize(
    ("status", "fail_fast", "reason"),
    [
        (400, [], "rejected (HTTP 400)"),
        (400, [400], "rejected (HTTP 400)"),
        (302, [], "redirect not followed (HTTP 302)"),
        (304, [], "redirect not followed (HTTP 304)"),
        (404, [404, 410], "HTTP 404 fails fast"),
        (429, [429], "HTTP 429 fails fast"),
    ],
)
def test_final_failure(status: int, fail_fast: list[int], reason: str) -> None:
    """What no further attempt can cure ends at once, with a reason in plain words and the answer's text."""
    with pytest.raises(PermanentFailure) as caught:
        receipt_or_failure(status, {"Retry-After": "5"}, b"because", NOW, fail_fast)
    assert caught.value.reason == reason
    assert "because" in caught.value.detail
    assert caught.value.status == status


@pytest.mark.parametrize("status", [100, 101, 199, 401, 403, 404, 408, 410, 425, 429, 500, 503, 511, 599, 600, 999])
def test_failure_that_may_pass(status: int) -> None:
    """Above 400 is tried again, and so is what is no final answer at all."""
    with pytest.raises(TemporaryFailure) as caught:
        receipt_or_failure(status, {}, b"", NOW, ())
    assert not isinstance(caught.value, Throttled)
    assert caught.value.detail.startswith(f"HTTP {status}")


def test_detail_names_the_status_in_words() -> None:
    """An admin need not know the numbers by heart."""
    with pytest.raises(TemporaryFailure, match=r"^HTTP 502 \(Bad Gateway\): upstream is away$"):
        receipt_or_failure(502, {}, b"upstream\n\tis away", NOW)


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
@pytest.mark.parametrize("status", [429, 503])
def test_throttled(status: int, name: str) -> None:
    """429 and 503 that name a time are no failure, only a pause."""
    with pytest.raises(Throttled) as caught:
        receipt_or_failure(status, httpx.Headers({name: "120"}), b"slow down", NOW)
    assert caught.value.until == NOW + timedelta(seconds=120)
    assert caught.value.status == status


def test_other_status_with_retry_after_is_a_failure() -> None:
    """A time named with another status does not stop the count of failures."""
    with pytest.raises(TemporaryFailure) as caught:
        receipt_or_failure(500, {"Retry-After": "120"}, b"", NOW)
    assert not isinstance(caught.value, Throttled)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1),
        (" 30 ", 30),
        ("86400", 86400),
        ("Mon, 02 Mar 2026 09:16:00 GMT", 60),
        ("Monday, 02-Mar-26 09:16:00 GMT", 60),
        ("Mon Mar  2 09:16:00 2026", 60),
        ("Tue, 03 Mar 2026 09:15:00 GMT", 86400),
    ],
)
def test_believable_retry_after(value: str, seconds: int) -> None:
    """Seconds and all three forms of HTTP's dates are read, up to a day."""
    assert retry_after(value, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0",
        "-5",
        "1.5",
        "+3",
        "٣",
        "86401",
        "999999999",
        "9" * 400,
        "soon",
        "5, 10",
        "Mon, 02 Mar 2026 09:15:00 GMT",
        "Mon, 02 Mar 2026 09:14:59 GMT",
        "Tue, 03 Mar 2026 09:15:01 GMT",
        "Mon, 99 Mar 2026 09:16:00 GMT",
        "Mon, 02 Mar 999999 09:16:00 GMT",
        "Mon, 02 Mar 2026 09:16:00 +9999999",
        "\x00",
    ],
)
def test_unbelievable_retry_after(value: str | None) -> None:
    """Past, absurd or unreadable times are ordinary failures; so is 0, which would mean attempts without a pause."""
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("location", ["", "/elsewhere", "mailto:a@b.example", "http://[::", "https://"])
def test_redirect_to_nowhere_in_particular(location: str) -> None:
    """A redirect without a readable host says only that it is one."""
    with pytest.raises(PermanentFailure, match=r"^HTTP 302 \(Found\): redirects are not followed\.$"):
        receipt_or_failure(302, {"Location": location}, b"", NOW)


def test_redirect_names_the_host_it_points_to() -> None:
    """The usual mistake is http in the place of https: the detail shows it, and no more of the address than that."""
    with pytest.raises(PermanentFailure) as caught:
        receipt_or_failure(301, {"Location": "https://user:pw@example.com/secret?k=v"}, b"", NOW)
    assert "points to https://example.com:" in caught.value.detail
    assert not any(word in caught.value.detail for word in ("secret", "user", "pw", "k=v"))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"  plain \r\n\t text \n", "plain text"),
        ("Grüße 🎉 — ok".encode(), "Grüße 🎉 — ok"),
        (b"\x1b[2J\x07\x00\x7f", r"\x1b[2J\x07\x00\x7f"),
        ("\u202egnp.exe\u2028x\x9b".encode(), r"\u202egnp.exe\u2028x\x9b"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_excerpt(body: bytes, shown: str) -> None:
    """The text of an answer is one line that can do nothing to a terminal, a log or a reader."""
    assert excerpt(body) == shown


@pytest.mark.parametrize("body", [b"x" * 10**6, "é".encode() * 10**5, b"\x1b" * 10**5, b"\xff" * 10**5])
def test_excerpt_is_bounded(body: bytes) -> None:
    """However long an answer is, at most 4 KiB of it are kept, and a letter is never cut in two."""
    text = excerpt(body)
    assert MAX_DETAIL_BYTES - 4 <= len(text.encode()) <= MAX_DETAIL_BYTES
    assert text.endswith("…")
    with pytest.raises(TemporaryFailure) as caught:
        receipt_or_failure(500, {}, body, NOW)
    assert len(caught.value.detail.encode()) <= MAX_DETAIL_BYTES


def test_line_feeds_stay_visible_as_such() -> None:
    """A message of several lines keeps them."""
    assert visible("one\ntwo\x1b") == "one\ntwo\\x1b"
