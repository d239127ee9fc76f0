"""What can be told of a stored event: what each rule made of it, and by which names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.config.model import Configuration
from router.delivery.judging import explain
from router.delivery.naming import KnowsObjects, Naming, names_in
from router.events import NAMES, Event
from router.messages.directory import Directory, Seen
from router.rules.ruleset import Verdict


@dataclass(frozen=True)
class Told:
    """
    Attributes:
        verdicts: In the order of the file; None where the rule set that judged the event is not kept.
        names: What is known of the people, spaces and pages that it refers to; see `names_in`.
    """

    verdicts: Sequence[Verdict] | None
    names: Seen


async def tell(event: Event, judged: Configuration | None, store: KnowsObjects, directory: Directory) -> Told:
    """
    Work out what can be told of an event.

    Args:
        judged: The rule set that judged it; None where that is not kept.
        directory: What is known now; what it has not in memory is read from the store.
    """
    if judged is None:
        return Told(() if event.is_own else None, event.facts.get(NAMES, {}))
    verdicts = explain(event, judged, directory)
    source = judged.sources.get(event.source)
    if source is None:
        return Told(verdicts, {})
    await Naming(directory, store).prepare(event, source)
    return Told(verdicts, names_in(event, source, directory))
