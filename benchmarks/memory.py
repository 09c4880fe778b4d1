"""The memory of a stream whose consumer is slower than the server.

The consumer pauses; then it takes all. Memory is read at the first event and at its highest.
"""

from __future__ import annotations

import asyncio

from llama_agents.client import WorkflowClient

from .script import arguments, report, resident

PAUSE = 0.02  # s, at each look


async def main(url: str, count: int, looks: int) -> list[float]:
    """Bytes beyond those at the first event, at each look."""
    client = WorkflowClient(base_url=url)
    memory, seen, first = [], 0, 0
    async for _ in client.get_workflow_events(f"many-{count}"):
        if not seen:
            first = resident()
        if seen % (count // looks) == 0:
            await asyncio.sleep(PAUSE)
            memory.append(float(resident() - first))
        seen += 1
    assert seen == count, f"{seen} events"
    return memory


options = arguments(__doc__, events=1_000_000, looks=200)
memory = asyncio.run(main(options.replay, options.events, options.looks))
report(highest=[max(memory)], over_time=memory)
