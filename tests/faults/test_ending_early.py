"""What a stream or call leaves behind when it is ended early, or its task cancelled."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import httpx
import pytest
from llama_agents.client import EventStream, WorkflowClient
from llama_agents.client._transport.library import original

from ..support.scripted import Turn, frame, response, scripted, stream
from ..support.server import wait_until_async
from .measure import open_sockets

pytestmark = pytest.mark.anyio

LIVE = Turn(stream(frame(1), end=b""), then="hold")
Leave = Literal["break", "close", "error", "cancel", "deadline", "never"]


async def read(events: EventStream, leave: Leave, first: asyncio.Event) -> None:
    async for _ in events:
        first.set()
        match leave:
            case "break":
                return
            case "close":
                await events.aclose()
            case "error":
                raise ZeroDivisionError


async def end_early(events: EventStream, leave: Leave) -> None:
    """Read a stream in a task, and end it after its first event in the given way."""
    first = asyncio.Event()
    task = asyncio.create_task(read(events, leave, first))
    if leave == "cancel":
        await first.wait()
        task.cancel()
    if leave == "deadline":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.2)
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled() is (leave in ("cancel", "deadline"))
    assert isinstance(outcome, ZeroDivisionError) is (leave == "error")


@pytest.mark.parametrize("leave", ["break", "close", "error", "cancel", "deadline", "never"])
async def test_stream_ended_early_leaves_no_socket_or_task(leave: Leave) -> None:
    tasks = asyncio.all_tasks()
    with scripted([LIVE]) as script:
        idle = open_sockets()
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            if leave != "never":
                await end_early(events, leave)
            gc.collect()
            await wait_until_async(lambda: open_sockets() <= idle)
            # The event loop closes a dropped generator in a task of its own.
            await wait_until_async(lambda: asyncio.all_tasks() == tasks)


async def read_all(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        pass


RUNNING = response(
    "202 Accepted",
    b'{"handler_id": "h1", "workflow_name": "w", "run_id": null, "error": null, "result": null,'
    b' "status": "running", "started_at": "2026-01-01T00:00:00Z", "updated_at": null,'
    b' "completed_at": null}',
    Connection="keep-alive",
)
WORKFLOWS = response("200 OK", b'{"workflows": []}', Connection="keep-alive")


@pytest.mark.parametrize(
    ("call", "turn"),
    [
        (lambda client: client.list_workflows(), Turn(WORKFLOWS, then="hold")),
        (lambda client: client.wait_for_handler("h1"), Turn(RUNNING, then="hold")),
        (read_all, Turn(stream(frame(1), frame(2, "StopEvent")), then="hold")),
        (read_all, LIVE),
    ],
    ids=["list_workflows", "wait_for_handler", "whole stream", "live stream"],
)
async def test_cancelled_task_leaves_no_socket_in_use(
    call: Callable[[WorkflowClient], Awaitable[object]], turn: Turn
) -> None:
    """At whatever point of what is below it the cancellation arrives."""
    with scripted([turn]) as script:
        idle = open_sockets()
        for turns in range(60):
            async with WorkflowClient(base_url=script.url) as client:
                inner = await client._driver.clients.get()
                task = asyncio.ensure_future(call(client))
                for _ in range(turns):
                    await asyncio.sleep(0.0005 if turns % 2 else 0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                unused = idle_connections(inner)
                await wait_until_async(lambda: open_sockets() <= idle + 2 * unused)  # noqa: B023
            await wait_until_async(lambda: open_sockets() <= idle)


def idle_connections(client: httpx.AsyncClient) -> int:
    """Return how many connections a client keeps for later requests."""
    transport: Any = original(client)._transport
    if hasattr(transport, "_connector"):  # aiohttp's
        return sum(map(len, transport._connector._conns.values()))
    shards = getattr(transport._pool, "shards", [transport._pool])
    return sum(connection.is_idle() for shard in shards for connection in shard.connections)
