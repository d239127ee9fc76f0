"""Templates tried on samples of the events that they are for: what fails there fails in earnest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from router.errors import RenderFailure
from router.messages.occasions import Knowing, Occasion, most_different_first, occasion
from router.messages.problems import TemplatePlace, TemplateProblem

TEMPLATE_FAILS = "template-fails"

_KNOWING: tuple[Knowing, ...] = ("everything", "nothing")
_LONGEST_TRIAL = 0.25
"""Seconds of processor time for one message: those that run into their bounds are slow, and fail everywhere alike."""
_FEWEST_EVENTS = 3
_HANGS_ON_WHAT_IS_MISSING = ("a missing value", "divides by zero")
"""In the sentences of failures that a fuller body might not run into."""

Render = Callable[[Occasion], object]


@dataclass(frozen=True)
class Tried:
    """
    Who is tried.

    Attributes:
        events: Names of the samples that its rule can see.
        only_these: The rule sees no others, such as those of another product.
        places: Where a failure may say that it happened, by what it calls the place.
    """

    events: tuple[str, ...]
    only_these: bool
    places: Mapping[str, TemplatePlace]


class Trials:
    """
    Tries templates, within a limit of processor time for all together.

    Args:
        seconds: The limit; 0 tries nothing.

    Attributes:
        left_out: How many messages were not tried because the limit was reached.
    """

    def __init__(self, seconds: float) -> None:
        self.left_out = 0
        self._left = seconds
        self._occasions: dict[tuple[str, Knowing], Occasion] = {}

    @property
    def are_complete(self) -> bool:
        """Whether all that was to be tried could be."""
        return self.are_wanted and not self.left_out

    @property
    def are_wanted(self) -> bool:
        """Whether there is time for another one."""
        return self._left > 0

    def problems(self, tried: Tried, render: Render) -> list[TemplateProblem]:
        """
        List where a message fails: an error where nothing can ever come of it, else a warning.

        Args:
            render: Writes the message; what it gives is not looked at.
        """
        with self.timed():
            return list(_judged(self._outcomes(tried, render), tried))

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of something else that is done for a trial."""
        started = time.thread_time()
        try:
            yield
        finally:
            self._left -= time.thread_time() - started

    def _outcomes(self, tried: Tried, render: Render) -> _Outcomes:
        """Try one event of each kind; only where one fails, all others as well."""
        outcomes = _Outcomes()
        until = time.thread_time() + min(self._left, _LONGEST_TRIAL)
        first, rest = most_different_first(tried.events)
        for name in first:
            self._try(name, render, outcomes)
            if time.thread_time() > until and len(outcomes.events) >= _FEWEST_EVENTS:
                return outcomes
        for name in rest if outcomes.failures else ():
            if time.thread_time() > until and len(outcomes.events) >= _FEWEST_EVENTS:
                return outcomes
            self._try(name, render, outcomes)
        return outcomes

    def _try(self, name: str, render: Render, outcomes: _Outcomes) -> None:
        outcomes.events.append(name)
        for knowing in _KNOWING:
            met = self._occasions.get((name, knowing))
            if met is None:
                met = self._occasions[name, knowing] = occasion(name, knowing)
            try:
                render(met)
            except RenderFailure as failure:
                outcomes.failures.append((met, failure.detail))


@dataclass
class _Outcomes:
    events: list[str] = field(default_factory=list)
    failures: list[tuple[Occasion, str]] = field(default_factory=list)


def _judged(outcomes: _Outcomes, tried: Tried) -> Iterator[TemplateProblem]:
    """Make one problem of all failures at one place."""
    places: dict[tuple[TemplatePlace, int], list[tuple[Occasion, str]]] = {}
    for met, detail in outcomes.failures:
        place, line, why = _place_in(detail, tried.places)
        places.setdefault((place, line), []).append((met, why))
    all_of_them = len(outcomes.events) * len(_KNOWING)
    for (place, line), failed in places.items():
        why = failed[0][1]
        always = len(failed) == all_of_them
        certain = always and tried.only_these and not any(_hangs_on_what_is_missing(each) for _, each in failed)
        if certain:
            sentence = f"this fails for every event, so that nothing could be sent: {why}"
        else:
            sentence = f"this fails for {_which([met for met, _ in failed], tried, always=always)}: {why}"
        code = None if certain else TEMPLATE_FAILS
        yield TemplateProblem(place.path, line, place.column(line), sentence, place.template, code)


def _hangs_on_what_is_missing(why: str) -> bool:
    return any(words in why for words in _HANGS_ON_WHAT_IS_MISSING)


def _which(failed: Sequence[Occasion], tried: Tried, *, always: bool) -> str:
    names = list(dict.fromkeys(met.event for met in failed))
    knowing = {met.knowing for met in failed}
    if always and len(names) > 1:
        told = "the sample of every event of this rule" if tried.only_these else "the sample of every event of Spaces"
    else:
        told = f"the sample of {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    if len(knowing) == 1:
        told += " while no names are known" if knowing == {"nothing"} else " once the names in it are known"
    return told


def _place_in(detail: str, places: Mapping[str, TemplatePlace]) -> tuple[TemplatePlace, int, str]:
    """
    Take a failure's sentence apart: `message, line 2: the template takes …`.

    Returns:
        The place, the line, and why. Where the failure names a place that is not among these, the first is meant,
        and the sentence stays whole.
    """
    for told in sorted(places, key=len, reverse=True):
        found = re.match(rf"{re.escape(told)}(?:, line (\d+))?: ", detail)
        if found is not None:
            return places[told], int(found[1] or 1), detail[found.end() :]
    return next(iter(places.values())), 1, detail
