"""Which events a rule file needs: those that some rule can match."""

from __future__ import annotations

import pytest

from router.config.load import load_text
from router.rules.needs import needs
from router.sources import DEFAULT_KIND

DELETED = "events: page.deleted, to: log"

CASES: dict[str, tuple[list[str], dict[str, list[str]]]] = {
    "a pattern": (["events: page.updated, to: log"], {"page.updated": ["a"]}),
    "a pattern in another case, with exceptions": (
        ["events: USER.*, except: user.enabled, to: log"],
        {"user.updated": ["a"], "user.disabled": ["a"]},
    ),
    "a condition may hold": ([f"{DELETED}, when: {{page.id: 1}}"], {"page.deleted": ["a"]}),
    "a disabled rule needs nothing": ([f"{DELETED}, enabled: false"], {}),
    "a rule of another source needs nothing": ([f"{DELETED}, sources: desk"], {}),
    "behind a stop without conditions": ([f"{DELETED}, stop: true", DELETED], {"page.deleted": ["a"]}),
    "behind a stop with conditions": (
        [f"{DELETED}, stop: true, when: {{page.id: 1}}", DELETED],
        {"page.deleted": ["a", "b"]},
    ),
    "unmatched, and nobody else": ([f"{DELETED}, unmatched: true"], {"page.deleted": ["a", "last resort"]}),
    "unmatched, beside one that takes every event": ([f"{DELETED}, unmatched: true", DELETED], {"page.deleted": ["b"]}),
    "unmatched, beside one that takes some": (
        [f"{DELETED}, unmatched: true", f"{DELETED}, unless: {{page.id: 1}}"],
        {"page.deleted": ["a", "b"]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_needs(case: str) -> None:
    """An event is needed by the rules that can match it, and by nobody else."""
    rules, expected = CASES[case]
    written = "".join(f"  - {{name: {name}, {rule}}}\n" for name, rule in zip("ab", rules, strict=False))
    text = (
        "sources:\n  spaces: {unsigned: true}\n  desk: {unsigned: true, kind: teamwork-desk}\n"
        "destinations: {log: {type: log}}\nrules:\n" + written
    )
    found = needs(load_text(text, "rules.yaml").rules.rules, "spaces", DEFAULT_KIND.catalogue)
    assert [need.event for need in found] == list(DEFAULT_KIND.catalogue)
    told = {need.event: [*need.rules, *(["last resort"] if need.last_resort else [])] for need in found if need.rules}
    assert told == expected
