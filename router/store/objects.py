"""People, spaces and pages: what was told of them, the newest version of each, and the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

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


class _Known(NamedTuple):
    """A row of an object: when it was changed, by its sender's clock, and when it was told, both in milliseconds."""

    version_at: int | None
    facts: Mapping[str, JSON]
    previous: Mapping[str, JSON] | None
    learned_at: int


def learn(transaction: Transaction, taught: Taught) -> Learned:
    """
    Write what was told of an object, unless a newer version of it is known.

    Told again of the version that is known (Spaces may send two events for one change), what it differed from is told
    again as well. Something told without a version never replaces what has one.
    """
    lesson = taught.lesson
    row = _find(transaction, taught.key)
    learned_at = to_ms(taught.learned_at)
    latest = learned_at + _CLOCKS_DIFFER
    version = None if lesson.version_at is None else _believed(to_ms(lesson.version_at), latest)
    if row is None:
        _write(transaction, taught.key, _Known(version, lesson.facts, None, learned_at))
        return lesson.facts, None
    known, before = row.facts, row.previous
    known_version = None if row.version_at is None else _believed(row.version_at, latest)
    if known_version is not None and (version is None or version < known_version):
        return known, None
    facts = {**known, **lesson.facts}
    is_news = facts != known
    if is_news or version is None or version != known_version:
        before = known if is_news else None
    if not taught.keeps_before:
        before = None
    if is_news or version != known_version or learned_at - row.learned_at > _CONFIRMED_EVERY:
        _write(transaction, taught.key, _Known(version, facts, before, learned_at))
    return facts, before


def _find(transaction: Transaction, key: tuple[str, str, str]) -> _Known | None:
    """Read an object; once in a transaction, as one that is being written tells of itself again and again."""
    found: _Known | None = transaction.objects.get(key)
    if found is None:
        row = transaction.one(
            "SELECT version_at, facts, previous, learned_at FROM objects"
            " WHERE source = ? AND kind = ? AND object_id = ?",
            key,
        )
        if row is None:
            return None
        version_at, facts, previous, learned_at = row
        before = None if previous is None else parse_body(previous.encode())
        found = transaction.objects[key] = _Known(version_at, parse_body(facts.encode()), before, learned_at)
    return found


def _believed(version: int, latest: int) -> int | None:
    """A version of the far future would be the last one ever; it is none."""
    return version if version <= latest else None


def _write(transaction: Transaction, key: tuple[str, str, str], known: _Known) -> None:
    transaction.execute(
        "INSERT OR REPLACE INTO objects (source, kind, object_id, version_at, learned_at, facts, previous)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *key,
            known.version_at,
            known.learned_at,
            dump_json(known.facts).decode(),
            None if known.previous is None else dump_json(known.previous).decode(),
        ),
    )
    transaction.objects[key] = known


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
        transaction.objects.pop(key, None)
    return removed
