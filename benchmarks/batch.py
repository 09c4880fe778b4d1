"""Time and processor time for each run of a batch, and of what a program would write itself.

That is a semaphore around ``run_workflow``, or a pool of threads; with the published client, each
thread calls ``asyncio.run``. The short runs are as far away as the slow link makes them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import llama_agents.client
from llama_agents.client import WorkflowClient

from .script import arguments, report, running
from .subjects import IS_PUBLISHED, workflow_client

Starts: TypeAlias = list[dict[str, float]]
Costs: TypeAlias = dict[str, list[float]]

LIMIT: Final = 16  # runs at once
LONGER: Final = 0.5  # s


async def with_semaphore(client: WorkflowClient, starts: Starts) -> None:
    """Run each with ``run_workflow``."""
    semaphore = asyncio.Semaphore(LIMIT)

    async def run(start: dict[str, float]) -> None:
        async with semaphore:
            await client.run_workflow("pause", start_event=start)

    await asyncio.gather(*map(run, starts))


async def as_batch(client: WorkflowClient, starts: Starts) -> None:
    """Run them with ``map_workflow``."""
    async with client.map_workflow("pause", starts, limit=LIMIT) as results:
        assert [result.error async for result in results] == [None] * len(starts)


def with_client(
    function: Callable[[WorkflowClient, Starts], Awaitable[None]],
) -> Callable[[str, Starts], None]:
    """Call a function with a client of its own in an event loop of its own."""

    async def run(url: str, starts: Starts) -> None:
        async with workflow_client(url) as client:
            await function(client, starts)

    return lambda url, starts: asyncio.run(run(url, starts))


def as_sync_batch(url: str, starts: Starts) -> None:
    """Run them with ``map_workflow`` of the sync client."""
    with (
        llama_agents.client.SyncWorkflowClient(base_url=url) as client,
        client.map_workflow("pause", starts, limit=LIMIT) as results,
    ):
        assert [result.error for result in results] == [None] * len(starts)


def with_threads(url: str, starts: Starts) -> None:
    """Run each with ``run_workflow`` in a pool of threads."""
    with (
        llama_agents.client.SyncWorkflowClient(base_url=url) as client,
        ThreadPoolExecutor(LIMIT) as pool,
    ):
        list(pool.map(lambda start: client.run_workflow("pause", start_event=start), starts))


def with_threads_and_loops(url: str, starts: Starts) -> None:
    """Run each with the async ``run_workflow`` in a pool of threads."""
    client = WorkflowClient(base_url=url)

    def run(start: dict[str, float]) -> object:
        return asyncio.run(client.run_workflow("pause", start_event=start))

    with ThreadPoolExecutor(LIMIT) as pool:
        list(pool.map(run, starts))


def measured(
    way: Callable[[str, Starts], None], url: str, count: int, seconds: float
) -> tuple[float, float]:
    """Return seconds and processor seconds for each run, the client's creation included."""
    way(url, [{"seconds": 0.0}])
    begin, processor = time.perf_counter(), time.process_time()
    way(url, [{"seconds": seconds}] * count)
    spent = time.process_time() - processor
    return (time.perf_counter() - begin) / count, spent / count


ways: dict[str, Callable[[str, Starts], None]] = {"semaphore": with_client(with_semaphore)}
if IS_PUBLISHED:
    ways["threads"] = with_threads_and_loops
else:
    ways |= {
        "threads": with_threads,
        "batch": with_client(as_batch),
        "batch_sync": as_sync_batch,
    }
options = arguments(__doc__, runs=200, longer=64)
found: Costs = {}
with running("link", options.server) as link:
    for name, way in ways.items():
        seconds, processor = measured(way, link, options.runs, 0.0)
        found[f"{name}_seconds"], found[f"{name}_processor"] = [seconds], [processor]
        if options.longer:
            _, processor = measured(way, options.server, options.longer, LONGER)
            found[f"{name}_longer_processor"] = [processor]
report(**found)
