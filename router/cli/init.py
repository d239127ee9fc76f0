"""`init`: a rule file to begin with, its secrets beside it, and what to do next."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from router.cli.group import Failed
from router.cli.options import option
from router.cli.schema import schema_text
from router.cli.starter import DESTINATION, SCHEMA, SLACK_PLACEHOLDER, SOURCE, env_text, is_writable, rules_text

RULES, ENV = "rules.yaml", ".env"

_TOKEN_BYTES = 32


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@option("--site", metavar="HOST", help="Host name of your Teamwork site, such as acme.teamwork.com; it makes links.")
@click.option(
    "--slack-url",
    envvar=["SPACES_ROUTER_INIT_SLACK_URL", "SLACK_URL"],
    show_envvar=True,
    metavar="URL",
    help="An incoming webhook of your Slack. Prefer the environment variable: other users of the machine can see the"
    " options of a running program.",
)
def command(*, folder: Path, site: str | None, slack_url: str | None) -> int:
    """
    Write a rule file to begin with, and say what to do next.

    FOLDER is the current one unless given; it is made if it is not there. It gets three files: rules.yaml, with
    comments; .env with the variables that it uses, among them a freshly made random token for the webhook in Spaces;
    and rules.schema.json, by which editors complete and check rules.yaml. Nothing is overwritten: where one of the
    three is there already, none is written.

    \b
    Examples:
      spaces-router init
      spaces-router init /etc/spaces-router --site acme.teamwork.com
    """
    token = secrets.token_hex(_TOKEN_BYTES)
    slack_url = slack_url or None
    rules = rules_text(site)
    _check(rules, {"SPACES_TOKEN": token, "SLACK_URL": slack_url or SLACK_PLACEHOLDER})
    files = {ENV: (env_text(token, slack_url), 0o600), RULES: (rules, 0o644), SCHEMA: (schema_text(), 0o644)}
    _write(folder, files)
    click.echo(_next_steps(folder, slack_url is not None))
    return 0


def _check(rules: str, environ: Mapping[str, str]) -> None:
    """
    Read what is to be written as `check` would; what is wrong with it is one of the options.

    Raises:
        click.BadParameter: With what `check` says of it.
    """
    from router.config.load import load_text  # noqa: PLC0415 - half of the program, which `--help` need not wait for
    from router.config.problems import ConfigurationInvalid  # noqa: PLC0415

    if not is_writable(environ["SLACK_URL"]):
        raise click.BadParameter(
            "expected a URL without spaces, quotes, backslashes and letters that are not ASCII.",
            param_hint="--slack-url",
        )
    try:
        load_text(rules, RULES, environ)
    except ConfigurationInvalid as invalid:
        problem = invalid.problems[0]
        of_site = (problem.source_line or "").lstrip().startswith("site:")
        raise click.BadParameter(f"{problem.message}.", param_hint="--site" if of_site else "--slack-url") from None


def _write(folder: Path, files: Mapping[str, tuple[str, int]]) -> None:
    """
    Write all of the files, or none.

    Args:
        files: Text and mode by name.

    Raises:
        Failed: One of them is there, or the folder cannot be used.
    """
    present = [name for name in (RULES, ENV, SCHEMA) if os.path.lexists(folder / name)]
    if present:
        raise Failed(_refusal(folder, present))
    _make(folder)
    written: list[Path] = []
    try:
        for name, (text, mode) in files.items():
            _create(folder / name, text, mode, written)
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(error, FileExistsError):
            raise Failed(f"{error.filename} has come to be just now; nothing was written.") from None
        raise Failed(f"nothing was written: {error.filename or folder}: {error.strerror or error}.") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror or error
        raise Failed(f"nothing was written: {folder} cannot be made: {reason}.") from None


def _create(path: Path, text: str, mode: int, written: list[Path]) -> None:
    # Exclusive, so that neither a file nor a link that somebody puts there meanwhile is written to; and the mode is
    # there from the first byte on.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        written.append(path)
        file.write(text)


def _refusal(folder: Path, present: list[str]) -> str:
    names = " and ".join(", ".join(present).rsplit(", ", 1))
    there = f"{names} {'are' if len(present) > 1 else 'is'} in {_shown(folder)} already"
    look = f" `spaces-router check {shlex.quote(str(folder / RULES))}` says what it holds." if RULES in present else ""
    return f"{there}; nothing was written.{look} For a fresh start name another folder: spaces-router init FOLDER"


def _shown(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)


_NEXT_STEPS = """\
Wrote in {folder}:
  {rules:<17}  which events go where; with comments
  {env:<17}  a token for Spaces, made at random, and the address of Slack; for your eyes only
  {schema:<17}  lets your editor complete and check {rules}

What to do next:

1. {slack}

2. Load the variables, check the rules, and send a test message to Slack:

     cd {quoted}
     set -a; . ./{env}; set +a
     spaces-router check --strict
     spaces-router send-test {destination}

3. Start the router. This is for a reverse proxy with TLS on the same machine; without one, see
   `spaces-router serve --help` for --tls-cert and --tls-key:

     spaces-router serve --listen 127.0.0.1:8080

   As a service of systemd, these lines of the unit do the same:

     EnvironmentFile={folder}/{env}
     ExecStart={program} serve --rules {folder}/{rules} --listen 127.0.0.1:8080
     StateDirectory=spaces-router
     RestartPreventExitStatus=78

4. Tell Spaces: as a site admin, open Settings → Webhooks and add a webhook with

     URL     https://your-server.example.com/hooks/{source}
     token   what stands behind SPACES_TOKEN= in {env}
     events  every event: the rules say what becomes of each"""

_SLACK_GIVEN = f"Open {RULES}, and take out what you do not want to read."
_SLACK_TO_COME = f"""\
Open {ENV}, and put the URL of an incoming webhook of your Slack behind SLACK_URL=
   What stands there is a placeholder, which Slack refuses. Slack makes a webhook for a channel at
   https://api.slack.com/messaging/webhooks"""


def _next_steps(folder: Path, has_slack: bool) -> str:
    absolute = folder.resolve()
    return _NEXT_STEPS.format(
        folder=absolute,
        quoted=shlex.quote(str(absolute)),
        rules=RULES,
        env=ENV,
        schema=SCHEMA,
        slack=_SLACK_GIVEN if has_slack else _SLACK_TO_COME,
        destination=DESTINATION,
        source=SOURCE,
        program=_program(),
    )


def _program() -> str:
    """Find this program for a service manager, which knows no PATH of a virtual environment."""
    beside = Path(sys.executable).parent / "spaces-router"
    return str(beside) if beside.exists() else "spaces-router"
