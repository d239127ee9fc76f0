"""
Asking the Spaces API of one source: what it tells of people, spaces and pages, within bounds.

Source: the vendor's guides on paging, response structure and response codes, its official Go SDK and MCP server, read
2026-11. Only documented models are relied on: lists under their plural, single objects under their singular; whatever
stands beside them is left alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

import httpx

from router.clock import Clock
from router.config.model import Source
from router.destinations.answers import retry_after
from router.errors import RouterError, UnreadableBody
from router.messages.directory import PAGES, SPACES, USERS
from router.messages.learning import id_text
from router.payload import JSON, parse_body
from router.secret import Secret
from router.waiting import in_time

MOST_ANSWER_BYTES = 4 * 1024 * 1024
"""Of one answer: a page comes with its whole text."""

MOST_LIST_BYTES = 1024 * 1024
"""Of an answer with some of a list: a hundred people are some 100 KB."""

PAGE_SIZE = 100
"""Objects asked for at once."""

MOST_AT_ONCE = 1_000
"""Objects taken of one answer; a server that sends more than was asked for is asked again after these."""

MOST_OBJECTS = 20_000
"""Of one list, those that come again included; of a longer one the rest is not read."""

MOST_REQUESTS = 400
"""For one list, however few objects each of them brings."""

REQUEST_SECONDS = 10.0

LONGEST_WAIT = 3600.0
"""Seconds: more is not believed of a `Retry-After`."""

_SINGULAR = {USERS: "user", SPACES: "space", PAGES: "page"}

_KEY = re.compile(r"[\x21-\x7e]+")
_ID = re.compile(r"[1-9][0-9]{0,18}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")

_NEW_KEY = "make a new one in Spaces under Settings > API Keys"

_REFUSALS = {  # source: the vendor's guide on response codes, read 2026-11
    401: f"the API key of source {{source}} is refused (HTTP 401); {_NEW_KEY}",
    402: "the subscription behind source {source} has no Spaces API (HTTP 402); check it in Spaces, or remove api_key",
    403: "the API key of source {source} may not read {kind} (HTTP 403); let somebody who sees all {kind} make one",
}


class ApiOutcome(StrEnum):
    """What a request came to."""

    OK = "ok"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    THROTTLED = "throttled"
    FAILED = "failed"


_READ_AT_ONCE = 65_536
"""Bytes that are parsed in a millisecond or two, whatever they are."""

_OF_ALL = frozenset({401, 402, 407, 408, 429})
"""Statuses of 4xx that say nothing of what was asked for, but of the key, the site, or the moment."""


class ApiFailure(RouterError):
    """
    The API did not tell what it was asked for.

    Args:
        problem: A sentence for an admin: what is wrong, and what to mend. The same for the same trouble, and without
            any secret.
        status: Of HTTP, where there was an answer.
        wait: Seconds for which the API wants to be left alone, where it said so.
    """

    def __init__(
        self, outcome: ApiOutcome, problem: str, *, status: int | None = None, wait: float | None = None
    ) -> None:
        super().__init__(problem)
        self.outcome = outcome
        self.problem = problem
        self.status = status
        self.wait = wait

    @property
    def is_of_one_page(self) -> bool:
        """Whether only the page that was asked for is not to be had, and others may well be."""
        if self.status is None:
            return self.outcome is ApiOutcome.NOT_FOUND
        return 400 <= self.status < 500 and self.status not in _OF_ALL


@dataclass(frozen=True)
class Access:
    """
    What it takes to ask the API of one source.

    Attributes:
        source: Name of the source.
        url: Such as `https://acme.teamwork.com/spaces/api/v1`.
        keeps_before: Remember what was known before, for messages that say what changed.
    """

    source: str
    url: str
    key: Secret
    keeps_before: bool = True

    @classmethod
    def of(cls, source: Source) -> Self | None:
        """Give it for a source of the rule file; None where its API is not to be asked."""
        if source.api is None or source.api_key is None:
            return None
        return cls(source.name, source.api, source.api_key, source.changes)

    @property
    def place(self) -> str:
        """Host, and port where one is given."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class SpacesClient:
    """
    Asks.

    Args:
        http: Made for answers of `MOST_ANSWER_BYTES`; follows no redirect.
        counted: Told the source of each request, and what it came to.
    """

    def __init__(self, http: httpx.AsyncClient, clock: Clock, counted: Callable[[str, ApiOutcome], None]) -> None:
        self._http = http
        self._clock = clock
        self._counted = counted

    async def listed(self, access: Access, kind: str) -> AsyncGenerator[Sequence[Mapping[str, JSON]]]:
        """
        Give all people or spaces, as they come: some with each request.

        Args:
            kind: `users` or `spaces`.

        Raises:
            ApiFailure: A request failed; what came before it holds.
        """
        offset, seen = 0, set[str]()
        for _ in range(MOST_REQUESTS):
            query = {"pageSize": PAGE_SIZE, "pageOffset": offset}
            answer = await self._ask(access, f"{kind}.json", kind, query)
            models = answer[kind][: min(MOST_AT_ONCE, MOST_OBJECTS - offset)]
            fresh = list(_unseen(models, seen))
            if fresh:
                yield fresh
            offset += len(models)
            # Nothing new although more was promised: a server that knows no offsets, and gives the first ones again.
            if not fresh or offset >= MOST_OBJECTS or not _goes_on(answer, len(models), offset):
                return

    async def page(self, access: Access, space_id: str, page_id: str) -> Mapping[str, JSON]:
        """
        Give one page.

        Raises:
            ApiFailure: `NOT_FOUND` also for what cannot be the id of a page.
        """
        if not _ID.fullmatch(space_id) or not _ID.fullmatch(page_id):
            raise ApiFailure(ApiOutcome.NOT_FOUND, "this is no id of a page")
        answer = await self._ask(access, f"spaces/{space_id}/pages/{page_id}.json", PAGES)
        model: Mapping[str, JSON] = answer[_SINGULAR[PAGES]]
        if str(model.get("id")) != page_id:
            raise ApiFailure(ApiOutcome.NOT_FOUND, "this is another page")
        return model

    async def _ask(
        self, access: Access, path: str, kind: str, query: Mapping[str, int] | None = None
    ) -> Mapping[str, JSON]:
        try:
            response = await self._exchange(access, path, query)
            answer = await _read(access, kind, response, self._clock.now(), is_list=query is not None)
        except ApiFailure as failure:
            self._counted(access.source, failure.outcome)
            raise
        self._counted(access.source, ApiOutcome.OK)
        return answer

    async def _exchange(self, access: Access, path: str, query: Mapping[str, int] | None) -> httpx.Response:
        key = access.key.reveal().strip()
        if not _KEY.fullmatch(key):
            raise ApiFailure(
                ApiOutcome.REFUSED,
                f"the API key of source {access.source} holds white space or letters that no key has; copy it anew, or "
                + _NEW_KEY,
            )
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        try:
            asking = self._http.get(f"{access.url}/{path}", params=query, headers=headers)
            return await in_time(asking, self._clock, REQUEST_SECONDS)
        except TimeoutError:
            failure = _failed(access, f"gives no answer within {REQUEST_SECONDS:g} s; messages go without its names")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            failure = _failed(access, "cannot be asked at that address; check the site, or api, of the source")
        except httpx.RequestError as error:
            failure = _failed(access, f"cannot be reached: {error}")
        # Raised out here, so that it does not drag along the client's error, which knows the whole request.
        raise failure


