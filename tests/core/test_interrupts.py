"""Signal handlers that raise in the middle of a request: the exception is the caller's."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import trio
from anyio._backends import _asyncio
from httpcore._backends.sync import SyncStream
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted
from ..support.tls import certificates

BIG = {"type": "X", "value": {"text": "x" * 20_000_000}}  # more than the sockets buffer
BODY = response("200 OK", b'{"workflows": []}')
UNAVAILABLE = response("503 Service Unavailable", Retry_After="30")


STREAMS: dict[str, tuple[Any, dict[str, str]]] = {
    "asyncio": (_asyncio.SocketStream, {"write": "send", "read": "receive"}),
    "trio": (trio.SocketStream, {"write": "send_all", "read": "receive_some"}),
}


class OwnError(OSError):
    """What a caller might raise."""


@pytest.fixture(params=[TimeoutError, ConnectionResetError, OwnError, ZeroDivisionError])
def raised(request: pytest.FixtureRequest) -> Iterator[Exception]:
    """What the handler of the signal raises."""
    error: Exception = request.param("of the caller's own")

    def handler(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGUSR1, handler)
    yield error
    signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    """Send the signal to the main thread."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


def then_interrupt(*parts: bytes) -> Iterator[bytes]:
    yield from parts
    interrupt()


def pool_of(client: httpx.Client | httpx.AsyncClient) -> Any:
    transport: Any = client._transport
    return transport._pool


def is_empty(pool: Any) -> bool:
    return not pool._requests and all(c.is_idle() or c.is_closed() for c in pool.connections)


def list_workflows(client: SyncWorkflowClient) -> object:
    return client.list_workflows()


def read_stream(client: SyncWorkflowClient) -> object:
    return [*client.get_workflow_events("h1")]


PHASES: dict[str, tuple[Callable[[SyncWorkflowClient], object], list[bytes]]] = {
    "head": (list_workflows, []),
    "body": (list_workflows, [BODY[:-1]]),
    "stream": (read_stream, [HEAD, chunk(frame(1))]),
    "sleep": (list_workflows, [UNAVAILABLE]),
}


@pytest.mark.parametrize("phase", PHASES)
def test_exception_of_signal_handler_passes_through_call(raised: Exception, phase: str) -> None:
    call, parts = PHASES[phase]
    turn = Turn(lambda: then_interrupt(*parts), then="hold")
    with scripted([turn]) as script, httpx.Client(base_url=script.url) as inner:
        with pytest.raises(type(raised)) as caught:
            call(SyncWorkflowClient(httpx_client=inner))
        assert caught.value is raised
        assert is_empty(pool_of(inner))
        assert len(script.requests) == 1


@pytest.mark.parametrize("retries", [0, 1])
def test_exception_of_signal_handler_passes_through_connect(
    raised: Exception, retries: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)  # now the client waits for the rest of the handshake
                interrupt()
                connection.recv(65536)

        thread = threading.Thread(target=accept)
        thread.start()
        transport = httpx.HTTPTransport(verify=certificates().client, retries=retries)
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with httpx.Client(base_url=url, transport=transport) as inner:
            with pytest.raises(type(raised)) as caught:
                SyncWorkflowClient(httpx_client=inner).list_workflows()
            assert is_empty(pool_of(inner))
        thread.join()
    assert caught.value is raised


def test_exception_of_signal_handler_passes_through_write(raised: Exception) -> None:
    # The body is not read before the signal, so sending it blocks.
    turn = Turn(then_interrupt, then="hold")
    with scripted([turn]) as script, httpx.Client(base_url=script.url) as inner:
        with pytest.raises(type(raised)) as caught:
            SyncWorkflowClient(httpx_client=inner).send_event("h1", BIG)
        assert caught.value is raised
        assert is_empty(pool_of(inner))


def interrupted(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a stream whose first call a signal interrupts."""
    calls = itertools.count()

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 0:
            os.kill(os.getpid(), signal.SIGUSR1)
        return method(*args, **kwargs)

    return call


def test_exception_of_signal_handler_passes_through_close(
    raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted([Turn(BODY)]) as script, httpx.Client(base_url=script.url) as inner:
        monkeypatch.setattr(SyncStream, "close", interrupted(SyncStream.close))
        with pytest.raises(type(raised)) as caught:
            SyncWorkflowClient(httpx_client=inner).list_workflows()
        assert caught.value is raised
        assert is_empty(pool_of(inner))
        monkeypatch.undo()
    assert len(script.requests) == 1


def test_exception_of_signal_handler_before_a_response_is_closed_leaves_no_entry_in_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def close(response: httpx.Response) -> None:
        response.is_closed = True  # httpx marks it first
        raise OwnError

    with scripted([Turn(BODY)]) as script, httpx.Client(base_url=script.url) as inner:
        monkeypatch.setattr(httpx.Response, "close", close)
        with pytest.raises(OwnError):
            SyncWorkflowClient(httpx_client=inner).list_workflows()
        assert is_empty(pool_of(inner))


@pytest.mark.anyio
@pytest.mark.parametrize("phase", ["write", "read"])
async def test_exception_of_signal_handler_passes_through_async_call(
    raised: Exception, phase: str, monkeypatch: pytest.MonkeyPatch, anyio_backend_name: str
) -> None:
    cls, names = STREAMS[anyio_backend_name]
    with scripted([Turn(BODY)]) as script:
        async with httpx.AsyncClient(base_url=script.url) as inner:
            monkeypatch.setattr(cls, names[phase], interrupted(getattr(cls, names[phase])))
            with pytest.raises(type(raised)) as caught:
                await WorkflowClient(httpx_client=inner).list_workflows()
            assert caught.value is raised
            assert is_empty(pool_of(inner))
            monkeypatch.undo()


def test_read_timeout_while_another_exception_is_handled_is_a_read_timeout(
    raised: Exception,
) -> None:
    """The exception of a signal handler that the caller has caught is not raised again."""
    with scripted([Turn(then="hold")]) as script:
        timeout = httpx.Timeout(5, read=0.01)
        with httpx.Client(base_url=script.url, timeout=timeout) as inner:
            try:
                os.kill(os.getpid(), signal.SIGUSR1)
            except type(raised):
                with pytest.raises(httpx.ReadTimeout):
                    SyncWorkflowClient(httpx_client=inner).is_healthy()
