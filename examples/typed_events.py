"""Typed events without the server's code: classes built from the server's schemas.

python examples/server.py                          # in one terminal
python examples/typed_events.py [http://HOST:PORT] # in another
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
from llama_agents.client import EventValidationError, SyncWorkflowClient, WorkflowClient
from workflows.events import InputRequiredEvent


def index_documents(base_url: str) -> None:
    """With the sync client: start a workflow with a typed event, and load its typed events."""
    with SyncWorkflowClient(base_url=base_url) as client:
        types = client.get_event_types("index")
        print("Events of 'index':", ", ".join(types.names))

        # To a type checker, these classes are Any. For classes that it knows, generate source code
        # with `python -m llama_agents.client.codegen`.
        start: Any = types["IndexStart"]
        run = client.start("index", start(documents=3, seconds_each=0.1))
        for envelope in run.events():
            event: Any = envelope.load_event(types)
            if isinstance(event, types["DocumentIndexed"]):
                print(f"  {event.number} of {event.total} documents")
        print("Indexed:", event.indexed)

        # An invalid start event is rejected before it is sent.
        try:
            client.start("index", {"documents": "many"}, validate=True)
        except EventValidationError as error:
            print("Rejected, as expected:", error)


async def answer_request(base_url: str) -> None:
    """With the async client: answer a request of the workflow with a typed event."""
    async with WorkflowClient(base_url=base_url) as client:
        types = await client.get_event_types("human")
        run = await client.start("human", validate=True)
        async for envelope in run.events():
            event: Any = envelope.load_event(types)
            if isinstance(event, InputRequiredEvent):
                print(f"{type(event).__name__} asks: {event.prompt}")
                response: Any = types["ResponseEvent"]
                await run.send(response(response="Ada"))
        print("Result:", event.output)


def main(base_url: str) -> None:
    """Show both client variants."""
    index_documents(base_url)
    asyncio.run(answer_request(base_url))


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    try:
        main(url)
    except httpx.ConnectError as error:
        sys.exit(f"No workflow server at {url} ({error}). Start one: python examples/server.py")
