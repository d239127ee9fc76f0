"""A reader of `GET /api/v1/tail`, as programs are: server-sent events over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema_rs

from tests.described import strict_document
from tests.running import RunningRouter

SCHEMAS = {"event": "Event", "delivery": "Delivery", "left_out": "LeftOut"}


class Stream:
    """
    What a router tells, one record after the other; each is held against the OpenAPI document.

    Attributes:
        comments: Comments so far.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self._lines = response.aiter_lines()

    async def lines(self) -> list[str]:
        """The lines of the next block; none at the end of the stream."""
        found: list[str] = []
        async with asyncio.timeout(20):
            async for line in self._lines:
                if not line:
                    return found
                found.append(line)
        return found

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        """The next record; None at the end of the stream."""
        while block := await self.lines():
            self.comments += [line[2:] for line in block if line.startswith(": ")]
            fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
            if "event" in fields:
                record = json.loads(fields["data"])
                check(fields["event"], record)
                return fields["event"], record
        return None

    async def comment(self) -> str:
        """The next block, which has to be a comment."""
        (line,) = await self.lines()
        return line

    async def take(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        found = [await self.next() for _ in range(count)]
        return [record for record in found if record is not None]


def check(kind: str, record: dict[str, Any]) -> None:
    """Fail where a record is not as the document has it."""
    whole = strict_document()
    schema = {"$ref": f"#/components/schemas/{SCHEMAS[kind]}", "components": whole["components"]}
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(record)


@asynccontextmanager
async def tail(router: RunningRouter, **query: str) -> AsyncIterator[Stream]:
    """Follow a router, from the moment on when it has said that it is followed."""
    await router.settle()  # after its start a lane looks into the store, and until then nothing is sent at once
    url = f"{router.app.admin_url}/api/v1/tail"
    async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url, params=query) as response:
        assert response.status_code == 200, (await response.aread()).decode()
        stream = Stream(response)
        assert await stream.lines() == ["retry: 2000", ": following"]
        yield stream
