"""Which of the sample events a rule can see, by its patterns alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router.config.rule_section import ReadRule
from router.samples import SAMPLES
from router.sources import DEFAULT_KIND, KINDS


@dataclass(frozen=True)
class Sight:
    """
    What a rule can see.

    Attributes:
        samples: Names of the events of Spaces, each of which has a sample.
        only_spaces: No known event of another product is among what it sees.
    """

    samples: tuple[str, ...]
    only_spaces: bool

    @property
    def is_of_spaces(self) -> bool:
        """Whether what is known of Spaces can be held against the rule."""
        return bool(self.samples) and self.only_spaces


class Sights:
    """Looks at each combination of patterns once: of ten thousand rules many have the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, ...], ...], Sight] = {}

    def of(self, rule: ReadRule) -> Sight:
        """Say what a rule can see."""
        patterns = (tuple(each.pattern.text for each in some) for some in (rule.events, rule.excluded))
        key = (*patterns, rule.kinds)
        sight = self._known.get(key)
        if sight is None:
            sight = self._known[key] = _look(rule)
        return sight


def joined(sights: Iterable[Sight]) -> Sight:
    """Say what several rules can see together."""
    each = list(sights)
    seen = {name for sight in each for name in sight.samples}
    return Sight(tuple(name for name in SAMPLES if name in seen), all(sight.only_spaces for sight in each))


def _look(rule: ReadRule) -> Sight:
    def sees(name: str) -> bool:
        return any(each.pattern.matches(name.lower()) for each in rule.events) and not any(
            each.pattern.matches(name.lower()) for each in rule.excluded
        )

    others = (KINDS[kind] for kind in rule.kinds if kind != DEFAULT_KIND.name)
    samples = tuple(name for name in SAMPLES if sees(name)) if DEFAULT_KIND.name in rule.kinds else ()
    return Sight(samples, not any(sees(name) for kind in others for name in kind.catalogue))
