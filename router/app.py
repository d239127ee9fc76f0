"""
Composition root: builds the parts, starts, reloads and stops them in order.

Starting: rule file → store → names → listeners → lanes. Stopping: ingress says 503 and closes → what is being sent
ends → store.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from router.admin.api import make_admin
from router.admin.parts import Parts
from router.admin.server import AdminServer
from router.admin.tails import Tails
from router.clients import make_http_client
from router.clock import Clock, SystemClock
from router.config.load import load
from router.config.model import Configuration
from router.config.reload import Reloader, ReloadState, RuleSets, kept_text
from router.config.settings import Address, Settings
from router.delivery.alerts import Alerts
from router.delivery.attempt import Attempts
from router.delivery.lanes import Lanes
from router.delivery.naming import Naming
from router.delivery.replayer import Replayer
from router.delivery.retention import Retention
from router.destinations.base import Clients
from router.ids import IdSource
from router.ingress import Ingress
from router.intake import Limits
from router.listener import Listener
from router.logs import configure_logging
from router.messages.directory import MOST_REMEMBERED, Directory
from router.secret import Redactor
from router.smtp.client import Smtp
from router.sockets import allow_many_descriptors, listen_on
from router.spaces.client import MOST_ANSWER_BYTES
from router.spaces.names import ApiNames
from router.store.base import Store
from router.store.sqlite import SqliteStore

log = logging.getLogger("router.app")

_ADMIN_BODY_LIMIT = 1024 * 1024

_ADMIN_SECONDS = 60.0
"""For the next request on a connection, and again for its body: who says nothing takes no place for ever."""

_COLLECT_AFTER = 5_000
"""
Containers made beyond those that are gone again, until Python looks for rings among them.

