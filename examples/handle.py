"""Follow a run, stop halfway, resume it elsewhere, and get its typed result.

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


def run_sync(base_url: str) -> None:
    """Follow a run halfway, save the position as JSON, and resume from there."""
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.start("index", START)
        for event in run.events():
            print(f"  {event.type} {event.value}")
            if event.value["number"] == 3:
                break
        saved = json.dumps(run.checkpoint())
    print(f"  stopped; checkpoint {saved}")

    # This could be another process.
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.resume(json.loads(saved))
        for event in run.events():
            print(f"  {event.type} {event.value}")
        done = run.result(IndexDone)
        print(f"  {run.status()}: {done.indexed} documents")


async def run_async(base_url: str) -> None:
    """Do the same with the async client."""
    async with WorkflowClient(base_url=base_url) as client:
        run = await client.start("index", START)
        async for event in run.events():
            print(f"  {event.type} {event.value}")
            if event.value["number"] == 3:
                break
        saved = json.dumps(await run.checkpoint())
    print(f"  stopped; checkpoint {saved}")

    async with WorkflowClient(base_url=base_url) as client:
        run = await client.resume(json.loads(saved))
        async for event in run.events():
            print(f"  {event.type} {event.value}")
        done = await run.result(IndexDone)
        print(f"  {await run.status()}: {done.indexed} documents")


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        print("SyncWorkflowClient")
        run_sync(url)
        print("WorkflowClient")
        asyncio.run(run_async(url))
    except httpx.ConnectError as error:
        sys.exit(f"No workflow server at {url} ({error}). Start one: python examples/server.py")
