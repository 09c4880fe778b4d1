"""Longest time that many concurrent ``run_workflow`` calls block the event loop."""

from __future__ import annotations

import asyncio
import time

from llama_agents.client import WorkflowClient

from .script import arguments, report

TICK = 0.005  # s


async def longest_delay(over: asyncio.Event) -> float:
    """Return the longest delay, in seconds, of a task that should run every few milliseconds."""
    longest, last = 0.0, time.perf_counter()
    while not over.is_set():
        await asyncio.sleep(TICK)
        now = time.perf_counter()
        longest, last = max(longest, now - last - TICK), now
    return longest


async def main(url: str, count: int) -> tuple[float, float]:
    """Return the longest delay and the duration of all runs, in seconds."""
    client = WorkflowClient(base_url=url)
    await client.run_workflow("pause", start_event={"seconds": 0})
    over = asyncio.Event()
    watch = asyncio.create_task(longest_delay(over))
    await asyncio.sleep(0)
    begin = time.perf_counter()
    runs = [client.run_workflow("pause", start_event={"seconds": 0.5}) for _ in range(count)]
    await asyncio.gather(*runs)
    seconds = time.perf_counter() - begin
    over.set()
    return await watch, seconds


options = arguments(__doc__, runs=200)
blocked, seconds = asyncio.run(main(options.server, options.runs))
report(blocked=[blocked], seconds=[seconds])
