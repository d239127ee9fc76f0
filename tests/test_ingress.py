"""Ingress without a web server: what is admitted, refused, stored, and handed to the lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.answers import Answer
from router.events import DeliveryState
from router.ids import IdSource
from router.ingress import Admission, Ingress
from router.intake import LINES_PER_MINUTE, Limits, shown
from router.store.records import RuleSetText
from router.store.sqlite import SqliteStore
from tests.fakes import Clock
from tests.fakes_store import broken
from tests.ingress_parts import OLD_TOKEN, PAGE, RULES, TOKEN, Parts, configuration, parts, signed


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log of ingress; no test may leave a traceback in it unseen."""
    caplog.set_level(logging.INFO, "router.ingress")
    yield caplog
    assert not [line for line in caplog.records if line.exc_info]


def facts(record: logging.LogRecord) -> dict[str, Any]:
    return vars(record)


async def deliver(
    built: Parts, body: bytes = PAGE, headers: dict[str, str] | None = None, source: str = "spaces"
) -> Answer:
    return await built.ingress.accept(
        built.rules.sources[source], signed(body) if headers is None else headers, body, "192.0.2.1"
    )


def screen(built: Parts, path: str = "/hooks/spaces", length: int | None = 48, **headers: str) -> Answer | Admission:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return built.ingress.screen("POST", path, {"Signature": "0" * 64} | named, length, "192.0.2.1")


def status(answer: Answer | Admission) -> int | None:
    return answer.status if isinstance(answer, Answer) else None


# The head


def test_a_well_formed_head_is_admitted() -> None:
    """Whether the signature is right shows only with the body."""
    built = parts()
    admission = screen(built)
    assert isinstance(admission, Admission)
    assert admission.source.name == "spaces"
    assert admission.max_body_bytes == 5 * 1024 * 1024


@pytest.mark.parametrize("path", ["/", "", "/hooks", "/hooks/", "/hooks/other", "/hooks/spaces/", "/HOOKS/spaces", "*"])
def test_an_unknown_path_is_404(path: str) -> None:
    """Only configured sources have a path."""
    built = parts()
    assert status(screen(built, path)) == 404
    assert built.ingress.counts.answers == {("", "not_found"): 1}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "post"])
def test_another_method_is_405_and_says_which_one_to_use(method: str) -> None:
    """Deliveries are posted."""
    answer = parts().ingress.screen(method, "/hooks/spaces", {}, None)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_health_is_told_to_get_and_head_also_while_stopping() -> None:
    """It says only that the process answers."""
    built = parts()
    built.ingress.stop()
    built.store.available = False
    for method, expected in (("GET", 200), ("HEAD", 200), ("POST", 405)):
        answer = built.ingress.screen(method, "/healthz", {}, None)
        assert status(answer) == expected
    assert isinstance(answer, Answer)
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_declared_length_over_the_limit_is_413() -> None:
    """It is refused before it is read."""
    built = parts(limits=Limits(max_body_bytes=100))
    assert status(screen(built, length=100)) is None
    assert status(screen(built, length=101)) == 413


@pytest.mark.parametrize(
    "signature", ["", "0" * 63, "0" * 65, "é" * 32, "sha256=" + "0" * 64, "0" * 64 + "," + "0" * 64]
)
def test_a_malformed_signature_is_401_before_the_body_is_read(signature: str) -> None:
    """Nobody can fill our memory without knowing at least how a signature looks."""
    built = parts()
    answer = screen(built, Signature=signature)
    assert isinstance(answer, Answer)
    assert answer.status == 401
    assert answer.body["error"] == "invalid_signature"


def test_a_missing_signature_is_401_unless_the_source_is_unsigned() -> None:
    """`unsigned: true` is a decision of the admin."""
    ingress = parts().ingress
    assert status(ingress.screen("POST", "/hooks/spaces", {}, 5)) == 401
    assert status(ingress.screen("POST", "/hooks/open", {}, 5)) is None
    assert status(ingress.screen("POST", "/hooks/projects", {"Signature": "0" * 64}, 5)) == 401


@pytest.mark.parametrize(
    ("value", "expected"), [("3", None), ("4", 400), ("99999999999", 400), ("1, 9", 400), ("x", None), ("-5", None)]
)
def test_an_event_that_has_passed_more_than_three_routers_is_400(value: str, expected: int | None) -> None:
    """A loop ends; a value that is no number is nobody's count, and costs no event."""
    assert status(screen(parts(), Router_Hops=value)) == expected


