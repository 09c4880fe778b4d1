"""The memory of a stream whose consumer is slower than the server.

The consumer pauses now and then. Memory is read before the stream, and at its highest.
"""

from __future__ import annotations

import asyncio

from llama_agents.client import WorkflowClient

from .script import arguments, report, resident

PAUSE = 0.02  # s, at each look


async def main(url: str, count: int, looks: int) -> list[float]:
    """Bytes beyond those before the stream, at each look."""
    client = WorkflowClient(base_url=url)
    async for _ in client.get_workflow_events("many-1"):
        pass  # what a client has once is no part of it
    memory, seen, before = [], 0, resident()
    async for _ in client.get_workflow_events(f"many-{count}"):
        if seen % (count // looks) == 0:
            await asyncio.sleep(PAUSE)
            memory.append(float(resident() - before))
        seen += 1
    assert seen == count, f"{seen} events"
    return memory


options = arguments(__doc__, events=1_000_000, looks=200)
memory = asyncio.run(main(options.replay, options.events, options.looks))
report(highest=[max(memory)], over_time=memory)
