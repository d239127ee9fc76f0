"""Template files by name: the rule file's own ones, and behind them the built-in ones of `templates/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from router.events import FORMATS, Format, Markup
from router.messages.spec import TEXT_FOLDER, Style
from router.messages.structures import leaves
from router.payload import JSON

FOLDERS = ("email", "slack", TEXT_FOLDER)
SHARED = "shared"
"""Folder of the pieces that messages of every kind include; none of them is a message by itself."""
ALERT = "alert"
"""Templates for what the router tells of itself; no event from outside is put into their words."""
SUFFIX = ".j2"
STRUCTURE_SUFFIX = ".yaml"
"""Of messages that are Slack's blocks: a map of `text` and `blocks` whose texts are templates."""
STRUCTURE_FOLDER = "slack"
SUFFIXES = (SUFFIX, STRUCTURE_SUFFIX)
_FORMAT_ENDINGS = tuple(f".{each}" for each in FORMATS)


@cache
def built_in_templates() -> Mapping[str, str]:
    """
    Read the built-in templates, by names such as `slack/event.compact.j2`.

    A wheel carries them inside the package; in a working copy they lie at the top of the repository.
    """
    packaged = files("router").joinpath("templates")
    root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "templates"
    found = {}
    for folder in (*FOLDERS, SHARED):
        for entry in root.joinpath(folder).iterdir():
            if entry.name.endswith(SUFFIXES):
                found[f"{folder}/{entry.name}"] = entry.read_text(encoding="utf-8")
    return found


@cache
def _built_in_structures() -> Mapping[str, JSON]:
    return {
        name: yaml.safe_load(text) for name, text in built_in_templates().items() if name.endswith(STRUCTURE_SUFFIX)
    }


@cache
def _built_in_texts() -> frozenset[str]:
    structures = _built_in_structures().items()
    return frozenset(built_in_templates().values()).union(text for _, text in leaves(dict(structures), ()))


def is_built_in(text: str) -> bool:
    """Whether a text is one of ours: tests see to it that those have no faults."""
    return text in _built_in_texts()


class Library:
    """
    All templates that a rule set can name.

    Args:
        own: Text by name (`slack/page.j2`, `my-note.j2`); one of a built-in name takes its place.
        structures: What the own files that are structures hold; one that cannot be read is not among them.
    """

    def __init__(self, own: Mapping[str, str], structures: Mapping[str, JSON] | None = None) -> None:
        self.own = dict(own)
        self._shelves = (self.own, built_in_templates())
        self._texts = {**built_in_templates(), **self.own}
        self._structures = {**_built_in_structures(), **dict.fromkeys(self.own), **(structures or {})}

    def text(self, name: str) -> str | None:
        return self._texts.get(name)

    def structure(self, name: str) -> JSON:
        """Give the map of `text` and `blocks` that a file holds; None where it is no such file, or cannot be read."""
        return self._structures.get(name)

    def has(self, name: str) -> bool:
        return name in self._texts

    def named(self, wanted: str, style: Style, wanted_format: Format) -> str | None:
        """Find what `template: wanted` means for a destination: a file in one of its folders, or beside them."""
        starts = (start for folder in style.folders for start in (f"{folder}/", ""))
        return next((name for start in starts for name in self._files(start + wanted, wanted_format)), None)

    def text_twin(self, name: str, style: Style) -> str | None:
        """Find the template of the text part beside one of the HTML part: the same name in the folder of texts."""
        if style.markup is not Markup.HTML or not name.startswith(f"{style.folder}/"):
            return None
        twin = f"{TEXT_FOLDER}/{name.removeprefix(f'{style.folder}/')}"
        return next((each for each in (twin, f"{_without_format(twin)}{SUFFIX}") if self.has(each)), None)

    def for_event(self, folder: str, event_name: str, wanted_format: Format, *, is_own: bool = False) -> str:
        """
        Find the most specific template of an event, down to the folder's `event`.

        At each step from the event's whole name to that, own files stand before built-in ones, and among either of them
        those of the format before those of any.

        Args:
            is_own: The router made the event itself. Those of senders may be called anything, also `alert.dead`.

        Raises:
            KeyError: The folder has no templates.
        """
        words = event_name.lower().split(".")
        if words[0] == ALERT and not is_own:
            words = []
        levels = [".".join(words[:count]) for count in range(len(words), 0, -1)]
        for level in (*levels, "event"):
            for name in self._files(f"{folder}/{level}", wanted_format):
                return name
        raise KeyError(folder)

    def short_names(self, style: Style) -> list[str]:
        """List what `template:` may say for a destination."""
        found = set()
        for name in self._texts:
            start, _, file = name.rpartition("/")
            if start in (*style.folders, ""):
                found.add(_without_format(file))
        return sorted(found)

    def _files(self, stem: str, wanted_format: Format) -> Iterator[str]:
        """List the files that a name without its ending may mean, the best first."""
        if stem.endswith(SUFFIXES):
            names: tuple[str, ...] = (stem,)
        else:
            names = tuple(f"{stem}{end}{suffix}" for end in (f".{wanted_format}", "") for suffix in SUFFIXES)
        return (name for shelf in self._shelves for name in names if name in shelf)


def _without_format(name: str) -> str:
    """Take ending and format off: `slack/note.full.yaml` is `slack/note`."""
    for endings in (SUFFIXES, _FORMAT_ENDINGS):
        name = next((name.removesuffix(end) for end in endings if name.endswith(end)), name)
    return name
