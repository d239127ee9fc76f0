"""What the keys of a model mean, in the words of its docstring, so that each is explained in one place."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

_ATTRIBUTES = re.compile(r"^Attributes:\n((?:^(?: .*)?$\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.+(?:\n {8}.+)*)$", re.MULTILINE)


def summary(told: type[BaseModel] | Callable[..., Any]) -> str:
    """Give the first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(told.__doc__ or "").split("\n\n")[0].split())


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Say what each field means, by its name; what a model does not say itself, the one above it says."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        found |= dict(_told(each))
    return found


def _told(model: type) -> Iterator[tuple[str, str]]:
    section = _ATTRIBUTES.search(inspect.cleandoc(model.__dict__.get("__doc__") or "") + "\n")
    for names, text in _ENTRY.findall(section[1]) if section else ():
        for name in names.split(", "):
            yield name, " ".join(text.split())
