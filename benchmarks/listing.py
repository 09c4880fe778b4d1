"""The time of a list of many handlers; and with Python's garbage collector off."""

from __future__ import annotations

import asyncio
import gc
import time

from llama_agents.client import WorkflowClient

from .script import arguments, report


async def main(url: str, count: int, repeat: int) -> list[float]:
    """Seconds for each list."""
    client = WorkflowClient(base_url=url)
    found = []
    for turn in range(repeat + 1):
        begin = time.perf_counter()
        answer = await client.get_handlers(workflow_name=[str(count)])
        assert len(answer.handlers) == count
        if turn:  # the first one makes the connection, and the server's answer
            found.append(time.perf_counter() - begin)
    return found


options = arguments(__doc__, handlers=1000, repeat=5)
seconds = asyncio.run(main(options.replay, options.handlers, options.repeat))
gc.disable()
collector_off = asyncio.run(main(options.replay, options.handlers, options.repeat))
report(seconds=seconds, collector_off=collector_off)
