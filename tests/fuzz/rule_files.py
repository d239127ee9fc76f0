"""Rule files with the right keys, and at each of them what belongs there or anything else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import yaml
from hypothesis import strategies as st

from router.payload import JSON
from router.samples import SAMPLES
from router.sources import KINDS
from tests.fuzz.checking import ENVIRON
from tests.fuzz.conditions import trees
from tests.fuzz.templates import templates

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

_REFERENCES = tuple(f"${{{name}}}" for name in ENVIRON)
_ODD_TEXTS = (
    *("", " ", "x" * 300, "\x00", "\x1b[31m", "\u2028", "\u00a0x", "\u202ex", "a: b", "x # y", "*x", "!x", "&x"),
    "<<",
    *("${NOPE}", "${NOPE:?say so}", "${NOPE:-x}", "${A:-${HOST}}", "${", "$${HOST}", "x${HOST}y${MAIL}"),
    "{{ page.title }}",
    *("{{ nope.title }}", "{{ ${HOST} }}", "{% ${HOST} %}", "{{ 1 / 0 }}", "{{ page.title | nope }}", "null"),
    *("true", "12", "1e999"),
    *("page.*", "***", "https://a.example/x", "a@b.example", "docs", "log", "é日👩‍👩‍👧", "1m", "1/s", "404"),
)  # fmt: skip

odd: st.SearchStrategy[JSON] = st.recursive(
    st.sampled_from(_REFERENCES)
    | st.sampled_from(_ODD_TEXTS)
    | st.text(max_size=20)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(_ODD_TEXTS) | st.text(max_size=5), below, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def mostly(draw: Draw, usual: st.SearchStrategy[JSON], odds: int) -> JSON:
    """What belongs there; once in so many cases anything else."""
    return draw(odd) if odds and draw(st.integers(1, odds)) == odds else draw(usual)


def _one_or_many(strategy: st.SearchStrategy[JSON], most: int = 3) -> st.SearchStrategy[JSON]:
    return strategy | st.lists(strategy, min_size=1, max_size=most)


durations = st.sampled_from(["1s", "30s", "5m", "1h30m", "1d"])
schedules = st.lists(durations, max_size=4)
_words = st.sampled_from(["page", "user", "comment", "updated", "deleted", "moved", "*", "**", "p*", "pagepermission*"])
patterns = st.lists(_words, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    [*SAMPLES, "*", "page.*", "*.deleted"]
)
secrets = st.sampled_from(["${SPACES_TOKEN}", "${AUDIT_TOKEN}", "x${OLD_TOKEN}"])
urls = st.sampled_from(
    [
        "${SLACK_URL}",
        "${SITE_URL}",
        "https://a.example/x",
        "https://a.example/{{ event.name }}?t={{ page.title }}&k=${SPACES_TOKEN}",
        "https://a.example/{{ page.nope }}/{{ payload }}",
    ]
)
mailboxes = st.sampled_from(["${MAIL}", "ops@example.com", "Ops <ops@example.com>"])
bodies = st.recursive(
    templates | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abc{}", max_size=4), below, max_size=3),
    max_leaves=4,
)
_texts = {"message": templates, "template": st.sampled_from(["page", "event", "nope", "${HOST}"]), "body": bodies}

_SOURCE = {
    "token": _one_or_many(secrets),
    "site": st.sampled_from(["acme.teamwork.com", "${HOST}"]),
    "kind": st.sampled_from(sorted(KINDS)),
}
_COMMON = {
    "timeout": durations | st.just("${DURATION}"),
    "concurrency": st.integers(1, 64) | st.just("${NUMBER}"),
    "rate": st.sampled_from(["1/s", "30/m", "500/h"]),
    "retry": schedules,
    "fail_fast": st.lists(st.integers(400, 599), max_size=3),
    "enabled": st.booleans() | st.just("${YES}"),
}
_HTTP = {
    "method": st.sampled_from(["POST", "put"]),
    "headers": st.dictionaries(st.sampled_from(["X-Team", "Content-Type", "Authorization"]), secrets, max_size=2),
    "auth": st.builds(lambda secret: {"bearer": secret}, secrets)
    | st.builds(lambda secret: {"basic": {"username": "router", "password": secret}}, secrets),
    "sign": secrets | st.just({"style": "standard-webhooks", "secret": "${WHSEC}"}),
}
_EMAIL = {
    "tls": st.sampled_from(["starttls", "none"]),
    "cc": _one_or_many(mailboxes),
    "bcc": _one_or_many(mailboxes),
    "reply_to": _one_or_many(mailboxes),
}
_TYPES: Mapping[str, tuple[Mapping[str, st.SearchStrategy[JSON]], Mapping[str, st.SearchStrategy[JSON]]]] = {
    "log": ({}, {}),
    "slack": ({"url": st.sampled_from(["${SLACK_URL}", "https://a.example/x"])}, {}),
    "http": ({"url": urls}, _HTTP),
    "email": ({"smtp": st.just("smtp://mail.example.com"), "from": mailboxes, "to": _one_or_many(mailboxes)}, _EMAIL),
}


@st.composite
def _map(
    draw: Draw,
    required: Mapping[str, st.SearchStrategy[JSON]],
    optional: Mapping[str, st.SearchStrategy[JSON]],
    odds: int,
) -> dict[str, JSON]:
    chosen = draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=3)) if optional else []
    made = {key: draw(mostly(strategy, odds)) for key, strategy in required.items()}
    made |= {key: draw(mostly(optional[key], odds)) for key in chosen}
    if odds and draw(st.integers(1, odds)) == odds:
        made[draw(st.sampled_from(["tokn", "people", "<<", "", "url_file", "sign_file"]))] = draw(odd)
    return made


@st.composite
def _destination(draw: Draw, odds: int) -> JSON:
    kind = draw(st.sampled_from(sorted(_TYPES)))
    required, optional = _TYPES[kind]
    own = {"type": draw(mostly(st.just(kind), 3 * odds))} | draw(_map(required, {**optional, **_COMMON}, odds))
    if kind == "http" and draw(st.integers(0, 2)) == 2:
        key = draw(st.sampled_from(sorted(_texts)))
        own[key] = draw(mostly(_texts[key], odds))
    return own


@st.composite
def _rule(draw: Draw, number: int, destinations: list[str], odds: int) -> JSON:
    names = st.sampled_from(destinations)
    table = st.dictionaries(st.sampled_from(["42", "7", "1", "x"]), _one_or_many(names), min_size=1, max_size=3)
    required = {
        "name": st.just(f"rule {number}"),
        "events": _one_or_many(patterns),
        "to": _one_or_many(names)
        | st.builds(lambda by, rows: {"by": by, "table": rows}, st.sampled_from(["space.id", "page.id"]), table),
    }
    optional = {
        "except": _one_or_many(patterns),
        "when": trees,
        "unless": trees,
        "subject": templates,
        "retry": schedules,
        "stop": st.booleans(),
        "unmatched": st.booleans(),
        "enabled": st.booleans(),
        "describe": st.text(max_size=10),
    }
    made: dict[str, JSON] = draw(_map(required, optional, odds))
    if draw(st.booleans()):
        key = draw(st.sampled_from(["message", "template", "body", "blocks"]))
        blocks = st.lists(st.dictionaries(st.sampled_from(["type", "text"]), bodies), max_size=2)
        made[key] = draw(mostly({**_texts, "blocks": blocks}[key], odds))
    return made


@st.composite
def trees_of_files(draw: Draw, odds: int = 15) -> dict[str, JSON]:
    """
    A rule file as its values.

    Args:
        odds: Once in so many cases there is anything at a key; 0 for never.
    """
    names = draw(st.lists(st.sampled_from(["docs", "log", "a b", "x.1", "audit"]), min_size=1, max_size=3, unique=True))
    file: dict[str, JSON] = {
        "sources": {
            name: draw(mostly(_map({"token": secrets}, _SOURCE, odds), odds))
            for name in draw(st.sampled_from([["spaces"], ["spaces", "desk-2"]]))
        },
        "destinations": {name: draw(mostly(_destination(odds), odds)) for name in names},
        "rules": [draw(mostly(_rule(number, names, odds), odds)) for number in range(draw(st.integers(1, 3)))],
    }
    if draw(st.integers(0, 4)) == 4:
        file["defaults"] = {
            "destinations": draw(_map({}, _COMMON, odds)),
            "rules": draw(_map({}, {"retry": schedules}, odds)),
        }
    if odds and draw(st.integers(1, odds)) == odds:
        file[draw(st.sampled_from(["sources", "destinations", "rules", "defaults", "people", "x"]))] = draw(odd)
    return file


@st.composite
def written(draw: Draw, files: st.SearchStrategy[dict[str, JSON]]) -> str:
    """The text of a file, in one of the styles in which YAML can be written."""
    tree = draw(files)
    unicode = draw(st.booleans())
    if draw(st.booleans()):
        return json.dumps(tree, ensure_ascii=not unicode, indent=draw(st.none() | st.just(1)))
    width = draw(st.sampled_from([20, 80, 10_000]))
    text: str = yaml.safe_dump(
        tree,
        default_flow_style=draw(st.sampled_from([None, False])),
        allow_unicode=unicode,
        width=width,
        sort_keys=False,
    )
    return text
