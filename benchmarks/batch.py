"""Time and processor time of a batch, and of the same runs with a semaphore or a thread pool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from llama_agents.client import SyncWorkflowClient, WorkflowClient

from .script import arguments, report, running

LIMIT = 16  # runs at once
LONGER = 0.5  # s, of the runs whose processor time is measured


async def with_semaphore(client: WorkflowClient, starts: list[dict[str, float]]) -> None:
    """Run each with ``run_workflow``."""
    semaphore = asyncio.Semaphore(LIMIT)

    async def run(start: dict[str, float]) -> None:
        async with semaphore:
            await client.run_workflow("pause", start_event=start)

    await asyncio.gather(*map(run, starts))


async def as_batch(client: WorkflowClient, starts: list[dict[str, float]]) -> None:
    """Run them with ``map_workflow``."""
    async with client.map_workflow("pause", starts, limit=LIMIT) as results:
        assert [result.error async for result in results] == [None] * len(starts)


async def measured(
    clock: Callable[[], float],
    function: Callable[[WorkflowClient, list[dict[str, float]]], Awaitable[None]],
    url: str,
    count: int,
    seconds: float,
) -> float:
    """Return how long a function takes by a clock, with a client of its own."""
    async with WorkflowClient(base_url=url) as client:
        await client.run_workflow("pause")
        begin = clock()
        await function(client, [{"seconds": seconds}] * count)
        return clock() - begin


def sync_times(url: str, count: int) -> tuple[float, float]:
    """Return the duration of a batch, and of a thread pool."""
    starts = [{"seconds": 0.0}] * count
    with SyncWorkflowClient(base_url=url) as client:
        client.run_workflow("pause")
        begin = time.perf_counter()
        with client.map_workflow("pause", starts, limit=LIMIT) as results:
            assert [result.error for result in results] == [None] * count
        batch = time.perf_counter() - begin
    with SyncWorkflowClient(base_url=url) as client, ThreadPoolExecutor(LIMIT) as pool:
        client.run_workflow("pause")
        begin = time.perf_counter()
        list(pool.map(lambda start: client.run_workflow("pause", start_event=start), starts))
        return batch, time.perf_counter() - begin


async def main(server: str, link: str, runs: int, longer: int) -> dict[str, float]:
    """Return all times in seconds."""
    wall, processor = time.perf_counter, time.process_time
    return {
        "batch_async": await measured(wall, as_batch, link, runs, 0.0),
        "semaphore": await measured(wall, with_semaphore, link, runs, 0.0),
        "batch_processor": await measured(processor, as_batch, server, longer, LONGER),
        "semaphore_processor": await measured(processor, with_semaphore, server, longer, LONGER),
    }


options = arguments(__doc__, runs=200, longer=500)
with running("link", options.server) as link:
    figures = asyncio.run(main(options.server, link, options.runs, options.longer))
    figures["batch_sync"], figures["threads"] = sync_times(link, options.runs)
report(**{name: [value] for name, value in figures.items()})
