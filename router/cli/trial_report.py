"""What `send-test` does, and what it says of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click

from router.cli.group import Failed
from router.cli.output import local, plain
from router.cli.rule_report import read_rules
from router.clients import make_http_client
from router.clock import SystemClock
from router.config.model import Configuration
from router.config.problems import did_you_mean, listed, named
from router.delivery.trial import sample_event, trial_event, try_out
from router.destinations.base import Clients, Destination
from router.durations import format_duration
from router.errors import PermanentFailure, RenderFailure, TemporaryFailure, Throttled
from router.ids import IdSource
from router.logs import LogFormat, configure_logging
from router.secret import Redactor

_LONGEST_ANSWER = 600


async def report(name: str, rules: Path, event_name: str | None) -> int:
    """
    Send it, and say what became of it.

    Args:
        event_name: Of a sample to send in the place of the test message.

    Returns:
        The exit code 0: it arrived.

    Raises:
        Failed: It did not; or the rule file cannot be used.
        click.BadParameter: The rule file has no such destination.
    """
    configuration = read_rules(rules, "nothing was sent")
    destination = _destination(name, configuration)
    redactor = Redactor(configuration.secrets())
    clock = SystemClock()
    ids = IdSource(clock)
    now = clock.now()
    event = (
        sample_event(event_name, configuration, ids.next(), now) if event_name else trial_event(name, ids.next(), now)
    )
    with _logging(redactor):
        try:
            async with make_http_client() as http:
                receipt = await try_out(name, event, configuration, Clients(http=http, now=clock.now), ids.next())
        except (TemporaryFailure, PermanentFailure) as failure:
            told = plain(redactor.redact(failure.detail))[:_LONGEST_ANSWER].rstrip(".")
            what = f"{_shown(name, destination)} did not take the message: {told}."
            raise Failed(" ".join([what, *_advice(failure, destination, event_name)])) from None
    if receipt is None:
        raise Failed(_silent(name, event_name))
    told = plain(redactor.redact(receipt.detail))[:_LONGEST_ANSWER].rstrip(".")
    click.echo(f"{_shown(name, destination)} took the message: {told}.")
    if not destination.enabled:
        click.echo("It is switched off in the rule file (enabled: false), so the router itself sends it nothing.")
    return 0


def _destination(name: str, configuration: Configuration) -> Destination:
    destination = configuration.destinations.get(name)
    if destination is None:
        known = configuration.destinations
        raise click.BadParameter(
            f"no destination is named {named(name)}; the rule file has: {listed(known)}{did_you_mean(name, known)}.",
            param_hint="DESTINATION",
        )
    return destination


@contextmanager
def _logging(redactor: Redactor) -> Iterator[None]:
    """Show the log meanwhile: it is where a destination of type `log` writes to."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(LogFormat.TEXT, "info", redactor)
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


def _shown(name: str, destination: Destination) -> str:
    kind, address = destination.type_name, destination.address
    return f"{plain(name)} ({kind if address == kind else f'{kind}, {plain(address)}'})"


def _silent(name: str, event_name: str | None) -> str:
    another = "another event" if event_name else "an event, such as --event page.created"
    return (
        f"nothing was sent: the message that {plain(name)} has of its own comes to nothing here, as for an event on"
        f" which it stays silent. Try it with {another}."
    )


def _advice(
    failure: TemporaryFailure | PermanentFailure, destination: Destination, event_name: str | None
) -> Iterator[str]:
    """What to do, and what the router would do."""
    if isinstance(failure, RenderFailure):
        yield "Mend the message or the URL in the rule file."
        if not event_name:
            yield "A test message is about no page; --event page.created sends one that is."
        return
    if isinstance(failure, Throttled):
        yield f"Try again after {local(failure.until)}. The router waits by itself, and counts this as no failure."
        return
    yield from _by_status(failure.status, destination, event_name)
    if isinstance(failure, PermanentFailure):
        yield "The router would not try again: the message would be a dead letter at once."
    elif destination.retry:
        yield f"The router would try again, {_schedule(destination.retry)}."


def _by_status(status: int | None, destination: Destination, event_name: str | None) -> Iterator[str]:
    slack = destination.type_name == "slack"
    if status is None:
        return  # what went wrong on the way says itself what to check
    if slack and (status in {200, 403, 404, 410}):
        yield (
            "Is its url the webhook as Slack shows it, and not the placeholder of a new .env? Slack's settings say"
            " whether the webhook and its channel are still there."
        )
    elif status in {401, 403}:
        yield "Check what it is to know the router by: token, password, key or signature in the rule file."
    elif status in {404, 405, 410}:
        yield "Check the path of its url" + (" and its method." if status == 405 else ".")
    elif status == 400 and destination.own_message and not event_name:
        yield "A test message is about no page, which its own message may need: try --event page.created."
    elif status == 400:
        yield "It understood the request and does not want such a message."
    elif 500 <= status < 600 and destination.type_name != "email":
        yield "The fault is on its side: look there, or try again later."


def _schedule(waits: tuple[timedelta, ...]) -> str:
    texts = [format_duration(wait) for wait in waits]
    return f"after {', '.join(texts[:-1])}{' and ' if texts[1:] else ''}{texts[-1]}"
