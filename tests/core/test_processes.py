"""Forked processes: their connections, locks, streams and batches."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import pytest
from llama_agents.client import (
    MissedEventsWarning,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
)

from ..support.processes import in_child, needs_fork, run_program
from ..support.scripted import END, HEAD, Turn, chunk, frame, response, scripted
from ..support.server import wait_until
from ..support.transports import TRANSPORTS, use_transport

HEALTHY = response("200 OK", b'{"status": "healthy"}', Connection="keep-alive")


class HandlersById(BaseHTTPRequestHandler):
    """Answers each request with a handler whose ID is the end of the path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        handler_id = self.path.rsplit("/", 1)[-1]
        body = {"handler_id": handler_id, "workflow_name": "w", "status": "running"}
        data = json.dumps(body | {"started_at": "2026-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def handlers_by_id() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), HandlersById) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def sync_client(url: str, owned: object, stack: ExitStack) -> SyncWorkflowClient:
    if owned is True:
        return stack.enter_context(SyncWorkflowClient(base_url=url))
    library = httpx2 if owned == "httpx2" else httpx
    inner = stack.enter_context(library.Client(base_url=url))
    return SyncWorkflowClient(httpx_client=inner)


@needs_fork
@pytest.mark.parametrize("owned", [True, False, "httpx2"])
def test_forked_child_connects_anew(owned: object) -> None:
    with scripted([Turn(HEALTHY, then="hold")]) as script, ExitStack() as stack:
        client = sync_client(script.url, owned, stack)
        client.is_healthy()
        assert in_child(client.is_healthy).status == "healthy"
        assert len(script.requests) == 2  # one for each connection
        in_child(client.close)
        assert script.closed == 1  # by the end of the first child


@needs_fork
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_forked_child_uses_an_async_client_in_an_event_loop_of_its_own(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_transport(transport, monkeypatch)

    async def health() -> str:
        return (await client.is_healthy()).status

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with scripted([Turn(HEALTHY, then="hold")]) as script:
        client = WorkflowClient(base_url=script.url)
        assert asyncio.run_coroutine_threadsafe(health(), loop).result(10) == "healthy"
        assert in_child(lambda: asyncio.run(health())) == "healthy"
        assert len(script.requests) == 2
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@needs_fork
@pytest.mark.parametrize("owned", [True, False])
def test_fork_while_threads_use_the_client(owned: bool) -> None:
    def ids(prefix: str, count: int) -> bool:
        wanted = [f"{prefix}-{number}" for number in range(count)]
        return [client.get_handler(name).handler_id for name in wanted] == wanted

    def use(name: str) -> None:
        while not stopped.is_set():
            right.append(ids(name, 5))

    stopped = threading.Event()
    right: list[bool] = []
    with handlers_by_id() as url, ExitStack() as stack:
        client = sync_client(url, owned, stack)
        threads = [threading.Thread(target=use, args=(f"thread{n}",)) for n in range(16)]
        for thread in threads:
            thread.start()
        children = [in_child(lambda n=n: ids(f"child{n}", 3)) for n in range(10)]
        stopped.set()
        for thread in threads:
            thread.join()
    assert all(children)
    assert all(right)


@contextmanager
def held_by_another_thread(lock: Any) -> Iterator[None]:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    yield
    done.set()
    thread.join()


@needs_fork
@pytest.mark.parametrize("which", ["pool", "cookies"])
def test_forked_child_waits_for_no_lock_of_a_thread(server_url: str, which: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        client.is_healthy()
        inner = client._driver.clients.get()
        locks = {
            "pool": inner._transport._pool._optional_thread_lock,  # type: ignore[attr-defined]
            "cookies": inner.cookies.jar._cookies_lock,  # type: ignore[attr-defined]
        }
        with held_by_another_thread(locks[which]):
            assert in_child(client.is_healthy).status == "healthy"


@needs_fork
@pytest.mark.parametrize("module", ["llama_agents.client.bindings", "pydantic", "httpcore"])
def test_fork_waits_for_imports_of_the_first_client(module: str) -> None:
    """The child would wait for ever for the lock of a module that no thread imports any more."""
    program = """
        import os, signal, sys, threading
        from llama_agents.client import SyncWorkflowClient
        importing = threading.Event()
        class Slow:
            def find_spec(self, name, path, target=None):
                if name == sys.argv[1] and threading.current_thread() is thread:
                    importing.set()
                    threading.Event().wait(0.2)
        sys.meta_path.insert(0, Slow())
        def use():
            try:
                SyncWorkflowClient(base_url="http://127.0.0.1:1").is_healthy()
            except Exception as error:
                assert type(error).__name__ == "ConnectError"
        thread = threading.Thread(target=use)
        thread.start()
        importing.wait()
        if (child := os.fork()) == 0:
            signal.alarm(30)
            use()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the child hangs"
        thread.join()
    """
    assert run_program(program, module) == ("", "")


@needs_fork
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_forked_child_leaves_the_event_loop_of_its_parent_alone(
    server_url: str, transport: Any
) -> None:
    async def main() -> int:
        clients = [WorkflowClient(base_url=server_url, transport=transport)]
        await clients[0].is_healthy()
        loop, calls = asyncio.get_running_loop(), []

        def drop() -> int:
            loop.call_soon_threadsafe = lambda *call: calls.append(call)  # type: ignore[assignment]
            clients.clear()
            gc.collect()
            return len(calls)

        return in_child(drop)

    assert asyncio.run(main()) == 0


@needs_fork
def test_forked_child_rejects_a_used_client_whose_connections_it_cannot_tell_apart() -> None:
    class Wrapped(httpx.BaseTransport):
        def __init__(self) -> None:
            self.inner = httpx.HTTPTransport()

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    with (
        scripted([Turn(HEALTHY, then="hold")]) as script,
        httpx.Client(base_url=script.url, transport=Wrapped()) as inner,
    ):
        client = SyncWorkflowClient(httpx_client=inner)
        client.is_healthy()
        with pytest.raises(RuntimeError, match="create the client in the child process"):
            in_child(client.is_healthy)
        assert len(script.requests) == 1


EVENTS = [*(frame(number) for number in range(1, 6)), frame(6, "StopEvent")]


@contextmanager
def stream_in_two_parts() -> Iterator[tuple[Any, threading.Event]]:
    """Serve a stream whose first connection pauses after two events until it is told to go on."""
    go_on = threading.Event()

    def parts() -> Iterator[bytes]:
        yield HEAD + b"".join(map(chunk, EVENTS[:2]))
        go_on.wait(30)
        yield b"".join(map(chunk, EVENTS[2:])) + END

    rest = Turn(HEAD + b"".join(map(chunk, EVENTS)) + END)
    with scripted([Turn(parts), rest]) as script:
        try:
            yield script, go_on
        finally:
            go_on.set()


def read_rest(events: Any, stream: SyncEventStream) -> list[object]:
    return [stream.last_sequence for _ in events]


@needs_fork
def test_stream_carried_into_a_child_reconnects_there_and_goes_on_in_the_parent() -> None:
    with (
        stream_in_two_parts() as (script, go_on),
        SyncWorkflowClient(base_url=script.url) as client,
    ):
        stream = client.get_workflow_events("h1", max_reconnect_attempts=0)
        events = iter(stream)
        next(events)
        assert in_child(lambda: read_rest(events, stream)) == [2, 3, 4, 5, 6]
        go_on.set()
        assert read_rest(events, stream) == [2, 3, 4, 5, 6]
        assert len(script.requests) == 2


@needs_fork
def test_stream_entered_before_a_fork_reconnects_in_the_child() -> None:
    def read() -> list[object]:
        with pytest.warns(MissedEventsWarning):
            return read_rest(stream, stream)

    with (
        stream_in_two_parts() as (script, go_on),
        SyncWorkflowClient(base_url=script.url) as client,
    ):
        stream = client.get_workflow_events("h1", after_sequence="now")
        with stream:
            assert in_child(read) == [1, 2, 3, 4, 5, 6]
            go_on.set()
            assert read_rest(stream, stream) == [1, 2, 3, 4, 5, 6]


@needs_fork
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_async_stream_carried_into_a_child_reconnects_there(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_transport(transport, monkeypatch)

    async def read() -> list[object]:
        return [stream.last_sequence async for _ in events]

    loop = asyncio.new_event_loop()
    with stream_in_two_parts() as (script, go_on):
        client = WorkflowClient(base_url=script.url)
        stream = client.get_workflow_events("h1")
        events = aiter(stream)
        loop.run_until_complete(anext(events))
        assert in_child(lambda: asyncio.run(read())) == [2, 3, 4, 5, 6]
        go_on.set()
        assert loop.run_until_complete(read()) == [2, 3, 4, 5, 6]
        loop.run_until_complete(client.aclose())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@needs_fork
@pytest.mark.parametrize("owned", [True, False])
def test_child_that_closes_everything_does_not_disturb_the_parent(owned: bool) -> None:
    with stream_in_two_parts() as (script, go_on), ExitStack() as stack:
        client = sync_client(script.url, owned, stack)
        stream = client.get_workflow_events("h1")
        events = iter(stream)
        next(events)

        def close() -> None:
            nonlocal events
            stream.close()
            del events
            stack.close()
            gc.collect()

        in_child(close)
        go_on.set()
        assert read_rest(events, stream) == [2, 3, 4, 5, 6]
        assert len(script.requests) == 1


@needs_fork
@pytest.mark.parametrize("leave", ["close", "drop", "continue"])
def test_batch_carried_into_a_child_stays_the_parents(server_url: str, leave: str) -> None:
    def in_the_child() -> None:
        nonlocal results
        if leave == "close":
            results.close()
        elif leave == "drop":
            del results
            gc.collect()
        else:
            next(results)

    with SyncWorkflowClient(base_url=server_url) as client:
        starts = [{"n": 0}, {"n": 1, "pause": 60}]
        results = client.map_workflow("count", starts, key=lambda s: f"fork-{leave}-{s['n']}")
        next(results)
        running = client.get_handlers
        wait_until(lambda: f"fork-{leave}-1" in {h.handler_id for h in running().handlers})
        if leave == "continue":
            with pytest.raises(RuntimeError, match="cannot be continued in a forked process"):
                in_child(in_the_child)
        else:
            in_child(in_the_child)
        assert client.get_handler(f"fork-{leave}-1").status == "running"
        results.close()
        assert client.get_handler(f"fork-{leave}-1").status == "cancelled"
