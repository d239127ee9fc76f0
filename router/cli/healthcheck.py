"""`healthcheck`: one question and an exit code, for containers and monitors."""

from __future__ import annotations

import click

from router.cli.group import FAILED, Failed
from router.cli.options import option, setting
from router.cli.running import DEFAULT_ADMIN, Admin, AdminType, NothingAnswers


@click.command("healthcheck")
@setting(
    "--admin",
    type=AdminType(),
    default=DEFAULT_ADMIN,
    show_default=True,
    metavar="URL",
    help="Where the running router's admin side listens.",
)
@option(
    "--timeout",
    type=click.FloatRange(0.1, 60),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the answer.",
)
def command(admin: Admin, timeout: float) -> int:
    """
    Ask a running router whether it is ready: exit code 0 if so, otherwise 1.

    Ready means: it takes deliveries and can store them. No token is needed. For the HEALTHCHECK of a container, a
    monitor, or a script that waits for the start.

    \b
    Examples:
      spaces-router healthcheck
      spaces-router healthcheck --admin http://127.0.0.1:8081 --timeout 2
    """
    try:
        reply = admin.ask("GET", "/-/ready", timeout=timeout)
    except NothingAnswers as nothing:
        raise Failed(f"not ready: {nothing}. Is the router running, and is --admin its admin address?") from None
    if reply.status == 200:
        click.echo(f"ready: {admin.url}")
        return 0
    if reply.status == 503:
        click.echo(f"not ready: {reply.message or 'it is starting, stopping, or cannot store now'}", err=True)
        return FAILED
    raise Failed(
        f"not ready: {admin.url} answers HTTP {reply.status}{': ' + reply.message if reply.message else ''}."
        " Is --admin the admin address, not the one for webhooks?"
    )
