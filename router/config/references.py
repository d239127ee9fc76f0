"""References to what stands outside the file: `${VAR}` in the environment, `<key>_file` in a file of its own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping as ReadMapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel

from router.config.keys import fields_of, models_in, takes_secret
from router.config.nodes import Entry, Mapping, Node, Place, Scalar, Sequence
from router.config.outside_files import open_to_others, read_beginning
from router.config.places import locate_offset
from router.config.problems import named
from router.config.reading import Reading
from router.secret import MASK

MAX_SECRET_BYTES = 64 * 1024
_LONGEST_REASON = 300

# Valid as a name, as a key in base64, and as a host that no resolver knows (RFC 2606).
UNRESOLVED = "unresolvable"
"""Stands for what could not be looked up; what is built with it can send nothing."""
_UNRESOLVED_URL = "https://unresolvable.invalid/"
_UNRESOLVED_BY_KEY = {
    "url": _UNRESOLVED_URL,
    "url_file": _UNRESOLVED_URL,
    "smtp": "smtp://localhost.",  # which goes with any other setting; the dot tells it from one of the rule file
    **dict.fromkeys(("from", "to", "cc", "bcc", "reply_to"), "nobody@unresolvable.invalid"),
}

_NO_PLACE = re.compile(r"\bunresolvable\.invalid$|^localhost\.(:\d+)?$")

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)(\}?)")
_CONTENT = re.compile(r"([A-Z_][A-Z0-9_]*)(?:(:-|:\?)(.*))?", re.ASCII | re.DOTALL)
_NO_TEXT = re.compile("[\ud800-\udfff]")  # how Python carries bytes of the environment that are no text
_LEADING_NAME = re.compile(r"\w*", re.ASCII)
_FORMS = "expected ${NAME}, ${NAME:-default} or ${NAME:?message}"
WELL_FORMED = re.compile(r"(?<!\$)\$\{[A-Z_][A-Z0-9_]*(?::[-?][^}]*)?\}", re.ASCII)


@dataclass
class Outside:
    """
    What references may reach.

    Attributes:
        environ: None where references are left unresolved.
        folder: Of the rule file, which file names are relative to; None where no file is read.
        watched: Files that were read or looked for.
        missing: Collects the variables and files that are not there, where nothing is to be sent; None where they are
            errors.
    """

    environ: ReadMapping[str, str] | None
    folder: Path | None
    watched: list[Path] = field(default_factory=list)
    missing: list[str] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether everything that is referred to is there, or is told."""
        return self.environ is not None and self.folder is not None and not self.missing


def is_unresolved(place: str) -> bool:
    """Tell whether a host, with its port or a mailbox before it, stands for one that could not be looked up."""
    return _NO_PLACE.search(place) is not None


class _Unset(Exception):
    """
    A reference cannot be resolved; the sentence says why.

    Args:
        missing: The variable that is not set; empty where the reference itself is wrong.
    """

    def __init__(self, sentence: str, missing: str = "") -> None:
        super().__init__(sentence)
        self.missing = missing


def expand(node: Node, reading: Reading, outside: Outside, key: str = "") -> Node:
    """Resolve the `${VAR}`s of a tree, value by value: whatever a variable holds, it stays one text."""
    if isinstance(node, Mapping):
        entries = {
            name: Entry(name, entry.place, expand(entry.value, reading, outside, name))
            for name, entry in node.entries.items()
        }
        return Mapping(node.place, entries)
    if isinstance(node, Sequence):
        return Sequence(node.place, [expand(item, reading, outside, key) for item in node.items])
    if reading.lenient and node.value == MASK:
        return _stand_in(node, key)
    return _expanded(node, reading, outside, key) if isinstance(node.value, str) and "${" in node.value else node


def _expanded(node: Scalar, reading: Reading, outside: Outside, key: str) -> Scalar:
    failed = False
    used = False

    def value_of(found: re.Match[str]) -> str:
        nonlocal failed, used
        if found[1]:
            return found[0][1:]  # `$${` is a plain `${`
        used = True
        try:
            return _resolve(found[2], bool(found[3]), outside.environ)
        except _Unset as error:
            failed = True
            if outside.missing is not None and error.missing:
                outside.missing.append(error.missing)
            elif outside.environ is not None:
                _report(str(error), found, node, reading)
            return ""

    text = _REFERENCE.sub(value_of, node.text)
    if failed:
        reading.settle(node)
        return _stand_in(node, key)
    return replace(node, value=text, outside=used)


def _report(sentence: str, found: re.Match[str], node: Scalar, reading: Reading) -> None:
    place = locate_offset(node, reading.text, found.start())
    width = len(found[0]) if place != node.place or found.start() == 0 else place.width
    reading.error(Place(place.line, place.column, width), sentence)


def _stand_in(node: Scalar, key: str) -> Scalar:
    return replace(node, value=_UNRESOLVED_BY_KEY.get(key, UNRESOLVED), outside=True, unresolved=True)


