"""Why a connection could not be made, in words for an administrator: host and port, what failed, what to check."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx

from router.lookups import LookupTimedOut

CERTIFICATE_FINDINGS = {  # OpenSSL's X509_V_ERR_*, from its manual page X509_STORE_CTX_get_error, read 2026-11
    9: "is not valid yet; check the clocks of both machines",
    10: "has expired; it must be renewed there",
    18: "is self-signed; add it to the certificates that this machine trusts, or name it in SSL_CERT_FILE",
    19: "is signed by an authority that this machine does not trust; add it to the trusted certificates",
    20: "is signed by an unknown authority, or the server leaves out a part of the chain; check both",
    21: "cannot be checked: the server leaves out a part of the chain; it must be mended there",
    62: "is made out to another name; check the host in the address",
    64: "is made out to another address; check the host in the address",
}

_CONNECTING = {
    errno.ECONNREFUSED: "{place} refused the connection; check that the {service} runs there, and the port",
    errno.ENETUNREACH: "no way to {place} (network unreachable); check the network and the firewall",
    errno.EHOSTUNREACH: "no way to {place} (host unreachable); check the network and the firewall",
    errno.ETIMEDOUT: "{place} does not react; check the address, the network and the firewall",
    errno.ECONNRESET: "{place} reset the connection while it was made; check what listens there",
    errno.EMFILE: "no connection to {place}: this process has too many open files; raise its limit",
    errno.ENFILE: "no connection to {place}: this machine has too many open files; raise its limit",
}


def connecting_failed(error: OSError, place: str) -> httpx.TransportError:
    """Word an error of connecting to an address, or of the TLS handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, place)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").lower().replace("_", " ")
        return httpx.ConnectError(f"no TLS connection to {place} ({reason}); check that this port speaks https")
    if isinstance(error, TimeoutError) and error.errno is None:  # ours; the system's own has a number
        return httpx.ConnectTimeout(
            f"no connection to {place} in time; check the address, the network and the firewall"
        )
    return httpx.ConnectError(unreachable(error, place, "service"))


def looking_up_failed(error: OSError, host: str) -> httpx.TransportError:
    """Word an error of looking up a name."""
    return httpx.ConnectError(unknown_host(error, host))


def unreachable(error: OSError, place: str, service: str) -> str:
    """Say why a connection was not made; for whoever connects, by HTTP or not."""
    number = error.errno or (errno.ECONNRESET if isinstance(error, ConnectionError) else 0)
    template = _CONNECTING.get(number)
    if template is None:
        return f"no connection to {place} ({error.strerror or 'unknown reason'}); check the address"
    return template.format(place=place, service=service)


def unknown_host(error: OSError, host: str) -> str:
    """Say why a name was not found; for whoever looks one up."""
    if isinstance(error, LookupTimedOut):
        return f"the look-up of {host} had no answer in time; check the name server of this machine"
    if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
        return f"no such host: {host}; check the name, and the name server of this machine"
    return f"the look-up of {host} failed ({error.strerror}); check the name server of this machine"


def _untrusted(error: ssl.SSLCertVerificationError, place: str) -> httpx.TransportError:
    finding = CERTIFICATE_FINDINGS.get(error.verify_code) or f"was not accepted ({error.verify_message})"
    return httpx.ConnectError(f"the certificate of {place} {finding}")
