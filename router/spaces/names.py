"""Names from the Spaces API: its parts put together, as the rest of the router sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import httpx

from router.clock import Clock
from router.config.model import Source
from router.messages.directory import Directory
from router.spaces.client import Access, SpacesClient
from router.spaces.figures import ApiFigures, Standing
from router.spaces.learner import Learner
from router.spaces.pages import Pages
from router.spaces.refresh import Refreshes
from router.store.base import Store


class ApiNames:
    """
    What the APIs of all sources tell. Nobody waits for it longer than a little, and nothing depends on it.

    Args:
        http: Made for answers of `client.MOST_ANSWER_BYTES`.
        sources: Those of the running rule set.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        sources: Callable[[], Mapping[str, Source]],
        store: Store,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self._sources = sources
        self._standing = standing = Standing(clock)
        client, learner = SpacesClient(http, clock, standing.count), Learner(store, directory, clock)
        self._refreshes = Refreshes(sources=sources, client=client, learner=learner, standing=standing, clock=clock)
        self._pages = Pages(sources=sources, client=client, learner=learner, standing=standing, clock=clock)

    async def start(self) -> None:
        """Read all people and spaces; come back when that is done, after five seconds at most."""
        await self._refreshes.start()

    def adopt(self) -> None:
        """Follow a change of the rule file."""
        self._refreshes.adopt()

    async def find_pages(self, source: str, wanted: Iterable[tuple[str, str]]) -> None:
        """Look up pages, by their ids and those of their spaces; come back after two seconds at most."""
        await self._pages.find(source, wanted)

    def ask_soon(self, source: str, met: Iterable[tuple[str, str]] | None = None) -> None:
        """
        Read people and spaces again, as one was met that nobody knows; every five minutes at most.

        Args:
            met: Kind and id of each; nothing is read for those that a read before did not bring. None: read anyway.
        """
        self._refreshes.ask_soon(source, met)

    def figures(self) -> Mapping[str, ApiFigures]:
        """Give the figures of each source that has an API."""
        return {
            name: self._standing.of(name) for name, source in self._sources().items() if Access.of(source) is not None
        }

    async def stop(self) -> None:
        """Ask nothing more, and end what is under way at once. Safe to call twice."""
        await self._refreshes.stop()
        await self._pages.stop()

    async def quiet(self) -> None:
        """Wait until nothing is asked."""
        await self._refreshes.quiet()
        await self._pages.quiet()
