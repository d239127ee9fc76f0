"""
A Spaces API on loopback for tests: the documented models and paging, and every way to be of no use.

    async with SpacesApi() as api:
        api.users[9] = user(9, "Ada", "Byrne")
        ...
        api.answer_with(503)          # from now on, whatever is asked
        api.go_well()

Source of the models: `router/spaces/client.py` names it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.fakes import Clock
from tests.waiting import Count

KEY = "tkn.v1_a-key-for-the-tests"

BASE = "/spaces/api/v1"


def user(number: int, first: str = "Ada", last: str = "Byrne", **more: Any) -> dict[str, Any]:
    told = {"id": number, "firstname": first, "lastname": last, "email": f"{first.lower()}{number}@example.com"}
    return {**told, "state": "active", "updatedAt": "2026-03-01T08:00:00Z", **more}


def space(number: int, title: str = "Engineering", code: str = "eng", **more: Any) -> dict[str, Any]:
    told = {"id": number, "title": title, "code": code, "state": "active"}
    return {**told, "homepage": {"id": 5000, "type": "pages"}, "updatedAt": "2026-03-01T08:00:00Z", **more}


def page(number: int, title: str = "Release checklist", space_id: int = 42, **more: Any) -> dict[str, Any]:
    told = {"id": number, "title": title, "slug": title.lower().replace(" ", "-"), "state": "active", "parentId": None}
    shown = {"content": "<p>Ship it.</p>", "space": {"id": space_id, "type": "spaces"}, "tags": []}
    return {**told, **shown, "updatedAt": "2026-03-01T08:00:00Z", **more}


class SpacesApi:
    """
    The API of one site, which has Ada (9) and Engineering (42) to begin with.

    Attributes:
        key: The one that is let in.
        asked: Paths with their queries, in their order; without `/spaces/api/v1`.
        largest_page: The most objects that a page has, whatever is asked for.
        ignores_offset: Gives the first objects whatever offset is asked for.
        is_endless: Has users without end.
    """

    def __init__(self, key: str = KEY) -> None:
        self.key = key
        self.users = {9: user(9)}
        self.spaces = {42: space(42)}
        self.pages: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.largest_page = 500
        self.ignores_offset = self.is_endless = False
        self._requests = Count()
        self._slowness: tuple[float, Clock] | None = None
        self._fixed: tuple[int, bytes, Mapping[str, str]] | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._port = 0

    async def __aenter__(self) -> Self:
        self.come_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_down()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{BASE}"

    def come_up(self) -> None:
        """Listen; on the same port as before."""
        self._server = HTTPServer(Application([(r"/.*", _Handler, {"api": self})], log_function=_say_nothing))
        sockets = bind_sockets(self._port, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)

    async def go_down(self) -> None:
        """Listen no more, and drop who is connected."""
        self._server.stop()
        self.release()
        await self._server.close_all_connections()

    def answer_with(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        """Answer so, whatever is asked."""
        content = body.encode() if isinstance(body, str) else body
        self._fixed = status, content, {name.replace("_", "-"): value for name, value in headers.items()}

    def go_well(self) -> None:
        self._fixed = None

    def hold(self) -> None:
        """Take requests, and answer none until released."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def take(self, seconds: float, clock: Clock) -> None:
        """Take so long for each answer from now on, by this clock."""
        self._slowness = (seconds, clock) if seconds else None

    async def until_asked(self, times: int) -> None:
        """Wait until so many requests have come in all."""
        await self._requests.reaches(times)

    async def serve(self, handler: RequestHandler) -> None:
        self.asked.append(str(handler.request.uri).removeprefix(BASE))
        if self._slowness is None:
            self._requests.add()
        await self._open.wait()
        if self._slowness is not None:
            seconds, clock = self._slowness
            over = asyncio.Event()
            clock.call_later(seconds, over.set)
            self._requests.add()
            await over.wait()
        if self._fixed is not None:
            status, body, headers = self._fixed
        elif handler.request.headers.get("Authorization") != f"Bearer {self.key}":
            status, body, headers = 401, b'{"errors": [{"detail": "not authorised"}]}', {}
        else:
            status, found = self._find(handler)
            body, headers = json.dumps(found).encode(), {"Content-Type": "application/json"}
        handler.set_status(status)
        for name, value in headers.items():
            handler.set_header(name, value)
        handler.finish(body)

    def _find(self, handler: RequestHandler) -> tuple[int, dict[str, Any]]:
        match str(handler.request.path).removeprefix(BASE).strip("/").split("/"):
            case ["users.json"]:
                return 200, self._listed("users", self.users, handler)
            case ["spaces.json"]:
                return 200, self._listed("spaces", self.spaces, handler)
            case ["spaces", space_id, "pages", name]:
                found = self.pages.get(int(name.removesuffix(".json")))
                if found is not None and str(found["space"]["id"]) == space_id:
                    return 200, {"page": found, "included": {}}
        return 404, {"errors": [{"detail": "not found"}]}

    def _listed(self, root: str, models: Mapping[int, dict[str, Any]], handler: RequestHandler) -> dict[str, Any]:
        size = min(int(handler.get_query_argument("pageSize", "20")), self.largest_page)
        offset = 0 if self.ignores_offset else int(handler.get_query_argument("pageOffset", "0"))
        if self.is_endless and root == "users":
            shown, count = [user(1 + number) for number in range(offset, offset + size)], 10**9
        else:
            shown, count = [*models.values()][offset : offset + size], len(models)
        return {root: shown, "included": {}, "meta": {"page": {"pageOffset": offset, "pageSize": size, "count": count}}}


def _say_nothing(handler: RequestHandler) -> None:
    """The log is the router's."""


class _Handler(RequestHandler):
    def initialize(self, api: SpacesApi) -> None:
        self._api = api

    async def get(self) -> None:
        await self._api.serve(self)

    def log_exception(self, *_: object) -> None:
        """Say nothing of clients that went away."""
