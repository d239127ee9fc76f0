"""
The errors a caller acts on. Anything else that is raised is a bug of ours.

RouterError
├── TemporaryFailure      an attempt failed and the next one may succeed
│   └── Throttled         the destination asked us to wait; costs no attempt
├── PermanentFailure      no later attempt can succeed
│   └── RenderFailure     the message could not be written
├── SignatureMismatch     the sender gets 401
├── UnreadableBody        well signed, but not JSON; the sender gets 400
├── BadEventName          well signed, but no event is named; the sender gets 400. In `incoming.py`
├── StoreUnavailable      nothing was written; the sender gets 503 and tries again
├── StoreRefused          the store must not be opened; `serve` ends and says how to mend it
├── ApiFailure            the Spaces API told no names; messages go without. In `spaces/client.py`
└── ConfigurationInvalid  the rule file has problems; in `config/problems.py`, beside what it carries
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.events import Message  # which imports this module at run time


class RouterError(Exception):
    """Base of every error on this page."""


class TemporaryFailure(RouterError):
    """
    An attempt failed in a way that may pass.

    Args:
        detail: A sentence for a person, without any secret.
        status: HTTP or SMTP status, where there was one.
        message: With the progress it made, where some of its recipients have it now; stored for the next attempt.
    """

    def __init__(self, detail: str, status: int | None = None, message: Message | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.message = message


class Throttled(TemporaryFailure):
    """
    The destination named a time before which it wants nothing (429 or 503 with a valid `Retry-After`).

    Args:
        until: When it may be asked again; aware, UTC.
    """

    def __init__(self, detail: str, until: datetime, status: int | None = None) -> None:
        super().__init__(detail, status)
        self.until = until


class PermanentFailure(RouterError):
    """
    An attempt failed and no later one can succeed.

    Args:
        detail: A sentence for a person, without any secret.
        status: HTTP or SMTP status, where there was one.
        reason: What the delivery's `reason` says once it is dead.
        message: As with `TemporaryFailure`; a replay goes on from there.
    """

    def __init__(
        self,
        detail: str,
        status: int | None = None,
        reason: str = "permanent failure",
        message: Message | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.reason = reason
        self.message = message


class RenderFailure(PermanentFailure):
    """A template failed on this event; mend the template, then replay the delivery."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, reason="render error")


class SignatureMismatch(RouterError):
    """The signature is missing, malformed, or made with another token."""


class UnreadableBody(RouterError):
    """The body is not JSON that we can read; the text says why."""


class StoreUnavailable(RouterError):
    """The store could not write now; the text says why. Nothing was promised to anybody."""


class StoreRefused(RouterError):
    """The store must not be opened: in use, damaged, or of a newer version. The text names the file and the mend."""
