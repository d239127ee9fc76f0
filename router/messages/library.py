"""Template files by name: the rule file's own ones, and behind them the built-in ones of `templates/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from router.events import Markup
from router.messages.spec import TEXT_FOLDER, Style

FOLDERS = ("email", "slack", "text")
SUFFIX = ".j2"


@cache
def built_in_templates() -> Mapping[str, str]:
    """
    Read the built-in templates, by names such as `slack/page.j2`.

    A wheel carries them inside the package; in a working copy they lie at the top of the repository.
    """
    packaged = files("router").joinpath("templates")
    root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "templates"
    found = {}
    for folder in FOLDERS:
        for entry in root.joinpath(folder).iterdir():
            if entry.name.endswith(SUFFIX):
                found[f"{folder}/{entry.name}"] = entry.read_text(encoding="utf-8")
    return found


class Library:
    """
    All templates that a rule set can name.

    Args:
        own: Text by name (`slack/page.j2`, `my-note.j2`); one of a built-in name takes its place.
    """

    def __init__(self, own: Mapping[str, str]) -> None:
        self.own = dict(own)
        self._texts = {**built_in_templates(), **self.own}

    def text(self, name: str) -> str | None:
        return self._texts.get(name)

    def has(self, name: str) -> bool:
        return name in self._texts

    def named(self, wanted: str, style: Style) -> str | None:
        """Find what `template: wanted` means for a destination: a file in one of its folders, or beside them."""
        file = wanted if wanted.endswith(SUFFIX) else wanted + SUFFIX
        candidates = (name for folder in style.folders for name in (f"{folder}/{file}", file))
        return next((name for name in candidates if self.has(name)), None)

    def text_twin(self, name: str, style: Style) -> str | None:
        """Find the template of the text part beside one of the HTML part: the same name in the folder of texts."""
        twin = name.replace(f"{style.folder}/", f"{TEXT_FOLDER}/", 1)
        return twin if style.markup is Markup.HTML and twin != name and self.has(twin) else None

    def for_event(self, folder: str, event_name: str) -> str:
        """
        Find the most specific template of an event, down to the folder's `event.j2`.

        Raises:
            KeyError: The folder has no templates.
        """
        words = event_name.lower().split(".")
        while words:
            name = f"{folder}/{'.'.join(words)}{SUFFIX}"
            if self.has(name):
                return name
            words.pop()
        name = f"{folder}/event{SUFFIX}"
        if not self.has(name):
            raise KeyError(name)
        return name

    def short_names(self, style: Style) -> list[str]:
        """List what `template:` may say for a destination."""
        found = set()
        for name in self._texts:
            start, _, file = name.rpartition("/")
            if start in (*style.folders, ""):
                found.add(file.removesuffix(SUFFIX))
        return sorted(found)
