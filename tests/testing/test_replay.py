"""The socket of a replay: what other clients than ours see of it."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client.testing import Drop, ReplayServer, Stall, Unavailable, replay
from workflows.events import Event, StopEvent

from ..support.workflows import Tick

EVENTS: Final[list[Event]] = [Tick(n=0), Tick(n=1, text="é\u2028"), StopEvent()]
PATH: Final = "/events/replayed?after_sequence=-1"


@pytest.fixture(autouse=True)
def _nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    gc.collect()  # asyncio logs what a task has raised when nothing refers to it any more
    logged = [*caplog.get_records("call"), *caplog.records]
    assert [record.getMessage() for record in logged if record.name == "asyncio"] == []


def connected(server: ReplayServer) -> socket.socket:
    url = httpx.URL(server.url)
    assert url.port is not None
    return socket.create_connection((url.host, url.port), timeout=10)


def raw(server: ReplayServer, request: bytes) -> bytes:
    """Send bytes; return all that comes until the server closes."""
    with connected(server) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_stream_is_framed_as_by_the_server() -> None:
    with replay(EVENTS) as server:
        answer = raw(server, f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert body.endswith(b"\r\n0\r\n\r\n")
    size, _, rest = body.partition(b"\r\n")
    assert rest[: int(size, 16)].startswith(b"id: 1\ndata: {")
    assert rest[: int(size, 16)].endswith(b"}\n\n")


def test_connection_is_kept_between_calls() -> None:
    with replay(EVENTS) as server, httpx.Client(base_url=server.url) as client:
        ports = set()
        for path in ("/health", "/handlers/replayed", "/nothing", f"{PATH}9"):
            answer = client.get(path)
            stream = answer.extensions["network_stream"]
            ports.add(stream.get_extra_info("client_addr"))
        assert len(ports) == 1


def test_answer_that_there_is_nothing_has_no_body() -> None:
    with replay(EVENTS) as server:
        ended = f"GET {PATH.replace('-1', '9')} HTTP/1.1\r\n\r\n"
        answer = raw(server, f"{ended}GET / no request\r\n\r\n".encode())
    assert answer == b"HTTP/1.1 204 No Content\r\n\r\n"


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
def test_request_that_cannot_be_read_ends_its_connection(request_: bytes) -> None:
    with replay(EVENTS) as server:
        with connected(server) as connection:
            connection.sendall(request_)
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):  # where it had not read all
                assert connection.recv(1) == b""
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_drop_is_a_reset_behind_the_events_before_it() -> None:
    events = [Tick(n=n) for n in range(9)]
    with replay(events, [Drop(8)]) as server, connected(server) as connection:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        came = b""
        with pytest.raises(ConnectionResetError):
            while piece := connection.recv(65536):
                came += piece
    assert came.count(b"id: ") == 8
    assert came.endswith(b"}\n\n\r\n")


def test_stall_holds_back_what_follows() -> None:
    with replay(EVENTS, [Stall(1, 0.3)]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            times = [time.monotonic() for _ in client.get_workflow_events(server.handler_id)]
        assert times[1] - times[0] >= 0.25
        assert times[2] - times[1] < 0.25


def test_end_does_not_wait_for_a_stall() -> None:
    with replay(EVENTS, [Stall(0, float("inf"))]) as server:
        connection = connected(server)
        connection.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(4).startswith(b"HTTP")
        began = time.monotonic()
    with connection:
        assert time.monotonic() - began < 1


def test_end_does_not_wait_for_a_client_that_does_not_read() -> None:
    much = [Tick(n=n, text="x" * 1_000_000) for n in range(20)]
    with replay(much) as server:
        connection = connected(server)
        connection.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(4) == b"HTTP"
        began = time.monotonic()
    with connection:
        assert time.monotonic() - began < 1


def test_client_that_breaks_off_is_nothing_special() -> None:
    much = [Tick(n=n, text="x" * 1_000_000) for n in range(20)]
    with replay(much) as server:
        with connected(server) as connection:
            connection.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
            assert connection.recv(4) == b"HTTP"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_status_without_a_name_is_answered() -> None:
    with replay(EVENTS, [Unavailable(599)]) as server:
        assert httpx.get(server.url + PATH).status_code == 599


def test_client_that_leaves_in_a_stall_is_noticed() -> None:
    """Its stall does not go on: the connection is closed at once."""
    with replay(EVENTS, [Stall(0, float("inf"))]) as server, connected(server) as connection:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        connection.recv(4)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
