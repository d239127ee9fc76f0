"""Rule files with the right keys and values, and such files with anything else in some places."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import TypeAlias

import yaml
from hypothesis import strategies as st

from router.events import FORMATS
from router.payload import JSON
from router.samples import SAMPLES
from router.sources import KINDS
from tests.fuzz.checking import ENVIRON
from tests.fuzz.conditions import trees
from tests.fuzz.templates import expressions, messages

Values: TypeAlias = dict[str, st.SearchStrategy[JSON]]
Place: TypeAlias = tuple[str | int, ...]

SOURCES = ("spaces", "desk-2")
DESTINATIONS = ("docs", "web", "a b")

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
    messages | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("abc{}", max_size=4), below, max_size=3),
    max_leaves=4,
)
_SOURCE: Values = {
    "token": _one_or_many(secrets),
    "site": st.sampled_from(["acme.teamwork.com", "${HOST}"]),
    "kind": st.sampled_from(sorted(KINDS)),
}
_COMMON: Values = {
    "timeout": st.sampled_from(["1s", "30s", "5m", "${DURATION}"]),
    "concurrency": st.integers(1, 64),
    "rate": st.sampled_from(["1/s", "30/m", "500/h"]),
    "retry": schedules,
    "fail_fast": st.lists(st.integers(400, 599), max_size=3),
    "enabled": st.booleans(),
    "format": st.sampled_from(FORMATS),
}
_HTTP: Values = {
    "method": st.sampled_from(["POST", "put"]),
    "headers": st.dictionaries(st.sampled_from(["X-Team", "Content-Type", "Authorization"]), secrets, max_size=2),
    "auth": st.builds(lambda secret: {"bearer": secret}, secrets)
    | st.builds(lambda secret: {"basic": {"username": "router", "password": secret}}, secrets),
    "sign": secrets | st.just({"style": "standard-webhooks", "secret": "${WHSEC}"}),
}
_RULE: Values = {
    "except": _one_or_many(patterns),
    "when": trees,
    "unless": trees,
    "if": expressions.filter(lambda text: not {"loop", "m", "rule"} & set(re.findall(r"\w+", text))),
    "subject": messages,
    "format": st.sampled_from(FORMATS),
    "retry": schedules,
    "stop": st.booleans(),
    "unmatched": st.booleans(),
    "enabled": st.booleans(),
    "describe": st.text("ab: #é", max_size=10),
}
_BLOCKS = st.lists(st.dictionaries(st.sampled_from(["type", "text"]), bodies), max_size=2)
_EMAIL: Values = {
    "tls": st.sampled_from(["starttls", "none"]),
    "cc": _one_or_many(mailboxes),
    "bcc": _one_or_many(mailboxes),
    "reply_to": _one_or_many(mailboxes),
}


@st.composite
def _map(draw: st.DrawFn, required: Values, optional: Values) -> dict[str, JSON]:
    """A map with the keys that must be there, and up to three of those that may."""
    chosen = draw(st.integers(0, min(3, len(optional))))
    keys = sorted(optional)
    first = draw(st.integers(0, max(0, len(keys) - 1)))
    step = draw(st.integers(1, 3))
    several = dict.fromkeys(keys[(first + step * place) % len(keys)] for place in range(chosen))
    return {key: draw(value) for key, value in required.items()} | {key: draw(optional[key]) for key in several}


def _under(key: str, values: st.SearchStrategy[JSON]) -> st.SearchStrategy[dict[str, JSON]]:
    return values.map(lambda value: {key: value})


_said = _under("message", messages) | _under("template", st.sampled_from(["alert", "event"]))
_slack = _map({"type": st.just("slack"), "url": st.sampled_from(["${SLACK_URL}", "https://a.example/x"])}, _COMMON)
_http = st.one_of(
    _map({"type": st.just("http"), "url": urls}, _COMMON | _HTTP),
    st.builds(operator.or_, _map({"type": st.just("http"), "url": urls}, _HTTP), _said | _under("body", bodies)),
)
_others = _map({"type": st.just("log")}, _COMMON) | _map(
    {
        "type": st.just("email"),
        "smtp": st.just("smtp://mail.example.com"),
        "from": mailboxes,
        "to": _one_or_many(mailboxes),
    },
    _COMMON | _EMAIL,
)
_sources = _map({"token": _one_or_many(secrets)}, _SOURCE)
_names = st.sampled_from(DESTINATIONS)
_tables = st.fixed_dictionaries(
    {
        "by": st.sampled_from(["space.id", "page.id"]),
        "table": st.dictionaries(st.sampled_from(["42", "7", "1", "x"]), _one_or_many(_names), min_size=1, max_size=3),
    },
    optional={"otherwise": _names},
)
_rule = _map({"events": _one_or_many(patterns), "to": _one_or_many(_names) | _tables}, _RULE)
_test = _map(
    {"event": st.sampled_from(SAMPLES), "to": _one_or_many(_names) | st.just("nothing")},
    {
        "payload": bodies,
        "with": st.dictionaries(
            st.sampled_from(["payload.a", "actor.id", "space.id", "page.title"]), bodies, min_size=1
        ),
        "rules": st.just("rule 0"),
        "not_text": st.text("abc", min_size=1, max_size=3),
        "source": st.sampled_from(SOURCES),
    },
)
_rules = st.one_of(
    _rule,
    st.builds(operator.or_, _rule, _said),
    st.builds(operator.or_, _rule, _under("body", bodies).map(lambda body: {**body, "to": "web"})),
    st.builds(operator.or_, _rule, _under("blocks", _BLOCKS).map(lambda blocks: {**blocks, "to": "docs"})),
)

files: st.SearchStrategy[dict[str, JSON]] = st.fixed_dictionaries(
    {
        "sources": st.dictionaries(st.sampled_from(SOURCES), _sources, min_size=1),
        "destinations": st.fixed_dictionaries({"docs": _slack, "web": _http, "a b": _others}),
        "rules": st.lists(_rules, min_size=1, max_size=3).map(
            lambda rules: [{"name": f"rule {number}"} | rule for number, rule in enumerate(rules)]
        ),
    },
    optional={
        "defaults": st.fixed_dictionaries(
            {"destinations": _map({}, _COMMON), "rules": _map({}, {"retry": schedules, "stop": st.booleans()})}
        ),
        "tests": st.lists(_test, max_size=3).map(
            lambda tests: [{"name": f"test {number}"} | test for number, test in enumerate(tests)]
        ),
    },
)


def _places(tree: JSON, above: Place = ()) -> Iterator[Place]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in below:
        yield (*above, step)
        yield from _places(value, (*above, step))


@st.composite
def spoilt_files(draw: st.DrawFn) -> dict[str, JSON]:
    """A file in which up to four values are anything else, or stand below a key that nobody knows."""
    tree: dict[str, JSON] = deepcopy(draw(files))  # parts of it may be shared
    for _ in range(draw(st.integers(0, 4))):
        *above, last = draw(st.sampled_from(list(_places(tree))))
        parent: JSON = tree
        for step in above:
            parent = parent[step]
        if isinstance(parent, dict) and draw(st.integers(0, 4)) == 4:
            last = draw(st.sampled_from(["tokn", "people", "<<", "", " ", "url_file", "sign_file", "a b"]))
        parent[last] = draw(odd)
    return tree


@st.composite
def written(draw: st.DrawFn, trees: st.SearchStrategy[dict[str, JSON]]) -> str:
    """The text of a file, in one of the styles in which YAML can be written."""
    tree = draw(trees)
    unicode = draw(st.booleans())
    if draw(st.booleans()):
        return json.dumps(tree, ensure_ascii=not unicode, indent=draw(st.sampled_from([None, 1])))
    text: str = yaml.safe_dump(
        tree,
        default_flow_style=draw(st.sampled_from([None, False])),
        allow_unicode=unicode,
        width=draw(st.sampled_from([20, 80, 10_000])),
        sort_keys=False,
    )
    return text
