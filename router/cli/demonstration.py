"""The demonstration: the whole way of 21 deliveries, from Spaces' signature to what a channel shows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx

import router
from router.app import App
from router.cli.demo_sinks import Sinks
from router.cli.group import FAILED, Failed
from router.cli.output import coloured, counted, indented, plain
from router.clients import make_http_client
from router.config.load import load
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, format_text
from router.config.settings import Address, Settings
from router.events import DeliveryState, Event
from router.logs import LogFormat, configure_logging
from router.samples import SAMPLES, sample
from router.secret import Redactor
from router.signature import sign
from router.sources import DEFAULT_KIND
from router.store.records import DeliveryFilter, EventFilter, ListedDelivery

LONGEST_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_WATCH_SECONDS = 0.25
_ANYTHING = Address("127.0.0.1", 0)


def example_rules() -> Path:
    """Find the example: inside the installed package, else at the top of the repository."""
    package = Path(router.__file__).parent
    packaged = package / "rules.example.yaml"
    return packaged if packaged.exists() else package.parent / "rules.example.yaml"


async def demonstrate(folder: Path, once: bool, log_level: str) -> int:
    """
    Start everything, feed it, show it, and clean up.

    Args:
        folder: Where the store goes.
        once: End after the summary.

    Returns:
        The exit code.
    """
    stop = _asked_to_stop()
    sinks = Sinks()
    sinks.start()
    demonstration: _Demonstration | None = None
    try:
        demonstration = await _start(folder, sinks, log_level)
        feeding = asyncio.create_task(demonstration.feed())
        await _first(feeding, stop)
        if not feeding.done():
            feeding.cancel()
            return FAILED if once else 0
        if not feeding.result() or once:
            return 0 if feeding.result() else FAILED
        demonstration.suggest()
        watching = asyncio.create_task(demonstration.watch())
        await _first(watching, stop)
        if watching.done():
            watching.result()  # it ends by an error only, such as a closed pipe
        watching.cancel()
        return 0
    finally:
        if demonstration is not None:
            await demonstration.app.stop()
        await sinks.stop()


def _asked_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _first(task: asyncio.Task[Any], stop: asyncio.Event) -> None:
    """Wait until the task has ended or somebody wants to stop."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


async def _start(folder: Path, sinks: Sinks, log_level: str) -> _Demonstration:
    """Start a router on the example's rules, on free ports."""
    path = example_rules()
    token = f"demo-{secrets.token_hex(8)}"
    environ = {"SPACES_TOKEN": token, **sinks.variables}
    try:
        configuration = load(path, environ, trial_seconds=0)
    except ConfigurationInvalid as invalid:
        click.echo(format_text(invalid.problems).rstrip("\n"), err=True)
        raise Failed(f"{path} cannot be used. Mend it, or install the router anew.") from None
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror or error}. Install the router anew.") from None
    redactor = Redactor()
    configure_logging(LogFormat.TEXT, log_level, redactor)
    settings = Settings(rules=path, data=folder / "data", listen=_ANYTHING, admin=_ANYTHING)
    app = App(settings, configuration, environ, redactor=redactor)
    try:
        await app.start()
    except BaseException:
        await app.stop()
        raise
    demonstration = _Demonstration(app, sinks, token, _hook(configuration))
    demonstration.introduce(configuration, path)
    return demonstration


def _hook(configuration: Configuration) -> str:
    """The path to which the samples go."""
    for source in configuration.sources.values():
        if source.kind == DEFAULT_KIND:
            return f"/hooks/{source.name}"
    raise Failed("the example's rule file has no source of the kind teamwork-spaces; install the router anew.")


