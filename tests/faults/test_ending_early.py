"""What is left when a stream is left early: with the event loop, also by cancellation."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from llama_agents.client import EventStream, WorkflowClient

from ..support.scripted import Turn, answer, frame, scripted, stream
from ..support.server import wait_until_async
from .measure import sockets

LIVE = Turn(stream(frame(1), end=b""), then="hold")
Leave = Literal["break", "close", "error", "cancel", "deadline", "never"]


async def read(events: EventStream, leave: Leave, first: asyncio.Event) -> None:
    """Read until the first event, and go as told."""
    async for _ in events:
        first.set()
        if leave == "break":
            return
        if leave == "close":
            await events.aclose()
        if leave == "error":
            raise ZeroDivisionError


async def leave_early(events: EventStream, leave: Leave) -> None:
    if leave == "never":
        return
    first = asyncio.Event()
    task = asyncio.create_task(read(events, leave, first))
    if leave == "cancel":
        await first.wait()
        task.cancel()
    if leave == "deadline":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.2)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled() is (leave in ("cancel", "deadline"))
    assert isinstance(None if task.cancelled() else task.exception(), ZeroDivisionError) is (
        leave == "error"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("leave", ["break", "close", "error", "cancel", "deadline", "never"])
async def test_stream_that_is_left_leaves_no_socket_and_no_task(leave: Leave) -> None:
    tasks = asyncio.all_tasks()
    with scripted([LIVE]) as script:
        idle = sockets()
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            await leave_early(events, leave)
            gc.collect()
            await wait_until_async(lambda: sockets() <= idle)
            # The event loop closes a dropped generator in a task of its own.
            await wait_until_async(lambda: asyncio.all_tasks() == tasks)


async def wait_for_run(client: WorkflowClient) -> None:
    await client.wait_for_handler("h1")


async def list_workflows(client: WorkflowClient) -> None:
    await client.list_workflows()


async def follow(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        pass


RUNNING = answer(
    "202 Accepted",
    b'{"handler_id": "h1", "workflow_name": "w", "run_id": null, "error": null, "result": null,'
    b' "status": "running", "started_at": "2026-01-01T00:00:00Z", "updated_at": null,'
    b' "completed_at": null}',
    Connection="keep-alive",
)
WORKFLOWS = answer("200 OK", b'{"workflows": []}', Connection="keep-alive")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("work", "turn"),
    [
        (list_workflows, Turn(WORKFLOWS, then="hold")),
        (wait_for_run, Turn(RUNNING, then="hold")),
        (follow, Turn(stream(frame(1), frame(2, "StopEvent")), then="hold")),
        (follow, LIVE),
    ],
)
async def test_task_cancelled_at_any_moment_leaves_no_socket_in_use(
    work: Callable[[WorkflowClient], Awaitable[None]], turn: Turn
) -> None:
    """Whatever a cancellation hits in the libraries below; the client itself stays open."""
    loop = asyncio.get_running_loop()
    with scripted([turn]) as script:
        idle = sockets()
        for turns in range(60):
            client = WorkflowClient(base_url=script.url)
            task = loop.create_task(work(client))
            for _ in range(turns):
                await asyncio.sleep(0.0005 if turns % 2 else 0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            kept = [*(await client._pool.get())._transport._pool.connections]  # type: ignore[attr-defined]
            unused = sum(connection.is_idle() for connection in kept)
            await wait_until_async(lambda: sockets() <= idle + 2 * unused)  # noqa: B023
            await client.aclose()
            await wait_until_async(lambda: sockets() <= idle)
