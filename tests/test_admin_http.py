"""The admin side as its callers meet it: wrong requests, foreign pages, tokens, secrets, and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from router.admin.api import make_admin
from router.config.settings import Address
from router.events import DeliveryState
from router.secret import Secret
from tests.admin_calls import PAGE, RULES, ask, failing
from tests.running import TOKEN, RunningRouter
from tests.sinks import Sink, answer, refused_port
from tests.waiting import until

GET_PATHS = ["/-/healthy", "/-/ready", "/api/v1/events", "/api/v1/deliveries", "/api/v1/stats", "/api/v1/rejected"]
POST_PATHS = [
    "/-/reload",
    "/api/v1/events/1/replay",
    "/api/v1/deliveries/1/replay",
    "/api/v1/deliveries/1/release",
    "/api/v1/preview",
    "/api/v1/replay",
    "/api/v1/rejected/1/replay",
]


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, RULES) as running:
        yield running


async def wire(router: RunningRouter, request: bytes) -> bytes:
    """Send bytes, and read until the router closes."""
    host, _, port = router.app.admin_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


# Totals, and what was refused at the front door


async def test_totals_and_destinations(tmp_path: Path) -> None:
    """Totals by state, and for each destination of today how it stands, used or not."""
    async with Sink() as sink, RunningRouter(tmp_path, failing(sink.url).replace("retry: []", "retry: [1m]")) as router:
        sink.answer_with(answer(200), answer(429, headers={"Retry-After": "600"}))
        for _ in range(2):
            await router.accept("page.updated", PAGE)
            await router.settle()
        stats = await router.get("stats")
        assert set(stats) == {"events", "deliveries", "destinations"}
        assert stats["events"] == 2
        assert stats["deliveries"] == dict.fromkeys(DeliveryState, 0) | {"retrying": 1, "delivered": 1}
        assert stats["destinations"]["wiki"] == {
            "pending": 1,
            "paused_until": "2026-03-02T09:25:00.000Z",
            "consecutive_failures": 0,
            "last_success_at": "2026-03-02T09:15:00.000Z",
        }
        unused = {"pending": 0, "paused_until": None, "consecutive_failures": 0, "last_success_at": None}
        assert stats["destinations"]["ops"] == stats["destinations"]["closed"] == unused
        sink.answer_with(answer(503))
        await router.advance(minutes=10)
        wiki = (await router.get("stats"))["destinations"]["wiki"]
        assert (wiki["paused_until"], wiki["consecutive_failures"]) == (None, 1)


async def test_what_was_answered_400_can_be_seen(router: RunningRouter) -> None:
    """A well-signed request that no reattempt can cure is kept with its body, whatever bytes these are."""
    bodies = [b"not json", b"\xff\xfe{", b"x" * 10_000]
    for body in bodies:
        assert (await router.receive("page.updated", body)).status_code == 400
        router.clock.advance(seconds=1)
    listed = await router.get("rejected")
    assert listed["next"] is None
    newest, binary, oldest = listed["rejected"]
    assert set(oldest) == {"id", "source", "received_at", "reason", "headers", "body", "size"}
    assert (oldest["source"], oldest["body"], oldest["size"]) == ("spaces", "not json", 8)
    assert oldest["received_at"] == "2026-03-02T09:15:00.000Z"
    assert "not JSON" in oldest["reason"]
    assert oldest["headers"]["Event"] == "page.updated"
    assert binary["body"] == "\ufffd\ufffd{"
    assert (len(newest["body"]), newest["size"]) == (4096, 10_000)
    first_page = await router.get("rejected", limit=2, since="2026-03-02T09:15:00Z")
    assert len(first_page["rejected"]) == 2
    rest = await router.get("rejected", cursor=first_page["next"])
    assert [rejection["id"] for rejection in rest["rejected"]] == [oldest["id"]]


# Wrong requests


WRONG_QUERIES = [
    ("limit=0", "limit is '0'; expected a whole number from 1 to 500"),
    ("limit=501", "limit is '501'"),
    ("limit=ten", "limit is 'ten'"),
    ("limit=-1", "limit is '-1'"),
    ("limit=" + "9" * 400, "limit is '999"),
    ("limit=٥", "limit is '٥'"),
    ("since=yesterday", "since is 'yesterday'; expected a time with its offset, such as 2026-03-02T09:15:00Z"),
    ("since=2026-03-02T09:15:00", "since is '2026-03-02T09:15:00'"),
    ("since=2026-02-30T09:15:00Z", "since is"),
    ("since=0001-01-01T00:00:00%2B10:00", "since is"),
    ("since=9999-12-31T23:59:59-10:00", "since is"),
    ("since=2026-03-02", "since is '2026-03-02'"),
    ("cursor=12", "cursor is '12'; expected the text of 'next'"),
    ("cursor=ZXZlbnRzOjEy", "cursor is"),  # one of the list of events
    ("cursor=é", "cursor is 'é'"),
    ("state=deaf", "state is 'deaf'; expected one of: held, pending"),
    ("state=deaf", "(did you mean 'dead'?)"),
    ("event=abc", "event is 'abc'; expected the id of an event"),
    ("event=99999999999999999999", "event is"),
    ("dest=ops", "unknown query parameter 'dest'; expected one of: state, destination"),
    ("destinaton=ops", "(did you mean 'destination'?)"),
    ("state=dead&state=held", "state is given twice"),
    ("rule=%ff", "the query cannot be read"),
    ("%0a%1b[31m=1", r"unknown query parameter '\n\x1b[31m'"),
]


async def test_a_query_with_a_mistake_is_400(router: RunningRouter) -> None:
    """A query that cannot be meant is not guessed at: the answer names the parameter and what is expected."""
    for query, sentence in WRONG_QUERIES:
        status, told = await ask(router, f"/api/v1/deliveries?{query}")
        assert (status, told["error"]) == (400, "bad_request"), query
        assert sentence in told["message"], query


async def test_unknown_parameters_are_never_ignored(router: RunningRouter) -> None:
    """A misspelled filter must not look like an answer."""
    for path in (*GET_PATHS, "/api/v1/events/1", "/api/v1/deliveries/1"):
        status, told = await ask(router, f"{path}?colour=red")
        assert status == 400
        assert "'colour'" in told["message"]


NOWHERE = [
    "/",
    "/metrics/",
    "/api/v1",
    "/api/v1/events/",
    "/api/v1/events/abc",
    "/api/v1/events/1/replays",
    "/api/v1/previews",
    "/api/v1/deliveries/-1",
    "/api/v2/events",
    "/-/Ready",
    "/hooks/spaces",
    "//api/v1/events",
    "/%ff",
    "/é",
    "/api/v1/deliveries/99999999999999999999",
    "/api/v1/events/9223372036854775808",
    "/api/v1/events/5",
]


async def test_what_is_not_there_is_404(router: RunningRouter) -> None:
    """Other paths, and ids of nothing, are answered in JSON."""
    for path in NOWHERE:
        status, told = await ask(router, path)
        assert (status, told["error"]) == (404, "not_found"), path
        assert set(told) == {"error", "message"}, path


async def test_a_misspelled_path_gets_a_hint(router: RunningRouter) -> None:
    """The nearest path is named."""
    _, told = await ask(router, "/api/v1/delivery")
    assert "did you mean '/api/v1/deliveries'?" in told["message"]


async def test_reading_calls_take_get_and_head(router: RunningRouter) -> None:
    """Any other method is 405, and says which ones there are."""
    for path in (*GET_PATHS, "/api/v1/events/1"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"):
            answered = await router.client.request(method, router.app.admin_url + path)
            assert answered.status_code == 405
            assert answered.headers["Allow"] == "GET, HEAD"
            assert answered.json()["error"] == "method_not_allowed"


async def test_changing_calls_take_post(router: RunningRouter) -> None:
    """A link or a preview of a browser can never set something off."""
    for path in POST_PATHS:
        for method in ("GET", "HEAD", "PUT"):
            answered = await router.client.request(method, router.app.admin_url + path)
            assert answered.status_code == 405
            assert answered.headers["Allow"] == "POST"


async def test_head_tells_the_same_without_the_body(router: RunningRouter) -> None:
    """HEAD works wherever GET does."""
    for path in GET_PATHS:
        full = await router.client.get(router.app.admin_url + path)
        head = await router.client.head(router.app.admin_url + path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == full.headers["Content-Length"]


USELESS_BODIES = [
    (b"{", "not JSON"),
    (b"\n", "not JSON"),
    (b"[]", "no object"),
    (b'"ops"', "no object"),
    (b'{"too": "ops"}', "did you mean 'to'?"),
    (b'{"to": 7}', "to is not a text"),
    (b'{"to": ""}', "to is not a text"),
    (b"\xff", "not UTF-8"),
    (b"to=ops", "not JSON"),
]


async def test_a_body_that_says_nothing_useful_is_400(router: RunningRouter) -> None:
    """The body of a replay is a JSON object or nothing; anything else is told apart."""
    for body, sentence in USELESS_BODIES:
        status, told = await ask(router, "/api/v1/deliveries/1/replay", "POST", content=body)
        assert (status, told["error"]) == (400, "bad_request"), body
        assert sentence in told["message"], body


async def test_a_body_too_large_is_refused_before_it_is_read(router: RunningRouter) -> None:
    """A body may have a mebibyte; who announces more is answered at once."""
    host = router.app.admin_url.removeprefix("http://").encode()
    head = b"POST /-/reload HTTP/1.1\r\nHost: " + host + b"\r\n"
    said = await wire(router, head + b"Content-Length: 1048577\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b'"error":"too_large"' in said
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    said = await wire(router, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
    assert said.startswith(b"HTTP/1.1 413 ")
    status, _ = await ask(router, "/-/reload", "POST", content=b"{" + b" " * (1024 * 1024 - 2) + b"}")
    assert status == 200


@pytest.mark.parametrize("length", ["\xb2", "+2", "-1", "0x2", "2, 3", ""])
async def test_a_length_that_is_no_number_is_400(router: RunningRouter, length: str) -> None:
    """Also one that Python takes for a digit."""
    host = router.app.admin_url.removeprefix("http://")
    said = await wire(
        router, f"POST /-/reload HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{{}}".encode("latin-1")
    )
    assert said.startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_breaks_off_changes_nothing(router: RunningRouter) -> None:
    """Who hangs up in the middle of a request has asked for nothing."""
    host, _, port = router.app.admin_url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /-/reload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 10\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await ask(router, "/-/healthy"))[0] == 200


# Who may come in


async def test_a_foreign_host_is_refused_everywhere(router: RunningRouter) -> None:
    """A page that pointed its name at this machine reads nothing, not even whether it is healthy."""
    for path in (*GET_PATHS, "/nothing"):
        status, told = await ask(router, path, headers={"Host": "evil.example"})
        assert (status, told["error"]) == (403, "wrong_host")
        assert "--admin-host" in told["message"]


async def test_a_foreign_page_sets_nothing_off(router: RunningRouter) -> None:
    """On loopback too, a request that another site's page sends is refused."""
    for path in POST_PATHS:
        for origin in ("http://evil.example", "null", "http://localhost:3000"):
            status, told = await ask(router, path, "POST", headers={"Origin": origin})
            assert (status, told["error"]) == (403, "foreign_origin")
        own = {"Origin": router.app.admin_url}
        assert (await ask(router, path, "POST", headers=own))[0] in (200, 400, 404)


