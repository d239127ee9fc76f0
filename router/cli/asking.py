"""Asking before something is done that cannot be taken back."""

from __future__ import annotations

import click

from router.cli.group import Failed
from router.cli.options import option

yes_option = option("--yes", "-y", is_flag=True, help="Do not ask.")


def make_sure(question: str, nothing_done: str, *, yes: bool) -> None:
    """
    Go on only where somebody says yes, or said so beforehand.

    Args:
        nothing_done: A clause such as `nothing was removed`.

    Raises:
        Failed: The answer is no, or there is nobody to answer.
    """
    if yes:
        return
    try:
        answer = click.confirm(question)
    except click.Abort:
        click.echo(err=True)
        raise Failed(f"{nothing_done}: there was no answer. --yes goes on without asking.") from None
    if not answer:
        raise Failed(f"{nothing_done}.")
