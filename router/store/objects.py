"""People, spaces and pages: what was told of them, the newest version of each, and the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from router.clock import to_ms
from router.payload import JSON, dump_json, parse_body
from router.store.records import Taught
from router.store.transaction import Transaction

_CONFIRMED_EVERY = 24 * 3600 * 1000
"""Milliseconds after which what is told again, without any news, is written again: it is not to be forgotten."""

_CLOCKS_DIFFER = 24 * 3600 * 1000
"""Milliseconds by which a sender's clock may be ahead of ours."""

Learned = tuple[Mapping[str, JSON], Mapping[str, JSON] | None]
"""What is known of an object now; and what was known before the version that was told, where that differs."""


def learn(transaction: Transaction, taught: Taught) -> Learned:
    """
    Write what was told of an object, unless a newer version of it is known.

    Told again of the version that is known (Spaces may send two events for one change), what it differed from is told
    again as well. Something told without a version never replaces what has one.
    """
    lesson = taught.lesson
    row = transaction.one(
        "SELECT version_at, facts, previous, learned_at FROM objects WHERE source = ? AND kind = ? AND object_id = ?",
        taught.key,
    )
    latest = to_ms(taught.learned_at) + _CLOCKS_DIFFER
    version = None if lesson.version_at is None else _believed(to_ms(lesson.version_at), latest)
    if row is None:
        _write(transaction, taught, version, lesson.facts, None)
        return lesson.facts, None
    known_version, text, previous, learned_at = row
    known_version = None if known_version is None else _believed(known_version, latest)
    known: Mapping[str, JSON] = parse_body(text.encode())
    before = None if previous is None else parse_body(previous.encode())
    if known_version is not None and (version is None or version < known_version):
        return known, None
    facts = {**known, **lesson.facts}
    if version is None or version != known_version or facts != known:
        before = known if facts != known else None
    if not taught.keeps_before:
        before = None
    is_stale = to_ms(taught.learned_at) - learned_at > _CONFIRMED_EVERY
    if facts != known or version != known_version or is_stale:
        _write(transaction, taught, version, facts, before)
    return facts, before


def _believed(version: int, latest: int) -> int | None:
    """A version of the far future would be the last one ever; it is none."""
    return version if version <= latest else None


def _write(
    transaction: Transaction,
    taught: Taught,
    version: int | None,
    facts: Mapping[str, JSON],
    previous: Mapping[str, JSON] | None,
) -> None:
    transaction.execute(
        "INSERT OR REPLACE INTO objects (source, kind, object_id, version_at, learned_at, facts, previous)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *taught.key,
            version,
            to_ms(taught.learned_at),
            dump_json(facts).decode(),
            None if previous is None else dump_json(previous).decode(),
        ),
    )


def learn_all(transaction: Transaction, taught: Sequence[Taught]) -> list[Mapping[str, JSON]]:
    """Write what was told of several objects; what is known of each now."""
    return [learn(transaction, each)[0] for each in taught]


def forget(transaction: Transaction, keys: Sequence[tuple[str, str, str]], before: datetime) -> int:
    """Remove those of these objects that nothing was told of since; the count."""
    removed = 0
    for key in keys:
        transaction.execute(
            "DELETE FROM objects WHERE source = ? AND kind = ? AND object_id = ? AND learned_at < ?",
            (*key, to_ms(before)),
        )
        removed += transaction.changed
    return removed
