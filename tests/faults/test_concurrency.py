"""Many concurrent streams and runs of one client with default settings."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.scripted import Turn, frame, scripted, stream

STREAMS = 120  # more than the 100 connections that httpx allows by default
RUNS = 200
MAX_BLOCK = 0.25 if sys.gettrace() is None else 0.75  # s; coverage slows everything down
TIMEOUT = 60.0  # s

LIVE = Turn(stream(frame(1), end=b""), then="hold")


@pytest.mark.anyio
async def test_async_client_streams_concurrently() -> None:
    """Each reader holds its first event until all readers have theirs."""
    reading = 0

    async def read(client: WorkflowClient) -> None:
        nonlocal reading
        async for _ in client.get_workflow_events("h1"):
            reading += 1
            while reading < STREAMS:
                await anyio.sleep(0.01)
            return

    with scripted([LIVE]) as script, anyio.fail_after(TIMEOUT):
        async with (
            WorkflowClient(base_url=script.url) as client,
            anyio.create_task_group() as readers,
        ):
            for _ in range(STREAMS):
                readers.start_soon(read, client)
    assert reading == STREAMS


def test_sync_client_streams_concurrently() -> None:
    all_reading = threading.Barrier(STREAMS, timeout=TIMEOUT)

    def read(client: SyncWorkflowClient) -> None:
        for _ in client.get_workflow_events("h1"):
            all_reading.wait()
            return

    with (
        scripted([LIVE]) as script,
        SyncWorkflowClient(base_url=script.url) as client,
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        for reader in [threads.submit(read, client) for _ in range(STREAMS)]:
            reader.result()


@pytest.mark.anyio
async def test_concurrent_runs_never_block_event_loop(server_url: str) -> None:
    longest = 0.0
    statuses: list[str] = []

    async def watch() -> None:
        nonlocal longest
        while True:
            # CPU time of this thread: other processes of a loaded machine do not count.
            before = time.thread_time()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - before)
            await anyio.sleep(0.002)

    async def run(client: WorkflowClient) -> None:
        statuses.append((await client.run_workflow("greet")).status)

    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        async with WorkflowClient(base_url=server_url) as client, anyio.create_task_group() as runs:
            for _ in range(RUNS):
                runs.start_soon(run, client)
        watching.cancel_scope.cancel()
    assert statuses == ["completed"] * RUNS
    assert longest < MAX_BLOCK
