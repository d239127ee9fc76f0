"""The page of the rule file tells the truth: its examples load, and what it says about wrong ones is what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.load import load
from router.config.problems import ConfigurationInvalid, format_text
from router.config.rule_section import RULE_DEFAULTS, RuleKeys
from router.config.source_section import SourceKeys
from router.config.tests_section import RuleTestKeys
from router.delivery.testing import run_test

PAGE = (Path(__file__).parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WRONG = re.findall(r"^```yaml wrong\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

ENVIRON = {
    "SPACES_TOKEN": "a-token",
    "OLD_TOKEN": "an-older-token",
    "PROJECTS_TOKEN": "a-third-token",
    "AUDIT_TOKEN": "a-fourth-token",
    "SLACK_URL": "https://hooks.slack.com/services/T/B/x",
}

# What an example leaves out because it is about something else.
REST = {
    "sources": 'sources: {spaces: {token: "${SPACES_TOKEN}"}}\n',
    "destinations": "destinations:\n"
    + "".join(f"  {name}: {{type: log}}\n" for name in ("docs", "ops", "people", "general", "audit")),
    "rules": "rules: [{name: the rest, events: page.*, to: DESTINATION}]\n",
}


def completed(example: str) -> str:
    """Add the sections that an example does not show."""
    missing = [text for section, text in REST.items() if not re.search(rf"^{section}:", example, re.MULTILINE)]
    whole = "\n".join([example, *missing])
    names = re.search(r"^destinations:\n(?:  #.*\n)*  ([a-z]+):", whole, re.MULTILINE)
    return whole.replace("DESTINATION", names[1] if names else "docs")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_load(example: str, tmp_path: Path) -> None:
    """Whoever copies an example from the page has a file that works."""
    (tmp_path / "secrets").mkdir()
    for name in ("spaces-token", "audit-token"):
        (tmp_path / "secrets" / name).write_text("a-token-in-a-file\n")
    path = tmp_path / "rules.yaml"
    path.write_text(completed(example), encoding="utf-8")
    configuration = load(path, ENVIRON)
    warnings = [each for each in configuration.warnings if each.code != "unused-destination"]
    assert format_text(warnings) == ""
    assert all(run_test(test, configuration).passed for test in configuration.tests)


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_wrong_examples_are_told_as_shown(
    wrong: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page shows of `check` is what `check` says."""
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigurationInvalid) as raised:
        load(Path("rules.yaml"), ENVIRON)
    assert format_text(raised.value.problems) == told


def test_there_are_examples() -> None:
    """The page has not lost its examples to a change of format."""
    assert len(EXAMPLES) > 8
    assert WRONG


def test_every_key_is_described() -> None:
    """No key of the rule file is missing from the page; the page on warnings has a test of its own."""
    keys = {
        field.alias or name
        for model in (SourceKeys, RuleKeys, RuleTestKeys)
        for name, field in model.model_fields.items()
    }
    for word in sorted({*keys, *RULE_DEFAULTS}):
        assert f"`{word}`" in PAGE, word
