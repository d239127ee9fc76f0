"""`send-test`: does this destination take messages?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from router.cli.options import option, rules_file
from router.samples import SAMPLES


@click.command("send-test")
@click.argument("destination")
@rules_file("rules.yaml")
@option(
    "--event",
    type=click.Choice(SAMPLES, case_sensitive=False),
    metavar="NAME",
    help="Send the message of this event, made from its sample, in the place of the test message; `spaces-router"
    " events` lists the names. An endpoint that takes events as they come cannot tell it from a real one.",
)
def command(*, destination: str, rules: Path, event: str | None) -> int:
    """
    Send a test message to a destination of the rule file.

    It is sent from here, once and at once, with the settings of the rule file and the variables of this shell, whether
    or not a router runs; it is recorded nowhere and stands in no list. The exit code is 0 if the destination took it,
    otherwise 1; then the command says what it answered and what to do.

    \b
    Examples:
      spaces-router send-test docs
      spaces-router send-test docs --event page.created
      spaces-router send-test audit --rules /etc/spaces-router/rules.yaml
    """
    from router.cli.trial_report import report  # noqa: PLC0415 - half of the program, which `--help` need not wait for

    return asyncio.run(report(destination, rules, event))
