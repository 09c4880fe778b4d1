"""The memory of a stream whose consumer is slower than the server.

The consumer pauses at the first event, long enough for a client to read far ahead of it; then it
takes all. Memory is read before the stream, and at its highest.
"""

from __future__ import annotations

import asyncio

from llama_agents.client import WorkflowClient

from .script import arguments, report, resident

LOOK = 0.1  # s, between two looks at the memory in the pause


async def main(url: str, count: int, looks: int, pause: int) -> list[float]:
    """Bytes beyond those before the stream, at each look."""
    client = WorkflowClient(base_url=url)
    async for _ in client.get_workflow_events("many-1"):
        pass  # what a client has once is no part of it
    memory, seen, before = [], 0, resident()
    async for _ in client.get_workflow_events(f"many-{count}"):
        if not seen:
            for _ in range(round(pause / LOOK)):
                await asyncio.sleep(LOOK)
                memory.append(float(resident() - before))
        if seen % (count // looks) == 0:
            memory.append(float(resident() - before))
        seen += 1
    assert seen == count, f"{seen} events"
    return memory


options = arguments(__doc__, events=1_000_000, looks=200, pause=3)
memory = asyncio.run(main(options.replay, options.events, options.looks, options.pause))
report(highest=[max(memory)], over_time=memory)
