"""`serve`: flags and environment to settings; what stops a start, in a sentence."""

from __future__ import annotations

import difflib
import errno
import os
import socket
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import click

from router.cli.addresses import AddressType, admin_token, admin_token_file
from router.cli.group import BadConfiguration, Failed
from router.cli.options import LOG_LEVELS, DurationType, SizeType, data_folder, rules_file, setting
from router.collecting import uncollected
from router.config.settings import (
    DEFAULT_MAX_BODY,
    DEFAULT_QUEUE_LIMIT,
    DEFAULT_RETENTION,
    LONGEST_RETENTION,
    SHORTEST_RETENTION,
    Address,
    Settings,
)
from router.durations import format_duration
from router.errors import StoreRefused, StoreUnavailable
from router.logs import LogFormat
from router.secret import Secret


@click.command("serve")
@rules_file("rules.yaml")
@setting(
    "--listen",
    type=AddressType(),
    default="0.0.0.0:8080",
    show_default=True,
    help="Where webhooks arrive, at /hooks/ and the name of a source. Port 0 asks for a free one.",
)
@setting(
    "--admin",
    type=AddressType(as_url=True),
    default="127.0.0.1:8081",
    show_default=True,
    help="Where the API and the health checks are. Any address off loopback needs a token.",
)
@admin_token_file
@setting(
    "--admin-host",
    multiple=True,
    metavar="NAME",
    help="A further name by which the admin side may be called, such as that of a proxy before it. May be repeated.",
)
@data_folder("The folder of the store; made where it is missing.")
@setting("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="Certificate (PEM): webhooks over HTTPS.")
@setting("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="The certificate's key (PEM, no password).")
@setting("--dry-run", is_flag=True, help="Do everything but send: what would be sent is kept and can be looked at.")
@setting(
    "--queue-limit",
    type=click.IntRange(min=1),
    default=DEFAULT_QUEUE_LIMIT,
    show_default=True,
    help="So many deliveries may wait; beyond it Spaces is asked to try again later.",
)
@setting(
    "--max-body",
    type=SizeType(),
    default=f"{DEFAULT_MAX_BODY // 2**20}MiB",
    show_default=True,
    help="The largest webhook that is taken.",
)
@setting(
    "--retention",
    type=DurationType(SHORTEST_RETENTION, LONGEST_RETENTION),
    default=format_duration(DEFAULT_RETENTION),
    show_default=True,
    help="How long events are kept once all is done with them; dead letters that nobody dealt with three times as long."
    " At least 1d.",
)
@setting(
    "--log-format",
    type=click.Choice([form.value for form in LogFormat]),
    default="text",
    show_default=True,
    help="How log lines look; they go to standard error.",
)
@setting(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="The least important lines that are logged.",
)
def command(
    *,
    rules: Path,
    listen: Address,
    admin: Address,
    admin_token_file: Path | None,
    admin_host: tuple[str, ...],
    data: Path,
    tls_cert: Path | None,
    tls_key: Path | None,
    dry_run: bool,
    queue_limit: int,
    max_body: int,
    retention: timedelta,
    log_format: str,
    log_level: str,
) -> int:
    """
    Run the router.

    When it is ready, one line on standard output says where it listens. It stops on Ctrl-C or SIGTERM, after what is
    being sent has ended. The rule file is read again when it changes. The exit code is 78 when the rule file or a
    setting must be mended first, so that a service manager need not try again.

    \b
    Examples:
      spaces-router serve
      spaces-router serve --rules /etc/spaces-router/rules.yaml --data /var/lib/spaces-router
      spaces-router serve --listen 127.0.0.1:8080 --dry-run
      SPACES_ROUTER_LISTEN=0.0.0.0:9000 spaces-router serve
    """
    _warn_of_unknown_variables(os.environ)
    settings = Settings(
        rules=rules,
        data=data,
        listen=listen,
        admin=admin,
        admin_token=_token(admin, admin_token_file),
        admin_hosts=admin_host,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log_format=LogFormat(log_format),
        log_level=log_level,
        dry_run=dry_run,
        queue_limit=queue_limit,
        max_body=max_body,
        retention=retention,
    )
    _check_tls(settings)
    _check_admin_hosts(settings)
    return run(settings, os.environ)


def run(settings: Settings, environ: Mapping[str, str]) -> int:
    """
    Serve until told to stop; the exit code.

    Raises:
        BadConfiguration: The rule file cannot be used; its problems are said on standard error.
        Failed: The store or an address is not to be had.
    """
    with uncollected():
        from router.app import serve  # noqa: PLC0415 - the whole program, which `--help` need not wait for
        from router.config.problems import ConfigurationInvalid, format_text, summary  # noqa: PLC0415

    try:
        return serve(settings, environ)
    except ConfigurationInvalid as invalid:
        click.echo(format_text(invalid.problems).rstrip("\n"), err=True)
        from router.cli.rule_report import unset_hint  # noqa: PLC0415

        hint = unset_hint(invalid.problems, settings.rules)
        counted = summary(invalid.problems, str(settings.rules))
        raise BadConfiguration(f"{counted}; nothing was started.{hint and ' '}{hint}") from None
    except (StoreRefused, StoreUnavailable) as error:
        raise Failed(f"{error}.") from None
    except OSError as error:
        raise _no_start(error, settings) from None


def _token(admin: Address, file: Path | None) -> Secret | None:
    try:
        token = admin_token(file, os.environ)
    except ValueError as error:
        raise BadConfiguration(str(error)) from None
    if token is None and not admin.is_loopback:
        raise BadConfiguration(
            f"--admin {admin} can be reached from other machines, so it needs a token: set SPACES_ROUTER_ADMIN_TOKEN or"
            " --admin-token-file, or keep it on loopback with --admin 127.0.0.1:8081."
        )
    if token is not None and not (token.reveal().isascii() and token.reveal().isprintable()):
        raise BadConfiguration("the admin token may hold printable ASCII characters only; it travels in a header.")
    return token


def _check_tls(settings: Settings) -> None:
    """Try certificate and key before anything is started."""
    if settings.tls_cert is None and settings.tls_key is None:
        return
    if settings.tls_cert is None or settings.tls_key is None:
        given, missing = ("--tls-key", "--tls-cert") if settings.tls_cert is None else ("--tls-cert", "--tls-key")
        raise BadConfiguration(f"{given} needs {missing} beside it.")
    for flag, path in (("--tls-cert", settings.tls_cert), ("--tls-key", settings.tls_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise BadConfiguration(f"{flag}: {path} cannot be read: {error.strerror or error}.") from None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A password given here keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = (getattr(error, "reason", None) or "not readable").lower().replace("_", " ")
        raise BadConfiguration(
            f"--tls-cert {settings.tls_cert} and --tls-key {settings.tls_key} cannot be used ({reason}). Expected a"
            " certificate with its chain and the key that belongs to it, both as PEM, the key without a password."
        ) from None


def _check_admin_hosts(settings: Settings) -> None:
    from router.admin.auth import Guard  # noqa: PLC0415

    try:
        Guard(settings.admin, settings.admin_hosts, settings.admin_token)
    except ValueError as error:
        raise BadConfiguration(f"{error}.") from None


def _no_start(error: OSError, settings: Settings) -> click.ClickException:
    """Say why an address is not to be had, or what else the system refused."""
    if isinstance(error, socket.gaierror):
        return BadConfiguration(
            f"--listen {settings.listen} or --admin {settings.admin} names a host that this machine does not know."
        )
    if error.filename is not None:
        named = Path(os.fsdecode(error.filename))
        kind = BadConfiguration if named == settings.rules else Failed
        return kind(f"{named} cannot be used: {error.strerror}.")
    for flag, address in (("--listen", settings.listen), ("--admin", settings.admin)):
        reason = _why_not(address)
        if reason:
            return Failed(f"{flag} {address}: {reason}")
    return Failed(f"the system refused to start it: {error.strerror or error}.")


def _why_not(address: Address) -> str:
    """Try an address; why it cannot be listened on, or an empty text."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError as error:
            return _BINDING.get(error.errno or 0, f"{error.strerror or error}.")
    return ""


_BINDING = {
    errno.EADDRINUSE: "this address is in use; is a router running already? Stop that one, or take another port.",
    errno.EACCES: "no permission for this port: those below 1024 are for the system's administrator. Take another one,"
    " or put a proxy before the router.",
    errno.EADDRNOTAVAIL: "this machine has no such address. 0.0.0.0 stands for all that it has.",
}


def _warn_of_unknown_variables(environ: Mapping[str, str]) -> None:
    """A misspelled variable would silently leave a setting as it was."""
    known = {str(option.envvar) for option in command.params if isinstance(option, click.Option) and option.envvar}
    known.add("SPACES_ROUTER_ADMIN_TOKEN")
    for name in environ:
        if name.startswith("SPACES_ROUTER_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                click.echo(f"Warning: the variable {name} means nothing; did you mean {close[0]}?", err=True)
