"""A small example of every kind of warning, and what mends it: shown by `check --explain` and by the page on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """
    A piece of a rule file that draws a warning.

    Attributes:
        wrong: The piece.
        right: The same, mended. As it was where the file beside it is what has to change.
        beside: Where the warning is about a file beside the rule file: that file and what is in it, by name.
        then: The command that mends a file beside it; empty where the rule file is to be changed.
    """

    wrong: str
    right: str
    beside: Mapping[str, str] = field(default_factory=dict)
    then: str = ""


def _rule(wrong: str, right: str, beside: Mapping[str, str] | None = None) -> Example:
    """One rule, of which a line or two change."""
    return Example(f"rules:\n  - name: pages\n{wrong}", f"rules:\n  - name: pages\n{right}", beside or {})


_FROM_A_FILE = "sources:\n  spaces:\n    token_file: secrets/spaces-token\n"
_MAIL = "    from: spaces@example.com\n    to: ops@example.com\n"
_PAGES = """\
rules:
  - name: pages
    events: page.*
    to: docs
"""

EXAMPLES: Mapping[str, Example] = {
    "unknown-event": _rule("    events: page*\n    to: docs\n", "    events: page.*\n    to: docs\n"),
    "bare-event-missed": _rule(
        "    events: page.updated.*\n    to: docs\n", "    events: [page.updated, page.updated.*]\n    to: docs\n"
    ),
    "hidden-rule": Example(
        f"{_PAGES}    stop: true\n  - name: removals\n    events: page.deleted\n    to: ops\n",
        f"{_PAGES}    except: page.deleted\n    stop: true\n"
        "  - name: removals\n    events: page.deleted\n    to: ops\n",
    ),
    "duplicate-message": Example(
        f'{_PAGES}  - name: removals\n    events: "*.deleted"\n    to: docs\n',
        f'{_PAGES}    except: page.deleted\n  - name: removals\n    events: "*.deleted"\n    to: docs\n',
    ),
    "unknown-field": _rule(
        "    events: page.*\n    when: {page.titel: {contains: release}}\n    to: docs\n",
        "    events: page.*\n    when: {page.title: {contains: release}}\n    to: docs\n",
    ),
    "impossible-value": _rule(
        "    events: page.*\n    when: {space.id: eng}\n    to: docs\n",
        "    events: page.*\n    when: {space.code: eng}\n    to: docs\n",
    ),
    "template-fails": _rule(
        '    events: comment.*\n    to: docs\n    message: "After {{ page.contentRevision + 1 }} versions"\n',
        '    events: comment.*\n    to: docs\n    message: "After {{ (page.contentRevision or 0) + 1 }} versions"\n',
    ),
    "single-braces": _rule(
        '    events: page.*\n    to: docs\n    message: "Saved: {page.title}"\n',
        '    events: page.*\n    to: docs\n    message: "Saved: {{ page.title }}"\n',
    ),
    "date-form": _rule(
        "    events: page.*\n    to: docs\n    message: \"{{ page.updatedAt | date('DD.MM.YYYY') }}\"\n",
        "    events: page.*\n    to: docs\n    message: \"{{ page.updatedAt | date('%d.%m.%Y') }}\"\n",
    ),
    "unused-template": _rule(
        "    events: page.*\n    to: docs\n",
        "    events: page.*\n    to: docs\n    template: release-note\n",
        {"templates/release-note.j2": "{{ page.title }} is ready."},
    ),
    "unused-destination": Example(
        "destinations:\n  docs: {type: log}\n  ops: {type: log}\n" + _PAGES,
        "destinations:\n  docs: {type: log}\n  ops: {type: log}\n" + _PAGES.replace("docs", "[docs, ops]"),
    ),
    "same-place": Example(
        "destinations:\n"
        '  docs: {type: slack, url: "${SLACK_URL}"}\n'
        '  news: {type: slack, url: "${SLACK_URL}", format: full}\n'
        "rules:\n"
        "  - {name: pages, events: page.*, to: docs}\n"
        "  - {name: spaces, events: space.*, to: news}\n",
        "destinations:\n"
        '  docs: {type: slack, url: "${SLACK_URL}"}\n'
        "rules:\n"
        "  - {name: pages, events: page.*, to: docs}\n"
        "  - {name: spaces, events: space.*, to: docs, format: full}\n",
    ),
    "switched-off": Example(
        f"destinations:\n  docs: {{type: log}}\n  ops: {{type: log, enabled: false}}\n{_PAGES}"
        "defaults: {alerts: ops}\n",
        f"destinations:\n  docs: {{type: log}}\n  ops: {{type: log}}\n{_PAGES}defaults: {{alerts: ops}}\n",
    ),
    "nobody-told": Example(
        'sources:\n  spaces: {token: "${SPACES_TOKEN}", expect_every: 1d}\n',
        'sources:\n  spaces: {token: "${SPACES_TOKEN}", expect_every: 1d}\ndefaults: {alerts: docs}\n',
    ),
    "secret-in-file": Example(
        "sources:\n  spaces: {token: f1e2d3c4b5}\n", 'sources:\n  spaces: {token: "${SPACES_TOKEN}"}\n'
    ),
    "readable-secret": Example(
        _FROM_A_FILE, _FROM_A_FILE, {"secrets/spaces-token": "f1e2d3c4b5"}, "chmod 600 secrets/spaces-token"
    ),
    "key-in-clear": Example(
        'sources:\n  spaces:\n    token: "${SPACES_TOKEN}"\n    api_key: "${SPACES_API_KEY}"\n'
        "    api: http://wiki.example.com/spaces/api/v1\n",
        'sources:\n  spaces:\n    token: "${SPACES_TOKEN}"\n    api_key: "${SPACES_API_KEY}"\n'
        "    api: https://wiki.example.com/spaces/api/v1\n",
    ),
    "mail-in-clear": Example(
        "destinations:\n  docs:\n    type: email\n    smtp: smtp://mail.example.com:25\n    tls: none\n" + _MAIL,
        "destinations:\n  docs:\n    type: email\n    smtp: smtp://mail.example.com:25\n" + _MAIL,
    ),
    "unresolved-reference": Example(
        "sources:\n  spaces: {token: $SPACES_TOKEN}\n", 'sources:\n  spaces: {token: "${SPACES_TOKEN}"}\n'
    ),
    "unused-ignore": _rule(
        "    events: page.*\n    to: docs  # lint: ignore=unused-destinations\n", "    events: page.*\n    to: docs\n"
    ),
}
