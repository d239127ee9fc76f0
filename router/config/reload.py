"""The running rule set: which one judges, how a new one takes its place, and how an older one is found again."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from router.clock import Clock, Timer
from router.config.load import load, restore
from router.config.model import Configuration
from router.config.people_section import completed
from router.config.problems import ConfigurationInvalid, Problem
from router.errors import StoreUnavailable
from router.secret import Redactor
from router.store.base import Store
from router.store.records import RuleSetText

log = logging.getLogger("router.reload")

POLL_SECONDS = 1.0
BY_FILE = "file"
_KEPT = 8
_TRIAL_SECONDS = 0.5
"""For trying templates, beside deliveries that are under way."""


class RuleSets:
    """
    The running rule set, and older ones by their hash.

    `current` is read once by whoever judges an event, so each event is judged by exactly one rule set.
    """

    def __init__(self, current: Configuration, store: Store) -> None:
        self.current = current
        self._store = store
        self._restored: OrderedDict[str, Configuration | None] = OrderedDict()

    async def get(self, ruleset_hash: str) -> Configuration | None:
        """
        Find a rule set by its hash; None where it is not kept, or this version cannot read it.

        Raises:
            StoreUnavailable: It could not be looked up now.
        """
        if ruleset_hash == self.current.hash:
            return self.current
        if ruleset_hash in self._restored:
            found = self._restored[ruleset_hash]
        else:
            found = await self._restore(ruleset_hash)
        self._remember(ruleset_hash, found)
        return found

    def replace(self, new: Configuration) -> None:
        """Judge by this one from now on."""
        self._restored.pop(new.hash, None)
        if self.current.hash != new.hash:
            self._remember(self.current.hash, self.current)
        self.current = new
        for each in [each for each, found in self._restored.items() if found and _is_partly_known(found)]:
            del self._restored[each]  # it was completed by what was today's until now

    def _remember(self, ruleset_hash: str, found: Configuration | None) -> None:
        self._restored[ruleset_hash] = found
        self._restored.move_to_end(ruleset_hash)
        if len(self._restored) > _KEPT:
            self._restored.popitem(last=False)

    async def _restore(self, ruleset_hash: str) -> Configuration | None:
        kept = await self._store.ruleset(ruleset_hash)
        if kept is None:
            return None
        try:
            return completed_by(await asyncio.to_thread(restore, kept.text, kept.files), self.current)
        except ConfigurationInvalid as invalid:
            log.error(  # noqa: TRY400 - the problems say it all
                "ruleset.unreadable", extra={"ruleset": ruleset_hash[:16], "problem": invalid.problems[0].message}
            )
            return None


def _is_partly_known(configuration: Configuration) -> bool:
    return any(source.is_partly_known for source in configuration.sources.values())


def completed_by(older: Configuration, today: Configuration) -> Configuration:
    """Give an older rule set the site and names that it only refers to, as today's source of that name has them."""
    sources = dict(older.sources)
    for name, source in older.sources.items():
        if source.is_partly_known and (known := today.sources.get(name)) is not None:
            given = completed(source.given, known.given)
            sources[name] = source.model_copy(update={"site": source.site or known.site, "given": given})
    return replace(older, sources=sources)


def kept_text(configuration: Configuration, loaded_at: datetime) -> RuleSetText:
    """What the store keeps of a rule set."""
    return RuleSetText(configuration.hash, configuration.text, configuration.files, loaded_at)


class Served(Protocol):
    """What follows the rule set: the lanes."""

    async def prepare(self, configuration: Configuration) -> None: ...

    def adopt(self, configuration: Configuration) -> None: ...

    async def bury_removed(self) -> None: ...


@dataclass(frozen=True)
class ReloadState:
    """
    How the latest load went.

    Attributes:
        loaded_at: When the running rule set was loaded; aware, UTC.
        failed_at: When a later load failed; None while the file on disk is the one that runs.
        problems: Of the failed load.
    """

    loaded_at: datetime
    failed_at: datetime | None = None
    problems: tuple[Problem, ...] = ()


_Seen: TypeAlias = tuple[tuple[str, int, int, int], ...]


