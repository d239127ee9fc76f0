"""The rule file's own templates: `templates/` beside it, with files of text (`.j2`) and of blocks (`.yaml`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import router
from router.config.nodes import Place
from router.config.outside_files import read_beginning
from router.config.problems import did_you_mean
from router.config.reading import Reading
from router.messages.library import FOLDERS, SHARED, STRUCTURE_SUFFIX, SUFFIX, SUFFIXES

MAX_FILES = 1_000
MAX_BYTES = 1024 * 1024
_MAX_FOLDERS = 200


def read_own_templates(folder: Path, reading: Reading) -> tuple[Mapping[str, str], tuple[Path, ...]]:
    """
    Read the templates below a folder, which need not exist.

    Returns:
        Texts by name (`slack/page.j2`), and the files and folders to watch.
    """
    if _is_built_in(folder):
        return {}, ()
    found: dict[str, str] = {}
    watched = [folder]
    for place, (root, folders, names) in enumerate(os.walk(folder, onerror=None)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        watched += [Path(root) / name for name in folders]
        if place >= _MAX_FOLDERS:
            reading.error(Place(1, 1), f"there are more than {_MAX_FOLDERS} folders of templates", file=str(folder))
            break
        for name in sorted(names):
            if not name.endswith(SUFFIXES) or name.startswith("."):
                continue
            path = Path(root) / name
            watched.append(path)
            if len(found) >= MAX_FILES:
                reading.error(
                    Place(1, 1), f"there are more than {MAX_FILES:,} templates; remove some", file=str(folder)
                )
                return found, tuple(watched)
            text = _read(path, reading)
            if text is not None:
                found[path.relative_to(folder).as_posix()] = text
    _check_folders(found, folder, reading)
    return dict(sorted(found.items())), tuple(watched)


def _is_built_in(folder: Path) -> bool:
    """The example's own folder: in a working copy and in an installed package it lies beside the built-in templates."""
    package = Path(router.__file__).parent
    return folder.resolve() in {(package / "templates").resolve(), (package.parent / "templates").resolve()}


def _read(path: Path, reading: Reading) -> str | None:
    try:
        content = read_beginning(path, MAX_BYTES + 1)
    except OSError as error:
        reading.error(Place(1, 1), f"the template cannot be read: {error.strerror or 'unknown reason'}", file=str(path))
        return None
    if len(content) > MAX_BYTES:
        reading.error(Place(1, 1), "the template is larger than 1 MiB", file=str(path))
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reading.error(Place(line, 1), "the template is not UTF-8 text; save it as UTF-8", file=str(path))
        return None


def _check_folders(found: Mapping[str, str], folder: Path, reading: Reading) -> None:
    """A template that nothing can name or choose is a misspelling; it is better told than ignored."""
    used = {text for text in found.values() if "{%" in text}
    folders = (*FOLDERS, SHARED)
    where = ", ".join(("templates/", *(f"templates/{each}/" for each in folders)))
    for name in found:
        start, _, _ = name.rpartition("/")
        twin = f"{name.removesuffix(STRUCTURE_SUFFIX)}{SUFFIX}"
        if name.endswith(STRUCTURE_SUFFIX) and twin in found:
            message = f"{twin} has the same name, and nothing would use this file; remove one of the two"
            reading.error(Place(1, 1), message, file=str(folder / name))
        if start in ("", *folders) or any(f'"{name}"' in text or f"'{name}'" in text for text in used):
            continue
        reading.error(
            Place(1, 1),
            f"nothing uses this template; expected it in one of: {where}{did_you_mean(start, folders)}",
            file=str(folder / name),
        )
