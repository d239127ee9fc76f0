"""`defaults.zone`: people read times in their own zone."""

from __future__ import annotations

import os
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest

from router.config.load import load_text, restore
from router.config.zone import zone_names
from router.events import Markup
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from tests.message_bodies import namespace_of

RULES = """\
sources:
  spaces: {unsigned: true}
destinations:
  docs: {type: log}
rules:
  - {name: pages, events: page.*, to: docs}
"""
DUBLIN = f"{RULES}defaults: {{zone: Europe/Dublin}}\n"
TEXT = Style(Markup.TEXT, "text", forwards_as_is=False)


def shown(renderer: Renderer, template: str) -> str:
    return renderer.render(MessageSpec(message=template), TEXT, namespace_of("page.updated")).text


@pytest.mark.parametrize(
    ("value", "dublin", "utc"),
    [
        ("2026-03-02T10:40:00Z", "2 Mar 2026, 10:40 GMT", "2 Mar 2026, 10:40 UTC"),
        ("2026-07-01T23:30:00Z", "2 Jul 2026, 00:30 IST", "1 Jul 2026, 23:30 UTC"),
        ("2026-07-01T23:30:00", "2 Jul 2026, 00:30 IST", "1 Jul 2026, 23:30 UTC"),
        ("2026-07-01T12:00:00+02:00", "1 Jul 2026, 11:00 IST", "1 Jul 2026, 10:00 UTC"),
        ("2026-07-01", "1 Jul 2026", "1 Jul 2026"),
        ("soon", "soon", "soon"),
    ],
)
def test_times_are_shown_in_the_zone_of_the_rule_file(value: str, dublin: str, utc: str) -> None:
    """A time in a message is the one on the reader's clock, summer time and all; without a zone it is UTC."""
    template = f"{{{{ '{value}' | date }}}}"
    assert shown(load_text(DUBLIN, "rules.yaml", {}).renderer, template) == dublin
    assert shown(load_text(RULES, "rules.yaml", {}).renderer, template) == utc


def test_an_older_rule_set_keeps_its_zone() -> None:
    """What waits under an older rule set is written in the zone of that one."""
    older = restore(load_text(DUBLIN, "rules.yaml", {}).text, {})
    assert shown(older.renderer, "{{ '2026-07-01T12:00:00Z' | date('%H:%M %Z %z') }}") == "13:00 IST +0100"


def test_an_older_rule_set_with_a_zone_of_the_past_is_still_written() -> None:
    """A zone that is no longer known gives way to UTC, so that nothing which waits is lost."""
    older = restore(DUBLIN.replace("Dublin", "Nowhere"), {})
    assert shown(older.renderer, "{{ '2026-07-01T12:00:00Z' | date }}") == "1 Jul 2026, 12:00 UTC"


def test_a_day_is_the_same_day_in_every_zone() -> None:
    """West of Greenwich a day without a time does not become the day before."""
    for name in ("America/New_York", "Pacific/Kiritimati"):
        assert shown(Renderer(zone=ZoneInfo(name)), "{{ '2026-03-02' | date }}") == "2 Mar 2026"


def test_every_zone_that_check_takes_can_be_used() -> None:
    """Each name of the database has its data."""
    for name in zone_names():
        assert ZoneInfo(name).key == name


def test_a_server_without_zone_files_knows_the_zones() -> None:
    """The data comes with the router, so a small container needs none of its own."""
    script = f"from router.config.load import load_text; load_text({DUBLIN!r}, 'rules.yaml', {{}})"
    environ = {**os.environ, "PYTHONTZPATH": ""}
    ended = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
