"""Processor time and memory per stream, with many live streams on one client in one process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from llama_agents.client import WorkflowClient

from .script import arguments, report, resident


def events(client: WorkflowClient) -> AsyncIterator[Any]:
    """Stream a run that sends a single event."""
    return aiter(client.get_workflow_events("one"))


async def first(iterator: AsyncIterator[Any]) -> None:
    """Wait for the first event."""
    await anext(iterator)


async def main(count: int, **options: Any) -> tuple[float, float]:
    """Return seconds and bytes per stream."""
    client = WorkflowClient(**options)
    warm = events(client)
    await first(warm)
    gc.collect()
    memory, begin = resident(), time.process_time()
    streams = [events(client) for _ in range(count)]
    await asyncio.gather(*map(first, streams))
    seconds = time.process_time() - begin
    gc.collect()
    taken = resident() - memory
    async with AsyncExitStack() as stack:
        for stream in [warm, *streams]:
            await stack.enter_async_context(aclosing(stream))  # type: ignore[type-var]
    return seconds / count, taken / count


options = arguments(__doc__, streams=1000, aiohttp=0)
transport = {"transport": "aiohttp"} if options.aiohttp else {}
seconds, taken = asyncio.run(main(options.streams, base_url=options.replay, **transport))
report(seconds=[seconds], bytes=[taken])
