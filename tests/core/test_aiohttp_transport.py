"""The transport over aiohttp: failures as httpx reports them, requests as httpx sends them."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
import trio
from llama_agents.client import WorkflowClient
from llama_agents.client._transport.aiohttp_transport import MAX_HEAD, create_client
from llama_agents.client._transport.connection import asend, shutdown_socket, wait_out_silence
from llama_agents.client._transport.failures import was_not_sent
from llama_agents.client._transport.pool import CONNECTION_OPENED

from ..faults.measure import open_sockets
from ..faults.sources import black_hole, refusing
from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted, stream
from ..support.server import wait_until_async
from ..support.tls import certificates

HEALTHY = response("200 OK", b'{"status": "healthy"}', Connection="keep-alive")
STREAM = stream(frame(1), end=b"")
TIMEOUT = httpx.Timeout(5, read=0.3)
UVLOOP = pytest.param(
    ("asyncio", {"use_uvloop": True}),
    id="uvloop",
    marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows"),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None, keepalive_expiry=60)
    async with create_client(base_url=url, limits=limits, timeout=TIMEOUT, **options) as client:
        yield client


def url_of(server: asyncio.Server, scheme: str = "http") -> str:
    host, port = server.sockets[0].getsockname()
    return f"{scheme}://{host}:{port}"


async def failure(
    client: httpx.AsyncClient, method: str = "POST", head: float = 5, **options: Any
) -> httpx.TransportError:
    """Send a request, and return the error that it or the reading of its response ends with."""
    request = client.build_request(method, "/x", **options)
    with pytest.raises(httpx.TransportError) as caught:
        answer = await asend(client, request, head=head, whole=5)
        await answer.aread()
    return caught.value


# ---------------------------------------------------------------------------- failures


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", UVLOOP])
@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        pytest.param(Turn(), httpx.RemoteProtocolError, id="closed"),
        pytest.param(Turn(then="reset"), httpx.ReadError, id="reset"),
        pytest.param(Turn(b"SMTP ready\r\n\r\n"), httpx.RemoteProtocolError, id="garbage"),
        pytest.param(
            Turn(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (MAX_HEAD + 1) + b"\r\n\r\n", then="hold"),
            httpx.RemoteProtocolError,
            id="large header",
        ),
        pytest.param(Turn(b"HTTP/1.1 200 OK\r\nX"), httpx.RemoteProtocolError, id="half a head"),
        pytest.param(Turn(then="hold"), httpx.ReadTimeout, id="no head"),
        pytest.param(Turn(b"HTTP/1.1 2", then="hold"), httpx.ReadTimeout, id="head stalls"),
        pytest.param(Turn(STREAM, then="hold"), httpx.ReadTimeout, id="body stalls"),
        pytest.param(Turn(STREAM), httpx.RemoteProtocolError, id="body cut off"),
        pytest.param(Turn(STREAM, then="reset"), httpx.ReadError, id="body reset"),
        pytest.param(Turn(HEALTHY[:-1]), httpx.RemoteProtocolError, id="body too short"),
        pytest.param(
            Turn(b"HTTP/1.1 200 OK\r\n\r\n{", then="reset"), httpx.ReadError, id="no length, reset"
        ),
        pytest.param(Turn(HEAD + b"no size\r\n"), httpx.RemoteProtocolError, id="garbage chunk"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_failure_after_sending_is_httpx_s_and_may_have_arrived(
    turn: Turn, expected: type[Exception], method: str
) -> None:
    with scripted([turn]) as script:
        async with client_of(script.url) as client:
            error = await failure(client, method)
    assert type(error) is expected, repr(error)
    assert not was_not_sent(error)
    assert len(script.requests) == 1


@pytest.mark.anyio
async def test_undecryptable_record_is_a_read_error() -> None:
    certs = certificates()
    with scripted([Turn(STREAM, then="garble")], tls=certs.server) as script:
        async with client_of(script.url, verify=certs.client) as client:
            assert isinstance(await failure(client), httpx.ReadError)


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["http://no-such-host.invalid", f"http://{'x' * 70}.test"])
async def test_unknown_host_was_not_sent(url: str) -> None:
    async with client_of(url) as client:
        error = await failure(client)
    assert type(error) is httpx.ConnectError
    assert was_not_sent(error)


@pytest.mark.anyio
async def test_refused_connection_was_not_sent() -> None:
    with refusing(None) as source:  # type: ignore[arg-type]
        async with client_of(source.url) as client:
            error = await failure(client)
    assert type(error) is httpx.ConnectError
    assert was_not_sent(error)
    assert "refused" in str(error) or "Connect call failed" in str(error)


@pytest.mark.anyio
@pytest.mark.parametrize(("connect", "head"), [(0.2, 5), (5, 0.2)])
async def test_connection_that_takes_too_long_was_not_sent(connect: float, head: float) -> None:
    with black_hole(None) as source:  # type: ignore[arg-type]
        async with client_of(source.url) as client:
            timeout = httpx.Timeout(5, connect=connect)
            error = await failure(client, head=head, timeout=timeout)
    assert type(error) is httpx.ConnectTimeout
    assert was_not_sent(error)


@pytest.mark.anyio
async def test_untrusted_certificate_was_not_sent() -> None:
    with scripted([Turn(HEALTHY)], tls=certificates().server) as script:
        async with client_of(script.url) as client:
            error = await failure(client)
    assert type(error) is httpx.ConnectError
    assert was_not_sent(error)
    assert script.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("sent", [b"", b"220 SMTP\r\n"])
async def test_failed_handshake_was_not_sent(sent: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server, client_of(url_of(server, "https")) as client:
        error = await failure(client)
    assert type(error) is httpx.ConnectError
    assert was_not_sent(error)


@pytest.mark.anyio
async def test_body_that_is_not_read_by_the_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with client_of(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            timeout = httpx.Timeout(0.2)
            error = await failure(client, content=bytes(20_000_000), timeout=timeout)
    assert type(error) is httpx.WriteTimeout
    assert not was_not_sent(error)


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_request_lost_on_a_reused_connection_is_not_repeated(method: str) -> None:
    requests = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEALTHY)
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server, client_of(url_of(server)) as client:
        await client.get("/")
        error = await failure(client, method)
    assert type(error) is httpx.RemoteProtocolError
    assert not was_not_sent(error)
    assert not error.request.extensions[CONNECTION_OPENED]
    assert len(requests) == 2


@pytest.mark.anyio
async def test_connection_closed_while_the_loop_was_busy_is_not_used_again() -> None:
    with scripted([Turn(HEALTHY)]) as script:
        async with client_of(script.url) as client:
            for _ in range(5):
                assert (await client.post("/")).is_success
                time.sleep(0.05)  # noqa: ASYNC251
    assert len(script.requests) == 5


@pytest.mark.anyio
async def test_what_nobody_has_asked_for_is_not_a_response() -> None:
    """Such as the 408 of a load balancer that closes an idle connection."""
    is_idle, has_timed_out = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEALTHY)
        if not is_idle.is_set():
            await is_idle.wait()
            writer.write(response("408 Request Timeout"))
            has_timed_out.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server, client_of(url_of(server)) as client:
        assert (await client.get("/")).status_code == 200
        is_idle.set()
        await has_timed_out.wait()
        assert (await client.get("/")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("then", ["close", "reset"])
async def test_what_arrived_before_a_failure_is_delivered(then: str) -> None:
    with scripted([Turn(HEAD + chunk(b"first"), then=then)]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            await asyncio.sleep(0.1)
            chunks = answer.aiter_raw()
            assert await anext(chunks) == b"first"
            with pytest.raises(httpx.TransportError):
                await anext(chunks)


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reset_after_a_whole_response_is_not_its_failure(method: str) -> None:
    data = HEALTHY if method == "GET" else b"HTTP/1.1 200 OK\r\n\r\n"
    with scripted([Turn(data, then="reset")]) as script:
        async with client_of(script.url) as client, client.stream(method, "/") as answer:
            await asyncio.sleep(0.1)
            assert await answer.aread() == (HEALTHY[-21:] if method == "GET" else b"")


@pytest.mark.anyio
async def test_time_to_read_does_not_count_while_nobody_reads() -> None:
    def chunks() -> Any:
        yield HEAD + chunk(b"first")
        time.sleep(0.6)
        yield chunk(b"last") + b"0\r\n\r\n"

    with scripted([Turn(chunks)]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            await asyncio.sleep(0.5)
            assert await anext(pieces) == b"last"


# ---------------------------------------------------------------------------- closing


@pytest.mark.anyio
@pytest.mark.parametrize("encrypted", [False, True])
async def test_closing_early_closes_the_connection(encrypted: bool) -> None:
    certs = certificates()
    tls = certs.server if encrypted else None
    with scripted([Turn(STREAM, then="hold")], tls=tls) as script:
        async with client_of(script.url, verify=certs.client) as client:
            idle = open_sockets()
            async with client.stream("GET", "/") as answer:
                assert answer.status_code == 200
            await wait_until_async(lambda: script.closed == 1)
            await wait_until_async(lambda: open_sockets() <= idle)


@pytest.mark.anyio
async def test_cancelled_upload_closes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with client_of(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            idle = open_sockets()
            with anyio.move_on_after(0.2):
                await client.post("/", content=bytes(20_000_000))
            await wait_until_async(lambda: open_sockets() <= idle)


@pytest.mark.anyio
async def test_response_before_the_whole_request_is_sent_closes_the_connection() -> None:
    def early() -> Iterator[bytes]:
        time.sleep(0.3)  # until the buffers of the sockets are full
        yield response("413 Content Too Large", b"no", Connection="keep-alive")

    with scripted([Turn(early, then="unread")]) as script:
        async with client_of(script.url) as client:
            idle = open_sockets()
            answer = await client.post("/", content=bytes(20_000_000), timeout=5)
            assert (answer.status_code, answer.content) == (413, b"no")
            # What is left is the server's end.
            await wait_until_async(lambda: open_sockets() <= idle + 1)


@pytest.mark.anyio
async def test_connection_close_of_the_request_is_honoured() -> None:
    with scripted([Turn(HEALTHY, then="hold")]) as script:
        async with client_of(script.url) as client:
            await client.get("/", headers={"Connection": "close"})
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.anyio
async def test_closing_the_client_ends_a_reader() -> None:
    with scripted([Turn(STREAM, then="hold")]) as script:
        async with client_of(script.url) as client:

            async def read() -> None:
                with pytest.raises(httpx.ReadError):
                    async with client.stream("GET", "/", timeout=None) as answer:
                        await answer.aread()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await wait_until_async(lambda: script.requests)
                await asyncio.sleep(0.05)
                await client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("turn", [Turn(STREAM, then="hold"), Turn(HEALTHY, then="hold")])
async def test_socket_can_be_shut_down_before_and_after_the_end_of_a_body(turn: Turn) -> None:
    with scripted([turn]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            shutdown_socket(answer)
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.anyio
async def test_silence_can_be_waited_out() -> None:
    def chunks() -> Any:
        yield HEAD + chunk(b"first")
        time.sleep(0.8)
        yield chunk(b"last") + b"0\r\n\r\n"

    with scripted([Turn(chunks)]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            wait_out_silence(answer, lambda: True)
            assert await answer.aread() == b"firstlast"


@pytest.mark.anyio
async def test_silence_is_waited_out_for_as_long_as_is_wanted() -> None:
    asked: list[bool] = []

    def is_patient() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    with scripted([Turn(STREAM, then="hold")]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            wait_out_silence(answer, is_patient)
            with pytest.raises(httpx.ReadTimeout):
                await answer.aread()
    assert asked == [True, True, False]


async def _call(client: WorkflowClient) -> None:
    await client.is_healthy()


async def _stream(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        pass


async def _close(client: WorkflowClient) -> None:
    events = client.get_workflow_events("h1")
    async for _ in events:
        await events.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("call", [_call, _stream, _close])
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(
    ("anyio_backend", "cancel"),
    [
        *(("asyncio", cancel) for cancel in ("task", "twice", "scope")),
        pytest.param(*UVLOOP.values, "task", id="uvloop-task", marks=UVLOOP.marks),
    ],
)
async def test_calls_cancelled_at_any_step_leave_nothing(
    call: Callable[[WorkflowClient], Awaitable[None]], encrypted: bool, cancel: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(STREAM if b"/events/" in head else HEALTHY)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    certs = certificates()
    tls = certs.server if encrypted else None
    async with await asyncio.start_server(serve, "127.0.0.1", ssl=tls) as server:
        idle, tasks = open_sockets(), asyncio.all_tasks()
        with certs.trusted():
            url = url_of(server, "https" if encrypted else "http")
            client = WorkflowClient(base_url=url, transport="aiohttp")
            await client.is_healthy()
        for steps in range(60):
            if cancel == "scope":
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(call, client)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    group.cancel_scope.cancel()
                continue
            calls = [asyncio.ensure_future(call(client)) for _ in range(3)]
            for wait in (steps, 1) if cancel == "twice" else (steps,):
                for _ in range(wait):
                    await asyncio.sleep(0)
                for task in calls:
                    task.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [o for o in outcomes if not isinstance(o, asyncio.CancelledError | None)] == []
        inner = await client._driver.clients.get()
        connector: Any = inner._transport._connector  # type: ignore[attr-defined]
        await wait_until_async(lambda: not connector._acquired)
        assert (await client.is_healthy()).status == "healthy"
        await client.aclose()
        await wait_until_async(lambda: open_sockets() <= idle and asyncio.all_tasks() == tasks)


# ---------------------------------------------------------------------------- what is sent


@pytest.mark.anyio
async def test_request_is_what_httpx_sends() -> None:
    async def send(client: httpx.AsyncClient) -> None:
        path = "/a%2Fb/%C3%A4/~:@!$&'()*+,;=?q=a%20b+c&r=%2F&s"
        await client.get(path, headers=[("X-B", "1"), ("x-a", "2"), ("X-B", "3")])
        await client.post("/p", content=b"body", auth=("user", "password"))
        await client.post("/empty")
        await client.put("/json", json={"a": 1})
        await client.get(str(client.base_url.copy_with(path="/u", username="user", password="p")))

    with scripted([Turn(response("200 OK", Set_Cookie="d=2"))]) as script:
        async with client_of(script.url) as client:
            await send(client)
        limits: Any = {"base_url": script.url, "timeout": TIMEOUT}
        async with httpx.AsyncClient(**limits) as client:
            await send(client)
    heads = [request.partition("\r\n\r\n")[0] for request in script.requests]
    assert heads[:5] == heads[5:]


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, 1, 65536, 5_000_000])
async def test_body_arrives_as_it_is(size: int) -> None:
    received = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        received.append((head.lower(), await reader.readexactly(size)))
        writer.write(HEALTHY)
        writer.close()

    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server, client_of(url_of(server)) as client:
        assert (await client.post("/", content=content)).is_success
    ((head, body),) = received
    assert body == content
    assert b"content-length: %d\r\n" % size in head


@pytest.mark.anyio
async def test_body_is_sent_without_being_asked_for() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nbody")
        writer.write(HEALTHY)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server, client_of(url_of(server)) as client:
        expects = {"Expect": "100-continue"}
        assert (await client.post("/", content=b"body", headers=expects)).is_success


@pytest.mark.anyio
async def test_body_without_a_known_length_is_sent_with_it() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    with scripted([Turn(response("200 OK"))]) as script:
        async with client_of(script.url) as client:
            await client.post("/", content=content())
    assert "content-length: 4\r\n" in script.requests[0].lower()
    assert "transfer-encoding" not in script.requests[0].lower()


@pytest.mark.anyio
async def test_response_is_passed_on_as_it_is() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"text") + packer.flush()
    data = response("302 Moved", packed, Content_Encoding="gzip", Location="/y", Set_Cookie="a=1")
    data = data.replace(b"Location", b"X-A: 1\r\nx-a: 2\r\nLocation")
    with scripted([Turn(data)]) as script:
        async with client_of(script.url) as client, client.stream("GET", "/") as answer:
            raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert raw == packed
    assert (answer.status_code, answer.reason_phrase) == (302, "Moved")
    assert answer.http_version == "HTTP/1.1"
    assert [pair for pair in answer.headers.raw if pair[0].lower() == b"x-a"] == [
        (b"X-A", b"1"),
        (b"x-a", b"2"),
    ]
    assert len(script.requests) == 1


@pytest.mark.anyio
async def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted([Turn(HEALTHY)]) as script:
        monkeypatch.setenv("HTTP_PROXY", script.url)
        async with WorkflowClient(base_url="http://flows.test", transport="aiohttp") as client:
            assert (await client.is_healthy()).status == "healthy"
    assert script.requests[0].startswith("GET http://flows.test/health HTTP/1.1")


# ---------------------------------------------------------------------------- clients


def test_client_works_in_several_loops_and_leaves_none_open() -> None:
    with scripted([Turn(HEALTHY, then="hold")]) as script, warnings.catch_warnings():
        warnings.simplefilter("error")
        client = WorkflowClient(base_url=script.url, transport="aiohttp")
        for closed in (1, 2):
            assert asyncio.run(client.is_healthy()).status == "healthy"
            gc.collect()
            deadline = time.monotonic() + 5
            while script.closed < closed and time.monotonic() < deadline:
                time.sleep(0.005)
            assert script.closed == closed
        assert client._driver.clients._owned == {}


def test_copy_has_the_same_transport() -> None:
    client = pickle.loads(pickle.dumps(WorkflowClient(base_url="http://test", transport="aiohttp")))
    assert client._driver.clients._settings.transport == "aiohttp"


def test_session_of_a_closed_loop_is_dropped_in_silence() -> None:
    loop = asyncio.new_event_loop()
    client = WorkflowClient(base_url="http://test", transport="aiohttp")
    loop.run_until_complete(client._driver.clients.get())
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client._driver.clients._forget_closed_loops()
        gc.collect()


def test_trio_is_an_error_before_anything_is_sent() -> None:
    with scripted([Turn(HEALTHY)]) as script:
        client = WorkflowClient(base_url=script.url, transport="aiohttp")
        with pytest.raises(RuntimeError, match="needs asyncio"):
            trio.run(client.is_healthy)
        assert script.requests == []


def test_missing_package_is_an_error_of_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    package = "llama_agents.client._transport"
    for name in ("aiohttp_transport", "aiohttp_exchange"):
        monkeypatch.delitem(sys.modules, f"{package}.{name}")
        monkeypatch.delattr(sys.modules[package], name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match=r"llama-agents-client\[aiohttp\]"):
        WorkflowClient(base_url="http://test", transport="aiohttp")


def test_unknown_transport_is_rejected() -> None:
    with pytest.raises(ValueError, match="must be 'httpx' or 'aiohttp', not 'urllib3'"):
        WorkflowClient(base_url="http://test", transport="urllib3")  # type: ignore[arg-type]


def test_transport_with_an_httpx_client_is_rejected() -> None:
    options: Any = {"httpx_client": httpx.AsyncClient(), "transport": "aiohttp"}
    with pytest.raises(ValueError, match="transport cannot be combined with httpx_client"):
        WorkflowClient(**options)


def test_aiohttp_is_not_imported_unless_it_is_used() -> None:
    program = (
        "import sys, llama_agents.client as c; c.WorkflowClient(base_url='http://test'); "
        "assert 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
