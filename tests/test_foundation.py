"""Ids, durations, bodies, secrets, logs: the small parts that everything stands on."""

from __future__ import annotations

import io
import itertools
import json
import logging
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.clock import SystemClock, from_ms, rfc3339, to_ms
from router.config.settings import Address
from router.delivery.pace import Pace
from router.delivery.suspects import Suspects
from router.durations import format_duration, parse_duration
from router.errors import UnreadableBody
from router.events import Message
from router.fields import Rate
from router.ids import IdSource
from router.logs import LogFormat, configure_logging
from router.payload import dump_json, parse_body
from router.secret import Redactor, Secret
from tests.fakes import START, Clock


def test_ids_grow_even_when_the_clock_stands_still() -> None:
    """A million ids of one moment are distinct and in order, and fit 63 bits."""
    ids = IdSource(Clock())
    made = [ids.next() for _ in range(1_100_000)]
    assert all(a < b for a, b in itertools.pairwise(made))
    assert made[-1] < 2**63


def test_ids_go_beyond_what_others_made() -> None:
    """Ids that another clock made may be ahead; from then on all are greater, and never smaller again."""
    clock = Clock()
    ids, others = IdSource(clock), IdSource(Clock(START + timedelta(hours=2)))
    ahead = [others.next() for _ in range(1000)]
    ids.go_beyond(ahead[-1])
    made = [ids.next() for _ in range(1000)]
    ids.go_beyond(made[0])
    ids.go_beyond(0)
    made.append(ids.next())
    assert made == sorted(set(made))
    assert made[0] > ahead[-1]


def test_ids_of_two_nodes_do_not_meet() -> None:
    """Two nodes with the same clock give different ids."""
    clock = Clock()
    one, other = IdSource(clock), IdSource(clock)
    assert {one.next() for _ in range(100)}.isdisjoint({other.next() for _ in range(100)})


@given(st.datetimes().map(lambda moment: moment.replace(tzinfo=START.tzinfo)))
def test_stored_times_are_exact_to_the_millisecond(moment: datetime) -> None:
    """A time comes back from the store as it went in, cut to milliseconds."""
    assert timedelta(0) <= moment - from_ms(to_ms(moment)) < timedelta(milliseconds=1)


def test_times_are_written_in_utc() -> None:
    """The API and the logs write one form of time."""
    assert rfc3339(START) == "2026-03-02T09:15:00.000Z"


def test_the_systems_clock_does_not_run_backward() -> None:
    """A thousand looks at the clock are in order."""
    clock = SystemClock()
    looks = [clock.now() for _ in range(1000)]
    assert looks == sorted(looks)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1d2h3m4s", 93784), ("0s", 0)],
)
def test_durations_read_as_written(text: str, seconds: int) -> None:
    """The rule file's lengths of time."""
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "1.5h", "30m1h", "5m5m", "١s", "1w", "5M"])
def test_other_durations_are_refused(text: str) -> None:
    """Anything else is an error that shows what is expected."""
    with pytest.raises(ValueError, match="such as 30s, 5m, 2h, 1d or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b"null", None),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"1" * 400, int("1" * 400)),
        (b'"\\ud800x"', "\ufffdx"),
        (b'{"\\ud800": "a\\u0000b"}', {"\ufffd": "a\x00b"}),
        (b"[" + b"9" * 5000 + b", -" + b"9" * 5000 + b", 7]", [1.7976931348623157e308, -1.7976931348623157e308, 7]),
        (
            b'{"\\\\ud800": "\\ud83d\\ude00", "n": [null, 1.5, true, "\\udc00"]}',
            {"\\ud800": "😀", "n": [None, 1.5, True, "\ufffd"]},
        ),
        (b"[1e400, -1e400]", [1.7976931348623157e308, -1.7976931348623157e308]),
        (b"[" * 900 + b"]" * 900, None),
    ],
)
def test_odd_but_legal_bodies_are_read(body: bytes, value: object) -> None:
    """Whatever JSON allows is read, and can be written and sent again."""
    read = parse_body(body)
    if value is not None:
        assert read == value
    assert parse_body(dump_json(read)) == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b"[NaN, " + b"9" * 5000 + b"]",
        b"a=1&b=2",
        b"<xml/>",
    ],
)
def test_what_is_not_json_is_named(body: bytes) -> None:
    """Anything else is one kind of error, with a sentence."""
    with pytest.raises(UnreadableBody, match="the body"):
        parse_body(body)


