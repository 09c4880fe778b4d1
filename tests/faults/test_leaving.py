"""What is left when a stream is left early: with the event loop, also by cancellation."""

from __future__ import annotations

import asyncio
import gc
from typing import Literal

import pytest
from llama_agents.client import EventStream, WorkflowClient

from ..support.scripted import Turn, frame, scripted, stream
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
            assert asyncio.all_tasks() == tasks
