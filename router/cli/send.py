"""`send`: a signed delivery as Spaces would send it, to try a router out without Spaces."""

from __future__ import annotations

import asyncio
import difflib
import json
import uuid
from collections.abc import Mapping
from typing import IO, Any

import click

from router.cli.group import FAILED, Failed
from router.cli.options import option
from router.cli.output import plain
from router.samples import SAMPLES, sample
from router.signature import sign
from router.sources import DEFAULT_KIND, KINDS, SourceKind, is_event_name

TIMEOUT_SECONDS = 30.0
_LONGEST_ID = 200


@click.command("send")
@click.argument("event")
@option(
    "--to",
    required=True,
    metavar="URL",
    help="Where to send it: the router's address for webhooks, /hooks/, and the name of a source.",
)
@click.option(
    "--token",
    envvar=["SPACES_ROUTER_SEND_TOKEN", "SPACES_TOKEN"],
    show_envvar=True,
    required=True,
    metavar="TOKEN",
    help="The token of that source, with which the delivery is signed. Prefer the environment variable: other users of"
    " the machine can see the options of a running program.",
)
@option(
    "--payload",
    type=click.File("rb"),
    metavar="FILE",
    help="Send the content of this file (- for standard input) instead of the built-in sample.",
)
@option(
    "--delivery",
    metavar="UUID",
    help="The id in the Delivery header; a new one unless given. The same id and body twice is a repeat, which the"
    " router recognises and does not forward again.",
)
@option(
    "--kind",
    type=click.Choice(list(KINDS), case_sensitive=False),
    default=DEFAULT_KIND.name,
    show_default=True,
    help="The product to send like: the `kind` of the source.",
)
def command(*, event: str, to: str, token: str, payload: IO[bytes] | None, delivery: str | None, kind: str) -> int:
    """
    Send a signed sample delivery to a router, as Spaces would.

    EVENT is a name such as page.created; `spaces-router events` lists all. The exit code is 0 if the delivery was
    stored, otherwise 1.

    \b
    Examples:
      spaces-router send page.created --to http://127.0.0.1:8080/hooks/spaces --token secret
      spaces-router send page.updated --to http://127.0.0.1:8080/hooks/spaces --payload body.json
    """
    _check_token(token)
    body = _body(event, payload)
    delivery = delivery or str(uuid.uuid4())
    if not (delivery.isascii() and delivery.isprintable() and len(delivery) <= _LONGEST_ID):
        raise click.BadParameter("expected at most 200 printable ASCII characters.", param_hint="--delivery")
    headers = _headers(KINDS[kind], event, delivery, token, body)
    status, answer = asyncio.run(_post(_checked(to), headers, body))
    sentence, stored = explain(status, answer, to)
    click.echo(f"{status} {sentence}", err=not stored)
    return 0 if stored else FAILED


def _check_token(token: str) -> None:
    if not token:
        raise click.UsageError("The token is empty; a delivery signed with it would be refused.")
    try:
        token.encode()
    except UnicodeEncodeError:
        raise click.UsageError("The token is not text in UTF-8; copy it again from where Spaces shows it.") from None


def _body(event: str, payload: IO[bytes] | None) -> bytes:
    if not is_event_name(event):
        raise click.BadParameter(f"{event!r} is no name of an event; expected one such as page.created.")
    if payload is not None:
        return payload.read()
    if event.lower() in SAMPLES:
        return sample(event)
    close = difflib.get_close_matches(event.lower(), SAMPLES, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise click.BadParameter(
        f"there is no sample of {event!r}.{guess} `spaces-router events` lists all that have one; with --payload FILE"
        " you can send any other.",
        param_hint="EVENT",
    )


def _checked(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in ("http", "https") or not separator or not rest.strip("/"):
        raise click.BadParameter(
            f"expected an address such as http://127.0.0.1:8080/hooks/spaces, found {url!r}.", param_hint="--to"
        )
    return url


def _headers(kind: SourceKind, event: str, delivery: str, token: str, body: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        kind.event_header: event,
        kind.delivery_header: delivery,
        kind.signature_header: sign(token, body),
    }


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
    """Send it; the status, and the answer as JSON or as text."""
    import httpx  # noqa: PLC0415 - a quarter of a second that `--help` and a misspelled event need not wait

    from router.clients import make_http_client  # noqa: PLC0415

    async with make_http_client() as client:
        try:
            response = await client.post(url, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except httpx.InvalidURL:
            raise click.BadParameter(f"{url!r} is not an address.", param_hint="--to") from None
        except httpx.TimeoutException:
            raise Failed(f"no answer from {url} within {TIMEOUT_SECONDS:.0f} s; is it a router?") from None
        except httpx.TransportError as error:
            raise Failed(f"{error}. Is the router running? `spaces-router serve` says where it listens.") from None
    try:
        return response.status_code, json.loads(response.content)
    except ValueError:
        return response.status_code, response.text


_ADVICE = {
    400: "The router keeps such a request under /api/v1/rejected.",
    401: "Is --token the token of this source in the rule file? With ${…} there, the one in the router's environment"
    " counts. A wrong signature is also logged by the router.",
    404: "Is the name after /hooks/ a source of the rule file, and is the port that for webhooks, not the admin one?",
    405: "Something between here and the router changed the method, or this is not the router.",
    408: "The body arrived too slowly; try again.",
    413: "Make the payload smaller, or raise `serve --max-body`.",
    503: "Nothing was stored; Spaces would try again after 1, 5 and 10 minutes. The router's log says more.",
}


def explain(status: int, answer: Any, url: str) -> tuple[str, bool]:
    """
    Put the router's answer into words.

    Args:
        answer: Its body as JSON; text where it was none.

    Returns:
        A sentence, and whether the event is stored.
    """
    said = answer if isinstance(answer, dict) else {}
    if status == 200 and said.get("status") == "repeat":
        return f"already stored as event {plain(said.get('event'))}: a repeat, so nothing was forwarded again", True
    if status == 200 and "event" in said:
        number = plain(said["event"])
        return f"stored as event {number}; see what became of it: spaces-router show {number}", True
    if 200 <= status < 300:
        return f"from {url}, but not from a router: the answer names no event. Is the address right?", False
    if 300 <= status < 400:
        return f"redirect from {url}; a router never redirects. Is it http in the place of https?", False
    reason = plain(said.get("message") or "refused")
    advice = _ADVICE.get(status, "Is this the router's address for webhooks?")
    return f"{reason[:500].rstrip('.')}. {advice}", False
