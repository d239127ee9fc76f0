"""How requests of ours are signed: Teamwork's way, or the way of the Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from router.fields import Model
from router.secret import Secret
from router.signature import sign

_PREFIX = "whsec_"


class Signing(Model):
    """
    A key, and what is made with it.

    Attributes:
        style: `teamwork` signs the body alone, as Spaces does; `standard-webhooks` signs id, time and body.
        secret: The key; for `standard-webhooks` in base64, with or without `whsec_` before it.

    Source: the Standard Webhooks specification, "Signature scheme" (v1, symmetric), read 2026-11.
    """

    style: Annotated[Literal["teamwork", "standard-webhooks"], Field(examples=["standard-webhooks"])] = "teamwork"
    secret: Annotated[Secret, Field(examples=["${PARTNER_SECRET}"])]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.secret:
            raise ValueError("the secret is set but empty; anybody could make that signature")
        if self.style == "standard-webhooks":
            try:
                usable = bool(self._key())
            except (binascii.Error, ValueError):
                usable = False
            if not usable:
                raise ValueError(
                    "the secret is not base64; expected one such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                )
        return self

    def headers(self, body: bytes, message_id: str, now: datetime, signature_header: str) -> Mapping[str, str]:
        """
        Sign one request.

        Args:
            message_id: The same over all attempts; the Standard Webhooks sign it.
            signature_header: What the Teamwork style calls its header.
        """
        if self.style == "teamwork":
            return {signature_header: sign(self.secret.reveal(), body)}
        timestamp = str(int(now.timestamp()))
        content = b".".join((message_id.encode(), timestamp.encode(), body))
        digest = base64.b64encode(hmac.digest(self._key(), content, "sha256")).decode()
        return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{digest}"}

    def secrets(self) -> list[str]:
        """Beside the secret itself, what follows its prefix."""
        return [self.secret.reveal().removeprefix(_PREFIX)]

    def _key(self) -> bytes:
        return base64.b64decode(self.secret.reveal().removeprefix(_PREFIX), validate=True)


def _from_text(value: Any) -> Any:
    return {"secret": value} if isinstance(value, str | Secret) else value


Sign = Annotated[Signing, BeforeValidator(_from_text, json_schema_input_type=str | Signing)]
"""Written as a token (the Teamwork style), or as `{style, secret}`."""
