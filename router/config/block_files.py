"""Messages of blocks in files of their own: `templates/slack/*.yaml`, each a map of `text` and `blocks`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from router.config.nodes import LINE_BREAK, Entry, Node, Place, Scalar, kind_of
from router.config.nodes import Mapping as MapNode
from router.config.nodes import Sequence as ListNode
from router.config.problems import did_you_mean, listed, named
from router.config.reading import Reading
from router.config.syntax import read_yaml
from router.messages.library import STRUCTURE_FOLDER, STRUCTURE_SUFFIX

_KEYS = ("text", "blocks")
_WHOLE = "expected a map with text, for notifications, and blocks"


def read_block_files(files: Mapping[str, str], folder: Path, reading: Reading) -> dict[str, Node]:
    """
    Read the own templates that are structures, by name; one that is not well formed is noted and left out.

    Args:
        folder: Of the own templates; their names in problems begin with it.
    """
    found = {}
    for name, text in files.items():
        if not name.endswith(STRUCTURE_SUFFIX):
            continue
        file = _File(str(folder / name), LINE_BREAK.split(text), reading)
        if not name.startswith(f"{STRUCTURE_FOLDER}/"):
            file.error(
                Place(1, 1), f"only Slack's messages are blocks; expected this file in {STRUCTURE_FOLDER}/, or a .j2"
            )
            continue
        tree, troubles = read_yaml(text)
        for trouble in troubles:
            file.error(trouble.place, trouble.message)
        if tree is not None and not troubles and file.is_message(tree):
            found[name] = tree
    return found


class _File:
    """One file, and what is wrong in it."""

    def __init__(self, name: str, lines: list[str], reading: Reading) -> None:
        self._name = name
        self._lines = lines
        self._reading = reading

    def error(self, at: Node | Entry | Place, message: str) -> None:
        place = at if isinstance(at, Place) else at.place
        line = self._lines[place.line - 1] if place.line <= len(self._lines) else None
        self._reading.error(place, message, file=self._name, line=line)

    def is_message(self, tree: Node) -> bool:
        """Whether the tree has the form of a message of blocks; what is wrong is noted."""
        if not isinstance(tree, MapNode):
            self.error(Place(1, 1), f"the file is {kind_of(tree)}; {_WHOLE}")
            return False
        unknown = [entry for key, entry in tree.entries.items() if key not in _KEYS]
        for entry in unknown:
            guess = did_you_mean(entry.key, _KEYS)
            self.error(entry, f"unknown key {named(entry.key)}; expected one of: {listed(_KEYS)}{guess}")
        missing = [key for key in _KEYS if key not in tree.entries]
        for key in missing if not unknown else ():
            self.error(Place(1, 1), f"the file has no {key}; {_WHOLE}")
        return self._is_text(tree) and self._are_blocks(tree) and not unknown and not missing

    def _is_text(self, tree: MapNode) -> bool:
        entry = tree.entries.get("text")
        if entry is None or (isinstance(entry.value, Scalar) and isinstance(entry.value.value, str)):
            return True
        self.error(entry, f"text is {kind_of(entry.value)}; expected the text that notifications show")
        return False

    def _are_blocks(self, tree: MapNode) -> bool:
        entry = tree.entries.get("blocks")
        if entry is None:
            return True
        if not isinstance(entry.value, ListNode) or not entry.value.items:
            what = "is an empty list" if isinstance(entry.value, ListNode) else f"is {kind_of(entry.value)}"
            self.error(entry, f"blocks {what}; expected a list of Slack's blocks")
            return False
        wrong = [item for item in entry.value.items if not isinstance(item, MapNode) or "type" not in item.entries]
        for item in wrong:
            self.error(item, "this is no block; expected a map with its type, such as {type: section, text: …}")
        return not wrong
