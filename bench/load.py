"""Signed deliveries: as many as a server takes (by wrk), a given number, or so many a second."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
import uuid
from pathlib import Path

import httpx
from processes import LOAD_CORE, pinned

from router.clients import make_http_client
from router.signature import sign

TOKEN = "token-of-the-benchmark"
CONNECTIONS = 32
_BODIES = 60_000
"""Distinct bodies; each is posted again only after all others, and under another `Delivery` then."""

_PAGE = {
    "id": 5148,
    "title": "Release checklist",
    "slug": "release-checklist",
    "state": "active",
    "content": "<p>Ship it.</p>" * 110,
    "space": {"id": 42, "type": "spaces"},
    "updatedBy": {"id": 9, "type": "users"},
    "updatedAt": "2026-03-02T10:40:15Z",
}

_SCRIPT = """\
local head = [==[%(head)s]==]
local signatures = {
%(signatures)s
}
local n = 0
local answered = 0
init = function(args) n = tonumber(args[1]) end
request = function()
  n = n + 1
  local k = (n - 1) %% %(bodies)d
  return wrk.format("POST", "/hooks/spaces", {
    ["Event"] = "page.updated", ["Signature"] = signatures[k + 1], ["Content-Type"] = "application/json",
    ["Delivery"] = string.format("00000000-0000-4000-8000-%%012d", n)}, head .. k .. "}")
end
"""

_STOP = """\
response = function(status)
  if status ~= 200 then os.exit(1) end
  answered = answered + 1
  if answered == %d then os.exit(0) end
end
"""


def write_script(folder: Path, *, stop_after: int | None = None) -> Path:
    """A script for wrk that posts signed deliveries, each with a body and an id of its own."""
    head = f'{{"page":{json.dumps(_PAGE)},"n":'
    signatures = ",\n".join(f'"{sign(TOKEN, f"{head}{number}}}".encode())}"' for number in range(_BODIES))
    script = folder / f"post-{stop_after or 'on'}.lua"
    text = _SCRIPT % {"head": head, "signatures": signatures, "bodies": _BODIES}
    script.write_text(text + (_STOP % stop_after if stop_after else ""))
    return script


def post(url: str, script: Path, first: int, seconds: int) -> tuple[int, float]:
    """
    Post as fast as answers come; how many were answered, and in how many seconds.

    Args:
        first: Number behind which the ids of the deliveries begin, and which bodies they have.
    """
    told = _wrk(url, script, first, seconds)
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"not every request was answered 200:\n{told}")
    found = re.search(r"(\d+) requests in [^\n]*", told)
    rate = re.search(r"Requests/sec: +([\d.]+)", told)
    assert found
    assert rate
    return int(found[1]), int(found[1]) / float(rate[1])


def post_all(url: str, script: Path) -> None:
    """Post as many as the script was written for; each has to be answered 200."""
    _wrk(url, script, 0, 3600)


def _wrk(url: str, script: Path, first: int, seconds: int) -> str:
    """Run wrk; what it prints, which is nothing where the script ends it."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url, "--", str(first)]
    return subprocess.run(pinned(LOAD_CORE, *command), capture_output=True, text=True, check=True).stdout


def post_one(url: str) -> None:
    """Post a single delivery; it has to be answered 200."""
    asyncio.run(_post_evenly(url, 1, 1))


def post_evenly(url: str, rate: int, seconds: int) -> None:
    """Post so many a second, whatever the answers do; each says in its body when it was sent."""
    asyncio.run(_post_evenly(url, rate, seconds))


async def _post_evenly(url: str, rate: int, seconds: int) -> None:
    async with make_http_client() as client, asyncio.TaskGroup() as tasks:
        started = time.monotonic()
        for number in range(rate * seconds):
            await asyncio.sleep(started + number / rate - time.monotonic())
            tasks.create_task(_post(client, url))


async def _post(client: httpx.AsyncClient, url: str) -> None:
    body = json.dumps({"page": _PAGE, "sent": str(time.monotonic_ns())}).encode()
    headers = {
        "Event": "page.updated",
        "Delivery": str(uuid.uuid4()),
        "Signature": sign(TOKEN, body),
        "Content-Type": "application/json",
    }
    answer = await client.post(f"{url}/hooks/spaces", content=body, headers=list(headers.items()))
    if answer.status_code != 200:
        raise SystemExit(f"a delivery was answered {answer.status_code}: {answer.text}")
