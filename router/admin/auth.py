"""
Who may use the admin side: by which name it was called, from which page, and with which token.

A browser is the danger on a machine where everything else is trusted: any web page may send requests to 127.0.0.1, and
a page whose host name was pointed at this machine (DNS rebinding) may read the answers too. It cannot choose the `Host`
and `Origin` headers, so those are checked, on loopback as well.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Sequence

from router.admin.refusal import Refused
from router.config.settings import Address
from router.secret import Secret

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - told apart here, not bound to
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def read_authority(text: str) -> tuple[str, int | None] | None:
    """
    Read `host`, `host:port` or `[IPv6]:port`; None where it is none of them.

    Names come back in lower case and without the final dot, addresses in their shortest form.
    """
    match = _AUTHORITY.fullmatch(text.strip())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    return _plain(match["host"].strip("[]")), port


def _plain(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().removesuffix(".")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


class Guard:
    """
    Decides whether a request may come in.

    Args:
        address: Where the listener was told to stand.
        hosts: Further names it may be called by, each with a port or without (then with any).
        token: Asked of everybody; None only on loopback.

    Raises:
        ValueError: A name cannot be read, or the listener would stand open to others.
    """

    def __init__(self, address: Address, hosts: Sequence[str], token: Secret | None) -> None:
        if token is not None and not token:
            raise ValueError("the admin token is empty")
        if token is None and not address.is_loopback:
            raise ValueError(f"the admin side on {address} needs a token; only loopback addresses go without")
        self._token = token
        self._further = [_host_setting(host) for host in hosts]
        self._names = {socket.gethostname().lower()} if address.host in _WILDCARDS else {_plain(address.host)}

    def check_host(self, host: str | None, local: Address) -> None:
        """
        Refuse a request that calls this listener by a name which is not its own.

        Args:
            host: The Host header.
            local: The address of our end of the connection.

        Raises:
            Refused: With 403.
        """
        called = read_authority(host) if host else None
        if called is None or not (self._is_own(*called, local) or self._is_further(*called)):
            raise Refused(
                403,
                "wrong_host",
                f"the Host header {_shown(host)} is none of this listener's own names; call it by its address and "
                "port, or start the router with --admin-host and the name that you use",
            )

    def check_origin(self, method: str, origin: str | None, host: str | None) -> None:
        """
        Refuse what changes something at the wish of another site's page.

        Args:
            origin: The Origin header: which page a browser sends from; programs send none.
            host: The Host header, which was checked before.

        Raises:
            Refused: With 403.
        """
        if origin is None or method in SAFE_METHODS or self._is_ours(origin, host):
            return
        raise Refused(
            403,
            "foreign_origin",
            f"the Origin header {_shown(origin)} is another site; requests that change something come from programs, "
            "from this listener's own pages, or from a name given with --admin-host",
        )

    def knows(self, authorization: str | None) -> bool:
        """Tell whether the Authorization header carries our token; always, where none is asked for."""
        if self._token is None:
            return True
        scheme, _, given = (authorization or "").strip().partition(" ")
        # As bytes: compare_digest() refuses text that is not ASCII. Header text is Latin-1 on the wire.
        right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token.reveal().encode())
        return right and scheme.lower() == "bearer"

    def check_token(self, authorization: str | None) -> None:
        """
        Refuse a request without the token.

        Raises:
            Refused: With 401.
        """
        if self.knows(authorization):
            return
        found = "the token in the Authorization header is not this router's" if authorization else "a token is needed"
        challenge = 'Bearer realm="spaces-router"' + (', error="invalid_token"' if authorization else "")
        raise Refused(
            401,
            "unauthorized",
            f"{found}; send the header 'Authorization: Bearer' with the token that the router was started with",
            {"WWW-Authenticate": challenge},
        )

    def _is_own(self, host: str, port: int | None, local: Address) -> bool:
        if port != local.port and not (port is None and local.port == _DEFAULT_PORTS["http"]):
            return False
        end = _plain(local.host)
        # `localhost` cannot be pointed elsewhere: browsers never ask a name server for it.
        return host == end or host in self._names or (Address(end, 0).is_loopback and host in _LOOPBACK)

    def _is_further(self, host: str, port: int | None) -> bool:
        return any(host == name and wanted in (None, port) for name, wanted in self._further)

    def _is_ours(self, origin: str, host: str | None) -> bool:
        scheme, _, rest = origin.strip().partition("://")
        standard = _DEFAULT_PORTS.get(scheme.lower())
        page = read_authority(rest)
        if page is None or standard is None:  # `null`, or no page of the web
            return False
        called = [read_authority(host)] if host else []
        ours = [*filter(None, called), *self._further]
        return any(page[0] == name and (page[1] or standard) == (port or standard) for name, port in ours)


def _host_setting(text: str) -> tuple[str, int | None]:
    read = read_authority(text)
    if read is None:
        raise ValueError(f"--admin-host {text!r} cannot be read; expected NAME or NAME:PORT without a scheme")
    return read


def _shown(header: str | None) -> str:
    if header is None:
        return "(missing)"
    return ascii(header if len(header) <= 100 else header[:99] + "…")
