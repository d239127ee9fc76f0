"""What a replay makes of a delivery that has come to its end."""

from __future__ import annotations

from dataclasses import replace as change
from datetime import timedelta

import pytest

from router.config.load import load_text
from router.config.model import Configuration
from router.delivery.replay import CannotReplay, dealt_with, replay, under_way
from router.events import Cause, Delivery, DeliveryState, Message
from router.store.kin import Kin
from tests.fakes import START

RULES = """
sources:
  spaces: {unsigned: true}
destinations:
  wiki: {type: log}
  ops: {type: log}
  closed: {type: log, enabled: false}
rules:
  - {name: pages, events: page.*, to: [wiki, ops]}
"""

TODAY = load_text(RULES, "rules.yaml", {})
LATER = START + timedelta(hours=3)

DEAD = Delivery(
    id=7,
    event_id=5,
    rule="pages",
    destination="wiki",
    ruleset="an earlier rule set",
    state=DeliveryState.DEAD,
    reason="retries exhausted",
    due_at=START,
    created_at=START,
    updated_at=START,
    failures=4,
    attempts=5,
    interruptions=1,
    message=Message(text="as it read then"),
    last_error="HTTP 503",
)


def again(origin: Delivery = DEAD, to: str | None = None, today: Configuration = TODAY) -> Delivery:
    return replay(origin, to, today, 8, LATER)


def test_a_replay_is_a_new_delivery_that_names_its_origin() -> None:
    """A replay begins afresh: no attempts, no failures, due now; the old delivery stays as it is."""
    assert again() == Delivery(
        id=8,
        event_id=5,
        rule="pages",
        destination="wiki",
        ruleset=TODAY.hash,
        state=DeliveryState.PENDING,
        due_at=LATER,
        created_at=LATER,
        updated_at=LATER,
        cause=Cause.REPLAY,
        origin_id=7,
    )


@pytest.mark.parametrize("state", [state for state in DeliveryState if state.is_final])
def test_whatever_has_ended_can_be_replayed(state: DeliveryState) -> None:
    """Also what was delivered or suppressed may be sent once more."""
    assert again(change(DEAD, state=state)).state is DeliveryState.PENDING


@pytest.mark.parametrize("state", [state for state in DeliveryState if not state.is_final])
def test_what_is_under_way_is_not_replayed(state: DeliveryState) -> None:
    """A delivery that may still arrive by itself is not doubled."""
    with pytest.raises(CannotReplay, match=state.value) as refused:
        again(change(DEAD, state=state))
    assert refused.value.code == "not_final"


def test_todays_rule_of_that_name_words_it() -> None:
    """A mended template is what a replay is for, so the old words are not kept."""
    assert again().message is None
    assert again().ruleset == TODAY.hash


def test_a_rule_that_is_gone_still_words_it() -> None:
    """Where the rule was renamed or removed, the message says again what it said."""
    gone = change(DEAD, rule="renamed since")
    assert again(gone).ruleset == "an earlier rule set"
    assert again(gone).message == Message(text="as it read then")
    assert again(gone).rule == "renamed since"


def test_a_rule_that_is_gone_words_it_anew_for_another_destination() -> None:
    """Markup belongs to the destination, so the old rule renders for the new one."""
    new = again(change(DEAD, rule="renamed since"), to="ops")
    assert (new.destination, new.ruleset, new.message) == ("ops", "an earlier rule set", None)


def test_an_event_forwarded_as_it_came_is_judged_by_its_destination_again() -> None:
    """What was forwarded as it came has no words to keep: its destination may be of another type today."""
    assert again(change(DEAD, rule="renamed since", message=Message(forward=True))).message is None


def test_a_replay_of_a_replay_names_the_one_before() -> None:
    """Each replay names the delivery it was made from."""
    assert again(change(DEAD, id=9, cause=Cause.REPLAY, origin_id=7)).origin_id == 9


def test_another_destination_may_be_named() -> None:
    """`to` sends it elsewhere, under the same rule."""
    new = again(to="ops")
    assert (new.rule, new.destination, new.ruleset) == ("pages", "ops", TODAY.hash)


def test_another_destination_saves_what_has_lost_its_own() -> None:
    """Dead letters of a destination that was taken out can be sent elsewhere."""
    assert again(change(DEAD, destination="taken out"), to="ops").destination == "ops"


@pytest.mark.parametrize(
    ("destination", "to", "code", "sentence"),
    [
        ("gone", None, "unknown_destination", r"'gone' is gone from the rule file; .*'to': one of: ops, wiki"),
        ("gone", "gone", "unknown_destination", r"'gone' is gone from the rule file"),
        ("wiki", "opps", "unknown_destination", r"no destination is named 'opps'; .*ops, wiki.*did you mean 'ops'"),
        ("wiki", "closed", "destination_disabled", r"'closed' is switched off; .*ops, wiki"),
        ("closed", None, "destination_disabled", r"'closed' is switched off; .*ops, wiki"),
    ],
)
def test_a_replay_needs_a_destination_that_takes_it(destination: str, to: str | None, code: str, sentence: str) -> None:
    """Nothing is made that would be a dead letter at once; the refusal says what to do."""
    with pytest.raises(CannotReplay, match=sentence) as refused:
        again(change(DEAD, destination=destination), to)
    assert refused.value.code == code


def test_without_any_destination_the_refusal_says_so() -> None:
    """With everything switched off there is nothing to choose from."""
    nothing = load_text(RULES.replace("{type: log}", "{type: log, enabled: false}"), "rules.yaml", {})
    with pytest.raises(CannotReplay, match="none is enabled"):
        again(today=nothing)


MAIL = Message(text="as it read then", accepted=("a@example.com",), refused={"b@example.com": "550 no such user"})


