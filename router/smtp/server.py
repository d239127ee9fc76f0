"""Where a mail server is, and how it is reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.fields import in_any_case, shape
from router.secret import Secret

_EXPECTED = "expected a mail server such as smtp://mail.example.com:587 or smtps://mail.example.com"
_FORM = re.compile(r"(smtps?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?", re.ASCII)

Security = Literal["tls", "starttls", "none"]


class MailServer:
    """
    A mail server's address: `smtp://mail.example.com:587`, or `smtps://` for TLS from the start.

    Attributes:
        port: None where the address gives none.
        is_loopback: Mail to it does not leave this machine.

    Raises:
        ValueError: With a sentence that does not quote the address.
    """

    __slots__ = ("from_the_start", "host", "port", "text")

    def __init__(self, text: str) -> None:
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise ValueError(_EXPECTED)
        if "@" in form[2]:
            raise ValueError("the address of the mail server holds a user name; username and password are own keys")
        if form[3] not in {"", "/"}:
            raise ValueError("the address of the mail server holds more than host and port")
        self.from_the_start = form[1].lower() == "smtps"
        self.host, self.port = _host_and_port(form[2])
        self.text = text

    @property
    def is_loopback(self) -> bool:
        if self.host in {"localhost", "localhost."}:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "smtps" if self.from_the_start else "smtp"
        return f"{scheme}://{host}" if self.port is None else f"{scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"MailServer({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return shape("mail server", rf"^\s*(?:{in_any_case('smtp', 'smtps')})://", _EXPECTED)


def _host_and_port(text: str) -> tuple[str, int | None]:
    form = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text, re.ASCII)
    if form is None:
        raise ValueError("the mail server's host or port is not valid")
    host = form[1].strip("[]").lower()
    if form[1].startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("the mail server's host is no valid IPv6 address") from None
    elif not HOST.fullmatch(host):
        raise ValueError("the mail server's host is not valid; write an international name in its form xn--…")
    if form[2] is not None and not 1 <= int(form[2]) <= 65535:
        raise ValueError(f"the mail server's port is {int(form[2])}; expected 1 to 65535")
    return host, int(form[2]) if form[2] else None


@dataclass(frozen=True)
class Line:
    """
    How to reach a server.

    Attributes:
        username: Empty for no login.
    """

    host: str
    port: int
    security: Security
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
