"""Many concurrent streams and runs of one client with default settings."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.scripted import Turn, frame, scripted, stream

STREAMS = 120  # more than the 100 connections that httpx allows by default
RUNS = 200
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
async def test_concurrent_runs_share_one_httpx_client(
    server_url: str, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """To create a client takes 20 ms or more, in which the event loop does nothing else."""
    if transport == "httpx2":
        pytest.skip("a client that is passed in is not created")
    created: list[httpx.AsyncClient] = []
    statuses: list[str] = []

    class Counted(httpx.AsyncClient):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            created.append(self)

    async def run(client: WorkflowClient) -> None:
        statuses.append((await client.run_workflow("greet")).status)

    monkeypatch.setattr(httpx, "AsyncClient", Counted)
    async with WorkflowClient(base_url=server_url) as client, anyio.create_task_group() as runs:
        for _ in range(RUNS):
            runs.start_soon(run, client)
    assert statuses == ["completed"] * RUNS
    assert len(created) == 1