What an event needs is freed without that; at Python's own 700 it looks after every few events, and at all that is there
every few thousand: a fifteenth of all work, and pauses of some ten milliseconds.
"""

_REQUESTS_GRACE = 5.0
"""Seconds for requests that are open at a stop; a sender whose body takes longer tries again."""

_READERS_GRACE = 1.0
"""Seconds for those who follow to read the end of it."""


class App:
    """
    The whole router in one process.

    Args:
        configuration: The rule set to begin with, already loaded, so that a bad file starts nothing.
        environ: Where `${VAR}` is looked up, now and at each reload.
    """

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration,
        environ: Mapping[str, str],
        *,
        redactor: Redactor,
        clock: Clock | None = None,
        store: Store | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.store = store or SqliteStore(settings.database, clock=self.clock)
        self.stage = "starting"
        self.public_url = ""
        self.admin_url = ""
        redactor.learn(configuration.secrets())
        redactor.learn([settings.admin_token] if settings.admin_token else [])
        self._ids = IdSource(self.clock)
        self.directory = Directory()
        self.rulesets = RuleSets(configuration, self.store)
        self._http = make_http_client()
        self._api_http = make_http_client(most_bytes=MOST_ANSWER_BYTES)
        self._smtp = Smtp()
        self.names = ApiNames(
            http=self._api_http,
            sources=lambda: self.rulesets.current.sources,
            store=self.store,
            directory=self.directory,
            clock=self.clock,
        )
        self.lanes = Lanes(
            store=self.store,
            attempts=Attempts(
                ruleset=self.rulesets.get,
                clients=Clients(http=self._http, now=self.clock.now, smtp=self._smtp),
                store=self.store,
                clock=self.clock,
                redactor=redactor,
                naming=Naming(self.directory, self.store, self.names),
            ),
            ids=self._ids,
            clock=self.clock,
            dry_run=settings.dry_run,
        )
        self.reloader = Reloader(
            path=settings.rules,
            environ=environ,
            rulesets=self.rulesets,
            lanes=self.lanes,
            store=self.store,
            clock=self.clock,
            redactor=redactor,
        )
        self.retention = Retention(
            settings.retention, store=self.store, in_use=lambda: self.rulesets.current.hash, clock=self.clock
        )
        self.ingress = self._make_ingress()
        self.alerts = self._make_alerts(redactor)
        self.reloader.on_change = self._reloaded
        self.tails = Tails(self.store.feed)
        self._parts = self._make_parts(redactor)
        self._listener = Listener(self.ingress, self.clock, tls=_tls(settings))
        self._admin: AdminServer | None = None

    def _make_ingress(self) -> Ingress:
        return Ingress(
            configuration=lambda: self.rulesets.current,
            store=self.store,
            lanes=self.lanes,
            ids=self._ids,
            clock=self.clock,
            directory=self.directory,
            limits=Limits(max_body_bytes=self.settings.max_body, queue=self.settings.queue_limit),
            free_bytes=_free_bytes(self.settings.data),
        )

    def _make_alerts(self, redactor: Redactor) -> Alerts:
        alerts = Alerts(
            configuration=lambda: self.rulesets.current,
            store=self.store,
            hand_over=self.lanes.hand_over,
            arrivals=lambda: self.ingress.arrivals,
            reload_state=lambda: self.reloader.state,
            ids=self._ids,
            clock=self.clock,
            redactor=redactor,
        )
        if not self.settings.dry_run:  # sends nothing, and leaves what is to be told for who does
            self.lanes.on_death = alerts.died
            self.ingress.on_refused = alerts.refused
        return alerts

    def _reloaded(self, state: ReloadState) -> None:
        self.names.adopt()
        if not self.settings.dry_run:
            self.alerts.reloaded(state)

    def _make_parts(self, redactor: Redactor) -> Parts:
        return Parts(
            store=self.store,
            rulesets=self.rulesets,
            reloader=self.reloader,
            lanes=self.lanes,
            replayer=self._make_replayer(),
            directory=self.directory,
            names=self.names,
            clock=self.clock,
            redactor=redactor,
            stage=lambda: self.stage,
            trouble=self.ingress.trouble,
            counts=self.ingress.counts,
            arrivals=self.ingress.arrivals,
            queue_limit=self.settings.queue_limit,
            tails=self.tails,
            free_bytes=_free_bytes(self.settings.data),
        )

    def _make_replayer(self) -> Replayer:
        return Replayer(
            store=self.store,
            rulesets=self.rulesets,
            lanes=self.lanes,
            ids=self._ids,
            clock=self.clock,
            trouble=self.ingress.trouble,
            directory=self.directory,
        )

    async def start(self) -> None:
        """
        Stand ready: own the lanes, send what waits, listen.

        Raises:
            StoreRefused: The store must not be opened.
            OSError: An address cannot be listened on.
        """
        configuration = self.rulesets.current
        await self.store.open()
        await self.store.save_ruleset(kept_text(configuration, self.clock.now()))
        self._warn(configuration)
        await self._remember(configuration)
        await self.lanes.prepare(configuration)
        self._start_admin()
        await self.names.start()
        self._listener.listen(self.settings.listen.host, self.settings.listen.port)
        scheme = "https" if self.settings.tls_cert else "http"
        self.public_url = _url(scheme, self.settings.listen.host, self._listener.port)
        self.lanes.adopt(self.rulesets.current)  # a SIGHUP may have been quicker
        await self.lanes.bury_removed()
        if not self.settings.dry_run:
            self.alerts.start()
        self.reloader.watch()
        self.retention.start()
        self.stage = "serving"

    async def _remember(self, configuration: Configuration) -> None:
        """Take into memory what was learned before, as conditions look nowhere else."""
        for name in configuration.sources:
            most = MOST_REMEMBERED // len(configuration.sources)
            found = await self.store.newest_objects(name, most)
            self.directory.recall(name, found, is_all=len(found) < most)

    def _start_admin(self) -> None:
        """Listen before anything is sent, so that an address in use ends a start that has done nothing."""
        sockets = listen_on(self.settings.admin.host, self.settings.admin.port)
        port: int = sockets[0].getsockname()[1]
        address = Address(self.settings.admin.host, port)
        application = make_admin(
            self._parts, address=address, hosts=self.settings.admin_hosts, token=self.settings.admin_token
        )
        self._admin = AdminServer(
            application,
            max_body_size=_ADMIN_BODY_LIMIT,
            max_buffer_size=2 * _ADMIN_BODY_LIMIT,
            idle_connection_timeout=_ADMIN_SECONDS,
            body_timeout=_ADMIN_SECONDS,
        )
        self._admin.add_sockets(sockets)
        self.admin_url = _url("http", self.settings.admin.host, port)

    async def stop(self) -> None:
        """Take nothing more, finish what is being sent within the drain time, and close. Safe to call twice."""
        if self.stage == "stopped":
            return
        self.stage = "stopping"
        self.reloader.stop()
        await self.names.stop()
        await self.retention.stop()
        grace = self.settings.drain.total_seconds()
        self._listener.stop()
        await self._listener.drain(min(grace, _REQUESTS_GRACE))
        cut_off = await self.lanes.stop(grace)
        await self.alerts.stop()
        if cut_off:
            log.warning("app.cut_off", extra={"deliveries": cut_off, "hint": "they are sent again at the next start"})
        await self.tails.end(min(grace, _READERS_GRACE))
        if self._admin is not None:
            self._admin.stop()
            await self._admin.close_all_connections()
        await self._http.aclose()
        await self._api_http.aclose()
        await self._smtp.aclose()
        await self.store.close()
        self.stage = "stopped"

    def _warn(self, configuration: Configuration) -> None:
        for warning in configuration.warnings:
            log.warning("ruleset.warning", extra={"code": warning.code, "problem": str(warning)})
        for name, source in configuration.sources.items():
            if source.unsigned:
                log.warning(
                    "source.unsigned",
                    extra={"source": name, "hint": "anybody who can reach its path can post events; give it a token"},
                )


def serve(settings: Settings, environ: Mapping[str, str]) -> int:
    """
    Run until told to stop.

    Returns:
        The exit code: 0 after a clean stop.

    Raises:
        ConfigurationInvalid: The rule file has problems; nothing was started.
        StoreRefused: The store must not be opened.
        OSError: An address cannot be listened on.
    """
    configuration = load(settings.rules, environ, trial_seconds=0)  # the first look at the files does that, soon
    redactor = Redactor()
    configure_logging(settings.log_format, settings.log_level, redactor)
    allow_many_descriptors()
    gc.set_threshold(_COLLECT_AFTER)
    gc.freeze()  # what is there now stays, and is not looked at again and again
    return asyncio.run(_serve(App, settings, configuration, environ, redactor))


async def _serve(
    make: Callable[..., App],
    settings: Settings,
    configuration: Configuration,
    environ: Mapping[str, str],
    redactor: Redactor,
) -> int:
    app = make(settings, configuration, environ, redactor=redactor)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked_to_stop(name: str) -> None:
        if stop.is_set():
            os._exit(1)  # asked twice: at once, whatever is under way
        log.info("app.stopping", extra={"signal": name})
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop, number.name)
    loop.add_signal_handler(signal.SIGHUP, app.reloader.reload_soon, "SIGHUP")
    try:
        await app.start()
        log.info(
            "app.started",
            extra={"ruleset": configuration.hash[:16], "store": str(settings.database), "dry_run": settings.dry_run},
        )
        _announce(f"listening on {app.public_url}, admin on {app.admin_url}")
        await stop.wait()
    finally:
        await app.stop()
    log.info("app.stopped")
    return 0


def _announce(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{Address(host, port)}"


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def _free_bytes(folder: Path) -> Callable[[], int]:
    def free() -> int:
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    return free
