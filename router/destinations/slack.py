"""Slack, and servers that take the same messages, through an incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from router.destinations.address import WebAddress, without_template
from router.destinations.answers import common_headers, excerpt, exchange, receipt_or_failure
from router.destinations.base import Clients, Destination, Outgoing, Receipt
from router.errors import PermanentFailure, TemporaryFailure, UnreadableBody
from router.events import Markup, Message
from router.fields import PerTime, Rate
from router.payload import JSON, dump_json, parse_body

MAX_TEXT_CHARACTERS = 40_000
"""Slack cuts longer texts itself, wherever that falls. Source: Slack's page on `chat.postMessage`, read 2026-11."""

_LONGEST_ENTITY = 8
_LONGEST_LINK = 3000

_BAD_MESSAGE = frozenset({"no_text", "invalid_payload", "invalid_blocks", "invalid_blocks_format"}) | frozenset(
    {"invalid_attachments", "too_many_attachments", "missing_text_or_fallback_or_attachments"}
    | {"msg_too_long", "msg_blocks_too_long"}
)
_BAD_CHANNEL = frozenset({"channel_not_found", "channel_is_archived", "is_archived", "user_not_found"}) | frozenset(
    {"action_prohibited", "posting_to_general_channel_denied", "restricted_action"}
)
_BAD_WEBHOOK = frozenset({"no_service", "no_active_hooks", "no_team", "team_not_found", "team_disabled"}) | frozenset(
    {"invalid_token", "token_revoked", "account_inactive"}
)
_HOPELESS = _BAD_MESSAGE | _BAD_CHANNEL | _BAD_WEBHOOK
"""
Texts that no later attempt can change. Source: Slack's pages on errors of incoming webhooks
(changelog of 2016-05-17 and after), read 2026-11. Whatever is not among them, such as `rollup_error`, may pass.
"""


class Slack(Destination, type="slack"):
    """
    One channel, through its incoming webhook.

    Attributes:
        url: The webhook's URL as Slack shows it; a password in itself. Another host works if it answers like Slack.
        rate: The most messages per time. Slack's own limit is one a second for each webhook, short bursts apart.

    Source: Slack's pages on incoming webhooks and on rate limits, read 2026-11.
    """

    markup: ClassVar[Markup] = Markup.SLACK
    template_folder: ClassVar[str] = "slack"
    example: ClassVar[Mapping[str, Any]] = {
        "url": "https://hooks.slack.com/services/T00000000/B00000000/example-webhook-token-1",
    }

    url: Annotated[WebAddress, AfterValidator(without_template), Field(examples=["${SLACK_URL}"])]
    rate: Annotated[PerTime | None, Field(examples=["30/m"])] = Rate(1, 1.0)

    @property
    def target(self) -> str:
        return self.url.origin + self.url.rest

    @property
    def address(self) -> str:
        return self.url.place

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        content = dump_json(_payload(outgoing.message))
        headers = {"Content-Type": "application/json", **common_headers(outgoing)}
        response = await exchange(clients, "POST", self.url.text, content, headers)
        receipt = receipt_or_failure(
            response.status_code, response.headers, response.content, clients.now(), self.fail_fast
        )
        _check_text(response.content, response.status_code)
        return receipt


def _payload(message: Message) -> dict[str, JSON]:
    """What Slack gets; `link_names` is never set, or a page's title could call a whole channel."""
    if message.forward or message.has_body:
        raise PermanentFailure(
            "a slack destination takes `message`, `template` or `blocks`; `body` is for http destinations",
            reason="not a message for Slack",
        )
    payload: dict[str, JSON] = {"text": cut(message.text)}
    if message.blocks:
        payload["blocks"] = message.blocks
    return payload


def cut(text: str) -> str:
    """Shorten a text to what Slack takes, and not in the middle of an entity (`&amp;`) or a link (`<…>`)."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    kept = text[: MAX_TEXT_CHARACTERS - 1]
    for opening, closing, longest in (("<", ">", _LONGEST_LINK), ("&", ";", _LONGEST_ENTITY)):
        start = kept.rfind(opening, len(kept) - longest)
        if start >= 0 and closing not in kept[start:]:
            kept = kept[:start]
    return kept + "…"


def _check_text(body: bytes, status: int) -> None:
    """
    Judge the body of a 2xx: `ok`, or JSON that says `ok: true`.

    Raises:
        PermanentFailure, TemporaryFailure: It is anything else.
    """
    text = body.decode("utf-8", "replace").strip()
    if text == "ok":
        return
    error = text
    if text.startswith("{"):
        try:
            said = parse_body(body)
        except UnreadableBody:
            said = {}
        if said.get("ok") is True:
            return
        error = str(said.get("error") or "")
    detail = f"Slack answered HTTP {status}, but not `ok`: {excerpt(body) or 'nothing'}"
    if error in _HOPELESS:
        raise PermanentFailure(detail, status, reason=f"Slack said {error}")
    raise TemporaryFailure(detail, status)
