"""Who may use the admin side: names, origins and tokens, decided without a server."""

from __future__ import annotations

import pytest

from router.admin.auth import Guard, read_authority
from router.admin.refusal import Refused
from router.config.settings import Address
from router.secret import Secret

LOOPBACK = Address("127.0.0.1", 8081)
EVERYWHERE = Address("0.0.0.0", 8081)  # noqa: S104 - compared, not bound
TOKEN = Secret("a token of some length")


def guard(address: Address = LOOPBACK, hosts: tuple[str, ...] = (), token: Secret | None = None) -> Guard:
    return Guard(address, hosts, token)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Router.Example.COM", ("router.example.com", None)),
        ("router.example.com.:8081", ("router.example.com", 8081)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[0:0:0:0:0:0:0:1]:8081", ("::1", 8081)),
        ("[::ffff:127.0.0.1]:1", ("127.0.0.1", 1)),
        ("::1", None),
        ("", None),
        ("a:b", None),
        ("a:123456", None),
        ("user@host", None),
        ("host/path", None),
        ("two words", None),
        ("[::1", None),
    ],
)
def test_names_are_read_in_one_form(text: str, read: tuple[str, int | None] | None) -> None:
    """However a host is spelled, it is compared in one form; what is no host is none."""
    assert read_authority(text) == read


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8081", "localhost:8081", "LOCALHOST:8081", "[::1]:8081", "localhost.:8081"]
)
def test_loopback_answers_to_its_names(host: str) -> None:
    """A listener on loopback is called by any name of loopback, with its port."""
    guard().check_host(host, LOOPBACK)


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:8081", "localhost", "localhost:8080", "127.0.0.1", "127.0.0.2:8081",
     "localhost.evil.example:8081", "10.0.0.5:8081", "localhost:8081@evil.example", "[::1]", "x\tlocalhost:8081"],
)  # fmt: skip
def test_a_foreign_name_is_refused(host: str | None) -> None:
    """A page that pointed its own name at this machine gets nothing, and a person reads how to mend it."""
    with pytest.raises(Refused) as refused:
        guard().check_host(host, LOOPBACK)
    assert refused.value.status == 403
    assert "--admin-host" in refused.value.message


def test_the_port_that_was_free_counts() -> None:
    """Where port 0 was asked for, the port that was bound is the one a caller names."""
    asked = guard(Address("127.0.0.1", 0))
    asked.check_host("localhost:50123", Address("127.0.0.1", 50123))
    with pytest.raises(Refused):
        asked.check_host("localhost:0", Address("127.0.0.1", 50123))


def test_port_80_need_not_be_named() -> None:
    """Browsers leave out the standard port of the web."""
    guard(Address("127.0.0.1", 80)).check_host("localhost", Address("127.0.0.1", 80))


def test_a_listener_on_all_addresses_answers_to_the_one_it_was_called_at() -> None:
    """On all addresses, our own end of the connection says which address was called."""
    everywhere = guard(EVERYWHERE, token=TOKEN)
    everywhere.check_host("10.0.0.5:8081", Address("10.0.0.5", 8081))
    everywhere.check_host("10.0.0.5:8081", Address("::ffff:10.0.0.5", 8081))
    everywhere.check_host("localhost:8081", Address("127.0.0.1", 8081))
    for host in ("10.0.0.6:8081", "localhost:8081", "0.0.0.0:8081", "evil.example:8081"):
        with pytest.raises(Refused):
            everywhere.check_host(host, Address("10.0.0.5", 8081))


def test_a_listener_named_by_its_host_answers_to_that_name() -> None:
    """`--admin admin.internal:8081` may be called so."""
    guard(Address("Admin.internal", 8081), token=TOKEN).check_host("admin.internal:8081", Address("10.0.0.5", 8081))


def test_further_names_are_settings() -> None:
    """`--admin-host` adds a name with any port, or with one port."""
    named = guard(hosts=("Router.example.com", "other.example:8443"))
    for host in ("router.example.com", "router.example.com:9", "other.example:8443"):
        named.check_host(host, LOOPBACK)
    for host in ("other.example", "other.example:8081", "www.router.example.com"):
        with pytest.raises(Refused):
            named.check_host(host, LOOPBACK)


@pytest.mark.parametrize("host", ["http://router.example.com", "a b", "", "*:x"])
def test_a_name_that_cannot_be_read_is_said(host: str) -> None:
    """A setting with a mistake in it ends the start with a sentence."""
    with pytest.raises(ValueError, match="--admin-host"):
        guard(hosts=(host,))


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://localhost", "http://localhost:3000",
     "http://127.0.0.1:8081", "file://localhost:8081", "localhost:8081", "", "http://localhost:8081.evil.example",
     "http://router.example.com:3000", "chrome-extension://localhost:8081"],
)  # fmt: skip
def test_another_sites_page_changes_nothing(origin: str) -> None:
    """A browser that sends a request for another site's page is refused, on loopback too."""
    ours = guard(hosts=("router.example.com",))
    for method in ("POST", "DELETE"):
        with pytest.raises(Refused) as refused:
            ours.check_origin(method, origin, "localhost:8081")
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:8081"),
        ("http://localhost:8081", "localhost:8081"),
        ("http://LOCALHOST:8081", "localhost:8081"),
        ("http://[::1]:8081", "[::1]:8081"),
        ("http://localhost", "localhost:80"),
        ("https://localhost:8081", "localhost:8081"),  # behind a proxy that speaks TLS
        ("https://router.example.com", "router.example.com"),
        ("https://router.example.com", "127.0.0.1:8081"),
        ("https://router.example.com:8443", "router.example.com:8443"),
    ],
)
def test_our_own_pages_and_programs_may_change_things(origin: str | None, host: str) -> None:
    """Programs send no origin; our own pages send our own, also behind a proxy whose name is a setting."""
    guard(hosts=("router.example.com",)).check_origin("POST", origin, host)


def test_reading_needs_no_origin() -> None:
    """A link from another page may be followed; a browser does not let that page read the answer."""
    guard().check_origin("GET", "http://evil.example", "localhost:8081")


def test_without_a_token_everybody_on_the_machine_is_known() -> None:
    """On loopback the token is optional."""
    guard().check_token(None)
    assert guard().knows("Bearer anything")


@pytest.mark.parametrize("header", ["Bearer a token of some length", "bearer  a token of some length "])
def test_the_right_token_opens(header: str) -> None:
    """The scheme is read without regard to case, as HTTP asks."""
    guard(token=TOKEN).check_token(header)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer a token of some lengt", "Bearer a token of some length!", "Bearer ***",
     "Basic a token of some length", "a token of some length", "Bearer \xff\xfe", "Bearer A TOKEN OF SOME LENGTH"],
)  # fmt: skip
def test_any_other_token_is_refused(header: str | None) -> None:
    """A wrong or missing token is 401 with a challenge, and the answer does not hold the right one."""
    with pytest.raises(Refused) as refused:
        guard(token=TOKEN).check_token(header)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")
    assert TOKEN.reveal() not in refused.value.message


def test_a_token_may_be_any_text() -> None:
    """A token beyond ASCII is compared as the bytes that travel."""
    guard(token=Secret("clé-ключ")).check_token("Bearer " + "clé-ключ".encode().decode("latin-1"))


@pytest.mark.parametrize("address", [EVERYWHERE, Address("10.0.0.5", 8081), Address("router.example.com", 8081)])
def test_nothing_stands_open_to_others(address: Address) -> None:
    """Off loopback there is no admin side without a token, nor with an empty one."""
    for token in (None, Secret("")):
        with pytest.raises(ValueError, match="token"):
            guard(address, token=token)