def _resolve(content: str, closed: bool, environ: ReadMapping[str, str] | None) -> str:
    form = _CONTENT.fullmatch(content)
    if not closed:
        raise _Unset(f"the reference is not closed; {_FORMS}")
    if form is None:
        raise _Unset(_malformed(content))
    name, operator, rest = form[1], form[2], form[3] or ""
    if "${" in rest:
        raise _Unset("a reference stands inside another one; " + _FORMS)
    value = None if environ is None else environ.get(name)
    if value is not None and _NO_TEXT.search(value):
        raise _Unset(f"the environment variable {name} holds bytes that are no UTF-8 text; set it to a text")
    if operator == ":-":
        return value or rest
    if operator == ":?" and not value:
        why = " ".join(rest.split())[:_LONGEST_REASON] or "it is required"
        raise _Unset(f"the environment variable {name} is not set: {why}", name)
    if value is None:
        raise _Unset(
            f"the environment variable {name} is not set; set it for the router, or give a default: ${{{name}:-…}}",
            name,
        )
    return value


def _malformed(content: str) -> str:
    found = _LEADING_NAME.match(content)
    name = found[0] if found else ""
    upper = name.upper()
    if name and upper != name and _CONTENT.fullmatch(upper):
        return f"the name in ${{{name[:60]}…}} is not in upper case; {_FORMS} (did you mean ${{{upper[:60]}}}?)"
    return (
        f"this reference cannot be read; {_FORMS}, with a name of upper-case letters, digits and _; $${{ is a plain ${{"
    )


def literal(node: Node, reading: Reading) -> Node:
    """Read a tree outside `sources` and `destinations`: references are errors there, `$${` is a plain `${`."""
    if isinstance(node, Mapping):
        entries = {key: Entry(key, each.place, literal(each.value, reading)) for key, each in node.entries.items()}
        return Mapping(node.place, entries)
    if isinstance(node, Sequence):
        return Sequence(node.place, [literal(item, reading) for item in node.items])
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    if (found := WELL_FORMED.search(node.text)) is not None:
        _report(
            f"{named(found[0])} is not resolved here: references stand under sources and destinations only;"
            " write the value itself, or $${ for a plain ${",
            found,
            node,
            reading,
        )
        reading.settle(node)
    return replace(node, value=node.value.replace("$${", "${"))


def read_files(node: Mapping, model: type[BaseModel], reading: Reading, outside: Outside) -> Mapping:
    """Put what stands in the files of `<key>_file` in the place of `<key>`, for each secret key of a model."""
    fields = fields_of(model)
    entries: dict[str, Entry] = {}
    for name, entry in node.entries.items():
        key = name.removesuffix("_file")
        if key != name and name not in fields and key in fields and takes_secret(fields[key]):
            if key in node.entries:
                reading.error(entry, f"{key} and {name} exclude each other; remove one of them")
            else:
                entries[key] = Entry(key, entry.place, _content(entry, key, reading, outside))
        elif name in fields and isinstance(entry.value, Mapping):
            below = entry.value
            for inner in models_in(fields[name].annotation):
                below = read_files(below, inner, reading, outside)
            entries[name] = Entry(name, entry.place, below)
        else:
            entries[name] = entry
    return Mapping(node.place, entries)


def _content(entry: Entry, key: str, reading: Reading, outside: Outside) -> Scalar:
    node = entry.value
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
        reading.error(node, f"{entry.key} names no file; expected the path of a file that holds the {key}")
        return _stand_in(Scalar(None, "", entry.place, 0, 0), key)
    if outside.folder is None or node.unresolved:
        return _stand_in(node, key)
    path = outside.folder / node.value
    outside.watched.append(path)
    try:
        text = _read_secret(path)
    except _Unset as error:
        shown = named(node.text) if node.outside else named(path)
        if outside.missing is None:
            reading.error(node, f"{entry.key}: the file {shown} {error}")
        else:
            outside.missing.append(f"{entry.key} {shown}")
        reading.settle(node)
        return _stand_in(node, key)
    _warn_if_open(path, entry, node, reading)
    return replace(node, value=text, outside=True)


def _warn_if_open(path: Path, entry: Entry, node: Scalar, reading: Reading) -> None:
    mode = open_to_others(path)
    if mode is None:
        return
    shown = named(node.text) if node.outside else named(path)  # a path from the environment is not told
    command = "chmod 600 FILE" if node.outside else f"chmod 600 {shlex.quote(str(path))}"
    reading.warn(
        node,
        "readable-secret",
        f"{entry.key}: every user of this machine can read the file {shown} (mode {mode:04o}); close it: {command}",
    )


def _read_secret(path: Path) -> str:
    try:
        content = read_beginning(path, MAX_SECRET_BYTES + 1)
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except FileNotFoundError:
        raise _Unset("does not exist; file names are relative to the folder of the rule file") from None
    except IsADirectoryError:
        raise _Unset("is a folder; expected a file") from None
    except UnicodeDecodeError:
        raise _Unset("is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise _Unset(f"cannot be read: {getattr(error, 'strerror', None) or 'its name is not valid'}") from None
    if len(content) > MAX_SECRET_BYTES:
        raise _Unset(f"is larger than {MAX_SECRET_BYTES // 1024} KiB; expected the secret alone")
    if not text.strip():
        raise _Unset("is empty; expected the secret")
    if "\n" in text or "\r" in text:
        raise _Unset("has several lines; expected the secret alone, on one line")
    if "\x00" in text:
        raise _Unset("holds a NUL character; expected the secret alone")
    return text
