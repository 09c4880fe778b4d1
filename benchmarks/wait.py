"""Delay between the end of a run and the return of ``wait_for_handler``."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from llama_agents.client import WorkflowClient

from .script import arguments, report


async def main(url: str, repeat: int) -> list[float]:
    """Return the delays in seconds, from the end that the server recorded on the same clock."""
    client = WorkflowClient(base_url=url)
    late = []
    for turn in range(repeat):
        pause = 0.5 + 0.37 * turn % 1  # vary the phase, so that polling is not favoured
        run = await client.run_workflow_nowait("pause", start_event={"seconds": pause})
        handler = await client.wait_for_handler(run.handler_id)
        returned = time.time()
        assert handler.completed_at is not None, handler
        late.append(returned - datetime.fromisoformat(handler.completed_at).timestamp())
    return late


options = arguments(__doc__, repeat=5)
report(late=asyncio.run(main(options.server, options.repeat)))