def test_who_has_a_mail_gets_no_second_copy_by_a_replay() -> None:
    """A replay of a dead letter goes on from there: the refused are tried anew, the others are left alone."""
    assert again(change(DEAD, message=MAIL)).message == Message(accepted=("a@example.com",))
    kept = again(change(DEAD, message=MAIL, rule="renamed since")).message
    assert kept == Message(text="as it read then", accepted=("a@example.com",))


def test_a_replay_that_never_got_to_write_its_message_hands_the_progress_on() -> None:
    """Who has it is known over any number of replays."""
    first = again(change(DEAD, message=MAIL))
    assert again(change(first, state=DeliveryState.DEAD)).message == Message(accepted=("a@example.com",))


def test_everybody_gets_what_is_replayed_on_purpose() -> None:
    """What was delivered, or goes elsewhere, goes to everybody."""
    delivered = change(DEAD, state=DeliveryState.DELIVERED, message=MAIL)
    assert again(delivered).message is None
    assert again(change(DEAD, message=MAIL), to="ops").message is None


# What a replay of many leaves alone


def kin(number: int, state: str, cause: str = "rule", of: int | None = None, to: str = "wiki") -> Kin:
    return Kin(number, 5, state, of, 0, to, "pages", cause)


DONE = [
    ("a dead letter that nobody has looked at", [kin(1, "dead")], 1, None),
    ("replayed, and under way", [kin(1, "dead"), kin(2, "pending", "replay", 1)], 1, "replayed"),
    ("replayed, and arrived", [kin(1, "dead"), kin(2, "delivered", "replay", 1)], 1, "replayed"),
    ("replayed in vain", [kin(1, "dead"), kin(2, "dead", "replay", 1)], 1, "replayed"),
    ("a replay in vain takes its place", [kin(1, "dead"), kin(2, "dead", "replay", 1)], 2, None),
    ("the fallback arrived", [kin(1, "dead"), kin(2, "delivered", "fallback", 1, "ops")], 1, "delivered_by_fallback"),
    ("the fallback is under way", [kin(1, "dead"), kin(2, "retrying", "fallback", 1, "ops")], 1, None),
    ("the fallback failed too", [kin(1, "dead"), kin(2, "dead", "fallback", 1, "ops")], 1, None),
    (
        "the fallback arrived when it was replayed",
        [kin(1, "dead"), kin(2, "dead", "fallback", 1, "ops"), kin(3, "delivered", "replay", 2, "ops")],
        1,
        "delivered_by_fallback",
    ),
    (
        "a failed fallback of what is replayed",
        [kin(1, "dead"), kin(2, "dead", "fallback", 1, "ops"), kin(3, "pending", "replay", 1)],
        2,
        "replayed",
    ),
    ("something else of the event arrived", [kin(1, "dead"), kin(2, "delivered", to="ops")], 1, None),
    ("what arrived is sent once more", [kin(1, "delivered")], 1, None),
    ("what arrived was sent once more", [kin(1, "delivered"), kin(2, "delivered", "replay", 1)], 1, "replayed"),
    ("that once more", [kin(1, "delivered"), kin(2, "delivered", "replay", 1)], 2, "replayed"),
    ("what was not sent on purpose", [kin(1, "suppressed")], 1, None),
    ("a replay that was not sent on purpose", [kin(1, "dead"), kin(2, "suppressed", "replay", 1)], 2, "replayed"),
    ("it has been forgotten", [kin(2, "dead")], 1, "event_gone"),
]


@pytest.mark.parametrize(("family", "number", "word"), [case[1:] for case in DONE], ids=[case[0] for case in DONE])
def test_what_was_dealt_with_is_left_alone(family: list[Kin], number: int, word: str | None) -> None:
    """A replay of many sends each message once, however often it is asked for."""
    assert dealt_with(number, family) == word


AGAIN = [
    ("replayed before, and arrived", [kin(1, "dead"), kin(2, "delivered", "replay", 1)], 1, None),
    ("replayed by this run", [kin(1, "dead"), kin(101, "pending", "replay", 1)], 1, "replayed"),
    ("replayed by this run, in vain", [kin(1, "dead"), kin(101, "dead", "replay", 1)], 1, "replayed"),
    ("its replay failed, and has its own turn", [kin(1, "dead"), kin(2, "dead", "replay", 1)], 1, "replayed"),
    ("that turn", [kin(1, "dead"), kin(2, "dead", "replay", 1)], 2, None),
    ("its replay failed elsewhere", [kin(1, "dead"), kin(2, "dead", "replay", 1, "ops")], 1, None),
    ("the fallback arrived", [kin(1, "dead"), kin(2, "delivered", "fallback", 1, "ops")], 1, None),
    ("it has been forgotten", [], 1, "event_gone"),
]


@pytest.mark.parametrize(("family", "number", "word"), [case[1:] for case in AGAIN], ids=[case[0] for case in AGAIN])
def test_again_sends_what_was_dealt_with(family: list[Kin], number: int, word: str | None) -> None:
    """`again` sends it once more, but also only once for each message and run."""
    assert dealt_with(number, family, again_from=100) == word


@pytest.mark.parametrize("state", list(DeliveryState))
def test_an_event_is_not_doubled_while_it_is_under_way(state: DeliveryState) -> None:
    """What is still to come from the same rule at the same destination is left to arrive by itself."""
    new = change(DEAD, id=9, state=DeliveryState.PENDING)
    assert under_way(new, [kin(1, state.value)]) == (None if state.is_final else "not_final")
    assert under_way(new, [kin(1, state.value, to="ops")]) is None
    assert under_way(change(new, rule="moves"), [kin(1, state.value)]) is None
