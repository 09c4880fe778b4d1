"""Many streams and runs at once, with one client of default settings."""

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

STREAMS = 120  # beyond httpx's own limit of 100 connections
RUNS = 200
LONGEST_BLOCK = 0.25 if sys.gettrace() is None else 0.75  # s; coverage makes all slower
PATIENCE = 60.0  # s

LIVE = Turn(stream(frame(1), end=b""), then="hold")


@pytest.mark.anyio
async def test_streams_of_one_async_client_are_concurrent() -> None:
    """Each holds its first event until all have theirs."""
    have_one = 0

    async def read(client: WorkflowClient) -> None:
        nonlocal have_one
        async for _ in client.get_workflow_events("h1"):
            have_one += 1
            while have_one < STREAMS:
                await anyio.sleep(0.01)
            return

    with scripted([LIVE]) as script, anyio.fail_after(PATIENCE):
        async with (
            WorkflowClient(base_url=script.url) as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(STREAMS):
                group.start_soon(read, client)
    assert have_one == STREAMS


def test_streams_of_one_sync_client_are_concurrent() -> None:
    """Each holds its first event until all have theirs."""
    all_have_one = threading.Barrier(STREAMS, timeout=PATIENCE)

    def read(client: SyncWorkflowClient) -> None:
        for _ in client.get_workflow_events("h1"):
            all_have_one.wait()
            return

    with (
        scripted([LIVE]) as script,
        SyncWorkflowClient(base_url=script.url) as client,
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        for reader in [threads.submit(read, client) for _ in range(STREAMS)]:
            reader.result()


@pytest.mark.anyio
async def test_many_runs_do_not_block_the_event_loop(server_url: str) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            # Time of the processor: on a loaded machine, another process is no fault of ours.
            before = time.thread_time()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - before)
            await anyio.sleep(0.002)

    statuses: list[str] = []

    async def run(client: WorkflowClient) -> None:
        statuses.append((await client.run_workflow("greet")).status)

    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        async with WorkflowClient(base_url=server_url) as client, anyio.create_task_group() as runs:
            for _ in range(RUNS):
                runs.start_soon(run, client)
        watching.cancel_scope.cancel()
    assert statuses == ["completed"] * RUNS
    assert longest < LONGEST_BLOCK
