"""Each example of the reference, and of the editor's completion, is taken by the loader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config.load import load
from router.config.schema import document
from router.destinations.base import destination_types
from tests.rule_schema import objections

ENVIRON = {
    "SPACES_TOKEN": "a-token",
    "OLD_TOKEN": "an-older-token",
    "SLACK_URL": "https://hooks.slack.com/services/T/B/x",
    "MAIL_PASSWORD": "a-password",
    "AUDIT_TOKEN": "a-token",
    "PUSH_TOKEN": "a-token",
    "TICKETS_KEY": "a-key",
    "TICKETS_PASSWORD": "a-password",
    "PARTNER_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
FILES = {"url": "https://example.com/hook", "api": "https://example.com/api", "secret": ENVIRON["PARTNER_SECRET"]}

WHOLE = document()
PARTS = WHOLE["$defs"]
DEFAULTS = WHOLE["properties"]["defaults"]
TYPES = destination_types()

SOURCE = {"token": "${SPACES_TOKEN}", "site": "acme.teamwork.com", "api_key": "a-key-of-the-api"}
RULE = {"name": "pages", "events": "page.*", "to": "docs"}
SIGNED = {"style": "standard-webhooks", "secret": "${PARTNER_SECRET}"}
WEB = {"type": "http", "url": "https://audit.example.com/"}

File = dict[str, Any]


def whole(**sections: Any) -> File:
    places = {"docs": {"type": "slack", "url": "${SLACK_URL}"}, "log": {"type": "log"}, "web": WEB}
    return {"sources": {"spaces": SOURCE}, "destinations": places, "rules": [RULE], **sections}


def rule(**keys: Any) -> File:
    return whole(rules=[{**RULE, **keys}])


def with_test(key: str, value: Any) -> File:
    expected = {} if key in ("rules", "not_rules") else {"rules": "pages"}
    if key == "to" and value == "nothing":
        expected = {}
    if key == "not_rules":
        expected = {"to": "docs"}
    return whole(tests=[{"name": "a test", "event": "page.created", **expected, key: value}])


def destination(settings: Mapping[str, Any]) -> File:
    return whole(destinations={"docs": settings, "log": {"type": "log"}})


def source(key: str, value: Any) -> File:
    kept = without_rival(SOURCE, key)
    if key == "kind":
        kept.pop("api_key")  # which is for Spaces alone
    return whole(sources={"spaces": kept | {key: value}})


def without_rival(settings: Mapping[str, Any], key: str) -> File:
    """Leave out what a key cannot stand beside: a secret beside the file that holds it, a token beside none."""
    bare = key.removesuffix("_file")
    rivals = {bare, f"{bare}_file"} | ({"token"} if key == "unsigned" else set())
    return {name: value for name, value in settings.items() if name not in rivals}


def of_type(name: str) -> Callable[[str, Any], File]:
    def put(key: str, value: Any) -> File:
        return destination({"type": name} | without_rival(TYPES[name].example, key) | {key: value})

    return put


PUT: Mapping[str, tuple[Mapping[str, Any], Callable[[str, Any], File]]] = {
    "the file": (WHOLE, lambda key, value: whole(**{key: value})),
    "a source": (PARTS["source"], source),
    "a person": (PARTS["person"], lambda key, value: whole(people={9: {key: value}})),
    "a space": (PARTS["space"], lambda key, value: whole(spaces={42: {key: value}})),
    **{name: (PARTS[name], of_type(name)) for name in TYPES},
    "auth": (PARTS["Auth"], lambda key, value: destination(WEB | {"auth": {key: value}})),
    "basic": (
        PARTS["Basic"],
        lambda key, value: destination(
            WEB | {"auth": {"basic": without_rival({"username": "a", "password": "b"}, key) | {key: value}}}
        ),
    ),
    "sign": (
        PARTS["Signing"],
        lambda key, value: destination(WEB | {"sign": without_rival(SIGNED, key) | {key: value}}),
    ),
    "a rule": (PARTS["rule"], lambda key, value: rule(**{"to": "web" if key == "body" else "docs", key: value})),
    "a table": (
        PARTS["target"]["anyOf"][-1],
        lambda key, value: rule(to={"by": "page.id", "table": {9: "log"}, key: value}),
    ),
    "conditions": (PARTS["conditions"], lambda key, value: rule(when={key: value})),
    "operators": (
        PARTS["wish"]["anyOf"][-1],
        lambda key, value: rule(when={"page.title": {key: value} | ({"equals": "x"} if key == "match_case" else {})}),
    ),
    "a test": (PARTS["test"], with_test),
    "defaults": (DEFAULTS, lambda key, value: whole(defaults={key: value})),
    "defaults for destinations": (
        DEFAULTS["properties"]["destinations"],
        lambda key, value: whole(defaults={"destinations": {key: value}}),
    ),
    "defaults for rules": (
        DEFAULTS["properties"]["rules"],
        lambda key, value: whole(defaults={"rules": {key: value}}),
    ),
}
CASES = [
    pytest.param(put, key, example, id=f"{section}: {key}")
    for section, (schema, put) in PUT.items()
    for key, each in schema["properties"].items()
    for example in each["examples"]
    if key != "type"
]


@pytest.mark.parametrize(("put", "key", "example"), CASES)
def test_examples_load(put: Callable[[str, Any], File], key: str, example: Any, tmp_path: Path) -> None:
    """Whoever copies one example into a file that is right has another one that is."""
    (tmp_path / "secrets").mkdir()
    if key.endswith("_file") and key != "payload_file":
        (tmp_path / example).write_text(FILES.get(key.removesuffix("_file"), "a-secret-in-a-file"))
    path = tmp_path / "rules.yaml"
    text = yaml.safe_dump(put(key, example), sort_keys=False)
    path.write_text(text, encoding="utf-8")
    load(path, ENVIRON)
    assert objections(text) == []
