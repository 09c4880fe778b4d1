"""A workflow asks, a function answers.

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
    """Ask at the terminal; where there is none, answer for the human."""
    if sys.stdin.isatty():
        return ResponseEvent(response=input(f"{event.prompt} ").strip())
    print(f"{event.prompt} (no terminal here: the answer is Ada)")
    return ResponseEvent(response="Ada")


async def ask_elsewhere(event: RequestEvent) -> ResponseEvent:
    """Ask without keeping the event loop from other work: a chat, a web page, a thread."""
    return await asyncio.to_thread(ask, event)


def synchronously(base_url: str) -> None:
    """Run the workflow, and answer what it asks."""
    with SyncWorkflowClient(base_url=base_url) as client:
        run = client.start("human")
        result = run.interact({RequestEvent: ask}, OutEvent)
        print(result.output)


async def asynchronously(base_url: str) -> None:
    """The same, with the asynchronous client."""
    async with WorkflowClient(base_url=base_url) as client:
        run = await client.start("human")
        result = await run.interact({RequestEvent: ask_elsewhere}, OutEvent)
        print(result.output)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        synchronously(url)
        asyncio.run(asynchronously(url))
    except httpx.ConnectError as error:
        sys.exit(f"No server at {url} ({error}). Start one: python examples/server.py")
