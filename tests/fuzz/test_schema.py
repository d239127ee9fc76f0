"""The editor never objects to a rule file that works."""

from __future__ import annotations

from hypothesis import given

from router.config.load import load_text
from router.config.problems import ConfigurationInvalid
from tests.fuzz.budget import examples
from tests.fuzz.checking import ENVIRON
from tests.fuzz.rule_files import spoilt_files, written
from tests.rule_schema import objections


@examples(50)
@given(written(spoilt_files()))
def test_the_schema_has_nothing_against_what_loads(text: str) -> None:
    """Whatever stands in a file that the loader takes, the schema takes it as well."""
    try:
        load_text(text, "rules.yaml", ENVIRON)
    except ConfigurationInvalid:
        return
    assert objections(text) == []