async def _read(
    access: Access, kind: str, response: httpx.Response, now: datetime, *, is_list: bool
) -> Mapping[str, JSON]:
    """
    Read what was answered: an object that has what was asked for under its name.

    Raises:
        ApiFailure: It is none.
    """
    if response.status_code != 200:
        raise _refusal(access, kind, response, now, is_list=is_list)
    most = MOST_LIST_BYTES if is_list else MOST_ANSWER_BYTES
    if len(response.content) >= most and not is_list:
        raise ApiFailure(ApiOutcome.NOT_FOUND, f"the page has more than {most >> 20} MiB, which is not read")
    if len(response.content) >= most:
        raise _failed(access, f"answers with more than {most >> 20} MiB, which is not read")
    try:
        if len(response.content) <= _READ_AT_ONCE:
            answer = parse_body(response.content)
        else:
            # In a thread, for what only looks like JSON may take long; events come in meanwhile.
            answer = await asyncio.to_thread(parse_body, response.content)
    except UnreadableBody:
        answer = None
    if answer is None:
        raise _failed(access, "answers with something that is not JSON; check that the site, or api, leads to Spaces")
    name, shape = (kind, list) if is_list else (_SINGULAR[kind], dict)
    if not isinstance(answer, dict) or not isinstance(answer.get(name), shape):
        raise _failed(access, f"answers with JSON that has no {name}; check that the site, or api, leads to Spaces")
    return answer