@dataclass
class _Demonstration:
    """
    A running router, what it is fed, and what is shown of it.

    Attributes:
        sent: Messages that the sinks took.
        missing: What did not arrive, one line each.
        shown: Id of the latest event that was shown.
    """

    app: App
    sinks: Sinks
    token: str
    hook: str
    sent: int = 0
    missing: list[str] = field(default_factory=list)
    shown: int = 0

    def introduce(self, configuration: Configuration, path: Path) -> None:
        click.echo(click.style(f"Spaces Router {router.__version__}: a demonstration", bold=True))
        click.echo(f"  rules     {path}, {counted(len(configuration.rules.rules), 'rule')}")
        click.echo(f"  webhooks  {self.app.public_url}{self.hook}")
        click.echo(f"  admin     {self.app.admin_url}")
        click.echo(f"\nSending {len(SAMPLES)} signed deliveries, as Spaces would:")

    async def feed(self) -> bool:
        """Send each sample and show what becomes of it; whether everything arrived."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS), make_http_client() as client:
                for name in SAMPLES:
                    await self._send(client, name)
        except TimeoutError:
            self.missing.append(f"the rest did not arrive within {LONGEST_SECONDS:.0f} s")
        return self._summary()

    async def _send(self, client: httpx.AsyncClient, name: str) -> None:
        body = sample(name)
        kind = DEFAULT_KIND
        headers = {
            "Content-Type": "application/json",
            kind.event_header: name,
            kind.delivery_header: str(uuid.uuid4()),
            kind.signature_header: sign(self.token, body),
        }
        try:
            answer = await client.post(self.app.public_url + self.hook, content=body, headers=headers)
        except httpx.TransportError as error:
            self.missing.append(f"{name}: {error}")
            return
        if answer.status_code != 200:
            self.missing.append(f"{name}: answered {answer.status_code}: {plain(answer.text)}")
            return
        self.shown = int(answer.json()["event"])
        await self._show(name, self.shown)

    async def watch(self) -> None:
        """Show events that others send, for as long as it runs."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for event in reversed(await self._news()):
                self.shown = event.id
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_SECONDS):
                        await self._show(event.name, event.id)

    async def _news(self) -> Sequence[Event]:
        newest = await self.app.store.events(EventFilter(limit=20))
        return [event for event in newest if event.id > self.shown]

    async def _show(self, name: str, event_id: int) -> None:
        """Wait until all deliveries of an event have ended, and show what the sinks received."""
        click.echo("\n" + click.style(plain(name), bold=True))
        try:
            deliveries = await self._ended(event_id)
        except TimeoutError:
            await self._miss(name, event_id)
            raise
        if not deliveries:
            click.echo("  no rule matches it")
        for listed in deliveries:
            self._show_delivery(name, listed, await self._received(listed))

    async def _ended(self, event_id: int) -> Sequence[ListedDelivery]:
        """The deliveries of an event, oldest first, once nothing more happens to them."""
        while True:
            deliveries = await self.app.store.deliveries(DeliveryFilter(event_id=event_id))
            if all(_has_ended(listed) for listed in deliveries):
                return deliveries[::-1]
            await asyncio.sleep(_LOOK_SECONDS)

    async def _miss(self, name: str, event_id: int) -> None:
        for listed in await self.app.store.deliveries(DeliveryFilter(event_id=event_id)):
            if not _has_ended(listed):
                self.missing.append(f"{name} to {listed.delivery.destination}: still {listed.delivery.state}")

    async def _received(self, listed: ListedDelivery) -> str | None:
        """The text that came out at the other end; what goes to the log is taken from the store."""
        delivery = listed.delivery
        destination = self.app.rulesets.current.destinations.get(delivery.destination)
        if destination is None or destination.type_name != "log":
            return self.sinks.received.get(str(delivery.id))
        whole = await self.app.store.delivery(delivery.id)
        message = whole.delivery.message if whole else None
        return message.text if message else None

    def _show_delivery(self, name: str, listed: ListedDelivery, received: str | None) -> None:
        delivery = listed.delivery
        if delivery.state is DeliveryState.DELIVERED and received is not None:
            self.sent += 1
            click.echo(f"  → {click.style(delivery.destination, fg='cyan')}")
            click.echo(indented(received, "      "))
        elif delivery.state is DeliveryState.SUPPRESSED:
            click.echo(f"  → {delivery.destination}: not sent ({plain(delivery.reason)})")
        else:
            why = self.sinks.refused.get(str(delivery.id)) or delivery.last_error or delivery.reason or "not received"
            click.echo(f"  → {delivery.destination}: {coloured(delivery.state)}: {plain(why)}")
            self.missing.append(f"{name} to {delivery.destination}: {delivery.state}: {plain(why)}")

    def _summary(self) -> bool:
        messages = counted(self.sent, "message")
        if not self.missing:
            text = f"{counted(len(SAMPLES), 'event')}, {messages}, all delivered."
            click.echo("\n" + click.style(text, fg="green", bold=True))
            return True
        click.echo("\n" + click.style(f"{messages} delivered, but not all:", fg="red", bold=True))
        for line in self.missing:
            click.echo(f"  {line}")
        return False

    def suggest(self) -> None:
        """Say what to try while it runs."""
        name = _our_name()
        rules = self.app.settings.rules
        click.echo(
            f"\nThe router keeps running, and what you send it is shown here. Try in another terminal:\n\n"
            f"  export SPACES_ROUTER_ADMIN={self.app.admin_url} SPACES_TOKEN={self.token}\n"
            f"  {name} send page.updated.moved --to {self.app.public_url}{self.hook}\n"
            f"  {name} deliveries\n"
            f"  {name} show {self.shown}\n"
            f"  curl -s {self.app.admin_url}/api/v1/stats\n"
            f"  curl -s '{self.app.admin_url}/api/v1/deliveries?limit=1'\n"
        )
        if os.access(rules, os.W_OK):
            click.echo(f"Or change {rules} and save it: the next event is judged by your change.\n")
        click.echo("Ctrl-C ends it.")
        sys.stdout.flush()


def _has_ended(listed: ListedDelivery) -> bool:
    """A delivery that waits for its next attempt has failed as far as a spectator is concerned."""
    return listed.delivery.state.is_final or listed.delivery.state is DeliveryState.RETRYING


def _our_name() -> str:
    """How a shell finds this command: by name, else by its path."""
    if shutil.which("spaces-router"):
        return "spaces-router"
    path = Path(sys.argv[0])
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
