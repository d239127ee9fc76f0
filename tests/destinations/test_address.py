"""URLs of the rule file: what is refused, what a template may do, and what is a secret in them."""

from __future__ import annotations

import re

import pytest

from router.destinations.address import WebAddress, quote_value
from router.errors import PermanentFailure
from tests.destinations.conftest import fill


@pytest.mark.parametrize(
    ("text", "origin", "rest"),
    [
        ("https://example.com", "https://example.com", ""),
        ("HTTPS://Example.COM:8443/a?b=c", "https://example.com:8443", "/a?b=c"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9", "/"),
        ("http://[::1]:9/x", "http://[::1]:9", "/x"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]", ""),
        ("https://bücher.example/x", "https://xn--bcher-kva.example", "/x"),
        ("https://example.com?x={{ event.name }}", "https://example.com", "?x={{ event.name }}"),
        ("https://example.com/{{ a | join('#/ ') }}", "https://example.com", "/{{ a | join('#/ ') }}"),
        ("http://localhost:80/x", "http://localhost:80", "/x"),
        ("http://printer/x", "http://printer", "/x"),
    ],
)
def test_good_url(text: str, origin: str, rest: str) -> None:
    """Names, addresses, ports and international names are taken; what follows the host is kept as written."""
    address = WebAddress(text)
    assert (address.origin, address.rest) == (origin, rest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "starts with https:// or http://"),
        ("example.com/x", "starts with https:// or http://"),
        ("ftp://example.com", "starts with https:// or http://"),
        ("//example.com", "starts with https:// or http://"),
        ("{{ base }}/x", "starts with https:// or http://"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://:443/", "no host"),
        ("https://{{ host }}/x", "scheme, host and port are fixed"),
        ("https://{{ a/b }}.example.com/x", "scheme, host and port are fixed"),
        ("https://example.com{{ event.name }}", "scheme, host and port are fixed"),
        ("https://example.com:{{ port }}/x", "scheme, host and port are fixed"),
        ("https://user:pw@example.com/x", "auth: {basic"),
        ("https://token@example.com/x", "auth: {basic"),
        ("https://example.com:port/x", "host or port is not valid"),
        ("https://example.com:99999/x", "port is 99999"),
        ("https://example.com:0/x", "port is 0"),
        ("https://exa mple.com/x", "host or port is not valid"),
        ("https://-x.example/", "host or port is not valid"),
        ("https://a%00b/", "host or port is not valid"),
        ("https://[::1/x", "host or port is not valid"),
        ("http://127.1/x", "four decimal numbers"),
        ("http://2130706433/x", "four decimal numbers"),
        ("http://0x7f000001/x", "four decimal numbers"),
        ("http://1.2.3.4.5/x", "four decimal numbers"),
        ("https://example.com/a b", "white space"),
        ("https://example.com/a\nb", "white space"),
        ("https://example.com/a\x00b", "white space"),
        ("https://example.com/x#part", "fragment"),
        ("https://example.com/a/../b", "`.` or `..`"),
        ("https://example.com/a/%2E%2e/b", "`.` or `..`"),
        ("https://example.com/{{ event.name", "not closed"),
        ("https://example.com/" + "x" * 5000, "at most 4096"),
    ],
)
def test_bad_url(text: str, words: str) -> None:
    """What is wrong with a URL is said without quoting it: it may be a password."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        WebAddress(text)
    assert not any(part in str(caught.value) for part in ("pw", "token@", "/path", "#part"))


@pytest.mark.parametrize(
    ("rest", "filled"),
    [
        ("/plain/{x}", "/plain/{x}"),
        ("/{{ event.name }}/{{ page.id }}", "/page.updated.moved/5148"),
        ("/p?t={{ page.title }}", "/p?t=a%20b%2F..%2Fc%3Fd%3De%26f%23g%2500%C3%A9%0D%0AX%3A%20y"),
        ("/{{ page.title }}", "/a%20b%2F..%2Fc%3Fd%3De%26f%23g%2500%C3%A9%0D%0AX%3A%20y"),
        ("?x={{ page.up }}", "?x=.."),
        ("/{{ page.up }}x", "/..x"),
        ("/{% if true %}#yes{% endif %}", "/%23yes"),
    ],
)
def test_filled_url(rest: str, filled: str) -> None:
    """Inserted values are quoted: none of them ends the part of the URL in which it stands."""
    try:
        address = WebAddress(f"https://example.com{rest}")
    except ValueError:
        assert "#" in rest
        return
    assert address.filled(fill) == f"https://example.com{filled}"


@pytest.mark.parametrize("rest", ["/a/{{ page.up }}/b", "/a/{{ page.up }}", "/{{ page.up }}?x", "/.{{ '.' }}/b"])
def test_value_cannot_climb(rest: str) -> None:
    """Dots cannot be quoted, so a value that is `..` ends the delivery and does not lead to another path."""
    with pytest.raises(PermanentFailure) as caught:
        WebAddress(f"https://example.com{rest}").filled(fill)
    assert caught.value.reason == "unsafe value in the URL"


def test_any_text_can_be_quoted() -> None:
    """Not even half a letter stops a delivery."""
    assert quote_value("a/\ud800") == "a%2F%3F"


def test_url_prints_without_what_follows_the_host() -> None:
    """A URL in a log shows where a message goes and not how to get in."""
    address = WebAddress("https://example.com:8443/hooks/secret-token?key=value")
    assert str(address) == "https://example.com:8443/***"
    assert repr(address) == "WebAddress('https://example.com:8443/***')"
    assert str(WebAddress("https://example.com/")) == "https://example.com"


def test_secrets_of_a_url() -> None:
    """Path, query and long parts of them are masked; a short path is an ordinary word of other lines."""
    assert WebAddress("https://example.com").secrets() == []
    short = WebAddress("https://example.com/events").secrets()
    assert "/events" not in short
    assert "https://example.com/events" in short
    long = WebAddress("https://example.com/in/{{ event.name }}/T012345678901234?sig=abcdefghijklmnop").secrets()
    assert {"T012345678901234", "abcdefghijklmnop", "/T012345678901234?sig=abcdefghijklmnop"} <= set(long)