@given(st.binary(max_size=200))
def test_reading_a_body_never_fails_otherwise(body: bytes) -> None:
    """Any bytes are a value or an UnreadableBody."""
    try:
        value = parse_body(body)
    except UnreadableBody:
        return
    dump_json(value)


@pytest.mark.parametrize(
    "message",
    [
        Message(text="hello"),
        Message(text="hello", subject="Hi", blocks=[{"type": "divider"}]),
        Message(body={"a": None}, has_body=True),
        Message(body=None, has_body=True),
        Message(forward=True),
    ],
)
def test_messages_survive_the_store(message: Message) -> None:
    """A message is re-sent as it was rendered."""
    assert Message.decode(message.encode()) == message


def test_a_secret_never_prints() -> None:
    """Formatting, joining and representing a secret shows three stars."""
    secret = Secret("hunter2hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret:>20}"
    assert secret.reveal() == "hunter2hunter2"
    assert secret == Secret("hunter2hunter2")
    assert secret != Secret("other")


@pytest.mark.parametrize("log_format", LogFormat)
def test_logs_mask_secrets_and_stay_on_one_line(log_format: LogFormat) -> None:
    """No secret reaches a log, in either format, and a value cannot forge a line of its own."""
    token = 'to"ken\nwith quotes'
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logging(log_format, "info", Redactor([Secret(token), "https://hooks.example/T0/B0/xyz"]), stream)
        logging.getLogger("router.test").warning(
            "thing.happened",
            extra={
                "detail": f"posting to https://hooks.example/T0/B0/xyz with {token} failed",
                "key": "tkn.v1_abcdef",
                "title": "a\n2026-01-01 ERROR forged\u2028x",
                "count": 3,
            },
        )
    finally:
        root.handlers, root.level = handlers, level
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert "xyz" not in written
    assert "with quotes" not in written
    assert "abcdef" not in written
    assert "thing.happened" in written
    if log_format is LogFormat.JSON:
        line = json.loads(written)
        assert line["action"] == "thing.happened"
        assert line["count"] == 3


def test_pace_spaces_starts_evenly() -> None:
    """One start per interval, with nothing saved up while idle; a pause holds all."""
    pace = Pace(Rate(1, 1.0))
    assert pace.wait(100.0) == 0
    pace.start(100.0)
    assert pace.wait(100.25) == pytest.approx(0.75)
    assert pace.wait(500.0) == 0
    pace.pause(600.0)
    pace.pause(550.0)
    assert pace.wait(500.0) == pytest.approx(100.0)


def test_a_delivery_interrupted_twice_is_sent_alone() -> None:
    """So that the one which ends the process is told from those that were only beside it."""
    changes: list[bool] = []
    suspects = Suspects(lambda: changes.append(True))
    assert suspects.may_start(2)
    suspects.started(1, 2)
    assert not suspects.may_start(1)
    assert not suspects.may_start(3)
    assert suspects.may_start(0)
    suspects.ended(1)
    assert changes == [True]
    suspects.started(2, 1)
    assert suspects.may_start(1)
    assert not suspects.may_start(2)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("192.168.1.5", False),
        ("127.0.0.1.nip.io", False),
        ("127.example.com", False),
        ("::", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, *, expected: bool) -> None:
    """A name that begins like a loopback address may lead anywhere, so it needs a token as every other one."""
    assert Address(host, 8081).is_loopback is expected
