"""`demo`: the router at work on one machine, without Spaces, Slack or any set-up."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click

from router.cli.options import LOG_LEVELS, option, setting


@click.command("demo")
@option("--once", is_flag=True, help="End after the summary; exit code 0 if everything arrived, otherwise 1.")
@setting(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="error",
    show_default=True,
    help="What the router logs meanwhile, on standard error.",
)
def command(*, once: bool, log_level: str) -> int:
    """
    Show the router at work on sample deliveries.

    Starts a router with the rules of rules.example.yaml, sends it one signed sample of each of the 21 events, and shows
    the messages as stand-ins for Slack and an HTTP endpoint receive them. Everything stays on this machine: free
    ports, a temporary store, no variable of yours is used. Ctrl-C ends it.

    \b
    Examples:
      spaces-router demo
      spaces-router demo --once
    """
    from router.cli.demonstration import demonstrate  # noqa: PLC0415 - the whole program, which `--help` need not wait for

    with tempfile.TemporaryDirectory(prefix="spaces-router-demo-") as folder:
        return asyncio.run(demonstrate(Path(folder), once, log_level))