class Reloader:
    """
    Loads the rule file again when it, its templates or its secret files change, or when asked.

    Everything that can fail happens before anything that runs is touched; then one reference is swapped.

    Attributes:
        state: How the latest load went.
        on_change: Told the state after each load.
    """

    def __init__(
        self,
        *,
        path: Path,
        environ: Mapping[str, str],
        rulesets: RuleSets,
        lanes: Served,
        store: Store,
        clock: Clock,
        redactor: Redactor,
    ) -> None:
        self._path = path
        self._environ = environ
        self._rulesets = rulesets
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._redactor = redactor
        self._turn = asyncio.Lock()
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None
        # Nothing is known of what was loaded at the start: a file may have changed since. The first looks settle it.
        self._loaded: _Seen = ()
        self._seen: _Seen = ()
        self._stopped = False
        self.state = ReloadState(clock.now())
        self.on_change: Callable[[ReloadState], None] | None = None

    def watch(self) -> None:
        """Look at the files every second from now on."""
        self._timer = self._clock.call_later(POLL_SECONDS, self._poll)

    def stop(self) -> None:
        """Load nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    async def finish(self) -> None:
        """Wait until a load that was asked for has ended."""
        if self._task is not None:
            await self._task

    def reload_soon(self, trigger: str) -> None:
        """Load the file again, now or as soon as a load that is under way has ended."""
        self._task = asyncio.get_running_loop().create_task(self._try(trigger))

    async def reload(self, trigger: str) -> Configuration:
        """
        Load the file again and judge by it.

        Raises:
            ConfigurationInvalid: It has problems; the rule set that runs stays in use.
            StoreUnavailable: It could not be recorded; the rule set that runs stays in use.
        """
        async with self._turn:
            try:
                return await self._load(trigger)
            except ConfigurationInvalid as invalid:
                self._failed(trigger, invalid.problems)
                raise
            except StoreUnavailable:
                self._loaded = ()  # tried again at the next look
                raise

    async def _load(self, trigger: str) -> Configuration:
        watched = self._rulesets.current.watched
        self._loaded = _look(watched)  # a file that fails is not tried again until it changes
        loaded = await asyncio.to_thread(load, self._path, self._environ, trial_seconds=_TRIAL_SECONDS)
        if loaded.watched != watched:
            self._loaded = ()  # one that was not looked at before it was read: read once more, and compare
        now = self._clock.now()
        current = self._rulesets.current
        if loaded.hash == current.hash and loaded.secrets() == current.secrets():
            if trigger != BY_FILE or self.state.failed_at is not None:
                log.info("ruleset.unchanged", extra=_facts(loaded, trigger))
            # At the start the templates are not tried on events: this is the first that is heard of them.
            _tell(warning for warning in loaded.warnings if warning not in current.warnings)
            self._rulesets.current = replace(current, warnings=loaded.warnings, untried=loaded.untried)
            self._became(ReloadState(now))
            return self._rulesets.current
        self._redactor.learn(loaded.secrets())
        await self._store.save_ruleset(kept_text(loaded, now))
        await self._lanes.prepare(loaded)
        self._rulesets.replace(loaded)
        self._lanes.adopt(loaded)
        self._became(ReloadState(now))
        log.info("ruleset.loaded", extra=_facts(loaded, trigger))
        _tell(loaded.warnings)
        await self._lanes.bury_removed()
        return loaded

    def _failed(self, trigger: str, problems: Sequence[Problem]) -> None:
        self._became(ReloadState(self.state.loaded_at, self._clock.now(), tuple(problems)))
        errors = 0
        for problem in problems:
            if problem.severity == "warning":
                log.warning("ruleset.warning", extra={"code": problem.code, "problem": str(problem)})
                continue
            errors += 1
            log.error("ruleset.problem", extra={"problem": str(problem), "trigger": trigger})
        log.error("ruleset.refused", extra={"problems": errors, "stays_in_use": self._rulesets.current.hash[:16]})

    async def _try(self, trigger: str) -> None:
        try:
            await self.reload(trigger)
        except ConfigurationInvalid:
            return  # said, and kept in `state`
        except StoreUnavailable as error:
            log.error("ruleset.not_recorded", extra={"problem": str(error)})  # noqa: TRY400
        except Exception:  # a bug of ours; the rules that run stay in use
            self._became(ReloadState(self.state.loaded_at, self._clock.now()))
            log.exception("ruleset.bug", extra={"trigger": trigger})

    def _became(self, state: ReloadState) -> None:
        self.state = state
        if self.on_change is not None:
            self.on_change(state)

    def _poll(self) -> None:
        seen = _look(self._rulesets.current.watched)
        # Editors write in several steps, so a change counts once two looks agree.
        is_loading = self._turn.locked() or (self._task is not None and not self._task.done())
        if seen == self._seen and seen != self._loaded and not is_loading:
            self.reload_soon(BY_FILE)
        self._seen = seen
        if not self._stopped:
            self.watch()


def _tell(warnings: Iterable[Problem]) -> None:
    for warning in warnings:
        log.warning("ruleset.warning", extra={"code": warning.code, "problem": str(warning)})


def _facts(loaded: Configuration, trigger: str) -> dict[str, str | int]:
    return {"ruleset": loaded.hash[:16], "trigger": trigger, "rules": len(loaded.specs)}


def _look(paths: Sequence[Path]) -> _Seen:
    """What can be seen of the files without reading them; a folder shows its files by its own time."""
    seen = []
    for path in paths:
        try:
            stat = path.stat()
            seen.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except OSError:
            seen.append((str(path), 0, 0, 0))
    return tuple(seen)
