"""Answer the requests of a workflow with a function.

python examples/server.py                       # in one terminal
python examples/interact.py [http://HOST:PORT]  # in another
"""

from __future__ import annotations

import asyncio
import sys

import httpx
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from sample_workflows import OutEvent, RequestEvent, ResponseEvent


def ask(event: RequestEvent) -> ResponseEvent:
    """Ask at the terminal. Without a terminal, answer on the human's behalf."""
    if sys.stdin.isatty():
        return ResponseEvent(response=input(f"{event.prompt} ").strip())
    print(f"{event.prompt} (no terminal: answering Ada)")
    return ResponseEvent(response="Ada")


async def ask_in_thread(event: RequestEvent) -> ResponseEvent:
    """Ask in a thread, because input() would block the event loop."""
    return await asyncio.to_thread(ask, event)


def run_sync(base_url: str) -> None:
    """Run the workflow and answer its requests."""
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.start("human")
        result = run.interact({RequestEvent: ask}, OutEvent)
        print(result.output)


async def run_async(base_url: str) -> None:
    """Do the same with the async client."""
    async with WorkflowClient(base_url=base_url) as client:
        run = await client.start("human")
        result = await run.interact({RequestEvent: ask_in_thread}, OutEvent)
        print(result.output)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        run_sync(url)
        asyncio.run(run_async(url))
    except httpx.ConnectError as error:
        sys.exit(f"No workflow server at {url} ({error}). Start one: python examples/server.py")
