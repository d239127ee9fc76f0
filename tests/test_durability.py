"""A 200 means: it is on disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import httpx
import pytest

from router.samples import sample
from router.signature import sign
from tests.process import RouterProcess

TOKEN = "token-of-the-durability-test"

RULES = """\
sources:
  spaces: {token: "${SPACES_TOKEN}"}
destinations:
  journal: {type: log}
rules:
  - {name: everything, events: "*", to: journal}
"""

# strace -f prints `1234 recvfrom(…) = 700`, or, when another thread comes between,
# `1234 fdatasync(9 <unfinished ...>` and later `1234 <... fdatasync resumed>) = 0`.
_REQUEST = re.compile(r'(?:recvfrom|read)(?:\(\d+, | resumed>)"POST /hooks/spaces')
_SYNCED = re.compile(r"(?:fsync|fdatasync)(?:\(\d+\)| resumed>\)) += 0")
_STORED = re.compile(r'(?:sendto|write|send)\(\d+, "HTTP/1\.1 200')


def _strace() -> str:
    found = shutil.which("strace")
    works = found and subprocess.run([found, "-f", "true"], capture_output=True, check=False).returncode == 0
    if works and found:
        return found
    reason = "strace is missing or may not trace here, so that syncs before answers are not checked"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


async def test_each_answer_follows_a_completed_sync(tmp_path: Path) -> None:
    """Between reading a request and writing its 200, the process has completed a sync of the store's file."""
    trace = tmp_path / "trace"
    wrapper = (
        _strace(),
        "-f",
        "-o",
        str(trace),
        "-s",
        "40",
        "-e",
        "trace=read,recvfrom,sendto,send,write,fsync,fdatasync",
    )
    (tmp_path / "rules.yaml").write_text(RULES)
    router = RouterProcess(tmp_path, {"SPACES_TOKEN": TOKEN}, wrapper=wrapper)
    await router.start()
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            for _ in range(25):
                body = sample("page.updated")
                headers = {"Event": "page.updated", "Delivery": str(uuid.uuid4()), "Signature": sign(TOKEN, body)}
                answer = await client.post(f"{router.public}/hooks/spaces", content=body, headers=headers)
                assert answer.status_code == 200
    finally:
        assert await router.stop() == 0
    steps = _steps(trace.read_text())
    assert steps.count("request") == 25
    assert steps.count("stored") == 25
    for number, step in enumerate(steps):
        if step == "stored":
            asked = max(index for index in range(number) if steps[index] == "request")
            assert "synced" in steps[asked:number], steps[asked : number + 1]


def _steps(trace: str) -> list[str]:
    """What happened, in the order in which the calls ended."""
    steps = []
    for line in trace.splitlines():
        for step, pattern in (("request", _REQUEST), ("synced", _SYNCED), ("stored", _STORED)):
            if pattern.search(line):
                steps.append(step)
    return steps
