"""The page on alerts tells the truth: its example loads, its message is what goes out, no kind of alert is missing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from router.config.load import load_text
from router.delivery.alert_texts import AlertKind, about_deaths, about_reload, about_signatures, about_silence
from router.delivery.own_events import make_own_event
from router.events import OWN_SOURCE, Delivery, DeliveryState, Markup
from router.messages.context import build_namespace
from router.messages.render import Renderer
from router.messages.spec import MessageSpec, Style
from router.payload import JSON, dump_json
from router.sources import DEFAULT_KIND
from router.store.records import ListedDelivery, Untold
from tests.fakes import START

PAGE = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def dead_letter(delivery_id: int, event: str, at: datetime) -> ListedDelivery:
    dead = Delivery(
        id=delivery_id,
        event_id=1,
        rule="news",
        destination="docs",
        ruleset="",
        state=DeliveryState.DEAD,
        due_at=at,
        created_at=at,
        updated_at=at,
        reason="retries exhausted",
        last_error="HTTP 503 (Service Unavailable): down for maintenance",
    )
    return ListedDelivery(dead, event, None)


def deaths() -> dict[str, JSON]:
    since = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    latest = [
        dead_letter(38538628300818455, "page.updated.moved", since + timedelta(minutes=1)),
        dead_letter(38538627251190797, "page.created", since),
    ]
    return about_deaths(Untold("docs", 2, since), latest, waiting=1, fallback=None)


def test_the_example_loads() -> None:
    """Whoever copies it has a file that works, once it has rules."""
    text = block("yaml") + "rules: [{name: news, events: page.*, to: docs}]\n"
    environ = {"SPACES_TOKEN": "a-token", "SLACK_URL": "https://hooks.slack.com/services/T/B/x"}
    assert load_text(text, "rules.yaml", environ).warnings == ()


def test_the_message_is_what_goes_out() -> None:
    """Word for word."""
    event = make_own_event("alert.dead", OWN_SOURCE, dump_json({"alert": deaths()}), event_id=1, at=START)
    namespace = build_namespace(event, DEFAULT_KIND, None)
    assert namespace["event"]["title"] == "2 messages to docs could not be delivered"
    by_no_rule = namespace | {"rule": {"name": ""}}
    message = Renderer({}).render(MessageSpec(), Style(Markup.TEXT, "text", forwards_as_is=False), by_no_rule)
    assert message.text == block("text").strip()


def test_the_advice_fits_what_a_replay_does_when_there_is_a_fallback() -> None:
    """A replay of many leaves out what the fallback got, so whoever follows the advice is told of it before."""
    dead = about_deaths(Untold("docs", 1, START), [], waiting=0, fallback="ops")
    assert str(dead["advice"]).endswith("\nThis leaves out what ops got instead; --again takes that too.")
    assert "--again" not in str(deaths()["advice"])


def test_the_json_is_what_goes_out() -> None:
    """The same keys and values; where the page leaves words out, it says so by an ellipsis."""
    shown, made = json.loads(block("json"))["alert"], deaths()
    assert shown.keys() == made.keys()
    for key, value in shown.items():
        assert value in ("…", ["…"], made[key]), key


def test_every_kind_of_alert_and_each_of_its_facts_is_described() -> None:
    """Programs that read alerts find all of their keys on the page."""
    models = {
        AlertKind.DEAD: deaths(),
        AlertKind.SIGNATURE: about_signatures("spaces", 3, START),
        AlertKind.SILENCE: about_silence("spaces", timedelta(days=1), None, START),
        AlertKind.RELOAD: about_reload(["rules.yaml:1:1: x"], START),
    }
    assert set(models) == set(AlertKind)
    for kind, model in models.items():
        assert model["kind"] == kind
        assert f"`alert.{kind}`" in PAGE
        for key in model:
            assert f"`{key}`" in PAGE or f'"{key}"' in PAGE, key
