"""What a preview is of: an event by its name, the file of a body, or an event of the store."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from router.cli.answers import answered, event_of, neither
from router.cli.group import Failed
from router.cli.options import IdType
from router.cli.output import file_size, parse_time, plain
from router.cli.running import Admin, Router
from router.events import BEFORE, NAMES
from router.messages.directory import Seen
from router.payload import JSON
from router.samples import SAMPLES, sample
from router.sources import KINDS, is_event_name

MOST_BYTES = 64 * 1024 * 1024

_ARGUMENT = "EVENT|FILE|ID"
_STDIN = "-"


@dataclass(frozen=True)
class Subject:
    """
    Attributes:
        about: Where its body is from, for people: `the sample body`.
        source: Name of the source it came from; None for one that did not come.
        number: Its id; None for one that did not come.
        at: When it came; aware, UTC.
        names: What is known of the people, spaces and pages that it refers to.
        before: What was known of its object before, where it changed that.
    """

    name: str
    body: bytes
    about: str
    at: datetime
    source: str | None = None
    number: int | None = None
    names: Seen = field(default_factory=dict)
    before: Mapping[str, JSON] | None = None

    @property
    def facts(self) -> dict[str, JSON]:
        """What a stored event is judged and written by, beside its body."""
        return {key: value for key, value in ((NAMES, self.names), (BEFORE, self.before)) if value}


def find_subject(
    argument: str, event: str | None, payload: Path | None, router: tuple[Admin, Path | None], data: Path
) -> Subject:
    """
    Find out what is meant, and get its body.

    Args:
        event: The event that a file is the body of.
        payload: The body of an event that is named.
        router: Where to ask for an event of the store, and the file of the token.
        data: Folder of the store.

    Raises:
        click.UsageError: Nothing can be meant by it.
        Failed: It cannot be read, or is not there.
    """
    if argument.isdigit():
        if event is not None or payload is not None:
            raise click.UsageError("A stored event has its name and its body: leave out --event and --payload.")
        return _stored(IdType().convert(argument, None, None), router, data)
    if argument.lower() not in SAMPLES and _is_file(argument):
        if payload is not None:
            raise click.UsageError(f"The body is given twice: by {argument} and by --payload. Leave one out.")
        return _of_file(Path(argument), event)
    return _named(argument, event, payload)


def _is_file(argument: str) -> bool:
    return argument == _STDIN or "/" in argument or argument.endswith(".json") or Path(argument).is_file()


# By its name


def _named(name: str, event: str | None, payload: Path | None) -> Subject:
    if event is not None and event.lower() != name.lower():
        raise click.UsageError(f"Two events are named: {name} and {event}. Leave out --event.")
    _check_name(name, _ARGUMENT)
    if payload is not None:
        return Subject(name, read_body(payload), _from(payload), datetime.now(UTC))
    if name.lower() in SAMPLES:
        return Subject(name, sample(name), "the sample body", datetime.now(UTC))
    close = difflib.get_close_matches(name.lower(), SAMPLES, n=1, cutoff=0.8)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise click.BadParameter(
        f"there is no sample of {plain(name)!r}, and no such file.{guess} `spaces-router events` lists the events that"
        " have a sample; give the body of any other with --payload FILE.",
        param_hint=_ARGUMENT,
    )


def _check_name(name: str, where: str) -> None:
    if not is_event_name(name):
        raise click.BadParameter(
            f"{plain(name)!r} is no name of an event, and no file; expected a name such as page.created.",
            param_hint=where,
        )


# A file


def _of_file(path: Path, event: str | None) -> Subject:
    content = read_body(path)
    name = event or _named_by(path)
    if name is None:
        raise click.UsageError(
            f"Which event is this the body of? Say it with --event, such as --event page.updated; a file that is called"
            f" page.updated.json needs none, {plain(path)} does."
        )
    _check_name(name, "--event")
    return Subject(name, content, _from(path), datetime.now(UTC))


def _named_by(path: Path) -> str | None:
    """The event that the name of a file says: `page.updated.json`."""
    name = path.name.removesuffix(".json")
    known = {event.lower() for kind in KINDS.values() for event in kind.catalogue}
    return name if name.lower() in known else None


def _from(path: Path) -> str:
    return "the body from standard input" if str(path) == _STDIN else f"the body in {plain(path)}"


def read_body(path: Path) -> bytes:
    """
    Read the body of an event; `-` is standard input.

    Raises:
        Failed: It cannot be read, or is larger than any router takes.
    """
    try:
        if str(path) == _STDIN:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise Failed(f"{plain(path)} cannot be read: {reason}. Expected the body of an event, as JSON.") from None
    if len(content) > MOST_BYTES:
        raise Failed(f"{plain(path)} is larger than {file_size(MOST_BYTES)}; no router takes such a body.")
    return content


# An event of the store


def _stored(number: str, router: tuple[Admin, Path | None], data: Path) -> Subject:
    found = answered(Router(*router), data, lambda answers: event_of(answers, number))
    if found is None:
        raise Failed(neither(number))
    return Subject(
        str(found["name"]),
        str(found["body"]).encode("utf-8", "replace"),
        f"event {found['id']}",
        parse_time(found["received_at"]),
        str(found["source"]),
        int(found["id"]),
        found.get("names") or {},
        found.get("before"),
    )
