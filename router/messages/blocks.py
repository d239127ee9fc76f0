"""Slack's limits: where a message is too long, it is cut at a word rather than refused."""

from __future__ import annotations

from typing import Any

from router.messages.escaping import cut_slack
from router.messages.limits import TemplateRefused
from router.payload import JSON

# Source: Slack's reference of Block Kit and of chat.postMessage, read 2026-11.
LONGEST_SLACK_TEXT = 40_000
MOST_BLOCKS = 50
_LONGEST_IN_BLOCK = {"section": 3_000, "header": 150}
_LONGEST_FIELD = 2_000


def fit_blocks(blocks: JSON) -> list[dict[str, Any]]:
    """
    Make blocks that Slack takes: at most 50, their texts cut, sections and headers without any text left out.

    Raises:
        TemplateRefused: They are no list of mappings.
    """
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise TemplateRefused("blocks must be a list of mappings, such as {type: section, text: …}")
    fitted = (_fit_block(block) for block in blocks)
    return [block for block in fitted if block is not None][:MOST_BLOCKS]


def _fit_block(block: dict[str, Any]) -> dict[str, Any] | None:
    limit = _LONGEST_IN_BLOCK.get(str(block.get("type")))
    if limit is None:
        return block
    fitted = dict(block)
    if "text" in block:
        fitted["text"] = _fit_text(block["text"], limit)
        if fitted["text"] is None:
            del fitted["text"]
    if isinstance(block.get("fields"), list):
        fields = [_fit_text(field, _LONGEST_FIELD) for field in block["fields"]]
        fitted["fields"] = [field for field in fields if field is not None]
    # Slack refuses the whole message for one empty text.
    return fitted if fitted.get("text") or fitted.get("fields") else None


def _fit_text(text: JSON, limit: int) -> JSON:
    """Cut a text object, or give None for one without anything to read."""
    if not isinstance(text, dict) or not isinstance(text.get("text"), str):
        return text
    words = text["text"].strip()
    return {**text, "text": cut_slack(words, limit)} if words else None
