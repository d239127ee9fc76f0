"""
The one place that makes SMTP connections: aiosmtplib on sockets of our own. What destinations may rely on:

- One connection for each mail. At the rate at which a wiki changes, a kept one would mostly be found broken.
- Where TLS is wanted and cannot be had, the connection ends before anything is said: no login, no sender, no recipient.
- Certificates are verified; there is no switch to turn that off.
- A login is tried once, by one method: more would only bring an account nearer to being locked.
- Names are looked up in threads of our own, one look-up under way per host (see `router/lookups.py`).
- A mail that was taken is reported at once; the goodbye happens behind. Whoever ends an attempt ends its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

import aiosmtplib

from router.clients import trusted_certificates
from router.lookups import HostLookups, LookUp, system_look_up
from router.smtp.answers import Handed, MailFailed, Refusal, one_line, worded
from router.smtp.server import Line
from router.smtp.wire import connect, cut, own_name

GOODBYE_SECONDS = 2.0

_METHODS = ("plain", "login", "cram-md5")


class Smtp:
    """
    Hands mails to servers. Nothing is opened before the first one; close it with `aclose()`.

    Args:
        tls: What certificates are trusted; None for the system's store.
        look_up: Finds the addresses of a host; called in a thread of its own.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, look_up: LookUp = system_look_up) -> None:
        self._tls = tls
        self._lookups = HostLookups(look_up)
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def hand_over(self, line: Line, sender: str, recipients: Sequence[str], mail: bytes) -> Handed:
        """
        Make a connection and hand over one mail.

        Args:
            sender, recipients: Bare addresses, checked before; at least one recipient.

        Raises:
            MailFailed: Nobody has it, or that cannot be known.
        """
        async with self._connected(line) as client:
            with worded(line, "was told the sender"):
                await client.mail(sender)
            refused: dict[str, Refusal] = {}
            try:
                for recipient in recipients:
                    with worded(line, "was told the recipients"):
                        refusal = await _offer(client, recipient)
                    if refusal is not None:
                        refused[recipient] = refusal
                accepted = tuple(recipient for recipient in recipients if recipient not in refused)
                if not accepted:
                    return Handed((), refused)
                with worded(line, "was given the message, and may have it"):
                    answer = await client.data(mail)
            except MailFailed as failure:
                failure.refused = refused
                raise
            return Handed(accepted, refused, one_line(f"{answer.code} {answer.message}"))

    async def aclose(self) -> None:
        """Cut goodbyes short and forget look-ups."""
        for task in self._goodbyes:
            task.cancel()
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
        await asyncio.sleep(0)  # the turn in which the loop closes what was cut
        await self._lookups.close()

    @contextlib.asynccontextmanager
    async def _connected(self, line: Line) -> AsyncIterator[aiosmtplib.SMTP]:
        """Give a connection on which a mail may be begun; cut it off if that goes wrong, part politely if not."""
        trusted = self._trusted() if line.security != "none" else None
        wire = await connect(line, self._lookups)
        client = aiosmtplib.SMTP(
            hostname=line.host,
            sock=wire,
            timeout=None,  # whoever wants a mail handed over limits the time for all of it
            use_tls=line.security == "tls",
            start_tls=False,
            tls_context=trusted,
            local_hostname=own_name(wire),
        )
        done = False
        try:
            with worded(line, "was connected to"):
                await client.connect()
            with worded(line, "was greeted"):
                await _greet(client)
            if line.security == "starttls":
                await _start_tls(client, line)
            if line.username:
                await _log_in(client, line)
            yield client
            done = True
        finally:
            if done:
                self._part(client, wire)
            else:
                cut(wire, client.transport)

    def _part(self, client: aiosmtplib.SMTP, wire: socket.socket) -> None:
        """Say goodbye behind: what comes of it changes nothing, and must not be waited for."""
        transport = client.transport

        async def goodbye() -> None:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, ValueError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await client.quit()

        def gone(task: asyncio.Task[None]) -> None:
            # Not within the task: one that is cancelled before it began does nothing at all.
            cut(wire, transport)
            self._goodbyes.discard(task)

        task = asyncio.get_running_loop().create_task(goodbye(), name="smtp goodbye")
        self._goodbyes.add(task)
        task.add_done_callback(gone)

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = trusted_certificates()
        return self._tls


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _start_tls(client: aiosmtplib.SMTP, line: Line) -> None:
    if not client.supports_extension("starttls"):
        raise MailFailed(
            f"{line.place} does not offer STARTTLS, and nothing is sent without; check the port,"
            " or use smtps:// if it speaks TLS from the start"
        )
    with worded(line, "was asked to start TLS"):
        await client.starttls()
        await _greet(client)


async def _log_in(client: aiosmtplib.SMTP, line: Line) -> None:
    method = next((method for method in _METHODS if method in client.server_auth_methods), None)
    if method is None:
        offered = ", ".join(sorted({name.upper() for name in client.server_auth_methods})) or "no login at all"
        raise MailFailed(f"{line.place} offers {one_line(offered)}; this program knows PLAIN, LOGIN and CRAM-MD5")
    log_in = getattr(client, f"auth_{method.replace('-', '')}")
    with worded(line, "was given the login"):
        await log_in(line.username, line.password.reveal())


async def _offer(client: aiosmtplib.SMTP, recipient: str) -> Refusal | None:
    try:
        await client.rcpt(recipient)
    except aiosmtplib.SMTPRecipientRefused as error:
        if error.code == 421:  # the server closes, which is no word about this recipient
            raise aiosmtplib.SMTPResponseException(error.code, error.message) from None
        return Refusal(error.code, one_line(error.message))
    return None
