"""How streams end early where the variants differ: cancellation, and other threads."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Literal

import anyio
import httpx
import httpx2
import pytest
from llama_agents.client import (
    EventStream,
    StreamNotFoundError,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
)

from ..support.http2 import http2_server
from ..support.interruption import waits_for_network
from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted, stream
from ..support.server import wait_until, wait_until_async
from ..support.transports import use_transport

HELD = Turn(stream(frame(1), end=b""), then="hold")


@pytest.fixture(params=["asyncio", "trio", "aiohttp"])
def anyio_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "aiohttp":
        use_transport("aiohttp", monkeypatch)
        return "asyncio"
    name: str = request.param
    return name


@pytest.mark.anyio
async def test_deadline_while_waiting_for_an_event_closes_the_connection() -> None:
    with scripted([HELD]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            seen = []
            with anyio.CancelScope() as scope:
                async for event in client.get_workflow_events("h1"):
                    seen.append(event)
                    scope.deadline = anyio.current_time() + 0.1
            assert scope.cancelled_caught
            assert len(seen) == 1
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.anyio
async def test_deadline_while_entering_closes_the_connection() -> None:
    with scripted([Turn(then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:

            async def enter() -> None:
                async with client.get_workflow_events("h1"):
                    pytest.fail("entered")

            async with anyio.create_task_group() as group:
                group.start_soon(enter)
                await wait_until_async(lambda: script.requests)
                group.cancel_scope.deadline = anyio.current_time()
            assert group.cancel_scope.cancelled_caught
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.anyio
async def test_deadline_holds_between_attempts() -> None:
    with scripted([Turn()]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with anyio.fail_after(5), anyio.move_on_after(0.3) as scope:
                async for _ in client.get_workflow_events("h1", max_reconnect_attempts=30):
                    pytest.fail("an event")
            assert scope.cancelled_caught


@pytest.mark.anyio
async def test_cancelled_task_stays_cancelled() -> None:
    with scripted([HELD]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            outcome: list[str] = []

            async def read() -> None:
                try:
                    async with client.get_workflow_events("h1") as events:
                        async for _ in events:
                            outcome.append("event")
                except anyio.get_cancelled_exc_class():
                    outcome.append("cancelled")
                    raise

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await wait_until_async(lambda: outcome == ["event"])
                group.cancel_scope.cancel()
            assert outcome == ["event", "cancelled"]
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.anyio
async def test_closing_from_another_task_ends_the_loop() -> None:
    with scripted([HELD]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            seen: list[str] = []

            async def read() -> None:
                async for event in events:
                    seen.append(event.type)

            with anyio.fail_after(5):
                async with anyio.create_task_group() as group:
                    group.start_soon(read)
                    await wait_until_async(lambda: seen)
                    await events.aclose()
            assert seen == ["Tick"]
            await wait_until_async(lambda: script.closed == 1)


@pytest.mark.parametrize("turn", [HELD, Turn(HEAD, then="hold")])
def test_closing_from_another_thread_ends_the_loop_at_once(turn: Turn) -> None:
    with scripted([turn]) as script, SyncWorkflowClient(base_url=script.url) as client:
        events = client.get_workflow_events("h1")
        reader = threading.Thread(target=lambda: list(events))
        reader.start()
        wait_until(lambda: events._response is not None)
        time.sleep(0.05)  # until it is in the middle of a read; sooner is no failure
        events.close()
        reader.join(5)
        assert not reader.is_alive()
        wait_until(lambda: script.closed == 1)
        assert len(script.requests) == 1


@pytest.mark.anyio
async def test_closing_works_on_a_transport_without_sockets() -> None:
    body = frame(1) + frame(2)
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as inner:
        events = WorkflowClient(httpx_client=inner).get_workflow_events("h1")
        async for _ in events:
            await events.aclose()
        assert events.last_sequence == 1


@pytest.mark.anyio
async def test_closing_wakes_a_stream_that_sleeps() -> None:
    unavailable = response("503 Service Unavailable", Retry_After="60")
    with scripted([Turn(unavailable)]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")

            async def read() -> None:
                async for _ in events:
                    pytest.fail("an event")

            with anyio.fail_after(5):
                async with anyio.create_task_group() as group:
                    group.start_soon(read)
                    await wait_until_async(lambda: script.requests)
                    await events.aclose()


@pytest.mark.anyio
async def test_endless_body_of_an_error_is_read_in_part() -> None:
    endless = HEAD.replace(b"200 OK", b"404 Not Found") + chunk(b"x" * 100_000) * 3
    with scripted([Turn(endless, then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with anyio.fail_after(5), pytest.raises(StreamNotFoundError, match="xxx"):
                async for _ in client.get_workflow_events("h1"):
                    pytest.fail("an event")


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")
@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_closing_works_on_uvloop(transport: Literal["httpx", "aiohttp"]) -> None:
    """Its sockets refuse to be shut down."""

    async def main() -> None:
        async with WorkflowClient(base_url=script.url, transport=transport) as client:
            async with client.get_workflow_events("h1") as events:
                async for _ in events:
                    break
            await wait_until_async(lambda: script.closed == 1)

    with scripted([HELD]) as script:
        anyio.run(main, backend_options={"use_uvloop": True})


@pytest.mark.anyio
@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
async def test_closing_from_another_task_ends_only_its_loop_on_http2(library: Any) -> None:
    seen: dict[str, list[str]] = {"h1": [], "h2": []}

    async def read(events: EventStream) -> None:
        async for event in events:
            seen[events.handler_id].append(event.type)

    with http2_server() as server:
        inner = library.AsyncClient(base_url=server.url, http1=False, http2=True)
        async with inner, anyio.create_task_group() as group:
            client = WorkflowClient(httpx_client=inner)
            closed, other = (client.get_workflow_events(name) for name in seen)
            for events in (closed, other):
                group.start_soon(read, events)
                await wait_until_async(lambda: seen[events.handler_id])  # noqa: B023
            await closed.aclose()
            await wait_until_async(lambda: server.reset)
            server.send(*server.open, frame(2, "StopEvent"))
    assert (server.connections, server.reset) == (1, [1])
    assert seen == {"h1": ["Tick"], "h2": ["Tick", "StopEvent"]}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
@pytest.mark.parametrize("ignored", [0, 2], ids=["woken_at_once", "woken_late"])
def test_closing_from_another_thread_ends_only_its_loop_on_http2(
    ignored: int, library: Any
) -> None:
    seen: dict[str, list[str]] = {"h1": [], "h2": []}

    def read(events: SyncEventStream) -> None:
        for event in events:
            seen[events.handler_id].append(event.type)

    with (
        http2_server() as server,
        library.Client(base_url=server.url, http1=False, http2=True) as inner,
    ):
        client = SyncWorkflowClient(httpx_client=inner)
        streams = [client.get_workflow_events(name) for name in seen]
        readers = [threading.Thread(target=read, args=(events,)) for events in streams]
        for events, reader in zip(streams, readers, strict=True):
            reader.start()
            # In httpcore, a thread that reads for all others may take the lock again and again.
            wait_until(lambda: seen[events.handler_id] or server.send_comments())  # noqa: B023
        wait_until(lambda: all(waits_for_network(reader, or_its_turn=True) for reader in readers))
        server.ignored_pings = ignored
        streams[0].close()
        readers[0].join(5)
        assert not readers[0].is_alive()
        wait_until(lambda: server.reset)
        server.send(*server.open, frame(2, "StopEvent"))
        readers[1].join(5)
        assert not readers[1].is_alive()
    assert (server.connections, server.reset) == (1, [1])
    assert seen == {"h1": ["Tick"], "h2": ["Tick", "StopEvent"]}
