"""
What the built-in messages look like, written down to be read: one file for each event in `golden/`.

`python -m tests.messages.golden` writes the files anew; read what changed in them as somebody in the channel would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from router.events import FORMATS, Format, Markup, Message
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON
from router.samples import SAMPLES
from tests.message_bodies import body_shapes, namespace_of
from tests.messages.known import CASES, known_namespace

FOLDER = Path(__file__).parent / "golden"
RENDERER = Renderer()
BODY = {
    "what": "{{ event.title }}",
    "summary": '{% with link = none %}{% include "shared/line.j2" %}{% endwith %}',
    "who": '{{ actor.name | default("someone") }}',
    "page": '{{ page.title | default("") }}',
    "space": '{{ space.name | default("") }}',
    "link": '{{ link | default("") }}',
}
"""What a rule may post to a program that people read: made of the words that every event has."""

_CASES = {"full": "full body", "nulls": "all nulls", "empty": "{}"}

Namespace = Mapping[str, JSON]


def style(kind: str, wanted: Format) -> Style:
    markup = {"slack": Markup.SLACK, "email": Markup.HTML}.get(kind, Markup.TEXT)
    return Style(markup, {"log": "text", "http": "text"}.get(kind, kind), kind == "http", wanted)


def written(kind: str, wanted: Format, namespace: Namespace) -> Message:
    spec = MessageSpec(body=BODY, has_body=True) if kind == "http" else MessageSpec()
    return RENDERER.render(spec, style(kind, wanted), namespace)


def known_cases() -> Iterator[tuple[str, str, Namespace]]:
    """Each event with all names, links and changes."""
    for name, variant, before, fields in CASES:
        yield name, f"names known{f', {variant}' if variant else ''}", known_namespace(name, before, fields)


def bare_cases() -> Iterator[tuple[str, str, Namespace]]:
    """Each event in each shape of body, where nothing is known but what it holds."""
    for name in SAMPLES:
        for shape, body in body_shapes(name):
            yield name, shape, namespace_of(name, body)


def golden(name: str) -> str:
    """The whole file of an event; shapes of which all messages are the same share a section."""
    sections: dict[str, list[str]] = {}
    for _, case, namespace in (each for each in (*known_cases(), *bare_cases()) if each[0] == name):
        sections.setdefault(_section(namespace), []).append(_CASES.get(case, case))
    return f"{name}\n" + "".join(f"\n\n===== {'; '.join(cases)}\n{shown}" for shown, cases in sections.items())


def _section(namespace: Namespace) -> str:
    parts = [
        (f"{kind}, {wanted}", shown(kind, written(kind, wanted, namespace)))
        for kind in ("slack", "email", "log", "http")
        for wanted in FORMATS
    ]
    # A body is the rule's own, and has no format.
    (_, body), last = parts[-2], parts[-1]
    parts = parts[:-2] if last[1] == body else parts
    return "".join(
        f"\n--- {title}\n{text}\n" for title, text in [*parts, *([("http body", body)] if len(parts) == 6 else [])]
    )


def shown(kind: str, message: Message) -> str:
    if kind == "http":
        return json.dumps(message.body, indent=1, ensure_ascii=False)
    if kind == "email":
        html = re.sub(r' style="[^"]*"', "", message.html)
        return f"Subject: {message.subject}\n\n{message.text}\n\n{html}"
    blocks = "".join(f"\n[{block['type']}] {_block(block)}" for block in message.blocks or [])
    return f"{message.text}{blocks}"


def _block(block: dict[str, Any]) -> str:
    if block["type"] == "actions":
        return ", ".join(f"{button['text']['text']} ({button['url']})" for button in block["elements"])
    texts = block["elements"] if block["type"] == "context" else [block["text"]]
    return " | ".join(text["text"] for text in texts).replace("\n", "\n  ")


def write_all() -> None:
    for name in SAMPLES:
        (FOLDER / f"{name}.txt").write_text(golden(name), encoding="utf-8")


if __name__ == "__main__":
    write_all()
