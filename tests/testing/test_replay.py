"""The HTTP server of a replay, as clients other than ours see it."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client.testing import Drop, ReplayServer, Stall, Unavailable, replay
from workflows.events import Event, StopEvent

from ..support.workflows import Tick

EVENTS: Final[list[Event]] = [Tick(n=0), Tick(n=1, text="é\u2028"), StopEvent()]
LARGE_EVENTS: Final = [Tick(n=n, text="x" * 1_000_000) for n in range(20)]
STREAM: Final = "/events/replayed?after_sequence=-1"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@pytest.fixture(autouse=True)
def _nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    gc.collect()  # asyncio logs the exception of a task once nothing refers to the task
    logged = [*caplog.get_records("call"), *caplog.records]
    assert [record.getMessage() for record in logged if record.name == "asyncio"] == []


@contextmanager
def connected(server: ReplayServer, request: bytes | str) -> Iterator[socket.socket]:
    """Connect, and send a request."""
    url = httpx.URL(server.url)
    assert url.port is not None
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(request.encode() if isinstance(request, str) else request)
        yield connection


def received(connection: socket.socket) -> Iterator[bytes]:
    """The chunks that come until the server closes."""
    while chunk := connection.recv(65536):
        yield chunk


def test_stream_is_chunked_by_event() -> None:
    with (
        replay(EVENTS) as server,
        connected(server, f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n") as connection,
    ):
        head, _, body = b"".join(received(connection)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert body.endswith(b"\r\n0\r\n\r\n")
    size, _, rest = body.partition(b"\r\n")
    assert rest[: int(size, 16)].startswith(b"id: 1\ndata: {")
    assert rest[: int(size, 16)].endswith(b"}\n\n")


def test_connection_is_reused_between_calls() -> None:
    with replay(EVENTS) as server, httpx.Client(base_url=server.url) as client:
        ports = {
            client.get(path).extensions["network_stream"].get_extra_info("client_addr")
            for path in ("/health", "/handlers/replayed", "/nothing", f"{STREAM}9")
        }
        assert len(ports) == 1


def test_response_204_has_no_body() -> None:
    ended = f"GET {STREAM.replace('-1', '9')} HTTP/1.1\r\n\r\nGET / malformed request\r\n\r\n"
    with replay(EVENTS) as server, connected(server, ended) as connection:
        assert b"".join(received(connection)) == (
            b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n"
        )


def test_unassigned_status_is_sent() -> None:
    with replay(EVENTS, [Unavailable(599)]) as server:
        assert httpx.get(server.url + STREAM).status_code == 599


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET / HTTP/1.1",
        b"POST /events/replayed HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /events/replayed HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 200_000,
    ],
    ids=lambda request: request[-20:],
)
def test_malformed_request_closes_its_connection_only(request_: bytes) -> None:
    with replay(EVENTS) as server:
        with connected(server, request_) as connection:
            # It resets the connection, at any moment, if it has not read everything.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_drop_resets_the_connection_after_the_events_before_it() -> None:
    body = b""
    with (
        replay([Tick(n=n) for n in range(9)], [Drop(8)]) as server,
        connected(server, f"GET {STREAM} HTTP/1.1\r\n\r\n") as connection,
        pytest.raises(ConnectionResetError),
    ):
        for chunk in received(connection):
            body += chunk
    assert body.count(b"id: ") == 8
    assert body.endswith(b"}\n\n\r\n")


def test_stall_delays_the_next_event() -> None:
    with (
        replay(EVENTS, [Stall(1, 0.3)]) as server,
        SyncWorkflowClient(base_url=server.url) as client,
    ):
        times = [time.monotonic() for _ in client.get_workflow_events(server.handler_id)]
    assert times[1] - times[0] >= 0.25


def test_client_that_disconnects_in_a_stall_ends_it() -> None:
    with (
        replay(EVENTS, [Stall(0, float("inf"))]) as server,
        connected(server, f"GET {STREAM} HTTP/1.1\r\n\r\n") as connection,
    ):
        connection.recv(4)
        connection.shutdown(socket.SHUT_WR)
        assert b"data" not in b"".join(received(connection))


@pytest.mark.parametrize("events", [EVENTS, LARGE_EVENTS], ids=["stalled", "unread"])
def test_server_stops_while_a_stream_is_open(events: list[Event]) -> None:
    faults = [Stall(0, float("inf"))] if events is EVENTS else []
    with (
        ExitStack() as stack,
        connected(
            stack.enter_context(replay(events, faults)), f"GET {STREAM} HTTP/1.1\r\n\r\n"
        ) as connection,
    ):
        assert connection.recv(4) == b"HTTP"
        stack.close()
        with suppress(ConnectionResetError):
            assert not b"".join(received(connection)).endswith(b"0\r\n\r\n")


def test_client_that_resets_its_connection_ends_its_stream_only() -> None:
    with replay(LARGE_EVENTS) as server:
        with connected(server, f"GET {STREAM} HTTP/1.1\r\n\r\n") as connection:
            assert connection.recv(4) == b"HTTP"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        assert httpx.get(f"{server.url}/health").status_code == 200