def _refusal(access: Access, kind: str, response: httpx.Response, now: datetime, *, is_list: bool) -> ApiFailure:
    """Word a status other than 200."""
    status = response.status_code
    if status in _REFUSALS:
        problem = _REFUSALS[status].format(source=access.source, kind=kind)
        return ApiFailure(ApiOutcome.REFUSED, problem, status=status)
    if status == 404:
        where = f"nothing of the Spaces API is at {access.place} (HTTP 404); check the site, or api, of source"
        problem = f"{where} {access.source}" if is_list else f"source {access.source} has no such page"
        return ApiFailure(ApiOutcome.NOT_FOUND, problem, status=status)
    until = retry_after(response.headers.get("Retry-After"), now)
    wait = None if until is None else min(LONGEST_WAIT, (until - now).total_seconds())
    if status == 429:
        problem = (
            f"the Spaces API of source {access.source} was asked too often (HTTP 429); it is left alone for a while"
        )
        return ApiFailure(ApiOutcome.THROTTLED, problem, status=status, wait=wait)
    if 300 <= status < 400:
        return _failed(access, f"redirects{_pointing_to(response)} (HTTP {status}), which is not followed", status)
    if status >= 500:
        return _failed(access, f"has trouble of its own (HTTP {status}); it is asked again later", status, wait)
    return _failed(access, f"answers HTTP {status}, which it should not; check the site, or api", status)


def _unseen(models: Sequence[JSON], seen: set[str]) -> Iterator[Mapping[str, JSON]]:
    """Give those that have an id which did not come before, and note it."""
    for model in models:
        object_id = id_text(model.get("id")) if isinstance(model, dict) else None
        if object_id is not None and object_id not in seen:
            seen.add(object_id)
            yield model


def _goes_on(answer: Mapping[str, JSON], count: int, offset: int) -> bool:
    """Whether more follows after so many, of which the last answer brought `count`."""
    meta = answer.get("meta")
    page = meta.get("page") if isinstance(meta, dict) else None
    total = page.get("count") if isinstance(page, dict) else None
    if isinstance(total, int) and total > 0:
        return offset < total
    return count >= PAGE_SIZE


def _failed(access: Access, problem: str, status: int | None = None, wait: float | None = None) -> ApiFailure:
    whose = f"the Spaces API of source {access.source}, {access.place},"
    return ApiFailure(ApiOutcome.FAILED, f"{whose} {problem}", status=status, wait=wait)


def _pointing_to(response: httpx.Response) -> str:
    """Name only the host of another address: its path may repeat a secret."""
    host = urlsplit(response.headers.get("Location") or "").hostname or ""
    return f" to {host}" if _HOST.fullmatch(host) else ""
