"""What a crash run came to: each promise of the router held against what its receivers saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crash_receivers import ATTEMPTS, Receiver

Told = Mapping[str, Any]
"""A delivery as the admin API tells of it."""


@dataclass
class Row:
    """
    What became of the deliveries to one receiver. Copies are counted for each recipient.

    Attributes:
        refused, given_up, removed: Dead letters: of a recipient refused for good, after the full schedule, and of a
            destination that was taken out.
        interrupted: Attempts that a kill cut short.
        unanswered: Messages that were taken and whose sender was not told.
        again: Copies beyond the first.
        at_most: How many of those the interruptions and lost answers allow.
        lost: Recipients who are said to have it and do not, or of whom nothing is said.
    """

    receiver: Receiver
    deliveries: int = 0
    delivered: int = 0
    refused: int = 0
    given_up: int = 0
    removed: int = 0
    interrupted: int = 0
    unanswered: int = 0
    copies: int = 0
    again: int = 0
    at_most: int = 0
    lost: int = 0

    def judge(self, told: Told) -> list[str]:
        """Account for one delivery in its final state; the faults in it."""
        self.deliveries += 1
        outcomes = [attempt["outcome"] for attempt in told["history"]]
        interruptions, unanswered = outcomes.count("interrupted"), self.receiver.lost[told["id"]]
        self.interrupted += interruptions
        self.unanswered += unanswered
        wrong = [*self._copies(told, interruptions + unanswered), *self._end(told, outcomes)]
        return [f"{told['id']} to {self.receiver.name}: {fault}" for fault in wrong]

    def _copies(self, told: Told, allowed: int) -> list[str]:
        """Hold what each recipient got against what is said of them."""
        wrong = []
        taken = self.receiver.taken[told["id"]]
        has, refused = _said(told, self.receiver)
        for who in self.receiver.recipients:
            copies = taken.get(who, 0)
            self.copies += copies
            self.again += max(0, copies - 1)
            self.at_most += 0 if who in self.receiver.refused else allowed
            if copies - 1 > allowed:
                wrong.append(f"{who} has {copies} copies, with {allowed} interruptions and lost answers")
            if (who in refused) != (who in self.receiver.refused and told["state"] != "retrying"):
                wrong.append(f"{who} is {'' if who in refused else 'not '}said to be refused")
            if who in self.receiver.refused and copies:
                wrong.append(f"{who} was refused and has {copies} copies")
            if who in has and not copies:
                self.lost += 1
                wrong.append(f"{who} is said to have it and has not")
            if told["state"] == "delivered" and who not in has:
                self.lost += 1
                wrong.append(f"{who} is forgotten")
        return wrong

    def _end(self, told: Told, outcomes: list[str]) -> list[str]:
        """Hold the final state against what the receiver does."""
        receiver, state, reason = self.receiver, told["state"], told["reason"]
        failed = outcomes.count("temporary")
        if state == "delivered" and not receiver.refused and not receiver.always_fails:
            self.delivered += 1
        elif state == "dead" and reason == "retries exhausted" and failed == ATTEMPTS and receiver.gives_up:
            self.given_up += 1
        elif state == "dead" and reason == "retries exhausted" and failed == ATTEMPTS and receiver.always_fails:
            self.given_up += 1
            if "does not offer STARTTLS, and nothing is sent without" not in told["last_error"]:
                return [f"its error does not say why: {told['last_error']}"]
        elif state == "dead" and reason == "destination removed" and receiver.name == "passing":
            self.removed += 1
        elif state == "dead" and reason == f"refused by the mail server: {', '.join(sorted(receiver.refused))}":
            self.refused += 1
        else:
            return [f"it ended as {state} ({reason}): {outcomes}"]
        return []


def _said(told: Told, receiver: Receiver) -> tuple[set[str], set[str]]:
    """Who has it and who was refused, by the router's own account. A web server has what is called delivered."""
    if receiver.recipients == ("",):
        return ({""} if told["state"] == "delivered" else set()), set()
    message = told["message"] or {}
    return set(message.get("accepted", ())), set(message.get("refused", {}))


@dataclass
class Report:
    """
    All of it.

    Attributes:
        versions: Of the rules, that judged events.
        faults: Empty when every promise was kept.
    """

    events: int = 0
    kills: int = 0
    versions: int = 0
    reloads: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.events} events acknowledged; {self.kills} kills, {self.reloads} reloads, {self.versions} rule sets",
            "",
            _line("destination", "what it does", *_COLUMNS),
            *(_line(row.receiver.name, row.receiver.does, *_numbers(row)) for row in self.rows.values()),
            "",
            "Copies are counted for each recipient. `again`: beyond the first, under its id; `at most`: what",
            "interrupted attempts and lost answers allow; `unanswered`: taken, and the sender was not told.",
            f"{len(self.faults)} faults",
            *(f"  {fault}" for fault in self.faults[:50]),
        ]
        return "\n".join(lines)


_COLUMNS = {
    "all": "deliveries",
    "delivered": "delivered",
    "refused": "refused",
    "given up": "given_up",
    "removed": "removed",
    "interrupted": "interrupted",
    "unanswered": "unanswered",
    "copies": "copies",
    "again": "again",
    "at most": "at_most",
    "lost": "lost",
}


def _numbers(row: Row) -> list[int]:
    return [getattr(row, name) for name in _COLUMNS.values()]


def _line(name: str, does: str, *cells: object) -> str:
    widths = [max(6, len(title)) for title in _COLUMNS]
    return f"{name:<11} {does:<55}" + "".join(f" {cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True))
