"""Whatever rule files are compared: a file differs in nothing from itself, and what is found is what previews show."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router.config.load import load_text
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid
from router.delivery.backtesting import Backtest, Difference, Same, Side
from router.delivery.preview import Draft, imagine, preview
from router.events import Event
from router.messages.directory import Directory
from router.payload import JSON, dump_json, same_json
from router.rules.ruleset import Route
from router.samples import SAMPLES, sample
from tests.fakes import START
from tests.fuzz.budget import examples
from tests.fuzz.checking import ENVIRON
from tests.fuzz.conditions import namespaces
from tests.fuzz.rule_files import files, written

_SECTIONS = ("sources", "destinations", "rules", "defaults")


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two files that have some of their sections in common."""
    one, another = draw(files), draw(files)
    shared = draw(st.sets(st.sampled_from(_SECTIONS)))
    mixed = {key: one.get(key) if key in shared else another.get(key) for key in _SECTIONS}
    return json.dumps(one), json.dumps({key: value for key, value in mixed.items() if value is not None})


def _loaded(text: str) -> Configuration | None:
    try:
        return load_text(text, "rules.yaml", ENVIRON)
    except ConfigurationInvalid:
        return None


def _events(by: Configuration, payload: JSON) -> list[Event]:
    bodies = [(name, sample(name)) for name in SAMPLES] + [(name, dump_json(payload)) for name in SAMPLES[:4]]
    sources = list(by.sources.values())
    return [
        imagine(name, body, sources[number % len(sources)], by, number=number, at=START)
        for number, (name, body) in enumerate(bodies, 1)
    ]


def _drafts(event: Event, by: Configuration) -> dict[Route, Draft]:
    """What would really be sent or fail, by a preview that knows nothing of any other rule set."""
    if event.source not in by.sources:
        return {}
    found = preview(replace(event), by, Directory()).drafts
    kept = [
        draft for draft in found if by.destinations[draft.destination].enabled and (draft.error or not draft.reason)
    ]
    return {Route(draft.rule, draft.destination): draft for draft in kept}


def _agrees(side: Side, drafts: dict[Route, Draft]) -> bool:
    draft = drafts[side.route]
    return (side.message, side.error) == (draft.message, draft.error)


def _says_the_same(before: Draft | None, after: Draft | None) -> bool:
    if before is None or after is None:
        return before is after
    if before.error or after.error:
        return bool(before.error) == bool(after.error)
    assert before.message is not None
    assert after.message is not None
    return same_json(before.message.as_json(), after.message.as_json())


@given(written(files), namespaces)
@examples(60)
def test_a_file_differs_in_nothing_from_itself(text: str, payload: JSON) -> None:
    """The same file on both sides never gives a difference, whatever it says."""
    old, new = _loaded(text), _loaded(text)
    if old is None or new is None:
        return
    backtest = Backtest(old, new, Directory())
    for event in _events(old, payload):
        assert not [finding for finding in backtest.findings(event) if isinstance(finding, Difference)]


@given(_pairs(), namespaces)
@examples(60)
def test_what_is_found_is_what_previews_show(pair: tuple[str, str], payload: JSON) -> None:
    """Each side of each difference is what a preview under that file shows; what is the same is the same in both."""
    old, new = map(_loaded, pair)
    if old is None or new is None:
        return
    backtest = Backtest(old, new, Directory())
    for event in _events(old, payload):
        before, after = _drafts(event, old), _drafts(event, new)
        for finding in backtest.findings(event):
            if isinstance(finding, Same):
                assert _says_the_same(before.pop(finding.before, None), after.pop(finding.after, None))
            elif isinstance(finding, Difference):
                assert finding.before is None or _agrees(finding.before, before)
                assert finding.after is None or _agrees(finding.after, after)
                for side, drafts in ((finding.before, before), (finding.after, after)):
                    if side is not None:
                        del drafts[side.route]
        assert not {**before, **after}