def test_what_cannot_be_stored_now_is_503_with_retry_after() -> None:
    """Nothing is promised, and Spaces tries again."""
    built = parts(limits=Limits(queue=10, unfinished_bytes=100))

    def in_trouble(available: bool = True, waiting: int = 0, held: int = 0) -> Answer | Admission:
        built.store.available, built.store.waiting, built.ingress.intake.held = available, waiting, held
        return screen(built)

    for answer in (in_trouble(available=False), in_trouble(waiting=10), in_trouble(held=100)):
        assert isinstance(answer, Answer)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert isinstance(in_trouble(waiting=9, held=99), Admission)
    built.ingress.stop()
    assert status(screen(built)) == 503
    troubles = ("store_unavailable", "queue_full", "too_much_at_once", "stopping")
    assert built.ingress.counts.answers == {("spaces", trouble): 1 for trouble in troubles}


def test_a_nearly_full_disk_is_503_and_looked_at_once_a_second() -> None:
    """100 MB stay free for the store to end well."""
    clock = Clock()
    free = [99_999_999]
    asked = []

    def free_bytes() -> int:
        asked.append(clock.monotonic())
        return free[0]

    built = parts(clock=clock, free_bytes=free_bytes)
    assert status(screen(built)) == 503
    free[0] = 100_000_000
    assert status(screen(built)) == 503
    clock.advance(seconds=1)
    assert status(screen(built)) is None
    assert len(asked) == 2


def test_a_disk_that_cannot_be_asked_is_left_to_the_store() -> None:
    """The store finds out by itself."""

    def free_bytes() -> int:
        raise OSError("gone")

    assert status(screen(parts(free_bytes=free_bytes))) is None


def test_a_failure_of_ours_on_the_head_is_503(caplog: pytest.LogCaptureFixture) -> None:
    """The sender tries again; the log has the traceback."""
    built = parts()
    del built.rules
    assert status(screen(built)) == 503
    assert [line.message for line in caplog.records if line.exc_info] == ["request.failed"]


# The body


async def test_a_signed_delivery_is_stored_judged_and_handed_over(lines: pytest.LogCaptureFixture) -> None:
    """One commit holds the event and its deliveries; then the lanes get them."""
    built = parts()
    answer = await deliver(built, headers=signed(event="page.updated.moved") | {"User-Agent": "ua", "X-Other": "x"})
    [(event, deliveries)] = built.store.stored
    assert (answer.status, answer.body) == (200, {"status": "stored", "event": str(event.id)})
    assert (event.source, event.name, event.upstream_id) == ("spaces", "page.updated.moved", "d-1")
    assert event.body == PAGE
    assert event.headers == {"Event": "page.updated.moved", "Delivery": "d-1", "User-Agent": "ua"}
    assert event.ruleset == built.rules.hash
    assert event.facts == {"rules": ["pages", "moves"]}
    assert [(item.rule, item.destination, item.state, item.reason) for item in deliveries] == [
        ("pages", "docs", DeliveryState.PENDING, ""),
        ("moves", "audit", DeliveryState.PENDING, ""),
        ("moves", "closed", DeliveryState.DEAD, "destination removed"),
    ]
    assert [(item.event_id, item.due_at, item.epoch) for item in deliveries] == [
        (event.id, built.clock.now(), None)
    ] * 3
    assert event.id < deliveries[0].id < deliveries[1].id < deliveries[2].id
    assert built.lanes.handed_over == [(event, deliveries)]
    assert [line.message for line in lines.records] == ["event.accepted", "delivery.dead"]
    said = facts(lines.records[0])
    assert (said["event_id"], said["event_name"], said["source"]) == (str(event.id), event.name, "spaces")
    assert (said["rules"], said["deliveries"], said["peer"]) == (["pages", "moves"], 3, "192.0.2.1")
    assert built.ingress.counts.answers == {("spaces", "stored"): 1}
    assert built.ingress.counts.events == {("spaces", event.name): 1}
    assert built.ingress.arrivals == {"spaces": event.received_at}


