"""What a mail server's answers mean, and what to tell a person about those that are none."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiosmtplib

from router.outbound.failures import CERTIFICATE_FINDINGS
from router.smtp.server import Line

CONFIGURATION_CODES = frozenset({530, 534, 535, 538})
"""
Login or TLS wanted or refused: a matter of settings on either side. Source: RFC 4954 section 6, RFC 3207 section 4.
"""

_LONGEST_ANSWER = 500


@dataclass(frozen=True)
class Refusal:
    """What a server said to one recipient, or to a mail."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(frozen=True)
class Handed:
    """
    What became of a mail.

    Attributes:
        accepted: Recipients for whom the server took it.
        refused: The others, with what it said.
        answer: What it said to the mail itself; empty where no recipient was left to send it to.
    """

    accepted: tuple[str, ...]
    refused: Mapping[str, Refusal]
    answer: str = ""


class MailFailed(Exception):
    """
    A mail was not handed over, as far as can be known.

    Attributes:
        sentence: For a person; no secret.
        code: What the server answered, or None where it was no answer.
        of_the_message: The server refused sender or message, and not the connection or the login.
        refused: Recipients that had been refused before, with what the server said.
    """

    def __init__(self, sentence: str, code: int | None = None, *, of_the_message: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.of_the_message = of_the_message
        self.refused: Mapping[str, Refusal] = {}


@contextlib.contextmanager
def worded(line: Line, stage: str) -> Iterator[None]:
    """
    Turn whatever goes wrong into `MailFailed`.

    Args:
        stage: What the server had just been told; follows its name in a sentence.
    """
    try:
        yield
    except MailFailed:
        raise
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        failure = _failure(error, line, stage)
    else:
        return
    # Raised out here, so that no traceback drags along the library's error: its arguments may hold the login.
    raise failure


def _failure(error: Exception, line: Line, stage: str) -> MailFailed:
    code = getattr(error, "code", None)
    if isinstance(error, aiosmtplib.SMTPResponseException) and isinstance(code, int) and 200 <= code <= 599:
        of_the_message = isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError)
        what = _REFUSED.get(type(error), "refused")
        sentence = f"{line.place} {what}: {one_line(f'{code} {error.message}')}"
        return MailFailed(sentence, code, of_the_message=of_the_message)
    cause = error
    while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        finding = CERTIFICATE_FINDINGS.get(cause.verify_code) or f"was not accepted ({cause.verify_message})"
        return MailFailed(f"the certificate of {line.place} {finding}")
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or "handshake failed").lower().replace("_", " ")
        return MailFailed(f"no TLS connection to {line.place} ({reason}); check that this port speaks TLS as it is set")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return MailFailed(f"{line.place} {stage}, and answered what is not SMTP; check what listens there")
    if isinstance(cause, aiosmtplib.SMTPServerDisconnected | OSError):
        return MailFailed(f"{line.place} closed the connection when it {stage}")
    return MailFailed(f"{line.place} {stage}; then it failed ({type(cause).__name__})")


_REFUSED = {
    aiosmtplib.SMTPAuthenticationError: "refused the login",
    aiosmtplib.SMTPSenderRefused: "refused the sender",
    aiosmtplib.SMTPDataError: "refused the message",
    aiosmtplib.SMTPHeloError: "refused the greeting",
    aiosmtplib.SMTPConnectResponseError: "takes no mail now",
}


def one_line(text: str) -> str:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _LONGEST_ANSWER else f"{line[: _LONGEST_ANSWER - 1]}…"
