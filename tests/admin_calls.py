"""What the tests of the admin side share: rule files, and how a call is made."""

from __future__ import annotations

from typing import Any

from tests.described import check
from tests.running import RunningRouter

PAGE = b'{"page":{"id":5148,"title":"Release checklist"}}'

RULES = """\
destinations:
  wiki: {type: log}
  ops: {type: log}
  closed: {type: log, enabled: false}
rules:
  - {name: pages, events: page.*, to: wiki, message: "{{ page.title }}!"}
  - {name: comments, events: comment.*, to: ops, when: {comment.id: nobody}}
"""


def failing(url: str, path: str = "/hook") -> str:
    return f"""\
destinations:
  wiki: {{type: http, url: "{url}{path}", retry: []}}
  ops: {{type: log}}
  closed: {{type: log, enabled: false}}
rules:
  - {{name: pages, events: page.*, to: wiki, message: "{{{{ page.title }}}}!"}}
"""


async def ask(router: RunningRouter, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
    answered = await router.client.request(method, f"{router.app.admin_url}{path}", **more)
    check(answered)
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answered.headers["Cache-Control"] == "no-store"
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answered.headers
    return answered.status_code, answered.json() if answered.content else None
