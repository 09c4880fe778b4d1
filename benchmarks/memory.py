"""Memory of a stream whose consumer is slower than the server.

The consumer pauses at the first event, long enough for a client to read far ahead, and then
consumes the rest. Reports the memory in use, relative to that before the stream.
"""

from __future__ import annotations

import asyncio

from llama_agents.client import WorkflowClient

from .script import arguments, report, resident

INTERVAL = 0.1  # s, between samples during the pause


async def main(url: str, count: int, samples: int, pause: int) -> list[float]:
    """Return the additional bytes in use, for each sample."""
    client = WorkflowClient(base_url=url)
    async for _ in client.get_workflow_events("blocks-1"):
        pass  # excludes what a client allocates only once
    memory, seen, before = [], 0, resident()
    async for _ in client.get_workflow_events(f"blocks-{count}"):
        if not seen:
            for _ in range(round(pause / INTERVAL)):
                await asyncio.sleep(INTERVAL)
                memory.append(float(resident() - before))
        if seen % (count // samples) == 0:
            memory.append(float(resident() - before))
        seen += 1
    assert seen == count, f"{seen} events"
    return memory


options = arguments(__doc__, events=1_000_000, samples=200, pause=3)
memory = asyncio.run(main(options.replay, options.events, options.samples, options.pause))
report(highest=[max(memory)], over_time=memory)
