"""
The families of `/metrics`: their names, what they tell, and where the numbers come from.

Everything is read when somebody asks, from what is counted anyway; `docs/metrics.md` explains each family.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from router import __version__
from router.answers import ANSWERS, WITHOUT_SOURCE
from router.config.reload import ReloadState
from router.events import DeliveryState, Outcome
from router.histogram import Histogram
from router.intake import Counts
from router.messages.directory import KINDS_OF_OBJECT
from router.spaces.client import ApiOutcome
from router.spaces.figures import ApiFigures
from router.store.figures import Figures
from router.store.records import LaneState, Moments, Stats

PREFIX = "spaces_router_"

_Samples = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True)
class Reading:
    """
    What one look at the router found.

    Attributes:
        sources: Names of those in the rule file.
        destinations: Names of those that are in the rule file and switched on, and of others for which something waits.
        stats, moments: None where the store could not be read.
        apis: Of each source that has an API.
        known: People, spaces and pages in memory, by source and kind.
        free_bytes: On the disk of the store; None where nobody can tell.
    """

    now: datetime
    sources: Sequence[str]
    destinations: Sequence[str]
    taking_events: bool
    counts: Counts
    last_event_at: Mapping[str, datetime]
    durations: Mapping[str, Histogram]
    figures: Figures
    store_available: bool
    waiting: int
    queue_limit: int
    stats: Stats | None
    moments: Moments | None
    apis: Mapping[str, ApiFigures]
    known: Mapping[tuple[str, str], int]
    free_bytes: int | None
    reload: ReloadState
    ruleset: str
    warnings: int


def families(reading: Reading) -> Iterator[Metric]:
    """Everything that is shown, in the order in which it is shown."""
    yield from _router(reading)
    yield from _sources(reading)
    yield from _names(reading)
    yield from _deliveries(reading)
    yield from _waiting(reading)
    yield from _destinations(reading)
    yield from _store(reading)
    yield from _totals(reading)
    yield from _rules(reading)


def _router(reading: Reading) -> Iterator[Metric]:
    build = {"version": __version__, "python": platform.python_version()}
    yield InfoMetricFamily(PREFIX + "build", "The version of the router, and of Python under it.", value=build)
    yield _gauge(
        "taking_events",
        "1 while events are taken; 0 while senders are answered 503: the store cannot write, its disk is nearly full, "
        "too many deliveries wait, or the router is stopping.",
        [((), reading.taking_events)],
    )


def _sources(reading: Reading) -> Iterator[Metric]:
    counts = reading.counts
    yield _counter(
        "requests",
        "Requests on the public listener, by their source (empty where the path is none of a source) and by what they "
        "were answered: the status, and the word in the answer's body.",
        [
            ((source, answer, str(ANSWERS[answer])), counts.answers.get((source, answer), 0))
            for source, answer in _asked(reading)
        ],
        labels=("source", "answer", "status"),
    )
    yield _counter(
        "events",
        "Events that were stored, by their source and name. Names that are not in the catalogue of the source's kind "
        "are counted together as 'other'.",
        [(key, number) for key, number in sorted(counts.events.items()) if key[0] in reading.sources],
        labels=("source", "event"),
    )
    yield _counter(
        "repeated_bodies",
        "Stored events whose body came from the same source before, under another delivery id. Some are harmless; many "
        "may be somebody who plays back what was recorded.",
        [((source,), counts.repeated_bodies.get(source, 0)) for source in reading.sources],
        labels=("source",),
    )
    last = reading.last_event_at
    yield _gauge(
        "last_event_timestamp_seconds",
        "When the latest event of a source came, in seconds since 1970; left out where none is known.",
        [((source,), last[source].timestamp()) for source in reading.sources if source in last],
        labels=("source",),
    )


def _names(reading: Reading) -> Iterator[Metric]:
    yield _counter(
        "api_requests",
        "Requests to the Spaces API, by source and outcome: 'refused' are HTTP 401, 402 and 403, 'throttled' is 429; "
        "'failed' is everything else that brought no names.",
        [((name, kind.value), figures.requests[kind]) for name, figures in reading.apis.items() for kind in ApiOutcome],
        labels=("source", "outcome"),
    )
    yield _gauge(
        "api_failing",
        "1 while something is wrong with the Spaces API of a source, so that names may be missing; 0 while it works. "
        "GET /api/v1/stats says what it is.",
        [((name,), bool(figures.failing)) for name, figures in reading.apis.items()],
        labels=("source",),
    )
    yield _gauge(
        "known_objects",
        "People (users), spaces and pages whose names are in memory, by source and kind, whether the API or events "
        "told of them.",
        [((name, kind), reading.known.get((name, kind), 0)) for name in reading.sources for kind in KINDS_OF_OBJECT],
        labels=("source", "kind"),
    )


def _asked(reading: Reading) -> Iterator[tuple[str, str]]:
    """Pairs of source and answer: all that there can be, also before the first request."""
    yield from ((source, answer) for source in reading.sources for answer in ANSWERS if answer not in WITHOUT_SOURCE)
    yield from (
        ("", answer) for answer in ANSWERS if answer in WITHOUT_SOURCE or reading.counts.answers.get(("", answer))
    )


def _deliveries(reading: Reading) -> Iterator[Metric]:
    ended, attempts = reading.figures.ended, reading.figures.attempts
    final = [state.value for state in DeliveryState if state.is_final]
    yield _counter(
        "deliveries",
        "Deliveries that came to their end, by destination and final state; 'dead' are the dead letters.",
        [((name, state), ended.get((name, state), 0)) for name in reading.destinations for state in final],
        labels=("destination", "state"),
    )
    yield _counter(
        "attempts",
        "Attempts to send, by destination and outcome. 'temporary' is tried again, 'permanent' is not; 'throttled' is "
        "a destination that asked us to wait, 'interrupted' was cut off by the end of the router.",
        [
            ((name, outcome.value), attempts.get((name, outcome.value), 0))
            for name in reading.destinations
            for outcome in Outcome
        ],
        labels=("destination", "outcome"),
    )
    durations: dict[tuple[str, ...], Histogram] = {
        (name,): reading.durations[name] for name in reading.destinations if name in reading.durations
    }
    yield _histogram(
        "attempt_duration_seconds",
        "How long attempts took, from writing the message to the destination's answer.",
        durations,
        labels=("destination",),
    )


def _waiting(reading: Reading) -> Iterator[Metric]:
    waiting = reading.stats.destinations if reading.stats else {}
    states = [state for state in DeliveryState if not state.is_final]
    depths = {name: waiting[name].by_state if name in waiting else {} for name in reading.destinations}
    yield _gauge(
        "waiting_deliveries",
        "Deliveries that are not at their end, by destination and state: 'pending' waits for its turn, 'retrying' for "
        "its next attempt, 'sending' is under way, 'held' waits in a window.",
        [((name, state.value), depths[name].get(state, 0)) for name in depths for state in states]
        if reading.stats
        else [],
        labels=("destination", "state"),
    )
    since = reading.moments.waiting_since if reading.moments else {}
    ages = {name: (reading.now - since[name]).total_seconds() if name in since else 0 for name in reading.destinations}
    yield _gauge(
        "oldest_waiting_seconds",
        "Age of the oldest delivery to a destination that is pending, retrying or sending; 0 where there is none.",
        [((name,), max(0.0, age)) for name, age in ages.items()] if reading.moments else [],
        labels=("destination",),
    )


def _destinations(reading: Reading) -> Iterator[Metric]:
    known = reading.stats.destinations if reading.stats else {}
    stored = {name: known[name].lane if name in known else None for name in reading.destinations}
    lanes = {name: lane or LaneState(name, 0) for name, lane in stored.items()} if reading.stats else {}
    yield _gauge(
        "destination_consecutive_failures",
        "Failed attempts since the last one that a destination took; 0 while it works.",
        [((name,), lane.consecutive_failures) for name, lane in lanes.items()],
        labels=("destination",),
    )
    yield _gauge(
        "destination_last_success_timestamp_seconds",
        "When a destination last took a message, in seconds since 1970; left out where it never did.",
        [((name,), lane.last_success_at.timestamp()) for name, lane in lanes.items() if lane.last_success_at],
        labels=("destination",),
    )
    pauses = {name: lane.paused_until - reading.now for name, lane in lanes.items() if lane.paused_until}
    yield _gauge(
        "destination_paused_seconds",
        "For how long a destination still gets nothing because it asked for a pause; 0 while it does not.",
        [((name,), max(0.0, pauses[name].total_seconds()) if name in pauses else 0) for name in lanes],
        labels=("destination",),
    )


def _store(reading: Reading) -> Iterator[Metric]:
    yield _gauge(
        "store_available",
        "1 while the store can be written; 0 while events are answered 503 and nothing is sent.",
        [((), reading.store_available)],
    )
    yield _gauge(
        "store_readable",
        "1 where the store could be read for this page; 0 leaves out what is read from it.",
        [((), reading.stats is not None and reading.moments is not None)],
    )
    free = [] if reading.free_bytes is None else [((), reading.free_bytes)]
    yield _gauge("store_free_bytes", "Free bytes on the disk of the store; below 100000000 no event is taken.", free)
    yield _gauge("queue_deliveries", "Deliveries that are not at their end, in all.", [((), reading.waiting)])
    yield _gauge(
        "queue_limit_deliveries",
        "How many there may be (--queue-limit) before events are answered 503.",
        [((), reading.queue_limit)],
    )
    yield _histogram(
        "store_commit_duration_seconds",
        "How long commits took, from handing them to the writer until they were on disk.",
        {(): reading.figures.commit_seconds},
    )
    yield _histogram(
        "store_commit_operations",
        "How many writes shared a commit.",
        {(): reading.figures.commit_operations},
    )
    yield _counter(
        "store_commit_failures",
        "Commits that failed; what was in them was answered 503, or is written later.",
        [((), reading.figures.failed_commits)],
    )


def _totals(reading: Reading) -> Iterator[Metric]:
    stats = reading.stats
    yield _counter(
        "store_events",
        "Events ever stored. Kept in the store, so a restart does not begin anew.",
        [((), stats.events)] if stats else [],
    )
    yield _counter(
        "store_rejected",
        "Well-signed requests ever answered 400 and kept. Kept in the store.",
        [((), stats.rejected)] if stats else [],
    )
    yield _counter(
        "store_deliveries",
        "Deliveries that ever came to their end, by final state, whatever became of their destinations. Kept in the "
        "store.",
        [((state.value,), stats.deliveries[state]) for state in DeliveryState if state.is_final] if stats else [],
        labels=("state",),
    )


def _rules(reading: Reading) -> Iterator[Metric]:
    state = reading.reload
    yield _gauge(
        "reload_successful",
        "1 where the rule file on disk is in use; 0 where it could not be loaded, and the rules before it go on.",
        [((), state.failed_at is None)],
    )
    yield _gauge(
        "reload_success_timestamp_seconds",
        "When the rule file was last loaded, in seconds since 1970.",
        [((), state.loaded_at.timestamp())],
    )
    yield _gauge(
        "reload_failure_timestamp_seconds",
        "When loading the rule file failed, in seconds since 1970; left out while the file on disk is in use.",
        [((), state.failed_at.timestamp())] if state.failed_at else [],
    )
    errors = sum(problem.severity == "error" for problem in state.problems)
    warnings = len(state.problems) - errors if state.failed_at else reading.warnings
    yield _gauge(
        "reload_problems",
        "Problems of the rule file on disk, by severity; an error keeps it from being used.",
        [(("error",), errors), (("warning",), warnings)],
        labels=("severity",),
    )
    said = "Hash of the rule set in use: another one means other rules or templates."
    yield InfoMetricFamily(PREFIX + "ruleset", said, value={"hash": reading.ruleset})


def _counter(name: str, says: str, samples: _Samples, labels: Sequence[str] = ()) -> Metric:
    family = CounterMetricFamily(PREFIX + name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _gauge(name: str, says: str, samples: _Samples, labels: Sequence[str] = ()) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str, says: str, measured: Mapping[tuple[str, ...], Histogram], labels: Sequence[str] = ()
) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, says, labels=labels)
    for values, histogram in measured.items():
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        family.add_metric(values, list(zip(bounds, histogram.cumulative(), strict=True)), histogram.total)
    return family
