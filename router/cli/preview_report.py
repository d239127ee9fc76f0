"""What `preview` does, and how it shows what it found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from router.admin.serialise import Shown
from router.cli.explanation import Explained
from router.cli.group import FAILED, Failed
from router.cli.message_view import message_lines, shown_destination
from router.cli.output import as_json, counted, paragraph, plain, shorten, width, wrapped
from router.cli.rule_report import unreadable
from router.cli.subject import Subject
from router.cli.verdicts import distance, nearest_first, outcome, set_off
from router.clock import SystemClock
from router.config.load import load
from router.config.model import Configuration
from router.config.problems import ConfigurationInvalid, did_you_mean, format_text, listed, named, summary
from router.config.references import UNRESOLVED
from router.delivery.judging import explain
from router.delivery.naming import directory_of, words_for
from router.delivery.preview import choose_source, imagine, preview
from router.errors import UnreadableBody
from router.events import OWN_SOURCE, Event
from router.ids import IdSource
from router.mail import whole_document
from router.messages.context import plain_summary
from router.messages.directory import Directory
from router.rules.ruleset import FAR
from router.secret import Redactor

_MOST_OTHERS = 12
"""Rules about other events that are listed; who has more of them looks for those that nearly matched."""

_LONGEST_SUMMARY = 160


@dataclass(frozen=True)
class View:
    """
    How a preview is wished to be shown.

    Attributes:
        destination: Only what goes to it; None for all.
        html: Where to write the HTML part of the mail, or None.
    """

    destination: str | None
    html: Path | None
    as_json: bool


def report(subject: Subject, rules: Path, source: str | None, view: View) -> int:
    """
    Judge and render, and print it.

    Args:
        source: Name of the source that it counts as one of; None for its own, or the first that fits.

    Returns:
        The exit code: 1 where a message cannot be written.

    Raises:
        Failed: The rule file has problems; or the body is none.
        click.BadParameter: The rule file has no such source or destination.
    """
    _check_name_of_html(view.html)
    missing: list[str] = []
    configuration = load_rules(rules, missing, "preview")
    event = imagined(subject, source, configuration)
    directory = directory_of(event.source, subject.names)
    found = preview(event, configuration, directory)
    known = dict.fromkeys((*configuration.destinations, *(draft.destination for draft in found.drafts)))
    if view.destination is not None and view.destination not in known:
        raise unknown("destination", view.destination, known)
    redactor = Redactor(text for text in configuration.secrets() if text != UNRESOLVED)
    told = Shown(redactor).preview(found)
    told["deliveries"] = [one for one in told["deliveries"] if view.destination in (None, one["destination"])]
    if view.as_json:
        click.echo(as_json(told))
    else:
        summed_up = plain(redactor.redact(_summary(event, configuration, directory)))
        click.echo("\n".join(_lines(told, (subject.about, summed_up), rules, view, configuration)))
    if missing:
        tell_missing(missing, "a preview")
    if view.html is not None:
        _write_html(view.html, told["deliveries"])
    return FAILED if any(map(_has_failed, told["deliveries"])) else 0


def _has_failed(one: Mapping[str, Any]) -> bool:
    """Whether a message cannot be written, and not only not be shown for what is unknown here."""
    return bool(one["message_error"]) and one["type"] is not None


def explain_subject(subject: Subject, rules: Path, source: str | None) -> Explained:
    """
    Judge an event by a rule file, without writing what it would send.

    Args:
        source: As `report` takes it. Raises as that does.
    """
    missing: list[str] = []
    configuration = load_rules(rules, missing, "explain")
    event = imagined(subject, source, configuration)
    redactor = Redactor(text for text in configuration.secrets() if text != UNRESOLVED)
    told = Shown(redactor).judged(event, configuration.hash, explain(event, configuration))
    if missing:
        tell_missing(missing, "an explanation")
    return Explained(told, rules=plain(rules), about=subject.about)


# What is judged


def load_rules(rules: Path, missing: list[str], then: str) -> Configuration:
    """
    Load a rule file by which nothing is sent, so that variables which are not set are no hindrance.

    Args:
        missing: Collects them.
        then: What is to be done once it is mended.

    Raises:
        Failed: It has problems, which are printed, or cannot be read.
    """
    try:
        return load(rules, os.environ, missing, trial_seconds=0)
    except ConfigurationInvalid as invalid:
        click.echo(format_text(invalid.problems).rstrip("\n"), err=True)
        raise Failed(f"{summary(invalid.problems, str(rules))}; mend it first, then {then}.") from None
    except OSError as error:
        raise Failed(unreadable(rules, error)) from None


def imagined(subject: Subject, source: str | None, configuration: Configuration) -> Event:
    """
    Make the event that is meant.

    Args:
        source: Name of the source that it counts as one of; None for its own, or the first that fits.

    Raises:
        Failed: No rule judges it, or its body is none.
        click.BadParameter: There is no such source.
    """
    sources = configuration.sources
    if source is not None and source not in sources:
        raise unknown("source", source, sources)
    if source is None and subject.source is not None:
        if subject.source not in sources and subject.source == OWN_SOURCE:
            raise Failed(f"{subject.about} was made by the router itself, to tell of trouble; no rule judges it.")
        if subject.source not in sources:
            known = f"The rule file has: {listed(sources)}{did_you_mean(subject.source, sources)}."
            raise Failed(
                f"{subject.about} came from the source {named(subject.source)}, which this rule file does not have; say"
                f" with --source as one of which it counts. {known}"
            )
        source = subject.source
    chosen = choose_source(subject.name, configuration) if source is None else sources[source]
    number = IdSource(SystemClock()).next() if subject.number is None else subject.number
    try:
        return imagine(
            subject.name, subject.body, chosen, configuration, number=number, at=subject.at, facts=subject.facts
        )
    except UnreadableBody as error:
        raise Failed(f"{subject.about} cannot be that of an event: {error}. The router would answer it 400.") from None


def unknown(what: str, name: str, known: Mapping[str, Any]) -> click.BadParameter:
    """Say that an option names something that the rule file does not have."""
    return click.BadParameter(
        f"no {what} is named {named(name)}; the rule file has: {listed(known)}{did_you_mean(name, known)}.",
        param_hint=f"--{what}",
    )


def _summary(event: Event, configuration: Configuration, directory: Directory) -> str:
    source = configuration.sources.get(event.source)
    return plain_summary(words_for(event, source, directory)) if source else ""


# What is shown


def _lines(
    told: Mapping[str, Any], summed_up: tuple[str, str], rules: Path, view: View, configuration: Configuration
) -> Iterator[str]:
    about, summary_of_it = summed_up
    name = plain(told["event"])
    first = paragraph(
        f"{name} from {plain(told['source'])}, {about}: {shorten(summary_of_it, _LONGEST_SUMMARY)}", hanging="  "
    )
    yield set_off(first, name, bold=True)
    yield ""
    count = len(told["verdicts"])
    matches = len(told["matches"])
    say = "matches" if matches < 2 else "match"
    head = f"{matches or 'None'} of {counted(count, 'rule')} in {plain(rules)} {say}"
    yield click.style("\n".join(wrapped(head, width())), bold=True)
    yield from _verdict_lines(told["verdicts"])
    for one in told["deliveries"]:
        yield ""
        yield from _delivery_lines(one, configuration)
    yield ""
    yield paragraph(_ending(told, view))


def _verdict_lines(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """First what matches, then what nearly did, then the rest."""
    ordered = nearest_first(verdicts)
    far = [verdict for verdict in ordered if distance(verdict) == FAR]
    for verdict in [*ordered[: len(ordered) - len(far)], *far[:_MOST_OTHERS]]:
        name = plain(verdict["rule"])
        line = paragraph(f"{name}: {outcome(verdict, past=False)}", "  ", hanging="  ")
        yield set_off(line, name, fg="green") if verdict["matched"] else click.style(line, dim=distance(verdict) > 1)
    if len(far) > _MOST_OTHERS:
        more = f"… and {counted(len(far) - _MOST_OTHERS, 'rule')} more about other events; --format json lists all"
        yield paragraph(more, "  ")


def _delivery_lines(one: Mapping[str, Any], configuration: Configuration) -> Iterator[str]:
    destination = configuration.destinations.get(one["destination"])
    name = plain(one["destination"])
    where = f" ({shown_destination(destination)})" if destination is not None else ""
    head = paragraph(f"→ {name}{where}, by the rule {plain(one['rule'])}", hanging="  ")
    yield set_off(head, name, fg="cyan", bold=True)
    if one["message_error"]:
        what = "cannot be written:" if _has_failed(one) else "cannot be shown:"
        error = paragraph(f"{what} {plain(one['message_error']).rstrip('.')}", "  ")
        yield set_off(error, what, fg="red" if _has_failed(one) else "yellow")
        return
    if one["reason"] == "empty message":
        yield paragraph("stays silent: the message comes to nothing on this event", "  ")
        return
    if one["reason"]:
        yield paragraph("switched off in the rule file (enabled: false), so it would get nothing of this:", "  ")
    yield from message_lines(one["message"], destination)


def _ending(told: Mapping[str, Any], view: View) -> str:
    if failed := sum(_has_failed(one) for one in told["deliveries"]):
        them = "it would be a dead letter" if failed == 1 else "they would be dead letters"
        return f"{counted(failed, 'message')} cannot be written: {them}. Nothing was sent: this was a preview."
    if told["deliveries"]:
        return "Nothing was sent: this was a preview."
    if view.destination is not None and told["matches"]:
        return f"No rule would send this event to {plain(view.destination)}."
    if told["matches"]:
        return "The event would go nowhere."
    return "No rule matches it, so nothing would be sent."


def tell_missing(missing: Sequence[str], what: str) -> None:
    """Note which variables and files are not there, and that it does not matter."""
    names = ", ".join(plain(name) for name in dict.fromkeys(missing))
    click.echo(paragraph(f"Note: not set here, and not needed for {what}: {names}."), err=True)


# The HTML part


def _check_name_of_html(path: Path | None) -> None:
    """What may be overwritten is a page for a browser, and nothing else by a slip of the hand."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"expected a name that ends in .html, found {plain(path)!r}.", param_hint="--html")


def _write_html(path: Path, deliveries: Sequence[Mapping[str, Any]]) -> None:
    mails = [one for one in deliveries if one["message"] and one["message"].get("html")]
    if not mails:
        raise Failed("no mail would be sent, so there is no HTML part to write.")
    if len({one["destination"] for one in mails}) > 1:
        names = ", ".join(dict.fromkeys(plain(one["destination"]) for one in mails))
        raise Failed(f"several mails would be sent ({names}); choose one with --destination.")
    message = mails[0]["message"]
    try:
        path.write_text(whole_document(message["html"], message.get("subject", "")), encoding="utf-8")
    except OSError as error:
        raise Failed(f"{plain(path)} cannot be written: {error.strerror or error}.") from None
    click.echo(f"Wrote the HTML part to {plain(path)}.", err=True)
