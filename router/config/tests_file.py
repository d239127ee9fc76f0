"""A file of its own for tests: the key `tests`, and nothing else."""

from __future__ import annotations

from pathlib import Path

from router.config.load import TESTS, read_file
from router.config.model import Configuration
from router.config.nodes import Mapping, Place, kind_of
from router.config.problems import ConfigurationInvalid, did_you_mean, named
from router.config.reading import Reading
from router.config.rule_tests import RuleTest
from router.config.syntax import read_yaml
from router.config.targets import destinations_of
from router.config.tests_section import EXAMPLE, Known, read_tests


def load_tests(path: Path, by: Configuration) -> tuple[RuleTest, ...]:
    """
    Load a file of tests of a rule set.

    Raises:
        ConfigurationInvalid: With all problems of the file.
    """
    reading = Reading(str(path), read_file(path))
    tree, troubles = read_yaml(reading.text)
    reading.tree = tree
    for trouble in troubles:
        reading.error(trouble.place, trouble.message)
    if tree is not None and not isinstance(tree, Mapping):
        reading.error(Place(1, 1), f"the file is {kind_of(tree)}; expected the key tests, such as {EXAMPLE}")
    if not isinstance(tree, Mapping):
        raise ConfigurationInvalid(reading.problems())
    for key, entry in tree.entries.items():
        if key != TESTS:
            told = f"unknown key {named(key)}; a file of tests holds {TESTS} alone{did_you_mean(key, [TESTS])}"
            reading.error(entry, told)
    if TESTS not in tree.entries:
        reading.error(Place(1, 1), f"the file has no {TESTS}; expected at least one, such as {EXAMPLE}")
    found = read_tests(tree.entries.get(TESTS), _known(by), reading)
    if reading.has_errors:
        raise ConfigurationInvalid(reading.problems())
    return found


def _known(by: Configuration) -> Known:
    reached = (name for rule in by.rules.rules for name in destinations_of(rule.to))
    return Known(
        sources={source.name: source.kind.name for source in by.sources.values()},
        # One of which more than a secret is unknown here could not be made.
        destinations=dict.fromkeys((*by.destinations, *reached)),
        rules=[rule.name for rule in by.rules.rules],
    )
