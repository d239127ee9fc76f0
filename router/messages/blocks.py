"""Slack's limits: what is too long is cut at a word rather than refused, and what is empty is left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from router.messages.escaping import cut_slack
from router.messages.limits import TemplateRefused
from router.payload import JSON, dump_json

# Source: Slack's reference of Block Kit and of chat.postMessage, read 2026-11.
LONGEST_SLACK_TEXT = 40_000
MOST_BLOCKS = 50
LONGEST_BLOCKS = 12_000
"""
Bytes of all blocks of a message as JSON. Slack names no figure; it answers `msg_blocks_too_long` from about 13,200 on.

Source: slackapi/bolt-js#2509, measured by users there, read 2026-11.
"""

LONGEST_SECTION, LONGEST_FIELD, LONGEST_HEADER, LONGEST_CONTEXT, LONGEST_BUTTON = 3_000, 2_000, 150, 2_000, 75
MOST_FIELDS, MOST_CONTEXTS, MOST_BUTTONS = 10, 10, 25
_LONGEST_TITLE = 2_000
_LONGEST_ADDRESS = 3_000
_SHORTEST_CUT = 200

Block = dict[str, Any]


def fit_blocks(blocks: JSON, more: str = "") -> list[Block]:
    """
    Make blocks that Slack takes: at most 50, their texts cut, and nothing in them that is empty.

    A section, header, context or row of buttons without anything in it is left out, and so is a button or picture
    whose address is empty: Slack would refuse the whole message for it. Titles can call nobody: Slack looks for names
    of channels and people only in what is not `verbatim`.

    Args:
        more: A finished link that stands behind what is cut in sections.

    Raises:
        TemplateRefused: They are no list of mappings.
    """
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise TemplateRefused("blocks must be a list of mappings, such as {type: section, text: …}")
    fitted = (_fit_block(block, more) for block in blocks)
    return _fit_together([block for block in fitted if block is not None][:MOST_BLOCKS], more)


def _fit_block(block: Block, more: str) -> Block | None:
    match block.get("type"):
        case "section":
            return _fit_section(block, more)
        case "header":
            return _with(block, text=_fit_text(block.get("text"), LONGEST_HEADER), needs=("text",))
        case "context":
            return _with(block, elements=_fit_elements(block.get("elements"), MOST_CONTEXTS), needs=("elements",))
        case "actions":
            return _with(block, elements=_fit_elements(block.get("elements"), MOST_BUTTONS), needs=("elements",))
        case "image":
            return _fit_image(block)
    return block


def _fit_section(block: Block, more: str) -> Block | None:
    fields = block.get("fields")
    if isinstance(fields, list):
        fields = _present(_fit_text(field, LONGEST_FIELD) for field in fields)[:MOST_FIELDS]
    accessory = block.get("accessory")
    return _with(
        block,
        text=_fit_text(block.get("text"), LONGEST_SECTION, more),
        fields=fields or None,
        accessory=_fit_element(accessory) if isinstance(accessory, dict) else accessory,
        needs=("text", "fields"),
    )


def _with(block: Block, needs: tuple[str, ...], **parts: JSON) -> Block | None:
    """Put fitted parts in; those that are None are left out, and the block where none is left of what it needs."""
    fitted = {key: parts.get(key, value) for key, value in block.items()}
    fitted = {key: value for key, value in fitted.items() if value is not None or key not in parts}
    return fitted if any(fitted.get(key) for key in needs) else None


def _fit_elements(elements: JSON, most: int) -> JSON:
    if not isinstance(elements, list):
        return elements
    fitted = (_fit_element(element) if isinstance(element, dict) else element for element in elements)
    return _present(fitted)[:most]


def _fit_element(element: Block) -> Block | None:
    match element.get("type"):
        case "mrkdwn" | "plain_text":
            text: Block | None = _fit_text(element, LONGEST_CONTEXT)
            return text
        case "button":
            fitted = _with(element, text=_fit_text(element.get("text"), LONGEST_BUTTON), needs=("text",))
            return fitted if "url" not in element or _is_address(element["url"]) else None
        case "image":
            return _fit_image(element)
    return element


def _fit_image(image: Block) -> Block | None:
    if "image_url" in image and not _is_address(image["image_url"]):
        return None
    return _with(image, title=_fit_text(image.get("title"), _LONGEST_TITLE), needs=("type",))


def _is_address(value: JSON) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_ADDRESS


def _present(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if part is not None]


def _fit_text(text: JSON, limit: int, more: str = "") -> Any:
    """Cut a text object, or give None for one without anything to read."""
    if not isinstance(text, dict):
        return text
    found = text.get("text")
    # A text that is one expression has the value's own type, and Slack would refuse the message for any but a text.
    words = (found if isinstance(found, str) else dump_json(found).decode()).strip()
    if not words or found in (None, [], {}):
        return None
    is_markup = text.get("type") == "mrkdwn"
    fitted = {**text, "text": cut_slack(words, limit, more if is_markup else "")}
    return {**fitted, "verbatim": text.get("verbatim", True)} if is_markup else fitted


def _fit_together(blocks: list[Block], more: str) -> list[Block]:
    """Shorten the longest sections, all to one length, until the blocks fit together; then the last ones go."""
    limit, fitted = LONGEST_SECTION, blocks
    while len(dump_json(fitted)) > LONGEST_BLOCKS:
        if limit > _SHORTEST_CUT:
            limit = max(_SHORTEST_CUT, limit * 4 // 5)
            fitted = [_shortened(block, limit, more) for block in blocks]
        else:
            fitted = fitted[:-1]
    return fitted


def _shortened(block: Block, limit: int, more: str) -> Block:
    is_section = block.get("type") == "section" and "text" in block
    return {**block, "text": _fit_text(block["text"], limit, more)} if is_section else block
