"""Own template files that nothing uses: mostly misspelt, or left behind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from router.config.destination_section import Types
from router.config.nodes import Place
from router.config.problems import did_you_mean, named
from router.config.reading import Reading
from router.config.rule_section import ReadRule
from router.config.style import style_of_type
from router.events import FORMATS
from router.messages.library import ALERT, FOLDERS, SHARED, SUFFIXES, built_in_templates
from router.sources import KINDS

_EVENT = "event"
_QUOTED_FILE = re.compile(r"""["']([^"'\n]{1,200}\.(?:j2|yaml))["']""")


def lint_templates(
    files: Mapping[str, str], folder: Path, rules: Sequence[ReadRule], types: Types, reading: Reading
) -> None:
    """
    Look for own templates that no rule names, no other template includes and no known event chooses.

    Args:
        files: Text by name.
        folder: Where they lie.
    """
    if reading.has_errors or not files:
        return
    included = {found[1] for text in (*files.values(), reading.text) for found in _QUOTED_FILE.finditer(text)}
    wanted = _wanted(rules, types)
    read = {name for kind in types.by_name.values() if kind is not None for name in style_of_type(kind).folders}
    events = _levels(rules)
    for name in files:
        if name in built_in_templates() or name in included or _stems(name) & wanted:
            continue
        sentence = _unused(name, events, read)
        if sentence is not None:
            reading.warn(Place(1, 1), "unused-template", sentence, file=str(folder / name))


def _unused(name: str, events: Collection[str], read: Collection[str]) -> str | None:
    """Say why nothing uses a file that nothing names; None where an event may choose it."""
    start, _, file = name.rpartition("/")
    stem = _bare(file)
    if start == SHARED:
        return f'nothing uses this template; include it, with {{% include "{name}" %}}, or remove it'
    if start not in FOLDERS:
        return f"nothing uses this template; name it in a rule, with template: {stem}, or remove it"
    if start not in read:
        return f"nothing uses this template: no destination of this file reads those in {start}/; move or remove it"
    level = stem.lower()
    if level.split(".")[0] == ALERT or level in events:
        return None
    return (
        f"nothing uses this template: no rule names it and no known event is called {named(stem)}"
        f"{did_you_mean(stem, sorted(events))}; rename or remove it"
    )


def _wanted(rules: Iterable[ReadRule], types: Types) -> set[str]:
    """What `template:` says anywhere, as it may stand before the ending of a file."""
    given = {rule.spec.template for rule in rules}
    given |= {destination.own_message.get("template") for destination in types.built.values()}
    return {each for each in given if each}


def _stems(name: str) -> set[str]:
    """Everything that `template:` may say for a file: with or without its folder, its format and its ending."""
    _, _, file = name.rpartition("/")
    whole = {name, file}
    for each in list(whole):
        stem = next((each.removesuffix(end) for end in SUFFIXES if each.endswith(end)), each)
        whole |= {stem, _bare(each)}
    return whole


def _bare(file: str) -> str:
    for endings in (SUFFIXES, tuple(f".{form}" for form in FORMATS)):
        file = next((file.removesuffix(end) for end in endings if file.endswith(end)), file)
    return file


def _levels(rules: Iterable[ReadRule]) -> set[str]:
    """The names by which events choose templates: those of known events and of patterns, and each beginning of them."""
    names = {name.lower() for kind in KINDS.values() for name in kind.catalogue}
    names |= {placed.pattern.text.lower() for rule in rules for placed in rule.events}
    levels = {_EVENT}
    for name in names:
        words = name.split(".")
        levels |= {".".join(words[:count]) for count in range(1, len(words) + 1)}
    return levels
