"""`POST /api/v1/preview`: which rules match an event and what they would send, without storing or sending anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from router.admin.handler import RETRY_AFTER_SECONDS, AdminHandler
from router.admin.parts import MOST_WAITING
from router.admin.query import read_object, read_text
from router.admin.refusal import Refused, bad_request
from router.admin.turns import TooManyWaiting, Turn
from router.background import in_background
from router.config.load import load_text
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, did_you_mean, listed, named, summary
from router.delivery.judging import explain
from router.delivery.naming import Naming, copy_known
from router.delivery.preview import Bounds, Preview, choose_source, drafts, imagine, preview
from router.errors import UnreadableBody
from router.events import Event
from router.ids import IdSource
from router.payload import JSON, dump_json
from router.samples import SAMPLES, sample
from router.sources import is_event_name

_KEYS = ("event", "payload", "rules", "source")
_RULES = "rules"
"""What problems of a rule text call it: the key under which it came."""


@dataclass(frozen=True)
class _Wish:
    """
    Attributes:
        body: Of the event, as its source would send it.
        rules: The text of a rule file; None for the rule set in use.
        source: A name; None where any will do.
    """

    name: str
    body: bytes
    rules: str | None
    source: str | None


class PreviewHandler(AdminHandler):
    """
    Judges an event by the rule set in use, or by the text of another one.

    A text that came with the request reaches no secret: references stay unresolved, and no file is read for it. It is
    compiled and used in a thread, and of several one at a time, for it may take long; what runs is not touched by it.
    What nobody waits for any more is not begun, and no further message is written for it.
    """

    methods = ("POST",)

    _turn: Turn | None = None
    _is_wanted = True

    async def post(self) -> None:
        self.query()
        wish = _wish(read_object(bytes(self.body), _KEYS))
        if wish.rules is None:
            found = await self._by_today(wish)
            self.answer(await asyncio.to_thread(self.shown.preview, found))
            return
        answer = await self._in_turn(wish, wish.rules)
        if answer is not None:
            self.answer(answer)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._is_wanted = False
        if self._turn is not None:
            self._turn.leave()

    async def _in_turn(self, wish: _Wish, text: str) -> Mapping[str, JSON] | None:
        """Wait until no other text is worked on; None where nobody waits for an answer any more."""
        turns = self.parts.compiling
        try:
            turn = self._turn = turns.ask()
        except TooManyWaiting:
            sentence = f"a rule text is judged by already, and {MOST_WAITING} more wait; try again later"
            raise Refused(503, "too_many_previews", sentence, {"Retry-After": str(RETRY_AFTER_SECONDS)}) from None
        try:
            await turn.wait()
            return await self._by_text(wish, text) if self._is_wanted else None
        finally:
            turns.end(turn)

    async def _by_today(self, wish: _Wish) -> Preview:
        """Judge by what runs. Its rules and templates belong to the event loop, which gets its turn in between."""
        today, directory = self.parts.rulesets.current, self.parts.directory
        event = self._event(wish, today)
        verdicts = explain(event, today, directory)  # by what is in memory, as an event that comes
        event = await self._with_names(event, today)
        written = []
        for draft in drafts(event, verdicts, today, directory, bounds=self._bounds()):
            written.append(draft)
            await asyncio.sleep(0)
        return Preview(event, today.hash, verdicts, written)

    async def _by_text(self, wish: _Wish, text: str) -> Mapping[str, JSON]:
        """Compile a text and judge by it; templates that it names are today's."""
        files = self.parts.rulesets.current.files
        try:
            by = await in_background(partial(load_text, text, _RULES, files=files), "preview")
        except ConfigurationInvalid as invalid:
            problems = [self.shown.problem(problem) for problem in invalid.problems]
            found = summary(invalid.problems, "the rule text")
            raise Refused(422, "invalid_rules", found, more={"problems": problems}) from None
        event = await self._with_names(self._event(wish, by), by)
        known = copy_known(event, by.sources.get(event.source), self.parts.directory)
        alone = replace(event)  # without what was worked out here, which leads to the directory

        def judge() -> Mapping[str, JSON]:
            return self.shown.preview(preview(alone, by, known, bounds=self._bounds()))

        return await in_background(judge, "preview")

    def _bounds(self) -> Bounds:
        return Bounds(self.parts.clock, lambda: self._is_wanted)

    async def _with_names(self, event: Event, by: Configuration) -> Event:
        """Have at hand what is known of the objects of an event, and of its own as it was before."""
        naming, source = Naming(self.parts.directory, self.parts.store), by.sources.get(event.source)
        event = await naming.as_if_stored(event, source)
        await naming.prepare(event, source)
        return event

    def _event(self, wish: _Wish, by: Configuration) -> Event:
        source = choose_source(wish.name, by) if wish.source is None else by.sources.get(wish.source)
        if source is None and wish.source is not None:
            guess = did_you_mean(wish.source, by.sources)
            known = f"the rule file has: {listed(by.sources)}{guess}"
            raise Refused(422, "unknown_source", f"no source is named {named(wish.source)}; {known}")
        clock = self.parts.clock
        try:
            return imagine(wish.name, wish.body, source, by, number=IdSource(clock).next(), at=clock.now())
        except UnreadableBody as error:
            raise bad_request(f"payload cannot be the body of an event: {error}") from None


def _wish(given: Mapping[str, JSON]) -> _Wish:
    name = read_text(given, "event")
    if name is None:
        raise bad_request("event is missing; expected the name of one, such as page.updated")
    if not is_event_name(name):
        raise bad_request("event names none; expected dotted words such as page.updated, of 200 characters at most")
    rules = given.get("rules")
    if rules is not None and not isinstance(rules, str):
        raise bad_request("rules is not a text; expected the text of a rule file, or leave 'rules' out")
    return _Wish(name, _body(name, given), rules, read_text(given, "source"))


def _body(name: str, given: Mapping[str, JSON]) -> bytes:
    if "payload" not in given:
        if name.lower() not in SAMPLES:
            raise bad_request(f"payload is missing, and there is no sample of {named(name)}; expected a JSON value")
        return sample(name)
    try:
        return dump_json(given["payload"])
    except RecursionError:
        raise bad_request("payload is nested too deeply") from None