async def test_a_free_slot_makes_a_delivery_sending_in_the_events_own_commit() -> None:
    """No second commit is needed before its first byte leaves."""
    built = parts()
    built.lanes.free = {"docs": 1, "audit": 0}
    await deliver(built, headers=signed(event="page.updated.moved"))
    docs, audit, _ = built.store.stored[0][1]
    assert (docs.state, docs.epoch) == (DeliveryState.SENDING, 7)
    assert (audit.state, audit.epoch) == (DeliveryState.PENDING, None)
    assert built.lanes.free["docs"] == 0


async def test_a_dry_run_takes_no_slot() -> None:
    """Nothing is ever under way in a dry run."""
    built = parts(dry_run=True)
    built.lanes.free = {"docs": 1}
    await deliver(built)
    assert built.store.stored[0][1][0].state is DeliveryState.PENDING
    assert built.lanes.free == {"docs": 1}


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
async def test_any_active_token_will_do(token: str) -> None:
    """Tokens rotate without a gap."""
    answer = await deliver(parts(), headers=signed(token=token))
    assert answer.status == 200


async def test_a_wrong_signature_is_401_and_leaves_nothing(lines: pytest.LogCaptureFixture) -> None:
    """It says nothing about which part was wrong, not even whether the body could be read."""
    built = parts()
    answers = [
        await deliver(built, body, signed(body, token="another"))
        for body in (PAGE, b"not json", b"")
    ]  # fmt: skip
    answers.append(await deliver(built, headers=signed() | {"Signature": "é"}))
    answers.append(await deliver(built, headers={"Event": "page.created"}))
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.body) for answer in answers}) == 1
    assert (built.store.stored, built.store.rejections, built.lanes.handed_over) == ([], [], [])
    assert {line.message for line in lines.records} == {"event.unauthorized"}
    assert built.ingress.counts.answers == {("spaces", "invalid_signature"): 5}


async def test_an_unsigned_source_is_not_verified() -> None:
    """Whatever signature comes with it."""
    answer = await deliver(parts(), headers={"Event": "page.created", "Signature": "x"}, source="open")
    assert answer.status == 200


async def test_another_product_names_its_headers_differently() -> None:
    """A kind is a matter of header names."""
    built = parts()
    plain = signed(event="TASK.CREATED")
    headers = {f"X-Projects-{name}": value for name, value in plain.items()}
    assert (await deliver(built, headers=headers, source="projects")).status == 200
    assert (await deliver(built, headers=plain, source="projects")).status == 401
    assert built.store.events[0].headers == {"X-Projects-Event": "TASK.CREATED", "X-Projects-Delivery": "d-1"}


READABLE = [
    b"{}",
    b"[]",
    b"null",
    b"5",
    b'"text"',
    b"[1, [2, [3]]]",
    b'{"page": {"id": 5148, "title": "\\ud800"}}',
    b'{"page": {"title": "a\\u0000b"}}',
    b'{"page": {"id": ' + b"9" * 400 + b"}}",
    b'{"page": {"id": 1e400}}',
    b"\xef\xbb\xbf{}",
    b"[" * 200 + b"]" * 200,
    b'{"page": {"id": 1}, "page": {"id": 2}}',
]


@pytest.mark.parametrize("body", READABLE, ids=range(len(READABLE)))
async def test_any_json_value_with_a_good_signature_is_stored(body: bytes, lines: pytest.LogCaptureFixture) -> None:
    """Shapes of some bodies are undocumented, and 400 would lose them for good."""
    built = parts()
    assert (await deliver(built, body)).status == 200
    assert built.store.events[0].body == body


