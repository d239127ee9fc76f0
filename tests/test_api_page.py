"""`docs/api.md` is true: every example on it is asked of a running router."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.described import check
from tests.running import RunningRouter
from tests.sinks import Sink, answer

PAGE = Path(__file__).parent.parent / "docs" / "api.md"

RULES = """\
destinations:
  docs:
    type: slack
    url: ${SLACK_DOCS_URL}
    fail_fast: [404]
    rate: 500000/s
  audit:
    type: log
rules:
  - name: page changes
    events: [page.updated, page.updated.*]
    to: docs
    message: "{{ event.title }}: {{ page.title }}"
  - name: comments
    events: comment.*
    to: audit
"""

_EXAMPLE = re.compile(
    r"^```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?:\n(?P<body>.+?)\n)?```\n\n"
    r"```json (?P<status>\d+)\n(?P<answer>.+?)^```$",
    re.MULTILINE | re.DOTALL,
)
_INVENTED = re.compile(r"\d{15,19}|[0-9a-f]{64}")
"""Ids and hashes: those of the page stand for those of the router, each always for the same one."""


@dataclass(frozen=True)
class Example:
    method: str
    path: str
    body: str | None
    status: int
    answer: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.status}"


EXAMPLES = [
    Example(found["method"], found["path"], found["body"], int(found["status"]), json.loads(found["answer"]))
    for found in _EXAMPLE.finditer(PAGE.read_text())
]


@dataclass
class Comparison:
    """Compares answers with those on the page, learning what stands for what."""

    known: dict[str, str] = field(default_factory=dict)

    def translated(self, text: str) -> str:
        """Put the router's ids in the place of the page's."""
        return _INVENTED.sub(lambda found: self.known.get(found[0], found[0]), text)

    def check(self, shown: Any, told: Any, where: str) -> None:
        if isinstance(shown, dict) and isinstance(told, dict):
            assert list(shown) == list(told), where
            for key, value in shown.items():
                self.check(value, told[key], f"{where}.{key}")
        elif isinstance(shown, list) and isinstance(told, list):
            assert len(shown) == len(told), where
            for place, value in enumerate(shown):
                self.check(value, told[place], f"{where}[{place}]")
        elif isinstance(shown, str) and isinstance(told, str) and _INVENTED.fullmatch(shown):
            assert _INVENTED.fullmatch(told), where
            assert self.known.setdefault(shown, told) == told, where
        elif where.endswith((".duration_ms", ".next")):
            assert type(shown) is type(told), where
        elif where.endswith(".file"):
            assert Path(shown).name == Path(told).name, where
        else:
            assert (self.translated(shown) if isinstance(shown, str) else shown) == told, where


async def receive(router: RunningRouter, event: str, delivery: str, body: bytes) -> None:
    await router.receive(event, body, **{"Delivery": delivery, "User-Agent": "Spaces"})
    await router.settle()


async def test_every_example_is_what_the_router_answers(tmp_path: Path) -> None:
    """The requests of the page, sent in its order, get the answers of the page."""
    compared = Comparison()
    router = RunningRouter(tmp_path, RULES)
    async with Sink() as sink:
        router.environ = {**router.environ, "SLACK_DOCS_URL": f"{sink.url}/services/T0/B0/example"}
        sink.answer_with(answer(404, "no_service"), answer(503), answer(404, "no_service"))
        async with router:
            await receive(router, "comment.created", "0d5d4bd8-52c1-4c0e-9a3e-5d8f1c7f0a11", b'{"comment":{"id":7}}')
            page = b'{"page":{"id":5148,"title":"Release checklist"}}'
            await receive(router, "page.updated", "6f1a7c1e-8c1f-4d5e-b8a0-2f9f6f1f4a22", page)
            await receive(router, "page.updated", "7f753c15-8b0f-4869-b59a-c25548626c79", b'{"page":')
            roadmap = b'{"page":{"id":5149,"title":"Roadmap"}}'
            await receive(router, "page updated", "a6c4fbb1-3f0e-4a4e-9f55-0d1c6a0f7e10", roadmap)
            for example in EXAMPLES:
                if example.path == "/-/reload" and example.status == 422:
                    router.write(RULES.replace("to: audit", "to: audits"))
                await ask(router, example, compared)


async def ask(router: RunningRouter, example: Example, compared: Comparison) -> None:
    await router.advance(seconds=0.00001)  # enough for the next message, too little to be seen
    url = router.app.admin_url + compared.translated(example.path)
    answered = await router.client.request(example.method, url, content=example.body)
    assert answered.status_code == example.status, f"{example}: {answered.text}"
    check(answered)
    compared.check(example.answer, answered.json(), str(example))


OTHERWISE_SHOWN = {"/metrics", "/api/v1/openapi.json", "/api/v1/tail"}
"""Of these the answer is no JSON, too long for the page, or without an end."""


def test_the_page_shows_every_call() -> None:
    """Each call that the page describes has an example."""
    described = re.findall(r"^### `([A-Z]+) ([^?`]+)", PAGE.read_text(), re.MULTILINE)
    for method, path in described:
        pattern = re.escape(path).replace(r"\{id\}", r"\d+") + r"(\?.*)?"
        shown = [example for example in EXAMPLES if example.method == method and re.fullmatch(pattern, example.path)]
        assert path in OTHERWISE_SHOWN or any(example.status == 200 for example in shown), f"{method} {path}"


_CODES = PAGE.read_text().partition("| status |")[2].partition("\n\n")[0]


@pytest.mark.parametrize("code", re.findall(r"`([a-z_]+)`", _CODES))
def test_every_code_of_the_page_exists(code: str) -> None:
    """An error code that the page names is one that the router uses, beside the description of its answers."""
    sources = [path for path in (PAGE.parent.parent / "router").rglob("*.py") if path.name not in DESCRIPTIONS]
    assert any(f'"{code}"' in source.read_text() for source in sources)


DESCRIPTIONS = {"calls.py", "openapi.py", "schemas.py"}
