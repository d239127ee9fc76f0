"""What can be wrong in a template, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from router.messages.structures import Path


@dataclass(frozen=True)
class TemplateProblem:
    """
    Something to mend in a template.

    Attributes:
        path: Keys from the rule to the text: `("message",)`, `("body", "title")`. In a file that is a structure, those
            from its top.
        line, column: Within that text, or in the template file; from 1. The column is None where it is not known.
        template: Name of the template file that holds it, or None where the text stands in the rule.
        code: Of the kind of warning that it is; None for an error.
        width: How many characters are meant.
    """

    path: Path
    line: int
    column: int | None
    sentence: str
    template: str | None = None
    code: str | None = None
    width: int = 1


_TAG = re.compile(r"\{\{|\{%")
_CANNOT_FAIL = re.compile(r"\{\{-?\s*[A-Za-z_][\w.]*\s*-?\}\}|\{%-?\s*(?:end\w+|else)\s*-?%\}")


class TemplatePlace(NamedTuple):
    """
    A template, and where it stands.

    Attributes:
        path, template: As in `TemplateProblem`.
        text: Of the template; empty where it is no text but a structure.
    """

    path: Path
    template: str | None
    text: str = ""

    def column(self, line: int) -> int | None:
        """Give the column of the only tag in a line that can fail; None where there are several or none."""
        lines = self.text.splitlines()
        text = lines[line - 1] if line <= len(lines) else ""
        tags = [tag.start() for tag in _TAG.finditer(text) if not _CANNOT_FAIL.match(text, tag.start())]
        return tags[0] + 1 if len(tags) == 1 else None