async def test_names_of_loopback_and_settings_are_welcome(tmp_path: Path) -> None:
    """The listener is called by its port on any name of loopback, or by a name given as a setting."""
    async with RunningRouter(tmp_path, RULES, admin_hosts=("router.example.com",)) as router:
        port = router.app.admin_url.rpartition(":")[2]
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "router.example.com"):
            assert (await ask(router, "/api/v1/stats", headers={"Host": host}))[0] == 200
        origin = {"Host": "router.example.com", "Origin": "https://router.example.com"}
        assert (await ask(router, "/-/reload", "POST", headers=origin))[0] == 200
        for host in ("localhost:1", "localhost"):
            assert (await ask(router, "/api/v1/stats", headers={"Host": host}))[0] == 403


async def test_no_host_at_all_is_refused(router: RunningRouter) -> None:
    """HTTP/1.0 may leave the Host header out; then nobody knows which name was called."""
    assert (await wire(router, b"GET /api/v1/stats HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 403 ")


async def test_a_token_is_asked_of_everybody(tmp_path: Path) -> None:
    """With a token set, nothing is told without it but whether the router lives and is ready."""
    token = "a token for the admin"
    known = {"Authorization": f"Bearer {token}"}
    async with RunningRouter(tmp_path, RULES, admin_token=Secret(token)) as router:
        for path, method in [*((path, "GET") for path in GET_PATHS[2:]), *((path, "POST") for path in POST_PATHS)]:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                answered = await router.client.request(method, router.app.admin_url + path, headers=headers)
                assert answered.status_code == 401
                assert answered.headers["WWW-Authenticate"].startswith("Bearer ")
                assert answered.json()["error"] == "unauthorized"
                assert token not in answered.text
            assert (await ask(router, path, method, headers=known))[0] in (200, 400, 404)
        assert (await ask(router, "/nothing"))[0] == 401
        assert await ask(router, "/-/healthy") == (200, {"status": "healthy"})
        assert await ask(router, "/-/ready") == (200, {"status": "ready"})
        assert "reload" in (await ask(router, "/-/ready", headers=known))[1]
        router.app.stage = "stopping"
        status, told = await ask(router, "/-/ready")
        assert (status, set(told)) == (503, {"status", "error", "message"})
        router.app.stage = "serving"


async def test_off_loopback_nothing_is_served_without_a_token(router: RunningRouter) -> None:
    """The admin side never stands open to a network."""
    with pytest.raises(ValueError, match="token"):
        make_admin(router.app._parts, address=Address("10.0.0.5", 8081), hosts=(), token=None)


# Secrets


async def test_no_secret_is_shown(tmp_path: Path) -> None:
    """What a destination answers, what a message says and what a body holds is shown with the secrets masked."""
    secret = "hook-T0PS3CRET"
    async with Sink() as sink, RunningRouter(tmp_path, leaking(sink.url, secret)) as router:
        sink.answer_with(answer(400, f"no such hook: {secret}"))
        body = b'{"page":{"title":"The hook is %s","%s":["\\u0068ook-T0PS3CRET"]}}' % (secret.encode(), secret.encode())
        event = await router.accept("page.updated", body, Delivery=f"id-{secret}")
        assert (await router.receive("page.updated", f"not json {secret}".encode())).status_code == 400
        await router.settle()
        (delivery,) = await router.deliveries()
        assert "***" in delivery["last_error"]
        told = await router.get(f"events/{event}")
        assert told["payload"] == {"page": {"title": "The hook is ***", "***": ["***"]}}
        one = await router.get(f"deliveries/{delivery['id']}")
        assert one["message"] == {"text": "The hook is ***!"}
        paths = ["events", f"events/{event}", "deliveries", f"deliveries/{delivery['id']}", "rejected", "stats"]
        for path in paths:
            answered = await router.client.get(f"{router.app.admin_url}/api/v1/{path}")
            assert secret not in answered.text
            assert "T0PS3CRET" not in answered.text
            assert TOKEN not in answered.text
        status, refused = await ask(router, f"/api/v1/deliveries?state={secret}")
        assert status == 400
        assert "'***'" in refused["message"]


def leaking(url: str, secret: str) -> str:
    return f"""\
destinations:
  wiki: {{type: http, url: "{url}/", auth: {{bearer: "{secret}"}}}}
rules:
  - {{name: pages, events: page.*, to: wiki, message: "{{{{ page.title }}}}!"}}
"""


# Failures


async def test_a_router_that_takes_nothing_is_not_ready(tmp_path: Path) -> None:
    """While every delivery is answered 503, because too many wait or the disk is nearly full, readiness says why."""
    rules = f"""
destinations:
  wiki: {{type: http, url: "http://127.0.0.1:{refused_port()}/"}}
rules:
  - {{name: pages, events: page.*, to: wiki}}
"""
    async with RunningRouter(tmp_path, rules, queue_limit=1) as router:
        await router.accept()
        await router.settle()
        assert (await router.receive("page.updated")).json()["error"] == "queue_full"
        status, told = await ask(router, "/-/ready")
    assert (status, told["status"], told["error"], told["store"]) == (503, "queue_full", "not_ready", "available")
    assert "waiting" in told["message"]


async def test_a_store_that_cannot_write_is_503(router: RunningRouter) -> None:
    """While nothing can be stored, readiness and every changing call say so."""
    await router.app.store.close()
    status, told = await ask(router, "/-/ready")
    assert (status, told["status"], told["store"]) == (503, "store_unavailable", "unavailable")
    router.path.write_text(router.path.read_text() + "# changed")
    answered = await router.post("/-/reload")
    assert answered.status_code == 503
    assert answered.headers["Retry-After"]
    assert answered.json()["error"] == "store_unavailable"


async def test_a_bug_of_ours_is_not_shown(router: RunningRouter, caplog: pytest.LogCaptureFixture) -> None:
    """What went wrong inside stands in the log, and the answer says no more than that."""

    def broken() -> str:
        raise RuntimeError("somewhere deep inside")

    bound, port = bind_unused_port()
    parts = replace(router.app._parts, stage=broken)
    server = HTTPServer(make_admin(parts, address=Address("127.0.0.1", port), hosts=(), token=None))
    server.add_socket(bound)
    answered = await router.client.get(f"http://127.0.0.1:{port}/-/ready")
    assert answered.status_code == 500
    assert answered.json() == {"error": "internal", "message": "internal error; the log has the details"}
    (record,) = (record for record in caplog.records if record.message == "admin.failed")
    assert record.exc_info
    assert "somewhere deep inside" in str(record.exc_info[1])
    assert (await router.client.get(f"http://127.0.0.1:{port}/-/healthy")).status_code == 200
    server.stop()
    await server.close_all_connections()


async def test_a_refusal_is_a_short_line(router: RunningRouter, caplog: pytest.LogCaptureFixture) -> None:
    """Who is refused cannot fill the log with a long path or method."""
    caplog.set_level("INFO", logger="router.admin")
    host = router.app.admin_url.removeprefix("http://")
    await wire(router, f"{'M' * 5000} /{'p' * 5000} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    (record,) = (record for record in caplog.records if record.message == "admin.refused")
    facts = vars(record)
    assert (len(facts["method"]), len(facts["path"])) == (256, 256)


async def test_refusals_are_logged_without_the_query(router: RunningRouter, caplog: pytest.LogCaptureFixture) -> None:
    """A line for each refusal says what was asked and why it was refused."""
    caplog.set_level("INFO", logger="router.admin")
    await ask(router, "/api/v1/stats?token=abcdefgh", headers={"Host": "evil.example"})
    (record,) = (record for record in caplog.records if record.message == "admin.refused")
    assert (record.__dict__["path"], record.__dict__["status"]) == ("/api/v1/stats", 403)
    assert "abcdefgh" not in str(record.__dict__)


async def test_admin_connections_are_bounded(router: RunningRouter, caplog: pytest.LogCaptureFixture) -> None:
    """Callers who keep connections open take only so many; the next ones are told so, until there is room again."""
    server = router.app._admin
    assert server is not None
    host, _, port = router.app.admin_url.removeprefix("http://").partition(":")
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(128)]
    for _ in range(5):
        answered = await wire(router, b"")
        assert answered.startswith(b"HTTP/1.1 503 ")
        assert b'"error":"too_many_connections"' in answered
    assert server.open_connections == 128
    assert [record.message for record in caplog.records].count("admin.too_many_connections") == 1
    await router.accept("page.updated", PAGE)
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    await until(lambda: not server.open_connections)
    assert (await router.client.get(f"{router.app.admin_url}/-/healthy")).status_code == 200
