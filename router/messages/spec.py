"""What a rule says about its message, and how a destination wants it."""

from __future__ import annotations

from dataclasses import dataclass

from router.events import Format, Markup
from router.payload import JSON

TEXT_FOLDER = "text"
"""Of templates for plain text, and so for the text part of a mail."""


@dataclass(frozen=True)
class MessageSpec:
    """
    What a rule says about its message. At most one of `message`, `template`, `blocks` and `body` is set.

    Attributes:
        message: Text of a template.
        template: Name of a template file, without its ending.
        subject: Text of a template, for destinations that know subjects; with `blocks`, what notifications show.
        blocks: Slack's Block Kit blocks, their texts templates.
        body: JSON for `http` destinations, its texts templates; it is set where `has_body`, as null is a body too.
        format: Of the built-in and named templates; None where the rule leaves it to the destination.
    """

    message: str | None = None
    template: str | None = None
    subject: str | None = None
    blocks: JSON = None
    body: JSON = None
    has_body: bool = False
    format: Format | None = None


@dataclass(frozen=True)
class Style:
    """
    How a destination's type wants its messages.

    Attributes:
        folder: Of `templates/`, for its built-in and named templates.
        forwards_as_is: An event goes out as it came where the rule gives no message.
        format: Where the rule does not say it.
    """

    markup: Markup
    folder: str
    forwards_as_is: bool
    format: Format = "compact"

    @property
    def folders(self) -> tuple[str, ...]:
        """Where its templates lie: a mail has a part of HTML and one of text."""
        return (self.folder, TEXT_FOLDER) if self.markup is Markup.HTML else (self.folder,)
