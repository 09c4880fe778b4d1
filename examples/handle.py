"""A handle on a run: follow it, leave it, go on with it elsewhere, get its typed result.

python examples/server.py                     # in one terminal
python examples/handle.py [http://HOST:PORT]  # in another
"""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from sample_workflows import IndexDone, IndexStart

START = IndexStart(documents=6, seconds_each=0.1)


def synchronously(base_url: str) -> None:
    """Follow a run half-way, and keep the position as JSON."""
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.start("index", START)
        for event in run.events():
            print(f"  {event.type} {event.value}")
            if event.value["number"] == 3:
                break
        kept = json.dumps(run.checkpoint())
    print(f"  left at {kept}")

    # From here on it might be another process.
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.resume(json.loads(kept))
        for event in run.events():
            print(f"  {event.type} {event.value}")
        done = run.result(IndexDone)
        print(f"  {run.status()}: {done.indexed} documents")


async def asynchronously(base_url: str) -> None:
    """The same, with the asynchronous client."""
    async with WorkflowClient(base_url=base_url) as client:
        run = await client.start("index", START)
        async for event in run.events():
            print(f"  {event.type} {event.value}")
            if event.value["number"] == 3:
                break
        kept = json.dumps(await run.checkpoint())
    print(f"  left at {kept}")

    async with WorkflowClient(base_url=base_url) as client:
        run = await client.resume(json.loads(kept))
        async for event in run.events():
            print(f"  {event.type} {event.value}")
        done = await run.result(IndexDone)
        print(f"  {await run.status()}: {done.indexed} documents")


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        print("SyncWorkflowClient")
        synchronously(url)
        print("WorkflowClient")
        asyncio.run(asynchronously(url))
    except httpx.ConnectError as error:
        sys.exit(f"No server at {url} ({error}). Start one: python examples/server.py")
