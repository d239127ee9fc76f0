"""The HTTP client: what it bounds, what it never does, and how it words what went wrong."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

import router
from router.clients import MAX_ANSWER_BYTES, make_http_client, trusted_certificates
from router.lookups import Address, HostLookups, LookupTimedOut, system_look_up
from router.outbound.connection import MOST_INTERIM_ANSWERS
from router.outbound.pool import Origin, Pool
from tests import sinks
from tests.sinks import Sink, answer


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with make_http_client() as made:
        yield made


async def test_request_arrives_as_it_was_given(sink: Sink, client: httpx.AsyncClient) -> None:
    """Method, path with query, headers and bytes reach the server unchanged."""
    response = await client.put(f"{sink.url}/a%2Fb?x=%C3%A9&y={{z}}", content=b"\x00body\xff", headers={"X-One": "1"})
    (request,) = sink.received
    assert (request.method, request.path, request.body) == ("PUT", "/a%2Fb?x=%C3%A9&y={z}", b"\x00body\xff")
    assert request.headers["x-one"] == "1"
    assert (response.status_code, response.text) == (200, "ok")


async def test_client_says_who_it_is_and_wants_no_compression(sink: Sink, client: httpx.AsyncClient) -> None:
    """A receiver sees the product and its version, and no compressed answer is asked for."""
    await client.post(sink.url, content=b"x")
    headers = sink.received[0].headers
    assert headers["user-agent"] == f"spaces-router/{router.__version__}"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == f"127.0.0.1:{sink.port}"
    assert "content-type" not in headers


async def test_header_of_any_bytes_is_sent(sink: Sink, client: httpx.AsyncClient) -> None:
    """A kept header with a letter outside ASCII arrives in the bytes in which it came."""
    await client.post(sink.url, content=b"x", headers=[(b"Delivery", "zurück".encode("latin-1"))])
    assert sink.received[0].headers["delivery"] == "zurück"


@pytest.mark.parametrize("value", [b"a\r\nX-Injected: 1", b"a\nb", b"a\rb", b"a\0b"])
async def test_header_that_would_end_early_is_not_sent(sink: Sink, client: httpx.AsyncClient, value: bytes) -> None:
    """No value of a header can begin another one."""
    with pytest.raises(httpx.LocalProtocolError, match="cannot be written"):
        await client.post(sink.url, content=b"x", headers=[(b"X-Title", value)])
    assert sink.received == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "//127.0.0.1/x"])
async def test_url_of_another_kind_is_refused(client: httpx.AsyncClient, url: str) -> None:
    """Only http and https are spoken."""
    with pytest.raises(httpx.UnsupportedProtocol):
        await client.post(url, content=b"x")


async def test_everything_of_httpx_is_still_there(sink: Sink, client: httpx.AsyncClient) -> None:
    """Whoever asks for JSON, parameters or credentials gets what httpx makes of them."""
    url = httpx.URL(sink.url, username="ada", password="secret")
    await client.post(url, json={"a": "ü"}, params={"q": "1 2"}, headers={"User-Agent": "other"})
    (request,) = sink.received
    assert (request.path, request.json) == ("/?q=1+2", {"a": "ü"})
    assert request.headers["authorization"].startswith("Basic ")
    assert (request.headers["user-agent"], request.headers["host"]) == ("other", f"127.0.0.1:{sink.port}")
    await client.post(sink.url, content=_pieces(), auth=("ada", "other"))
    assert (sink.received[1].body, "transfer-encoding" in sink.received[1].headers) == (b"one, two", False)


async def _pieces() -> AsyncIterator[bytes]:
    yield b"one, "
    yield b"two"


async def test_large_body_is_sent_whole(sink: Sink, client: httpx.AsyncClient) -> None:
    """The largest body that ingress takes goes out again, without a warning."""
    body = bytes(range(256)) * (5 * 4096)
    await client.post(sink.url, content=body)
    assert sink.received[0].body == body
    assert sink.received[0].headers["content-length"] == str(len(body))


@asynccontextmanager
async def _serving(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server for what a sink is too polite for: not to read what is sent to it. Its URL."""
    running: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.get_running_loop().create_task(run(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        ends = await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)
    assert all(end is None or isinstance(end, ConnectionError) for end in ends), ends


async def test_answer_may_come_before_the_end_of_a_large_request(client: httpx.AsyncClient) -> None:
    """A server that refuses a body unread is understood, and the rest of the body is not sent to it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        assert len(await reader.read()) < 64 << 20

    async with _serving(refuse) as url:
        for _ in range(2):
            response = await client.post(url, content=bytes(64 << 20))
            assert (response.status_code, response.text) == (413, "no")


async def test_request_that_nobody_reads_ends_with_its_attempt(client: httpx.AsyncClient) -> None:
    """A server that takes nothing of a large body holds no connection beyond the time of the attempt."""
    over = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()
        await over.wait()
        writer.transport.resume_reading()
        assert len(await reader.read()) < 64 << 20

    async with _serving(ignore) as url:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.post(url, content=bytes(64 << 20))
        over.set()


async def test_connection_is_kept_for_the_next_message(sink: Sink, client: httpx.AsyncClient) -> None:
    """Messages to one host share a connection, whatever their status was."""
    sink.answer_with(answer(500, "down"), answer(302, "", {"Location": "/x"}), answer(204, ""), answer(200))
    for _ in range(4):
        await client.post(sink.url, content=b"x")
    assert {request.connection for request in sink.received} == {1}


async def test_hanging_destination_uses_up_no_shared_limit(sink: Sink, client: httpx.AsyncClient) -> None:
    """Two hundred requests that hang leave the way to another host free."""
    sink.answer_with(sinks.hang)
    hanging = [asyncio.create_task(client.post(sink.url, content=b"x")) for _ in range(200)]
    await sink.wait_for(200)
    async with Sink() as healthy:
        assert (await client.post(healthy.url, content=b"x")).status_code == 200
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    await sink.wait_until_unconnected()


async def test_closed_connection_is_not_used_again(sink: Sink, client: httpx.AsyncClient) -> None:
    """A server that closes after its answer gets the next message on a fresh connection."""
    sink.answer_with(sinks.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True))
    await client.post(sink.url, content=b"1")
    await sink.wait_until_unconnected()
    await client.post(sink.url, content=b"2")
    assert [request.connection for request in sink.received] == [1, 2]


NOT_KEPT = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
]


@pytest.mark.parametrize("said", NOT_KEPT)
async def test_connection_is_not_kept_where_it_cannot_be(sink: Sink, client: httpx.AsyncClient, said: bytes) -> None:
    """After an answer that is the last one, or that says more than was asked, comes a fresh connection."""
    sink.answer_with(sinks.raw(said))
    for _ in range(2):
        assert (await client.post(sink.url, content=b"1")).text == "ok"
    assert [request.connection for request in sink.received] == [1, 2]


async def test_words_between_two_requests_are_no_answer(sink: Sink, client: httpx.AsyncClient) -> None:
    """What a server says later, without having been asked, is not taken for the answer to the next message."""

    async def answer_twice(request: sinks.Received, writer: asyncio.StreamWriter) -> None:
        await answer()(request, writer)
        asked_again = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        asked_again.add_done_callback(lambda _: writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"))

    sink.answer_with(answer_twice, answer())
    assert (await client.post(sink.url, content=b"1")).text == "ok"
    await sink.wait_until_unconnected()
    assert (await client.post(sink.url, content=b"2")).text == "ok"


async def test_idle_connection_is_closed(sink: Sink) -> None:
    """A connection that nobody needs is given up before its server does it, and so is the next one."""
    pool = Pool(HostLookups(), trusted_certificates, keep_alive=0.05)
    origin = Origin("127.0.0.1", sink.port, tls=False)
    for _ in range(2):
        connection = await pool.connect(origin, 1)
        await connection.exchange(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", b"x")
        pool.keep(origin, connection)
        await sink.wait_until_unconnected()
        assert pool.take(origin) is None
    await pool.close()


async def test_connection_that_comes_back_after_the_end_is_closed(sink: Sink) -> None:
    """Whoever still waits for an answer while the client closes leaves nothing open behind."""
    pool = Pool(HostLookups(), trusted_certificates)
    origin = Origin("127.0.0.1", sink.port, tls=False)
    connection = await pool.connect(origin, 1)
    await pool.close()
    await connection.exchange(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", b"x")
    pool.keep(origin, connection)
    await sink.wait_until_unconnected()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("breaking", [sinks.close, sinks.reset])
async def test_request_is_never_sent_twice_in_silence(
    sink: Sink, client: httpx.AsyncClient, method: str, breaking: sinks.Behaviour
) -> None:
    """When a kept connection breaks after the request was written, the attempt fails: nobody knows what arrived."""
    sink.answer_with(answer(), breaking, answer())
    await client.request(method, sink.url, content=b"1")
    with pytest.raises(httpx.TransportError):
        await client.request(method, sink.url, content=b"2")
    assert [request.body for request in sink.received] == [b"1", b"2"]


async def test_answer_is_read_up_to_its_limit(sink: Sink, client: httpx.AsyncClient) -> None:
    """An answer without an end is cut at 64 KiB, and its connection closed."""
    sink.answer_with(sinks.endless())
    response = await client.post(sink.url, content=b"x")
    assert (response.status_code, len(response.content)) == (200, MAX_ANSWER_BYTES)
    await sink.wait_until_unconnected()


async def test_answer_of_just_the_limit_keeps_its_connection(sink: Sink, client: httpx.AsyncClient) -> None:
    """64 KiB are still an ordinary answer."""
    sink.answer_with(answer(200, b"x" * MAX_ANSWER_BYTES), answer())
    assert len((await client.post(sink.url, content=b"x")).content) == MAX_ANSWER_BYTES
    await client.post(sink.url, content=b"x")
    assert [request.connection for request in sink.received] == [1, 1]


async def test_answer_of_no_given_length_is_read(sink: Sink, client: httpx.AsyncClient) -> None:
    """The end of the connection is the end of such an answer."""
    sink.answer_with(sinks.raw(b"HTTP/1.1 200 OK\r\n\r\no", b"k", close=True))
    assert (await client.post(sink.url, content=b"x")).content == b"ok"


async def test_chunked_answer_is_read(sink: Sink, client: httpx.AsyncClient) -> None:
    """Servers that do not know the length beforehand are understood."""
    sink.answer_with(sinks.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"))
    assert (await client.post(sink.url, content=b"x")).content == b"ok"


async def test_compressed_answer_is_not_unpacked(sink: Sink, client: httpx.AsyncClient) -> None:
    """A bomb of a few bytes stays a few bytes."""
    sink.answer_with(answer(200, b"\x1f\x8b\x08 not even gzip", {"Content-Encoding": "gzip"}))
    assert (await client.post(sink.url, content=b"x")).content == b"\x1f\x8b\x08 not even gzip"


async def test_cookies_are_not_kept(sink: Sink, client: httpx.AsyncClient) -> None:
    """What one answer sets is not sent with the next request."""
    sink.answer_with(answer(200, "ok", [("Set-Cookie", "a=b; Path=/"), ("Set-Cookie", "c=d")]))
    await client.post(sink.url, content=b"1")
    await client.post(sink.url, content=b"2")
    assert "cookie" not in sink.received[1].headers
    assert not list(client.cookies.jar)


LOCATIONS = ["/other", "https://user:pw@evil.example/secret?x=1", "http://[::", "http://a b/", ""]


@pytest.mark.parametrize("location", LOCATIONS)
async def test_redirect_is_not_followed(sink: Sink, client: httpx.AsyncClient, location: str) -> None:
    """A redirect is an answer like any other, even a broken one; of its target no more than the host is passed on."""
    sink.answer_with(answer(307, "moved", {"Location": location}))
    response = await client.post(sink.url, content=b"x")
    assert (response.status_code, response.text, len(sink.received)) == (307, "moved", 1)
    assert not {"secret", "pw", "user"} & set(response.headers.get("location", "").replace("/", " ").split())


async def test_environment_names_no_proxy(
    sink: Sink, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables meant for other programs do not change where messages go."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sinks.refused_port()}")
    assert (await client.post(sink.url, content=b"x")).status_code == 200


async def _failure(client: httpx.AsyncClient, url: str, behaviour: sinks.Behaviour | None = None) -> httpx.HTTPError:
    with pytest.raises(httpx.TransportError) as caught:
        await client.post(f"{url}/secret-path?secret-query", content=b"x")
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in repr(error) + str(error)
        error = error.__cause__ or error.__context__
    return caught.value


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (sinks.close, httpx.RemoteProtocolError, "closed the connection without an answer"),
        (sinks.reset, httpx.ReadError, "reset the connection"),
        (sinks.cut_off, httpx.RemoteProtocolError, "broke off in the middle"),
        (sinks.garbage, httpx.RemoteProtocolError, "not a readable HTTP answer"),
        (sinks.flood_of_headers, httpx.RemoteProtocolError, "not a readable HTTP answer"),
        (sinks.endless_header, httpx.RemoteProtocolError, "not a readable HTTP answer"),
        (sinks.endless_trailer, httpx.RemoteProtocolError, "not a readable HTTP answer"),
    ],
)
async def test_broken_answer_is_worded(
    sink: Sink, client: httpx.AsyncClient, behaviour: sinks.Behaviour, kind: type[Exception], words: str
) -> None:
    """What went wrong is said with host and port, and nowhere with the path."""
    sink.answer_with(behaviour)
    error = await _failure(client, sink.url)
    assert isinstance(error, kind)
    assert words in str(error)
    assert f"127.0.0.1:{sink.port}" in str(error)
    await sink.wait_until_unconnected()


async def test_refused_connection_is_worded(client: httpx.AsyncClient) -> None:
    """A service that does not run is told from one that does not answer."""
    port = sinks.refused_port()
    error = await _failure(client, f"http://127.0.0.1:{port}")
    assert isinstance(error, httpx.ConnectError)
    assert str(error).startswith(f"127.0.0.1:{port} refused the connection; check")


async def test_unknown_host_is_worded(client: httpx.AsyncClient) -> None:
    """A name that nobody knows is said to be one."""
    error = await _failure(client, "http://no-such-host.invalid")
    assert isinstance(error, httpx.ConnectError)
    assert "no-such-host.invalid" in str(error)
    assert "name server of this machine" in str(error)


async def test_silence_is_a_read_timeout(sink: Sink, client: httpx.AsyncClient) -> None:
    """A limit for reading, where a caller sets one, holds."""
    sink.answer_with(sinks.hang)
    with pytest.raises(httpx.ReadTimeout, match="did not answer in time"):
        await client.post(sink.url, content=b"x", timeout=httpx.Timeout(None, read=0.05))
    await sink.wait_until_unconnected()


async def test_tls_on_a_silent_port_is_a_connect_timeout(sink: Sink, client: httpx.AsyncClient) -> None:
    """A handshake that nobody takes part in ends."""
    with pytest.raises(httpx.ConnectTimeout, match="in time; check the address"):
        await client.post(f"https://127.0.0.1:{sink.port}", timeout=httpx.Timeout(None, connect=0.05))
    await sink.wait_until_unconnected()


@pytest.mark.parametrize("behaviour", [sinks.hang, sinks.drip])
async def test_cancelled_request_leaves_no_connection(
    sink: Sink, client: httpx.AsyncClient, behaviour: sinks.Behaviour
) -> None:
    """The end of an attempt is the end of its connection, whatever the server is doing."""
    sink.answer_with(behaviour)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.post(sink.url, content=b"x")
    await sink.wait_until_unconnected()


async def test_interim_answers_without_end_are_given_up(sink: Sink, client: httpx.AsyncClient) -> None:
    """A server that announces an answer for ever is left after a few; the sentence says what to look at."""
    sink.answer_with(sinks.flood_of_interim_answers)
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        async with asyncio.timeout(5):
            await client.post(sink.url, content=b"x")
    assert str(raised.value) == (
        f"127.0.0.1:{sink.port} sent more than 16 interim answers (HTTP 1xx) and no final one; check the server there,"
        " or the proxy in front of it"
    )
    await sink.wait_until_unconnected()


async def test_a_few_interim_answers_are_no_fault(sink: Sink, client: httpx.AsyncClient) -> None:
    """Before each answer a server may say that it takes its time, on a kept connection too."""
    sink.answer_with(sinks.after_interim_answers(MOST_INTERIM_ANSWERS))
    for _ in range(3):
        assert (await client.post(sink.url, content=b"x")).status_code == 200
    assert {request.connection for request in sink.received} == {1}


async def test_trusted_server_is_reached_by_tls() -> None:
    """A certificate of the company's own authority works once it is trusted."""
    async with Sink(tls=sinks.serving()) as sink, make_http_client(tls=sinks.trusting()) as client:
        for _ in range(2):
            assert (await client.post(sink.url, content=b"x")).status_code == 200
        assert [request.connection for request in sink.received] == [1, 1]


@pytest.mark.parametrize(
    ("served", "trusted", "words"),
    [
        ("good", None, "is self-signed; add it to the certificates"),
        ("expired", "expired", "has expired; it must be renewed there"),
        ("elsewhere", "elsewhere", "is made out to another address"),
    ],
)
async def test_untrusted_certificate_is_worded(served: str, trusted: str | None, words: str) -> None:
    """A certificate that is not right is refused before a byte of the message leaves, and the reason is named."""
    tls = sinks.trusting(trusted) if trusted else None
    async with Sink(tls=sinks.serving(served)) as sink, make_http_client(tls=tls) as client:
        error = await _failure(client, sink.url)
        assert str(error).startswith(f"the certificate of 127.0.0.1:{sink.port} {words}")
        assert sink.received == []


async def test_certificate_for_another_name_is_refused() -> None:
    """The name in the address counts, not where it leads."""

    def look_up(host: str) -> list[Address]:
        return [(socket.AF_INET, "127.0.0.1")]

    tls = sinks.trusting("elsewhere")
    async with (
        Sink(tls=sinks.serving("elsewhere"), host="elsewhere.example") as right,
        Sink(tls=sinks.serving("elsewhere"), host="wrong.example") as wrong,
        make_http_client(tls=tls, look_up=look_up) as client,
    ):
        assert (await client.post(right.url, content=b"x")).status_code == 200
        assert "is made out to another name" in str(await _failure(client, wrong.url))


async def test_plain_server_behind_https_is_worded(client: httpx.AsyncClient) -> None:
    """A port that does not speak TLS is never tried without it."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ready\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        error = await _failure(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert "check that this port speaks https" in str(error)


def test_system_store_is_trusted() -> None:
    """Verification is on, with host names, whatever store was found."""
    context = trusted_certificates()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


async def test_no_url_is_logged(sink: Sink, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """The path of a webhook is a password; neither library writes it to the log."""
    with caplog.at_level(logging.DEBUG):
        for name in ("httpx", "httpcore"):
            assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
        await client.post(f"{sink.url}/secret-path", content=b"x")
    assert "secret" not in caplog.text


async def test_client_that_was_never_used_closes() -> None:
    """Nothing is opened before the first request."""
    await make_http_client().aclose()


def _blocked(release: threading.Event, calls: list[str]) -> HostLookups:
    def look_up(host: str) -> list[Address]:
        calls.append(host)
        if host == "slow.example":
            release.wait(10)
        return [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]

    return HostLookups(look_up, seconds=1)  # many times what the quick ones need, on a busy machine as well


async def test_slow_name_holds_up_no_other() -> None:
    """A name server that says nothing delays its own names only, asks once at a time, and is given up in time."""
    release, calls = threading.Event(), list[str]()
    lookups = _blocked(release, calls)
    slow = [asyncio.create_task(lookups.addresses("slow.example")) for _ in range(20)]
    quick = await asyncio.gather(*(lookups.addresses(f"h{number}.example") for number in range(20)))
    assert {found[0][1] for found in quick} == {"192.0.2.1"}
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LookupTimedOut}
    assert calls.count("slow.example") == 1
    release.set()
    assert await lookups.addresses("slow.example")  # the late answer serves the next attempt
    assert calls.count("slow.example") == 1
    await lookups.close()


async def test_addresses_are_remembered_and_failures_are_not() -> None:
    """A name is looked up once for many messages; a failed look-up is tried again with the next attempt."""
    calls = []

    def look_up(host: str) -> list[Address]:
        calls.append(host)
        if len(calls) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]

    lookups = HostLookups(look_up)
    with pytest.raises(socket.gaierror):
        await lookups.addresses("a.example")
    for _ in range(2):
        assert [address for _, address in await lookups.addresses("a.example")] == ["192.0.2.1", "2001:db8::1"]
    assert len(calls) == 2
    await lookups.close()


async def test_look_up_that_breaks_is_a_failed_look_up() -> None:
    """Nobody waits for an answer that a mistake of ours prevents."""

    def look_up(host: str) -> list[Address]:
        raise KeyError(host)

    with pytest.raises(OSError, match="KeyError"):
        await HostLookups(look_up).addresses("a.example")


async def test_failed_look_up_is_worded() -> None:
    """Trouble with the name server is told from a wrong name."""

    def look_up(host: str) -> list[Address]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with make_http_client(look_up=look_up) as client:
        error = await _failure(client, "http://a.example")
    assert str(error) == (
        "the look-up of a.example failed (Temporary failure in name resolution); check the name server of this machine"
    )


def test_system_finds_loopback() -> None:
    """The machine's own hosts file is read, and what cannot be a name is no name."""
    assert {address for _, address in system_look_up("localhost")} & {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        system_look_up("a..b")
