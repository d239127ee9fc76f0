"""
How long `spaces-router backtest` takes for a history of realistic events.

    python bench/backtest.py --events 100000

A store is filled as the router fills it. Then two changed rule files are tried on it, each by a process of its own: one
in which one rule of eight reads differently, and one in which every message does.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from processes import ROOT, as_installed, compile_router

from router.clock import SystemClock
from router.config.load import load
from router.config.reload import kept_text
from router.delivery.judging import judge_arrived
from router.delivery.naming import taught_by
from router.events import Event
from router.messages.directory import Directory
from router.samples import sample
from router.store.sqlite import SqliteStore

RULES = ROOT / "rules.example.yaml"
COMMAND = Path(sys.executable).parent / "spaces-router"

_WEIGHTS = {
    "page.updated": 60,
    "page.created": 8,
    "comment.created": 14,
    "comment.updated": 3,
    "page.updated.moved": 3,
    "page.updated.trashed": 2,
    "page.deleted": 1,
    "user.updated": 4,
    "access.created": 3,
    "pagepermission.created": 2,
}
_START = datetime(2025, 1, 1, tzinfo=UTC)
_WORDS = ("release", "plan", "budget", "onboarding", "rollback", "draft", "interview", "roadmap", "incident", "review")


def body_of(name: str, dice: random.Random) -> bytes:
    """A body like the sample of the event, about one of some thousand objects."""
    body = orjson.loads(sample(name))
    for model in body.values():
        if not isinstance(model, dict):
            continue
        number = dice.randint(1, 3_000)
        model["id"] = number
        for key in ("createdBy", "updatedBy"):
            if isinstance(model.get(key), dict):
                model[key]["id"] = dice.randint(1, 60)
        if isinstance(model.get("space"), dict):
            model["space"]["id"] = dice.randint(1, 50)
        if "title" in model:
            words = dice.choices(_WORDS, k=3)
            model["title"], model["slug"] = " ".join(words).capitalize(), "-".join(words)
        if "content" in model:
            text = " ".join(dice.choices(_WORDS, k=dice.randint(20, 300)))
            model["content"] = f"<p>{text}</p><ul><li>one</li><li>two &amp; three</li></ul>"
    return orjson.dumps(body)


async def fill(folder: Path, count: int) -> None:
    """Fill a store with events of the last six days, as an accept does."""
    dice = random.Random(7)  # noqa: S311 - the same bodies in every run
    configuration = load(RULES, {}, trial_seconds=0)
    source, directory = configuration.sources["spaces"], Directory()
    store = SqliteStore(folder / "router.db", clock=SystemClock())
    await store.open()
    now = datetime.now(UTC)
    await store.save_ruleset(kept_text(configuration, now))
    names = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=count)
    waiting = []
    for place, name in enumerate(names):
        at = now - timedelta(days=6) * (1 - place / count)
        body = body_of(name, dice)
        headers = {"Event": name, "Delivery": str(uuid.UUID(int=dice.getrandbits(128))), "User-Agent": "Teamwork"}
        number = (int((at - _START).total_seconds() * 1000) << 20) + place  # as router/ids.py makes them
        digest = hashlib.sha256(body).digest()
        came = Event(number, "spaces", name, headers["Delivery"], body, digest, headers, at, configuration.hash)
        _, facts = judge_arrived(came, source, configuration, directory)
        event, taught = replace(came, facts=facts), taught_by(came, source)
        if taught is not None:
            directory.learn(*taught.key, taught.lesson.facts)
        waiting.append(store.accept(event, [], taught))
        if len(waiting) == 500:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    await store.close()


def changed(folder: Path) -> dict[str, Path]:
    """The rule files that are tried."""
    text = RULES.read_text()
    one = text.replace(
        "    to: docs\n\n  - name: moves", '    to: docs\n    message: "{{ page.title }} changed"\n\n  - name: moves'
    )
    every = text.replace("  zone: UTC", "  zone: Europe/Dublin").replace("  docs:\n", "  docs:\n    format: full\n", 1)
    templates = {"one rule of eight reads differently": one, "all is written twice": every}
    assert text not in templates.values()
    found = {}
    for place, (name, content) in enumerate(templates.items()):
        path = folder / f"changed-{place}.yaml"
        path.write_text(content)
        found[name] = path
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="a folder for the store, which is made if it is not there")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    arguments = parser.parse_args()
    compile_router()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or Path(scratch) / "data"
        if not (data / "router.db").exists():
            data.mkdir(parents=True, exist_ok=True)
            asyncio.run(fill(data, arguments.events))
        for name, path in changed(Path(scratch)).items():
            started, before = time.monotonic(), os.times().children_user
            command = [COMMAND, "backtest", path, "--data", data, "--since", "30d", "--format", arguments.format]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=as_installed())
            seconds, processor = time.monotonic() - started, os.times().children_user - before
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{name}: {seconds:.1f} s ({processor:.1f} s of processor time), {peak:.0f} MB at most")
            print(done.stdout[:1500] if arguments.format == "text" else done.stdout[-300:])


if __name__ == "__main__":
    main()