UNREADABLE = [
    b"",
    b"{",
    b"not json",
    b'{"a": NaN}',
    b"Infinity",
    b'{"a": "\xff"}',
    b'"\xed\xa0\x80"',
    b"[" * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"\x00",
    b"{}{}",
    b"event=TASK%2ECREATED&objectId=5",
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
async def test_a_well_signed_body_that_is_not_json_is_400_and_kept(
    body: bytes, lines: pytest.LogCaptureFixture
) -> None:
    """No reattempt can cure it, so a person must see it."""
    built = parts()
    answer = await deliver(built, body)
    assert (answer.status, answer.body["error"]) == (400, "unreadable_body")
    [kept] = built.store.rejections
    assert (kept.source, kept.body, kept.reason) == ("spaces", body, answer.body["message"])
    assert kept.headers == {"Event": "page.created", "Delivery": "d-1"}
    assert built.store.stored == []
    assert [line.message for line in lines.records] == ["event.rejected"]


@pytest.mark.parametrize("name", [None, "", " ", "page created", "page.created,page.deleted", "ü", "x" * 201, "a..b"])
async def test_a_missing_or_bad_event_name_is_400_and_kept(name: str | None, lines: pytest.LogCaptureFixture) -> None:
    """Without a name there is nothing to judge."""
    built = parts()
    answer = await deliver(built, headers=signed(event=name))
    assert (answer.status, answer.body["error"]) == (400, "bad_event_name")
    assert "Event" in str(answer.body["message"])
    assert len(built.store.rejections) == 1


async def test_an_event_outside_the_catalogue_is_stored_and_matched_like_any_other() -> None:
    """The vendor's list may grow."""
    built = parts()
    await deliver(built, headers=signed(event="Page.PAINTED"))
    [(event, deliveries)] = built.store.stored
    assert event.name == "Page.PAINTED"
    assert [delivery.rule for delivery in deliveries] == ["pages"]


async def test_an_event_that_no_rule_matches_is_stored_all_the_same() -> None:
    """It can be replayed once there is a rule for it."""
    built = parts()
    assert (await deliver(built, headers=signed(event="user.updated"))).status == 200
    assert built.store.stored[0][1] == ()


# Repeats


async def test_a_repeat_is_200_and_forwards_nothing(lines: pytest.LogCaptureFixture) -> None:
    """The log names the event that was stored before."""
    built = parts()
    built.lanes.free = {"docs": 2}
    first = await deliver(built)
    second = await deliver(built)
    assert (second.status, second.body) == (200, {"status": "repeat", "event": first.body["event"]})
    assert len(built.lanes.handed_over) == 1
    assert built.lanes.free == {"docs": 1}
    assert lines.records[-1].message == "event.repeated"
    assert facts(lines.records[-1])["event_id"] == first.body["event"]
    assert built.ingress.counts.answers == {("spaces", "stored"): 1, ("spaces", "repeat"): 1}


async def test_the_same_body_under_another_delivery_is_stored_and_marked(lines: pytest.LogCaptureFixture) -> None:
    """Two events can carry one model; an attacker can replay one, too."""
    built = parts()
    await deliver(built)
    answer = await deliver(built, headers=signed(delivery="d-2"))
    assert answer.body["status"] == "stored"
    assert [event.repeated_body for event, _ in built.lanes.handed_over] == [False, True]
    assert (lines.records[-1].levelname, facts(lines.records[-1])["repeated_body"]) == ("WARNING", True)
    assert built.ingress.counts.repeated_bodies == {"spaces": 1}


async def test_events_are_counted_by_the_names_of_the_catalogue() -> None:
    """Names come from outside: whatever the catalogue does not have is `other`, so that nobody fills our memory."""
    built = parts()
    for event in ("page.updated", "PAGE.Updated", "invented.one", "invented.two"):
        await deliver(built, headers=signed(event=event))
    assert built.ingress.counts.events == {("spaces", "page.updated"): 2, ("spaces", "other"): 2}
    assert built.ingress.counts.answers == {("spaces", "stored"): 4}


async def test_without_a_delivery_id_a_repeat_comes_within_20_minutes() -> None:
    """Later, it is an event of its own."""
    clock = Clock()
    built = parts(clock=clock)
    answers = []
    for minutes in (0, 19, 2):
        clock.advance(minutes=minutes)
        answers.append((await deliver(built, headers=signed(delivery=None))).body["status"])
    assert answers == ["stored", "repeat", "stored"]


async def test_a_delivery_id_that_cannot_be_one_counts_as_none() -> None:
    """It is not stored, and does not keep the event out."""
    built = parts()
    await deliver(built, headers=signed(delivery="x" * 201))
    assert built.store.events[0].upstream_id is None


# When something fails


async def test_a_store_that_cannot_write_is_503_and_the_slots_are_free_again() -> None:
    """Nothing was promised, and nothing is kept busy."""
    built = parts()
    built.lanes.free = {"docs": 1}
    built.store.trouble = broken()
    answer = await deliver(built)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert built.lanes.free == {"docs": 1}
    assert built.lanes.handed_over == []
    built.store.trouble = None
    assert (await deliver(built)).status == 200


async def test_what_cannot_be_kept_is_not_answered_400() -> None:
    """400 would be the end of it, and nobody would see it."""
    built = parts()
    built.store.trouble = broken()
    assert (await deliver(built, b"not json")).status == 503


@pytest.mark.parametrize("body", [PAGE, b"not json"])
async def test_a_bug_is_503_with_a_traceback_in_the_log(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was promised; an upgrade within 16 minutes loses nothing."""
    built = parts()
    built.lanes.free = {"docs": 1}
    built.store.trouble = ZeroDivisionError("a bug")
    answer = await deliver(built, body)
    assert answer.status == 503
    assert "bug" not in str(answer.body)
    assert built.lanes.free == {"docs": 1}
    assert [line.message for line in caplog.records if line.exc_info] == ["event.failed"]


async def test_lanes_that_fail_do_not_take_the_promise_back(caplog: pytest.LogCaptureFixture) -> None:
    """The event is on disk; the lanes find it there."""
    built = parts()
    built.lanes.trouble = ZeroDivisionError("a bug")
    assert (await deliver(built)).status == 200
    assert [line.message for line in caplog.records if line.exc_info] == ["event.not_handed_over"]


async def test_events_are_handed_over_in_their_order_whichever_commit_ends_first() -> None:
    """A lane starts deliveries in event order."""
    built = parts()
    gates: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    built.store.gates = list(gates)
    waiting = [asyncio.ensure_future(deliver(built, headers=signed(delivery=f"d-{number}"))) for number in range(3)]
    await asyncio.sleep(0)
    for gate, handed_over in ((2, []), (1, []), (0, ["d-0", "d-1", "d-2"])):
        gates[gate].set_result(None)
        await waiting[gate]
        assert [event.upstream_id for event, _ in built.lanes.handed_over] == handed_over


async def test_a_commit_that_fails_does_not_hold_up_those_behind_it() -> None:
    """Its turn is simply over."""
    built = parts()
    gates: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(2)]
    built.store.gates = list(gates)
    waiting = [asyncio.ensure_future(deliver(built, headers=signed(delivery=f"d-{number}"))) for number in range(2)]
    await asyncio.sleep(0)
    gates[1].set_result(None)
    gates[0].set_exception(broken())
    assert [(await answer).status for answer in waiting] == [503, 200]
    assert [event.upstream_id for event, _ in built.lanes.handed_over] == ["d-1"]


async def test_each_event_is_judged_by_exactly_one_rule_set() -> None:
    """A reload between two events shows in the hash that each records."""
    built = parts()
    await deliver(built)
    old = built.rules
    built.rules = configuration(RULES.replace("to: docs", "to: audit"))
    await deliver(built, headers=signed(delivery="d-2"))
    assert [event.ruleset for event in built.store.events] == [old.hash, built.rules.hash]
    assert [deliveries[0].destination for _, deliveries in built.store.stored] == ["docs", "audit"]


async def test_an_event_that_was_read_before_a_reload_and_judged_after_it_names_the_new_rules() -> None:
    """What is looked up later, for a retry or an explanation, are the rules that judged it."""
    built = parts()
    gates: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(2)]
    built.store.gates = list(gates)
    old = built.rules
    waiting = [asyncio.ensure_future(deliver(built, headers=signed(delivery=f"d-{number}"))) for number in range(2)]
    await asyncio.sleep(0)  # the first is being stored, and the second is read
    built.rules = configuration(RULES.replace("to: docs", "to: audit"))
    for gate in gates:
        gate.set_result(None)
    assert [(await answer).status for answer in waiting] == [200, 200]
    assert [event.ruleset for event in built.store.events] == [old.hash, built.rules.hash]
    judged = [(delivery.destination, delivery.ruleset) for _, [delivery] in built.store.stored]
    assert judged == [("docs", old.hash), ("audit", built.rules.hash)]


async def test_what_a_file_says_of_spaces_counts_with_its_rules() -> None:
    """Not what the file said that was in use when the request was read."""
    built = parts()
    rules = RULES.replace("  - name: pages\n", "  - name: pages\n    when: {space.code: new}\n")
    of_source = "  spaces:\n    spaces: {42: {code: %s}}\n"
    built.rules = configuration(rules.replace("  spaces:\n", of_source % "old"))
    source = built.rules.sources["spaces"]
    built.rules = configuration(rules.replace("  spaces:\n", of_source % "new"))
    body = b'{"page":{"id":5148,"space":{"id":42}}}'
    assert (await built.ingress.accept(source, signed(body), body)).status == 200
    assert built.store.events[0].facts["rules"] == ["pages"]


async def test_conditions_see_the_body() -> None:
    """A rule with `when` matches by what the body says."""
    built = parts()
    for number, content in enumerate(["release", "other"]):
        body = f'{{"comment":{{"id":{number},"content":"{content}"}}}}'.encode()
        await deliver(built, body, signed(body, "comment.created"))
    assert [event.facts["rules"] for event in built.store.events] == [["release"], []]


# With the real store


async def test_the_store_on_disk_keeps_what_was_promised(tmp_path: Path) -> None:
    """Stored, repeat, repeated body and rejection, as a second look at the file shows them."""
    clock = Clock()
    built = parts(clock=clock)
    store = SqliteStore(tmp_path / "router.db", clock)
    await store.open()
    try:
        await store.save_ruleset(RuleSetText(built.rules.hash, RULES, {}, clock.now()))
        ingress = Ingress(
            configuration=lambda: built.rules, store=store, lanes=built.lanes, ids=IdSource(clock), clock=clock
        )
        source = built.rules.sources["spaces"]
        told = [
            (await ingress.accept(source, signed(body, event, delivery), body)).body
            for body, event, delivery in (
                (PAGE, "page.created", "d-1"),
                (PAGE, "page.created", "d-1"),
                (PAGE, "page.created", "d-2"),
                (PAGE, "page.updated", "d-1"),
                (b"{}", "page.created", "d-1"),
                (b"not json", "page.created", "d-3"),
            )
        ]
        assert [said.get("status", said.get("error")) for said in told] == [
            *("stored", "repeat", "stored", "stored", "stored", "unreadable_body")
        ]
        assert told[0]["event"] == told[1]["event"]
        event = await store.event(int(told[0]["event"]))
        assert event is not None
        assert (event.body, event.upstream_id, event.facts) == (PAGE, "d-1", {"rules": ["pages"]})
        assert [handed.repeated_body for handed, _ in built.lanes.handed_over] == [False, True, True, False]
        assert [kept.body for kept in await store.rejected(None, 10, None)] == [b"not json"]
        assert store.waiting == 4
    finally:
        await store.close()
    with_nothing_open = await ingress.accept(source, signed(delivery="d-4"), PAGE)
    assert with_nothing_open.status == 503


# The log


async def test_a_flood_of_wrong_signatures_is_no_flood_of_lines(lines: pytest.LogCaptureFixture) -> None:
    """Ten lines a minute, then a count."""
    clock = Clock()
    built = parts(clock=clock)
    for _ in range(LINES_PER_MINUTE + 25):
        await deliver(built, headers=signed(token="another"))
    assert len(lines.records) == LINES_PER_MINUTE
    clock.advance(minutes=1)
    assert facts(lines.records[-1])["further_refusals"] == 25
    assert facts(lines.records[-1])["source"] == "spaces"
    await deliver(built, headers=signed(token="another"))
    clock.advance(minutes=5)
    assert len(lines.records) == LINES_PER_MINUTE + 2
    assert built.ingress.counts.answers["spaces", "invalid_signature"] == LINES_PER_MINUTE + 26


async def test_text_from_outside_is_short_and_on_one_line_in_the_log(lines: pytest.LogCaptureFixture) -> None:
    """Nobody writes lines of his own into our log."""
    await deliver(parts(), headers=signed(event="x\n" * 4000, delivery="a\x1b[31m", token="another"))
    said = facts(lines.records[0])
    assert len(said["event_name"]) <= 256
    assert "\n" not in said["event_name"]
    assert said["upstream_id"] == "a\\x1b[31m"


def test_shown_text() -> None:
    """Printable text stays as it is."""
    assert shown("Zoë / 5") == "Zoë / 5"
    assert shown("a\u2028b\x00") == "a\\u2028b\\x00"
    assert len(shown("x" * 1000)) == len(shown("\n" * 1000)) == 256
