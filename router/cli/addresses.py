"""Where listeners stand, and the token of the admin side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from router.cli.options import F, setting
from router.config.settings import Address
from router.secret import Secret


class AddressType(click.ParamType[Address]):
    """
    `HOST:PORT`.

    Args:
        as_url: Take `http://HOST:PORT` for it too, as other commands write the address of the admin side: they share
            its variable with `serve`.
    """

    name = "host:port"

    def __init__(self, *, as_url: bool = False) -> None:
        self._as_url = as_url

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value.removeprefix("http://").removesuffix("/") if self._as_url else value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def admin_token_file(command: F) -> F:
    return setting(
        "--admin-token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="File that holds the token of the admin listener. The token itself can stand in the environment variable"
        " SPACES_ROUTER_ADMIN_TOKEN; it is no option, because other users of the machine can see the options of a"
        " running program.",
    )(command)


def admin_token(file: Path | None, environ: Mapping[str, str]) -> Secret | None:
    """
    Read the token of the admin listener.

    Raises:
        ValueError: A token is set but empty, or its file cannot be read; with a sentence for the user.
    """
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"--admin-token-file: {file} cannot be read: {error.strerror or error}.") from None
        except UnicodeDecodeError:
            raise ValueError(f"--admin-token-file: {file} is not text in UTF-8.") from None
        if not token:
            raise ValueError(f"--admin-token-file: {file} is empty; write the token into it, or leave the option out.")
        return Secret(token)
    value = environ.get("SPACES_ROUTER_ADMIN_TOKEN")
    if value is None:
        return None
    if not value.strip():
        raise ValueError("SPACES_ROUTER_ADMIN_TOKEN is set but empty; give it a value or unset it.")
    return Secret(value.strip())
