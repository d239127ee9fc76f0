"""
What every destination type has in common.

Adding a type is adding one file to this folder: its name is the type's name (`google_chat.py` defines `google-chat`),
the model's fields are its YAML keys, and `tests/destinations/test_contract.py` finds and tests it by itself, on the
settings that the class gives as its `example`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from router.events import Event, Format, Markup, Message
from router.fields import Duration, Model, PerTime, Schedule, Statuses
from router.secret import Secret
from router.smtp.client import Smtp

TEAMWORK_SCHEDULE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10))
"""Source: the vendor's webhook page, "reattempted 3 times" after 1, 5 and 10 minutes, read 2026-11."""


@dataclass(frozen=True)
class Clients:
    """
    The outside world as destinations see it. A test passes clients that never leave the process.

    Attributes:
        http: Follows no redirect, keeps no cookie, reads answers within bounds (see `router/clients.py`).
        smtp: Hands mails to servers, one connection each (see `router/smtp/client.py`).
        now: Tells the time; aware, UTC.
    """

    http: httpx.AsyncClient
    now: Callable[[], datetime]
    smtp: Smtp = field(default_factory=Smtp)


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
    """
    The destination took the message.

    Attributes:
        message: With the progress it made, where the destination has several recipients.
    """

    status: int | None = None
    detail: str = ""
    message: Message | None = None


def _failing(statuses: tuple[int, ...]) -> tuple[int, ...]:
    if any(not 400 <= status <= 599 for status in statuses):
        raise ValueError("expected statuses from 400 to 599: only a failure can be final")
    return statuses


class Destination(Model):
    """
    A named place that messages go to. Subclass it with `type="name"` in a file of that name.

    Attributes:
        timeout: The longest that one attempt may take, from the look-up of the name to the end of the answer; at most
            `5m`.
        concurrency: Attempts under way at the same time; 1 keeps messages in order.
        rate: The most messages per time; without it there is no limit.
        retry: Waiting times after a failed attempt; `[]` is a single attempt.
        fail_fast: Statuses after which no further attempt is made; for `email`, codes such as 535.
        enabled: `false` switches it off; what waits for it becomes a dead letter, which can be replayed.
        fallback: Name of the destination that gets, instead, what this one did not take in all attempts.
        format: How much its built-in messages say, where the rule does not set it: one line (`compact`, usual but for
            `email`), or everything (`full`).

    Class attributes:
        markup: How values are escaped in its messages.
        template_folder: Of the built-in templates.
        usual_format: Of its messages, where nobody says it.
        example: Settings that load; every secret in it is invented. The contract suite points its URLs (`http`, `smtp`)
            to a server of its own; documentation and the editor's schema show it.
        example_answer: What a server of this type answers with status 200 to a message that it takes.
    """

    # What is refused may be a secret in the wrong place, and pydantic would quote it.
    model_config = ConfigDict(hide_input_in_errors=True)

    example: ClassVar[Mapping[str, Any]] = {}
    example_answer: ClassVar[bytes] = b"ok"
    markup: ClassVar[Markup] = Markup.TEXT
    template_folder: ClassVar[str] = "text"
    usual_format: ClassVar[Format] = "compact"
    type_name: ClassVar[str] = ""

    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=5), examples=["20s"])] = timedelta(
        seconds=30
    )
    concurrency: Annotated[int, Field(ge=1, le=64, examples=[2])] = 1
    rate: Annotated[PerTime | None, Field(examples=["30/m"])] = None
    retry: Annotated[Schedule, Field(max_length=20, examples=[["1m", "5m", "10m", "1h"]])] = TEAMWORK_SCHEDULE
    fail_fast: Annotated[
        Statuses,
        AfterValidator(_failing),
        Field(examples=[[404, 410]], json_schema_extra={"items": {"type": "integer", "minimum": 400, "maximum": 599}}),
    ] = ()
    enabled: Annotated[bool, Field(examples=[False])] = True
    fallback: Annotated[str | None, Field(examples=["log"])] = None
    format: Annotated[Format | None, Field(examples=["full"])] = None

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

    @property
    def own_message(self) -> Mapping[str, Any]:
        """The message keys that this destination sets for rules which give none, named as in a rule."""
        return {}

    def secrets(self) -> list[str]:
        """
        List the texts that must never be shown.

        These are all `Secret`s in the settings, however deep, and what the parts themselves list in a `secrets()` of
        their own: a URL its path, a password the header that is made of it.
        """
        return list(dict.fromkeys(text for value in self.__dict__.values() for text in _secrets_in(value) if text))

    def check(self, outgoing: Outgoing) -> None:
        """
        Do what an attempt does before it reaches out, for a preview.

        Raises:
            PermanentFailure: No attempt can succeed with this message.
        """

    async def send(self, outgoing: Outgoing, clients: Clients) -> Receipt:
        """
        Make one attempt. The caller ends it after `timeout`.

        Raises:
            TemporaryFailure, Throttled, PermanentFailure: As `receipt_or_failure` decides, or the type's own rules.
        """
        raise NotImplementedError


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
        return
    own = getattr(value, "secrets", None)
    if callable(own):
        yield from own()
    inner: Any = ()
    if isinstance(value, BaseModel):
        inner = value.__dict__.values()
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    for part in inner:
        yield from _secrets_in(part)


_TYPES: dict[str, type[Destination]] = {}

_NOT_TYPES = frozenset({"base", "address", "answers", "signing"})
"""The modules of this folder which types share."""


def destination_types() -> Mapping[str, type[Destination]]:
    """
    Find all types: every module of this folder defines the one it is named after, but for those which they share.

    Raises:
        RuntimeError: A file defines no type of its name; a mistake of whoever added it.
    """
    import router.destinations as folder  # noqa: PLC0415 - the folder's package imports this module

    for module in pkgutil.iter_modules(folder.__path__):
        if module.name in _NOT_TYPES:
            continue
        importlib.import_module(f"{folder.__name__}.{module.name}")
        name = module.name.replace("_", "-")
        if name not in _TYPES:
            raise RuntimeError(f"router/destinations/{module.name}.py defines no destination of type {name!r}")
    return dict(sorted(_TYPES.items()))
