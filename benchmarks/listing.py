"""Processor time to list many handlers, with and without Python's garbage collector."""

from __future__ import annotations

import asyncio
import gc
import time

from llama_agents.client import WorkflowClient

from .script import arguments, report


async def main(url: str, count: int, repeat: int) -> list[float]:
    """Return seconds per list."""
    client = WorkflowClient(base_url=url)
    found = []
    for turn in range(repeat + 1):
        begin = time.process_time()
        response = await client.get_handlers(workflow_name=[str(count)])
        assert len(response.handlers) == count
        if turn:  # the first one opens the connection and builds the server's response
            found.append(time.process_time() - begin)
    return found


options = arguments(__doc__, handlers=1000, repeat=5)
seconds = asyncio.run(main(options.replay, options.handlers, options.repeat))
gc.disable()
collector_off = asyncio.run(main(options.replay, options.handlers, options.repeat))
report(seconds=seconds, collector_off=collector_off)
