"""The group of all commands: finds one by its name, loads only that one, and lets no traceback reach the user."""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import os
import sys
import traceback
from typing import Any

import click

from router import __version__
from router.collecting import uncollected

FAILED = 1
BAD_CONFIGURATION = 78
"""`EX_CONFIG`: a service manager is told not to start again (systemd: `RestartPreventExitStatus=78`)."""

# Name → what it does, in one line. Listing them here makes `--help` fast: a command's module is imported when it runs.
COMMANDS = {
    "init": "Write a rule file to begin with.",
    "serve": "Run the router.",
    "demo": "Show the router at work on sample deliveries.",
    "check": "Say what is wrong with a rule file, or what it holds.",
    "events": "List the events of Spaces, or those that your rules need.",
    "schema": "Print what editors need to complete and check rule files.",
    "preview": "Show which rules match an event, and what they would send.",
    "test": "Run the tests that stand beside the rules.",
    "backtest": "Show what a changed rule file would do differently.",
    "send": "Send a signed sample delivery to a router.",
    "send-test": "Send a test message to a destination.",
    "deliveries": "List what the router sent or tries to send.",
    "tail": "Show events and deliveries as they happen.",
    "show": "Show one event or one delivery in full.",
    "explain": "Say why each rule did or did not match an event.",
    "replay": "Send once more what did not arrive.",
    "release": "Send now what waits for its time.",
    "backup": "Copy the store to a file, also while the router runs.",
    "purge": "Remove old events for good.",
    "healthcheck": "Ask a running router whether it is ready.",
}

_EPILOG = """\b
Examples:
  spaces-router demo                     see it work, without any set-up
  spaces-router init                     write a rule file to begin with
  spaces-router check rules.yaml         is my rule file right?
  spaces-router preview page.updated     what would it send?
  spaces-router serve --rules rules.yaml
  spaces-router deliveries --state dead  what did not arrive?

Each command says more: spaces-router COMMAND --help. Every option can also be set by the environment variable named
in its help."""


class Failed(click.ClickException):
    """A command could not do its work; the text says why and how to mend it."""

    exit_code = FAILED


class BadConfiguration(click.ClickException):
    """`serve` cannot start until somebody changes its settings or its rule file."""

    exit_code = BAD_CONFIGURATION


class _Commands(click.Group):
    """Loads a command when it is asked for; an int which a command returns is the exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # Where a locale has no way to write a title, the command must not fail for it.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        # Rule files are checked by pydantic alone. It would look through all packages that are installed for some that
        # want a part in it, and what they would get to see is full of secrets.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        with uncollected():
            command: click.Command = importlib.import_module(f"router.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS and not ctx.resilient_parsing:
            ctx.fail(_unknown(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            result = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # click ends quietly: whoever read our output has enough
            raise _unexpected(error) from None
        if isinstance(result, int) and result:
            ctx.exit(result)
        return None


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"No such command {name!r}.{guess}"


def _unexpected(error: Exception) -> Failed:
    """Say in a sentence that something went wrong which nobody foresaw; with the traceback for whoever asked for it."""
    finding = " ".join(str(error).split())
    kind = type(error).__name__
    sentence = f"Something unexpected went wrong ({kind}: {finding})." if finding else f"Unexpected failure ({kind})."
    if os.environ.get("SPACES_ROUTER_LOG_LEVEL", "").lower() == "debug" or _asked_for_debug():
        return Failed("".join(traceback.format_exception(error)).rstrip() + f"\n{sentence}")
    return Failed(
        f"{sentence} To see where, run it again with SPACES_ROUTER_LOG_LEVEL=debug in the environment"
        " (`serve` and `demo` also take --log-level debug), and report it with what you see then."
    )


def _asked_for_debug() -> bool:
    context = click.get_current_context(silent=True)
    while context is not None:
        if context.params.get("log_level") == "debug":
            return True
        context = context.parent
    return False


@click.group(
    cls=_Commands,
    name="spaces-router",
    epilog=_EPILOG,
    context_settings={
        "auto_envvar_prefix": "SPACES_ROUTER",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.version_option(__version__, "-V", "--version", prog_name="spaces-router", message="%(prog)s %(version)s")
def main() -> None:
    """Forward webhooks of a Teamwork Spaces site to Slack, by e-mail and over HTTP, by the rules of a YAML file."""
