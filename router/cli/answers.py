"""Where reading commands get their answers: from the running router, or from its store while none runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from router.cli.group import Failed
from router.cli.running import NothingAnswers, Router
from router.errors import StoreRefused, StoreUnavailable

T = TypeVar("T")

_PAGE = 100


class Answers(Protocol):
    """What both can answer, in the form of the admin API."""

    def deliveries(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """One page: `deliveries` and `next`, newest first; `query` as the API takes it, always with a `limit`."""
        ...

    def events(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """One page: `events` and `next`, newest first; `query` as the API takes it, always with a `limit`."""
        ...

    def delivery(self, number: str) -> Mapping[str, Any] | None:
        """One delivery with its message and history; None where there is none of this id."""
        ...

    def event(self, number: str) -> Mapping[str, Any] | None:
        """One event with its body and verdicts; None where there is none of this id."""
        ...


def neither(number: str) -> str:
    """Say that an id is neither that of an event nor that of a delivery."""
    return (
        f"there is no event and no delivery {number}. It may have been older than what is kept, or belong to another"
        " store; `spaces-router deliveries` lists what there is."
    )


def event_of(answers: Answers, number: str) -> Mapping[str, Any] | None:
    """Find the event of this id, or the one that the delivery of this id tells of; None without either."""
    delivery = answers.delivery(number)
    return answers.event(number if delivery is None else str(delivery["event_id"]))


def deliveries_of(answers: Answers, event_id: str) -> list[Mapping[str, Any]]:
    """List all deliveries of an event, newest first."""
    return collect_deliveries(answers, {"event": event_id})


def collect_deliveries(answers: Answers, query: Mapping[str, str], most: int = sys.maxsize) -> list[Mapping[str, Any]]:
    """Turn pages until there are enough, newest first; `query` as the API takes it, without a `limit`."""
    found: list[Mapping[str, Any]] = []
    cursor: Mapping[str, str] = {}
    while len(found) < most:
        page = answers.deliveries({**query, **cursor, "limit": str(min(_PAGE, most - len(found)))})
        found += page["deliveries"]
        if not page["next"] or not page["deliveries"]:
            break
        cursor = {"cursor": page["next"]}
    return found


class NothingToAsk(Failed):
    """There is neither a running router nor a store."""


def answered(router: Router, data: Path, ask: Callable[[Answers], T]) -> T:
    """
    Ask the running router; where nothing answers, look into the store and say so on standard error.

    Args:
        data: Folder of the store.

    Raises:
        NothingToAsk: No router runs, and there is no store.
        Failed: What is there cannot be asked.
    """
    try:
        return ask(_FromRouter(router))
    except NothingAnswers as nothing:
        database = data / "router.db"
        if not database.exists():
            raise NothingToAsk(
                f"{nothing}, and there is no store at {database}. Start the router with `spaces-router serve`, or say"
                " where it is: --admin for a running one, --data for the folder of its store."
            ) from None
        click.echo(f"Note: {nothing}; this is what stands in {database}.", err=True)
    from router.cli.reading import FromStore  # noqa: PLC0415 - half of the program, and not needed while a router runs

    try:
        return ask(FromStore(database))
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}.") from None


class _FromRouter:
    """Asks the admin API."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def deliveries(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return self._listed("/deliveries", query)

    def events(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return self._listed("/events", query)

    def delivery(self, number: str) -> Mapping[str, Any] | None:
        return self._router.get(f"/deliveries/{number}")

    def event(self, number: str) -> Mapping[str, Any] | None:
        found = self._router.get(f"/events/{number}")
        if found is None:
            self.deliveries({"limit": "1"})  # tells a router that does not know the id from something else
        return found

    def _listed(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        found = self._router.get(path, query)
        if found is None:
            raise Failed(f"what answers at {self._router.admin.url} is not a router's admin side. Is --admin right?")
        return found
