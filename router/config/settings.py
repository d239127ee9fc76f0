"""What lives as long as the process: flags and environment, not the rule file."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from router.logs import LogFormat
from router.secret import Secret

DEFAULT_MAX_BODY = 5 * 1024 * 1024
DEFAULT_QUEUE_LIMIT = 1_000_000
DRAIN_LIMIT = timedelta(seconds=30)
DEFAULT_RETENTION = timedelta(days=30)
SHORTEST_RETENTION = timedelta(days=1)
"""Repeats are recognised by what is stored, and they must be for at least a day."""
LONGEST_RETENTION = timedelta(days=3650)


@dataclass(frozen=True)
class Address:
    """Where a listener stands; port 0 asks for a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (all addresses).

        Raises:
            ValueError: With a sentence for the user.
        """
        if "://" in text:
            raise ValueError(f"expected HOST:PORT such as 127.0.0.1:8080, without http://, found {text!r}")
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r} is ambiguous; write an IPv6 address in brackets, such as [::1]:8080")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected HOST:PORT such as 127.0.0.1:8080, found {text!r}")
        return cls(host or "0.0.0.0", int(port))  # noqa: S104 - an empty host asks for all addresses

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name that merely looks like an address counts as none."""
        if self.host == "localhost":
            return True
        try:
            # `127.1` is a spelling that the system understands and `ipaddress` does not.
            address = self.host if ":" in self.host else socket.inet_ntoa(socket.inet_aton(self.host))
            return ipaddress.ip_address(address).is_loopback
        except (OSError, ValueError):
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """
    The settings of `serve`.

    Attributes:
        data: Folder that holds `router.db`.
        admin_token: Asked of everybody who uses the admin listener; required off loopback.
        admin_hosts: Names that the Host header of the admin listener may carry, beside its own.
        queue_limit: Deliveries that are not final, beyond which the sender is asked to try again later.
        max_body: Bytes of one request.
        retention: How long events are kept once all is done with them.
        drain: How long a stop waits for what is being sent.
    """

    rules: Path
    data: Path
    listen: Address = Address("0.0.0.0", 8080)  # noqa: S104 - Spaces calls from outside
    admin: Address = Address("127.0.0.1", 8081)
    admin_token: Secret | None = None
    admin_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_format: LogFormat = LogFormat.TEXT
    log_level: str = "info"
    dry_run: bool = False
    queue_limit: int = DEFAULT_QUEUE_LIMIT
    max_body: int = DEFAULT_MAX_BODY
    retention: timedelta = DEFAULT_RETENTION
    drain: timedelta = DRAIN_LIMIT

    @property
    def database(self) -> Path:
        return self.data / "router.db"
