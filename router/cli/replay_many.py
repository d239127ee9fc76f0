"""Replaying many from the command line: show what would be sent, ask, and go through with it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from router.cli.asking import make_sure
from router.cli.group import Failed
from router.cli.output import counted, paragraph, plain, table
from router.cli.running import NothingAnswers, Router
from router.cli.show import content_lines
from router.payload import JSON

_EXAMPLES = 3
_LINES = 6
"""Of an example; a message may have thousands."""

_OURS = {
    "replayed": "replayed before; --again takes these too",
    "delivered_by_fallback": "delivered by a fallback; --again takes these too",
}
"""In the words of the command line, what the API says in its own."""


@dataclass
class _Sum:
    """What the answers of several steps come to."""

    replayed: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, step: Mapping[str, Any]) -> None:
        self.replayed += len(step["replayed"])
        for one in step["counts"]:
            self.counts[plain(one["destination"]), plain(one["rule"] or "none")] += one["count"]
        for one in step["skipped"]:
            self.skipped[_OURS.get(one["reason"], plain(one["message"]))] += one["count"]
        self.examples += step["examples"][: _EXAMPLES - len(self.examples)]


def replay_many(router: Router, wish: Mapping[str, JSON], *, dry_run: bool, yes: bool) -> None:
    """
    Show what would be sent, ask, and have it sent.

    Raises:
        Failed: It was declined, or did not come to its end.
    """
    found = _Sum()
    for step in router.post_in_steps("/replay", {**wish, "dry_run": True}):
        found.add(step)
    click.echo("\n".join(_preview(found, wish, router.admin.url)))
    if not found.replayed:
        return
    if dry_run:
        click.echo("\nNothing was sent: this was a dry run.")
        return
    click.echo()
    make_sure("Send them once more?", "nothing was replayed", yes=yes)
    done = _replay(router, wish, found.replayed)
    click.echo(f"Replayed {counted(done.replayed, 'delivery', 'deliveries')}. {_WHAT_NOW}")
    if done.skipped != found.skipped:
        click.echo("\n".join(_left_out(done.skipped)))


_WHAT_NOW = "See what becomes of them: spaces-router deliveries --since 10m"


def _replay(router: Router, wish: Mapping[str, JSON], expected: int) -> _Sum:
    done = _Sum()
    going_on = (
        "With --again, the same command sends those once more."
        if wish.get("again")
        else "The same command goes on with the rest, and sends nothing twice."
    )
    with click.progressbar(length=expected, label="Replaying", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        try:
            for step in router.post_in_steps("/replay", wish):
                done.add(step)
                bar.update(len(step["replayed"]))
        except (NothingAnswers, Failed, KeyboardInterrupt) as error:
            why = "stopped" if isinstance(error, KeyboardInterrupt) else str(error).rstrip(".")
            raise Failed(f"{why}. {_so_far(done)} {going_on}") from None
    return done


def _so_far(done: _Sum) -> str:
    were = "was" if done.replayed == 1 else "were"
    return (
        f"{counted(done.replayed, 'delivery', 'deliveries')} {were} replayed before that."
        if done.replayed
        else ("Nothing was replayed before that, as far as is known.")
    )


# What would be sent


def _preview(found: _Sum, wish: Mapping[str, JSON], url: str) -> Iterator[str]:
    state = str(wish.get("state") or "dead")
    if found.replayed:
        yield f"{_named(found.replayed, state)} would be sent once more by the router at {url}:"
        yield ""
        yield from _counts(found)
    else:
        yield f"Nothing to replay: {'all that fits was left out' if found.skipped else _nothing_fits(state)}."
    yield from _left_out(found.skipped)
    if found.examples:
        yield ""
        yield "The first of them would say:" if found.replayed > 1 else "It would say:"
    for example in found.examples:
        yield from _example(example)


def _named(count: int, state: str) -> str:
    if state == "dead":
        return counted(count, "dead letter")
    return f"{counted(count, 'delivery', 'deliveries')} that ended as {state}"


def _nothing_fits(state: str) -> str:
    return "no dead letter fits" if state == "dead" else f"no delivery that ended as {state} fits"


def _counts(found: _Sum) -> Iterator[str]:
    rows = [(f"{count:,}", destination, rule) for (destination, rule), count in found.counts.most_common()]
    yield from (f"  {line}" for line in table(("COUNT", "DESTINATION", "RULE"), rows, shrink=2))


def _left_out(skipped: Mapping[str, int]) -> Iterator[str]:
    if skipped:
        yield ""
    for why, count in skipped.items():
        yield paragraph(f"{count:,} left out: {why}", "  ", hanging="  ")


def _example(example: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"  {example['id']} to {plain(example['destination'])}"
    message = example["message"]
    if not message:
        lines = [paragraph(f"cannot be written: {plain(example['message_error'])}", "  ")]
    elif message.get("forward"):
        lines = ["  the event as it came"]
    else:
        lines = "\n".join(content_lines(message)).split("\n")
    yield from (f"  {line}" for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"    … and {counted(len(lines) - _LINES, 'line')} more"
