"""What `tail` does: reads the stream of a running router, and comes back to it after a restart."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import click

from router.cli.group import Failed
from router.cli.running import BrokenOff, Busy, NothingAnswers, Router

Record: TypeAlias = tuple[str, Mapping[str, Any]]
"""`event`, `delivery` or `left_out`, and what is told of it."""

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to reach a router that went away; the last one for all further."""

_BEGUN: Record = ("begun", {})


def follow(router: Router, query: Mapping[str, str], show: Callable[[Record], None]) -> None:
    """
    Show what a router tells, without end. When it goes away, say so once and wait for it.

    Raises:
        Failed: There is no router, or it refused.
    """
    try:
        _listen(router, query, show, _nothing)
    except NothingAnswers as nothing:
        raise Failed(
            f"{nothing}. Only a running router can be followed: start it with `spaces-router serve`, or say with"
            " --admin where its admin side listens."
        ) from None
    while True:
        _note(f"The router at {router.admin.url} went away; waiting for it to come back. Ctrl-C ends this.")
        _listen_again(router, query, show)


def _listen_again(router: Router, query: Mapping[str, str], show: Callable[[Record], None]) -> None:
    """Try until the router is there again, and show what it tells until it goes away once more."""
    for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
        time.sleep(pause)
        with suppress(NothingAnswers, BrokenOff, Busy):
            _listen(router, query, show, _back)
            return


def _listen(
    router: Router, query: Mapping[str, str], show: Callable[[Record], None], begun: Callable[[], None]
) -> None:
    """
    Show what a router tells until it goes away.

    Raises:
        NothingAnswers, Failed: It was not there to begin with, or refused.
    """
    there = False
    try:
        for record in _told(router, query):
            if record is _BEGUN:
                there = True
                begun()
            else:
                show(record)
    except (NothingAnswers, BrokenOff):
        if not there:
            raise


def _told(router: Router, query: Mapping[str, str]) -> Iterator[Record]:
    # What the one who takes the records does with them, and what may go wrong there, is not the connection's.
    with router.stream("/tail", query) as answer:
        yield _BEGUN
        yield from records(answer)


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """
    Read server-sent events whose data is one line of JSON, as the router writes them.

    Source: WHATWG HTML, "Server-sent events", 9.2.6, read 2026-11.
    """
    kind, value = "", b""
    for line in lines:
        name, _, rest = line.rstrip(b"\r\n").partition(b": ")
        if name == b"event":
            kind = rest.decode()
        elif name == b"data":
            value = rest
        elif not name and not rest and value:
            yield kind, json.loads(value)
            kind, value = "", b""


def _nothing() -> None:
    """It is there, as was to be expected."""


def _back() -> None:
    _note("It is back. What happened meanwhile is not shown here; `spaces-router deliveries` has it.")


def _note(text: str) -> None:
    click.echo(text, err=True)
