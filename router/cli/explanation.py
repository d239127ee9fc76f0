"""How `explain` tells what rules made of an event, and what became of its deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from router.cli.output import ago, as_json, coloured, counted, local, paragraph, parse_time, plain
from router.cli.standings import follow_up, next_step, of_today, unmatched_lines
from router.cli.verdicts import Verdict, distance, nearest_first, outcome, set_off
from router.config.problems import did_you_mean, listed, named
from router.rules.ruleset import FAR, UNKNOWN

_HASH_SHOWN = 16

_HINTS = {
    "enabled": "It is switched off: enabled is false there, or in defaults.rules.",
    "stop": "Put it before that rule, or take stop out there, so that both see such an event.",
    "unmatched": "It is a last resort (unmatched: true): it is asked only if no other rule matches.",
    "to": "Its table sends events that it has an entry for, and all others to otherwise.",
}
"""What an admin may not know, by the key of the rule that decided."""

_NAMES = (
    "Names come from people and spaces in the rule file, from the Spaces API (api_key of the source), and from earlier"
    " events."
)


@dataclass(frozen=True)
class View:
    """
    How an explanation is wished to be shown.

    Attributes:
        rule: Name of the only rule to show; None for all.
        everything: Rules about other events are listed, not counted.
    """

    rule: str | None
    everything: bool
    as_json: bool


@dataclass(frozen=True)
class Explained:
    """
    An event, and what rules made of it.

    Attributes:
        told: As the admin API tells it: an event that came, with its `deliveries`; or the beginning of a preview.
        asked_for: The id that was given; empty for an event that did not come.
        rules: Of an event that did not come, what judges it: the rule file.
        about: Of such an event, where its body is from.
    """

    told: Mapping[str, Any]
    asked_for: str = ""
    rules: str = ""
    about: str = ""

    @property
    def came(self) -> bool:
        return bool(self.asked_for)

    @property
    def lines_hold(self) -> bool:
        """Whether the rule file surely has its rules at the lines that are known; nobody can say once it stopped."""
        return not self.came or self.told.get("ruleset_in_use") is True

    @property
    def is_of_other_rules(self) -> bool:
        """Whether the rules have changed since the event was judged."""
        return self.came and self.told.get("ruleset_in_use") is False


def report(explained: Explained, view: View, now: datetime) -> int:
    """
    Print it; the exit code.

    Raises:
        click.BadParameter: There is no such rule.
    """
    told = dict(explained.told)
    if told["verdicts"] is not None:
        told["verdicts"] = nearest_first(_chosen(told["verdicts"], view.rule, explained))
    if view.rule is not None and "deliveries" in told:
        told["deliveries"] = [one for one in told["deliveries"] if one["rule"] == view.rule]
    if view.as_json:
        click.echo(as_json(told))
        return 0
    lines = [*_head(explained, now), "", *_rules(explained, told["verdicts"], view)]
    if "deliveries" in told:
        lines += ["", *_deliveries(told, view, now)]
    click.echo("\n".join(lines))
    return 0


def _chosen(verdicts: Sequence[Verdict], rule: str | None, explained: Explained) -> Sequence[Verdict]:
    if rule is None:
        return verdicts
    chosen = [verdict for verdict in verdicts if verdict["rule"] == rule]
    if verdicts and not chosen:
        names = [verdict["rule"] for verdict in verdicts]
        since = (
            f" The rules have changed since. {of_today(explained.told['id'])}" if explained.is_of_other_rules else ""
        )
        raise click.BadParameter(
            f"no rule is named {named(rule)}; the rules that judge this event are: {listed(names)}"
            f"{did_you_mean(rule, names)}.{since}",
            param_hint="--rule",
        )
    return chosen


# The event


def _head(explained: Explained, now: datetime) -> Iterator[str]:
    told = explained.told
    if not explained.came:
        name = plain(told["event"])
        yield set_off(
            paragraph(f"{name} from {plain(told['source'])}, {explained.about}", hanging="  "), name, bold=True
        )
        return
    of_delivery = f", of delivery {explained.asked_for}" if explained.asked_for != told["id"] else ""
    yield click.style(f"event {told['id']}", bold=True) + f": {plain(told['name'])}{of_delivery}"
    yield _fact("source", plain(told["source"]))
    received = parse_time(told["received_at"])
    yield _fact("received", f"{local(received)} ({ago(received, now)})")
    if told["upstream_id"]:
        yield _fact("sender's id", plain(told["upstream_id"]))
    if told["repeated_body"]:
        yield _fact("note", "the same body came before under another id")
    if told["verdicts"] == []:
        return  # no rule was asked
    ruleset = told["ruleset"][:_HASH_SHOWN]
    match told.get("ruleset_in_use"):
        case True:
            yield _fact("judged by", f"rule set {ruleset}, which is still in use")
        case False:
            yield _fact("judged by", f"rule set {ruleset}, which is not in use any more: the rules have changed since")
            if told["verdicts"] is not None and told["rules"]:  # else it is said below
                yield _fact("", of_today(told["id"]))
        case _:
            yield _fact("judged by", f"rule set {ruleset}")


def _fact(name: str, value: str) -> str:
    return paragraph(f"{name:<12} {value}", "  ", hanging=" " * 13)


# The rules


def _rules(explained: Explained, verdicts: Sequence[Verdict] | None, view: View) -> Iterator[str]:
    told = explained.told
    if verdicts is None:
        yield click.style("rules", bold=True)
        names = ", ".join(map(plain, told["rules"])) or "none"
        yield paragraph(f"matched: {names}", "  ", hanging="  ")
        yield paragraph(
            "The rule set that judged this event is not kept any more, so why rules did or did not match cannot be"
            " told.",
            "  ",
        )
        if told["rules"]:  # else it is said below
            yield f"  {of_today(told['id'])}"
        return
    if not verdicts:
        yield click.style("rules", bold=True)
        yield paragraph("The router made this event itself, to tell of trouble: no rule was asked.", "  ")
        return
    if view.rule is None:
        yield click.style(_counted(explained, verdicts), bold=True)
    else:
        yield click.style("the rule", bold=True)
    far = [] if view.rule is not None or view.everything else [each for each in verdicts if distance(each) == FAR]
    for verdict in verdicts[: len(verdicts) - len(far)]:
        yield from _rule(explained, verdict)
    if far:
        more = "" if len(far) == len(verdicts) else "more "
        are, them = ("rule is", "it") if len(far) == 1 else ("rules are", "them")
        others = f"{len(far):,} {more}{are} about other events; --all lists {them}"
        yield click.style(paragraph(others, "  "), dim=True)


def _counted(explained: Explained, verdicts: Sequence[Verdict]) -> str:
    matched = sum(verdict["matched"] for verdict in verdicts)
    by = f"{counted(len(verdicts), 'rule')}{f' in {explained.rules}' if explained.rules else ''}"
    if explained.came:
        return f"{matched or 'None'} of {by} matched"
    return f"{matched or 'None'} of {by} {'matches' if matched < 2 else 'match'}"


def _rule(explained: Explained, verdict: Verdict) -> Iterator[str]:
    name = plain(verdict["rule"])
    line = f" (line {verdict['line']})" if verdict.get("line") and explained.lines_hold else ""
    told = paragraph(f"{name}{line}: {outcome(verdict, past=explained.came)}", "  ", hanging="  ")
    yield set_off(told, name, fg="green") if verdict["matched"] else click.style(told, dim=distance(verdict) > 1)
    if hint := _hint(verdict):
        yield click.style(paragraph(hint, "      "), dim=distance(verdict) > 1)


def _hint(verdict: Verdict) -> str:
    if verdict["reason"].endswith(UNKNOWN):
        return _NAMES
    return _HINTS.get(verdict.get("key") or "", "")


# The deliveries


def _deliveries(told: Mapping[str, Any], view: View, now: datetime) -> Iterator[str]:
    own = told["deliveries"]
    of_rule = "" if view.rule is None else " of this rule"
    yield click.style(
        counted(len(own), "delivery", "deliveries") + of_rule if own else f"no deliveries{of_rule}", bold=True
    )
    for one in reversed(own):
        yield from _delivery(one, own, now)
    if own:
        which = "ID" if len(own) > 1 else own[0]["id"]
        yield f"  More, with the message and each attempt: spaces-router show {which}"
    elif told["verdicts"] != [] and not told["rules"]:
        yield from unmatched_lines(told["id"])
    elif view.rule is None and told["rules"]:
        yield paragraph("No rule that matched names a destination for it, so there was nothing to send.", "  ")


def _delivery(one: Mapping[str, Any], own: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    handled = ", handled" if one.get("handled") else ""
    origin = one.get("origin_id")
    by = f" by the rule {plain(one['rule'])}" if one["rule"] else ""
    why = {"replay": f", a replay of {origin}", "fallback": f", the fallback of {origin}"}.get(one["cause"], "")
    if one["cause"] == "replay" and not origin:
        why = ", a replay of the event"
    what = f"{one['state']}{handled}: {one['id']} to {plain(one['destination'])}{by}{why}"
    yield paragraph(what, "  ", hanging="  ").replace(one["state"], coloured(one["state"]), 1)
    if one["state"] == "delivered":
        return
    yield paragraph(next_step(one, now), "      ")
    if one["attempts"]:
        attempts = counted(one["attempts"], "attempt")
        said = f": {plain(one['last_error'])}" if one["last_error"] else ""
        yield paragraph(f"After {attempts}{said}", "      ", most=3)
    for later in own:
        if later.get("origin_id") == one["id"]:
            yield paragraph(follow_up(later), "      ")
