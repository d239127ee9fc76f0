"""The answers of a router are those of its OpenAPI document: Schemathesis asks, well and badly, and compares."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.admin_calls import failing
from tests.described import strict_document
from tests.running import RunningRouter
from tests.sinks import Sink, answer

EXAMPLES = 20
"""Made at random, always the same ones, for each call; beside them stand the limits of each parameter and key."""

STREAM = "/api/v1/tail"
"""Has no end; `tests/test_tail.py` holds what comes against the document."""

CALLS = schemathesis.openapi.from_dict(dict(strict_document()), config=schemathesis.Config(seed=20261127))
CALLS.config.generation.deterministic = True


class Past:
    """A router with a past, on an event loop in a thread of its own: Schemathesis asks without one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner = ThreadPoolExecutor(1)
        self._ready: Future[None] = Future()
        self._stop = asyncio.Event()
        self._ids: Mapping[str, list[str]] = {}
        self.url = ""

    def __enter__(self) -> Self:
        self._runner.submit(lambda: asyncio.run(self._run())).add_done_callback(self._ended)
        self._ready.result(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._runner.shutdown()

    def _ended(self, run: Future[None]) -> None:
        if not self._ready.done() and (error := run.exception()) is not None:
            self._ready.set_exception(error)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with Sink() as sink, RunningRouter(self._folder, failing(sink.url)) as router:
            # Of the past: a message that arrived, a dead letter, a message that waits, an event without any, and
            # requests that were rejected for their body and for their name.
            sink.answer_with(answer(200), answer(400, "no"), answer(429, headers={"Retry-After": "60"}))
            for event in ("page.updated", "page.created", "page.deleted", "comment.created"):
                await router.accept(event)
                await router.settle()
            await router.receive("page.updated", b"{")
            await router.receive("page.updated", b'{"page":{"id":1}}', Event="?")
            self._ids = {
                kind: [one["id"] for one in (await router.get(kind))[kind]]
                for kind in ("events", "deliveries", "rejected")
            }
            self.url = router.app.admin_url
            self._ready.set_result(None)
            await self._stop.wait()

    def some_id(self, path: str, number: str) -> str:
        """Give an id that exists in place of one that was made up, or that one, in turns."""
        known = self._ids[path.split("/")[3]]
        return [*known, number][int(number) % (len(known) + 1)]


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    with Past(tmp_path_factory.mktemp("router")) as past:
        yield past


@pytest.fixture
def seen() -> Iterator[dict[int, Any]]:
    """The statuses of a call that came up; there have to be good ones among them, and bad ones."""
    statuses: dict[int, Any] = {}
    yield statuses
    assert {200, 405} <= statuses.keys()


@CALLS.exclude(path=STREAM).parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_answers_are_as_described(case: schemathesis.Case[Any], router: Past, seen: dict[int, Any]) -> None:
    """Whatever is asked, status, type and form of the answer are in the document, and none is a fault of the router."""
    number = str(case.path_parameters.get("id", ""))
    if re.fullmatch("[0-9]{1,19}", number):
        case.path_parameters["id"] = router.some_id(case.path, number)
    # Whether a good request can be granted may depend on what is there, and what makes a good cursor is not described.
    depends = case.method == "POST" or "cursor" in (case.query or ())
    excluded: list[Any] | None = [positive_data_acceptance] if depends else None
    answered = case.call_and_validate(base_url=router.url, excluded_checks=excluded)
    seen.setdefault(answered.status_code, case)
