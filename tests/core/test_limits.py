"""Limits of requests where the variants differ, and the limits of each kind of operation."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from llama_agents.client import (
    StatusError,
    StreamTimeoutError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowClient,
)
from llama_agents.client._core import limits
from llama_agents.client._core.limits import Kind, Limits, limits_of

from ..support.scripted import Turn, response, scripted

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("plain call", Limits(httpx.Timeout(15, connect=10, pool=10), 15, 15, 45)),
        ("health check", Limits(httpx.Timeout(5), 5, 5, 5)),
        ("stream", Limits(httpx.Timeout(45, connect=10, pool=10), 100)),
        ("blocking start", Limits(httpx.Timeout(45, connect=10, pool=10), 100)),
    ],
)
def test_default_limits_are_those_of_the_documentation(kind: Kind, expected: Limits) -> None:
    assert limits_of(kind, None) == expected


@pytest.mark.parametrize("kind", ["plain call", "health check"])
def test_chosen_timeout_replaces_the_limits(kind: Kind) -> None:
    chosen = httpx.Timeout(70, connect=3)
    assert limits_of(kind, chosen) == Limits(chosen)


@pytest.mark.parametrize("kind", ["stream", "blocking start"])
@pytest.mark.parametrize(
    ("chosen", "head"), [(httpx.Timeout(70, connect=3), 143), (httpx.Timeout(None), math.inf)]
)
def test_head_of_a_long_response_has_the_time_of_all_phases(
    kind: Kind, chosen: httpx.Timeout, head: float
) -> None:
    assert limits_of(kind, chosen) == Limits(chosen, head)


# ------------------------------------------------------------------- async: cancellation


async def blocked(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that never responds."""
    await anyio.sleep_forever()


@pytest.mark.anyio
async def test_application_that_never_responds_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", 0.1)
    monkeypatch.setattr(limits, "CALL_LIMIT", 0.1)
    monkeypatch.setattr(limits, "HEALTH_LIMIT", 0.1)
    monkeypatch.setattr(limits, "IDLE_LIMIT", 0.1)
    monkeypatch.setattr(limits, "CONNECT_LIMIT", 0.1)
    transport = httpx.ASGITransport(blocked)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as inner:
        client = WorkflowClient(httpx_client=inner)
        with pytest.raises(WaitTimeoutError):
            await client.wait_for_handler("h1", timeout=0.1)
        for call in (client.is_healthy, client.list_workflows, partial(client.start, "w")):
            with pytest.raises(httpx.ReadTimeout):
                await call()
        with pytest.raises(StreamTimeoutError):
            async for _ in client.get_workflow_events("h1", max_reconnect_attempts=0):
                pytest.fail("an event")


@pytest.mark.anyio
async def test_blocking_start_of_application_that_never_responds_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "IDLE_LIMIT", 0.1)
    monkeypatch.setattr(limits, "CONNECT_LIMIT", 0.1)

    async def blocks_starts(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await anyio.sleep_forever()
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body"})

    transport = httpx.ASGITransport(blocks_starts)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as inner:
        with pytest.raises(StatusError, match="401"):  # the response to its poll
            await WorkflowClient(httpx_client=inner).run_workflow("w")


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [0.05, 60])
async def test_own_deadline_of_caller_stays_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    """Also if the deadline of the request passes at the same moment."""
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", limit)
    with scripted([Turn(then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with anyio.move_on_after(0.05) as scope:
                await client.send_event("h1", {"type": "T", "value": {}})
            assert scope.cancelled_caught


# ------------------------------------------------------------------- sync: network streams

WORKFLOWS = response("200 OK", b'{"workflows": []}', Connection="keep-alive")


def trickle(data: bytes = b"HTTP/1.1 200 OK\r\nX: ", count: int | None = None) -> Iterator[bytes]:
    """Send some bytes, and then one now and then."""
    yield data
    while count != 0:
        time.sleep(0.01)
        yield b"x"
        count = None if count is None else count - 1


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Call a function with the first connection; yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_connection_that_the_caller_has_opened_obeys_deadlines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", 0.3)

    def serve(connection: socket.socket) -> None:
        for answer in ([WORKFLOWS], trickle()):
            connection.recv(65536)
            for part in answer:
                connection.sendall(part)

    with serving(serve) as url, httpx.Client(base_url=url) as inner:
        inner.get("/workflows")
        with pytest.raises(httpx.ReadTimeout):
            SyncWorkflowClient(httpx_client=inner).cancel_handler("h1")


def test_mounted_transport_obeys_deadlines() -> None:
    mounts = {"http://": httpx.HTTPTransport(), "https://": None}
    with scripted([Turn(trickle)]) as script, httpx.Client(mounts=mounts) as inner:
        inner.base_url = script.url
        with pytest.raises(WaitTimeoutError):
            SyncWorkflowClient(httpx_client=inner).wait_for_handler("h1", timeout=0.3)


def test_requests_of_the_caller_have_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", 0.1)
    slow = partial(trickle, b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n", 30)
    turns = [Turn(response("200 OK", b'{"workflows": []}')), Turn(slow)]
    with scripted(turns) as script, httpx.Client(base_url=script.url) as inner:
        SyncWorkflowClient(httpx_client=inner).list_workflows()
        assert inner.get("/slow").content == b"x" * 30


def test_each_address_of_a_name_has_its_share_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one never replies to a SYN; a server listens on the second."""
    monkeypatch.setattr(limits, "HEALTH_LIMIT", 1.0)
    resolve = socket.getaddrinfo

    def two_addresses(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        hosts = ["127.0.0.2", "127.0.0.1"] if host == "two.test" else [host]
        return [found for host in hosts for found in resolve(host, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    healthy = response("200 OK", b'{"status": "healthy"}')
    with scripted([Turn(healthy)]) as script, ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.2", httpx.URL(script.url).port))
        hole.listen(0)
        for _ in range(3):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(hole.getsockname())
        with SyncWorkflowClient(base_url=script.url.replace("127.0.0.1", "two.test")) as client:
            assert client.is_healthy().status == "healthy"


def test_upload_that_is_read_too_slowly_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_LIMIT", 0.3)
    stopped = threading.Event()

    def read_slowly(connection: socket.socket) -> None:
        while not stopped.wait(0.02) and connection.recv(20_000):
            pass

    event = {"type": "T", "value": {"text": "x" * 50_000_000}}
    # A small buffer has room again soon, and each time a send starts its timeout again.
    transport = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)])
    with serving(read_slowly) as url, httpx.Client(base_url=url, transport=transport) as inner:
        with pytest.raises(httpx.WriteTimeout):
            SyncWorkflowClient(httpx_client=inner).send_event("h1", event)
        stopped.set()
