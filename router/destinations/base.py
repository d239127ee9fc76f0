"""
What every destination type has in common.

Adding a type is adding one file to this folder: its name is the type's name, the model's fields are its YAML keys, and
`tests/destinations/test_contract.py` finds and tests it by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import Field

from router.events import Event, Markup, Message
from router.fields import Duration, Model, PerTime, Schedule, Statuses
from router.secret import Secret

TEAMWORK_SCHEDULE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10))
"""Source: the vendor's webhook page, "reattempted 3 times" after 1, 5 and 10 minutes, read 2026-11."""


@dataclass(frozen=True)
class Clients:
    """
    The outside world as destinations see it. A test passes clients that never leave the process.

    Attributes:
        http: Follows no redirect, keeps no cookie, reads answers within bounds (see `router/clients.py`).
        now: Tells the time; aware, UTC.
    """

    http: httpx.AsyncClient
    now: Callable[[], datetime]


@dataclass(frozen=True)
class Outgoing:
    """
    One message on its way, and what a destination may need to know beside it.

    Attributes:
        delivery_id: The same over all attempts; receivers recognise a repetition by it.
        message: Rendered before the first attempt.
        event: The event it tells of: for `forward`, its bytes and headers are what is sent.
        fill: Renders a template of the destination's own settings (such as a URL's path) on the event, each inserted
            value quoted by the given function.
    """

    delivery_id: int
    message: Message
    event: Event
    fill: Callable[[str, Callable[[str], str]], str]

    @property
    def idempotency_key(self) -> str:
        return str(self.delivery_id)


@dataclass(frozen=True)
class Receipt:
    """The destination took the message."""

    status: int | None = None
    detail: str = ""


class Destination(Model):
    """
    A named place that messages go to. Subclass it with `type="name"` in a file of that name.

    Attributes:
        timeout: For one attempt as a whole, from the look-up of the name to the end of the answer.
        concurrency: Attempts under way at the same time; 1 keeps strict order.
        rate: The most starts per time, or None for no limit.
        retry: Waiting times after a failed attempt.
        fail_fast: Statuses after which no further attempt is made.
        enabled: A destination switched off takes nothing; what waits for it becomes a dead letter.
    """

    markup: ClassVar[Markup] = Markup.TEXT
    template_folder: ClassVar[str] = "text"
    type_name: ClassVar[str] = ""

    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=30)
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    rate: PerTime | None = None
    retry: Annotated[Schedule, Field(max_length=20)] = TEAMWORK_SCHEDULE
    fail_fast: Statuses = ()
    enabled: bool = True

    def __init_subclass__(cls, type: str = "", **kwargs: Any) -> None:  # noqa: A002 - the YAML key is called so
        super().__init_subclass__(**kwargs)
        if type:
            cls.type_name = type
            _TYPES[type] = cls

    @property
    def target(self) -> str:
        """
        Names the real place behind the settings; destinations with the same one share pace and order.

        Never shown to anybody: it may hold a secret.
        """
        return f"{self.type_name}:{id(self)}"

    @property
    def address(self) -> str:
        """Say where this goes in a form fit for a log: a host, a channel; no secret."""
        return self.type_name

    @property
    def forwards_as_is(self) -> bool:
        """Whether an event goes out as it came when the rule gives no message of its own."""
        return False

    def secrets(self) -> list[str]:
        """List the texts that must never be shown; `Secret` fields, and what else the type knows of."""
        return [value.reveal() for value in self.__dict__.values() if isinstance(value, Secret)]

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        """
        Make one attempt. The caller ends it after `timeout`.

        Raises:
            TemporaryFailure, Throttled, PermanentFailure: As `receipt_or_failure` decides, or the type's own rules.
        """
        raise NotImplementedError


_TYPES: dict[str, type[Destination]] = {}


def destination_types() -> Mapping[str, type[Destination]]:
    """Find all types: every module of this folder but this one defines the type that it is named after."""
    import router.destinations as folder  # noqa: PLC0415 - the folder's package imports this module

    for module in pkgutil.iter_modules(folder.__path__):
        if module.name != "base":
            importlib.import_module(f"{folder.__name__}.{module.name}")
    return dict(sorted(_TYPES.items()))
